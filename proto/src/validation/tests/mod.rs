//! For every rule an example that breaks it and one that keeps it. Each table entry changes a sound statement in one place.

mod edit;
mod formats;
mod generate;
mod lists;
mod properties;
mod required;
mod speed;
mod statements;
mod texts;

use prost_types::Timestamp;

use super::*;
use crate::{google::r#type::Date, v1::*};

/// 2026-11-24T12:00:00Z.
pub(super) const CLOCK: Clock = Clock { now: 1_795_521_600 };

pub(super) fn date(year: i32, month: i32, day: i32) -> Date {
    Date { year, month, day }
}

pub(super) fn reference(id: &str) -> EvidenceReference {
    EvidenceReference {
        id: id.into(),
        kind: EvidenceKind::LabReport.into(),
        digest: Some(Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: vec![7; 32],
        }),
        size_bytes: 48_213,
        media_type: "application/pdf".into(),
        custodian: "Regional laboratory".into(),
        collect_time: Some(Timestamp {
            seconds: CLOCK.now - 86_400,
            nanos: 0,
        }),
        description: "Report with spectra".into(),
    }
}

pub(super) fn finding(evidence: &str) -> LaboratoryFinding {
    LaboratoryFinding {
        laboratory: "Regional laboratory".into(),
        accreditation: Accreditation::IsoIec17025.into(),
        report_number: "2016-8841".into(),
        report_date: Some(date(2016, 7, 30)),
        techniques: vec![
            Technique::MassSpectrometry.into(),
            Technique::GasChromatography.into(),
        ],
        result: FindingResult::Identified.into(),
        substance: Some(carfentanil()),
        purity_percent: "87.5".into(),
        evidence_ids: vec![evidence.into()],
    }
}

pub(super) fn carfentanil() -> SubstanceIdentity {
    SubstanceIdentity {
        catalogue_id: "carfentanil".into(),
        name: "Carfentanil".into(),
        cas_number: "59708-52-0".into(),
        inchikey: "YDSDEBIZUNNPOB-UHFFFAOYSA-N".into(),
    }
}

pub(super) fn location(country: &str) -> Location {
    Location {
        country: country.into(),
        attributions: vec![Attribution {
            basis: AttributionBasis::ShippingDocument.into(),
            evidence_ids: vec!["waybill".into()],
            note: "Sender's address on the label".into(),
        }],
        ..Location::default()
    }
}

/// A sound report that uses every field.
pub(super) fn report() -> CaseReport {
    CaseReport {
        name: "agencies/us-dea/cases/2016-0042".into(),
        title: "One kilogram of carfentanil in a parcel declared as printer accessories".into(),
        reporting_unit: "Field office".into(),
        incident_date: Some(date(2016, 6, 27)),
        incident_date_kind: IncidentDateKind::Seizure.into(),
        place: Some(Place {
            country: "CA".into(),
            subdivision: "CA-BC".into(),
            locality: "Vancouver".into(),
            kind: PlaceKind::MailFacility.into(),
        }),
        route: Some(Route {
            origin: Some(location("CN")),
            departure: Some(location("CN")),
            transit: vec![location("HK")],
            destination: Some(location("CA")),
        }),
        items: vec![Item {
            description: "white powder in a printer ink bottle".into(),
            goods: Some(item::Goods::Substance(carfentanil())),
            quantity: Some(Quantity {
                value: "1.2".into(),
                unit: Unit::Kilogram.into(),
                qualifier: Qualifier::About.into(),
                normalized: Some(1_200_000_000),
                measurement: 0,
            }),
            form: ItemForm::Powder.into(),
            purity_percent: "87.5".into(),
            findings: vec![finding("lab-report-1")],
        }],
        evidence: vec![reference("lab-report-1"), reference("waybill")],
        identifiers: vec![Identifier {
            kind: IdentifierKind::TrackingNumber.into(),
            value: "RX123456789CN".into(),
            issuer: "Post".into(),
        }],
        organizations: vec![Organization {
            name: "Example Chemicals Ltd".into(),
            role: OrganizationRole::Shipper.into(),
            country: "CN".into(),
        }],
        concealment: "Inside a printer ink bottle\n\tunder foil".into(),
        conveyance: Conveyance::Mail.into(),
        narrative: "The parcel was examined on arrival.".into(),
        handling: Some(amber()),
        sources: vec![PublicSource {
            title: "News release".into(),
            publisher: "Police".into(),
            publish_date: Some(date(2016, 8, 9)),
            uri: "https://example.org/a?b=c%20d#e".into(),
        }],
    }
}

pub(super) fn amber() -> Handling {
    Handling {
        tlp: Tlp::Amber.into(),
        audience: vec!["agencies/cn-nncc".into(), "agencies/ca-rcmp".into()],
        caveats: vec!["Not for use in court".into()],
        no_deconfliction: false,
    }
}

pub(super) fn statement(kind: Kind) -> Statement {
    let own = matches!(kind, Kind::Report(_) | Kind::Amendment(_));
    Statement {
        case: "agencies/us-dea/cases/2016-0042".into(),
        request_id: "2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11".into(),
        make_time: Some(Timestamp {
            seconds: CLOCK.now,
            nanos: 0,
        }),
        handling: (!own).then(amber),
        kind: Some(kind),
    }
}

pub(super) fn new_report() -> Statement {
    statement(Kind::Report(Report {
        report: Some(report()),
    }))
}

/// What is refused in a changed report: paths and descriptions.
pub(super) fn refused(change: impl FnOnce(&mut CaseReport)) -> Vec<(String, String)> {
    let mut report = report();
    change(&mut report);
    pairs(check_report(&report, CLOCK))
}

pub(super) fn pairs(violations: Vec<Violation>) -> Vec<(String, String)> {
    violations
        .into_iter()
        .map(|v| (v.field, v.description))
        .collect()
}

/// Asserts that a change breaks exactly one rule, at this path, and that the description holds these words.
#[track_caller]
pub(super) fn refuses(path: &str, words: &str, change: impl FnOnce(&mut CaseReport)) {
    let found = refused(change);
    assert!(
        matches!(found.as_slice(), [(p, d)] if p == path && d.contains(words)),
        "expected {path}: …{words}…, found {found:#?}"
    );
}

/// Asserts that a change breaks nothing.
#[track_caller]
pub(super) fn accepts(change: impl FnOnce(&mut CaseReport)) {
    let found = refused(change);
    assert!(found.is_empty(), "{found:#?}");
}
