//! The time of an answer tells no more than its text. That both ways cost the same work is a unit test of the broker's reader,
//! by counting; here is what a caller can measure.

use std::time::{Duration, Instant};

use casebroker_proto::v1::{CaseReport, Tlp};
use casebroker_tests::{CBP, Caller, DEA, RCMP, Site, announce, cases};

/// Pairs of calls.
const PAIRS: usize = 2_000;
/// Other entries, among them hidden and visible ones.
const OTHERS: usize = 200;
/// How far from one half the share of pairs may be in which the hidden case took longer. Chance alone leaves it within 0.06; a
/// single read of the journal more on one side moves it by about 0.2, on a busy machine too.
const TOLERANCE: f64 = 0.1;

fn hidden(id: &str) -> CaseReport {
    CaseReport {
        handling: Some(cases::handling(Tlp::Red, &[RCMP])),
        ..cases::report(DEA, id)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_case_is_refused_as_fast_as_one_that_does_not_exist() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let mut signed = vec![dea.sign(&cases::reporting(hidden("hidden-one")))];
    signed.push(dea.sign(&cases::reporting(hidden("hidden-ten"))));
    for revision in 1..10 {
        signed.push(dea.sign(&cases::amending(hidden("hidden-ten"), revision)));
    }
    for n in 0..OTHERS {
        let id = format!("other-{n}");
        let report = match n % 2 {
            0 => hidden(&id),
            _ => cases::report(DEA, &id),
        };
        signed.push(dea.sign(&cases::reporting(report)));
    }
    for answer in dea.submit_all(signed).await.unwrap() {
        answer.unwrap();
    }
    let mut shares = Vec::new();
    for id in ["hidden-one", "hidden-ten"] {
        let mut slower = 0;
        let (mut times_hidden, mut times_missing) = (Vec::new(), Vec::new());
        for n in 0..PAIRS {
            // Names of one length; several missing ones, as another entry is looked at for each.
            let missing = format!("missing{:03}", n % 4);
            // Whoever comes second finds the caches warm.
            let (first, second) = if n / 4 % 2 == 0 {
                let first = timed(&cbp, id).await;
                (first, timed(&cbp, &missing).await)
            } else {
                let second = timed(&cbp, &missing).await;
                (timed(&cbp, id).await, second)
            };
            slower += usize::from(first > second);
            times_hidden.push(first);
            times_missing.push(second);
        }
        let share = slower as f64 / PAIRS as f64;
        announce(&format!(
            "refusal of {id}: median {:.0?}, of a missing case {:.0?}; the hidden one took longer in {:.1} % of {PAIRS} pairs",
            median(times_hidden),
            median(times_missing),
            share * 100.0,
        ));
        shares.push(share);
    }
    for share in shares {
        assert!(
            (share - 0.5).abs() < TOLERANCE,
            "the time tells a hidden case from a missing one: {share}"
        );
    }
}

async fn timed(caller: &Caller, id: &str) -> Duration {
    let name = cases::name(DEA, id);
    let begin = Instant::now();
    let refused = caller.get(&name).await;
    let took = begin.elapsed();
    refused.unwrap_err();
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
