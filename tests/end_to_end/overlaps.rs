//! Two reports of one incident find each other, and nobody learns of a case from that but its owner's counterpart.

use std::fs;

use casebroker_proto::{
    errors::Reason,
    v1::{
        Accreditation, CaseReport, Digest, DigestAlgorithm, EvidenceKind, EvidenceReference,
        FindOverlapsResponse, Finding, FindingResult, Handling, Identifier, IdentifierKind,
        ItemFinding, LaboratoryFinding, ListMembersRequest, Overlap, OverlapBasis,
        OverlapDeclaration, OverlapState, OverlapVerdict, Statement, Technique, Tlp,
        statement::Kind,
    },
};
use casebroker_tests::{Broker, CBP, Caller, DEA, RCMP, Site, cases, refused};

struct Stage {
    broker: Broker,
    site: Site,
    dea: Caller,
    cbp: Caller,
    rcmp: Caller,
}

async fn stage() -> Stage {
    let site = Site::new();
    let broker = site.start();
    Stage {
        dea: broker.connect(&site.principal(DEA, "officer")).await,
        cbp: broker.connect(&site.principal(CBP, "officer")).await,
        rcmp: broker.connect(&site.principal(RCMP, "officer")).await,
        broker,
        site,
    }
}

/// A case that shares nothing with any other, for every member.
fn alone(agency: &str, case: &str) -> CaseReport {
    let mut report = CaseReport {
        evidence: Vec::new(),
        identifiers: Vec::new(),
        route: None,
        ..cases::report(agency, case)
    };
    report.incident_date.as_mut().unwrap().day = 0;
    report.items[0].findings.clear();
    report
}

fn tracked(agency: &str, case: &str, number: &str) -> CaseReport {
    CaseReport {
        identifiers: vec![tracking(number)],
        ..alone(agency, case)
    }
}

fn tracking(number: &str) -> Identifier {
    Identifier {
        kind: IdentifierKind::TrackingNumber.into(),
        value: number.into(),
        issuer: String::new(),
    }
}

fn evidence(byte: u8) -> EvidenceReference {
    EvidenceReference {
        id: "label".into(),
        kind: EvidenceKind::ShippingDocument.into(),
        digest: Some(Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: vec![byte; 32],
        }),
        size_bytes: 1,
        custodian: "Evidence room".into(),
        ..Default::default()
    }
}

fn laboratory(name: &str, number: &str) -> LaboratoryFinding {
    LaboratoryFinding {
        laboratory: name.into(),
        accreditation: Accreditation::None.into(),
        report_number: number.into(),
        techniques: vec![Technique::MassSpectrometry.into()],
        result: FindingResult::Inconclusive.into(),
        ..Default::default()
    }
}

fn own(agency: &str) -> Handling {
    cases::handling(Tlp::Red, &[agency])
}

fn hidden(report: CaseReport, agency: &str) -> CaseReport {
    CaseReport {
        handling: Some(own(agency)),
        ..report
    }
}

fn declaring(case: &str, overlap: &str, verdict: OverlapVerdict, handling: Handling) -> Statement {
    let declaration = OverlapDeclaration {
        overlap: overlap.into(),
        verdict: verdict.into(),
        reason: String::new(),
    };
    Statement {
        handling: Some(handling),
        ..cases::statement(case, Kind::OverlapDeclaration(declaration))
    }
}

async fn report(caller: &Caller, report: CaseReport) -> String {
    let name = report.name.clone();
    caller.submit(&cases::reporting(report)).await.unwrap();
    name
}

async fn found(caller: &Caller, case: &str) -> Vec<Overlap> {
    let found = caller.overlaps(case).await.unwrap();
    assert!(!found.truncated);
    assert!(found.overlaps.iter().all(|overlap| overlap.case == case));
    found.overlaps
}

async fn only(caller: &Caller, case: &str) -> Overlap {
    let [overlap] = <[Overlap; 1]>::try_from(found(caller, case).await).unwrap();
    overlap
}

