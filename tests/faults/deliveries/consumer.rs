//! A consumer that acknowledges what it gets, connects again whenever it has to, and may be killed at any time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use std::sync::Arc;

use casebroker_proto::v1::Delivery;
use casebroker_tests::{Caller, pki::Principal};
use tokio::{sync::watch, task::JoinHandle};
use tonic::Status;

/// One consumer.
pub struct Consumer {
    pub anchor: String,
    pub principal: Principal,
    pub name: String,
    pub address: watch::Receiver<SocketAddr>,
    pub seen: Arc<Seen>,
}

/// What all consumers of a subscription got.
#[derive(Debug)]
pub struct Seen {
    ordered: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    acked: BTreeSet<u64>,
    /// By case: what came, in the order in which it came for the first time, and whether it was in order.
    of_case: HashMap<String, Vec<u64>>,
    /// Positions that came while another of their case was out.
    out_of_order: Vec<String>,
    deliveries: usize,
    again: usize,
}

impl Consumer {
    /// Runs until it is aborted.
    pub fn start(self) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                // It ends whenever the broker does.
                drop(self.run().await);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    }

    async fn run(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let address = *self.address.borrow();
        let caller = Caller::connect(address, &self.anchor, &self.principal).await?;
        let mut pulling = caller.pulling(&self.name, 50).await?;
        while let Some(response) = pulling.next().await? {
            let ids = self.seen.take(&response.deliveries);
            if !pulling.ack(ids).await {
                return Err(Status::unavailable("the stream has ended").into());
            }
        }
        Ok(())
    }
}

impl Seen {
    pub fn new(ordered: bool) -> Self {
        Self {
            ordered,
            inner: Mutex::default(),
        }
    }

    /// Notes deliveries and that they are about to be acknowledged.
    fn take(&self, deliveries: &[Delivery]) -> Vec<String> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for delivery in deliveries {
            inner.deliveries += 1;
            inner.again += usize::from(delivery.delivery_attempt > 1);
            let position = delivery.position;
            let came = inner.of_case.entry(delivery.case.clone()).or_default();
            if !came.contains(&position) {
                came.push(position);
            }
            // In order, whatever came of the case before was acknowledged before this came.
            let came = came.clone();
            let earlier = came.iter().filter(|other| **other < position);
            let missing = earlier.filter(|other| !inner.acked.contains(other)).count();
            if self.ordered && missing > 0 {
                let case = &delivery.case;
                inner.out_of_order.push(format!("{case} at {position}"));
            }
            inner.acked.insert(position);
        }
        deliveries
            .iter()
            .map(|delivery| delivery.ack_id.clone())
            .collect()
    }

    /// Deliveries, and those of them that were not the first attempt.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.deliveries, inner.again)
    }

    /// Everything recorded was acknowledged, and nothing else came; in order where that was asked for.
    pub fn check(&self, name: &str, recorded: &BTreeMap<u64, String>) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<_> = recorded
            .keys()
            .filter(|at| !inner.acked.contains(at))
            .collect();
        assert!(missing.is_empty(), "{name} lacks {missing:?}");
        assert_eq!(
            inner.acked.len(),
            recorded.len(),
            "{name} got what was not recorded"
        );
        assert!(
            inner.out_of_order.is_empty(),
            "{name}: {:?}",
            inner.out_of_order
        );
        if self.ordered {
            for (case, came) in &inner.of_case {
                assert!(came.is_sorted(), "{name}: {case} came as {came:?}");
            }
        }
    }
}
