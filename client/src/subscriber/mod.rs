//! Taking deliveries of a subscription: a stream that comes back by itself, and a handler for each delivery.
//!
//! What it promises: a delivery is acknowledged when its handler says so and never before; while a handler runs its deadline is
//! extended; a handler that fails or panics gives its delivery back. Everything is bounded: what is held, how many handlers run, how
//! long a stop takes. What it never does: handle one position twice at the same time, or acknowledge what nobody handled.

mod deliveries;
mod ledger;
mod worker;

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use casebroker_proto::{
    subscription::MAX_REASON,
    v1::{Delivery, Nacked},
};
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::timeout,
};

use crate::{Client, error::ClientError};

pub use deliveries::{Deliveries, Flow, Link, Streamed};

/// How long handlers may take to end after a stop, unless told otherwise.
const DRAIN: Duration = Duration::from_secs(30);
/// How many handlers run at once, unless told otherwise.
const CONCURRENCY: usize = 8;

/// Why a handler gives a delivery back. Any error becomes one, so that `?` works in a handler.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nack {
    reason: String,
    delay: Option<Duration>,
    terminate: bool,
}

impl Nack {
    /// For this reason; what is longer than 1,000 characters is cut. Delivered again as the subscription's retry policy says.
    pub fn because(reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(MAX_REASON) {
            reason.truncate(end);
        }
        Self {
            reason,
            ..Self::default()
        }
    }

    /// Delivered again after so long, at most an hour.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Not delivered again: it goes to the dead letters, or is dropped if the subscription keeps none.
    pub fn for_good(mut self) -> Self {
        self.terminate = true;
        self
    }

    /// As the contract says it, of one delivery.
    pub fn of(&self, ack_id: impl Into<String>) -> Nacked {
        Nacked {
            ack_id: ack_id.into(),
            delay: self.delay.map(seconds),
            reason: self.reason.clone(),
            terminate: self.terminate,
        }
    }
}

impl<E: std::error::Error> From<E> for Nack {
    fn from(error: E) -> Self {
        Self::because(error.to_string())
    }
}

/// Takes a subscription's deliveries and hands each to a handler. See [`Client::subscriber`].
#[derive(Debug, Clone)]
pub struct Subscriber {
    client: Client,
    subscription: String,
    flow: Flow,
    concurrency: usize,
    drain: Duration,
}

/// What a subscriber did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handled {
    /// Handlers that said yes.
    pub acknowledged: u64,
    /// Handlers that gave their delivery back.
    pub given_back: u64,
    /// Handlers that panicked; their deliveries were given back.
    pub panicked: u64,
    /// Handlers that had not ended when the stop took too long; their deliveries were given back.
    pub unfinished: u64,
    /// The stream beneath.
    pub streamed: Streamed,
}

impl Client {
    /// A subscriber of `agencies/{agency}/subscriptions/{subscription}`.
    pub fn subscriber(&self, subscription: &str) -> Subscriber {
        Subscriber {
            client: self.clone(),
            subscription: subscription.to_owned(),
            flow: Flow::default(),
            concurrency: CONCURRENCY,
            drain: DRAIN,
        }
    }
}

impl Subscriber {
    /// Most handlers that run at once, at least 1; 8 if not said.
    pub fn concurrency(mut self, most: usize) -> Self {
        self.concurrency = most.max(1);
        self
    }

    /// How much is held at once, and whether acknowledgements are waited for.
    pub fn flow(mut self, flow: Flow) -> Self {
        self.flow = flow;
        self
    }

    /// How long handlers may take to end after a stop; 30 seconds if not said.
    pub fn drain(mut self, longest: Duration) -> Self {
        self.drain = longest;
        self
    }

