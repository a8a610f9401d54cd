//! Rules of the nine kinds of statement.

use super::*;

/// A sound statement of each kind.
pub(super) fn all_kinds() -> Vec<Statement> {
    [
        Kind::Report(Report {
            report: Some(report()),
        }),
        Kind::Amendment(Amendment {
            report: Some(report()),
            expected_revision: 1,
            reason: "Laboratory result".into(),
        }),
        Kind::Corroboration(Corroboration {
            note: "We saw the same parcel".into(),
            own_case: "agencies/ca-rcmp/cases/77".into(),
            evidence: vec![reference("scan")],
            findings: vec![ItemFinding {
                item: 1,
                finding: Some(finding("scan")),
            }],
            route: Some(Route {
                origin: Some(Location {
                    country: "MX".into(),
                    attributions: vec![Attribution {
                        basis: AttributionBasis::ShippingDocument.into(),
                        evidence_ids: vec!["scan".into()],
                        note: String::new(),
                    }],
                    ..Default::default()
                }),
                ..Default::default()
            }),
        }),
        Kind::EvidenceRequest(EvidenceRequest {
            addressee: "agencies/us-dea".into(),
            question: "Please share the laboratory report".into(),
            kinds: vec![EvidenceKind::LabReport.into()],
            due_date: Some(date(2027, 1, 31)),
        }),
        Kind::EvidenceResponse(EvidenceResponse {
            evidence_request: "2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c12".into(),
            kind: EvidenceResponseKind::Provided.into(),
            note: "Enclosed".into(),
            evidence: vec![reference("lab-report-1")],
            requester: "agencies/us-cbp".into(),
        }),
        Kind::Dispute(Dispute {
            fields: vec!["route.origin".into(), "items[0].quantity".into()],
            reason: "The label was forged".into(),
            evidence: vec![reference("label")],
            resolves: String::new(),
        }),
        Kind::Finding(Finding {
            findings: vec![ItemFinding {
                item: 200,
                finding: Some(finding("lab-report-2")),
            }],
            evidence: vec![reference("lab-report-2")],
            evidence_request: "2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c12".into(),
        }),
        Kind::Release(Release {
            handling: Some(amber()),
            reason: "Asked for".into(),
        }),
        Kind::Retraction(Retraction {
            reason: "Entered twice".into(),
        }),
        Kind::OverlapDeclaration(OverlapDeclaration {
            overlap: "00112233445566778899aabbccddeeff".into(),
            verdict: OverlapVerdict::Same.into(),
            reason: "One parcel".into(),
        }),
    ]
    .into_iter()
    .map(statement)
    .collect()
}

#[track_caller]
fn refuses(path: &str, words: &str, kind: usize, change: impl FnOnce(&mut Statement)) {
    let found = check(kind, change);
    assert!(
        matches!(found.as_slice(), [(p, d)] if p == path && d.contains(words)),
        "expected {path}: …{words}…, found {found:#?}"
    );
}

#[track_caller]
fn accepts(kind: usize, change: impl FnOnce(&mut Statement)) {
    let found = check(kind, change);
    assert!(found.is_empty(), "{found:#?}");
}

fn check(kind: usize, change: impl FnOnce(&mut Statement)) -> Vec<(String, String)> {
    let mut statement = all_kinds().swap_remove(kind);
    change(&mut statement);
    pairs(check_statement(&statement, CLOCK))
}

const REPORT: usize = 0;
const AMENDMENT: usize = 1;
const RELEASE: usize = 7;

macro_rules! kind {
    ($statement:expr, $variant:ident) => {
        match $statement.kind.as_mut() {
            Some(Kind::$variant(kind)) => kind,
            _ => unreachable!(),
        }
    };
}

#[test]
fn a_sound_statement_of_each_kind_passes() {
    for kind in 0..9 {
        accepts(kind, |_| {});
    }
}

