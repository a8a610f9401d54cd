//! `SubscriptionService`: deliveries and what consumers say of them.

use std::{sync::Arc, time::Duration};

use casebroker_proto::{
    encoded::{
        Delivery, PullResponse, StreamingPullResponse,
        subscription_service_server::SubscriptionService,
    },
    subscription::{ACK_DEADLINE, MAX_UNACKNOWLEDGED, duration},
    v1::{
        AckResult, AcknowledgeRequest, AcknowledgeResponse, ModifyAckDeadlineRequest,
        ModifyAckDeadlineResponse, NackRequest, NackResponse, PullRequest, StreamingPullRequest,
    },
};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Rooms,
    ack_ids::{ack_ids, nacks, outcomes},
    authorize,
    cases::MAX_PAGE_BYTES,
    reasons::with_reason,
    record::AccessNote,
    status,
};
use crate::{
    delivery::{Consumer, Joined, Subscribed, Taken},
    identity::Caller,
    policy::Method,
    sequencer::SequencerError,
};

/// Most deliveries of a pull.
const MAX_PULL: usize = 1_000;
/// Longest wait of a pull.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// Most deliveries in a message of a stream.
const BATCH: usize = 128;
/// Messages of a stream that wait to be taken.
const MESSAGES_AHEAD: usize = 2;
/// How long a stream waits for its first message.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);
/// Bytes that a stream's consumer holds if it does not say.
const DEFAULT_BYTES: u64 = 16 << 20;
const DEFAULT_MESSAGES: usize = 1_000;
/// How long a stream waits at a time.
const LONG: Duration = Duration::from_secs(3_600);

impl Rooms {
    pub(super) async fn pull_some(
        &self,
        request: Request<PullRequest>,
    ) -> Result<Response<PullResponse>, Status> {
        let note = AccessNote::of(&request);
        let (caller, subscribed, request) =
            self.subscription_of(request, Method::Pull, |r| &r.subscription)?;
        let limit = at_most("max_messages", request.max_messages.into(), MAX_PULL, 100)?;
        let wait = match request.wait.as_ref().map(duration) {
            None => Duration::ZERO,
            Some(Some(wait)) if wait <= MAX_WAIT => wait,
            Some(_) => {
                let rule = format!("must be 0s to {}s", MAX_WAIT.as_secs());
                return Err(status::invalid_field("wait", rule));
            }
        };
        // What it takes stays its own until the deadline: it answers by other calls.
        let consumer = Consumer::new(limit, u64::MAX);
        let joined = self.deliveries.join(&subscribed, consumer, false);
        let until = Instant::now() + wait;
        loop {
            let taken = joined.take(limit, until).await;
            if taken.is_empty() {
                return match self.stopping.is_cancelled() {
                    true => Err(SequencerError::Stopping.into()),
                    false => Ok(Response::new(PullResponse::default())),
                };
            }
            let deliveries = self.contents(&caller, &subscribed, taken).await?;
            // What may not be seen any more is left out; then there may be others.
            if !deliveries.is_empty() || Instant::now() >= until {
                note.cases(deliveries.len());
                return Ok(Response::new(PullResponse { deliveries }));
            }
        }
    }

