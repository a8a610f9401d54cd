//! A consumer of a subscription, by the stubs of the contract alone.

use casebroker_proto::v1::{
    AckOutcome, AcknowledgeRequest, CaseFilter, CreateSubscriptionRequest, Delivery,
    GetSubscriptionRequest, NackRequest, Nacked, PullRequest, SeekRequest, StartPoint,
    StreamingPullRequest, StreamingPullResponse, Subscription, SubscriptionState, start_point::At,
    subscription_service_client::SubscriptionServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use crate::Caller;

/// `agencies/{agency}/subscriptions/{subscription}`.
pub fn subscription_name(agency: &str, id: &str) -> String {
    format!("agencies/{agency}/subscriptions/{id}")
}

/// A subscription of an agency to everything.
pub fn subscription(agency: &str, id: &str) -> Subscription {
    Subscription {
        name: subscription_name(agency, id),
        ..Subscription::default()
    }
}

/// The same to some cases.
pub fn subscription_to(agency: &str, id: &str, filter: CaseFilter) -> Subscription {
    Subscription {
        filter: Some(filter),
        ..subscription(agency, id)
    }
}

/// From the beginning of the log.
pub fn beginning() -> Option<StartPoint> {
    Some(StartPoint {
        at: Some(At::Beginning(true)),
    })
}

/// From a position.
pub fn position(position: u64) -> Option<StartPoint> {
    Some(StartPoint {
        at: Some(At::Position(position)),
    })
}

/// An open stream.
pub struct Pulling {
    /// What goes up.
    pub requests: mpsc::Sender<StreamingPullRequest>,
    /// What comes down.
    pub responses: Streaming<StreamingPullResponse>,
}

impl Caller {
    /// Stub of the subscriptions.
    pub fn subscriptions(&self) -> SubscriptionServiceClient<Channel> {
        SubscriptionServiceClient::new(self.channel.clone())
    }

    /// Makes a subscription.
    pub async fn subscribe(
        &self,
        subscription: Subscription,
        start: Option<StartPoint>,
    ) -> Result<Subscription, Status> {
        let request = CreateSubscriptionRequest {
            subscription: Some(subscription),
            start,
        };
        let response = self.subscriptions().create_subscription(request).await?;
        Ok(response.into_inner().subscription.expect("it is answered"))
    }

    /// Pulls some deliveries, waiting for the first.
    pub async fn pull(&self, name: &str, max: i32) -> Result<Vec<Delivery>, Status> {
        let request = PullRequest {
            subscription: name.into(),
            max_messages: max,
            wait: Some(prost_types::Duration {
                seconds: 10,
                nanos: 0,
            }),
        };
        Ok(self
            .subscriptions()
            .pull(request)
            .await?
            .into_inner()
            .deliveries)
    }

    /// Pulls and acknowledges until so many deliveries have come.
    pub async fn pull_and_ack(&self, name: &str, count: usize) -> Vec<Delivery> {
        let mut all = Vec::new();
        while all.len() < count {
            let some = self.pull(name, 100).await.unwrap();
            assert!(
                !some.is_empty(),
                "only {} of {count} deliveries came",
                all.len()
            );
            let ids: Vec<_> = some
                .iter()
                .map(|delivery| delivery.ack_id.clone())
                .collect();
            self.acknowledge(name, ids).await.unwrap();
            all.extend(some);
        }
        all
    }

    /// Pulls until so many deliveries have come, and acknowledges none.
    pub async fn pull_just(&self, name: &str, count: usize) -> Vec<Delivery> {
        let mut all = Vec::new();
        while all.len() < count {
            let left = i32::try_from(count - all.len()).expect("it is small");
            let some = self.pull(name, left).await.unwrap();
            assert!(
                !some.is_empty(),
                "only {} of {count} deliveries came",
                all.len()
            );
            all.extend(some);
        }
        all
    }

    /// Pulls without waiting.
    pub async fn pull_now(&self, name: &str) -> Vec<Delivery> {
        let request = PullRequest {
            subscription: name.into(),
            ..PullRequest::default()
        };
        let response = self.subscriptions().pull(request).await.unwrap();
        response.into_inner().deliveries
    }

    /// Acknowledges.
    pub async fn acknowledge(
        &self,
        name: &str,
        ack_ids: Vec<String>,
    ) -> Result<Vec<AckOutcome>, Status> {
        let request = AcknowledgeRequest {
            subscription: name.into(),
            ack_ids,
            durable: false,
        };
        let response = self.subscriptions().acknowledge(request).await?;
        Ok(response.into_inner().outcomes)
    }

    /// Gives back.
    pub async fn nack(&self, name: &str, nacks: Vec<Nacked>) -> Result<Vec<AckOutcome>, Status> {
        let request = NackRequest {
            subscription: name.into(),
            nacks,
        };
        Ok(self
            .subscriptions()
            .nack(request)
            .await?
            .into_inner()
            .outcomes)
    }

    /// Moves.
    pub async fn seek(&self, name: &str, to: Option<StartPoint>) -> Result<i64, Status> {
        let request = SeekRequest {
            subscription: name.into(),
            to,
        };
        Ok(self
            .subscriptions()
            .seek(request)
            .await?
            .into_inner()
            .backlog)
    }

    /// How a subscription stands.
    pub async fn standing(&self, name: &str) -> Result<(Subscription, SubscriptionState), Status> {
        let request = GetSubscriptionRequest { name: name.into() };
        let response = self
            .subscriptions()
            .get_subscription(request)
            .await?
            .into_inner();
        let (subscription, state) = (response.subscription, response.state);
        Ok((
            subscription.expect("it is answered"),
            state.expect("it is answered"),
        ))
    }

    /// Opens a stream that holds at most so many deliveries.
    pub async fn pulling(&self, name: &str, outstanding: i32) -> Result<Pulling, Status> {
        let (requests, outgoing) = mpsc::channel(256);
        let first = StreamingPullRequest {
            subscription: name.into(),
            max_outstanding_messages: outstanding,
            ..StreamingPullRequest::default()
        };
        requests.send(first).await.expect("there is room");
        let responses = self
            .subscriptions()
            .streaming_pull(ReceiverStream::new(outgoing))
            .await?
            .into_inner();
        Ok(Pulling {
            requests,
            responses,
        })
    }
}

impl Pulling {
    /// The next deliveries.
    pub async fn next(&mut self) -> Result<Option<StreamingPullResponse>, Status> {
        self.responses.message().await
    }

    /// Acknowledges; false if the stream has ended.
    pub async fn ack(&self, ack_ids: Vec<String>) -> bool {
        let request = StreamingPullRequest {
            ack_ids,
            ..StreamingPullRequest::default()
        };
        self.requests.send(request).await.is_ok()
    }
}
