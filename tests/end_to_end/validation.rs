//! Bad input is refused with everything that is wrong with it, and nothing is written.

use casebroker_proto::{
    MAX_SIGNED_STATEMENT_BYTES,
    errors::Reason,
    v1::{SubmitStreamRequest, Tlp, Unit},
};
use casebroker_tests::{
    Broker, CBP, Caller, DEA, FIRST, Site,
    caller::{fields, outcome},
    cases, refused,
};

async fn start(site: &Site) -> (Broker, Caller) {
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    (broker, dea)
}

#[tokio::test]
async fn all_broken_rules_are_told_at_once_with_their_paths() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let mut report = cases::report(DEA, "a");
    report.title = String::new();
    report.incident_date = Some(cases::date(2999, 1, 1));
    report.place.as_mut().unwrap().country = "XX".into();
    report.place.as_mut().unwrap().subdivision = "US-TX".into();
    report.items[0].quantity.as_mut().unwrap().value = "1e3".into();
    report.items[0].quantity.as_mut().unwrap().unit = Unit::Unspecified.into();
    let goods = report.items[0].findings[0].substance.as_mut().unwrap();
    goods.cas_number = "59708-52-1".into();
    report.items[0].findings[0].evidence_ids = vec!["nowhere".into()];
    report.evidence[1].id = "seizure".into();
    report.evidence[2].digest.as_mut().unwrap().value = vec![1; 31];
    report.handling = Some(cases::handling(Tlp::Red, &[]));
    let mut statement = cases::reporting(report);
    statement.request_id = "1".into();
    let details = refused(dea.submit(&statement).await, Reason::InvalidFields);
    let found = fields(&details);
    for path in [
        "request_id",
        "report.report.title",
        "report.report.incident_date",
        "report.report.place.country",
        "report.report.items[0].quantity.value",
        "report.report.items[0].quantity.unit",
        "report.report.items[0].findings[0].substance.cas_number",
        "report.report.items[0].findings[0].evidence_ids[0]",
        "report.report.evidence[1].id",
        "report.report.evidence[2].digest.value",
        "report.report.handling.audience",
    ] {
        let below = format!("{path}.");
        let names = |field: &String| field == path || field.starts_with(&below);
        assert!(found.iter().any(names), "{path} is not among {found:#?}");
    }
    assert!(
        details
            .bad_request()
            .unwrap()
            .field_violations
            .iter()
            .all(|v| !v.description.is_empty())
    );
    assert_eq!(dea.statements(&site.log).await, 0);
}

#[tokio::test]
async fn an_audience_that_is_no_member_is_refused() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let mut report = cases::report(DEA, "a");
    report.handling = Some(cases::handling(Tlp::Amber, &[CBP, "us-cpb"]));
    let details = refused(
        dea.submit(&cases::reporting(report)).await,
        Reason::InvalidFields,
    );
    assert_eq!(fields(&details), ["report.report.handling.audience[1]"]);
    assert_eq!(dea.statements(&site.log).await, 0);
}

#[tokio::test]
async fn an_oversized_message_is_refused_and_the_broker_serves_on() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let too_long = vec![0x58; MAX_SIGNED_STATEMENT_BYTES + 1];
    let details = refused(dea.submit_signed(too_long).await, Reason::InvalidFields);
    assert_eq!(fields(&details), ["signed_statement"]);
    // Beyond the message limit the library refuses, before anything of it is decoded.
    for bytes in [1 << 20, 8 << 20] {
        refused(
            dea.submit_signed(vec![0; bytes]).await,
            Reason::MessageTooLarge,
        );
    }
    assert_eq!(dea.statements(&site.log).await, 0);
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
}

