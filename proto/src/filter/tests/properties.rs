//! What holds of any filter.

use proptest::prelude::*;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::*;
use crate::{catalogue::substances::date, v1::FilterTerm, validation::limits::VIOLATIONS};

/// The filter that says what was understood.
fn said_again(understood: &[FilterTerm]) -> CaseFilter {
    fn enums<E: TryFrom<i32> + Into<i32>>(
        words: &[String],
        name: fn(&E) -> &'static str,
    ) -> Vec<i32> {
        let number = |word: &String| {
            let ending = format!("_{}", word.to_uppercase().replace('-', "_"));
            let all = (1..100).filter_map(|n| E::try_from(n).ok());
            let found = all.into_iter().find(|e| name(e).ends_with(&ending));
            found.unwrap().into()
        };
        words.iter().map(number).collect()
    }
    let mut filter = CaseFilter::default();
    for term in understood {
        let values: Vec<_> = term.values.iter().map(|v| v.value.clone()).collect();
        let time = || {
            let time = OffsetDateTime::parse(&values[0], &Rfc3339).unwrap();
            Some(Timestamp {
                seconds: time.unix_timestamp(),
                nanos: i32::try_from(time.nanosecond()).unwrap(),
            })
        };
        match term.field.as_str() {
            "agencies" => filter.agencies = values,
            "reporting_units" => filter.reporting_units = values,
            "countries" => filter.countries = values,
            "origins" => filter.origins = values,
            "departures" => filter.departures = values,
            "transits" => filter.transits = values,
            "destinations" => filter.destinations = values,
            "bases" => filter.bases = enums(&values, AttributionBasis::as_str_name),
            "statuses" => filter.statuses = enums(&values, CaseStatus::as_str_name),
            "substances" => filter.substances = values,
            "substance_classes" => filter.substance_classes = values,
            "item_kinds" => filter.item_kinds = enums(&values, ItemKind::as_str_name),
            "conveyances" => filter.conveyances = enums(&values, Conveyance::as_str_name),
            "incident_start_date" => filter.incident_start_date = date(&values[0]),
            "incident_end_date" => filter.incident_end_date = date(&values[0]),
            "record_start_time" => filter.record_start_time = time(),
            "record_end_time" => filter.record_end_time = time(),
            "min_mass_micrograms" => filter.min_mass_micrograms = values[0].parse().unwrap(),
            "organizations" => filter.organizations = values,
            "identifiers" => filter.identifiers = values,
            "evidence_digests" => {
                filter.evidence_digests = values.iter().map(|v| digest(v)).collect()
            }
            "text" => filter.text.clone_from(&values[0]),
            "obstacles" => filter.obstacles = values,
            other => panic!("{other}"),
        }
    }
    filter
}

fn digest(text: &str) -> Digest {
    let (algorithm, digits) = text.split_once(':').unwrap();
    let algorithm = match algorithm {
        "sha256" => DigestAlgorithm::Sha256,
        "sha384" => DigestAlgorithm::Sha384,
        _ => DigestAlgorithm::Sha512,
    };
    let bytes = (0..digits.len()).step_by(2);
    let value = bytes.map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap());
    Digest {
        algorithm: algorithm.into(),
        value: value.collect(),
    }
}

/// Mostly words that mean something, sometimes any text.
fn words(known: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let known = proptest::sample::select(known).prop_map(String::from);
    let word = prop_oneof![20 => known, 1 => ".{0,12}"];
    prop_oneof![2 => Just(Vec::new()), 3 => proptest::collection::vec(word, 0..5)]
}

fn numbers() -> impl Strategy<Value = Vec<i32>> {
    let number = prop_oneof![20 => 1..4, 1 => any::<i32>()];
    prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(number, 0..4)]
}

fn some_day() -> impl Strategy<Value = Option<Date>> {
    let likely = (2010..2030, 0..13, 0..29);
    let any = (any::<i32>(), any::<i32>(), any::<i32>());
    let date = prop_oneof![20 => likely, 1 => any];
    proptest::option::of(date.prop_map(|(year, month, day)| Date { year, month, day }))
}

fn some_time() -> impl Strategy<Value = Option<Timestamp>> {
    let likely = (0..2_000_000_000i64, 0..1_000_000_000);
    let time = prop_oneof![20 => likely, 1 => (any::<i64>(), any::<i32>())];
    proptest::option::of(time.prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }))
}

