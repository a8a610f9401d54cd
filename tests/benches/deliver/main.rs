//! How fast the broker delivers: as its own process over mutual TLS on loopback, and beside it, by turns in the same run, NATS
//! JetStream with durable pull consumers; and what subscriptions and a consumer that stands still cost intake. Read the ratios:
//! absolute figures are those of one machine on one day.
//!
//!     cargo bench -p casebroker-tests --bench deliver                  all of it, within about 15 minutes
//!     cargo bench -p casebroker-tests --bench deliver -- --quick       a tenth of it, to see that it works
//!     cargo bench -p casebroker-tests --bench deliver -- --alone       without NATS
//!     cargo bench -p casebroker-tests --bench deliver -- rates live    only these parts; others: `attempts`, `standing`, `stalled`

mod drained;
#[allow(dead_code, reason = "the bench of questions draws more")]
#[path = "../queries/drawing.rs"]
mod drawing;
mod filters;
mod intake;
mod jetstream;
mod live;
mod nats;
mod process;
mod report;
mod stalled;
mod standing;
#[allow(dead_code, reason = "the bench of submissions looks at latency, too")]
#[path = "../submit/load.rs"]
mod stream;
#[allow(dead_code, reason = "the bench of questions asks for words, too")]
#[path = "../queries/words.rs"]
mod words;
#[allow(dead_code, reason = "the bench of questions says more about cases")]
#[path = "../queries/world.rs"]
mod world;

use std::{env, time::Duration};

use bytes::Bytes;
use casebroker_tests::{Broker, CBP, Site, cases};
use drained::Drained;
use intake::FULL;
use nats::{Nats, Syncing};

/// Subscriptions, and statements that are delivered to each.
const POINTS: [(usize, u64); 3] = [(1, 100_000), (10, 20_000), (100, 5_000)];
/// Delivered first, so that nobody pays for what only happens once.
const WARM_UP: (usize, u64) = (2, 500);
/// A limit of attempts that is never reached.
const MOST_ATTEMPTS: i32 = 5;
/// Statements a second of the live ones, and how many.
const LIVE: (u64, usize) = (100, 2_000);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let parts = ["rates", "live", "attempts", "standing", "stalled"];
    let all = !parts.iter().any(|part| has(part));
    let does = |part: &str| all || has(part);
    let quick = has("--quick");
    let tenth = |full: usize| if quick { full / 10 } else { full };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        if does("rates") || does("live") || does("attempts") {
            let beside = Beside::start(tenth(POINTS[0].1 as usize), !has("--alone")).await?;
            if does("rates") {
                let points = POINTS.map(|(count, each)| (count, tenth(each as usize) as u64));
                beside.rates(&points, if quick { 2 } else { 3 }).await?;
            }
            if does("live") {
                beside.live(LIVE.0, tenth(LIVE.1)).await?;
            }
            if does("attempts") {
                report::figures_head();
                for (count, each) in POINTS {
                    beside
                        .attempts((count, tenth(each as usize) as u64), 3)
                        .await?;
                }
            }
            beside.broker.stop().await;
        }
        if does("standing") || does("stalled") {
            report::figures_head();
        }
        if does("standing") {
            standing::measure(if quick { 2 } else { 5 }, tenth(20_000)).await?;
        }
        if does("stalled") {
            let time = Duration::from_secs(if quick { 10 } else { 60 });
            stalled::measure(time, tenth(50_000)).await?;
        }
        report::foot();
        anyhow::Ok(())
    })
}

/// The broker, and NATS if it is here, with the same statements.
struct Beside {
    site: Site,
    broker: Broker,
    nats: Option<Nats>,
    /// Entries of the log.
    log_size: u64,
    /// Statements, and so messages of NATS's stream.
    count: u64,
}

impl Beside {
    async fn start(count: usize, with_nats: bool) -> anyhow::Result<Self> {
        let site = intake::site();
        let broker = site.start();
        let statements = sign(&site, 0, count)?;
        report::head(statements.first().map_or(0, Bytes::len));
        let mut nats = match with_nats {
            true => Nats::start(&site)?,
            false => None,
        };
        let channels = intake::connect(&site, &broker).await?;
        stream::run(&channels, FULL, &statements).await?;
        if let Some(nats) = &mut nats {
            jetstream::load(&jetstream::connect(nats).await?, &statements).await?;
            // From here on as durable as the broker.
            nats.restart(Syncing::Always)?;
        }
        let officer = broker.connect(&site.principal(CBP, "officer")).await;
        Ok(Self {
            log_size: intake::followed(&officer).await?,
            count: count as u64,
            site,
            broker,
            nats,
        })
    }

    /// Deliveries to these many subscriptions, by turns.
    async fn rates(&self, points: &[(usize, u64)], turns: usize) -> anyhow::Result<()> {
        self.turn(WARM_UP).await?;
        report::rates_head();
        for point in points {
            let (mut ours, mut theirs) = (Drained::default(), Drained::default());
            for _ in 0..turns {
                let (broker, nats) = self.turn(*point).await?;
                ours.add(broker);
                theirs.add(nats);
            }
            let theirs = self.nats.as_ref().map(|_| &theirs);
            report::rates(point.0, point.1, &ours, theirs);
        }
        Ok(())
    }

    async fn turn(&self, point: (usize, u64)) -> anyhow::Result<(Drained, Drained)> {
        let broker = drained::drain(&self.site, &self.broker, point, self.log_size, 0).await?;
        let nats = match &self.nats {
            Some(nats) => jetstream::drain(nats, point, self.count).await?,
            None => Drained::default(),
        };
        Ok((broker, nats))
    }

    /// What it costs that attempts are on disk before deliveries leave: with a limit and without, by turns.
    async fn attempts(&self, point: (usize, u64), turns: usize) -> anyhow::Result<()> {
        let (mut limited, mut unlimited) = (Drained::default(), Drained::default());
        for _ in 0..turns {
            for (most, sum) in [(0, &mut unlimited), (MOST_ATTEMPTS, &mut limited)] {
                let (site, broker) = (&self.site, &self.broker);
                sum.add(drained::drain(site, broker, point, self.log_size, most).await?);
            }
        }
        let ratio = limited.rate() / unlimited.rate();
        let name = format!("delivered to {} with a limit of attempts", point.0);
        let text = format!("{ratio:.2} of {:.0}/s without", unlimited.rate());
        report::figure(&name, &text, "", None);
        Ok(())
    }

    async fn live(&self, rate: u64, count: usize) -> anyhow::Result<()> {
        let statements = sign(&self.site, self.count as usize, count)?;
        let submitter = self
            .broker
            .connect(&self.site.principal(CBP, "system"))
            .await;
        let ours = live::broker(&self.site, &self.broker, &submitter, &statements, rate).await?;
        let theirs = match &self.nats {
            Some(nats) => Some(live::nats(nats, &statements, rate).await?),
            None => None,
        };
        report::live(rate, &ours, theirs.as_ref());
        Ok(())
    }
}

fn sign(site: &Site, first: usize, count: usize) -> anyhow::Result<Vec<Bytes>> {
    let statement = |number| cases::reporting_as(CBP, &format!("bench-{number}"));
    intake::sign(site, first..first + count, &statement)
}
