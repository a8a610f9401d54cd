//! Questions at random, mostly about what is there.

use casebroker_proto::{
    google::r#type::Date,
    v1::{CaseFilter, Conveyance, Digest, Dimension, ItemKind, TrendPeriod},
};
use casebroker_tests::cases;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::{
    facts::Facts,
    model::GROUPS,
    naive::ALGORITHM,
    record::{AGENCIES, Snapshot},
    reports::{COUNTRIES, HANDLES, ORGANIZATIONS, STATED, UNITS, WORDS},
};

/// What is asked, of a filter.
#[derive(Debug, Clone)]
pub enum Ask {
    /// ListCases, in an order, so many a page.
    List { order: &'static str, page_size: i32 },
    /// CountCases.
    Count { by: Vec<Dimension>, explain: bool },
    /// ComputeTrend around a date.
    Trend {
        period: TrendPeriod,
        around: (i32, i32, i32),
        before: i32,
        after: i32,
    },
}

/// A question of a filter.
pub fn ask(rng: &mut StdRng, filter: &CaseFilter) -> Ask {
    match rng.random_range(0..10) {
        0..4 => Ask::List {
            order: ORDERS.choose(rng).unwrap(),
            page_size: *[0, 1, 7, 50, 1_000].choose(rng).unwrap(),
        },
        4..8 => {
            let all = (1..=15).filter_map(|n| Dimension::try_from(n).ok());
            let all: Vec<_> = all.collect();
            let many = rng.random_range(0..=3);
            Ask::Count {
                by: all.choose_multiple(rng, many).copied().collect(),
                // No rule keeps a case from being reported only, and who asks is told so.
                explain: (filter.statuses.is_empty() || filter.statuses.iter().any(|n| *n != 1))
                    && rng.random_bool(0.4),
            }
        }
        _ => {
            let periods = [
                TrendPeriod::Unspecified,
                TrendPeriod::Week,
                TrendPeriod::Month,
                TrendPeriod::Quarter,
                TrendPeriod::Year,
            ];
            let month = rng.random_range(1..=12);
            let day = *[1, rng.random_range(1..=28)].choose(rng).unwrap();
            Ask::Trend {
                period: *periods.choose(rng).unwrap(),
                around: (rng.random_range(2014..=2019), month, day),
                before: rng.random_range(1..=20),
                after: rng.random_range(1..=20),
            }
        }
    }
}

const ORDERS: [&str; 7] = [
    "",
    "position",
    "position desc",
    "mass",
    "mass desc",
    "incident_date",
    "incident_date desc",
];

/// A filter of few fields, with values of cases that somebody sees, or of others.
pub fn filter(rng: &mut StdRng, seen: &Snapshot) -> CaseFilter {
    let mut filter = CaseFilter::default();
    for _ in 0..*[0, 1, 1, 1, 2, 2, 3, 4].choose(rng).unwrap() {
        let field = rng.random_range(0..23);
        for _ in 0..*[1, 1, 2, 3].choose(rng).unwrap() {
            let case = seen.choose(rng).map(|case| &*case.facts);
            let case = case.filter(|_| rng.random_bool(0.9));
            add(rng, &mut filter, field, case);
        }
    }
    order_ends(&mut filter);
    filter
}

/// Adds a value of a case to a field, or any if there is none.
fn add(rng: &mut StdRng, filter: &mut CaseFilter, field: u32, case: Option<&Facts>) {
    let other = |rng: &mut StdRng| (*COUNTRIES.choose(rng).unwrap()).to_owned();
    let country = |rng: &mut StdRng, of: Option<String>| {
        let of = of.filter(|code| !code.is_empty());
        of.unwrap_or_else(|| other(rng))
    };
    let text = |rng: &mut StdRng, of: Option<String>, others: &[&str]| {
        let of = of.filter(|text| !text.is_empty());
        of.unwrap_or_else(|| (*others.choose(rng).unwrap()).to_owned())
    };
    match field {
        0 => filter.agencies.push(match rng.random_bool(0.2) {
            true => GROUPS.choose(rng).unwrap().0.into(),
            false => format!("agencies/{}", AGENCIES.choose(rng).unwrap()),
        }),
        1 => {
            let others = [UNITS[0], UNITS[3], "Field office 13"];
            let unit = text(rng, case.map(|c| c.unit.clone()), &others);
            filter.reporting_units.push(recased(rng, unit));
        }
        2 => filter
            .countries
            .push(country(rng, case.map(|c| c.country.clone()))),
        3 => filter
            .origins
            .push(country(rng, case.map(|c| c.origin.clone()))),
        4 => filter
            .departures
            .push(country(rng, case.map(|c| c.departure.clone()))),
        5 => {
            let transit = case.and_then(|c| c.transits.first().cloned());
            filter.transits.push(country(rng, transit));
        }
        6 => filter
            .destinations
            .push(country(rng, case.map(|c| c.destination.clone()))),
        7 => filter.bases.push(rng.random_range(1..=3)),
        8 => filter.statuses.push(rng.random_range(1..=3)),
        9 => {
            let of = case.and_then(|c| c.items.choose(rng).map(|i| i.substance.clone()));
            let names = [
                "Fentanyl",
                "海洛因",
                "59708-52-0",
                "NPP",
                STATED[0],
                STATED[1],
                "Compound 8",
            ];
            filter.substances.push(text(rng, of, &names));
        }
        10 => {
            let of = case.and_then(|c| c.items.choose(rng).map(|i| i.class.clone()));
            let classes = ["fentanyl", "uncatalogued", "equipment", "nitazene"];
            filter.substance_classes.push(text(rng, of, &classes));
        }
        11 => {
            let kinds = [
                ItemKind::Substance,
                ItemKind::Precursor,
                ItemKind::Equipment,
            ];
            filter.item_kinds.push((*kinds.choose(rng).unwrap()).into());
        }
        12 => {
            let all = [Conveyance::Mail, Conveyance::AirCargo, Conveyance::Rail];
            filter.conveyances.push((*all.choose(rng).unwrap()).into());
        }
        13 => filter.incident_start_date = Some(date(rng, case)),
        14 => filter.incident_end_date = Some(date(rng, case)),
        15 => filter.record_start_time = time(rng, case),
        16 => filter.record_end_time = time(rng, case),
        17 => filter.min_mass_micrograms = 10_i64.pow(rng.random_range(3..12)),
        18 => {
            let of = case.and_then(|c| c.organizations.first().cloned());
            let name = text(rng, of, &ORGANIZATIONS);
            filter.organizations.push(recased(rng, name));
        }
        19 => {
            let of = case.and_then(|c| c.identifiers.first().cloned());
            filter.identifiers.push(text(rng, of, &HANDLES));
        }
        20 => {
            let of = case.and_then(|c| c.digests.first().cloned());
            let (algorithm, value) = of.unwrap_or((ALGORITHM.into(), vec![1; 32]));
            filter.evidence_digests.push(Digest { algorithm, value });
        }
        21 => filter.text = words(rng, case),
        _ => {
            let of = case.map(|c| match c.standing {
                "counted" => c.lacks.clone(),
                standing => standing.to_owned(),
            });
            filter
                .obstacles
                .push(text(rng, of, &["retracted", "disputed", "contested"]));
        }
    }
}

fn recased(rng: &mut StdRng, text: String) -> String {
    match rng.random_range(0..3) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        _ => text,
    }
}

