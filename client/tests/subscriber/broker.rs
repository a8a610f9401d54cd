//! A fake broker with one subscription, which breaks streams on purpose and remembers what it was told.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use casebroker_proto::v1::{
    subscription_service_server::{SubscriptionService, SubscriptionServiceServer},
    *,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, service::Routes};

/// What it knows.
#[derive(Debug, Default)]
pub struct Seen {
    /// To be delivered, with the attempts so far.
    waiting: BTreeMap<u64, i32>,
    out: HashMap<String, (u64, i32)>,
    pub acked: BTreeSet<u64>,
    pub nacks: Vec<Nacked>,
    pub extended: Vec<String>,
    /// Messages that brought acknowledgements over a stream.
    pub batches: usize,
    pub streams: usize,
    pub delivered: usize,
}

#[derive(Debug, Clone)]
pub struct Fake {
    pub seen: Arc<Mutex<Seen>>,
    /// Most deliveries in a message.
    pub at_once: usize,
    /// A stream breaks after so many deliveries; 0 for never.
    pub breaks_after: usize,
    /// Streams after this one are refused for good.
    pub streams: usize,
    pub deadline: Duration,
    /// A stream that the client ends puts back at once what was still on its way, which a deadline would do later.
    pub puts_back: bool,
}

type Answer<T> = Result<Response<T>, Status>;

impl Fake {
    /// With so many statements at positions from 1 on.
    pub fn with(statements: u64) -> Self {
        let seen = Seen {
            waiting: (1..=statements).map(|position| (position, 0)).collect(),
            ..Default::default()
        };
        Self {
            seen: Arc::new(Mutex::new(seen)),
            at_once: 20,
            breaks_after: 0,
            streams: usize::MAX,
            deadline: Duration::from_secs(60),
            puts_back: false,
        }
    }

    pub fn routes(&self) -> Routes {
        Routes::new(SubscriptionServiceServer::new(self.clone()))
    }

