//! The subscriber against a broker that fails: a fake one over real TLS, which breaks streams on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod broker;
#[allow(dead_code, reason = "its `main` is for the command line")]
#[path = "../../examples/subscriber.rs"]
mod example;
#[path = "../fake/mod.rs"]
mod fake;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use broker::Fake;
use casebroker_client::{Client, ClientError, Flow, Handled, Nack};
use casebroker_proto::v1::Delivery;

const NAME: &str = "agencies/us-dea/subscriptions/west";

/// A client of the fake broker.
async fn client(fake: &Fake, folder: &std::path::Path) -> Client {
    let profile = fake::serve(folder, fake.routes()).await;
    Client::connect(&profile).unwrap()
}

fn durable(messages: u16) -> Flow {
    Flow {
        messages,
        durable: true,
        ..Flow::default()
    }
}

/// Runs a handler until the broker has seen enough.
async fn run<F>(
    fake: &Fake,
    flow: Flow,
    enough: impl FnMut(&broker::Seen) -> bool,
    handler: impl Fn(Delivery) -> F + Send + Sync + 'static,
) -> Result<Handled, ClientError>
where
    F: Future<Output = Result<(), Nack>> + Send,
{
    let dir = tempfile::tempdir().unwrap();
    let client = client(fake, dir.path()).await;
    let subscriber = client
        .subscriber(NAME)
        .flow(flow)
        .drain(Duration::from_millis(50));
    subscriber.run(fake.until(enough), handler).await
}

#[tokio::test(flavor = "multi_thread")]
async fn through_broken_streams_every_position_is_handled_once() {
    let mut fake = Fake::with(500);
    fake.breaks_after = 40;
    let counts = Arc::new(Mutex::new(HashMap::<u64, u32>::new()));
    let counting = Arc::clone(&counts);
    let handled = run(
        &fake,
        durable(20),
        |seen| seen.acked.len() == 500,
        move |delivery| {
            *counting
                .lock()
                .unwrap()
                .entry(delivery.position)
                .or_default() += 1;
            async { Ok(()) }
        },
    );
    let handled = handled.await.unwrap();
    assert!(handled.streamed.reconnects >= 5, "{handled:?}");
    assert!(
        fake.seen.lock().unwrap().delivered > 500,
        "something was delivered again"
    );
    let counts = counts.lock().unwrap();
    assert_eq!(counts.len(), 500);
    let again: Vec<_> = counts.iter().filter(|(_, n)| **n != 1).collect();
    assert!(again.is_empty(), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_fails_or_panics_gets_its_delivery_again() {
    let fake = Fake::with(3);
    let handled = run(
        &fake,
        Flow::default(),
        |seen| seen.acked.len() == 3,
        |delivery| async move {
            match (delivery.position, delivery.delivery_attempt) {
                (1, 1) => panic!("out of ink"),
                (2, 1) => Err(Nack::because("no room").after(Duration::from_secs(7))),
                _ => Ok(()),
            }
        },
    );
    let handled = handled.await.unwrap();
    assert_eq!(
        (handled.acknowledged, handled.given_back, handled.panicked),
        (3, 1, 1)
    );
    let seen = fake.seen.lock().unwrap();
    let mut reasons: Vec<_> = seen.nacks.iter().map(|n| n.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["no room", "the handler panicked: out of ink"]);
    assert!(
        seen.nacks
            .iter()
            .any(|n| n.delay.is_some_and(|d| d.seconds == 7))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_extended_while_its_handler_runs() {
    let mut fake = Fake::with(1);
    fake.deadline = Duration::from_millis(80);
    let looking = fake.clone();
    let handled = run(
        &fake,
        Flow::default(),
        |seen| seen.acked.len() == 1,
        move |_| {
            let fake = looking.clone();
            async move {
                fake.until(|seen| seen.extended.len() >= 3).await;
                Ok(())
            }
        },
    );
    handled.await.unwrap();
    let seen = fake.seen.lock().unwrap();
    assert!(seen.extended.iter().all(|id| id == "1/1"));
    assert_eq!(seen.delivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_go_up_together() {
    let fake = Fake::with(2_000);
    let handled = run(
        &fake,
        durable(1_000),
        |seen| seen.acked.len() == 2_000,
        |_| async { Ok(()) },
    );
    handled.await.unwrap();
    let batches = fake.seen.lock().unwrap().batches;
    assert!(
        batches <= 200,
        "{batches} messages for 2000 acknowledgements"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_back_what_is_not_done() {
    let fake = Fake::with(30);
    // The first ten are done, the others never end.
    let handled = run(
        &fake,
        Flow::default(),
        |seen| seen.acked.len() == 10,
        |delivery| async move {
            if delivery.position > 10 {
                std::future::pending::<()>().await;
            }
            Ok(())
        },
    );
    let handled = handled.await.unwrap();
    assert_eq!((handled.acknowledged, handled.unfinished), (10, 8));
    let seen = fake.seen.lock().unwrap();
    assert_eq!((seen.acked.len(), seen.nacks.len()), (10, 20));
    assert!(
        seen.nacks
            .iter()
            .all(|nack| nack.reason == "the consumer stopped")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_trying_again_cannot_mend_ends_it_with_the_reason() {
    let mut fake = Fake::with(100);
    (fake.breaks_after, fake.streams) = (10, 2);
    let error = run(&fake, durable(5), |_| false, |_| async { Ok(()) })
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "a member no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_counts_each_statement_once_over_two_runs() {
    // Few, as each is synced.
    let mut fake = Fake::with(16);
    (fake.at_once, fake.breaks_after) = (3, 7);
    // What the first run was sent while it ended is for the second.
    fake.puts_back = true;
    let dir = tempfile::tempdir().unwrap();
    let client = client(&fake, dir.path()).await;
    let file = dir.path().join("totals.json");
    let mut counted = 0;
    for enough in [8, 16] {
        let ledger = example::Ledger::open(&file).unwrap();
        let stop = fake.until(|seen| seen.acked.len() >= enough);
        counted += example::consume(&client, NAME, ledger, stop).await.unwrap();
    }
    assert_eq!(counted, 16);
}
