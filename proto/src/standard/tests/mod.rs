//! The standard held against examples, against its document, and against random cases.

mod document;
mod examples;
mod hindrances;
mod outcomes;
mod random;
mod reclassified;

use super::*;
use crate::v1::*;

/// A case that is attributed: carfentanil in printer bottles, with everything that the standard asks for. Made up.
fn usual() -> Case {
    Case {
        name: "agencies/us-cbp/cases/1".into(),
        report: Some(CaseReport {
            incident_date: Some(crate::google::r#type::Date {
                year: 2016,
                month: 6,
                day: 27,
            }),
            place: Some(Place {
                country: "CA".into(),
                ..Place::default()
            }),
            route: Some(Route {
                origin: Some(origin(AttributionBasis::ShippingDocument, "waybill-1")),
                departure: Some(origin(AttributionBasis::AgencyStatement, "")),
                ..Route::default()
            }),
            items: vec![item("carfentanil", "bottles of printer ink", "1")],
            evidence: vec![
                evidence("seizure-1", EvidenceKind::SeizureRecord),
                evidence("lab-1", EvidenceKind::LabReport),
                evidence("waybill-1", EvidenceKind::ShippingDocument),
            ],
            ..CaseReport::default()
        }),
        ..Case::default()
    }
}

fn origin(basis: AttributionBasis, id: &str) -> Location {
    Location {
        country: "CN".into(),
        attributions: vec![Attribution {
            basis: basis.into(),
            evidence_ids: vec![id.to_owned()],
            ..Attribution::default()
        }],
        ..Location::default()
    }
}

fn item(substance: &str, description: &str, kilograms: &str) -> Item {
    Item {
        description: description.into(),
        goods: Some(item::Goods::Substance(identity(substance))),
        quantity: Some(Quantity {
            value: kilograms.into(),
            unit: Unit::Kilogram.into(),
            ..Quantity::default()
        }),
        findings: vec![finding(substance)],
        ..Item::default()
    }
}

fn press() -> Item {
    Item {
        description: "tablet press".into(),
        goods: Some(item::Goods::Equipment(Equipment {
            kind: EquipmentKind::TabletPress.into(),
            ..Equipment::default()
        })),
        quantity: Some(Quantity {
            value: "1".into(),
            unit: Unit::Piece.into(),
            ..Quantity::default()
        }),
        ..Item::default()
    }
}

/// By GC-MS, with its report.
fn finding(substance: &str) -> LaboratoryFinding {
    LaboratoryFinding {
        laboratory: "Drug Analysis Service".into(),
        accreditation: Accreditation::IsoIec17025.into(),
        report_number: "17-0042".into(),
        techniques: vec![
            Technique::GasChromatography.into(),
            Technique::MassSpectrometry.into(),
        ],
        result: FindingResult::Identified.into(),
        substance: Some(identity(substance)),
        evidence_ids: vec!["lab-1".into()],
        ..LaboratoryFinding::default()
    }
}

fn denial(substance: &str) -> LaboratoryFinding {
    LaboratoryFinding {
        laboratory: "Second Laboratory".into(),
        report_number: "18-7".into(),
        result: FindingResult::NotDetected.into(),
        ..finding(substance)
    }
}

fn late(item: i32, finding: LaboratoryFinding) -> LateFinding {
    LateFinding {
        position: 7,
        agency: "agencies/us-cbp".into(),
        item,
        finding: Some(finding),
        evidence: vec![evidence("lab-1", EvidenceKind::LabReport)],
        detached: false,
    }
}

fn identity(name: &str) -> SubstanceIdentity {
    SubstanceIdentity {
        name: name.into(),
        ..SubstanceIdentity::default()
    }
}

fn evidence(id: &str, kind: EvidenceKind) -> EvidenceReference {
    EvidenceReference {
        id: id.into(),
        kind: kind.into(),
        ..EvidenceReference::default()
    }
}

/// A usual case with something changed.
fn changed(change: impl FnOnce(&mut Case, &mut CaseReport)) -> Case {
    let mut case = usual();
    let mut report = case.report.take().unwrap();
    change(&mut case, &mut report);
    case.report = Some(report);
    case
}

fn outcome(case: &Case, rule: &str, item: i32) -> RuleOutcome {
    let mut rules = assess(case).rules.into_iter();
    let found = rules.find(|o| o.rule == rule && o.item == item);
    found.unwrap_or_else(|| panic!("no answer to {rule} for item {item}"))
}