    pub(super) async fn open_stream(
        &self,
        request: Request<Streaming<StreamingPullRequest>>,
    ) -> Result<Response<<Self as SubscriptionService>::StreamingPullStream>, Status> {
        let caller = authorize(&request, Method::StreamingPull)?;
        let note = AccessNote::of(&request);
        let mut requests = request.into_inner();
        let first = tokio::time::timeout(FIRST_MESSAGE, requests.message()).await;
        let first = first
            .map_err(|_| status::invalid_field("subscription", "did not come within 10 seconds"))?;
        let first = first.map_err(with_reason)?.unwrap_or_default();
        note.resource(&first.subscription);
        let subscribed = self.subscribed(&caller, "subscription", &first.subscription)?;
        let messages = at_most(
            "max_outstanding_messages",
            first.max_outstanding_messages.into(),
            MAX_UNACKNOWLEDGED,
            DEFAULT_MESSAGES,
        )?;
        let bytes = match u64::try_from(first.max_outstanding_bytes) {
            Ok(0) => DEFAULT_BYTES,
            Ok(bytes) => bytes,
            Err(_) => {
                return Err(status::invalid_field(
                    "max_outstanding_bytes",
                    "must not be negative",
                ));
            }
        };
        let joined = self
            .deliveries
            .join(&subscribed, Consumer::new(messages, bytes), true);
        let (answers, stream) = mpsc::channel(MESSAGES_AHEAD);
        let pump = Pump {
            rooms: self.clone(),
            caller,
            note,
            subscribed,
            answers,
        };
        tokio::spawn(pump.run(joined, first, requests));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    pub(super) async fn ack(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        let (_, subscribed, request) =
            self.subscription_of(request, Method::Acknowledge, |r| &r.subscription)?;
        let ids = ack_ids(&subscribed, "ack_ids", &request.ack_ids, 1)?;
        let results = self.deliveries.ack(&subscribed, &ids);
        if request.durable {
            self.deliveries.settle().await?;
        }
        Ok(Response::new(AcknowledgeResponse {
            outcomes: outcomes(request.ack_ids, results),
        }))
    }

    pub(super) fn extend(
        &self,
        request: Request<ModifyAckDeadlineRequest>,
    ) -> Result<Response<ModifyAckDeadlineResponse>, Status> {
        let (_, subscribed, request) =
            self.subscription_of(request, Method::ModifyAckDeadline, |r| &r.subscription)?;
        let (least, most) = ACK_DEADLINE;
        let by = match request.ack_deadline.as_ref().map(duration) {
            None => subscribed.definition().settings.ack_deadline,
            Some(Some(by)) if (least..=most).contains(&by) => by,
            Some(_) => {
                let rule = format!("must be {}s to {}s", least.as_secs(), most.as_secs());
                return Err(status::invalid_field("ack_deadline", rule));
            }
        };
        let ids = ack_ids(&subscribed, "ack_ids", &request.ack_ids, 1)?;
        let results = self.deliveries.extend(&subscribed, &ids, by);
        Ok(Response::new(ModifyAckDeadlineResponse {
            outcomes: outcomes(request.ack_ids, results),
        }))
    }

    pub(super) fn give_back(
        &self,
        request: Request<NackRequest>,
    ) -> Result<Response<NackResponse>, Status> {
        let (_, subscribed, request) =
            self.subscription_of(request, Method::Nack, |r| &r.subscription)?;
        let ids: Vec<String> = request
            .nacks
            .iter()
            .map(|nack| nack.ack_id.clone())
            .collect();
        let nacks = nacks(&subscribed, request.nacks, 1)?;
        let results = self.deliveries.nack(&subscribed, nacks);
        Ok(Response::new(NackResponse {
            outcomes: outcomes(ids, results),
        }))
    }

    /// The deliveries of what was taken.
    async fn contents(
        &self,
        caller: &Caller,
        subscribed: &Arc<Subscribed>,
        taken: Vec<Taken>,
    ) -> Result<Vec<Delivery>, Status> {
        let of = Arc::clone(subscribed);
        let making = self.read(caller.clone(), move |rooms| {
            let most = MAX_PAGE_BYTES as u64;
            Ok(rooms.deliveries.contents(&of, &taken, most)?)
        });
        let deliveries = making.await?;
        if !deliveries.is_empty() {
            self.deliveries.record_attempts(subscribed).await?;
        }
        Ok(deliveries)
    }
}

/// Carries one stream.
struct Pump {
    rooms: Rooms,
    caller: Caller,
    note: AccessNote,
    subscribed: Arc<Subscribed>,
    answers: mpsc::Sender<Result<StreamingPullResponse, Status>>,
}

impl Pump {
    async fn run(
        self,
        joined: Joined,
        first: StreamingPullRequest,
        mut requests: Streaming<StreamingPullRequest>,
    ) {
        // A message is answered while deliveries go on.
        let upward = async {
            let mut next = Some(StreamingPullRequest {
                subscription: String::new(),
                max_outstanding_messages: 0,
                max_outstanding_bytes: 0,
                ..first
            });
            while let Some(request) = next {
                self.heed(request).await?;
                next = requests.message().await.map_err(with_reason)?;
            }
            Ok(())
        };
        let end = tokio::select! {
            end = upward => end,
            end = self.deliver(&joined) => end,
            () = self.answers.closed() => return,
            () = self.rooms.stopping.cancelled() => Err(SequencerError::Stopping.into()),
        };
        // What it holds is for others before the client hears of the end.
        drop(joined);
        if let Err(error) = end {
            // The client may be gone already.
            drop(self.answers.send(Err(error)).await);
        }
    }

