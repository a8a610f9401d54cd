//! The process is killed, or stopped, while agencies submit.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use casebroker_proto::{errors::Reason, v1::RecordedStatement};
use casebroker_tests::{
    Broker, CBP, Caller, DEA, FIRST, Site, announce,
    load::{self, Outcome},
    proof::verify_against_newest,
    refusal, wait,
};

const ROUNDS: usize = 20;
/// More than any round gets through before it is killed.
const OFFERED: usize = 700;

async fn callers(broker: &Broker, site: &Site) -> [Caller; 2] {
    [
        broker.connect(&site.principal(DEA, "officer")).await,
        broker.connect(&site.principal(CBP, "officer")).await,
    ]
}

/// Loads the broker from two agencies until `enough` are acknowledged, does `then`, and tells what became of both.
async fn under_load(
    broker: Broker,
    site: &Site,
    prefix: &str,
    enough: usize,
    then: impl FnOnce(Broker) + Send + 'static,
) -> Vec<Outcome> {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let loads = callers(&broker, site)
        .await
        .map(|caller| load::start(&caller, prefix, OFFERED, &acknowledged));
    wait::until_async("enough is acknowledged", || async {
        (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
    })
    .await;
    tokio::task::spawn_blocking(move || then(broker))
        .await
        .unwrap();
    let mut outcomes = Vec::new();
    for load in loads {
        outcomes.push(load.finish().await);
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_under_load_nothing_acknowledged_is_lost() {
    // After the last kill the listing waits for the table, which is built anew.
    let site = Site::new().without_quotas().with("table.wait_ms", 30_000);
    let begin = Instant::now();
    let mut broker = site.start();
    let mut receipts: Vec<RecordedStatement> = Vec::new();
    let mut expected = BTreeSet::new();
    let (mut offered, mut in_time, mut cuts, mut unanswered) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        // Each round is killed at another point, from the first acknowledgement on.
        let enough = 1 + round * 53 % 400;
        let outcomes = under_load(broker, &site, &format!("r{round}"), enough, |broker| {
            broker.kill_9();
        })
        .await;

        broker = site.start();
        cuts += usize::from(
            broker
                .stderr()
                .contains("an incomplete last write was cut off"),
        );
        let again = callers(&broker, &site).await;
        for (outcome, caller) in outcomes.into_iter().zip(&again) {
            assert!(outcome.ended.is_some(), "killed before all was answered");
            offered += outcome.statements.len();
            in_time += outcome.acknowledged.len();
            for name in outcome.acknowledged_names() {
                let case = caller.get(name).await;
                assert_eq!(
                    case.unwrap_or_else(|e| panic!("{name} is lost: {e}")).name,
                    name
                );
                expected.insert(name.to_owned());
            }
            // What an agency does next: it sends again what it has no answer for, and to be sure, the rest too.
            let reach = outcome
                .statements
                .len()
                .min(outcome.acknowledged.len() + 100);
            let signed = outcome.statements[..reach]
                .iter()
                .map(|s| caller.sign(s))
                .collect();
            let answers = caller.submit_all(signed).await.unwrap();
            for (n, answer) in answers.into_iter().enumerate() {
                let answer = answer.unwrap();
                match outcome.acknowledged.get(n) {
                    Some(first) => {
                        assert!(answer.replayed);
                        assert_eq!(
                            (answer.position, &answer.entry),
                            (first.position, &first.entry)
                        );
                        assert_eq!(answer.receipt, first.receipt);
                    }
                    None => {
                        unanswered += usize::from(answer.replayed);
                        expected.insert(outcome.statements[n].case.clone());
                    }
                }
                receipts.push(answer);
            }
        }
    }

    let [dea, _] = callers(&broker, &site).await;
    let listed = dea.list(None).await;
    let found: BTreeSet<_> = listed.iter().map(|case| case.name.clone()).collect();
    assert_eq!(listed.len(), found.len(), "no case twice");
    let lost = expected.difference(&found).count();
    let newest = verify_against_newest(&dea, &site.log, &receipts).await;
    assert_eq!(newest.size, FIRST + found.len() as u64, "one entry a case");
    let positions: BTreeSet<_> = receipts.iter().map(|r| r.position).collect();
    assert_eq!(positions.len(), receipts.len(), "one position a request");
    announce(&format!(
        "kill -9 under load: {ROUNDS} kills, {offered} offered, {in_time} acknowledged before a kill and {} after sending \
         again ({unanswered} of those had been recorded), {} found, lost={lost}; {cuts} incomplete writes cut; {} receipts \
         verify against the checkpoint of size {}; {:.1} s",
        expected.len() - in_time,
        expected.intersection(&found).count(),
        receipts.len(),
        newest.size,
        begin.elapsed().as_secs_f64()
    ));
    assert_eq!(lost, 0);
    assert!(expected.len() > 20 * ROUNDS, "the load was a load");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_under_load_it_finishes_what_it_accepted_and_ends_in_time() {
    let site = Site::new().without_quotas();
    for round in 0..3 {
        let before = {
            let broker = site.start();
            callers(&broker, &site).await[0].statements(&site.log).await
        };
        let outcomes = under_load(site.start(), &site, &format!("r{round}"), 100, |broker| {
            let stopped = broker.stop_blocking();
            assert_eq!(stopped.status.code(), Some(0), "{}", stopped.stderr);
            assert!(stopped.took < Duration::from_secs(10), "{:?}", stopped.took);
        })
        .await;
        let broker = site.start();
        let log = broker.stderr();
        assert!(
            !log.contains("cut off") && !log.contains("moved aside"),
            "{log}"
        );
        let [dea, cbp] = callers(&broker, &site).await;
        let mut acknowledged = 0;
        for (outcome, caller) in outcomes.iter().zip([&dea, &cbp]) {
            let ended = outcome
                .ended
                .as_ref()
                .expect("stopped before all was answered");
            refusal(ended, Reason::ShuttingDown);
            acknowledged += outcome.acknowledged.len();
            for name in outcome.acknowledged_names() {
                assert!(caller.get(name).await.is_ok(), "{name}");
            }
            verify_against_newest(&dea, &site.log, &outcome.acknowledged).await;
        }
        let size = dea.statements(&site.log).await;
        assert_eq!(
            size - before,
            acknowledged as u64,
            "all that was recorded was answered"
        );
    }
}

#[tokio::test]
async fn an_idle_broker_with_open_connections_stops_at_once() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let [dea, _] = callers(&broker, &site).await;
    let (_requests, mut answers) = dea.stream().await.unwrap();
    let stopping = tokio::spawn(broker.stop());
    let ended = answers.message().await.unwrap_err();
    refusal(&ended, Reason::ShuttingDown);
    let stopped = stopping.await.unwrap();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.stderr);
    assert!(stopped.took < Duration::from_secs(5), "{:?}", stopped.took);
}

#[tokio::test]
async fn a_caller_that_has_fallen_silent_does_not_keep_the_broker_from_stopping_in_time() {
    let site = Site::new()
        .without_quotas()
        .with("shutdown_timeout_ms", 2_000);
    let broker = site.start();
    let [dea, cbp] = callers(&broker, &site).await;
    let (requests, _answers) = dea.stream().await.unwrap();
    // Blocks the only thread of this test, and with it both connections: they answer nothing any more.
    let stopped = broker.stop_blocking();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.stderr);
    assert!(stopped.took < Duration::from_secs(4), "{:?}", stopped.took);
    drop((requests, cbp));
}