fn words(rng: &mut StdRng, case: Option<&Facts>) -> String {
    let text = case.and_then(|c| c.texts.choose(rng));
    let Some(text) = text.filter(|text| text.len() > 1) else {
        return (*WORDS.choose(rng).unwrap()).into();
    };
    let begin = rng.random_range(0..text.len() - 1);
    match rng.random_bool(0.5) {
        true => format!("\"{} {}\"", text[begin], text[begin + 1]),
        false => format!("{} {}", text[begin + 1], text[begin]),
    }
}

/// The date of a case, or one near it, as exact or less.
fn date(rng: &mut StdRng, case: Option<&Facts>) -> Date {
    let (year, month, day) = case.map_or((2016, 6, 27), |c| c.date);
    match rng.random_range(0..4) {
        0 => cases::date(year, month, day),
        1 => cases::date(year, month, 0),
        2 => cases::date(year, 0, 0),
        _ => cases::date(year, rng.random_range(1..=12), rng.random_range(1..=28)),
    }
}

fn time(rng: &mut StdRng, case: Option<&Facts>) -> Option<prost_types::Timestamp> {
    let mut time = case?.case.create_time?;
    time.nanos = (time.nanos + rng.random_range(-1..=1)).clamp(0, 999_999_999);
    Some(time)
}

/// Nothing lies between ends that cross, and the broker says so: leave one out.
fn order_ends(filter: &mut CaseFilter) {
    let day = |date: &Option<Date>| date.map(|d| (d.year, d.month, d.day));
    let first = day(&filter.incident_start_date).map(crate::periods::first_day);
    let last = day(&filter.incident_end_date).map(crate::periods::last_day);
    if first.zip(last).is_some_and(|(first, last)| first > last) {
        filter.incident_start_date = None;
    }
    let time = |time: &Option<prost_types::Timestamp>| time.map(|t| (t.seconds, t.nanos));
    let ends = time(&filter.record_start_time).zip(time(&filter.record_end_time));
    if ends.is_some_and(|(from, before)| from >= before) {
        filter.record_start_time = None;
    }
}
