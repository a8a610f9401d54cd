//! A statement goes in, is recorded, is proven and comes back.

use casebroker_proto::{errors::Reason, statement::decode_entry};
use casebroker_tests::{
    CBP, DEA, FIRST, Site,
    caller::fields,
    cases,
    pki::spiffe,
    proof::{self, verify},
    refused,
};
use prost::Message as _;
use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

#[tokio::test]
async fn a_case_comes_back_as_it_was_reported_and_its_receipt_verifies() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let statement = cases::reporting_as(DEA, "2016-0001");
    let signed = dea.sign(&statement);
    let recorded = dea.submit_signed(signed.clone()).await.unwrap();

    assert_eq!((recorded.position, recorded.replayed), (FIRST, false));
    let (entry, _, in_entry) = decode_entry(&recorded.entry).unwrap();
    assert_eq!(entry.signed_statement, signed, "the bytes as sent");
    assert_eq!(entry.principal, spiffe(DEA, "system", "test"));
    assert_eq!(entry.salt.len(), 16);
    assert_eq!(entry.record_time, recorded.record_time);
    assert_eq!(in_entry, statement);
    assert_eq!(verify(&recorded, &site.log).size, FIRST + 1);

    let name = cases::name(DEA, "2016-0001");
    let case = dea.get(&name).await.unwrap();
    let (mut report, sent) = (case.report.unwrap(), cases::report(DEA, "2016-0001"));
    // The one thing that the broker adds.
    report.items[0].quantity.as_mut().unwrap().normalized = None;
    assert_eq!(report, sent);
    assert_eq!((case.revision, case.retracted), (1, false));
    assert_eq!(case.owner, "agencies/us-dea");
    assert_eq!((case.first_position, case.last_position), (FIRST, FIRST));
    assert_eq!(case.create_time, recorded.record_time);

    let history = dea.history(&name).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].statement.as_ref(), Some(&statement));
    assert_eq!(history[0].principal, spiffe(DEA, "system", "test"));
    assert_eq!(history[0].agency, "agencies/us-dea");
}

#[tokio::test]
async fn explicit_defaults_and_another_order_of_fields_are_accepted_and_kept_as_signed() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let mut statement = cases::reporting_as(DEA, "2016-0001");
    let seconds = statement.make_time.take().unwrap().seconds;
    // As protobufjs writes a whole second: `nanos: 0` is there. It stands at the end, out of order.
    let mut time = vec![0x08];
    prost::encoding::encode_varint(seconds as u64, &mut time);
    time.extend([0x10, 0]);
    let mut payload = statement.encode_to_vec();
    payload.extend([0x1a, time.len() as u8]);
    payload.extend(time);
    let signed = dea.signer.sign_payload(payload.clone()).unwrap();
    let recorded = dea.submit_signed(signed.clone()).await.unwrap();
    let (entry, envelope, _) = decode_entry(&recorded.entry).unwrap();
    assert_eq!(entry.signed_statement, signed);
    assert_eq!(envelope.payload(), payload);
    let again = dea.submit_signed(signed).await.unwrap();
    assert!(again.replayed);
    let history = dea.history(&cases::name(DEA, "2016-0001")).await.unwrap();
    let time = history[0].statement.as_ref().unwrap().make_time;
    assert_eq!(time, Some(prost_types::Timestamp { seconds, nanos: 0 }));

    // An unknown field within the report is still refused, with its path.
    statement.make_time = Some(prost_types::Timestamp { seconds, nanos: 0 });
    statement.request_id = uuid::Uuid::new_v4().to_string();
    let mut payload = statement.encode_to_vec();
    payload.extend([0xf8, 0x3f, 1]);
    let signed = dea.signer.sign_payload(payload).unwrap();
    let refusal = dea.submit_signed(signed).await.unwrap_err();
    assert!(refusal.message().contains("field 1023"), "{refusal}");
    refused(Err::<(), _>(refusal), Reason::InvalidEnvelope);
}