    /// Waits until it has seen something.
    pub async fn until(&self, mut is_so: impl FnMut(&Seen) -> bool) {
        let wait = async {
            while !is_so(&self.seen.lock().unwrap()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let result = tokio::time::timeout(Duration::from_secs(30), wait).await;
        result.unwrap_or_else(|_| panic!("in vain: {:?}", self.seen.lock().unwrap()));
    }
}

impl Seen {
    fn deliver(&mut self, most: usize, at_once: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        // A few at a time, so that a stream which breaks has heard something before.
        while self.out.len() < most
            && deliveries.len() < at_once
            && let Some((position, attempts)) = self.waiting.pop_first()
        {
            let attempt = attempts + 1;
            let ack_id = format!("{position}/{attempt}");
            self.out.insert(ack_id.clone(), (position, attempt));
            self.delivered += 1;
            deliveries.push(Delivery {
                ack_id,
                position,
                case: format!("agencies/us-dea/cases/{}", position % 7),
                delivery_attempt: attempt,
                ..Default::default()
            });
        }
        deliveries
    }

    fn ack(&mut self, ids: &[String]) -> Vec<AckOutcome> {
        let outcome = |id: &String| {
            let known = self.out.remove(id);
            if let Some((position, _)) = known {
                self.acked.insert(position);
            }
            let result = if known.is_some() {
                AckResult::Done
            } else {
                AckResult::Settled
            };
            AckOutcome {
                ack_id: id.clone(),
                result: result.into(),
            }
        };
        ids.iter().map(outcome).collect()
    }

    fn nack(&mut self, nacks: &[Nacked]) {
        for nack in nacks {
            if let Some((position, attempt)) = self.out.remove(&nack.ack_id) {
                self.nacks.push(nack.clone());
                self.waiting.insert(position, attempt);
            }
        }
    }

    /// A stream broke: what was out waits again.
    fn broken(&mut self) {
        for (_, (position, attempt)) in self.out.drain() {
            self.waiting.insert(position, attempt);
        }
    }
}

#[tonic::async_trait]
impl SubscriptionService for Fake {
    async fn get_subscription(
        &self,
        request: Request<GetSubscriptionRequest>,
    ) -> Answer<GetSubscriptionResponse> {
        let subscription = Subscription {
            name: request.into_inner().name,
            ack_deadline: Some(prost_types::Duration {
                seconds: self.deadline.as_secs() as i64,
                nanos: self.deadline.subsec_nanos() as i32,
            }),
            ..Default::default()
        };
        Ok(Response::new(GetSubscriptionResponse {
            subscription: Some(subscription),
            state: None,
        }))
    }

    type StreamingPullStream =
        Pin<Box<dyn Stream<Item = Result<StreamingPullResponse, Status>> + Send>>;

    async fn streaming_pull(
        &self,
        request: Request<Streaming<StreamingPullRequest>>,
    ) -> Answer<Self::StreamingPullStream> {
        let mut requests = request.into_inner();
        let first = requests.next().await.unwrap()?;
        let most = first.max_outstanding_messages as usize;
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.streams += 1;

            seen.streams
        };
        if number > self.streams {
            return Err(Status::permission_denied("a member no more"));
        }
        let (answers, stream) = mpsc::channel(4);
        let fake = self.clone();
        tokio::spawn(async move {
            let mut sent = 0;
            loop {
                let deliveries = fake.seen.lock().unwrap().deliver(most, fake.at_once);
                sent += deliveries.len();
                let answer = StreamingPullResponse {
                    deliveries,
                    ..Default::default()
                };
                if !answer.deliveries.is_empty() && answers.send(Ok(answer)).await.is_err() {
                    return fake.seen.lock().unwrap().broken();
                }
                if fake.breaks_after > 0 && sent >= fake.breaks_after {
                    fake.seen.lock().unwrap().broken();
                    let _ = answers
                        .send(Err(Status::unavailable("shutting down")))
                        .await;
                    return;
                }
                let Some(Ok(message)) = requests.next().await else {
                    if fake.puts_back {
                        fake.seen.lock().unwrap().broken();
                    }
                    return;
                };
                let outcomes = {
                    let mut seen = fake.seen.lock().unwrap();
                    seen.batches += usize::from(!message.ack_ids.is_empty());
                    seen.nack(&message.nacks);
                    seen.extended.extend(message.extend_ack_ids);
                    seen.ack(&message.ack_ids)
                };
                if message.durable {
                    let answer = StreamingPullResponse {
                        outcomes,
                        ..Default::default()
                    };
                    let _ = answers.send(Ok(answer)).await;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Answer<AcknowledgeResponse> {
        let outcomes = self.seen.lock().unwrap().ack(&request.into_inner().ack_ids);
        Ok(Response::new(AcknowledgeResponse { outcomes }))
    }

    async fn nack(&self, request: Request<NackRequest>) -> Answer<NackResponse> {
        self.seen.lock().unwrap().nack(&request.into_inner().nacks);
        Ok(Response::new(NackResponse::default()))
    }

    async fn create_subscription(
        &self,
        _: Request<CreateSubscriptionRequest>,
    ) -> Answer<CreateSubscriptionResponse> {
        Err(Status::unimplemented(""))
    }
    async fn list_subscriptions(
        &self,
        _: Request<ListSubscriptionsRequest>,
    ) -> Answer<ListSubscriptionsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn update_subscription(
        &self,
        _: Request<UpdateSubscriptionRequest>,
    ) -> Answer<UpdateSubscriptionResponse> {
        Err(Status::unimplemented(""))
    }
    async fn delete_subscription(
        &self,
        _: Request<DeleteSubscriptionRequest>,
    ) -> Answer<DeleteSubscriptionResponse> {
        Err(Status::unimplemented(""))
    }
    async fn pull(&self, _: Request<PullRequest>) -> Answer<PullResponse> {
        Err(Status::unimplemented(""))
    }
    async fn modify_ack_deadline(
        &self,
        _: Request<ModifyAckDeadlineRequest>,
    ) -> Answer<ModifyAckDeadlineResponse> {
        Err(Status::unimplemented(""))
    }
    async fn seek(&self, _: Request<SeekRequest>) -> Answer<SeekResponse> {
        Err(Status::unimplemented(""))
    }
    async fn list_dead_letters(
        &self,
        _: Request<ListDeadLettersRequest>,
    ) -> Answer<ListDeadLettersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn replay_dead_letters(
        &self,
        _: Request<ReplayDeadLettersRequest>,
    ) -> Answer<ReplayDeadLettersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn drop_dead_letters(
        &self,
        _: Request<DropDeadLettersRequest>,
    ) -> Answer<DropDeadLettersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn list_deliveries(
        &self,
        _: Request<ListDeliveriesRequest>,
    ) -> Answer<ListDeliveriesResponse> {
        Err(Status::unimplemented(""))
    }
}