#[tokio::test]
async fn the_largest_statement_allowed_is_recorded_and_read() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let mut report = cases::report(DEA, "a");
    report.narrative = "n".repeat(20_000);
    report.concealment = "c".repeat(1_000);
    report.evidence[0].description = "d".repeat(1_000);
    let recorded = dea.submit(&cases::reporting(report.clone())).await.unwrap();
    casebroker_tests::proof::verify(&recorded, &site.log);
    let case = dea.get(&report.name).await.unwrap();
    assert_eq!(case.report.unwrap().narrative, report.narrative);
    report.narrative.push('n');
    let amendment = cases::amending(report, 1);
    let details = refused(dea.submit(&amendment).await, Reason::InvalidFields);
    assert_eq!(fields(&details), ["amendment.report.narrative"]);
}

#[tokio::test]
async fn malformed_envelopes_are_refused() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let good = dea.sign(&cases::reporting_as(DEA, "a"));
    let payload_that_is_no_statement = dea.signer.sign_payload(b"\xff\xff\xff".to_vec()).unwrap();
    let truncated = good[..good.len() - 1].to_vec();
    let mut untagged = good.clone();
    untagged.remove(0);
    let mut trailing = good.clone();
    trailing.push(0);
    for bad in [
        b"no CBOR at all".to_vec(),
        payload_that_is_no_statement,
        truncated,
        untagged,
        trailing,
    ] {
        refused(dea.submit_signed(bad).await, Reason::InvalidEnvelope);
    }
    let details = refused(dea.submit_signed(vec![]).await, Reason::InvalidFields);
    assert_eq!(fields(&details), ["signed_statement"]);
    assert_eq!(dea.statements(&site.log).await, 0);
    dea.submit_signed(good).await.unwrap();
}

#[tokio::test]
async fn a_statement_changed_after_it_was_signed_is_refused() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let good = dea.sign(&cases::reporting_as(DEA, "a"));
    let at = good.windows(11).position(|w| w == b"carfentanil").unwrap();
    let mut changed = good.clone();
    changed[at..at + 11].copy_from_slice(b"caffeinated");
    refused(dea.submit_signed(changed).await, Reason::SignatureInvalid);
    let mut other_signature = good.clone();
    *other_signature.last_mut().unwrap() ^= 1;
    refused(
        dea.submit_signed(other_signature).await,
        Reason::SignatureInvalid,
    );
    assert_eq!(dea.statements(&site.log).await, 0);
}

#[tokio::test]
async fn only_a_registered_valid_signing_certificate_of_the_callers_agency_signs() {
    let site = Site::new();
    let authority = site.authority(DEA);
    let (_, unregistered) = authority.signer(DEA, "unregistered", (2020, 2100));
    let (expired_certificate, expired) = authority.signer(DEA, "expired", (2020, 2021));
    let (early_certificate, early) = authority.signer(DEA, "early", (2090, 2100));
    site.register_signer(DEA, "expired", &expired_certificate.certificate);
    site.register_signer(DEA, "early", &early_certificate.certificate);
    let (_broker, dea) = start(&site).await;
    let statement = cases::reporting_as(DEA, "a");
    for signer in [&unregistered, &expired, &early, &*site.signer(CBP)] {
        let signed = signer.sign(&statement).unwrap();
        refused(dea.submit_signed(signed).await, Reason::SignerUnknown);
    }
    assert_eq!(dea.statements(&site.log).await, 0);
    dea.submit(&statement).await.unwrap();
}

#[tokio::test]
async fn a_stream_is_ended_by_an_oversized_message_only_after_what_came_before_is_answered() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let (requests, mut answers) = dea.stream().await.unwrap();
    let request = |signed: Vec<u8>| SubmitStreamRequest {
        signed_statement: signed.into(),
    };
    let good = request(dea.sign(&cases::reporting_as(DEA, "a")));
    requests.send(good).await.unwrap();
    requests.send(request(vec![0; 2 << 20])).await.unwrap();
    let first = answers.message().await.unwrap().unwrap();
    assert_eq!(outcome(first).unwrap().position, FIRST);
    refused(answers.message().await, Reason::MessageTooLarge);
    assert_eq!(dea.statements(&site.log).await, 1);
}