#[tokio::test]
async fn a_receipt_is_had_again_later_against_the_newest_checkpoint() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let mut all = Vec::new();
    for n in 0..5 {
        let statement = cases::reporting_as(DEA, &format!("c{n}"));
        all.push(dea.submit(&statement).await.unwrap());
    }
    for recorded in &all {
        let answer = dea.receipt(recorded.position).await.unwrap();
        assert_eq!(answer.entry, recorded.entry);
        assert!(!answer.signing_certificate.is_empty());
        let again = casebroker_proto::v1::RecordedStatement {
            receipt: answer.receipt,
            ..recorded.clone()
        };
        assert_eq!(verify(&again, &site.log).size, FIRST + 5);
    }
    let newest = proof::verify_against_newest(&dea, &site.log, &all).await;
    assert_eq!(newest.size, FIRST + 5);
}

#[tokio::test]
async fn a_receipt_does_not_verify_for_another_entry_or_key() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let first = dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    let second = dea.submit(&cases::reporting_as(DEA, "b")).await.unwrap();
    let receipt: casebroker_proto::tlog::Receipt = first.receipt.parse().unwrap();
    let origin = casebroker_tests::site::ORIGIN;
    assert!(receipt.verify(&first.entry, &site.log, origin).is_ok());
    assert!(receipt.verify(&second.entry, &site.log, origin).is_err());
    let mut changed = first.entry.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    assert!(receipt.verify(&changed, &site.log, origin).is_err());
    let other = Site::new();
    assert!(receipt.verify(&first.entry, &other.log, origin).is_err());
}

#[tokio::test]
async fn every_signature_algorithm_of_the_contract_is_taken() {
    let site = Site::new();
    let mut signers = vec![];
    for (name, algorithm) in [
        ("p384", &PKCS_ECDSA_P384_SHA384),
        ("ed25519", &PKCS_ED25519),
    ] {
        let (certificate, signer) =
            site.authority(DEA)
                .signer_for(DEA, name, (2020, 2100), algorithm);
        site.register_signer(DEA, name, &certificate.certificate);
        signers.push((name, signer));
    }
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    for (name, signer) in &signers {
        let signed = signer.sign(&cases::reporting_as(DEA, name)).unwrap();
        let recorded = dea.submit_signed(signed).await.unwrap();
        verify(&recorded, &site.log);
    }
}

#[tokio::test]
async fn a_stream_gives_one_answer_a_request_in_order() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let statements: Vec<_> = (0..700)
        .map(|n| cases::reporting_as(DEA, &format!("c{n}")))
        .collect();
    let signed = statements.iter().map(|s| dea.sign(s)).collect();
    let answers = dea.submit_all(signed).await.unwrap();
    assert_eq!(answers.len(), statements.len());
    let mut recorded = Vec::new();
    for (n, (answer, statement)) in answers.into_iter().zip(&statements).enumerate() {
        let answer = answer.unwrap();
        assert_eq!(answer.position, FIRST + n as u64);
        let (_, _, in_entry) = decode_entry(&answer.entry).unwrap();
        assert_eq!(&in_entry, statement);
        recorded.push(answer);
    }
    proof::verify_against_newest(&dea, &site.log, &recorded).await;
    assert_eq!(dea.list(None).await.len(), 700);
}

#[tokio::test]
async fn a_bad_statement_in_a_stream_is_answered_in_its_place_and_the_stream_goes_on() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let good = |n: usize| dea.sign(&cases::reporting_as(DEA, &format!("c{n}")));
    let mut without_title = cases::report(DEA, "bad");
    without_title.title.clear();
    without_title.place = None;
    let invalid = dea.sign(&cases::reporting(without_title));
    let foreign = dea.sign(&cases::reporting_as(CBP, "foreign"));
    let repeated_name = dea.sign(&cases::reporting_as(DEA, "c0"));
    let requests = vec![
        good(0),
        invalid,
        good(1),
        b"no envelope".to_vec(),
        foreign,
        good(2),
        repeated_name,
        good(3),
    ];
    let mut answers = dea.submit_all(requests).await.unwrap().into_iter();
    let mut next = || answers.next().unwrap();
    assert_eq!(next().unwrap().position, FIRST);
    let details = refused(next(), Reason::InvalidFields);
    let paths = fields(&details);
    assert!(paths.contains(&"report.report.title".into()), "{paths:?}");
    assert!(paths.contains(&"report.report.place".into()), "{paths:?}");
    assert_eq!(next().unwrap().position, FIRST + 1);
    refused(next(), Reason::InvalidEnvelope);
    refused(next(), Reason::AgencyMismatch);
    assert_eq!(next().unwrap().position, FIRST + 2);
    refused(next(), Reason::CaseExists);
    assert_eq!(next().unwrap().position, FIRST + 3);
    assert!(answers.next().is_none());
    assert_eq!(dea.statements(&site.log).await, 4);
}

