use casebroker_proto::{
    google::r#type::Date,
    names::CaseName,
    v1::{
        Amendment, Attribution, Handling, LaboratoryFinding, Quantity, Release, Report, Retraction,
        Route, Statement as Said, Unit,
    },
};
use proptest::prelude::*;
use prost::Message as _;
use prost_types::Timestamp;

use casebroker_proto::names::AgencyName;

use super::*;

const OWNER: &str = "us-dea";

/// A statement of an agency; its request id is made from its position.
fn said(position: u64, agency: &str, kind: Kind) -> Statement {
    Statement {
        position,
        record_time: Timestamp {
            seconds: i64::try_from(position).unwrap(),
            nanos: 0,
        },
        principal: String::new(),
        agency: AgencyName::from_id(agency).unwrap(),
        case: CaseName::from_ids(OWNER, "1").unwrap(),
        statement: Said {
            case: "agencies/us-dea/cases/1".into(),
            request_id: position.to_string(),
            handling: Some(Handling::default()),
            kind: Some(kind),
            ..Default::default()
        },
    }
}

fn all(kinds: Vec<(&str, Kind)>) -> Vec<Statement> {
    let numbered = kinds.into_iter().enumerate();
    numbered
        .map(|(n, (agency, kind))| said(n as u64, agency, kind))
        .collect()
}

