//! Whole pages as they are read, 80 columns wide.

use casebroker_proto::{
    google::r#type::Date,
    v1::{
        Accreditation, Assessment, Attribution, AttributionBasis, CaseCorroboration, CaseDispute,
        CaseEvidenceRequest, CaseStatus, ControlStatus, Controlled, Digest, DigestAlgorithm,
        EvidenceAnswer, EvidenceKind, EvidenceRequestState, EvidenceResponseKind, FindingResult,
        Handling, Item, LaboratoryFinding, LateFinding, OriginClaim, Provenance, Qualifier,
        Quantity, RuleOutcome, SubstanceIdentity, Technique, Tlp, Unit, item::Goods,
    },
};
use prost_types::Timestamp;

use super::*;

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    Some(Date { year, month, day })
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn evidence(id: &str, kind: EvidenceKind) -> EvidenceReference {
    EvidenceReference {
        id: id.into(),
        kind: kind.into(),
        digest: Some(Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: vec![0xab; 32],
        }),
        size_bytes: 40_960,
        custodian: "Evidence room".into(),
        ..Default::default()
    }
}

fn location(country: &str, basis: AttributionBasis, evidence: &[&str]) -> Location {
    Location {
        country: country.into(),
        attributions: vec![Attribution {
            basis: basis.into(),
            evidence_ids: evidence.iter().map(|id| (*id).to_owned()).collect(),
            note: String::new(),
        }],
        ..Default::default()
    }
}

fn finding(number: &str) -> LaboratoryFinding {
    LaboratoryFinding {
        laboratory: "Drug Analysis Service".into(),
        accreditation: Accreditation::IsoIec17025.into(),
        report_number: number.into(),
        report_date: date(2016, 8, 9),
        techniques: vec![
            Technique::MassSpectrometry.into(),
            Technique::GasChromatography.into(),
        ],
        result: FindingResult::Identified.into(),
        substance: Some(SubstanceIdentity {
            catalogue_id: "carfentanil".into(),
            ..Default::default()
        }),
        purity_percent: String::new(),
        evidence_ids: vec!["lab".into()],
    }
}

