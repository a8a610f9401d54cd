//! The task behind a stream of deliveries: it owns the ledger, and whatever is said goes through it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use casebroker_proto::v1::{
    Delivery, GetSubscriptionRequest, Nacked, StreamingPullRequest, StreamingPullResponse,
    subscription_service_client::SubscriptionServiceClient,
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{Flow, Link, Nack, Streamed, deliveries::Command, ledger::Ledger};
use crate::{
    Client,
    connection::{MAX_ANSWER_BYTES, Retries, Transport, no_answer},
    error::{ClientError, Failure},
};

/// Deadline of a subscription that says none.
const DEADLINE: Duration = Duration::from_secs(60);
/// A stream that lived so long was a good one, even if nothing came.
const GOOD: Duration = Duration::from_secs(10);
/// How long to wait for the broker's end of a stream that we ended.
const GOODBYE: Duration = Duration::from_secs(5);
/// Most ids in a call.
const MOST: usize = 1_000;

pub(super) struct Worker {
    client: Client,
    subscription: String,
    flow: Flow,
    ledger: Ledger,
    /// Taken and not yet handed out; at most as much as the flow allows.
    ready: VecDeque<Delivery>,
    output: mpsc::Sender<Delivery>,
    input: mpsc::UnboundedReceiver<Command>,
    link: watch::Sender<Link>,
    retries: Retries,
    reconnects: u64,
}

/// A stream that is open.
struct Stream {
    requests: mpsc::Sender<StreamingPullRequest>,
    responses: Streaming<StreamingPullResponse>,
    deadline: Duration,
    opened: Instant,
    /// Something came.
    alive: bool,
}

/// Why a stream was left.
enum End {
    /// Nobody takes deliveries any more.
    Closed(Box<Stream>),
    Failed(Failure),
}

/// What is to be done next.
enum Next {
    /// Something is to be said, and there is room for it.
    Speak,
    /// The broker does not take what is said.
    Deaf,
    /// Something was said about a position; none if nobody will any more.
    Said(Option<Command>),
    /// A delivery can be handed out, or nobody takes any more.
    Hand(bool),
    /// An answer, or how the stream ended.
    Came(Result<Option<StreamingPullResponse>, Box<Status>>),
    /// Time has passed.
    Wake,
}

impl Worker {
    pub(super) fn new(
        client: &Client,
        subscription: &str,
        flow: Flow,
        output: mpsc::Sender<Delivery>,
        input: mpsc::UnboundedReceiver<Command>,
        link: watch::Sender<Link>,
    ) -> Self {
        let mut timing = *client.connection.timing();
        timing.attempts = u32::MAX;
        timing.total = flow.give_up_after.unwrap_or(Duration::MAX);
        Self {
            client: client.clone(),
            subscription: subscription.to_owned(),
            flow,
            ledger: Ledger::new(flow.durable),
            ready: VecDeque::new(),
            output,
            input,
            link,
            retries: Retries::new(timing),
            reconnects: 0,
        }
    }

    /// Runs until nobody takes deliveries any more, or until something happens that trying again cannot mend.
    pub(super) async fn run(mut self) -> Result<Streamed, ClientError> {
        loop {
            let failure = match self.open().await {
                Ok(stream) => match self.stream(stream).await {
                    End::Closed(stream) => {
                        self.settle().await?;
                        self.goodbye(*stream).await;
                        break;
                    }
                    End::Failed(failure) => failure,
                },
                Err(failure) => failure,
            };
            let cause = cause_of(&failure);
            let failure = if names_unknown_ids(&failure) {
                self.ledger.forget(Instant::now());
                Failure::Broken(cause.clone())
            } else {
                self.ledger.again(Instant::now());
                failure
            };
            let Some(wait) = self.retries.wait_for(&failure) else {
                return Err(failure.into_error(self.client.endpoint(), self.retries.failed));
            };
            self.link.send_replace(Link::Broken {
                attempts: self.retries.failed,
                cause,
            });
            if self.pause(wait).await {
                self.settle().await?;
                break;
            }
            self.reconnects += 1;
        }
        Ok(Streamed {
            reconnects: self.reconnects,
            late: self.ledger.late,
        })
    }

