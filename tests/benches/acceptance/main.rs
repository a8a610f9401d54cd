//! Every row of CBP's open figures as synthetic cases: how fast they are made, and, with `--broker`, whether a broker that is given all
//! of them counts back what was published.
//!
//!     cargo bench -p casebroker-tests --bench acceptance
//!     cargo build --release --bins && cargo bench -p casebroker-tests --bench acceptance -- --broker

use std::{env, fs, time::Instant};

use anyhow::Context as _;
use casebroker_tests::{
    CBP, DEA, Site,
    cbp::{Generator, Sum, ask, expected, rows},
};
use prost::Message as _;

const SEED: u64 = 2_026;

fn main() -> anyhow::Result<()> {
    generate();
    if env::args().any(|argument| argument == "--broker") {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(count_back())?;
    }
    Ok(())
}

/// Makes every statement and keeps none.
fn generate() {
    let generator = Generator::new(CBP, SEED);
    let (began, before) = (Instant::now(), resident_kb());
    let (mut cases, mut bytes) = (0_u64, 0_u64);
    for row in rows() {
        for statement in generator.statements(&row) {
            cases += 1;
            bytes += statement.encoded_len() as u64;
        }
    }
    let took = began.elapsed();
    let growth = resident_kb().saturating_sub(before);
    println!(
        "made {cases} statements of {} bytes each in {:.1} s, {:.0} a second; resident memory grew by {growth} KiB",
        bytes / cases,
        took.as_secs_f64(),
        cases as f64 / took.as_secs_f64()
    );
}

/// Submits all of them through the SDK, and asks year by year.
async fn count_back() -> anyhow::Result<()> {
    let published = expected(rows());
    let total = Sum::total(published.values());
    let site = Site::new()
        .without_quotas()
        .with("journal.segment_bytes", 64 << 20);
    let broker = site.start();
    let client = ask::client(&site, &broker, CBP);
    let generator = Generator::new(CBP, SEED);
    let statements = rows().flat_map(move |row| generator.statements(&row).collect::<Vec<_>>());
    let submitted = ask::submit(&client, statements).await?;
    println!(
        "submitted {} cases in {:.1} s, {:.0} a second, each receipt verified",
        submitted.positions.len(),
        submitted.took.as_secs_f64(),
        submitted.positions.len() as f64 / submitted.took.as_secs_f64()
    );
    let officer = broker.connect(&site.principal(DEA, "officer")).await;
    let began = Instant::now();
    ask::hold(&officer, &published, None, submitted.end()).await?;
    println!(
        "first answers, waiting included: {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let mut times = ask::hold(&officer, &published, None, submitted.end()).await?;
    times.sort_unstable();
    let millis = |at: usize| times.get(at).map_or(0.0, |t| t.as_secs_f64() * 1000.0);
    println!(
        "{} events and {} micrograms counted back exactly, in {} groups over {} years; an answer took {:.1} ms (median), {:.1} ms (longest)",
        total.events,
        total.micrograms,
        published.len(),
        times.len(),
        millis(times.len() / 2),
        millis(times.len().saturating_sub(1))
    );
    Ok(())
}

/// Resident memory of this process, as the kernel tells it.
fn resident_kb() -> u64 {
    let read = || -> anyhow::Result<u64> {
        let status = fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(number.context("no VmRSS")?.parse()?)
    };
    read().unwrap_or(0)
}
