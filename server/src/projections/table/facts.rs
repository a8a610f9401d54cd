//! What the table keeps of a case as somebody sees it.

use casebroker_proto::{
    catalogue::units::{Dimension, dimension},
    filter::{Day, GoodsClass, Hindrance, hindrance, identifier_key, text_key},
    standard::{CountedSubstance, named_substances},
    v1::{
        Case, CaseReport, CaseStatus, Conveyance, EvidenceKind, EvidenceReference, Item, ItemKind,
        Location, Measurement, item::Goods,
    },
};

use super::keys::Key;
use crate::projections::{fold::is_disputed, statement::Statement};

/// A case as some agencies see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Position of the first statement that they may see.
    pub first: u64,
    /// When it was recorded, nanoseconds since 1970.
    pub recorded: u64,
    /// Position of the report or amendment in force.
    pub report: u64,
    /// First position, seen by whomever, of the case that stands for the incident.
    pub incident: u64,
    /// Whether the incident has another case that they may know of.
    pub joined: bool,
    /// As `incident`, of what the owner's systems know, which see the owner's cases alone.
    pub own_incident: u64,
    /// As `joined`, of what they know.
    pub own_joined: bool,
    /// Agency that owns it, by its id.
    pub owner: String,
    /// Reporting unit as written; may be empty.
    pub unit: String,
    /// Country of the incident.
    pub country: u16,
    /// Country of origin.
    pub origin: u16,
    /// Country of departure.
    pub departure: u16,
    /// Country of destination.
    pub destination: u16,
    /// Countries of transit, each once, in order of their codes.
    pub transits: Vec<u16>,
    /// Bases of the origin, a bit each.
    pub bases: u16,
    /// Date.
    pub day: Day,
    /// Conveyance.
    pub conveyance: Conveyance,
    /// Status.
    pub status: CaseStatus,
    /// Taken back.
    pub retracted: bool,
    /// An objection is open.
    pub disputed: bool,
    /// Others name another origin.
    pub contested: bool,
    /// The owner holds a record of the seizure.
    pub seizure_record: bool,
    /// First rule of the standard that hinders it, counted from 1; 0 for none.
    pub rule: u16,
    /// Items.
    pub items: Vec<ItemFacts>,
    /// What it can be looked up by, each once.
    pub keys: Vec<Key>,
}

/// An item of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemFacts {
    /// Substance by its id in the catalogue, or as stated; empty for equipment.
    pub substance: String,
    /// What it counts as.
    pub class: GoodsClass,
    /// Its kind.
    pub kind: ItemKind,
    /// Amount and what it is of; `None` if it is not known.
    pub amount: Option<(Dimension, i64)>,
    /// Whether it is confirmed.
    pub confirmed: bool,
    /// Whether a laboratory weighed or counted it.
    pub laboratory: bool,
}

impl Facts {
    /// Of a case, folded and finished, with the statements that it was folded from. `None` if it has no report.
    pub fn of(case: &Case, statements: &[&Statement]) -> Option<Self> {
        let report = case.report.as_ref()?;
        let newest = statements.iter().rev().find(|s| s.report().is_some())?;
        let assessment = case.assessment.as_ref()?;
        let route = report.route.as_ref();
        let origin = route.and_then(|route| route.origin.as_ref());
        let country = |location: Option<&Location>| {
            location.map_or(0, |location| country_code(&location.country))
        };
        let transits = route.map_or(&[][..], |route| &route.transit);
        let date = report.incident_date.unwrap_or_default();
        let place = report.place.as_ref();
        let rule = match hindrance(assessment, case) {
            Some(Hindrance::Rule(rule)) => u16::from(rule) + 1,
            _ => 0,
        };
        Some(Self {
            first: case.first_position,
            recorded: nanoseconds(case.create_time.as_ref()),
            report: newest.position,
            incident: 0,
            joined: false,
            own_incident: 0,
            own_joined: false,
            owner: case
                .owner
                .strip_prefix("agencies/")
                .unwrap_or_default()
                .to_owned(),
            unit: report.reporting_unit.clone(),
            country: place.map_or(0, |place| country_code(&place.country)),
            origin: country(origin),
            departure: country(route.and_then(|route| route.departure.as_ref())),
            destination: country(route.and_then(|route| route.destination.as_ref())),
            transits: sorted(transits.iter().map(|l| country_code(&l.country))),
            bases: origin.map_or(0, |origin| {
                let bases = origin.attributions.iter().map(|a| a.basis);
                bases.fold(0, |bits, basis| {
                    bits | 1_u16.checked_shl(basis as u32).unwrap_or(0)
                })
            }),
            day: Day::new(date.year, date.month, date.day),
            conveyance: report.conveyance(),
            status: assessment.status(),
            retracted: case.retracted,
            disputed: is_disputed(case),
            contested: !case.contested_origins.is_empty(),
            seizure_record: report
                .evidence
                .iter()
                .any(|evidence| evidence.kind() == EvidenceKind::SeizureRecord),
            rule,
            items: items(case, report, &assessment.confirmed_items),
            keys: keys(case, report),
        })
    }
}

