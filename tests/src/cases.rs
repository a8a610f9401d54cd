//! Statements that pass every check, to be changed where a test wants them wrong.

use std::time::SystemTime;

use casebroker_proto::{
    google::r#type::Date,
    v1::{
        Accreditation, Amendment, Attribution, AttributionBasis, CaseReport, Conveyance, Digest,
        DigestAlgorithm, EvidenceKind, EvidenceReference, FindingResult, Handling, Identifier,
        IdentifierKind, IncidentDateKind, Item, ItemForm, LaboratoryFinding, Location, Place,
        PlaceKind, Quantity, Report, Retraction, Route, Statement, SubstanceIdentity, Technique,
        Tlp, Unit, item::Goods, statement::Kind,
    },
};
use uuid::Uuid;

/// `agencies/{agency}/cases/{case}`.
pub fn name(agency: &str, case: &str) -> String {
    format!("agencies/{agency}/cases/{case}")
}

/// A marking with an audience; agencies by their ids.
pub fn handling(tlp: Tlp, audience: &[&str]) -> Handling {
    Handling {
        tlp: tlp.into(),
        audience: audience.iter().map(|a| format!("agencies/{a}")).collect(),
        ..Default::default()
    }
}

/// A report of about 1.1 KB as agencies send them, for every member.
pub fn report(agency: &str, case: &str) -> CaseReport {
    CaseReport {
        name: name(agency, case),
        title: format!("Parcel with carfentanil, {case}"),
        reporting_unit: "International mail facility".into(),
        incident_date: Some(date(2016, 6, 27)),
        incident_date_kind: IncidentDateKind::Seizure.into(),
        place: Some(Place {
            country: "CA".into(),
            subdivision: "CA-BC".into(),
            locality: "Vancouver".into(),
            kind: PlaceKind::MailFacility.into(),
        }),
        route: Some(Route {
            departure: Some(Location {
                country: "CN".into(),
                attributions: vec![Attribution {
                    basis: AttributionBasis::ShippingDocument.into(),
                    evidence_ids: vec!["label".into()],
                    note: "Return address on the label".into(),
                }],
                ..Default::default()
            }),
            ..Default::default()
        }),
        items: vec![Item {
            description: "White powder in a printer ink bottle".into(),
            goods: Some(Goods::Substance(SubstanceIdentity {
                name: "carfentanil".into(),
                cas_number: "59708-52-0".into(),
                ..Default::default()
            })),
            quantity: Some(Quantity {
                value: "1.0".into(),
                unit: Unit::Kilogram.into(),
                ..Default::default()
            }),
            form: ItemForm::Powder.into(),
            purity_percent: String::new(),
            findings: vec![LaboratoryFinding {
                laboratory: "Drug analysis service".into(),
                accreditation: Accreditation::IsoIec17025.into(),
                report_number: format!("LAB-{case}"),
                report_date: Some(date(2016, 7, 20)),
                techniques: vec![
                    Technique::MassSpectrometry.into(),
                    Technique::GasChromatography.into(),
                ],
                result: FindingResult::Identified.into(),
                substance: Some(SubstanceIdentity {
                    name: "carfentanil".into(),
                    ..Default::default()
                }),
                evidence_ids: vec!["lab".into()],
                ..Default::default()
            }],
        }],
        evidence: vec![
            evidence("seizure", EvidenceKind::SeizureRecord, 1),
            evidence("lab", EvidenceKind::LabReport, 2),
            evidence("label", EvidenceKind::ShippingDocument, 3),
        ],
        identifiers: vec![Identifier {
            kind: IdentifierKind::TrackingNumber.into(),
            value: format!("CP{case}CN"),
            issuer: "Postal operator".into(),
        }],
        conveyance: Conveyance::Mail.into(),
        narrative: "Labelled as printer accessories; the bottle weighed more than ink would."
            .into(),
        handling: Some(handling(Tlp::Green, &[])),
        ..Default::default()
    }
}

fn evidence(id: &str, kind: EvidenceKind, byte: u8) -> EvidenceReference {
    EvidenceReference {
        id: id.into(),
        kind: kind.into(),
        digest: Some(Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: vec![byte; 32],
        }),
        size_bytes: 4_096,
        media_type: "application/pdf".into(),
        custodian: "Evidence room".into(),
        ..Default::default()
    }
}

/// A day.
pub fn date(year: i32, month: i32, day: i32) -> Date {
    Date { year, month, day }
}

/// A statement of this kind about a case, with a new request id.
pub fn statement(case: &str, kind: Kind) -> Statement {
    Statement {
        case: case.into(),
        request_id: Uuid::new_v4().to_string(),
        make_time: Some(SystemTime::now().into()),
        handling: None,
        kind: Some(kind),
    }
}

/// Reports a case.
pub fn reporting(report: CaseReport) -> Statement {
    let case = report.name.clone();
    let report = Some(report);
    statement(&case, Kind::Report(Report { report }))
}

/// Reports the usual case under this name.
pub fn reporting_as(agency: &str, case: &str) -> Statement {
    reporting(report(agency, case))
}

/// Replaces a revision of a case.
pub fn amending(report: CaseReport, expected_revision: i32) -> Statement {
    let case = report.name.clone();
    let amendment = Amendment {
        report: Some(report),
        expected_revision,
        reason: "The laboratory reported".into(),
    };
    statement(&case, Kind::Amendment(amendment))
}

/// Takes a case back.
pub fn retracting(case: &str) -> Statement {
    let reason = "Reported twice".into();
    Statement {
        handling: Some(handling(Tlp::Green, &[])),
        ..statement(case, Kind::Retraction(Retraction { reason }))
    }
}
