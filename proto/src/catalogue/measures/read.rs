//! Reading the measures: rows of `measures.csv`, then what `substances.csv` says of single substances.

use super::{
    super::substances::{self, Class, Substance, date},
    Jurisdiction, Measure,
};
use crate::google::r#type::Date;

pub(super) const DATA: &str = include_str!("../../../data/measures.csv");

/// How many years after a decision of the Commission it is in force at the latest. A decision on the conventions of 1971 and 1988
/// takes effect 180 days after the parties were told, one on that of 1961 when they were told.
const YEARS_TO_FORCE: i32 = 1;

/// A row that cannot be read is left out; a test holds that there is none.
pub(super) fn all() -> Vec<Measure> {
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
pub(super) fn measure(row: &csv::StringRecord) -> Option<Measure> {
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
    let title = match schedule.starts_with("List") {
        true => format!("{}, {schedule}", substance.name),
        false => format!("{}, schedule {schedule}", substance.name),
    };
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