/// What an agency reports when it knows next to nothing.
fn bare() -> Case {
    Case {
        name: "agencies/us-cbp/cases/1".into(),
        owner: "agencies/us-cbp".into(),
        revision: 1,
        create_time: at(1_467_000_000),
        provenance: ["report", "title"]
            .map(|part| Provenance {
                part: part.into(),
                position: 0,
                agency: "agencies/us-cbp".into(),
            })
            .into(),
        report: Some(CaseReport {
            title: "White powder".into(),
            incident_date: date(2016, 0, 0),
            items: vec![Item {
                goods: Some(Goods::Substance(SubstanceIdentity {
                    name: "white powder".into(),
                    ..Default::default()
                })),
                ..Default::default()
            }],
            route: Some(Route {
                departure: Some(location("CN", AttributionBasis::AgencyStatement, &[])),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A case about which everything was said.
fn full() -> Case {
    let mut case = bare();
    case.name = "agencies/ca-rcmp/cases/2016-0627".into();
    case.owner = "agencies/ca-rcmp".into();
    case.revision = 2;
    case.last_position = 9;
    case.update_time = at(1_470_000_000);
    case.handling = Some(Handling {
        tlp: Tlp::Amber.into(),
        audience: vec!["agencies/us-dea".into(), "groups/labs".into()],
        caveats: vec!["Not in court".into()],
        no_deconfliction: true,
    });
    let report = case.report.as_mut().unwrap();
    report.title = "打印机墨水瓶中的卡芬太尼 (carfentanil in printer ink bottles)".into();
    report.evidence = vec![evidence("label", EvidenceKind::ShippingDocument)];
    report.items = vec![Item {
        description: "Powder in ink bottles\u{1b}[2J".into(),
        goods: Some(Goods::Substance(SubstanceIdentity {
            name: "carfentanil".into(),
            ..Default::default()
        })),
        quantity: Some(Quantity {
            value: "1.5".into(),
            unit: Unit::Pound.into(),
            qualifier: Qualifier::About.into(),
            normalized: Some(680_388_555),
            ..Default::default()
        }),
        findings: Vec::new(),
        ..Default::default()
    }];
    report.route = Some(Route {
        origin: Some(location(
            "CN",
            AttributionBasis::ShippingDocument,
            &["label"],
        )),
        ..Default::default()
    });
    case.late_findings = vec![LateFinding {
        position: 7,
        agency: "agencies/us-dea".into(),
        item: 1,
        finding: Some(finding("2016-1234")),
        evidence: vec![evidence("lab", EvidenceKind::LabReport)],
        detached: true,
    }];
    case.assessment = Some(Assessment {
        standard_version: 1,
        status: CaseStatus::Attributed.into(),
        rules: vec![
            RuleOutcome {
                rule: "incident-date".into(),
                met: true,
                ..Default::default()
            },
            RuleOutcome {
                rule: "laboratory-techniques".into(),
                item: 2,
                met: false,
                message:
                    "item 2 'white powder' has no laboratory finding with a category A technique"
                        .into(),
            },
        ],
        confirmed_items: vec![1],
        attributed_origin: "CN".into(),
    });
    case.controls = vec![ControlStatus {
        item: 1,
        substance: "carfentanil".into(),
        jurisdiction: "CN".into(),
        controlled: Controlled::No.into(),
        effective_date: date(2017, 3, 1),
        measure: "carfentanil-cn-2017".into(),
    }];
    case.contested_origins = vec![
        OriginClaim {
            agency: "agencies/ca-rcmp".into(),
            position: 4,
            country: "CN".into(),
            bases: vec![AttributionBasis::ShippingDocument.into()],
        },
        OriginClaim {
            agency: "agencies/us-dea".into(),
            position: 5,
            country: "MX".into(),
            bases: vec![AttributionBasis::FinancialTrail.into()],
        },
    ];
    case.corroborations = vec![CaseCorroboration {
        position: 5,
        agency: "agencies/us-dea".into(),
        note: "The sender was paid from Mexico.".into(),
        own_case: "agencies/us-dea/cases/7".into(),
        route: Some(Route {
            origin: Some(location("MX", AttributionBasis::FinancialTrail, &[])),
            ..Default::default()
        }),
        ..Default::default()
    }];
    case.evidence_requests = vec![CaseEvidenceRequest {
        position: 3,
        request_id: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed".into(),
        requester: "agencies/us-dea".into(),
        addressee: "agencies/ca-rcmp".into(),
        question: "The laboratory report.".into(),
        kinds: vec![EvidenceKind::LabReport.into()],
        due_date: date(2016, 7, 1),
        state: EvidenceRequestState::Overdue.into(),
        answers: vec![EvidenceAnswer {
            position: 6,
            create_time: at(1_467_000_000),
            kind: EvidenceResponseKind::Partial.into(),
            note: "Half of it.".into(),
            evidence: Vec::new(),
        }],
        ..Default::default()
    }];
    case.disputes = vec![CaseDispute {
        position: 8,
        request_id: "77aa6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed".into(),
        agency: "agencies/cn-nncc".into(),
        fields: vec!["route.origin".into()],
        reason: "地址不存在".into(),
        ..Default::default()
    }];
    case.same_incident_cases = vec!["agencies/us-dea/cases/7".into()];
    let from = |part: &str, position| Provenance {
        part: part.into(),
        position,
        agency: "agencies/ca-rcmp".into(),
    };
    case.provenance = vec![from("report", 4), from("handling", 2), from("route", 4)];
    case
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn page(case: &Case, width: usize) -> Vec<String> {
    let mut out = Output::kept(width);
    print(case, &mut out).unwrap();
    lines(&out.text())
}

#[test]
fn what_is_not_known_is_said_to_be_and_origin_is_not_filled_in_from_departure() {
    assert_eq!(page(&bare(), 80), lines(include_str!("pages/bare.txt")));
}

#[test]
fn everything_that_was_said_about_a_case_is_on_its_page() {
    assert_eq!(page(&full(), 80), lines(include_str!("pages/full.txt")));
}

#[test]
fn a_page_is_no_wider_than_the_terminal_and_no_text_rewrites_the_screen() {
    for width in [60, 80, 200] {
        for line in page(&full(), width) {
            assert!(line.width() <= width.min(100), "{width}: {line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