#[tokio::test]
async fn an_amendment_makes_a_new_revision_and_the_history_shows_both() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let name = cases::name(DEA, "a");
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    let mut second = cases::report(DEA, "a");
    second.title = "Parcel with furanylfentanyl".into();
    dea.submit(&cases::amending(second.clone(), 1))
        .await
        .unwrap();
    let case = dea.get(&name).await.unwrap();
    assert_eq!(
        (case.revision, case.first_position, case.last_position),
        (2, FIRST, FIRST + 1)
    );
    assert_eq!(case.report.unwrap().title, second.title);
    let history = dea.history(&name).await.unwrap();
    assert_eq!(
        history.iter().map(|s| s.position).collect::<Vec<_>>(),
        [FIRST, FIRST + 1]
    );
    assert!(history[0].record_time.unwrap().seconds <= history[1].record_time.unwrap().seconds);
}

#[tokio::test]
async fn an_amendment_of_another_revision_is_aborted_and_told_the_current_one() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    for expected in [2, 7] {
        let amendment = cases::amending(cases::report(DEA, "a"), expected);
        let details = refused(dea.submit(&amendment).await, Reason::RevisionConflict);
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!(metadata["current_revision"], "1");
    }
    assert_eq!(dea.statements(&site.log).await, 1);
}

#[tokio::test]
async fn of_amendments_of_two_systems_at_the_same_time_exactly_one_wins() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let other_system = broker.connect(&site.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    for round in 1..=10 {
        let attempts = (0..8).map(|n| {
            let mut report = cases::report(DEA, "a");
            report.title = format!("Attempt {n} of round {round}");
            let system = if n % 2 == 0 { &dea } else { &other_system };
            let (system, amendment) = (system.clone(), cases::amending(report, round));
            tokio::spawn(async move { system.submit(&amendment).await })
        });
        let outcomes = futures_util::future::join_all(attempts.collect::<Vec<_>>()).await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .map(|joined| joined.unwrap())
            .partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 7), "round {round}");
        for outcome in lost {
            let details = refused(outcome, Reason::RevisionConflict);
            let current = &details.error_info().unwrap().metadata["current_revision"];
            assert_eq!(*current, (round + 1).to_string());
        }
    }
    let case = dea.get(&cases::name(DEA, "a")).await.unwrap();
    assert_eq!(case.revision, 11);
    assert_eq!(dea.statements(&site.log).await, 11);
}

#[tokio::test]
async fn a_retracted_case_stays_visible_as_such_and_takes_nothing_more() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let name = cases::name(DEA, "a");
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    dea.submit(&cases::retracting(&name)).await.unwrap();
    for caller in [&dea, &cbp] {
        let case = caller.get(&name).await.unwrap();
        assert!(case.retracted);
        assert_eq!(case.retraction_reason, "Reported twice");
        assert_eq!(case.revision, 1);
    }
    let amendment = cases::amending(cases::report(DEA, "a"), 1);
    refused(dea.submit(&amendment).await, Reason::CaseRetracted);
    refused(
        dea.submit(&cases::retracting(&name)).await,
        Reason::CaseRetracted,
    );
    refused(
        dea.submit(&cases::reporting_as(DEA, "a")).await,
        Reason::CaseExists,
    );
    assert_eq!(dea.statements(&site.log).await, 2);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_amended_or_retracted() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let amendment = cases::amending(cases::report(DEA, "a"), 1);
    refused(dea.submit(&amendment).await, Reason::CaseNotFound);
    let retraction = cases::retracting(&cases::name(DEA, "a"));
    refused(dea.submit(&retraction).await, Reason::CaseNotFound);
    assert_eq!(dea.statements(&site.log).await, 0);
}

#[tokio::test]
async fn nobody_changes_a_case_of_another_agency() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let cbp = broker.connect(&site.principal(CBP, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    let name = cases::name(DEA, "a");
    for statement in [
        cases::reporting_as(DEA, "b"),
        cases::amending(cases::report(DEA, "a"), 1),
        cases::retracting(&name),
    ] {
        refused(cbp.submit(&statement).await, Reason::AgencyMismatch);
    }
    assert_eq!(dea.get(&name).await.unwrap().revision, 1);
    assert_eq!(dea.statements(&site.log).await, 1);
}
