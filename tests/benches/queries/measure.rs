//! The same question to both, by turns, so that whatever else the machine does hits both.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use casebroker_tests::Caller;
use hdrhistogram::Histogram;
use tokio_postgres::{Client, Statement};

use crate::ask::{self, Answer, Ask, Question};

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub enum Aim {
    None,
    /// 99th percentile, milliseconds.
    P99(f64),
    /// The same, and so many times faster than PostgreSQL by the median.
    P99AndRatio(f64, f64),
}

impl Aim {
    pub fn p99(ms: f64) -> Self {
        Self::P99(ms)
    }

    pub fn p99_and_ratio(ms: f64, ratio: f64) -> Self {
        Self::P99AndRatio(ms, ratio)
    }
}

/// How much is enough: whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub calls: u64,
    pub time: Duration,
}

/// Latencies, microseconds.
pub struct Measured {
    pub broker: Histogram<u64>,
    pub postgres: Option<Histogram<u64>>,
}

/// Calls of a turn, and its longest time.
const TURN: Effort = Effort {
    calls: 100,
    time: Duration::from_millis(500),
};
/// Calls before anything is measured.
const WARM_UP: Effort = Effort {
    calls: 50,
    time: Duration::from_millis(1_000),
};
/// Answers that are compared.
const COMPARED: usize = 20;

/// Puts a question to both, by turns. Their answers must be the same.
pub async fn by_turns(
    question: &Question,
    caller: &Caller,
    postgres: Option<&Client>,
    effort: Effort,
) -> anyhow::Result<Measured> {
    let sql = question.sql.as_ref().zip(postgres);
    let prepared = match sql {
        None => None,
        Some((sql, client)) => {
            let statement = client.prepare_typed(&sql.text, &sql.types).await;
            Some((sql, client, statement.with_context(|| sql.text.clone())?))
        }
    };
    if let Some((sql, client, statement)) = &prepared {
        for (asked, parameters) in question.asks.iter().zip(&sql.parameters).take(COMPARED) {
            let ours = question.answer(ask::ask(caller, asked).await?)?;
            let theirs = question.answer(ask::query(client, statement, parameters).await?)?;
            same(&ours, &theirs)?;
        }
    }
    let mut broker = Side::new(effort);
    let mut other = Side::new(effort);
    broker.warm_up(|n| one(question, caller, n)).await?;
    if let Some((sql, client, statement)) = &prepared {
        let query = |n: usize| query(client, statement, sql, n);
        other.warm_up(query).await?;
    }
    loop {
        if !broker.is_done() {
            broker.turn(TURN, |n| one(question, caller, n)).await?;
        }
        if let Some((sql, client, statement)) = &prepared
            && !other.is_done()
        {
            other
                .turn(TURN, |n| query(client, statement, sql, n))
                .await?;
        }
        if broker.is_done() && (prepared.is_none() || other.is_done()) {
            break;
        }
    }
    Ok(Measured {
        broker: broker.latency,
        postgres: prepared.map(|_| other.latency),
    })
}

/// Puts two questions to the broker, by turns.
pub async fn two_by_turns(
    caller: &Caller,
    asks: [&Ask; 2],
    effort: Effort,
) -> anyhow::Result<[Histogram<u64>; 2]> {
    let mut sides = [Side::new(effort), Side::new(effort)];
    for (side, asked) in sides.iter_mut().zip(asks) {
        side.warm_up(|_| once(caller, asked)).await?;
    }
    while sides.iter().any(|side| !side.is_done()) {
        for (side, asked) in sides.iter_mut().zip(asks) {
            side.turn(TURN, |_| once(caller, asked)).await?;
        }
    }
    Ok(sides.map(|side| side.latency))
}

/// An empty histogram of microseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are constants")
}

/// Milliseconds of a quantile.
pub fn ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1_000.0
}

async fn one(question: &Question, caller: &Caller, n: usize) -> anyhow::Result<()> {
    once(caller, &question.asks[n % question.asks.len()]).await
}

async fn once(caller: &Caller, asked: &Ask) -> anyhow::Result<()> {
    ask::ask(caller, asked).await?;
    Ok(())
}

async fn query(
    client: &Client,
    statement: &Statement,
    sql: &ask::Sql,
    n: usize,
) -> anyhow::Result<()> {
    let parameters = &sql.parameters[n % sql.parameters.len()];
    ask::query(client, statement, parameters).await.map(drop)
}

fn same(ours: &Answer, theirs: &Answer) -> anyhow::Result<()> {
    ensure!(!ours.is_empty(), "nothing is found, so nothing is measured");
    let differs = |(key, value): &(&Vec<String>, &Vec<String>), other: &Answer| {
        other.get(*key) != Some(*value)
    };
    let only_ours = ours.iter().find(|entry| differs(entry, theirs));
    let only_theirs = theirs.iter().find(|entry| differs(entry, ours));
    ensure!(
        only_ours.is_none() && only_theirs.is_none(),
        "the answers differ: the broker's {} values have {only_ours:?}, PostgreSQL's {} have {only_theirs:?}",
        ours.len(),
        theirs.len()
    );
    Ok(())
}

/// One of the two.
struct Side {
    latency: Histogram<u64>,
    effort: Effort,
    spent: Duration,
    next: usize,
}

impl Side {
    fn new(effort: Effort) -> Self {
        Self {
            latency: histogram(),
            effort,
            spent: Duration::ZERO,
            next: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.latency.len() >= self.effort.calls || self.spent >= self.effort.time
    }

    async fn warm_up<C: AsyncFnMut(usize) -> anyhow::Result<()>>(
        &mut self,
        mut call: C,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        for n in 0..WARM_UP.calls as usize {
            call(n).await?;
            if began.elapsed() > WARM_UP.time {
                break;
            }
        }
        Ok(())
    }

    async fn turn<C: AsyncFnMut(usize) -> anyhow::Result<()>>(
        &mut self,
        turn: Effort,
        mut call: C,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        for _ in 0..turn.calls {
            let sent = Instant::now();
            call(self.next).await?;
            let took = sent.elapsed().as_micros();
            self.latency.saturating_record(u64::try_from(took)?);
            self.next += 1;
            if began.elapsed() > turn.time {
                break;
            }
        }
        self.spent += began.elapsed();
        Ok(())
    }
}
