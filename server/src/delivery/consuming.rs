//! What consumers do: take deliveries, and say what became of them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use casebroker_proto::{encoded::Delivery, v1::AckResult};
use prost::Message as _;
use tokio::time::Instant;

use super::{
    AckId,
    content::ContentError,
    outbox::{Consumer, ConsumerId, GivenBack, Outbox, Taken},
    registry::{Deliveries, DeliveryError, now},
    subscribed::Subscribed,
};

/// A consumer of a subscription; it leaves when this is dropped.
#[derive(Debug)]
pub struct Joined {
    pub(super) deliveries: Arc<Deliveries>,
    /// Of what.
    pub subscribed: Arc<Subscribed>,
    /// Its number.
    pub id: ConsumerId,
    /// Whether what it holds is delivered to others at once when it leaves.
    releases: bool,
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut inner = self.subscribed.lock();
        let definition = self.subscribed.definition();
        let outbox = &mut inner.outbox;
        outbox.leave(self.id, self.releases, &definition.settings);
        drop(inner);
        self.deliveries.used(&self.subscribed);
        self.subscribed.wake.notify_one();
    }
}

impl Deliveries {
    /// A consumer comes. It goes when what is returned is dropped.
    pub fn join(
        self: &Arc<Self>,
        subscribed: &Arc<Subscribed>,
        consumer: Consumer,
        releases: bool,
    ) -> Joined {
        let id = self.last_consumer.fetch_add(1, Ordering::Relaxed) + 1;
        subscribed.lock().outbox.join(id, consumer);
        self.used(subscribed);
        Joined {
            deliveries: Arc::clone(self),
            subscribed: Arc::clone(subscribed),
            id,
            releases,
        }
    }

    /// Makes the deliveries of what a consumer took, each with its ack id; what it may not see any more is left out. Once they take
    /// more than so many bytes the rest is given back. Blocks on the disk.
    pub fn contents(
        &self,
        subscribed: &Arc<Subscribed>,
        taken: &[Taken],
        most_bytes: u64,
    ) -> Result<Vec<Delivery>, ContentError> {
        let made = match self.make(subscribed, taken, most_bytes) {
            Ok(made) => made,
            Err(error) => {
                self.give_back(subscribed, taken);
                return Err(error);
            }
        };
        let mut inner = subscribed.lock();
        for (of, delivery) in taken.iter().zip(&made) {
            match delivery {
                Some(delivery) => inner.outbox.weigh(of, delivery.encoded_len() as u64),
                None => inner.outbox.leave_out(of),
            }
        }
        drop(inner);
        if let Some(rest @ [_, ..]) = taken.get(made.len()..) {
            self.give_back(subscribed, rest);
        }
        self.note_moved(subscribed);
        let deliveries: Vec<Delivery> = made.into_iter().flatten().collect();
        let tally = &subscribed.tally;
        let again = deliveries.iter().filter(|d| d.delivery_attempt > 1).count();
        tally
            .delivered
            .fetch_add(deliveries.len() as u64, Ordering::Relaxed);
        tally.redelivered.fetch_add(again as u64, Ordering::Relaxed);
        Ok(deliveries)
    }

    /// Waits until the attempts at what was taken are durable, if their number is limited: before a delivery leaves, or a restart would
    /// not know of it. One sync serves all that wait.
    pub async fn record_attempts(&self, subscribed: &Subscribed) -> Result<(), DeliveryError> {
        match subscribed.definition().settings.max_attempts {
            Some(_) => self.settle().await,
            None => Ok(()),
        }
    }

    /// Of each that was taken the delivery, `None` for what may not be seen, until there are so many bytes; one is always made.
    fn make(
        &self,
        subscribed: &Subscribed,
        taken: &[Taken],
        most_bytes: u64,
    ) -> Result<Vec<Option<Delivery>>, ContentError> {
        let definition = subscribed.definition();
        let plan = (self.make_plan)(subscribed);
        let reading = self.given.table.rows().reading();
        self.content.read_ahead(taken)?;
        let (mut made, mut total) = (Vec::with_capacity(taken.len()), 0);
        for of in taken {
            let mut delivery = self.content.delivery(&definition, &plan, &reading, of)?;
            if let Some(delivery) = &mut delivery {
                delivery.ack_id = AckId {
                    subscription: subscribed.id,
                    position: of.position,
                    lease: of.lease,
                }
                .seal();
                let bytes = delivery.encoded_len() as u64;
                if total > 0 && total + bytes > most_bytes {
                    break;
                }
                total += bytes;
            }
            made.push(delivery);
        }
        Ok(made)
    }

    /// Gives back what was taken and not sent.
    pub fn give_back(&self, subscribed: &Subscribed, taken: &[Taken]) {
        let time = (Instant::now(), now());
        let mut inner = subscribed.lock();
        let definition = subscribed.definition();
        for of in taken {
            inner.outbox.untake(of, &definition.settings, time);
        }
        drop(inner);
        subscribed.wake.notify_one();
    }

    /// Acknowledges.
    pub fn ack(&self, subscribed: &Arc<Subscribed>, ids: &[AckId]) -> Vec<AckResult> {
        let mut results = Vec::with_capacity(ids.len());
        let mut inner = subscribed.lock();
        for id in ids {
            results.push(inner.outbox.ack(id.position, id.lease));
        }
        drop(inner);
        let done = results.iter().filter(|r| **r != AckResult::Settled).count();
        subscribed
            .tally
            .acknowledged
            .fetch_add(done as u64, Ordering::Relaxed);
        self.used(subscribed);
        // What was held behind these may be ready.
        subscribed.wake.notify_one();
        results
    }

    /// Extends deadlines to so long from now.
    pub fn extend(
        &self,
        subscribed: &Arc<Subscribed>,
        ids: &[AckId],
        by: Duration,
    ) -> Vec<AckResult> {
        let until = Instant::now() + by;
        let mut inner = subscribed.lock();
        let extend = |id: &AckId| inner.outbox.extend(id.position, id.lease, until);
        ids.iter().map(extend).collect()
    }

    /// Gives back.
    pub fn nack(
        &self,
        subscribed: &Arc<Subscribed>,
        nacks: Vec<(AckId, GivenBack)>,
    ) -> Vec<AckResult> {
        let time = (Instant::now(), now());
        let mut inner = subscribed.lock();
        let definition = subscribed.definition();
        let results = nacks.into_iter().map(|(id, given)| {
            let outbox = &mut inner.outbox;
            outbox.nack(id.position, id.lease, given, &definition.settings, time)
        });
        let results = results.collect();
        drop(inner);
        self.used(subscribed);
        subscribed.wake.notify_one();
        results
    }

    /// Changes what is open or dead, and notes it.
    pub fn change<T>(
        &self,
        subscribed: &Arc<Subscribed>,
        change: impl FnOnce(&mut Outbox) -> T,
    ) -> T {
        let result = change(&mut subscribed.lock().outbox);
        self.used(subscribed);
        subscribed.wake.notify_one();
        result
    }
}
