//! The same request again is the same answer again; for ever, and for nobody else.

use casebroker_proto::{errors::Reason, v1::RecordedStatement};
use casebroker_tests::{Broker, CBP, Caller, DEA, FIRST, Site, cases, proof::verify, refused};

async fn connect(broker: &Broker, site: &Site) -> Caller {
    broker.connect(&site.principal(DEA, "system")).await
}

fn assert_same(again: &RecordedStatement, first: &RecordedStatement) {
    assert_eq!(again.position, first.position);
    assert_eq!(again.entry, first.entry);
    assert_eq!(again.receipt, first.receipt, "byte for byte");
    assert_eq!(again.record_time, first.record_time);
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_receipt_byte_for_byte_also_after_restarts() {
    let site = Site::new();
    let mut broker = site.start();
    let mut dea = connect(&broker, &site).await;
    // Single ones and a group of many, as their receipts are made in different ways.
    let mut all = Vec::new();
    for n in 0..3 {
        let statement = cases::reporting_as(DEA, &format!("single-{n}"));
        let recorded = dea.submit(&statement).await.unwrap();
        all.push((statement, recorded));
    }
    let statements: Vec<_> = (0..100)
        .map(|n| cases::reporting_as(DEA, &format!("streamed-{n}")))
        .collect();
    let signed = statements.iter().map(|s| dea.sign(s)).collect();
    for (statement, answer) in statements
        .into_iter()
        .zip(dea.submit_all(signed).await.unwrap())
    {
        all.push((statement, answer.unwrap()));
    }
    assert!(all.iter().all(|(_, recorded)| !recorded.replayed));

    for restart in ["none", "killed", "stopped", "killed"] {
        match restart {
            "killed" => drop(broker.kill_9()),
            "stopped" => {
                let stopped = broker.stop().await;
                assert!(stopped.status.success(), "{stopped:?}");
            }
            _ => {
                check_replays(&dea, &site, &all).await;
                continue;
            }
        }
        broker = site.start();
        dea = connect(&broker, &site).await;
        check_replays(&dea, &site, &all).await;
    }
}

async fn check_replays(
    dea: &Caller,
    site: &Site,
    all: &[(casebroker_proto::v1::Statement, RecordedStatement)],
) {
    let size = dea.statements(&site.log).await;
    for (statement, first) in all.iter().step_by(7) {
        // Signed afresh: the envelope has other bytes, the statement the same.
        let again = dea.submit(statement).await.unwrap();
        assert!(again.replayed);
        assert_same(&again, first);
        verify(&again, &site.log);
    }
    let signed = all
        .iter()
        .map(|(statement, _)| dea.sign(statement))
        .collect();
    let answers = dea.submit_all(signed).await.unwrap();
    assert_eq!(answers.len(), all.len());
    for (again, (_, first)) in answers.into_iter().zip(all) {
        let again = again.unwrap();
        assert!(again.replayed);
        assert_same(&again, first);
    }
    assert_eq!(dea.statements(&site.log).await, size, "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_requests_in_flight_at_once_make_one_entry() {
    let site = Site::new();
    let broker = site.start();
    let callers = [connect(&broker, &site).await, connect(&broker, &site).await];
    for round in 0..60_u64 {
        let statement = cases::reporting_as(DEA, &format!("c{round}"));
        let unary = (0..6).map(|n| {
            let (caller, statement) = (callers[n % 2].clone(), statement.clone());
            tokio::spawn(async move { vec![caller.submit(&statement).await] })
        });
        let streamed = callers.iter().map(|caller| {
            let (caller, signed) = (caller.clone(), vec![caller.sign(&statement); 3]);
            tokio::spawn(async move { caller.submit_all(signed).await.unwrap() })
        });
        let joined = futures_util::future::join_all(unary.chain(streamed)).await;
        let answers: Vec<_> = joined
            .into_iter()
            .flat_map(|answers| answers.unwrap())
            .map(|answer| answer.unwrap())
            .collect();
        assert_eq!(answers.len(), 12);
        assert_eq!(answers[0].position, FIRST + round);
        for answer in &answers {
            assert_same(answer, &answers[0]);
        }
        assert!(answers.iter().any(|answer| !answer.replayed));
    }
    assert_eq!(callers[0].statements(&site.log).await, 60);
}

#[tokio::test]
async fn a_request_id_with_another_statement_is_refused_and_nothing_is_written() {
    let site = Site::new();
    let mut broker = site.start();
    let mut dea = connect(&broker, &site).await;
    let first = cases::reporting_as(DEA, "a");
    dea.submit(&first).await.unwrap();
    let mut other_bytes = vec![];
    // Another case, the same case with another word, and only another time.
    let mut other_case = cases::reporting_as(DEA, "b");
    other_case.request_id.clone_from(&first.request_id);
    other_bytes.push(other_case);
    let mut changed = cases::report(DEA, "a");
    changed.title.push('!');
    let mut other_word = cases::reporting(changed);
    other_word.request_id.clone_from(&first.request_id);
    other_bytes.push(other_word);
    let mut other_time = first.clone();
    other_time.make_time.as_mut().unwrap().seconds -= 1;
    other_bytes.push(other_time);

    for restarted in [false, true] {
        if restarted {
            broker.kill_9();
            broker = site.start();
            dea = connect(&broker, &site).await;
        }
        for statement in &other_bytes {
            refused(dea.submit(statement).await, Reason::RequestIdReused);
        }
        let signed = other_bytes.iter().map(|s| dea.sign(s)).collect();
        for answer in dea.submit_all(signed).await.unwrap() {
            refused(answer, Reason::RequestIdReused);
        }
        assert_eq!(dea.statements(&site.log).await, 1);
    }
}

#[tokio::test]
async fn a_request_id_reused_within_one_stream_is_refused_in_its_place() {
    let site = Site::new();
    let broker = site.start();
    let dea = connect(&broker, &site).await;
    let first = cases::reporting_as(DEA, "a");
    let mut second = cases::reporting_as(DEA, "b");
    second.request_id.clone_from(&first.request_id);
    let signed = vec![dea.sign(&first), dea.sign(&second), dea.sign(&first)];
    let mut answers = dea.submit_all(signed).await.unwrap().into_iter();
    let recorded = answers.next().unwrap().unwrap();
    refused(answers.next().unwrap(), Reason::RequestIdReused);
    assert_same(&answers.next().unwrap().unwrap(), &recorded);
    assert_eq!(dea.statements(&site.log).await, 1);
}

#[tokio::test]
async fn equal_request_ids_of_two_agencies_do_not_meet() {
    let site = Site::new();
    let broker = site.start();
    let dea = connect(&broker, &site).await;
    let cbp = broker.connect(&site.principal(CBP, "system")).await;
    let of_dea = cases::reporting_as(DEA, "a");
    let mut of_cbp = cases::reporting_as(CBP, "a");
    of_cbp.request_id.clone_from(&of_dea.request_id);
    let first = dea.submit(&of_dea).await.unwrap();
    let second = cbp.submit(&of_cbp).await.unwrap();
    assert_eq!((first.position, second.position), (FIRST, FIRST + 1));
    assert!(!second.replayed);
    assert_same(&dea.submit(&of_dea).await.unwrap(), &first);
    assert_same(&cbp.submit(&of_cbp).await.unwrap(), &second);
}

#[tokio::test]
async fn a_refused_request_may_be_mended_under_the_same_id() {
    let site = Site::new();
    let broker = site.start();
    let dea = connect(&broker, &site).await;
    let good = cases::reporting_as(DEA, "a");
    let mut report = cases::report(DEA, "a");
    report.items.clear();
    let mut bad = cases::reporting(report);
    bad.request_id.clone_from(&good.request_id);
    refused(dea.submit(&bad).await, Reason::InvalidFields);
    let recorded = dea.submit(&good).await.unwrap();
    assert_eq!((recorded.position, recorded.replayed), (FIRST, false));
}