async fn declare(caller: &Caller, case: &str, overlap: &Overlap, verdict: OverlapVerdict) {
    let everybody = cases::handling(Tlp::Green, &[]);
    let statement = declaring(case, &overlap.id, verdict, everybody);
    caller.submit(&statement).await.unwrap();
}

fn matches(overlap: &Overlap) -> Vec<(OverlapBasis, &str)> {
    let matches = overlap.matches.iter();
    matches.map(|m| (m.basis(), m.value.as_str())).collect()
}

#[tokio::test]
async fn two_cases_overlap_by_evidence_number_report_or_circumstances() {
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    for (case, basis, mine, theirs) in [
        (
            "digest",
            OverlapBasis::EvidenceDigest,
            CaseReport {
                evidence: vec![evidence(7)],
                ..alone(DEA, "digest")
            },
            CaseReport {
                evidence: vec![evidence(9), evidence(7)]
                    .into_iter()
                    .enumerate()
                    .map(|(n, e)| EvidenceReference {
                        id: format!("e{n}"),
                        ..e
                    })
                    .collect(),
                ..alone(CBP, "digest")
            },
        ),
        (
            "tracking",
            OverlapBasis::TrackingNumber,
            tracked(DEA, "tracking", "CP 123 456 789 CN"),
            tracked(CBP, "tracking", "cp123456789cn"),
        ),
        (
            "laboratory",
            OverlapBasis::LaboratoryReportNumber,
            {
                let mut report = alone(DEA, "laboratory");
                report.items[0].findings = vec![laboratory("Drug Analysis Service", "2016-42")];
                report
            },
            {
                let mut report = alone(CBP, "laboratory");
                report.items[0].findings = vec![laboratory("drug analysis service", "2016/42")];
                report
            },
        ),
        (
            "circumstances",
            OverlapBasis::Circumstances,
            CaseReport {
                incident_date: Some(cases::date(2016, 6, 27)),
                ..alone(DEA, "circumstances")
            },
            {
                let mut report = alone(CBP, "circumstances");
                report.incident_date = Some(cases::date(2016, 6, 27));
                report.place.as_mut().unwrap().locality = String::new();
                report.items[0].quantity.as_mut().unwrap().value = "1".into();
                report
            },
        ),
    ] {
        let mine = report(dea, mine).await;
        assert!(found(dea, &mine).await.is_empty(), "{case}");
        let theirs = report(cbp, theirs).await;
        let (a, b) = (only(dea, &mine).await, only(cbp, &theirs).await);
        assert_eq!((&a.other_case, &b.other_case), (&theirs, &mine));
        assert_eq!(a.other_agency, format!("agencies/{CBP}"));
        assert_eq!(a.id, b.id, "the same for both owners");
        assert_eq!(a.state(), OverlapState::Open);
        assert_eq!(a.matches.len(), 1, "{case}: {:?}", a.matches);
        assert_eq!(a.matches[0].basis(), basis);
        // Everybody who may see both finds it too, from either side.
        assert_eq!(only(rcmp, &mine).await, a);
        assert_eq!(only(rcmp, &theirs).await, b);
    }
    let [a, b] = [(dea, DEA), (cbp, CBP)].map(|(c, agency)| (c, cases::name(agency, "tracking")));
    let tracking = OverlapBasis::TrackingNumber;
    let as_each_has_it = only(a.0, &a.1).await;
    assert_eq!(matches(&as_each_has_it), [(tracking, "CP 123 456 789 CN")]);
    let as_each_has_it = only(b.0, &b.1).await;
    assert_eq!(matches(&as_each_has_it), [(tracking, "cp123456789cn")]);
    stage.broker.stop().await;
}