    async fn deliver(&self, joined: &Joined) -> Result<(), Status> {
        loop {
            let taken = joined.take(BATCH, Instant::now() + LONG).await;
            if self.subscribed.has_ended() {
                let name = self.subscribed.name.clone();
                return Err(crate::delivery::DeliveryError::NotFound(name).into());
            }
            if taken.is_empty() {
                if self.rooms.stopping.is_cancelled() {
                    return Err(SequencerError::Stopping.into());
                }
                continue;
            }
            let deliveries = self
                .rooms
                .contents(&self.caller, &self.subscribed, taken)
                .await?;
            if deliveries.is_empty() {
                continue;
            }
            self.note.cases(deliveries.len());
            let response = StreamingPullResponse {
                deliveries,
                outcomes: Vec::new(),
            };
            if self.answers.send(Ok(response)).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Does what a message says.
    async fn heed(&self, request: StreamingPullRequest) -> Result<(), Status> {
        let StreamingPullRequest {
            subscription,
            max_outstanding_messages,
            max_outstanding_bytes,
            ack_ids: acks,
            nacks: given_back,
            extend_ack_ids,
            durable,
        } = request;
        if !subscription.is_empty() || max_outstanding_messages != 0 || max_outstanding_bytes != 0 {
            let rule = "stands in the first message of a stream, and only there";
            return Err(status::invalid_field("subscription", rule));
        }
        let (subscribed, deliveries) = (&self.subscribed, &self.rooms.deliveries);
        let acked = ack_ids(subscribed, "ack_ids", &acks, 0)?;
        let extended = ack_ids(subscribed, "extend_ack_ids", &extend_ack_ids, 0)?;
        let given_ids: Vec<String> = given_back.iter().map(|nack| nack.ack_id.clone()).collect();
        let given_back = nacks(subscribed, given_back, 0)?;
        let mut found = Vec::new();
        // What was done as said is worth an answer only if it was asked for.
        let mut note = |ids: Vec<String>, results: Vec<AckResult>| {
            let is_told = |result: &AckResult| durable || *result != AckResult::Done;
            if results.iter().any(is_told) {
                let all = outcomes(ids, results).into_iter();
                found.extend(all.filter(|outcome| is_told(&outcome.result())));
            }
        };
        if !acked.is_empty() {
            note(acks, deliveries.ack(subscribed, &acked));
        }
        if !given_back.is_empty() {
            note(given_ids, deliveries.nack(subscribed, given_back));
        }
        if !extended.is_empty() {
            let by = subscribed.definition().settings.ack_deadline;
            note(extend_ack_ids, deliveries.extend(subscribed, &extended, by));
        }
        if durable {
            deliveries.settle().await?;
        }
        if !found.is_empty() {
            let response = StreamingPullResponse {
                deliveries: Vec::new(),
                outcomes: found,
            };
            drop(self.answers.send(Ok(response)).await);
        }
        Ok(())
    }
}

fn at_most(field: &str, given: i64, most: usize, default: usize) -> Result<usize, Status> {
    match usize::try_from(given) {
        Ok(0) => Ok(default),
        Ok(number) if number <= most => Ok(number),
        _ => {
            let rule = format!("is {given}; must be 0 to {most}");
            Err(status::invalid_field(field, rule))
        }
    }
}