#[test]
fn every_kind_needs_case_request_id_and_time() {
    for kind in 0..9 {
        refuses("request_id", "required", kind, |s| s.request_id.clear());
        refuses("make_time", "required", kind, |s| s.make_time = None);
    }
    refuses("case", "required", 8, |s| s.case.clear());
    refuses("case", "agencies/{agency}/cases/{case}", 8, |s| {
        s.case = "x".into()
    });
    refuses("kind", "exactly one", REPORT, |s| s.kind = None);
    refuses("report.report", "required", REPORT, |s| {
        s.kind = Some(Kind::Report(Report::default()))
    });
}

#[test]
fn request_ids_are_uuids_in_one_spelling() {
    for bad in [
        "2B1F6A0E-5D0C-4C56-9A53-0E6F0A2A7C11",
        "2b1f6a0e5d0c4c569a530e6f0a2a7c11",
        "{2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11}",
        "urn:uuid:2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11",
        "2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c1",
        "2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c1g",
        "2b1f6a0e-5d0c-4c56-9a530-e6f0a2a7c11",
    ] {
        refuses("request_id", "UUID", REPORT, |s| s.request_id = bad.into());
        refuses("evidence_response.evidence_request", "UUID", 4, |s| {
            kind!(s, EvidenceResponse).evidence_request = bad.into()
        });
        refuses("dispute.resolves", "UUID", 5, |s| {
            kind!(s, Dispute).resolves = bad.into()
        });
    }
}

#[test]
fn the_time_made_may_be_five_minutes_ahead_and_no_more() {
    let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
    accepts(REPORT, |s| s.make_time = at(CLOCK.now + 300, 0));
    accepts(REPORT, |s| s.make_time = at(0, 999_999_999));
    refuses("make_time", "ahead", REPORT, |s| {
        s.make_time = at(CLOCK.now + 300, 1)
    });
    refuses("make_time", "not a time", REPORT, |s| {
        s.make_time = at(253_402_300_800, 0)
    });
}

#[test]
fn handling_is_required_except_where_the_report_has_it() {
    for kind in (2..9).filter(|kind| *kind != RELEASE) {
        refuses("handling", "required", kind, |s| s.handling = None);
    }
    for kind in [REPORT, AMENDMENT, RELEASE] {
        accepts(kind, |s| s.handling = None);
        accepts(kind, |s| s.handling = Some(amber()));
        refuses("handling", "differs", kind, |s| {
            let mut other = amber();
            other.audience.pop();
            s.handling = Some(other);
        });
    }
    refuses("handling.audience", "TLP:RED", 8, |s| {
        s.handling = Some(Handling {
            tlp: Tlp::Red.into(),
            ..Handling::default()
        });
    });
}

#[test]
fn a_report_is_about_the_case_of_its_statement() {
    refuses("report.report.name", "must be equal", REPORT, |s| {
        s.case = "agencies/us-dea/cases/other".into()
    });
    refuses("amendment.report.name", "must be equal", AMENDMENT, |s| {
        s.case = "agencies/us-dea/cases/other".into()
    });
    refuses(
        "report.report.items[0].quantity.value",
        "at most one",
        REPORT,
        |s| {
            let report = kind!(s, Report).report.as_mut().unwrap();
            *report.items[0].quantity.as_mut().unwrap() = Quantity {
                value: "1,2".into(),
                unit: 1,
                ..Quantity::default()
            };
        },
    );
}

#[test]
fn amendments_say_why_and_what_they_replace() {
    refuses("amendment.report", "required", AMENDMENT, |s| {
        kind!(s, Amendment).report = None
    });
    refuses("amendment.reason", "required", AMENDMENT, |s| {
        kind!(s, Amendment).reason.clear()
    });
    refuses("amendment.reason", "at most 1000", AMENDMENT, |s| {
        kind!(s, Amendment).reason = "x".repeat(1_001)
    });
    refuses(
        "amendment.expected_revision",
        "at least 1",
        AMENDMENT,
        |s| kind!(s, Amendment).expected_revision = 0,
    );
}

