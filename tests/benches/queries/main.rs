//! How fast questions are answered over a million cases: the broker as its own process over mutual TLS on loopback, and beside it, by
//! turns in the same run, PostgreSQL with the same cases, the same audiences and an index for each question. Read the ratios: absolute
//! figures are those of one machine on one day.
//!
//!     cargo bench -p casebroker-tests --bench queries                    a million cases, within about 20 minutes
//!     cargo bench -p casebroker-tests --bench queries -- --cases 200000  so many
//!     cargo bench -p casebroker-tests --bench queries -- --quick         20,000 cases, to see that it works
//!     cargo bench -p casebroker-tests --bench queries -- --grow          latency of submissions, too, while as many go in again
//!     cargo bench -p casebroker-tests --bench queries -- --alone         without PostgreSQL
//!     cargo bench -p casebroker-tests --bench queries -- --only PAGE     the questions with this in their names, and nothing else
//!
//! The cases are made from a seed (`world.rs`) and mean nothing. The disk needs 10 KB a case while it runs.

mod ask;
mod asker;
mod drawing;
mod intake;
mod life;
mod load;
mod measure;
mod postgres;
mod questions;
mod report;
mod rows;
#[path = "../submit/load.rs"]
mod stream;
mod words;
mod world;

use std::{env, path::Path, time::Duration};

use anyhow::Context as _;
use casebroker_tests::{Broker, Caller, Site};
use intake::Supply;
use measure::{Effort, ms};
use postgres::Postgres;
use report::figure;
use world::{AGENCIES, VIEWER, World};