fn report_of(descriptions: &[&str], origin: &str) -> CaseReport {
    CaseReport {
        title: descriptions.join(" and "),
        items: descriptions
            .iter()
            .map(|description| Item {
                description: (*description).into(),
                quantity: Some(Quantity {
                    value: "1.5".into(),
                    unit: Unit::Gram.into(),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .collect(),
        route: Some(route(origin)),
        handling: Some(Handling::default()),
        ..Default::default()
    }
}

fn route(origin: &str) -> Route {
    let origin = (!origin.is_empty()).then(|| Location {
        country: origin.into(),
        attributions: vec![Attribution {
            basis: AttributionBasis::CustomsDeclaration.into(),
            ..Default::default()
        }],
        ..Default::default()
    });
    Route {
        origin,
        ..Default::default()
    }
}

fn report(descriptions: &[&str], origin: &str) -> Kind {
    Kind::Report(Report {
        report: Some(report_of(descriptions, origin)),
    })
}

fn amend(descriptions: &[&str], origin: &str) -> Kind {
    Kind::Amendment(Amendment {
        report: Some(report_of(descriptions, origin)),
        ..Default::default()
    })
}

fn corroborate(origin: &str) -> Kind {
    Kind::Corroboration(Corroboration {
        route: Some(route(origin)),
        ..Default::default()
    })
}

fn ask(due: Option<Date>) -> Kind {
    Kind::EvidenceRequest(EvidenceRequest {
        addressee: "agencies/us-cbp".into(),
        due_date: due,
        ..Default::default()
    })
}

fn answer(requester: &str, id: u64, kind: EvidenceResponseKind) -> Kind {
    Kind::EvidenceResponse(EvidenceResponse {
        requester: format!("agencies/{requester}"),
        evidence_request: id.to_string(),
        kind: kind.into(),
        ..Default::default()
    })
}

fn find(item: i32) -> Kind {
    Kind::Finding(Finding {
        findings: vec![ItemFinding {
            item,
            finding: Some(LaboratoryFinding::default()),
        }],
        ..Default::default()
    })
}

fn dispute(resolves: Option<u64>) -> Kind {
    Kind::Dispute(Dispute {
        resolves: resolves.map(|id| id.to_string()).unwrap_or_default(),
        ..Default::default()
    })
}

fn position_of(case: &v1::Case, part: &str) -> Option<u64> {
    let found = case.provenance.iter().find(|known| known.part == part);
    found.map(|known| known.position)
}

#[test]
fn each_part_of_the_report_names_the_newest_statement_that_changed_it() {
    let case = fold(&all(vec![
        (OWNER, report(&["powder"], "CN")),
        (OWNER, amend(&["powder"], "MX")),
        (OWNER, amend(&["powder", "press"], "MX")),
    ]))
    .unwrap();
    assert_eq!(position_of(&case, "route"), Some(1));
    assert_eq!(position_of(&case, "items"), Some(2));
    assert_eq!(position_of(&case, "title"), Some(2));
    assert_eq!(position_of(&case, "place"), Some(0));
    assert_eq!(position_of(&case, "report"), Some(2));
    assert_eq!(position_of(&case, "retraction"), None);
    assert_eq!(case.revision, 3);
}

#[test]
fn a_finding_counts_for_its_item_until_an_amendment_changes_that_item() {
    let detached = |then: Kind| {
        let case = fold(&all(vec![
            (OWNER, report(&["powder", "press"], "")),
            (OWNER, find(2)),
            (OWNER, then),
        ]));
        case.unwrap().late_findings[0].detached
    };
    assert!(!detached(amend(&["powder", "press"], "CN")));
    assert!(!detached(amend(&["sugar", "press"], "CN")));
    assert!(detached(amend(&["press", "powder"], "")));
    assert!(detached(amend(&["powder"], "")));
}

#[test]
fn an_origin_that_others_name_differently_is_contested_and_both_stand() {
    let contested = |own: &str, other: &str| {
        let case = fold(&all(vec![
            (OWNER, report(&["powder"], own)),
            ("us-cbp", corroborate(other)),
        ]));
        let claims = case.unwrap().contested_origins;
        let claims = claims
            .into_iter()
            .map(|claim| (claim.agency, claim.country));
        claims.collect::<Vec<_>>()
    };
    assert!(contested("CN", "CN").is_empty());
    assert!(contested("", "CN").is_empty());
    let both = [("agencies/us-dea", "CN"), ("agencies/us-cbp", "MX")];
    let both = both.map(|(agency, country)| (agency.to_owned(), country.to_owned()));
    assert_eq!(contested("CN", "MX"), both);
}

#[test]
fn a_request_is_open_until_it_is_answered_and_overdue_the_day_after_its_date_is_over() {
    use EvidenceRequestState::{Answered, Declined, Open, Overdue};
    let state = |answers: &[EvidenceResponseKind], today| {
        let due = Date {
            year: 2026,
            month: 2,
            day: 0,
        };
        let mut kinds = vec![(OWNER, report(&["powder"], "")), (OWNER, ask(Some(due)))];
        kinds.extend(
            answers
                .iter()
                .map(|kind| ("us-cbp", answer(OWNER, 1, *kind))),
        );
        let mut case = fold(&all(kinds)).unwrap();
        set_overdue(&mut case, today);
        case.evidence_requests[0].state()
    };
    let (before, after) = ((2026, 2, 28), (2026, 3, 1));
    assert_eq!(state(&[], before), Open);
    assert_eq!(state(&[], after), Overdue);
    assert_eq!(state(&[EvidenceResponseKind::Partial], after), Overdue);
    assert_eq!(state(&[EvidenceResponseKind::Declined], after), Declined);
    let then = [
        EvidenceResponseKind::Declined,
        EvidenceResponseKind::Provided,
    ];
    assert_eq!(state(&then, after), Answered);
}

#[test]
fn a_dispute_is_open_until_its_maker_ends_it() {
    let open = |end: (&str, Kind)| {
        let case = fold(&all(vec![
            (OWNER, report(&["powder"], "")),
            ("us-cbp", dispute(None)),
            end,
        ]));
        is_disputed(&case.unwrap())
    };
    assert!(open(("ca-rcmp", dispute(Some(1)))));
    assert!(open(("us-cbp", dispute(Some(7)))));
    assert!(!open(("us-cbp", dispute(Some(1)))));
}

#[test]
fn what_refers_to_something_that_is_not_for_the_reader_changes_nothing() {
    let case = fold(&all(vec![
        (OWNER, report(&["powder"], "")),
        ("us-cbp", answer(OWNER, 7, EvidenceResponseKind::Provided)),
        ("us-cbp", dispute(Some(7))),
    ]))
    .unwrap();
    assert!(case.evidence_requests.is_empty() && case.disputes.is_empty());
    assert!(fold(&all(vec![("us-cbp", dispute(None))])).is_none());
}

prop_compose! {
    fn any_kind()(choice in 0..10, n in 0_u64..12, item in 1..4, way in 0..3_usize) -> (&'static str, Kind) {
        let origin = ["", "CN", "MX"][way];
        let items: &[&str] = [&["powder"][..], &["powder", "press"], &["sugar", "press"]][way];
        let other = ["us-cbp", "ca-rcmp", "mx-fgr"][way];
        match choice {
            0 => (OWNER, report(items, origin)),
            1 => (OWNER, amend(items, origin)),
            2 => (other, corroborate(origin)),
            3 => (other, ask(None)),
            4 => ("us-cbp", answer(other, n, EvidenceResponseKind::try_from(1 + way as i32).unwrap())),
            5 => (other, dispute(None)),
            6 => (other, dispute(Some(n))),
            7 => (OWNER, find(item)),
            8 => (OWNER, Kind::Release(Release { handling: Some(Handling::default()), ..Default::default() })),
            _ => (OWNER, Kind::Retraction(Retraction::default())),
        }
    }
}

proptest! {
    /// Nothing that the next step needs is anywhere but in the case: it may be written down and read back in between.
    #[test]
    fn the_fold_of_all_is_the_fold_of_a_beginning_and_one_more_at_a_time(
        kinds in prop::collection::vec(any_kind(), 0..30),
    ) {
        let statements = all(kinds);
        let mut case: Option<v1::Case> = None;
        for (n, statement) in statements.iter().enumerate() {
            let written = case.as_ref().map(v1::Case::encode_to_vec);
            case = written.map(|bytes| v1::Case::decode(bytes.as_slice()).unwrap());
            apply(&mut case, statement);
            prop_assert_eq!(case.clone().map(finish), fold(&statements[..=n]));
        }
    }

    #[test]
    fn a_view_holds_the_case_or_the_case_without_what_a_line_does_not_show(
        kinds in prop::collection::vec(any_kind(), 0..30),
    ) {
        let statements = all(kinds);
        let whole = fold(&statements);
        prop_assert_eq!(fold_into(CaseView::Full, statements.clone()), whole.clone());
        let basic = fold_into(CaseView::Basic, statements);
        prop_assert_eq!(basic.clone(), whole.map(basic::keep));
        let report = basic.and_then(|case| case.report);
        prop_assert!(report.is_none_or(|report| report.evidence.is_empty() && report.narrative.is_empty()));
    }

    #[test]
    fn the_history_only_grows(kinds in prop::collection::vec(any_kind(), 1..30)) {
        let statements = all(kinds);
        let (before, after) = (fold(&statements[..statements.len() - 1]), fold(&statements));
        if let (Some(before), Some(after)) = (before, after) {
            prop_assert!(after.late_findings.len() >= before.late_findings.len());
            prop_assert!(after.disputes.len() >= before.disputes.len());
            prop_assert!(after.corroborations.starts_with(&before.corroborations));
            prop_assert!(after.evidence_requests.len() >= before.evidence_requests.len());
            prop_assert!(after.revision >= before.revision);
            prop_assert!(after.retracted || !before.retracted);
            for (before, after) in before.late_findings.iter().zip(&after.late_findings) {
                prop_assert!(after.detached || !before.detached);
            }
        }
    }
}