fn digests() -> impl Strategy<Value = Vec<Digest>> {
    let length = prop_oneof![
        Just((1, 32)),
        Just((2, 48)),
        Just((3, 64)),
        (0..5, 0..70usize)
    ];
    let digest = (length, any::<u8>()).prop_map(|((algorithm, length), byte)| Digest {
        algorithm,
        value: vec![byte; length],
    });
    prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(digest, 0..3)]
}

fn filters() -> impl Strategy<Value = CaseFilter> {
    const COUNTRIES: &[&str] = &["CN", "MX", "IN", "HK", "US", "CA"];
    const FREE: &[&str] = &[
        "Acme Ltd",
        " ACME  LTD",
        "ΣΑΣ",
        "İzmir",
        "x\u{a0}y",
        "LK-1 2",
        "lk12",
    ];
    const AGENCIES: &[&str] = &[
        "agencies/us-dea",
        "agencies/cn-nncc",
        "groups/north-america",
    ];
    const SUBSTANCES: &[&str] = &[
        "Fentanyl",
        "437-38-7",
        "卡芬太尼",
        "China  White",
        "3’-methylfentanyl",
        "4-fluoro  fentanyl",
    ];
    const CLASSES: &[&str] = &["fentanyl", "uncatalogued", "equipment", "nitazene"];
    const OBSTACLES: &[&str] = &["retracted", "disputed", "origin-basis"];
    let lists = (
        words(AGENCIES),
        words(FREE),
        words(COUNTRIES),
        words(COUNTRIES),
        words(COUNTRIES),
        words(COUNTRIES),
        words(COUNTRIES),
        words(SUBSTANCES),
        words(CLASSES),
        words(FREE),
        words(FREE),
        words(OBSTACLES),
    );
    let enums = (numbers(), numbers(), numbers(), numbers());
    let single = (some_day(), some_day(), some_time(), some_time());
    let mass = prop_oneof![20 => 0..i64::MAX, 1 => any::<i64>()];
    let rest = (
        mass,
        digests(),
        prop_oneof![3 => Just(String::new()), 1 => ".{0,30}"],
    );
    (lists, enums, single, rest).prop_map(|(lists, enums, single, rest)| CaseFilter {
        agencies: lists.0,
        reporting_units: lists.1,
        countries: lists.2,
        origins: lists.3,
        departures: lists.4,
        transits: lists.5,
        destinations: lists.6,
        bases: enums.0,
        statuses: enums.1,
        substances: lists.7,
        substance_classes: lists.8,
        item_kinds: enums.2,
        conveyances: enums.3,
        incident_start_date: single.0,
        incident_end_date: single.1,
        record_start_time: single.2,
        record_end_time: single.3,
        min_mass_micrograms: rest.0,
        organizations: lists.9,
        identifiers: lists.10,
        evidence_digests: rest.1,
        text: rest.2,
        obstacles: lists.11,
    })
}

/// Any filter is refused with paths that begin with its own, or means the same when what was understood is said again.
fn holds(filter: &CaseFilter) -> Result<bool, TestCaseError> {
    match compile(filter, "filter", &Registry) {
        Ok(compiled) => {
            let again = accepted(&said_again(&compiled.understood));
            prop_assert_eq!(again.selection, compiled.selection);
            Ok(true)
        }
        Err(violations) => {
            prop_assert!((1..=VIOLATIONS + 1).contains(&violations.len()));
            for (i, violation) in violations.iter().enumerate() {
                let of_filter = violation.field.starts_with("filter.");
                prop_assert!(of_filter || i == VIOLATIONS, "{violation:?}");
            }
            Ok(false)
        }
    }
}

proptest! {
    #[test]
    fn what_was_understood_said_again_selects_the_same(filter in filters()) {
        holds(&filter)?;
    }
}

#[test]
fn random_filters_are_often_accepted_and_often_refused() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let accepted = (0..200).filter(|_| {
        let filter = filters().new_tree(&mut runner).unwrap().current();
        holds(&filter).unwrap()
    });
    let accepted = accepted.count();
    assert!((20..180).contains(&accepted), "{accepted}");
}
