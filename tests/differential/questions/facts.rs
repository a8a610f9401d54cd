//! What a filter can ask of a case, as texts and numbers: read from the folded case and from nothing else.

use std::collections::BTreeSet;

use casebroker_proto::{
    catalogue::units::{Dimension, dimension},
    overlap::{self, Mark},
    standard::{CountedSubstance, counted_substances, rules},
    v1::{self, AmountKind, CaseStatus, Conveyance, EvidenceReference, item::Goods},
};

/// Year, month and day; 0 where not known.
pub type Day = (i32, i32, i32);

/// A case, taken apart.
#[derive(Debug)]
pub struct Facts {
    /// The case itself.
    pub case: v1::Case,
    /// When its first statement was recorded, nanoseconds since 1970.
    pub recorded: i128,
    /// Reporting unit as written.
    pub unit: String,
    /// Country of the incident.
    pub country: String,
    /// Countries of the route.
    pub origin: String,
    /// See [`Self::origin`].
    pub departure: String,
    /// See [`Self::origin`].
    pub destination: String,
    /// See [`Self::origin`].
    pub transits: BTreeSet<String>,
    /// Bases of the origin, by number.
    pub bases: BTreeSet<i32>,
    /// Incident date.
    pub date: Day,
    /// Conveyance in a word; empty if not known.
    pub conveyance: String,
    /// `reported`, `confirmed` or `attributed`.
    pub status: &'static str,
    /// `counted`, `disputed`, `contested` or `retracted`.
    pub standing: &'static str,
    /// Rule that keeps it from the next status; empty if none does.
    pub lacks: String,
    /// What was found.
    pub items: Vec<Item>,
    /// Whether the report lists a record of the seizure.
    pub seized: bool,
    /// Numbers and handles, without case, blanks and hyphens.
    pub identifiers: BTreeSet<String>,
    /// Digests of evidence.
    pub digests: BTreeSet<(i32, Vec<u8>)>,
    /// Names of organisations, without case.
    pub organizations: BTreeSet<String>,
    /// Words of the title, of the narrative and of each organisation.
    pub texts: Vec<Vec<String>>,
    /// What other cases may have too.
    pub marks: Vec<Mark>,
}

/// What was found.
#[derive(Debug)]
pub struct Item {
    /// Id of the catalogue, or the name as stated; empty for equipment.
    pub substance: String,
    /// Whether the catalogue knows it.
    pub catalogued: bool,
    /// Class.
    pub class: String,
    /// `substance`, `precursor` or `equipment`.
    pub kind: &'static str,
    /// What the amount is of.
    pub of: AmountKind,
    /// Amount; 0 if not known.
    pub amount: i64,
    /// Whether it is confirmed.
    pub confirmed: bool,
    /// Whether a laboratory weighed it.
    pub laboratory: bool,
}

impl Facts {
    /// Of a case.
    pub fn of(case: v1::Case) -> Self {
        let report = case.report.clone().unwrap();
        let route = report.route.clone().unwrap_or_default();
        let country = |at: &Option<v1::Location>| at.clone().unwrap_or_default().country;
        let date = report.incident_date.unwrap_or_default();
        let created = case.create_time.unwrap();
        let names: Vec<_> = report
            .organizations
            .iter()
            .map(|o| o.name.clone())
            .collect();
        let texts = [&report.title, &report.narrative].into_iter().chain(&names);
        Self {
            recorded: nanoseconds(&created),
            unit: report.reporting_unit.clone(),
            country: report.place.clone().unwrap_or_default().country,
            origin: country(&route.origin),
            departure: country(&route.departure),
            destination: country(&route.destination),
            transits: route.transit.iter().map(|t| t.country.clone()).collect(),
            bases: match &route.origin {
                Some(origin) => origin.attributions.iter().map(|a| a.basis).collect(),
                None => BTreeSet::new(),
            },
            date: (date.year, date.month, date.day),
            conveyance: conveyance_word(report.conveyance()),
            status: status_word(case.assessment.as_ref().unwrap().status()),
            standing: standing(&case),
            lacks: lacks(case.assessment.as_ref().unwrap()),
            items: items(&case),
            seized: report
                .evidence
                .iter()
                .any(|e| e.kind() == v1::EvidenceKind::SeizureRecord),
            identifiers: identifiers(&case),
            digests: digests(&case),
            organizations: names.iter().map(|name| plain(name)).collect(),
            texts: texts.map(|text| words(text)).collect(),
            marks: overlap::of_case(&case),
            case,
        }
    }
}

