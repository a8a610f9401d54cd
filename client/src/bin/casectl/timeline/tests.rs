//! Whole timelines as they are read, 80 columns wide.

use casebroker_proto::v1::{
    CaseReport, DigestAlgorithm, EvidenceKind, EvidenceReference, EvidenceResponseKind, Item,
    OverlapVerdict, Quantity, Retraction, Statement, SubstanceIdentity, Tlp, Unit, item::Goods,
};
use prost_types::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use super::*;

fn record(position: u64, agency: &str, kind: Kind) -> StatementRecord {
    StatementRecord {
        position,
        record_time: Some(Timestamp {
            seconds: 1_467_000_000,
            nanos: 0,
        }),
        principal: format!("spiffe://casebroker.example/agency/{agency}/officer/desk"),
        agency: format!("agencies/{agency}"),
        statement: Some(Statement {
            request_id: format!("{position:08}-bbfd-4b2d-9b5d-ab8dfbbd4bed"),
            kind: Some(kind),
            ..Default::default()
        }),
    }
}

fn report(name: &str, value: &str) -> CaseReport {
    CaseReport {
        title: "Parcel".into(),
        items: vec![Item {
            goods: Some(Goods::Substance(SubstanceIdentity {
                name: name.into(),
                ..Default::default()
            })),
            quantity: Some(Quantity {
                value: value.into(),
                unit: Unit::Kilogram.into(),
                ..Default::default()
            }),
            ..Default::default()
        }],
        handling: Some(handling(&["agencies/us-cbp"])),
        ..Default::default()
    }
}

fn handling(audience: &[&str]) -> Handling {
    Handling {
        tlp: Tlp::Amber.into(),
        audience: audience.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    }
}

fn amendment(report: CaseReport, expected_revision: i32) -> Kind {
    Kind::Amendment(Amendment {
        report: Some(report),
        expected_revision,
        reason: "laboratory result".into(),
    })
}

fn lines(records: &[StatementRecord], width: usize) -> Vec<String> {
    let mut out = Output::kept(width);
    print(records, &mut out).unwrap();
    out.text().lines().map(str::to_owned).collect()
}

fn life() -> Vec<StatementRecord> {
    let request = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";
    let evidence = EvidenceReference {
        id: "lab".into(),
        kind: EvidenceKind::LabReport.into(),
        digest: Some(casebroker_proto::v1::Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: vec![0xab; 32],
        }),
        custodian: "Evidence room".into(),
        ..Default::default()
    };
    vec![
        record(
            7,
            "us-dea",
            Kind::Report(Report {
                report: Some(report("heroin", "1.0")),
            }),
        ),
        record(
            8,
            "us-cbp",
            Kind::EvidenceRequest(EvidenceRequest {
                addressee: "agencies/us-dea".into(),
                question: "The laboratory report\u{1b}[2J of the parcel, whole and with its annexes, please?".into(),
                kinds: vec![EvidenceKind::LabReport.into()],
                due_date: Some(casebroker_proto::google::r#type::Date {
                    year: 2016,
                    month: 8,
                    day: 1,
                }),
            }),
        ),
        record(
            9,
            "us-dea",
            Kind::EvidenceResponse(EvidenceResponse {
                evidence_request: request.into(),
                kind: EvidenceResponseKind::Provided.into(),
                note: "Handed over.".into(),
                evidence: vec![evidence],
                requester: "agencies/us-cbp".into(),
            }),
        ),
        record(10, "us-dea", amendment(report("carfentanil", "1.2"), 1)),
        record(
            11,
            "us-cbp",
            Kind::Dispute(Dispute {
                fields: vec!["items[0].quantity".into()],
                reason: "证据不足".into(),
                ..Default::default()
            }),
        ),
        record(
            12,
            "us-cbp",
            Kind::Dispute(Dispute {
                reason: "Settled.".into(),
                resolves: request.into(),
                ..Default::default()
            }),
        ),
        record(
            13,
            "us-dea",
            Kind::Release(Release {
                handling: Some(handling(&["agencies/us-cbp", "groups/labs"])),
                reason: "joint operation".into(),
            }),
        ),
        record(
            14,
            "us-dea",
            Kind::OverlapDeclaration(OverlapDeclaration {
                overlap: "3fa1b2c4d5e6f7081920a1b2c3d4e5f6".into(),
                verdict: OverlapVerdict::Same.into(),
                reason: "one parcel".into(),
            }),
        ),
        record(
            15,
            "us-dea",
            Kind::Retraction(Retraction {
                reason: "Reported twice".into(),
            }),
        ),
    ]
}

#[test]
fn a_history_says_when_who_what_and_what_changed_field_by_field() {
    let expected: Vec<_> = include_str!("pages/life.txt").lines().collect();
    assert_eq!(lines(&life(), 80), expected);
}

#[test]
fn revisions_that_are_not_for_the_reader_are_said_to_be_missing() {
    let first = lines(
        &[record(3, "us-dea", amendment(report("heroin", "1"), 1))],
        80,
    );
    assert!(
        first
            .iter()
            .any(|line| line.contains("earlier revisions are not for my agency"))
    );
    let skipped = [
        record(3, "us-dea", amendment(report("heroin", "1"), 1)),
        record(9, "us-dea", amendment(report("heroin", "2"), 4)),
    ];
    let text = lines(&skipped, 80).join("\n");
    assert!(
        text.contains("revision 4 is not for my agency; compared with revision 2"),
        "{text}"
    );
    assert!(
        text.contains("items[0].quantity.value: “1” → “2”"),
        "{text}"
    );
}

#[test]
fn a_timeline_is_no_wider_than_the_terminal_and_no_text_rewrites_the_screen() {
    for width in [60, 80, 200] {
        for line in lines(&life(), width) {
            assert!(line.width() <= width, "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
