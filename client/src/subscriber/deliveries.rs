//! The handle of a stream of deliveries.

use std::time::Duration;

use casebroker_proto::v1::Delivery;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{Nack, worker};
use crate::{Client, error::ClientError};

/// How much a stream holds at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Most deliveries that are not acknowledged, 1 to 10,000.
    pub messages: u16,
    /// Most bytes of them. One delivery is always let through.
    pub bytes: usize,
    /// Whether acknowledgements are asked to be durable: until one is, its position is not handed out again, and closing waits for it.
    /// Otherwise a crash of the broker within a second means another delivery.
    pub durable: bool,
    /// How long the deadline of a delivery is extended at most; after that others get it.
    pub longest_lease: Duration,
    /// How long to try to come back to the broker after a connection broke; none for as long as it takes.
    pub give_up_after: Option<Duration>,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            messages: 1_000,
            bytes: 16 * 1024 * 1024,
            durable: false,
            longest_lease: Duration::from_secs(3_600),
            give_up_after: None,
        }
    }
}

/// How a stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Deliveries come.
    Open,
    /// It broke and is tried again.
    Broken {
        /// Attempts that failed since.
        attempts: u32,
        /// Why the last one did.
        cause: String,
    },
}

/// What became of a stream of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streamed {
    /// How often it came back after it broke.
    pub reconnects: u64,
    /// Acknowledgements that came after their deadline, as far as the broker said so.
    pub late: u64,
}

/// Deliveries as they come, each of them leased to this process until it is acknowledged or given back: deadlines are extended in the
/// background, broken connections come back. See [`Client::deliveries`].
#[derive(Debug)]
pub struct Deliveries {
    incoming: mpsc::Receiver<Delivery>,
    /// Unbounded, but at most one command for each delivery that is held.
    commands: mpsc::UnboundedSender<Command>,
    link: watch::Receiver<Link>,
    /// None once its end has been told.
    task: Option<JoinHandle<Result<Streamed, ClientError>>>,
}

/// What is said about a position.
#[derive(Debug)]
pub(super) enum Command {
    Ack(u64),
    Nack(u64, Nack),
}

impl Client {
    /// Opens a stream of a subscription's deliveries, for loops of one's own; [`Client::subscriber`] is the easier way. Fails if the broker
    /// cannot be reached within the bounds of the profile, or refuses. Must be called within a tokio runtime.
    pub async fn deliveries(
        &self,
        subscription: &str,
        flow: Flow,
    ) -> Result<Deliveries, ClientError> {
        // Within the usual bounds, so that a wrong name or address is said at once and not tried for ever.
        self.get_subscription(subscription).await?;
        let (output, incoming) = mpsc::channel(16);
        let (commands, input) = mpsc::unbounded_channel();
        let (state, link) = watch::channel(Link::Open);
        let worker = worker::Worker::new(self, subscription, flow, output, input, state);
        Ok(Deliveries {
            incoming,
            commands,
            link,
            task: Some(tokio::spawn(worker.run())),
        })
    }
}

impl Deliveries {
    /// The next delivery; waits for it. An error ends the stream: it is one that trying again cannot mend.
    pub async fn next(&mut self) -> Result<Delivery, ClientError> {
        match self.incoming.recv().await {
            Some(delivery) => Ok(delivery),
            // The task has dropped its end, and is about to say why.
            None => Err(told(&mut self.task)
                .await
                .err()
                .unwrap_or(ClientError::StreamEnded)),
        }
    }

    /// A delivery that is there already.
    pub fn try_next(&mut self) -> Option<Delivery> {
        self.incoming.try_recv().ok()
    }

    /// Acknowledges a position; sent with others within 50 milliseconds.
    pub fn ack(&self, position: u64) {
        // If the stream has ended, the next call of `next` or `close` says so.
        let _ = self.commands.send(Command::Ack(position));
    }

    /// Gives a position back.
    pub fn nack(&self, position: u64, nack: Nack) {
        let _ = self.commands.send(Command::Nack(position, nack));
    }

    /// How the stream stands, to be watched.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Sends everything that was said, gives back what is still held, and waits until the broker has taken it.
    pub async fn close(self) -> Result<Streamed, ClientError> {
        let Self {
            incoming,
            commands,
            mut task,
            ..
        } = self;
        drop(commands);
        drop(incoming);
        told(&mut task).await
    }
}

/// What the task ends with, once.
async fn told(
    task: &mut Option<JoinHandle<Result<Streamed, ClientError>>>,
) -> Result<Streamed, ClientError> {
    let end = match task {
        Some(running) => running.await.unwrap_or(Err(ClientError::StreamEnded)),
        None => Err(ClientError::StreamEnded),
    };
    *task = None;
    end
}
