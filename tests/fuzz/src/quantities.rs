//! Decimals and units.

use std::cmp::Ordering;

use casebroker_proto::{
    catalogue::units::{
        Decimal, Dimension, MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS, QuantityError, dimension,
        normalize,
    },
    v1::{Quantity, Unit},
};

/// Takes the first byte for a unit and the rest for two values with a line break between them.
pub fn run(data: &[u8]) -> bool {
    let Some((unit, rest)) = data.split_first() else {
        return false;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return false;
    };
    let unit = i32::from(*unit) - 2;
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let found = [first, second].map(|value| one(value, unit));
    if let [Some(first), Some(second)] = found {
        assert_eq!(first.0.cmp(&second.0), ordered(first.1, second.1));
    }
    found[0].is_some()
}

/// Checks one value; gives it as a number and as text, if it is a decimal.
fn one(value: &str, unit: i32) -> Option<(Decimal, &str)> {
    let decimal = Decimal::parse(value);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let in_form = digits(whole)
        && digits(fraction)
        && (1..=MAX_WHOLE_DIGITS).contains(&whole.len())
        && (1..=MAX_FRACTION_DIGITS).contains(&fraction.len());
    assert_eq!(decimal.is_some(), in_form, "{value:?}");

    let result = normalize(&Quantity {
        value: value.into(),
        unit,
        ..Quantity::default()
    });
    let known = Unit::try_from(unit)
        .ok()
        .filter(|u| dimension(*u).is_some());
    let Some(known) = known else {
        assert_eq!(result, Err(QuantityError::Unit));
        return decimal.map(|decimal| (decimal, value));
    };
    let Some(decimal) = decimal else {
        assert_eq!(result, Err(QuantityError::Value));
        return None;
    };
    let all_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    assert_eq!(decimal.is_whole(), all_zero(fraction));
    assert_eq!(decimal.is_zero(), all_zero(whole) && all_zero(fraction));
    if dimension(known) == Some(Dimension::Count) && !decimal.is_whole() {
        assert_eq!(result, Err(QuantityError::NotWhole));
        return Some((decimal, value));
    }

    // By multiplying, where the code divides: value = exact / scale, and twice its distance to the result is at most one.
    let padded = format!("{whole}{fraction:0<9}");
    let exact = padded.parse::<i128>().unwrap() * in_units(known);
    let scale = 1_000_000_000_000_i128;
    match result {
        Ok(result) => {
            let result = i128::from(result);
            let twice = 2 * (exact - result * scale);
            match twice.abs().cmp(&scale) {
                Ordering::Less => {}
                Ordering::Equal => assert_eq!(result % 2, 0, "a half goes to the even neighbour"),
                Ordering::Greater => panic!("{value:?} in {known:?} is not {result}"),
            }
        }
        Err(QuantityError::Overflow) => assert!(exact / scale >= i128::from(i64::MAX)),
        Err(other) => panic!("{value:?} in {known:?}: {other}"),
    }
    Some((decimal, value))
}

/// One of a unit in thousandths of a microgram, microlitre or piece.
fn in_units(unit: Unit) -> i128 {
    match unit {
        Unit::Unspecified => 0,
        Unit::Milligram | Unit::Millilitre => 1_000_000,
        Unit::Gram | Unit::Litre => 1_000_000_000,
        Unit::Kilogram => 1_000_000_000_000,
        Unit::MetricTon => 1_000_000_000_000_000,
        Unit::Pound => 453_592_370_000,
        Unit::Ounce => 453_592_370_000 / 16,
        Unit::Tablet | Unit::Piece => 1_000,
    }
}

/// Order of two decimals by their digits alone.
fn ordered(a: &str, b: &str) -> Ordering {
    let key = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole:0>12}{fraction:0<9}")
    };
    key(a).cmp(&key(b))
}

/// Values with every unit.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let values = [
        "1.2\n1.20",
        "0.0005\n0",
        "999999999999.999999999\n1",
        "30000\n007",
    ];
    (0..=10_u8)
        .zip(values.into_iter().cycle())
        .map(|(unit, value)| {
            let data = [&[unit + 2], value.as_bytes()].concat();
            (format!("unit-{unit}"), data)
        })
        .collect()
}
