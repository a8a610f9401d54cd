//! A broker that takes statements in at full speed, a turn at a time.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use casebroker_proto::v1::{ListProjectionsRequest, Statement};
use casebroker_tests::{Broker, CBP, Caller, Site};
use tonic::transport::Channel;

use crate::{
    process::Process,
    stream::{self, Shape},
};

/// Streams at full speed, as in the bench of submissions.
pub const FULL: Shape = Shape::Stream {
    in_flight: 256,
    connections: 2,
};
/// Longest wait for what follows the log.
const LONG: Duration = Duration::from_secs(600);

/// One of two brokers that are compared.
pub struct Side {
    pub site: Site,
    pub broker: Broker,
    channels: Vec<Channel>,
    officer: Caller,
    next: usize,
}

/// What a turn took, or several together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn {
    pub statements: usize,
    /// Until the last statement was acknowledged.
    pub took: Duration,
    /// Of the broker, until everything that follows the log had come as far.
    pub cpu: Duration,
}

impl Turn {
    pub fn add(&mut self, other: Self) {
        self.statements += other.statements;
        self.took += other.took;
        self.cpu += other.cpu;
    }

    /// Statements a second.
    pub fn rate(&self) -> f64 {
        self.statements as f64 / self.took.as_secs_f64()
    }

    /// The broker's processor time a statement, microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.statements as f64
    }
}

impl Side {
    pub async fn start(site: Site) -> anyhow::Result<Self> {
        let broker = site.start();
        let officer = broker.connect(&site.principal(CBP, "officer")).await;
        Ok(Self {
            channels: connect(&site, &broker).await?,
            site,
            broker,
            officer,
            next: 0,
        })
    }

    pub fn process(&self) -> Process {
        Process(self.broker.pid())
    }

    /// Takes in as many more of these statements, which must be of [`CBP`].
    pub async fn take(
        &mut self,
        count: usize,
        statement: &dyn Fn(usize) -> Statement,
    ) -> anyhow::Result<Turn> {
        let statements = sign(&self.site, self.next..self.next + count, statement)?;
        self.next += count;
        let (began, cpu) = (Instant::now(), self.process().cpu()?);
        stream::run(&self.channels, FULL, &statements).await?;
        let took = began.elapsed();
        followed(&self.officer).await?;
        Ok(Turn {
            statements: count,
            took,
            cpu: self.process().cpu()? - cpu,
        })
    }
}

/// A site whose limits are not in the way.
pub fn site() -> Site {
    Site::new()
        .with("journal.segment_bytes", 64 << 20)
        .without_quotas()
}

/// Connections of a submitter of [`CBP`] at full speed.
pub async fn connect(site: &Site, broker: &Broker) -> anyhow::Result<Vec<Channel>> {
    let (Shape::Unary { connections, .. } | Shape::Stream { connections, .. }) = FULL;
    let identity = site.principal(CBP, "system").identity;
    stream::connect(broker.address, broker.anchor(), &identity, connections).await
}

/// Statements with these numbers, signed by [`CBP`].
pub fn sign(
    site: &Site,
    numbers: std::ops::Range<usize>,
    statement: &dyn Fn(usize) -> Statement,
) -> anyhow::Result<Vec<Bytes>> {
    let signer = site.signer(CBP);
    numbers
        .map(|number| Ok(signer.sign(&statement(number))?.into()))
        .collect()
}

/// Waits until everything that follows the log has come as far as it; gives the log's size.
pub async fn followed(caller: &Caller) -> anyhow::Result<u64> {
    let began = Instant::now();
    loop {
        let request = ListProjectionsRequest::default();
        let answer = caller
            .statistics()
            .list_projections(request)
            .await?
            .into_inner();
        let size = answer.tree_size;
        if answer.projections.iter().all(|p| p.as_of_position >= size) {
            return Ok(size);
        }
        ensure!(began.elapsed() < LONG, "{:?} of {size}", answer.projections);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