/// Nanoseconds since 1970.
pub fn nanoseconds(time: &prost_types::Timestamp) -> i128 {
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

/// A text without case and with single blanks.
pub fn plain(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// A number without case, blanks and hyphens.
pub fn bare(text: &str) -> String {
    text.to_lowercase().replace([' ', '-'], "")
}

/// Words in lower case.
pub fn words(text: &str) -> Vec<String> {
    let apart = text.split(|c: char| !c.is_alphanumeric());
    let words = apart.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// `air-cargo`; empty if not known.
pub fn conveyance_word(conveyance: Conveyance) -> String {
    match conveyance {
        Conveyance::Unspecified => String::new(),
        known => known
            .as_str_name()
            .trim_start_matches("CONVEYANCE_")
            .to_lowercase()
            .replace('_', "-"),
    }
}

fn status_word(status: CaseStatus) -> &'static str {
    match status {
        CaseStatus::Attributed => "attributed",
        CaseStatus::Confirmed => "confirmed",
        _ => "reported",
    }
}

fn standing(case: &v1::Case) -> &'static str {
    if case.retracted {
        "retracted"
    } else if case
        .disputes
        .iter()
        .any(|dispute| dispute.end_position == 0)
    {
        "disputed"
    } else if !case.contested_origins.is_empty() {
        "contested"
    } else {
        "counted"
    }
}

/// By the definition in the contract: see `Obstacle`.
fn lacks(assessment: &v1::Assessment) -> String {
    let order: Vec<_> = rules(1).unwrap().iter().map(|rule| rule.id).collect();
    let number = |rule: &str| order.iter().position(|id| *id == rule).unwrap();
    let unmet: Vec<_> = assessment.rules.iter().filter(|rule| !rule.met).collect();
    match assessment.status() {
        CaseStatus::Attributed => return String::new(),
        CaseStatus::Confirmed => return "origin-basis".into(),
        _ => {}
    }
    let of_case = unmet
        .iter()
        .find(|r| r.item == 0 && r.rule != "origin-basis");
    if let Some(rule) = of_case {
        return rule.rule.clone();
    }
    let items: BTreeSet<i32> = unmet.iter().map(|r| r.item).filter(|n| *n > 0).collect();
    let firsts = items.into_iter().map(|item| {
        let of_item = unmet.iter().filter(|rule| rule.item == item);
        of_item.map(|rule| number(&rule.rule)).min().unwrap()
    });
    order[firsts.max().unwrap()].to_owned()
}

fn items(case: &v1::Case) -> Vec<Item> {
    let counted = counted_substances(case);
    let confirmed = &case.assessment.as_ref().unwrap().confirmed_items;
    let report = case.report.as_ref().unwrap();
    let numbered = report.items.iter().zip(1..);
    let taken = numbered.map(|(item, number)| {
        let substance = counted.iter().find(|c| c.item == number);
        let (substance, catalogued, class) = match substance.map(|c| &c.substance) {
            Some(CountedSubstance::Catalogued(s)) => (s.id.clone(), true, s.class.as_str()),
            Some(CountedSubstance::Free(name)) => (name.clone(), false, "uncatalogued"),
            None => (String::new(), false, "equipment"),
        };
        let quantity = item.quantity.clone().unwrap_or_default();
        let of = match dimension(quantity.unit()) {
            Some(Dimension::Mass) => AmountKind::Mass,
            Some(Dimension::Volume) => AmountKind::Volume,
            Some(Dimension::Count) => AmountKind::Pieces,
            None => AmountKind::Unspecified,
        };
        Item {
            substance,
            catalogued,
            class: class.to_owned(),
            kind: match item.goods.as_ref().unwrap() {
                Goods::Substance(_) => "substance",
                Goods::Precursor(_) => "precursor",
                Goods::Equipment(_) => "equipment",
            },
            of,
            amount: quantity.normalized.unwrap_or_default(),
            confirmed: confirmed.contains(&number),
            laboratory: quantity.measurement() == v1::Measurement::LaboratoryNet,
        }
    });
    taken.collect()
}

/// Whatever number stands in the case, and the numbers of laboratories' reports.
fn identifiers(case: &v1::Case) -> BTreeSet<String> {
    let report = case.report.as_ref().unwrap();
    let late = case.late_findings.iter();
    let late = late.chain(case.corroborations.iter().flat_map(|c| &c.findings));
    let own = report.items.iter().flat_map(|item| &item.findings);
    let findings = own.chain(late.filter_map(|late| late.finding.as_ref()));
    let numbers = findings.map(|finding| &finding.report_number);
    let all = numbers.chain(report.identifiers.iter().map(|i| &i.value));
    all.map(|text| bare(text))
        .filter(|text| !text.is_empty())
        .collect()
}

/// Of all evidence in the case, whoever brought it.
fn digests(case: &v1::Case) -> BTreeSet<(i32, Vec<u8>)> {
    let mut all: Vec<&EvidenceReference> = case.report.as_ref().unwrap().evidence.iter().collect();
    for late in &case.late_findings {
        all.extend(&late.evidence);
    }
    for said in &case.corroborations {
        all.extend(&said.evidence);
        all.extend(said.findings.iter().flat_map(|late| &late.evidence));
    }
    for answer in case.evidence_requests.iter().flat_map(|r| &r.answers) {
        all.extend(&answer.evidence);
    }
    for dispute in &case.disputes {
        all.extend(&dispute.evidence);
    }
    let digests = all.into_iter().filter_map(|e| e.digest.clone());
    digests
        .map(|digest| (digest.algorithm, digest.value))
        .collect()
}
