//! Control measures: which substance is controlled where, and since when as far as it is known.
//!
//! Two files make them. `data/measures.csv` holds measures for a class or for several substances, and dates found one by one;
//! `data/substances.csv` holds for each substance its day in China, its schedules, and the month in which the Commission on Narcotic
//! Drugs decided on it. A measure often has no exact day: it has the day before which it was not in force and the day since when it
//! was at the latest. An answer is yes or no only where these decide, for every day that the incident may have had.

use std::{collections::HashMap, sync::OnceLock};

use super::{
    nearest::nearest,
    substances::{self, Class, Substance, date},
};
use crate::{
    google::r#type::Date,
    standard::{Counted, CountedSubstance, counted_substances},
    v1::{Case, ControlStatus, Controlled},
};

const DATA: &str = include_str!("../../data/measures.csv");

/// How many years after a decision of the Commission it is in force at the latest. A decision on the conventions of 1971 and 1988
/// takes effect 180 days after the parties were told, one on that of 1961 when they were told.
const YEARS_TO_FORCE: i32 = 1;

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
    ALL.get_or_init(read)
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
/// [`counted_substances`] names it, one answer for each jurisdiction.
pub fn controls(case: &Case) -> Vec<ControlStatus> {
    let date = case.report.as_ref().and_then(|r| r.incident_date);
    let mut controls = Vec::new();
    for Counted {
        item, substance, ..
    } in counted_substances(case)
    {
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

/// A row that cannot be read is left out; a test holds that there is none.
fn read() -> Vec<Measure> {
    let mut reader = csv::Reader::from_reader(DATA.as_bytes());
    let rows = reader.records();
    let mut all: Vec<Measure> = rows.filter_map(|row| measure(&row.ok()?)).collect();
    for substance in substances::all() {
        let derived = [china(substance), nations(substance), states(substance)];
        for own in derived.into_iter().flatten() {
            // A listing of its own beside that of its class counts in China, where both dates are known.
            let known = all.iter().any(|m| {
                m.jurisdiction == own.jurisdiction
                    && m.substances.contains(&substance)
                    && (own.jurisdiction != Jurisdiction::China || m.at_latest == own.at_latest)
            });
            if !known {
                all.push(own);
            }
        }
    }
    all
}

/// Columns: id, jurisdiction, not_before, at_latest, covers, title, source.
fn measure(row: &csv::StringRecord) -> Option<Measure> {
    let code = row.get(1)?;
    let jurisdiction = Jurisdiction::ALL.into_iter().find(|j| j.as_str() == code)?;
    let day = |i: usize| row.get(i).filter(|text| !text.is_empty()).and_then(date);
    let covers = row.get(4)?;
    let class = match covers.strip_prefix("class:") {
        Some(class) => Some(Class::find(class)?),
        None => None,
    };
    // Not every substance of a class is in the definition of the measure: those with a Chinese date are known to be.
    let substances = match class {
        Some(class) => substances::all()
            .iter()
            .filter(|s| s.class == class && s.cn_control_date.is_some())
            .collect(),
        None => covers.split(';').filter_map(substances::by_id).collect(),
    };
    Some(Measure {
        id: row.get(0)?.to_owned(),
        jurisdiction,
        not_before: day(2),
        at_latest: day(3),
        title: row.get(5)?.to_owned(),
        source: row.get(6)?.to_owned(),
        class,
        substances,
    })
}

fn china(substance: &'static Substance) -> Option<Measure> {
    let date = substance.cn_control_date?;
    let title = format!("{}, by its own listing", substance.name);
    let source = "China's supplementary list of non-medical substances, or its list of precursors";
    Some(single(
        substance,
        Jurisdiction::China,
        Some((date, date)),
        title,
        source,
    ))
}

fn nations(substance: &'static Substance) -> Option<Measure> {
    let schedules = substance.un_schedules.join(", ");
    let decided = substance.un_date.map(|date| {
        let by = Date {
            year: date.year + YEARS_TO_FORCE,
            ..date
        };
        (date, by)
    });
    (!schedules.is_empty()).then(|| {
        let title = format!("{}, schedules {schedules}", substance.name);
        let source = match decided {
            Some(_) => "Decision of the Commission on Narcotic Drugs in the month of `not_before`",
            None => "Schedules of the conventions; the date is not known here",
        };
        single(
            substance,
            Jurisdiction::UnitedNations,
            decided,
            title,
            source,
        )
    })
}

fn states(substance: &'static Substance) -> Option<Measure> {
    let schedule = substance.us_schedule.as_deref()?;
    let title = format!("{}, {schedule}", substance.name);
    let source = "Schedules of the United States; the date is not known here";
    Some(single(
        substance,
        Jurisdiction::UnitedStates,
        None,
        title,
        source,
    ))
}

fn single(
    substance: &'static Substance,
    jurisdiction: Jurisdiction,
    limits: Option<(Date, Date)>,
    title: String,
    source: &str,
) -> Measure {
    let place = jurisdiction.as_str().to_lowercase();
    let (not_before, at_latest) = limits.unzip();
    Measure {
        id: match not_before {
            Some(date) => format!("{}-{place}-{}", substance.id, date.year),
            None => format!("{}-{place}", substance.id),
        },
        jurisdiction,
        not_before,
        at_latest,
        title,
        source: source.to_owned(),
        class: None,
        substances: vec![substance],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        names::check_id,
        v1::{CaseReport, Item, SubstanceIdentity, item::Goods},
    };

    fn day(text: &str) -> Date {
        date(text).unwrap()
    }

    fn case(id: &str, on: &str) -> Case {
        let substance = SubstanceIdentity {
            catalogue_id: id.into(),
            ..SubstanceIdentity::default()
        };
        Case {
            report: Some(CaseReport {
                incident_date: Some(day(on)),
                items: vec![Item {
                    goods: Some(Goods::Substance(substance)),
                    ..Item::default()
                }],
                ..CaseReport::default()
            }),
            ..Case::default()
        }
    }

    fn answer(id: &str, on: &str, jurisdiction: &str) -> (Controlled, String, String) {
        let found = controls(&case(id, on));
        assert_eq!(found.len(), 3, "{id}");
        let status = found.into_iter().find(|s| s.jurisdiction == jurisdiction);
        let status = status.unwrap();
        let since = status.effective_date.map_or(String::new(), |d| {
            format!("{}-{}-{}", d.year, d.month, d.day)
        });
        (status.controlled(), since, status.measure)
    }

    #[test]
    fn every_row_of_the_file_is_read_whole_and_names_substances_of_the_catalogue() {
        let mut reader = csv::Reader::from_reader(DATA.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        for row in &rows {
            let read = measure(row).unwrap();
            assert_eq!(read.not_before.is_none(), row[2].is_empty(), "{}", read.id);
            assert_eq!(read.at_latest.is_none(), row[3].is_empty(), "{}", read.id);
            for id in row[4]
                .split(';')
                .filter(|s| !s.is_empty() && !s.starts_with("class:"))
            {
                assert!(substances::by_id(id).is_some(), "{id}");
            }
            assert!(
                !read.title.is_empty() && !read.source.is_empty(),
                "{}",
                read.id
            );
            let place = format!("-{}-", read.jurisdiction.as_str().to_lowercase());
            assert!(read.id.contains(&place), "{}", read.id);
        }
        assert!(all().len() > rows.len());
    }

    #[test]
    fn ids_are_unique_and_well_formed_and_limits_are_in_order() {
        let mut seen = std::collections::HashSet::new();
        for measure in all() {
            assert!(check_id(&measure.id).is_ok(), "{}", measure.id);
            assert!(seen.insert(&measure.id), "{} twice", measure.id);
            if let (Some(a), Some(b)) = (measure.not_before, measure.at_latest) {
                assert!(days(&a).0 <= days(&b).1, "{}", measure.id);
            }
        }
    }

    #[test]
    fn every_substance_with_a_date_or_schedule_has_a_measure_and_no_other_has() {
        for s in substances::all() {
            assert_eq!(
                of(s, Jurisdiction::UnitedNations).is_empty(),
                s.un_schedules.is_empty(),
                "{}",
                s.id
            );
            assert_eq!(
                of(s, Jurisdiction::UnitedStates).is_empty(),
                s.us_schedule.is_none(),
                "{}",
                s.id
            );
            if let Some(date) = s.cn_control_date {
                let mut measures = of(s, Jurisdiction::China).iter();
                assert!(
                    measures.any(|m| m.effective_date() == Some(date)),
                    "{}",
                    s.id
                );
            }
        }
    }

    #[test]
    fn control_is_answered_at_the_incident_date() {
        use Controlled::{No, Unknown, Yes};
        for (id, on, place, controlled, since, measure) in [
            (
                "carfentanil",
                "2016-06-27",
                "CN",
                No,
                "2017-3-1",
                "carfentanil-cn-2017",
            ),
            (
                "carfentanil",
                "2017-02-28",
                "CN",
                No,
                "2017-3-1",
                "carfentanil-cn-2017",
            ),
            (
                "carfentanil",
                "2017-03-01",
                "CN",
                Yes,
                "2017-3-1",
                "carfentanil-cn-2017",
            ),
            (
                "carfentanil",
                "2017",
                "CN",
                Unknown,
                "2017-3-1",
                "carfentanil-cn-2017",
            ),
            (
                "carfentanil",
                "2017-03",
                "CN",
                Yes,
                "2017-3-1",
                "carfentanil-cn-2017",
            ),
            (
                "carfentanil",
                "2020",
                "CN",
                Yes,
                "2017-3-1",
                "carfentanil-cn-2017",
            ),
            (
                "carfentanil",
                "2018-02",
                "UN",
                No,
                "",
                "carfentanil-un-2018",
            ),
            (
                "carfentanil",
                "2018-06",
                "UN",
                Unknown,
                "",
                "carfentanil-un-2018",
            ),
            (
                "carfentanil",
                "2019-04",
                "UN",
                Yes,
                "",
                "carfentanil-un-2018",
            ),
            (
                "fentanyl",
                "2016",
                "CN",
                Yes,
                "",
                "narcotic-psychotropic-lists-cn-2014",
            ),
            (
                "fentanyl",
                "2013",
                "CN",
                Unknown,
                "",
                "narcotic-psychotropic-lists-cn-2014",
            ),
            (
                "fentanyl",
                "2016",
                "US",
                Yes,
                "",
                "controlled-substances-act-us-1971",
            ),
            ("fentanyl", "2016", "UN", Yes, "", "fentanyl-un-1964"),
            (
                "methacrylfentanyl",
                "2019-04-30",
                "CN",
                No,
                "2019-5-1",
                "fentanyl-related-cn-2019",
            ),
            (
                "methacrylfentanyl",
                "2019-05-01",
                "CN",
                Yes,
                "2019-5-1",
                "fentanyl-related-cn-2019",
            ),
            (
                "flunitazene",
                "2025-06-30",
                "CN",
                No,
                "2025-7-1",
                "nitazenes-cn-2025",
            ),
            (
                "4-piperidone",
                "2025-07-15",
                "CN",
                Unknown,
                "2025-7-0",
                "4-piperidone-cn-2025",
            ),
            (
                "4-piperidone",
                "2025-08-01",
                "CN",
                Yes,
                "2025-7-0",
                "4-piperidone-cn-2025",
            ),
            (
                "npp",
                "2017-10-18",
                "UN",
                Yes,
                "2017-10-18",
                "npp-anpp-un-2017",
            ),
            ("xylazine", "2024-01-01", "CN", Unknown, "", ""),
        ] {
            assert_eq!(
                answer(id, on, place),
                (controlled, since.to_owned(), measure.to_owned()),
                "{id} {on} {place}"
            );
        }
    }

    #[test]
    fn without_an_incident_date_or_a_known_substance_nothing_is_claimed() {
        let mut undated = case("carfentanil", "2017");
        undated.report.as_mut().unwrap().incident_date = None;
        assert!(
            controls(&undated)
                .iter()
                .all(|s| s.controlled() == Controlled::Unknown)
        );
        let mut free = case("", "2017");
        if let Some(Goods::Substance(s)) = &mut free.report.as_mut().unwrap().items[0].goods {
            s.name = "no such substance".into();
        }
        assert_eq!(controls(&free), []);
        assert_eq!(controls(&Case::default()), []);
    }

    #[test]
    fn a_measure_is_found_by_its_id_and_a_near_miss_is_told() {
        assert_eq!(
            find_measure(" Carfentanil-CN-2017 ").unwrap().id,
            "carfentanil-cn-2017"
        );
        let missed = find_measure("carfentanyl-cn-2017").unwrap_err();
        assert_eq!(
            missed.to_string(),
            "there is no control measure `carfentanyl-cn-2017`; did you mean `carfentanil-cn-2017`?"
        );
        assert_eq!(find_measure("printer ink").unwrap_err().suggestion, None);
        let class = find_measure("nitazenes-cn-2025").unwrap();
        assert_eq!(class.class, Some(Class::Nitazene));
        assert!(class.substances.len() > 20);
        assert!(find_measure("synthetic-cannabinoids-cn-2021").is_ok());
    }
}