    /// Asks for the deadline and opens a stream; one attempt.
    async fn open(&mut self) -> Result<Stream, Failure> {
        let limit = self.client.connection.timing().call_timeout;
        let mut service = service(self.client.connection.channel());
        let request = GetSubscriptionRequest {
            name: self.subscription.clone(),
        };
        let answer = within(limit, service.get_subscription(request)).await?;
        let subscription = answer.into_inner().subscription.unwrap_or_default();
        let deadline = subscription.ack_deadline.as_ref();
        let deadline = deadline.and_then(casebroker_proto::subscription::duration);
        let (requests, outgoing) = mpsc::channel(32);
        let first = StreamingPullRequest {
            subscription: self.subscription.clone(),
            max_outstanding_messages: self.flow.messages.into(),
            max_outstanding_bytes: i64::try_from(self.flow.bytes.max(1)).unwrap_or(i64::MAX),
            ..Default::default()
        };
        // The channel is empty, so there is room.
        let _ = requests.try_send(first);
        let opening = service.streaming_pull(ReceiverStream::new(outgoing));
        let responses = within(limit, opening).await?.into_inner();
        self.link
            .send_if_modified(|link| std::mem::replace(link, Link::Open) != Link::Open);
        Ok(Stream {
            requests,
            responses,
            deadline: deadline.unwrap_or(DEADLINE),
            opened: Instant::now(),
            alive: false,
        })
    }

    /// One stream, from its opening to its end.
    async fn stream(&mut self, mut stream: Stream) -> End {
        let scan = stream.deadline / 8;
        let mut next_scan = Instant::now();
        loop {
            match self.next(&mut stream, next_scan).await {
                Next::Speak => {
                    let now = Instant::now();
                    // By themselves, so that their outcomes are not among those of acknowledgements.
                    let message = if next_scan <= now {
                        next_scan = now + scan;
                        self.ledger
                            .extend(now, stream.deadline / 2, self.flow.longest_lease)
                    } else {
                        self.ledger.message(now)
                    };
                    if let Some(message) = message {
                        // There is room, as `next` has seen, and nobody else sends.
                        let _ = stream.requests.try_send(message);
                    }
                }
                Next::Said(Some(command)) => self.hear(command),
                Next::Said(None) => return End::Closed(Box::new(stream)),
                Next::Hand(true) => {
                    if let Some(delivery) = self.ready.pop_front() {
                        let _ = self.output.try_send(delivery);
                    }
                }
                // Nobody takes more; what is said about those handed out still comes.
                Next::Hand(false) => self.ready.clear(),
                Next::Came(Ok(Some(answer))) => {
                    stream.alive = true;
                    self.retries.reset();
                    self.take(answer);
                }
                Next::Came(Ok(None)) => return self.left(&stream, ended()),
                Next::Came(Err(status)) => {
                    return self.left(&stream, Failure::from_status(*status));
                }
                Next::Deaf => return self.broken(&mut stream).await,
                Next::Wake => {}
            }
        }
    }

    /// Waits for what is to be done next.
    async fn next(&mut self, stream: &mut Stream, next_scan: Instant) -> Next {
        let now = Instant::now();
        let due = self.ledger.due(now);
        let speaks = due.is_some_and(|due| due <= now) || next_scan <= now;
        let wake = due.map_or(next_scan, |due| due.min(next_scan));
        let (held, bytes) = self.ledger.held();
        let room = held == 0 || (held < self.flow.messages.into() && bytes < self.flow.bytes);
        tokio::select! {
            biased;
            permit = stream.requests.reserve(), if speaks => match permit {
                Ok(_) => Next::Speak,
                Err(_) => Next::Deaf,
            },
            command = self.input.recv() => Next::Said(command),
            permit = self.output.reserve(), if !self.ready.is_empty() => Next::Hand(permit.is_ok()),
            answer = stream.responses.message(), if room => Next::Came(answer.map_err(Box::new)),
            () = sleep_until(wake.into()), if !speaks => Next::Wake,
        }
    }

