//! What was recorded once is answered for ever, also when it would be refused today.

use std::fs;

use casebroker_proto::{
    errors::Reason,
    v1::{CaseReport, RecordedStatement, Tlp},
};
use casebroker_tests::{Broker, CBP, Caller, DEA, RCMP, Site, cases, proof::verify, refused};

async fn connect(broker: &Broker, site: &Site) -> Caller {
    broker.connect(&site.principal(DEA, "system")).await
}

fn assert_same(again: &RecordedStatement, first: &RecordedStatement) {
    assert!(again.replayed);
    assert_eq!(again.position, first.position);
    assert_eq!(again.entry, first.entry);
    assert_eq!(again.receipt, first.receipt, "byte for byte");
    assert_eq!(again.record_time, first.record_time);
}

/// Sends one envelope by both methods.
async fn both_ways(
    caller: &Caller,
    signed: &[u8],
) -> [Result<RecordedStatement, tonic::Status>; 2] {
    let alone = caller.submit_signed(signed.to_vec()).await;
    let mut streamed = caller.submit_all(vec![signed.to_vec()]).await.unwrap();
    [alone, streamed.remove(0)]
}

#[tokio::test]
async fn a_recorded_statement_has_its_receipt_for_ever_though_its_signer_is_gone() {
    let site = Site::new();
    let broker = site.start();
    let dea = connect(&broker, &site).await;
    let statement = cases::reporting_as(DEA, "a");
    let signed = dea.sign(&statement);
    let first = dea.submit_signed(signed.clone()).await.unwrap();
    broker.stop().await;

    let (new, _) = site.authority(DEA).signer(DEA, "2026b", (2020, 2100));
    site.register_signer(DEA, "2026b", &new.certificate);
    let signers = site.path().join("pki/members/us-dea/signers");
    fs::remove_file(signers.join("2026a.pem")).unwrap();
    let broker = site.start();
    let dea = connect(&broker, &site).await;
    let size = dea.checkpoint(&site.log).await.unwrap().size;
    for again in both_ways(&dea, &signed).await {
        let again = again.unwrap();
        assert_same(&again, &first);
        verify(&again, &site.log);
    }

    let mut other = cases::reporting_as(DEA, "b");
    let never_recorded = dea.sign(&other);
    for outcome in both_ways(&dea, &never_recorded).await {
        refused(outcome, Reason::SignerUnknown);
    }
    other.request_id.clone_from(&statement.request_id);
    for outcome in both_ways(&dea, &dea.sign(&other)).await {
        refused(outcome, Reason::RequestIdReused);
    }
    // Request ids live inside one agency: another learns nothing, whatever it sends.
    let cbp = broker.connect(&site.principal(CBP, "system")).await;
    for outcome in both_ways(&cbp, &signed).await {
        refused(outcome, Reason::SignerUnknown);
    }
    let mut broken = signed.clone();
    broken.truncate(signed.len() - 1);
    for outcome in both_ways(&dea, &broken).await {
        refused(outcome, Reason::InvalidEnvelope);
    }
    let newest = dea.checkpoint(&site.log).await.unwrap().size;
    assert_eq!(newest, size, "nothing was written");
}

#[tokio::test]
async fn a_recorded_statement_has_its_receipt_for_ever_though_its_audience_is_a_member_no_more() {
    let site = Site::new();
    let broker = site.start();
    let dea = connect(&broker, &site).await;
    let for_rcmp = |case: &str| CaseReport {
        handling: Some(cases::handling(Tlp::Amber, &[RCMP])),
        ..cases::report(DEA, case)
    };
    let statement = cases::reporting(for_rcmp("a"));
    let first = dea.submit(&statement).await.unwrap();
    broker.stop().await;

    fs::remove_dir_all(site.path().join("pki/members/ca-rcmp")).unwrap();
    let broker = site.start();
    let dea = connect(&broker, &site).await;
    // Signed afresh: the envelope has other bytes, the statement the same.
    for again in both_ways(&dea, &dea.sign(&statement)).await {
        assert_same(&again.unwrap(), &first);
    }
    let new = dea.sign(&cases::reporting(for_rcmp("b")));
    for outcome in both_ways(&dea, &new).await {
        refused(outcome, Reason::InvalidFields);
    }
    let mut reused = cases::reporting(for_rcmp("b"));
    reused.request_id.clone_from(&statement.request_id);
    for outcome in both_ways(&dea, &dea.sign(&reused)).await {
        refused(outcome, Reason::RequestIdReused);
    }
}
