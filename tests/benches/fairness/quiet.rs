//! The quiet agency: one call of each kind at a time, at a steady low rate.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use casebroker_proto::v1::ListCasesRequest;
use casebroker_tests::{Broker, Caller, DEA, cases, pki::Principal};
use hdrhistogram::Histogram;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::Status;

/// Time between two calls of the same kind.
const EVERY: Duration = Duration::from_millis(10);

/// The agency with its connections.
pub struct Agency {
    writer: Caller,
    reader: Caller,
    next: AtomicUsize,
}

/// Microseconds.
pub struct Latencies {
    submit: Histogram<u64>,
    get: Histogram<u64>,
    list: Histogram<u64>,
}

impl Agency {
    /// Connects and reports the first case.
    pub async fn connect(broker: &Broker, principal: &Principal) -> anyhow::Result<Self> {
        let agency = Self {
            writer: broker.connect(principal).await,
            reader: broker.connect(principal).await,
            next: AtomicUsize::new(0),
        };
        agency.submit().await?;
        Ok(agency)
    }

    /// Calls for so long. A refusal ends the run: the quiet agency is within its quota.
    pub async fn run(&self, length: Duration) -> anyhow::Result<Latencies> {
        let (submit, get, list) = tokio::try_join!(
            steady(length, EVERY, || self.submit()),
            steady(length, EVERY, || self.get()),
            steady(length, 5 * EVERY, || self.list()),
        )?;
        Ok(Latencies { submit, get, list })
    }

    async fn submit(&self) -> Result<(), Status> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let statement = cases::reporting_as(DEA, &format!("quiet-{number}"));
        self.writer.submit(&statement).await.map(drop)
    }

    async fn get(&self) -> Result<(), Status> {
        self.reader
            .get(&cases::name(DEA, "quiet-0"))
            .await
            .map(drop)
    }

    async fn list(&self) -> Result<(), Status> {
        // Its own first cases: how far a page looks is then the same alone and beside.
        let request = ListCasesRequest {
            page_size: 20,
            order_by: "position".to_owned(),
            ..Default::default()
        };
        self.reader.page(&request).await.map(drop)
    }
}

/// Makes a call at every tick; one that is late because of the one before counts from when it was due.
async fn steady<F: Future<Output = Result<(), Status>>>(
    length: Duration,
    every: Duration,
    call: impl Fn() -> F,
) -> anyhow::Result<Histogram<u64>> {
    let mut latency = Latencies::histogram();
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let end = Instant::now() + length;
    let mut last_end = Instant::now();
    loop {
        let due = ticks.tick().await;
        let began = if last_end > due { due } else { Instant::now() };
        if began >= end {
            return Ok(latency);
        }
        call().await?;
        last_end = Instant::now();
        let took = u64::try_from((last_end - began).as_micros())?;
        latency.saturating_record(took);
    }
}

impl Latencies {
    /// None yet.
    pub fn new() -> Self {
        Self {
            submit: Self::histogram(),
            get: Self::histogram(),
            list: Self::histogram(),
        }
    }

    /// Takes in another turn's.
    pub fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.submit.add(&other.submit)?;
        self.get.add(&other.get)?;
        Ok(self.list.add(&other.list)?)
    }

    /// Each kind of call, here and there.
    pub fn pairs<'a>(
        &'a self,
        other: &'a Self,
    ) -> [(&'static str, &'a Histogram<u64>, &'a Histogram<u64>); 3] {
        [
            ("submit", &self.submit, &other.submit),
            ("get", &self.get, &other.get),
            ("list", &self.list, &other.list),
        ]
    }

    fn histogram() -> Histogram<u64> {
        Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are constants")
    }
}
