//! The rule of the country of origin. It looks at the origin that was reported and at nothing else: not at the departure, and not at
//! what other agencies hold.

use super::{Facts, Outcome, words};
use crate::v1::{Attribution, AttributionBasis, EvidenceKind, Location};

/// Most claims that a message names one by one.
const CLAIMS: usize = 4;

/// Kinds of evidence that show a basis. A seizure record shows none: it says what was found, not where it was made. Evidence of kind
/// OTHER shows none either, because nobody can tell what it is.
const FITTING: [(AttributionBasis, &[EvidenceKind]); 8] = [
    (
        AttributionBasis::ShippingDocument,
        &[EvidenceKind::ShippingDocument, EvidenceKind::Image],
    ),
    (
        AttributionBasis::CustomsDeclaration,
        &[EvidenceKind::CustomsDeclaration],
    ),
    (
        AttributionBasis::ControlledDelivery,
        &[
            EvidenceKind::CustodyRecord,
            EvidenceKind::DigitalRecord,
            EvidenceKind::OfficialLetter,
        ],
    ),
    (
        AttributionBasis::ManufacturerMarking,
        &[EvidenceKind::Image, EvidenceKind::ExaminationRecord],
    ),
    (
        AttributionBasis::FinancialTrail,
        &[EvidenceKind::FinancialRecord, EvidenceKind::DigitalRecord],
    ),
    (
        AttributionBasis::CourtFinding,
        &[EvidenceKind::CourtDocument],
    ),
    (
        AttributionBasis::ForensicProfiling,
        &[EvidenceKind::LabReport],
    ),
    (
        AttributionBasis::CountryConfirmation,
        &[EvidenceKind::OfficialLetter],
    ),
];

pub(super) fn basis(facts: &Facts<'_>) -> Outcome {
    let Some(origin) = reported(facts) else {
        return facts.sentences.missing(||
            "no country of origin is reported, and the country of departure is never taken for it: report the origin and on what it rests"
                .into(),
        );
    };
    let country = words::clip(&origin.country);
    let contested = || contested(facts);
    let shown = origin.attributions.iter().find_map(|attribution| {
        let evidence = shown_by(facts, attribution)?;
        Some((attribution.basis(), evidence))
    });
    if let Some((basis, evidence)) = shown {
        return facts.sentences.met(|| {
            format!(
                "origin {country} rests on {} with evidence '{}'{}",
                name(basis),
                words::clip(evidence),
                contested()
            )
        });
    }
    let mut bases = origin.attributions.iter().map(Attribution::basis);
    let unshown = bases.find_map(|basis| Some((basis, fitting(basis)?)));
    facts.sentences.missing(|| match unshown {
        Some((basis, kinds)) => format!(
            "origin {country} rests on {} without evidence for it: list evidence of kind {} and name its id in the attribution{}",
            name(basis),
            words::kinds(kinds),
            contested()
        ),
        None => format!(
            "origin {country} rests on the agency's statement alone: name a basis of another kind and evidence for it{}",
            contested()
        ),
    })
}

/// The country of origin as reported.
pub(super) fn country<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    reported(facts).map(|origin| origin.country.as_str())
}

fn reported<'a>(facts: &Facts<'a>) -> Option<&'a Location> {
    let origin = facts.report.route.as_ref()?.origin.as_ref()?;
    Some(origin).filter(|origin| !origin.country.is_empty())
}

/// Id of the evidence that an attribution names, that the report lists, and that is of a kind that shows its basis.
fn shown_by<'a>(facts: &Facts<'a>, attribution: &Attribution) -> Option<&'a str> {
    let kinds = fitting(attribution.basis())?;
    let mut evidence = facts.report.evidence.iter();
    evidence
        .find(|e| kinds.contains(&e.kind()) && attribution.evidence_ids.contains(&e.id))
        .map(|e| e.id.as_str())
}

/// None for what shows nothing: the agency's own statement.
fn fitting(basis: AttributionBasis) -> Option<&'static [EvidenceKind]> {
    let mut rows = FITTING.iter();
    rows.find(|(of, _)| *of == basis).map(|(_, kinds)| *kinds)
}

fn name(basis: AttributionBasis) -> &'static str {
    words::stated(basis.as_str_name(), "ATTRIBUTION_BASIS_")
}

/// Empty, or who names which country.
fn contested(facts: &Facts<'_>) -> String {
    let claims = &facts.case.contested_origins;
    if claims.is_empty() {
        return String::new();
    }
    let mut named: Vec<_> = claims
        .iter()
        .take(CLAIMS)
        .map(|claim| {
            let agency = claim.agency.strip_prefix("agencies/");
            let agency = words::clip(agency.unwrap_or(&claim.agency));
            format!("{agency} names {}", words::clip(&claim.country))
        })
        .collect();
    if let Some(more) = claims.len().checked_sub(CLAIMS).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    format!("; the origin is contested: {}", named.join(", "))
}
