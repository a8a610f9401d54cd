//! Control measures: which substance is controlled where, and since when as far as it is known.
//!
//! Two files make them. `data/measures.csv` holds measures for a class or for several substances, and dates found one by one;
//! `data/substances.csv` holds for each substance its day in China, its schedules, and the month in which the Commission on Narcotic
//! Drugs decided on it. A measure often has no exact day: it has the day before which it was not in force and the day since when it
//! was at the latest. An answer is yes or no only where these decide, for every day that the incident may have had.

mod read;

use std::{collections::HashMap, sync::OnceLock};

use super::{
    nearest::nearest,
    substances::{Class, Substance},
};
use crate::{
    google::r#type::Date,
    standard::{CountedSubstance, named_substances},
    v1::{Case, ControlStatus, Controlled},
};

/// Who controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Jurisdiction {
    /// China.
    China,
    /// The conventions of the United Nations of 1961, 1971 and 1988.
    UnitedNations,
    /// The United States.
    UnitedStates,
}

impl Jurisdiction {
    /// All of them, in the order of answers.
    pub const ALL: [Self; 3] = [Self::China, Self::UnitedNations, Self::UnitedStates];

    /// `CN`, `UN` or `US`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::China => "CN",
            Self::UnitedNations => "UN",
            Self::UnitedStates => "US",
        }
    }
}

/// One control measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Id, such as `carfentanil-cn-2017`; without a year where no date is known.
    pub id: String,
    /// Who controls.
    pub jurisdiction: Jurisdiction,
    /// It was not in force before this date; none where that is not known. Year, month or day.
    pub not_before: Option<Date>,
    /// It was in force from this date on at the latest; none where that is not known. Year, month or day.
    pub at_latest: Option<Date>,
    /// What it controls, in words.
    pub title: String,
    /// Where this comes from.
    pub source: String,
    /// The class it controls as such.
    pub class: Option<Class>,
    /// Substances of the catalogue that are known to fall under it.
    pub substances: Vec<&'static Substance>,
}

/// There is no measure of this id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no control measure `{id}`{}", hint(.suggestion))]
pub struct UnknownMeasure {
    /// What was asked for.
    pub id: String,
    /// Id that was probably meant.
    pub suggestion: Option<&'static str>,
}

impl Measure {
    /// When it took effect, as exactly as it is known; none where only limits are known.
    pub fn effective_date(&self) -> Option<Date> {
        self.not_before
            .filter(|_| self.not_before == self.at_latest)
    }

    /// Whether it was in force on a date that may be known to the year or month only.
    pub fn in_force(&self, on: &Date) -> Controlled {
        let (first, last) = days(on);
        if self.at_latest.is_some_and(|d| days(&d).1 <= first) {
            Controlled::Yes
        } else if self.not_before.is_some_and(|d| last < days(&d).0) {
            Controlled::No
        } else {
            Controlled::Unknown
        }
    }
}

/// Every measure: those of `measures.csv` in its order, then those of single substances.
pub fn all() -> &'static [Measure] {
    static ALL: OnceLock<Vec<Measure>> = OnceLock::new();
    ALL.get_or_init(read::all)
}

/// The measure with this id, in any case; else the id that was probably meant.
pub fn find_measure(id: &str) -> Result<&'static Measure, UnknownMeasure> {
    let id = id.trim();
    let mut measures = all().iter();
    let found = measures.find(|measure| measure.id.eq_ignore_ascii_case(id));
    found.ok_or_else(|| UnknownMeasure {
        id: id.to_owned(),
        suggestion: nearest(id, all().iter().map(|m| (m.id.as_str(), m.id.as_str()))),
    })
}

/// The measures under which a substance is controlled somewhere.
pub fn of(
    substance: &'static Substance,
    jurisdiction: Jurisdiction,
) -> &'static [&'static Measure] {
    let key = (substance.id.as_str(), jurisdiction);
    index().get(&key).map_or(&[], Vec::as_slice)
}

/// Which substances of a case were controlled where at its incident date: for each item whose substance the catalogue knows, as
/// [`counted_substances`](crate::standard::counted_substances) names it, one answer for each jurisdiction.
pub fn controls(case: &Case) -> Vec<ControlStatus> {
    let date = case.report.as_ref().and_then(|r| r.incident_date);
    let mut controls = Vec::new();
    for (item, substance) in named_substances(case) {
        if let CountedSubstance::Catalogued(substance) = substance {
            let each = Jurisdiction::ALL.into_iter();
            controls.extend(each.map(|j| control(item, substance, j, date.as_ref())));
        }
    }
    controls
}

/// Any measure in force answers yes; all of them not yet in force answer no.
fn control(
    item: i32,
    substance: &'static Substance,
    jurisdiction: Jurisdiction,
    on: Option<&Date>,
) -> ControlStatus {
    let state = |measure: &Measure| match on {
        Some(on) if on.year > 0 => measure.in_force(on),
        _ => Controlled::Unknown,
    };
    let measures = of(substance, jurisdiction);
    let deciding = [Controlled::Yes, Controlled::Unknown, Controlled::No]
        .into_iter()
        .find_map(|wanted| {
            let mut measures = measures.iter().filter(|m| state(m) == wanted);
            Some((wanted, measures.next()?))
        });
    let (controlled, measure) = match deciding {
        Some((controlled, measure)) => (controlled, Some(measure)),
        None => (Controlled::Unknown, None),
    };
    ControlStatus {
        item,
        substance: substance.id.clone(),
        jurisdiction: jurisdiction.as_str().to_owned(),
        controlled: controlled.into(),
        effective_date: measure.and_then(|m| m.effective_date()),
        measure: measure.map(|m| m.id.clone()).unwrap_or_default(),
    }
}

/// First and last day that a date may mean, each as a number that orders like the days.
fn days(date: &Date) -> (i32, i32) {
    let day = |month: i32, day: i32| date.year * 10_000 + month * 100 + day;
    match (date.month, date.day) {
        (0, _) => (day(1, 1), day(12, 31)),
        (month, 0) => (day(month, 1), day(month, 31)),
        (month, exact) => (day(month, exact), day(month, exact)),
    }
}

fn hint(suggestion: &Option<&'static str>) -> String {
    suggestion.map_or_else(String::new, |id| format!("; did you mean `{id}`?"))
}

type Index = HashMap<(&'static str, Jurisdiction), Vec<&'static Measure>>;

/// Measures of each substance, the one that was in force first at the front.
fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut index = Index::new();
        for measure in all() {
            for substance in &measure.substances {
                let key = (substance.id.as_str(), measure.jurisdiction);
                index.entry(key).or_default().push(measure);
            }
        }
        for measures in index.values_mut() {
            measures.sort_by_key(|m| m.at_latest.map_or(i32::MAX, |d| days(&d).1));
        }
        index
    })
}

#[cfg(test)]
mod tests;
