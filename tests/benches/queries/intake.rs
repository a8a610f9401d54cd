//! Submitting while others ask, and while the table grows; and how far the table is behind meanwhile.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use casebroker_tests::{Broker, CBP, Caller, Site};
use hdrhistogram::Histogram;
use tonic::transport::Channel;

use crate::{
    asker::Askers,
    load::{self, projections},
    measure::histogram,
    stream::{self, Shape},
    world::World,
};

/// At full speed.
const FULL: Shape = Shape::Stream {
    in_flight: 256,
    connections: 2,
};
/// As many systems that wait for each answer.
const CALLS: Shape = Shape::Unary {
    in_flight: 16,
    connections: 4,
};
/// How often it is looked how far the table is.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Cases of one turn of growth.
const STEP: usize = 20_000;

/// Rates of statements a second.
pub struct Beside {
    pub alone: f64,
    /// Askers at the lowest priority, as the broker is to be measured and not the askers, which share its cores; and the answers a
    /// second that they got.
    pub beside_nice: (f64, f64),
    /// The same at the priority of everything else.
    pub beside: (f64, f64),
}

/// How far the table was behind the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lag {
    /// Longest time that an entry of the log was not in the table.
    pub behind: Duration,
    /// Longest time that the table stood still while the log was ahead of it.
    pub still: Duration,
    /// Times it was looked.
    pub looks: u64,
}

/// Cases that nobody has submitted yet.
pub struct Supply<'a> {
    pub world: &'a World,
    pub site: &'a Site,
    pub next: usize,
}

impl Supply<'_> {
    fn take(&mut self, count: usize) -> anyhow::Result<Vec<bytes::Bytes>> {
        let statements = load::more(self.world, self.site, CBP, self.next, count)?;
        self.next += count;
        Ok(statements)
    }
}

/// The rate of intake alone and beside two askers, by turns of so many cases.
pub async fn beside(
    broker: &Broker,
    supply: &mut Supply<'_>,
    turns: usize,
    cases: usize,
) -> anyhow::Result<Beside> {
    let channels = connect(broker, supply.site, FULL).await?;
    let mut nice = Askers::start(supply.site, broker, 19)?;
    let mut usual = Askers::start(supply.site, broker, 0)?;
    stream::run(&channels, FULL, &supply.take(cases / 4 + 1)?).await?;
    // Seconds and answers: alone, beside nice ones, beside usual ones.
    let mut sums = [(0.0, 0.0); 3];
    for _ in 0..turns {
        for (which, (seconds, answers)) in sums.iter_mut().enumerate() {
            let statements = supply.take(cases)?;
            let askers = match which {
                0 => None,
                1 => Some(&mut nice),
                _ => Some(&mut usual),
            };
            let Some(askers) = askers else {
                *seconds += cases as f64 / stream::run(&channels, FULL, &statements).await?.rate;
                continue;
            };
            askers.go()?;
            *seconds += cases as f64 / stream::run(&channels, FULL, &statements).await?.rate;
            *answers += askers.stop()? as f64;
        }
    }
    let all = (turns * cases) as f64;
    let [alone, nice, usual] = sums;
    let rates = |(seconds, answers): (f64, f64)| (all / seconds, answers / seconds);
    Ok(Beside {
        alone: all / alone.0,
        beside_nice: rates(nice),
        beside: rates(usual),
    })
}

/// Looks how far the table is while cases go in at full speed. Gives the rate, too.
pub async fn lag(
    broker: &Broker,
    supply: &mut Supply<'_>,
    looker: &Caller,
    cases: usize,
) -> anyhow::Result<(Lag, f64)> {
    let channels = connect(broker, supply.site, FULL).await?;
    let statements = supply.take(cases)?;
    let goes_on = Arc::new(AtomicBool::new(true));
    let looking = tokio::spawn(look(looker.clone(), Arc::clone(&goes_on)));
    let rate = stream::run(&channels, FULL, &statements).await?.rate;
    load::all_followed(looker).await?;
    goes_on.store(false, Ordering::Relaxed);
    Ok((looking.await??, rate))
}

async fn look(caller: Caller, goes_on: Arc<AtomicBool>) -> anyhow::Result<Lag> {
    let mut watch = Watch::default();
    while goes_on.load(Ordering::Relaxed) {
        let (positions, size) = projections(&caller).await?;
        let table = positions.iter().find(|(name, _)| name == "table");
        let (_, position) = table.context("the broker has no table")?;
        watch.see(Instant::now(), *position, size);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(watch.lag)
}

/// What was seen so far.
#[derive(Default)]
struct Watch {
    lag: Lag,
    /// Sizes of the log that the table has not reached, each with when it was seen first.
    ahead: VecDeque<(Instant, u64)>,
    /// Where the table stands while the log is ahead of it, and since when.
    stands: Option<(Instant, u64)>,
}

impl Watch {
    fn see(&mut self, now: Instant, position: u64, size: u64) {
        if self.ahead.back().is_none_or(|(_, last)| size > *last) {
            self.ahead.push_back((now, size));
        }
        while self
            .ahead
            .front()
            .is_some_and(|(_, size)| *size <= position)
        {
            self.ahead.pop_front();
        }
        self.lag.looks += 1;
        if let Some((since, _)) = self.ahead.front() {
            self.lag.behind = self.lag.behind.max(now - *since);
        }
        self.stands = match self.stands {
            _ if size <= position => None,
            Some((since, at)) if at == position => {
                self.lag.still = self.lag.still.max(now - since);
                Some((since, at))
            }
            _ => Some((now, position)),
        };
    }
}

/// Latency of submitting so many more cases, a step at a time; what the bench does between counts for nothing.
pub async fn grow(
    broker: &Broker,
    supply: &mut Supply<'_>,
    cases: usize,
) -> anyhow::Result<Histogram<u64>> {
    ensure!(cases > 0, "nothing to grow by");
    let channels = connect(broker, supply.site, CALLS).await?;
    stream::run(&channels, CALLS, &supply.take(1_000)?).await?;
    let mut latency = histogram();
    let mut left = cases;
    while left > 0 {
        let step = left.min(STEP);
        let outcome = stream::run(&channels, CALLS, &supply.take(step)?).await?;
        latency.add(&outcome.latency)?;
        left -= step;
    }
    Ok(latency)
}

async fn connect(broker: &Broker, site: &Site, shape: Shape) -> anyhow::Result<Vec<Channel>> {
    let (Shape::Unary { connections, .. } | Shape::Stream { connections, .. }) = shape;
    let identity = site.principal(CBP, "system").identity;
    stream::connect(broker.address, broker.anchor(), &identity, connections).await
}
