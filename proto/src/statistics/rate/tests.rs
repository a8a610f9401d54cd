//! Held against another implementation: `by_scipy.py` made `by_scipy.csv`.

use proptest::prelude::*;

use super::*;

const SCIPY: &str = include_str!("by_scipy.csv");

fn side(events: u64, days: u64) -> Observed {
    Observed { events, days }
}

#[test]
fn ratios_and_intervals_are_those_of_scipy() {
    let mut reader = csv::Reader::from_reader(SCIPY.as_bytes());
    let mut rows = 0;
    for row in reader.deserialize() {
        let (x1, n1, x2, n2, ratio, low, high): (u64, u64, u64, u64, f64, f64, f64) = row.unwrap();
        let found = rate_ratio(side(x1, n1), side(x2, n2)).unwrap();
        for (name, found, expected) in [
            ("ratio", found.ratio, ratio),
            ("low", found.low, low),
            ("high", found.high.unwrap(), high),
        ] {
            let error = (found - expected).abs();
            assert!(
                error <= 1e-11 * expected,
                "{name} of {x1}/{n1} and {x2}/{n2}: {found}, by scipy {expected}"
            );
        }
        rows += 1;
    }
    assert_eq!(rows, 14 * 15);
}

#[test]
fn there_is_no_ratio_to_nothing_and_none_without_days() {
    assert_eq!(rate_ratio(side(0, 12), side(5, 12)), None);
    assert_eq!(rate_ratio(side(0, 12), side(0, 12)), None);
    assert_eq!(rate_ratio(side(5, 0), side(5, 12)), None);
    assert_eq!(rate_ratio(side(5, 12), side(5, 0)), None);
    let none_after = rate_ratio(side(5, 12), side(0, 12)).unwrap();
    assert_eq!((none_after.ratio, none_after.low), (0.0, 0.0));
    // Five events before and none after: p is below 1 - 0.025^(1/5).
    let high = none_after.high.unwrap();
    let share = 1.0 - f64::powf(0.025, 0.2);
    assert!((high - share / (1.0 - share)).abs() < 1e-12);
}

proptest! {
    #[test]
    fn the_ratio_lies_within_its_interval_and_turning_the_sides_round_turns_the_interval_round(
        x1 in 1u64..1_000_000, x2 in 1u64..1_000_000, n1 in 1u64..400, n2 in 1u64..400,
    ) {
        let one = rate_ratio(side(x1, n1), side(x2, n2)).unwrap();
        let other = rate_ratio(side(x2, n2), side(x1, n1)).unwrap();
        let (high, other_high) = (one.high.unwrap(), other.high.unwrap());
        prop_assert!(0.0 < one.low && one.low < one.ratio && one.ratio < high);
        prop_assert!((one.low * other_high - 1.0).abs() < 1e-11);
        prop_assert!((high * other.low - 1.0).abs() < 1e-11);
    }
}