#[tokio::test]
async fn owners_of_cases_hidden_from_each_other_learn_whom_to_ask_and_nothing_else() {
    let site = Site::new();
    let contact = "display_name = \"CBP\"\ncontact = \"liaison office, desk 3\"\n";
    fs::write(site.member_file(CBP, "member.toml"), contact).unwrap();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let mine = report(&dea, hidden(tracked(DEA, "a", "CP123456789CN"), DEA)).await;
    let theirs = hidden(
        CaseReport {
            title: "Told to nobody".into(),
            ..tracked(CBP, "secret", "CP-123456789-CN")
        },
        CBP,
    );
    let theirs = report(&cbp, theirs).await;

    let overlap = only(&dea, &mine).await;
    assert_eq!(overlap.other_case, "");
    assert_eq!(overlap.other_agency, format!("agencies/{CBP}"));
    assert_eq!(overlap.other_contact, "liaison office, desk 3");
    let tracking = OverlapBasis::TrackingNumber;
    assert_eq!(matches(&overlap), [(tracking, "CP123456789CN")], "its own");
    let told = format!("{overlap:?}");
    assert!(!told.contains("secret") && !told.contains("CP-123456789-CN"));
    assert_eq!(only(&system, &mine).await, overlap);
    let other = only(&cbp, &theirs).await;
    assert_eq!((other.other_case.as_str(), &other.id), ("", &overlap.id));
    assert_eq!(other.other_contact, "", "it gave none");
    let members = dea
        .registry()
        .list_members(ListMembersRequest::default())
        .await;
    let members = members.unwrap().into_inner().members;
    let contacts: Vec<_> = members.iter().map(|m| m.contact.as_str()).collect();
    assert_eq!(contacts, ["", "liaison office, desk 3", ""]);

    // They can agree all the same, though neither sees what the other says.
    let verdict = OverlapVerdict::Same;
    let statement = declaring(&mine, &overlap.id, verdict, own(DEA));
    dea.submit(&statement).await.unwrap();
    let halfway = only(&cbp, &theirs).await;
    assert_eq!(halfway.state(), OverlapState::Open);
    assert_eq!(halfway.other_verdict(), OverlapVerdict::Unspecified);
    let statement = declaring(&theirs, &overlap.id, verdict, own(CBP));
    cbp.submit(&statement).await.unwrap();
    for (caller, case) in [(&dea, &mine), (&cbp, &theirs)] {
        let agreed = only(caller, case).await;
        assert_eq!(agreed.state(), OverlapState::SameIncident);
        assert_eq!(agreed.own_verdict(), OverlapVerdict::Same);
        assert_eq!(agreed.other_verdict(), OverlapVerdict::Unspecified);
        let named = caller.get(case).await.unwrap().same_incident_cases;
        assert!(named.is_empty(), "{named:?}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_case_that_forbids_it_is_not_told_to_an_owner_who_may_not_see_it() {
    let stage = stage().await;
    let Stage { dea, cbp, .. } = &stage;
    for (number, forbids) in [("CP000000001CN", DEA), ("CP000000002CN", CBP)] {
        let secretive = |agency: &str| {
            let mut report = hidden(tracked(agency, &number.to_lowercase(), number), agency);
            report.handling.as_mut().unwrap().no_deconfliction = agency == forbids;
            report
        };
        let mine = report(dea, secretive(DEA)).await;
        let theirs = report(cbp, secretive(CBP)).await;
        assert!(found(dea, &mine).await.is_empty());
        assert!(found(cbp, &theirs).await.is_empty());
    }
    // Who may see both could compare them anyway.
    let mut open = tracked(DEA, "open", "CP000000003CN");
    open.handling.as_mut().unwrap().no_deconfliction = true;
    let open = report(dea, open).await;
    let theirs = report(cbp, hidden(tracked(CBP, "hidden", "CP000000003CN"), CBP)).await;
    assert_eq!(only(cbp, &theirs).await.other_case, open);
    assert!(found(dea, &open).await.is_empty());
    stage.broker.stop().await;
}

#[tokio::test]
async fn a_third_party_learns_nothing_of_what_it_may_not_see() {
    let stage = stage().await;
    let Stage {
        dea,
        cbp,
        rcmp,
        broker,
        site,
    } = &stage;
    let open = report(dea, tracked(DEA, "open", "CP123456789CN")).await;
    let apart = report(dea, tracked(DEA, "apart", "CP000000000CN")).await;
    let secret = report(cbp, hidden(tracked(CBP, "secret", "CP123456789CN"), CBP)).await;
    assert_eq!(only(dea, &open).await.other_case, "");
    let empty = |asked: FindOverlapsResponse| (asked.overlaps, asked.truncated);
    let with = rcmp.overlaps(&open).await.unwrap();
    let without = rcmp.overlaps(&apart).await.unwrap();
    assert_eq!(empty(with), empty(without));
    // What is hidden, or of others for a system, is answered like what does not exist.
    refused(rcmp.overlaps(&secret).await, Reason::CaseNotFound);
    let missing = cases::name(CBP, "missin");
    refused(rcmp.overlaps(&missing).await, Reason::CaseNotFound);
    let system = broker.connect(&site.principal(RCMP, "system")).await;
    refused(system.overlaps(&open).await, Reason::CaseNotFound);
    for role in ["auditor", "operator"] {
        let caller = broker.connect(&site.principal(DEA, role)).await;
        refused(caller.overlaps(&open).await, Reason::RoleNotAllowed);
    }
    refused(rcmp.overlaps("cases/1").await, Reason::InvalidFields);
    stage.broker.stop().await;
}

#[tokio::test]
async fn what_is_shared_in_a_part_that_the_caller_may_not_see_is_not_shown_to_it() {
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    let finding = |case: &str, agency: &str| Statement {
        handling: Some(own(agency)),
        ..cases::statement(
            case,
            Kind::Finding(Finding {
                findings: vec![ItemFinding {
                    item: 1,
                    finding: Some(laboratory("Drug analysis service", "2016-42")),
                }],
                ..Default::default()
            }),
        )
    };
    let mine = report(dea, alone(DEA, "a")).await;
    let theirs = report(cbp, alone(CBP, "b")).await;
    dea.submit(&finding(&mine, DEA)).await.unwrap();
    cbp.submit(&finding(&theirs, CBP)).await.unwrap();
    for case in [&mine, &theirs] {
        assert!(rcmp.get(case).await.is_ok());
        assert!(found(rcmp, case).await.is_empty());
    }
    let overlap = only(dea, &mine).await;
    assert_eq!(overlap.other_case, "", "it does not see where it is");
    let basis = OverlapBasis::LaboratoryReportNumber;
    assert_eq!(matches(&overlap), [(basis, "2016-42")]);
    assert!(found(cbp, &mine).await.is_empty(), "asked about another's");
    stage.broker.stop().await;
}

#[tokio::test]
async fn what_both_owners_say_decides_and_the_newest_word_counts() {
    use OverlapVerdict::{Different, Same, Withdrawn};
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    let mine = report(dea, tracked(DEA, "a", "CP123456789CN")).await;
    let theirs = report(cbp, tracked(CBP, "b", "CP123456789CN")).await;
    let overlap = only(dea, &mine).await;
    for (caller, verdict, state) in [
        (dea, Same, OverlapState::Open),
        (cbp, Same, OverlapState::SameIncident),
        (cbp, Withdrawn, OverlapState::Open),
        (cbp, Different, OverlapState::Different),
        (dea, Withdrawn, OverlapState::Different),
        (cbp, Same, OverlapState::Open),
        (dea, Same, OverlapState::SameIncident),
    ] {
        let own = if std::ptr::eq(caller, dea) {
            &mine
        } else {
            &theirs
        };
        declare(caller, own, &overlap, verdict).await;
        for (seer, case) in [(dea, &mine), (cbp, &theirs), (rcmp, &mine), (rcmp, &theirs)] {
            let told = only(seer, case).await;
            assert_eq!(told.state(), state, "after {verdict:?}");
            let said = if case == own {
                told.own_verdict()
            } else {
                told.other_verdict()
            };
            assert_eq!(said, verdict);
            let same = seer.get(case).await.unwrap().same_incident_cases;
            assert_eq!(same.len(), usize::from(state == OverlapState::SameIncident));
        }
    }
    stage.broker.stop().await;
}

#[tokio::test]
async fn a_declaration_names_an_overlap_of_the_owners_case() {
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    let mine = report(dea, tracked(DEA, "a", "CP123456789CN")).await;
    let theirs = report(cbp, tracked(CBP, "b", "CP123456789CN")).await;
    let apart = report(dea, alone(DEA, "apart")).await;
    let overlap = only(dea, &mine).await;
    let green = || cases::handling(Tlp::Green, &[]);
    let same = OverlapVerdict::Same;
    for id in ["0".repeat(32), overlap.id.chars().rev().collect()] {
        let statement = declaring(&mine, &id, same, green());
        refused(dea.submit(&statement).await, Reason::OverlapNotFound);
    }
    let of_another_case = declaring(&apart, &overlap.id, same, green());
    refused(dea.submit(&of_another_case).await, Reason::OverlapNotFound);
    for outsider in [dea, rcmp] {
        let statement = declaring(&theirs, &overlap.id, same, green());
        refused(outsider.submit(&statement).await, Reason::AgencyMismatch);
    }
    stage.broker.stop().await;
}

#[tokio::test]
async fn an_amendment_that_withdraws_what_was_shared_ends_the_overlap() {
    let stage = stage().await;
    let Stage { dea, cbp, .. } = &stage;
    let mine = report(dea, tracked(DEA, "a", "CP123456789CN")).await;
    let theirs = report(cbp, tracked(CBP, "b", "CP123456789CN")).await;
    let overlap = only(dea, &mine).await;
    declare(dea, &mine, &overlap, OverlapVerdict::Same).await;
    declare(cbp, &theirs, &overlap, OverlapVerdict::Same).await;
    let same = dea.get(&mine).await.unwrap().same_incident_cases;
    assert_eq!(same, std::slice::from_ref(&theirs));

    let amended = tracked(CBP, "b", "CP987654321CN");
    cbp.submit(&cases::amending(amended, 1)).await.unwrap();
    for (caller, case) in [(dea, &mine), (cbp, &theirs)] {
        assert!(found(caller, case).await.is_empty());
        assert!(
            caller
                .get(case)
                .await
                .unwrap()
                .same_incident_cases
                .is_empty()
        );
    }
    // Nor does it join a later case, but what it says now does.
    let later = report(dea, tracked(DEA, "later", "CP123456789CN")).await;
    assert_eq!(only(dea, &later).await.other_case, mine);
    let other = report(dea, tracked(DEA, "other", "CP987654321CN")).await;
    assert_eq!(only(cbp, &theirs).await.other_case, other);

    let back = tracked(CBP, "b", "CP123456789CN");
    cbp.submit(&cases::amending(back, 2)).await.unwrap();
    let overlaps = found(dea, &mine).await;
    let others: Vec<_> = overlaps.iter().map(|o| &o.other_case).collect();
    assert_eq!(others, [&theirs, &later], "by where they begin");
    assert_eq!(overlaps[0].id, overlap.id);
    assert_eq!(overlaps[0].state(), OverlapState::SameIncident);
    stage.broker.stop().await;
}

#[tokio::test]
async fn a_chain_is_one_incident_until_a_member_of_it_is_retracted() {
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    let a = report(dea, tracked(DEA, "a", "CP000000001CN")).await;
    let both = CaseReport {
        identifiers: vec![tracking("CP000000001CN"), tracking("CP000000002CN")],
        ..alone(CBP, "b")
    };
    let b = report(cbp, both).await;
    let c = report(rcmp, tracked(RCMP, "c", "CP000000002CN")).await;
    let overlaps = found(cbp, &b).await;
    let others: Vec<_> = overlaps.iter().map(|o| &o.other_case).collect();
    assert_eq!(others, [&a, &c]);
    for overlap in &overlaps {
        declare(cbp, &b, overlap, OverlapVerdict::Same).await;
    }
    declare(dea, &a, &overlaps[0], OverlapVerdict::Same).await;
    declare(rcmp, &c, &overlaps[1], OverlapVerdict::Same).await;
    let group = async |case: &String| rcmp.get(case).await.unwrap().same_incident_cases;
    // By name: ca-rcmp, us-cbp, us-dea.
    assert_eq!(group(&a).await, [c.clone(), b.clone()]);
    assert_eq!(group(&b).await, [c.clone(), a.clone()]);
    assert_eq!(group(&c).await, [b.clone(), a.clone()]);

    cbp.submit(&cases::retracting(&b)).await.unwrap();
    for case in [&a, &b, &c] {
        assert!(group(case).await.is_empty());
    }
    for (caller, case) in [(dea, &a), (cbp, &b), (rcmp, &c)] {
        let overlaps = found(caller, case).await;
        assert!(!overlaps.is_empty());
        for overlap in overlaps {
            assert_eq!(overlap.state(), OverlapState::Retracted);
        }
    }
    stage.broker.stop().await;
}

#[tokio::test]
async fn a_restart_and_a_state_built_anew_answer_the_same() {
    let stage = stage().await;
    let Stage {
        dea,
        cbp,
        broker,
        site,
        ..
    } = stage;
    let mut names = Vec::new();
    for n in 0..10 {
        // Each shares a number with the one before and the one after.
        let (caller, agency) = if n % 2 == 0 { (&dea, DEA) } else { (&cbp, CBP) };
        let numbers = [n, n + 1].map(|n| tracking(&format!("CP00000000{n:02}CN")));
        let case = CaseReport {
            identifiers: numbers.into(),
            ..alone(agency, &format!("c{n}"))
        };
        names.push(report(caller, case).await);
    }
    let overlap = found(&dea, &names[0]).await.remove(0);
    declare(&dea, &names[0], &overlap, OverlapVerdict::Same).await;
    declare(&cbp, &names[1], &overlap, OverlapVerdict::Same).await;
    let answers = async |broker: &Broker| {
        let caller = broker.connect(&site.principal(RCMP, "officer")).await;
        let mut answers = Vec::new();
        for name in &names {
            answers.push((found(&caller, name).await, caller.get(name).await.unwrap()));
        }
        answers
    };
    let before = answers(&broker).await;
    assert_eq!(before[0].1.same_incident_cases, names[1..2]);
    assert_eq!(before[5].0.len(), 2);
    broker.stop().await;
    for delete in [false, true] {
        if delete {
            fs::remove_dir_all(site.data().join("state")).unwrap();
        }
        let broker = site.start();
        assert_eq!(answers(&broker).await, before);
        broker.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_has_no_room_for_all_says_so() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let numbers = (0..150).map(|n| tracking(&format!("CP{n:09}CN")));
    let all = CaseReport {
        identifiers: numbers.collect(),
        ..alone(DEA, "all")
    };
    let all = report(&dea, all).await;
    let statements = (0..150).map(|n| tracked(DEA, &format!("c{n}"), &format!("CP{n:09}CN")));
    let signed = statements.map(|report| dea.sign(&cases::reporting(report)));
    let outcomes = dea.submit_all(signed.collect()).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    let answer = dea.overlaps(&all).await.unwrap();
    assert_eq!(answer.overlaps.len(), 100);
    assert!(answer.truncated);
    let others = answer.overlaps.iter().map(|o| o.other_case.clone());
    let expected = (0..100).map(|n| cases::name(DEA, &format!("c{n}")));
    assert!(others.eq(expected), "those that begin first");
    broker.stop().await;
}
