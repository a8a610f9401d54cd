//! Intake while 10,000 filters are held against every statement, beside a broker that has no subscription.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use casebroker_proto::v1::{
    PullRequest, StartPoint, Statement, SubscriptionState, start_point::At,
};
use casebroker_tests::{
    CBP, Caller, cases,
    subscriber::{subscription_name, subscription_to},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::{
    filters,
    intake::{Side, Turn, followed},
    report::{figure, ms},
    world::{self, AGENCIES, Audience, World},
};

const SUBSCRIPTIONS: usize = 10_000;
/// Calls under way while they are made and made live; each waits for the disk.
const AT_ONCE: usize = 1_000;
/// Statements that are there before: reporting units must be known to be asked for.
const BEFORE: usize = 2_000;
/// One in so many subscriptions is looked at after a turn.
const LOOK_AT: usize = 50;
/// Longest that is waited until a subscription was held against everything.
const MAX_BEHIND: Duration = Duration::from_secs(30);
/// Selected statements that wait for a subscription before it reads on by itself.
const AHEAD: i64 = 1_024;
const SEED: u64 = 0x7375_6273;

/// Subscriptions after a turn.
#[derive(Debug, Clone, Copy, Default)]
struct Looked {
    seen: usize,
    /// Held against every statement to the end.
    live: usize,
    /// Statements that they selected.
    selected: i64,
    /// Longest from when the table had come to the log's end until those were held against everything.
    behind: Duration,
}

/// Measures by so many turns of so many statements.
pub async fn measure(turns: usize, statements: usize) -> anyhow::Result<()> {
    let world = World::new();
    let statement = |number| reported(&world, number);
    let site = || world::site().with("delivery.subscriptions_per_agency", SUBSCRIPTIONS);
    let (mut with, mut without) = (Side::start(site()).await?, Side::start(site()).await?);
    with.take(BEFORE, &statement).await?;
    without.take(BEFORE, &statement).await?;

    let officers = officers(&with).await;
    let began = Instant::now();
    make(&officers, &world).await?;
    let made = SUBSCRIPTIONS as f64 / began.elapsed().as_secs_f64();
    figure(
        "subscriptions made, each on disk",
        &format!("{made:.0}/s"),
        "",
        None,
    );

    let (mut beside, mut alone, mut looked) = (Turn::default(), Turn::default(), Looked::default());
    for _ in 0..turns {
        make_live(&officers).await?;
        beside.add(with.take(statements, &statement).await?);
        look(&officers, &mut looked).await?;
        alone.add(without.take(statements, &statement).await?);
    }
    print(turns, beside, alone, looked);
    with.broker.stop().await;
    without.broker.stop().await;
    Ok(())
}

fn print(turns: usize, beside: Turn, alone: Turn, looked: Looked) {
    let ratio = beside.rate() / alone.rate();
    let name = format!("intake beside {SUBSCRIPTIONS} subscriptions");
    let text = format!("{ratio:.2} of {:.0}/s", alone.rate());
    figure(&name, &text, ">= 0.8", Some(ratio >= 0.8));
    let of_a_turn = looked.selected as f64 / looked.seen as f64;
    let text = format!(
        "{} of {} live to the end; {:.1} select a statement",
        looked.live,
        looked.seen,
        of_a_turn * (SUBSCRIPTIONS * turns) as f64 / beside.statements as f64
    );
    figure("  those looked at", &text, "", None);
    let text = format!(
        "{:.1} ms after the table had come so far, at most",
        ms(looked.behind)
    );
    figure("  live ones held against everything", &text, "", None);
    let more = beside.cpu_us() - alone.cpu_us();
    let text = format!(
        "{more:.1} us CPU a statement, beside {:.1}; {:.2} us a thousand",
        alone.cpu_us(),
        more * 1_000.0 / SUBSCRIPTIONS as f64
    );
    figure("  matching and noting what was selected", &text, "", None);
}

/// A report drawn for this number, as one of [`CBP`].
fn reported(world: &World, number: usize) -> Statement {
    let mut report = world.draft(number).report;
    report.name = cases::name(CBP, &format!("more-{number}"));
    cases::reporting(report)
}

async fn officers(side: &Side) -> Vec<Caller> {
    let mut officers = Vec::new();
    for agency in AGENCIES {
        let principal = side.site.principal(agency, "officer");
        officers.push(side.broker.connect(&principal).await);
    }
    officers
}

/// All subscriptions: whose they are, and their ids.
fn all(officers: &[Caller]) -> impl Iterator<Item = (Caller, String)> {
    let ids = (0..SUBSCRIPTIONS).map(|n| format!("watch-{n}"));
    officers.iter().cloned().cycle().zip(ids)
}

async fn make(officers: &[Caller], world: &World) -> anyhow::Result<()> {
    // Of cases that everybody may see, so that everybody may ask for them.
    let units: BTreeSet<_> = (0..BEFORE)
        .map(|number| world.draft(number))
        .filter(|draft| draft.audience == Audience::Everybody)
        .map(|draft| draft.report.reporting_unit)
        .collect();
    let units: Vec<_> = units.into_iter().collect();
    let mut rng = StdRng::seed_from_u64(SEED);
    let wanted = all(officers).map(|(officer, id)| {
        let filter = filters::draw(&mut rng, world, &units, 10 * BEFORE);
        let wanted = subscription_to(&officer.agency, &id, filter);
        (officer, wanted)
    });
    let wanted: Vec<_> = wanted.collect();
    for_each(wanted, async |(officer, wanted)| {
        officer.subscribe(wanted, None).await?;
        Ok(())
    })
    .await
}

/// Moves all to the log's end, where nothing waits for them, and uses each once.
async fn make_live(officers: &[Caller]) -> anyhow::Result<()> {
    for_each(all(officers).collect(), async |(officer, id)| {
        let subscription = subscription_name(&officer.agency, &id);
        let now = Some(StartPoint {
            at: Some(At::Now(true)),
        });
        officer.seek(&subscription, now).await?;
        let request = PullRequest {
            subscription,
            max_messages: 1,
            wait: None,
        };
        officer.subscriptions().pull(request).await?;
        Ok(())
    })
    .await
}

/// Looks at some of them after a turn, once those that are live were held against everything.
async fn look(officers: &[Caller], looked: &mut Looked) -> anyhow::Result<()> {
    let began = Instant::now();
    let size = followed(&officers[0]).await?;
    for (officer, id) in all(officers).step_by(LOOK_AT) {
        let name = subscription_name(&officer.agency, &id);
        let mut state = officer.standing(&name).await?.1;
        // One that is full goes on when somebody uses it, so its position stays.
        while state.next_position < size && began.elapsed() < MAX_BEHIND && !is_full(&state) {
            state = officer.standing(&name).await?.1;
            looked.behind = looked.behind.max(began.elapsed());
        }
        looked.seen += 1;
        if state.next_position >= size {
            looked.live += 1;
            looked.selected += state.backlog;
        }
    }
    Ok(())
}

fn is_full(state: &SubscriptionState) -> bool {
    state.backlog >= AHEAD
}

/// Does the same for each, many at a time.
async fn for_each<T>(
    all: Vec<T>,
    each: impl AsyncFn(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    stream::iter(all)
        .map(|one| each(one))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
