//! A declaration of an overlap is answered by what its maker is told, and by nothing else.

use casebroker_proto::{
    errors::Reason,
    v1::{
        CaseReport, Entry, Handling, OverlapDeclaration, OverlapVerdict, Statement, Tlp,
        statement::Kind,
    },
};
use casebroker_tests::{CBP, Caller, DEA, Site, cases, refused};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

/// A case of which nobody is told an overlap who may not see it.
fn quiet(agency: &str, case: &str, number: &str, audience: &[&str]) -> CaseReport {
    let tlp = if audience.is_empty() {
        Tlp::Green
    } else {
        Tlp::Red
    };
    let mut report = CaseReport {
        evidence: Vec::new(),
        route: None,
        handling: Some(Handling {
            no_deconfliction: true,
            ..cases::handling(tlp, audience)
        }),
        ..cases::report(agency, case)
    };
    report.incident_date.as_mut().unwrap().day = 0;
    report.items[0].findings.clear();
    report.identifiers[0].value = number.into();
    report
}

fn declaring(case: &str, overlap: &str, verdict: OverlapVerdict) -> Statement {
    let declaration = OverlapDeclaration {
        overlap: overlap.into(),
        verdict: verdict.into(),
        reason: String::new(),
    };
    Statement {
        handling: Some(cases::handling(Tlp::Red, &[DEA])),
        ..cases::statement(case, Kind::OverlapDeclaration(declaration))
    }
}

/// Reports a case; answers the salt of its first entry, as whoever may see that reads it.
async fn report(caller: &Caller, report: CaseReport) -> Vec<u8> {
    let recorded = caller.submit(&cases::reporting(report)).await.unwrap();
    let receipt = caller.receipt(recorded.position).await.unwrap();
    Entry::decode(&*receipt.entry).unwrap().salt.to_vec()
}

fn overlap_id(first: &[u8], second: &[u8]) -> String {
    let hash = Sha256::digest([b"casebroker.v1 overlap\0", first, second].concat());
    hex::encode(&hash[..16])
}

#[tokio::test]
async fn an_id_that_was_computed_does_not_tell_what_a_hidden_revision_brought() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let theirs = report(&cbp, quiet(CBP, "theirs", "CP111111111CN", &[])).await;
    let withdrawn = quiet(CBP, "theirs", "CP222222222CN", &[CBP]);
    cbp.submit(&cases::amending(withdrawn, 1)).await.unwrap();
    for (case, number) in [("right", "CP222222222CN"), ("wrong", "CP333333333CN")] {
        let guess = report(&dea, quiet(DEA, case, number, &[DEA])).await;
        let id = overlap_id(&theirs, &guess);
        let statement = declaring(&cases::name(DEA, case), &id, OverlapVerdict::Same);
        refused(dea.submit(&statement).await, Reason::OverlapNotFound);
    }
    broker.stop().await;
}

#[tokio::test]
async fn who_is_not_told_of_an_overlap_any_more_can_only_take_back_what_it_declared() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let number = "CP111111111CN";
    report(&cbp, quiet(CBP, "theirs", number, &[])).await;
    for case in ["spoken", "silent"] {
        report(&dea, quiet(DEA, case, number, &[DEA])).await;
    }
    let theirs = cases::name(CBP, "theirs");
    let [spoken, silent] = ["spoken", "silent"].map(|case| cases::name(DEA, case));
    let id = async |case: &str| {
        let found = dea.overlaps(case).await.unwrap().overlaps;
        let other = found.iter().find(|overlap| overlap.other_case == theirs);
        other.unwrap().id.clone()
    };
    let (of_spoken, of_silent) = (id(&spoken).await, id(&silent).await);
    let say = async |case: &str, id: &str, verdict| dea.submit(&declaring(case, id, verdict)).await;
    say(&spoken, &of_spoken, OverlapVerdict::Same)
        .await
        .unwrap();
    let withdrawn = quiet(CBP, "theirs", number, &[CBP]);
    cbp.submit(&cases::amending(withdrawn, 1)).await.unwrap();
    for (case, id, verdict) in [
        (&spoken, &of_spoken, OverlapVerdict::Different),
        (&silent, &of_silent, OverlapVerdict::Same),
        (&silent, &of_silent, OverlapVerdict::Withdrawn),
    ] {
        refused(say(case, id, verdict).await, Reason::OverlapNotFound);
    }
    let taken_back = say(&spoken, &of_spoken, OverlapVerdict::Withdrawn).await;
    taken_back.unwrap();
    broker.stop().await;
}