    /// Handles deliveries until `stop` ends; then takes no more, lets the handlers end, acknowledges, and gives the rest back. An error
    /// is one that trying again cannot mend, such as a subscription that is gone.
    pub async fn run<H, F>(
        self,
        stop: impl Future<Output = ()>,
        handler: H,
    ) -> Result<Handled, ClientError>
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Nack>> + Send,
    {
        let mut deliveries = self
            .client
            .deliveries(&self.subscription, self.flow)
            .await?;
        let mut running = Running {
            handler: Arc::new(handler),
            tasks: JoinSet::new(),
            positions: HashMap::new(),
            handled: Handled::default(),
        };
        tokio::pin!(stop);
        let end = loop {
            tokio::select! {
                biased;
                () = &mut stop => break Ok(()),
                settled = running.settled(), if !running.tasks.is_empty() => settled.say(&deliveries),
                next = deliveries.next(), if running.tasks.len() < self.concurrency => match next {
                    Ok(delivery) => running.begin(delivery),
                    Err(error) => break Err(error),
                },
            }
        };
        let drained = async {
            while !running.tasks.is_empty() {
                running.settled().await.say(&deliveries);
            }
        };
        // What has not ended by then is still held, and so is given back when the stream is closed.
        let _ = timeout(self.drain, drained).await;
        running.handled.unfinished = running.tasks.len() as u64;
        running.tasks.abort_all();
        let closed = deliveries.close().await;
        end?;
        running.handled.streamed = closed?;
        Ok(running.handled)
    }
}

/// The handlers under way.
struct Running<H> {
    handler: Arc<H>,
    tasks: JoinSet<Result<(), Nack>>,
    positions: HashMap<Id, u64>,
    handled: Handled,
}

impl<H, F> Running<H>
where
    H: Fn(Delivery) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Nack>> + Send,
{
    fn begin(&mut self, delivery: Delivery) {
        let position = delivery.position;
        let handler = Arc::clone(&self.handler);
        // Within the task, so that a handler which panics before its first await is caught as well.
        let task = self.tasks.spawn(async move { handler(delivery).await });
        self.positions.insert(task.id(), position);
    }

    /// Waits until a handler has ended. Nothing is lost if this is dropped while it waits.
    async fn settled(&mut self) -> Settled {
        let Some(ended) = self.tasks.join_next_with_id().await else {
            return Settled(None);
        };
        let (id, result) = match ended {
            Ok((id, Ok(()))) => {
                self.handled.acknowledged += 1;
                (id, Ok(()))
            }
            Ok((id, Err(nack))) => {
                self.handled.given_back += 1;
                (id, Err(nack))
            }
            Err(error) => {
                self.handled.panicked += 1;
                (error.id(), Err(Nack::because(said(error))))
            }
        };
        let position = self.positions.remove(&id);
        Settled(position.map(|position| (position, result)))
    }
}

/// A position, and what its handler said.
struct Settled(Option<(u64, Result<(), Nack>)>);

impl Settled {
    fn say(self, deliveries: &Deliveries) {
        match self.0 {
            Some((position, Ok(()))) => deliveries.ack(position),
            Some((position, Err(nack))) => deliveries.nack(position, nack),
            None => {}
        }
    }
}

/// What a handler that panicked said.
fn said(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "the handler was stopped".into();
    };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    match text {
        Some(text) => format!("the handler panicked: {text}"),
        None => "the handler panicked".into(),
    }
}

/// A duration as the contract has it; what is too long for it is as long as it can be.
pub(crate) fn seconds(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nack_says_reason_delay_and_end_and_any_error_makes_one() {
        let nack = Nack::because("x".repeat(2_000)).after(Duration::from_millis(1_500));
        let said = nack.of("a");
        assert_eq!(said.reason.chars().count(), MAX_REASON);
        let delay = said.delay.unwrap();
        assert_eq!((delay.seconds, delay.nanos), (1, 500_000_000));
        assert!(!said.terminate && nack.for_good().of("a").terminate);
        let failed = || -> Result<(), Nack> {
            std::fs::read("/nowhere/at/all")?;
            Ok(())
        };
        assert!(failed().unwrap_err().reason.contains("No such file"));
    }
}