/// A country by a number: of two letters, 1 and more; 0 for anything else.
pub fn country_code(code: &str) -> u16 {
    match code.as_bytes() {
        [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => u16::from(a - b'A') * 26 + u16::from(b - b'A') + 1,
        _ => 0,
    }
}

/// The code of a country's number; empty for 0.
pub fn country_text(number: u16) -> String {
    let Some(index) = number.checked_sub(1) else {
        return String::new();
    };
    let letter = |n: u16| char::from(b'A' + (n % 26) as u8);
    [letter(index / 26), letter(index)].into_iter().collect()
}

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn nanoseconds(time: Option<&prost_types::Timestamp>) -> u64 {
    let nanoseconds = time.map_or(0, |time| {
        i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
    });
    u64::try_from(nanoseconds).unwrap_or(0)
}

fn items(case: &Case, report: &CaseReport, confirmed: &[i32]) -> Vec<ItemFacts> {
    // What is confirmed the assessment says already.
    let named: Vec<_> = named_substances(case).collect();
    let numbered = report.items.iter().zip(1..);
    let facts = numbered.filter_map(|(item, number)| {
        let substance = named.iter().find(|(item, _)| *item == number);
        let (substance, class) = match substance.map(|(_, substance)| substance) {
            Some(CountedSubstance::Catalogued(substance)) => {
                let class = GoodsClass::Catalogued(substance.class);
                (substance.id.clone(), class)
            }
            Some(CountedSubstance::Free(name)) => (name.clone(), GoodsClass::Uncatalogued),
            None => (String::new(), GoodsClass::Equipment),
        };
        Some(ItemFacts {
            substance,
            class,
            kind: match item.goods.as_ref()? {
                Goods::Substance(_) => ItemKind::Substance,
                Goods::Precursor(_) => ItemKind::Precursor,
                Goods::Equipment(_) => ItemKind::Equipment,
            },
            amount: amount(item),
            confirmed: confirmed.contains(&number),
            laboratory: item
                .quantity
                .as_ref()
                .is_some_and(|quantity| quantity.measurement() == Measurement::LaboratoryNet),
        })
    });
    facts.collect()
}

fn amount(item: &Item) -> Option<(Dimension, i64)> {
    let quantity = item.quantity.as_ref()?;
    // The fold computes it.
    Some((dimension(quantity.unit())?, quantity.normalized?))
}

/// Identifiers, numbers of laboratory reports, digests of evidence, wherever they stand, and organisations.
fn keys(case: &Case, report: &CaseReport) -> Vec<Key> {
    let findings = report.items.iter().flat_map(|item| &item.findings);
    let late = case.late_findings.iter();
    let late = late.chain(case.corroborations.iter().flat_map(|c| &c.findings));
    let numbers = findings
        .map(|finding| &finding.report_number)
        .chain(
            late.clone()
                .filter_map(|late| Some(&late.finding.as_ref()?.report_number)),
        )
        .chain(
            report
                .identifiers
                .iter()
                .map(|identifier| &identifier.value),
        );
    let answers = case.evidence_requests.iter().flat_map(|r| &r.answers);
    let evidence = [&report.evidence]
        .into_iter()
        .chain(late.map(|late| &late.evidence))
        .chain(case.corroborations.iter().map(|c| &c.evidence))
        .chain(answers.map(|answer| &answer.evidence))
        .chain(case.disputes.iter().map(|dispute| &dispute.evidence))
        .flatten();
    let digests = evidence.filter_map(|e: &EvidenceReference| e.digest.as_ref());
    let numbers = numbers.map(|text| Key::identifier(&identifier_key(text)));
    let organizations = report.organizations.iter();
    let organizations = organizations.map(|o| Key::organization(&text_key(&o.name)));
    let digests = digests.map(Key::digest);
    let mut keys: Vec<Key> = numbers.chain(digests).chain(organizations).collect();
    keys.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_its_number() {
        let mut seen = std::collections::BTreeSet::new();
        for a in b'A'..=b'Z' {
            for b in b'A'..=b'Z' {
                let code = String::from_utf8(vec![a, b]).unwrap();
                let number = country_code(&code);
                assert!(number > 0 && seen.insert(number));
                assert_eq!(country_text(number), code);
            }
        }
        for none in ["", "A", "AAA", "a1", "cn"] {
            assert_eq!(country_code(none), 0);
        }
        assert_eq!(country_text(0), "");
    }
}
