//! Subscriptions: what an agency is told by itself. For taking deliveries see [`Client::subscriber`] and [`Client::deliveries`].

use std::time::Duration;

use casebroker_proto::v1::{
    AckOutcome, AcknowledgeRequest, CreateSubscriptionRequest, CreateSubscriptionResponse,
    DeleteSubscriptionRequest, Delivery, DropDeadLettersRequest, DropDeadLettersResponse,
    GetSubscriptionRequest, GetSubscriptionResponse, ListDeadLettersRequest, ListDeliveriesRequest,
    ListSubscriptionsRequest, ModifyAckDeadlineRequest, NackRequest, Nacked, PullRequest,
    ReplayDeadLettersRequest, ReplayDeadLettersResponse, SeekRequest, SeekResponse, StartPoint,
    StatementDelivery, Subscription, UpdateSubscriptionRequest, start_point::At,
};
use prost_types::{FieldMask, Timestamp};

use crate::{Client, ask::Pages, error::ClientError, subscriber::seconds};

/// Pages of an agency's subscriptions, by name.
pub type SubscriptionPages<'a> = Pages<'a, ListSubscriptionsRequest>;

/// Pages of a subscription's dead letters, by position.
pub type DeadLetterPages<'a> = Pages<'a, ListDeadLettersRequest>;

/// Where deliveries begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With the first statement that is recorded from now on.
    #[default]
    Now,
    /// With the first statement of the log.
    Beginning,
    /// With this position.
    Position(u64),
    /// With the first statement recorded at or after this time.
    Time(Timestamp),
}

impl From<Start> for StartPoint {
    fn from(start: Start) -> Self {
        let at = match start {
            Start::Now => At::Now(true),
            Start::Beginning => At::Beginning(true),
            Start::Position(position) => At::Position(position),
            Start::Time(time) => At::Time(time),
        };
        Self { at: Some(at) }
    }
}

impl Client {
    /// Makes a subscription; the same content again gives the one that is there.
    pub async fn create_subscription(
        &self,
        subscription: Subscription,
        start: Start,
    ) -> Result<CreateSubscriptionResponse, ClientError> {
        self.ask(&mut CreateSubscriptionRequest {
            subscription: Some(subscription),
            start: Some(start.into()),
        })
        .await
    }

    /// One subscription and how it stands, by its name `agencies/{agency}/subscriptions/{subscription}`.
    pub async fn get_subscription(
        &self,
        name: &str,
    ) -> Result<GetSubscriptionResponse, ClientError> {
        self.ask(&mut GetSubscriptionRequest { name: name.into() })
            .await
    }

    /// The agency's subscriptions. `page_size` is 1 to 1,000, 0 for the broker's default.
    pub fn list_subscriptions(&self, page_size: u16) -> SubscriptionPages<'_> {
        self.pages(ListSubscriptionsRequest {
            page_size: page_size.into(),
            page_token: String::new(),
        })
    }

    /// Changes the fields that `paths` name. With an etag in `subscription` it is refused if somebody else changed it meanwhile.
    pub async fn update_subscription(
        &self,
        subscription: Subscription,
        paths: &[&str],
    ) -> Result<Subscription, ClientError> {
        let mask = FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        let mut request = UpdateSubscriptionRequest {
            subscription: Some(subscription),
            update_mask: Some(mask),
        };
        let changed = self.ask(&mut request).await?.subscription;
        changed.ok_or(ClientError::Answer("no subscription"))
    }

    /// Ends a subscription, with its dead letters.
    pub async fn delete_subscription(&self, name: &str) -> Result<(), ClientError> {
        self.ask(&mut DeleteSubscriptionRequest { name: name.into() })
            .await?;
        Ok(())
    }

    /// Some deliveries, 1 to 1,000; waits for so long if there are none, at most 20 seconds. What is neither acknowledged nor given back
    /// is delivered again after the subscription's deadline.
    pub async fn pull(
        &self,
        subscription: &str,
        most: u16,
        wait: Duration,
    ) -> Result<Vec<Delivery>, ClientError> {
        let mut request = PullRequest {
            subscription: subscription.into(),
            max_messages: most.into(),
            wait: Some(seconds(wait)),
        };
        Ok(self.ask(&mut request).await?.deliveries)
    }

    /// Says that deliveries are dealt with, at most 1,000; what became of each, in order. With `durable` it is on disk when this returns;
    /// else it is within a second, and a crash of the broker before that means another delivery.
    pub async fn acknowledge(
        &self,
        subscription: &str,
        ack_ids: Vec<String>,
        durable: bool,
    ) -> Result<Vec<AckOutcome>, ClientError> {
        let mut request = AcknowledgeRequest {
            subscription: subscription.into(),
            ack_ids,
            durable,
        };
        Ok(self.ask(&mut request).await?.outcomes)
    }

    /// Says that deliveries are still being dealt with, for so long from now: 10 seconds to 10 minutes, or the subscription's deadline.
    pub async fn modify_ack_deadline(
        &self,
        subscription: &str,
        ack_ids: Vec<String>,
        deadline: Option<Duration>,
    ) -> Result<Vec<AckOutcome>, ClientError> {
        let mut request = ModifyAckDeadlineRequest {
            subscription: subscription.into(),
            ack_ids,
            ack_deadline: deadline.map(seconds),
        };
        Ok(self.ask(&mut request).await?.outcomes)
    }

    /// Gives deliveries back, at most 1,000; what became of each, in order. See [`crate::Nack::of`].
    pub async fn nack(
        &self,
        subscription: &str,
        nacks: Vec<Nacked>,
    ) -> Result<Vec<AckOutcome>, ClientError> {
        let mut request = NackRequest {
            subscription: subscription.into(),
            nacks,
        };
        Ok(self.ask(&mut request).await?.outcomes)
    }

    /// Moves a subscription forth or back.
    pub async fn seek(&self, subscription: &str, to: Start) -> Result<SeekResponse, ClientError> {
        self.ask(&mut SeekRequest {
            subscription: subscription.into(),
            to: Some(to.into()),
        })
        .await
    }

    /// Deliveries that were given up. `page_size` is 1 to 1,000, 0 for the broker's default.
    pub fn list_dead_letters(&self, subscription: &str, page_size: u16) -> DeadLetterPages<'_> {
        self.pages(ListDeadLettersRequest {
            subscription: subscription.into(),
            page_size: page_size.into(),
            page_token: String::new(),
        })
    }

    /// Delivers dead letters again. A call that is repeated after a broken connection replays those with these `positions` once, but of
    /// the oldest ones up to `limit` more: name positions where that matters.
    pub async fn replay_dead_letters(
        &self,
        mut request: ReplayDeadLettersRequest,
    ) -> Result<ReplayDeadLettersResponse, ClientError> {
        self.ask(&mut request).await
    }

    /// Drops dead letters for good: those with these positions, or all if there are as many as `expected`.
    pub async fn drop_dead_letters(
        &self,
        mut request: DropDeadLettersRequest,
    ) -> Result<DropDeadLettersResponse, ClientError> {
        self.ask(&mut request).await
    }

    /// Which of the agencies that the owner addressed by name got which statements of its case.
    pub async fn list_deliveries(&self, case: &str) -> Result<Vec<StatementDelivery>, ClientError> {
        let mut request = ListDeliveriesRequest { case: case.into() };
        Ok(self.ask(&mut request).await?.deliveries)
    }
}