#[test]
fn answers_and_declarations_name_what_they_are_about() {
    refuses("evidence_response.requester", "required", 4, |s| {
        kind!(s, EvidenceResponse).requester.clear()
    });
    refuses("finding.evidence_request", "UUID", 6, |s| {
        kind!(s, Finding).evidence_request = "x".into()
    });
    accepts(6, |s| kind!(s, Finding).evidence_request.clear());
    for id in ["", "0011", "00112233445566778899AABBCCDDEEFF"] {
        refuses("overlap_declaration.overlap", "32 hexadecimal", 9, |s| {
            kind!(s, OverlapDeclaration).overlap = id.into()
        });
    }
    refuses("overlap_declaration.verdict", "required", 9, |s| {
        kind!(s, OverlapDeclaration).verdict = 0
    });
}

#[test]
fn corroborations_and_findings_rest_on_evidence_of_their_own() {
    refuses("corroboration.note", "required", 2, |s| {
        kind!(s, Corroboration).note.clear()
    });
    refuses("corroboration.note", "at most 5000", 2, |s| {
        kind!(s, Corroboration).note = "x".repeat(5_001)
    });
    refuses("corroboration.own_case", "agencies/{agency}", 2, |s| {
        kind!(s, Corroboration).own_case = "x".into()
    });
    accepts(2, |s| kind!(s, Corroboration).own_case.clear());
    refuses("corroboration.evidence[1].id", "unique", 2, |s| {
        kind!(s, Corroboration).evidence.push(reference("scan"))
    });
    refuses(
        "corroboration.findings[0].finding.evidence_ids[0]",
        "not the id",
        2,
        |s| {
            kind!(s, Corroboration).evidence.clear();
            kind!(s, Corroboration).route = None;
        },
    );
    refuses(
        "corroboration.route.origin.attributions[0].evidence_ids[0]",
        "not the id",
        2,
        |s| {
            kind!(s, Corroboration).evidence.clear();
            kind!(s, Corroboration).findings.clear();
        },
    );
    refuses("corroboration.findings[0].item", "1 to 200", 2, |s| {
        kind!(s, Corroboration).findings[0].item = 0
    });
    refuses("finding.findings[0].item", "1 to 200", 6, |s| {
        kind!(s, Finding).findings[0].item = 201
    });
    refuses("finding.findings[0].item", "-1", 6, |s| {
        kind!(s, Finding).findings[0].item = -1
    });
    refuses("finding.findings[0].finding", "required", 6, |s| {
        kind!(s, Finding).findings[0].finding = None
    });
    refuses("finding.findings", "required", 6, |s| {
        kind!(s, Finding).findings.clear()
    });
    refuses("finding.findings", "at most 50", 6, |s| {
        let findings = &mut kind!(s, Finding).findings;
        let first = findings[0].clone();
        findings.resize(51, first);
    });
    refuses("finding.evidence[0].custodian", "required", 6, |s| {
        kind!(s, Finding).evidence[0].custodian.clear()
    });
}

#[test]
fn requests_name_an_agency_and_what_is_asked() {
    refuses("evidence_request.addressee", "required", 3, |s| {
        kind!(s, EvidenceRequest).addressee.clear()
    });
    refuses("evidence_request.addressee", "agencies/{agency}", 3, |s| {
        kind!(s, EvidenceRequest).addressee = "us-dea".into()
    });
    refuses("evidence_request.question", "required", 3, |s| {
        kind!(s, EvidenceRequest).question.clear()
    });
    refuses("evidence_request.kinds[0]", "EvidenceKind", 3, |s| {
        kind!(s, EvidenceRequest).kinds[0] = 0
    });
    refuses("evidence_request.kinds[1]", "repeats", 3, |s| {
        kind!(s, EvidenceRequest)
            .kinds
            .push(EvidenceKind::LabReport.into())
    });
    refuses("evidence_request.due_date", "no such day", 3, |s| {
        kind!(s, EvidenceRequest).due_date = Some(date(2027, 2, 29))
    });
    accepts(3, |s| kind!(s, EvidenceRequest).due_date = None);
}