    /// The broker does not take what is said any more: its answers, up to the last, say why.
    async fn broken(&mut self, stream: &mut Stream) -> End {
        let failure = loop {
            match timeout(GOODBYE, stream.responses.message()).await {
                Ok(Ok(Some(answer))) => self.take(answer),
                Ok(Err(status)) => break Failure::from_status(status),
                Ok(Ok(None)) | Err(_) => break ended(),
            }
        };
        self.left(stream, failure)
    }

    fn left(&mut self, stream: &Stream, failure: Failure) -> End {
        if stream.alive || stream.opened.elapsed() >= GOOD {
            self.retries.reset();
        }
        End::Failed(failure)
    }

    fn take(&mut self, answer: StreamingPullResponse) {
        let now = Instant::now();
        for outcome in &answer.outcomes {
            self.ledger.outcome(outcome, now);
        }
        for delivery in answer.deliveries {
            self.ready.extend(self.ledger.take(delivery, now));
        }
    }

    fn hear(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Ack(position) => self.ledger.ack(position, now),
            Command::Nack(position, nack) => self.ledger.nack(position, &nack, now),
        }
    }

    /// Waits before another attempt, and hears what is said meanwhile. True if nobody takes deliveries any more.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = tokio::time::Instant::now() + wait;
        loop {
            tokio::select! {
                command = self.input.recv() => match command {
                    Some(command) => self.hear(command),
                    None => return true,
                },
                () = sleep_until(until) => return false,
            }
        }
    }

    /// Says by calls, which are repeated and answered, all that is left to say: also what was said over a stream and not confirmed.
    async fn settle(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        self.ledger
            .nack_all(&Nack::because("the consumer stopped"), now);
        if self.ledger.unconfirmed() > 0 {
            self.ledger.again(now);
        }
        while let Some(message) = self.ledger.message(now) {
            self.acknowledge(message.ack_ids).await?;
            self.give_back(message.nacks).await?;
        }
        Ok(())
    }

    async fn acknowledge(&mut self, mut ack_ids: Vec<String>) -> Result<(), ClientError> {
        ack_ids.truncate(MOST);
        if ack_ids.is_empty() {
            return Ok(());
        }
        let call = self
            .client
            .acknowledge(&self.subscription, ack_ids, self.flow.durable);
        for outcome in call.await? {
            self.ledger.outcome(&outcome, Instant::now());
        }
        Ok(())
    }

    async fn give_back(&mut self, nacks: Vec<Nacked>) -> Result<(), ClientError> {
        if !nacks.is_empty() {
            self.client.nack(&self.subscription, nacks).await?;
        }
        Ok(())
    }

    /// Ends the stream after the broker has taken all that was sent over it.
    async fn goodbye(&mut self, stream: Stream) {
        let Stream {
            requests,
            mut responses,
            ..
        } = stream;
        drop(requests);
        let rest = async {
            while let Ok(Some(answer)) = responses.message().await {
                for outcome in &answer.outcomes {
                    self.ledger.outcome(outcome, Instant::now());
                }
            }
        };
        // Everything that must arrive has been said by calls: a broker that does not end the stream is left.
        let _ = timeout(GOODBYE, rest).await;
    }
}

/// Whether the broker refuses ids of an earlier stream as unknown, as one whose state was built anew may.
fn names_unknown_ids(failure: &Failure) -> bool {
    let Failure::Refused(refusal) = failure else {
        return false;
    };
    let names_ids = |field: &str| field.contains("ack_id") || field.contains("nacks");
    refusal.code == Code::InvalidArgument && refusal.violations.iter().any(|v| names_ids(&v.field))
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Failure> {
    match timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => Err(Failure::from_status(status)),
        Err(_) => Err(Failure::Broken(no_answer(limit))),
    }
}

fn service(channel: Transport) -> SubscriptionServiceClient<Transport> {
    SubscriptionServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}

fn ended() -> Failure {
    Failure::Broken("the broker ended the stream".into())
}

fn cause_of(failure: &Failure) -> String {
    match failure {
        Failure::Broken(cause) | Failure::Untrusted(cause) => cause.clone(),
        Failure::Refused(refusal) => refusal.to_string(),
    }
}
