//! What a case is in the tables of a relational database, as its users would keep it.

use std::collections::BTreeMap;

use casebroker_proto::{
    catalogue::units::{Dimension, dimension, normalize},
    filter::GoodsClass,
    standard::{CountedSubstance, assess, counted_substances},
    v1::{Case, CaseReport, EvidenceReference, Item, Location},
};
use prost::Message as _;

use crate::{
    words::with_pairs,
    world::{AGENCIES, Audience, Draft, Later},
};

/// A case.
pub struct Row {
    /// Position of its first statement.
    pub position: i64,
    pub name: String,
    pub everybody: bool,
    /// By their places among the agencies, counted from 1.
    pub audience: Vec<i16>,
    pub status: i16,
    /// 0 counted, 1 disputed, 3 retracted.
    pub standing: i16,
    pub origin: String,
    pub year: i16,
    /// Months since the year 0; none if only the year is known.
    pub month: Option<i32>,
    /// A bit each class of goods.
    pub classes: i16,
    /// By class: micrograms.
    pub goods: BTreeMap<i16, i64>,
    pub digests: Vec<Vec<u8>>,
    pub identifiers: Vec<String>,
    /// Title, narrative and names of firms.
    pub words: String,
    /// The report.
    pub report: Vec<u8>,
}

/// Number of a class of goods.
pub fn class_number(class: GoodsClass) -> i16 {
    let place = GoodsClass::all().position(|c| c == class);
    place.unwrap_or(0) as i16
}

impl Row {
    /// Of a case that was recorded at a position, after everything was said about it.
    pub fn new(draft: &Draft, position: u64) -> Self {
        let case = Case {
            report: Some(draft.last_report()),
            ..Default::default()
        };
        let status = assess(&case).status();
        let goods = goods(&case);
        let report = case.report.unwrap_or_default();
        let date = report.incident_date.unwrap_or_default();
        let origin = report
            .route
            .as_ref()
            .and_then(|route| route.origin.as_ref());
        let (everybody, audience) = match &draft.audience {
            Audience::Everybody => (true, Vec::new()),
            Audience::Named(agencies) => (false, agencies.iter().map(|n| number_of(*n)).collect()),
        };
        Self {
            position: position as i64,
            name: report.name.clone(),
            everybody,
            audience,
            status: status as i16,
            standing: match draft.later {
                Later::Retracted => 3,
                Later::Disputed(_) => 1,
                Later::Nothing | Later::Amended => 0,
            },
            origin: origin.map(country).unwrap_or_default(),
            year: date.year as i16,
            month: (date.month > 0).then_some(date.year * 12 + date.month - 1),
            classes: goods.keys().fold(0, |bits, class| bits | 1 << class),
            goods,
            digests: report.evidence.iter().filter_map(digest).collect(),
            identifiers: identifiers(&report),
            words: words(&report),
            report: report.encode_to_vec(),
        }
    }
}

/// An agency as the tables know it.
pub fn number_of(agency: usize) -> i16 {
    debug_assert!(agency < AGENCIES.len());
    agency as i16 + 1
}

fn country(location: &Location) -> String {
    location.country.clone()
}

fn digest(evidence: &EvidenceReference) -> Option<Vec<u8>> {
    Some(evidence.digest.as_ref()?.value.clone())
}

/// Numbers by which it is found, laboratory reports among them, each once.
fn identifiers(report: &CaseReport) -> Vec<String> {
    let findings = report.items.iter().flat_map(|item| &item.findings);
    let numbers = findings.map(|finding| finding.report_number.clone());
    let mut all: Vec<String> = numbers
        .chain(report.identifiers.iter().map(|i| i.value.clone()))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn words(report: &CaseReport) -> String {
    let mut text = format!("{} {}", report.title, report.narrative);
    for firm in &report.organizations {
        text += " ";
        text += &firm.name;
    }
    with_pairs(&text)
}

fn goods(case: &Case) -> BTreeMap<i16, i64> {
    let counted = counted_substances(case);
    let items = case.report.iter().flat_map(|report| &report.items);
    let mut goods = BTreeMap::new();
    for (item, number) in items.zip(1..) {
        let substance = counted.iter().find(|counted| counted.item == number);
        let class = match substance.map(|counted| &counted.substance) {
            Some(CountedSubstance::Catalogued(substance)) => {
                GoodsClass::Catalogued(substance.class)
            }
            Some(CountedSubstance::Free(_)) => GoodsClass::Uncatalogued,
            None => GoodsClass::Equipment,
        };
        *goods.entry(class_number(class)).or_default() += mass(item);
    }
    goods
}

fn mass(item: &Item) -> i64 {
    let Some(quantity) = &item.quantity else {
        return 0;
    };
    match dimension(quantity.unit()) {
        Some(Dimension::Mass) => normalize(quantity).unwrap_or(0),
        _ => 0,
    }
}