#[test]
fn responses_say_how_they_answer_which_request() {
    refuses("evidence_response.evidence_request", "required", 4, |s| {
        kind!(s, EvidenceResponse).evidence_request.clear()
    });
    refuses("evidence_response.kind", "EvidenceResponseKind", 4, |s| {
        kind!(s, EvidenceResponse).kind = 0
    });
    refuses("evidence_response.note", "required", 4, |s| {
        kind!(s, EvidenceResponse).note.clear()
    });
    refuses("evidence_response.evidence[0].kind", "99", 4, |s| {
        kind!(s, EvidenceResponse).evidence[0].kind = 99
    });
}

#[test]
fn disputes_name_fields_that_reports_have() {
    for bad in [
        "",
        "routes.origin",
        "route.origin.x",
        "items.quantity",
        "items[x].quantity",
        "items[-1].quantity",
        "items[01].quantity",
        "route[0].origin",
        "route.",
        ".route",
        "items[0",
        "report.route",
        "title.x",
        "Route.origin",
    ] {
        refuses("dispute.fields[0]", "path of a field", 5, |s| {
            kind!(s, Dispute).fields[0] = bad.into()
        });
    }
    for good in [
        "title",
        "items",
        "items[3]",
        "route.transit[1].country",
        "items[0].substance.cas_number",
        "incident_date.year",
    ] {
        accepts(5, |s| kind!(s, Dispute).fields[0] = good.into());
    }
    refuses("dispute.fields", "when a dispute is opened", 5, |s| {
        kind!(s, Dispute).fields.clear()
    });
    refuses("dispute.fields[2]", "repeats", 5, |s| {
        kind!(s, Dispute).fields.push("route.origin".into())
    });
    refuses("dispute.reason", "required", 5, |s| {
        kind!(s, Dispute).reason.clear()
    });
    refuses("dispute.fields", "at most 50", 5, |s| {
        kind!(s, Dispute).fields = (0..51).map(|i| format!("items[{i}]")).collect()
    });
    accepts(5, |s| {
        let dispute = kind!(s, Dispute);
        dispute.fields.clear();
        dispute.resolves = "2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c12".into();
    });
}

#[test]
fn releases_bring_a_handling_and_retractions_a_reason() {
    refuses("release.handling", "required", RELEASE, |s| {
        s.handling = None;
        kind!(s, Release).handling = None
    });
    refuses("release.handling.tlp", "Tlp", RELEASE, |s| {
        s.handling = None;
        kind!(s, Release).handling.as_mut().unwrap().tlp = 0
    });
    refuses("release.reason", "at most 1000", 7, |s| {
        kind!(s, Release).reason = "x".repeat(1_001)
    });
    accepts(7, |s| kind!(s, Release).reason.clear());
    refuses("retraction.reason", "required", 8, |s| {
        kind!(s, Retraction).reason.clear()
    });
    refuses("retraction.reason", "at most 1000", 8, |s| {
        kind!(s, Retraction).reason = "x".repeat(1_001)
    });
}

#[test]
fn the_handling_in_force_is_the_reports_own_or_else_the_statements() {
    for statement in all_kinds() {
        assert_eq!(effective_handling(&statement), Some(&amber()));
    }
    let mut other = all_kinds().swap_remove(8);
    other.handling = None;
    assert_eq!(effective_handling(&other), None);
    // What stands beside the report decides nothing.
    let mut empty = all_kinds().swap_remove(REPORT);
    empty.handling = Some(amber());
    kind!(empty, Report).report = None;
    assert_eq!(effective_handling(&empty), None);
}
