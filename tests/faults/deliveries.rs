//! Consumers and the broker are killed while statements flow to subscriptions.
//!
//! A shorter run of what `CASEBROKER_DELIVERIES=100000` does whole: so many statements, 30 kills. Best with a release build of the
//! broker (`CASEBROKER_BIN`).

mod consumer;
mod flow;

use std::{collections::BTreeMap, env, sync::Arc, time::Duration};

use casebroker_proto::v1::Subscription;
use casebroker_tests::{
    CBP, RCMP, Site,
    subscriber::{subscription, subscription_name},
    wait,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::watch;

use consumer::{Consumer, Seen};
use flow::Flow;

/// Statements of the run in the suite, and kills.
const STATEMENTS: usize = 2_400;
const KILLS: usize = 8;
const ALL_KILLS: usize = 30;
/// Consumers of each subscription.
const CONSUMERS: usize = 2;

/// Two in order and two not, of two agencies.
const SUBSCRIPTIONS: [(&str, &str, bool); 4] = [
    (RCMP, "ordered", true),
    (RCMP, "loose", false),
    (CBP, "ordered", true),
    (CBP, "loose", false),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_every_statement_is_acknowledged_and_each_case_comes_in_order() {
    let whole = env::var("CASEBROKER_DELIVERIES").ok();
    let whole = whole.map(|text| {
        text.parse::<usize>()
            .expect("CASEBROKER_DELIVERIES is a number")
    });
    let (statements, kills) = match whole {
        Some(statements) => (statements, ALL_KILLS),
        None => (STATEMENTS, KILLS),
    };
    let site = Site::new().without_quotas();
    let mut broker = site.start();
    for (agency, id, ordered) in SUBSCRIPTIONS {
        let officer = broker.connect(&site.principal(agency, "officer")).await;
        let of = Subscription {
            ordered,
            max_unacknowledged: 200,
            ..subscription(agency, id)
        };
        officer.subscribe(of, None).await.unwrap();
    }
    let address = watch::Sender::new(broker.address);
    let seen = SUBSCRIPTIONS.map(|(_, _, ordered)| Arc::new(Seen::new(ordered)));
    let start = |subscription: usize| {
        let (agency, id, _) = SUBSCRIPTIONS[subscription];
        Consumer {
            anchor: site.broker_anchor().into(),
            principal: site.principal(agency, "officer"),
            name: subscription_name(agency, id),
            address: address.subscribe(),
            seen: Arc::clone(&seen[subscription]),
        }
        .start()
    };
    let mut consumers: Vec<_> = (0..SUBSCRIPTIONS.len() * CONSUMERS)
        .map(|n| (n / CONSUMERS, start(n / CONSUMERS)))
        .collect();
    let flow = Flow::start(&site, address.subscribe(), statements);
    let mut chance = StdRng::seed_from_u64(20_261_129);
    let mut killed = [0, 0];
    for kill in 0..kills {
        // Each after its share of the statements, so that there is work at every kill.
        let due = statements * (kill + 1) / (kills + 1);
        wait::until_async("more is recorded", async || {
            (flow.recorded() >= due).then_some(())
        })
        .await;
        if chance.random_bool(0.4) {
            killed[0] += 1;
            broker.kill_9();
            broker = site.start();
            address.send_replace(broker.address);
        } else {
            killed[1] += 1;
            let at = chance.random_range(0..consumers.len());
            let (subscription, task) = &mut consumers[at];
            task.abort();
            *task = start(*subscription);
        }
    }
    let recorded = flow.finish().await;
    assert!(recorded.len() >= statements);
    for ((agency, id, _), seen) in SUBSCRIPTIONS.iter().zip(&seen) {
        let officer = broker.connect(&site.principal(agency, "officer")).await;
        let name = subscription_name(agency, id);
        let begin = std::time::Instant::now();
        let state = loop {
            let (_, state) = officer.standing(&name).await.unwrap();
            let left = state.backlog + state.waiting + state.unacknowledged;
            if left == 0 && !state.backlog_is_least {
                break state;
            }
            assert!(
                begin.elapsed() < 5 * wait::LONG,
                "{name} does not end: {state:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(state.dead_letters, 0);
        seen.check(&name, &recorded);
    }
    let deliveries: BTreeMap<_, _> = SUBSCRIPTIONS
        .iter()
        .zip(&seen)
        .map(|((agency, id, _), seen)| (format!("{agency}/{id}"), seen.counts()))
        .collect();
    println!(
        "{} statements, broker killed {} times, consumers {}; deliveries and redeliveries: {deliveries:?}",
        recorded.len(),
        killed[0],
        killed[1],
    );
}