/// What to do.
struct Options {
    cases: usize,
    quick: bool,
    grow: bool,
    alone: bool,
    only: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [first, address, folder, ..] = arguments.as_slice()
        && first == "--asker"
    {
        return runtime.block_on(asker::run(address.parse()?, Path::new(folder)));
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let after = |flag: &str| {
        let place = arguments.iter().position(|argument| argument == flag)?;
        Some(arguments.get(place + 1).map_or("", String::as_str))
    };
    let quick = has("--quick");
    let cases = match after("--cases") {
        Some(number) => number.parse().context("--cases takes a number")?,
        None if quick => 20_000,
        None => 1_000_000,
    };
    let only = after("--only").map(str::to_lowercase);
    let is_name = |only: &String| !only.is_empty() && !only.starts_with("--");
    anyhow::ensure!(
        only.as_ref().is_none_or(is_name),
        "--only takes a part of a question's name"
    );
    let options = Options {
        cases,
        quick,
        grow: has("--grow"),
        alone: has("--alone"),
        only,
    };
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> anyhow::Result<()> {
    report::head(options.cases);
    let world = World::new();
    let site = world::site();
    let postgres = match options.alone {
        true => None,
        false => Postgres::start().await?,
    };
    let broker = site.start();
    let officer = broker
        .connect(&site.principal(AGENCIES[VIEWER], "officer"))
        .await;
    let empty = life::memory(&broker)?;

    let senders = load::Senders::connect(&site, &broker).await;
    let loaded = senders
        .load(&world, options.cases, async |rows| match &postgres {
            Some(postgres) => postgres.load(&rows).await,
            None => Ok(()),
        })
        .await?;
    drop(senders);
    let size = load::all_followed(&officer).await?;
    let full = life::memory(&broker)?;
    println!(
        "{} statements went in, {:.0}/s; the log holds {size} entries",
        loaded.statements,
        loaded.statements as f64 / loaded.took.as_secs_f64()
    );
    if let Some(postgres) = &postgres {
        postgres.index().await?;
        println!(
            "PostgreSQL holds {} MiB, the journal {} MiB",
            postgres.bytes().await? >> 20,
            life::bytes(&site.journal()) >> 20
        );
    }

    let effort = match options.quick {
        true => Effort {
            calls: 300,
            time: Duration::from_secs(2),
        },
        false => Effort {
            calls: 2_000,
            time: Duration::from_secs(20),
        },
    };
    report::questions_head();
    let client = postgres.as_ref().map(|postgres| &postgres.client);
    for question in questions::all(&loaded.examples, &world.words) {
        let name = question.name.to_lowercase();
        if options
            .only
            .as_ref()
            .is_some_and(|only| !name.contains(only))
        {
            continue;
        }
        let measured = measure::by_turns(&question, &officer, client, effort).await;
        let measured = measured.with_context(|| question.name)?;
        report::question(question.name, question.aim, &measured);
    }
    drop(postgres);
    if options.only.is_some() {
        broker.stop().await;
        report::foot();
        return Ok(());
    }
    figures(
        options,
        &world,
        &site,
        broker,
        &officer,
        [empty, full],
        effort,
    )
    .await?;
    report::foot();
    Ok(())
}

async fn figures(
    options: &Options,
    world: &World,
    site: &Site,
    broker: Broker,
    officer: &Caller,
    [empty, full]: [life::Memory; 2],
    effort: Effort,
) -> anyhow::Result<()> {
    report::figures_head();
    historic(officer, effort).await?;

    let (broker, again) = life::restart(site, broker, &[]).await?;
    restarted("restart from the snapshot, first count", &again, 2.0);
    memory(options, site, [empty, full, again.memory]);
    let (broker, rebuilt) = life::restart(site, broker, &["table", "text"]).await?;
    restarted(
        "restart without table and text, first count",
        &rebuilt,
        60.0,
    );
    let seconds = rebuilt.followed.as_secs_f64();
    figure(
        "rebuild of every projection",
        &format!("{seconds:.1} s"),
        "< 60 s",
        Some(seconds < 60.0),
    );

    let mut supply = Supply {
        world,
        site,
        next: options.cases,
    };
    let (turns, cases) = match options.quick {
        true => (2, 2_000),
        false => (5, 20_000),
    };
    let beside = intake::beside(&broker, &mut supply, turns, cases).await?;
    let kept = |(rate, answers): (f64, f64)| {
        let text = format!(
            "{:.2} of {:.0}/s, {answers:.0} answers/s",
            rate / beside.alone,
            beside.alone
        );
        (rate / beside.alone, text)
    };
    let (ratio, text) = kept(beside.beside_nice);
    figure(
        "intake beside 2 askers, these at low priority",
        &text,
        ">= 0.9",
        Some(ratio >= 0.9),
    );
    let (_, text) = kept(beside.beside);
    figure(
        "intake beside 2 askers, all at one priority",
        &text,
        "",
        None,
    );

    let officer = broker
        .connect(&site.principal(AGENCIES[VIEWER], "officer"))
        .await;
    let (lag, rate) = intake::lag(&broker, &mut supply, &officer, 2 * cases).await?;
    figure(
        "table behind the log at full intake, at most",
        &format!(
            "{:.1} ms, still {:.1} ms; {rate:.0}/s, {} looks",
            lag.behind.as_secs_f64() * 1e3,
            lag.still.as_secs_f64() * 1e3,
            lag.looks
        ),
        "no step over 5 ms",
        None,
    );

    if options.grow {
        let latency = intake::grow(&broker, &mut supply, options.cases).await?;
        let ratio = ms(&latency, 0.999) / ms(&latency, 0.99);
        figure(
            "submit, 16 at once, while the table doubles",
            &report::three(&latency),
            "p99.9 <= 2 x p99",
            Some(ratio <= 2.0),
        );
    }
    broker.stop().await;
    Ok(())
}

/// What an answer as of a position costs.
async fn historic(officer: &Caller, effort: Effort) -> anyhow::Result<()> {
    let (_, size) = load::projections(officer).await?;
    for (name, now) in questions::historic() {
        for (when, position) in [("half of the log", size / 2), ("now, as a position", size)] {
            let then = ask::as_of(&now, position);
            let [now, then] = measure::two_by_turns(officer, [&now, &then], effort).await?;
            figure(
                &format!("as of {when}: {name}"),
                &format!(
                    "p50 {:.2} ms, {:.1} times that of now; p99 {:.2} ms",
                    ms(&then, 0.5),
                    ms(&then, 0.5) / ms(&now, 0.5),
                    ms(&then, 0.99)
                ),
                "",
                None,
            );
        }
    }
    Ok(())
}

fn restarted(name: &str, restart: &life::Restart, aim: f64) {
    let counted = restart.counted.as_secs_f64();
    figure(
        name,
        &format!(
            "{counted:.2} s (serves after {:.2} s; stop {:.2} s)",
            restart.serves.as_secs_f64(),
            restart.stop.as_secs_f64()
        ),
        &format!("< {aim} s"),
        Some(counted < aim),
    );
}

fn memory(options: &Options, site: &Site, [empty, full, again]: [life::Memory; 3]) {
    let cases = options.cases as f64;
    let a_case = |memory: life::Memory| (memory.anonymous as f64 - empty.anonymous as f64) / cases;
    for (name, memory) in [
        ("memory after the load", full),
        ("memory after a restart", again),
    ] {
        figure(
            name,
            &format!(
                "{} MiB, anonymous {} MiB: {:.0} B a case",
                memory.resident >> 20,
                memory.anonymous >> 20,
                a_case(memory)
            ),
            "",
            None,
        );
    }
    let snapshot = life::bytes(&site.data().join("table/snapshot")) as f64 / cases;
    figure(
        "the table alone, after a restart, at most",
        &format!(
            "{:.0} B a case; snapshot {snapshot:.0} B a case",
            a_case(again)
        ),
        "<= 400 B a case",
        Some(a_case(again) <= 400.0),
    );
    let text = life::bytes(&site.data().join("text")) as f64 / cases;
    if text > 0.0 {
        figure(
            "text index on disk",
            &format!("{text:.0} B a case"),
            "",
            None,
        );
    }
}
