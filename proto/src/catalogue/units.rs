//! Quantities: from a decimal as reported to an integer, without floating point.

use crate::v1::{Quantity, Unit};

/// Most digits before the point of a reported decimal.
pub const MAX_WHOLE_DIGITS: usize = 12;
/// Most digits after the point of a reported decimal.
pub const MAX_FRACTION_DIGITS: usize = 9;

/// One, in billionths: a [`Decimal`] counts these.
const ONE: i128 = 1_000_000_000;

/// What the integer form of a quantity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Micrograms.
    Mass,
    /// Microlitres.
    Volume,
    /// Pieces; never turned into a mass.
    Count,
}

/// A non-negative decimal of at most 12 digits before and 9 after the point, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

/// Why a quantity has no integer form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The value is not such a decimal.
    #[error(
        "must be digits with at most one `.` between digits, such as 1.2: at most 12 digits before and 9 after it, no sign, exponent, grouping or space"
    )]
    Value,
    /// The unit is unspecified or not known.
    #[error("the unit must be one of those listed")]
    Unit,
    /// Tablets and pieces come whole.
    #[error("must be a whole number where the unit counts tablets or pieces")]
    NotWhole,
    /// The result is larger than a 64-bit integer holds.
    #[error(
        "is too large: in micrograms, microlitres or pieces it must be at most 9223372036854775807"
    )]
    Overflow,
}

impl QuantityError {
    /// True if the unit is at fault, not the value.
    pub fn is_unit(self) -> bool {
        self == Self::Unit
    }
}

impl Decimal {
    /// A hundred: the most that a percentage can be.
    pub const HUNDRED: Self = Self(100 * ONE);

    /// Reads digits, or digits, a point and digits; nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (text, ""),
        };
        if whole.is_empty()
            || whole.len() > MAX_WHOLE_DIGITS
            || fraction.len() > MAX_FRACTION_DIGITS
        {
            return None;
        }
        let mut billionths: i128 = 0;
        let padding = MAX_FRACTION_DIGITS - fraction.len();
        for digit in whole
            .bytes()
            .chain(fraction.bytes())
            .chain(std::iter::repeat_n(b'0', padding))
        {
            if !digit.is_ascii_digit() {
                return None;
            }
            billionths = billionths * 10 + i128::from(digit - b'0');
        }
        Some(Self(billionths))
    }

    /// True for 0.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// True if nothing but zeros follows the point.
    pub fn is_whole(self) -> bool {
        self.0 % ONE == 0
    }
}

/// What the integer form of a quantity in this unit counts; none for the unspecified unit.
pub fn dimension(unit: Unit) -> Option<Dimension> {
    match unit {
        Unit::Unspecified => None,
        Unit::Gram
        | Unit::Kilogram
        | Unit::Milligram
        | Unit::MetricTon
        | Unit::Pound
        | Unit::Ounce => Some(Dimension::Mass),
        Unit::Litre | Unit::Millilitre => Some(Dimension::Volume),
        Unit::Tablet | Unit::Piece => Some(Dimension::Count),
    }
}

/// A quantity in micrograms, microlitres or pieces. Rounded half to even where the unit does not divide evenly; pound and
/// ounce by their definition in grams (international yard and pound agreement, 1959).
pub fn normalize(quantity: &Quantity) -> Result<i64, QuantityError> {
    let unit = Unit::try_from(quantity.unit).map_err(|_| QuantityError::Unit)?;
    let dimension = dimension(unit).ok_or(QuantityError::Unit)?;
    let value = Decimal::parse(&quantity.value).ok_or(QuantityError::Value)?;
    if dimension == Dimension::Count && !value.is_whole() {
        return Err(QuantityError::NotWhole);
    }
    // At most 10^21 billionths times 10^15 stays within 128 bits.
    let scaled = value.0 * nano_units(unit);
    i64::try_from(divide_half_even(scaled, ONE * 1000)).map_err(|_| QuantityError::Overflow)
}

/// One of a unit in thousandths of a microgram, microlitre or piece: the ounce is not a whole number of micrograms.
fn nano_units(unit: Unit) -> i128 {
    match unit {
        Unit::Unspecified => 0,
        Unit::Gram => 1_000_000_000,
        Unit::Kilogram => 1_000_000_000_000,
        Unit::Milligram => 1_000_000,
        Unit::MetricTon => 1_000_000_000_000_000,
        Unit::Pound => 453_592_370_000,
        Unit::Ounce => 28_349_523_125,
        Unit::Litre => 1_000_000_000,
        Unit::Millilitre => 1_000_000,
        Unit::Tablet | Unit::Piece => 1_000,
    }
}

/// For a numerator that is not negative.
fn divide_half_even(numerator: i128, denominator: i128) -> i128 {
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    let up = match (rest * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(up)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn norm(value: &str, unit: Unit) -> Result<i64, QuantityError> {
        normalize(&Quantity {
            value: value.into(),
            unit: unit.into(),
            ..Quantity::default()
        })
    }

    #[test]
    fn units_normalise_exactly() {
        for (value, unit, expected) in [
            ("1", Unit::Gram, 1_000_000),
            ("1.2", Unit::Kilogram, 1_200_000_000),
            ("0.001", Unit::Milligram, 1),
            ("1", Unit::MetricTon, 1_000_000_000_000),
            ("1", Unit::Pound, 453_592_370),
            ("0.1", Unit::Pound, 45_359_237),
            ("8", Unit::Ounce, 226_796_185),
            ("16", Unit::Ounce, 453_592_370),
            ("1.5", Unit::Litre, 1_500_000),
            ("0.25", Unit::Millilitre, 250),
            ("30000", Unit::Tablet, 30_000),
            ("2.000", Unit::Piece, 2),
            ("0", Unit::Gram, 0),
            ("007", Unit::Piece, 7),
        ] {
            assert_eq!(norm(value, unit), Ok(expected), "{value} {unit:?}");
        }
    }

    #[test]
    fn halves_round_to_the_even_neighbour() {
        for (value, unit, expected) in [
            ("0.0005", Unit::Milligram, 0),
            ("0.0015", Unit::Milligram, 2),
            ("0.0025", Unit::Milligram, 2),
            ("0.002500001", Unit::Milligram, 3),
            ("1", Unit::Ounce, 28_349_523),
            ("4", Unit::Ounce, 113_398_092),
        ] {
            assert_eq!(norm(value, unit), Ok(expected), "{value} {unit:?}");
        }
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_refused() {
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "1 000",
            " 1",
            "1 ",
            "1.2.3",
            "0x1",
            "NaN",
            "inf",
            "١",
            "1234567890123",
            "1.0123456789",
        ] {
            assert_eq!(norm(bad, Unit::Gram), Err(QuantityError::Value), "{bad}");
        }
    }

    #[test]
    fn parts_of_a_tablet_or_piece_are_refused() {
        assert_eq!(norm("1.5", Unit::Tablet), Err(QuantityError::NotWhole));
        assert_eq!(norm("0.1", Unit::Piece), Err(QuantityError::NotWhole));
    }

    #[test]
    fn what_does_not_fit_64_bits_is_an_error() {
        assert_eq!(
            norm("9223372036.854775807", Unit::Kilogram),
            Ok(9_223_372_036_854_775_807)
        );
        assert_eq!(
            norm("9223372036.854775808", Unit::Kilogram),
            Err(QuantityError::Overflow)
        );
        assert_eq!(
            norm("999999999999.999999999", Unit::MetricTon),
            Err(QuantityError::Overflow)
        );
    }

    #[test]
    fn an_unknown_or_unspecified_unit_is_an_error() {
        assert_eq!(norm("1", Unit::Unspecified), Err(QuantityError::Unit));
        let unknown = Quantity {
            value: "1".into(),
            unit: 99,
            ..Quantity::default()
        };
        assert_eq!(normalize(&unknown), Err(QuantityError::Unit));
    }

    /// Long multiplication and division on decimal digits, most significant first: shares nothing with the code above.
    fn naive(whole: &str, fraction: &str, unit: Unit) -> Result<i64, QuantityError> {
        // Micrograms (and so on) as digits with the places after the point.
        let (factor, places) = match unit {
            Unit::Gram | Unit::Litre => ("1000000", 0),
            Unit::Kilogram => ("1000000000", 0),
            Unit::Milligram | Unit::Millilitre => ("1000", 0),
            Unit::MetricTon => ("1000000000000", 0),
            Unit::Pound => ("453592370", 0),
            Unit::Ounce => ("28349523125", 3),
            _ => ("1", 0),
        };
        let digits = |s: &str| {
            s.bytes()
                .rev()
                .map(|b| u32::from(b - b'0'))
                .collect::<Vec<_>>()
        };
        let (a, b) = (digits(&format!("{whole}{fraction}")), digits(factor));
        let mut product = vec![0u32; a.len() + b.len() + 1];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                product[i + j] += x * y;
            }
        }
        for i in 0..product.len() - 1 {
            product[i + 1] += product[i] / 10;
            product[i] %= 10;
        }
        let cut = fraction.len() + places;
        let (below, above) = product.split_at(cut.min(product.len()));
        let half: Vec<u32> = below.iter().rev().copied().collect();
        let mut result = above.to_vec();
        let rest_is =
            |first: u32| half.first() == Some(&first) && half[1..].iter().all(|d| *d == 0);
        let up = if rest_is(5) {
            result[0] % 2 == 1
        } else {
            half.first().is_some_and(|d| *d >= 5)
        };
        let mut carry = u32::from(up);
        for digit in &mut result {
            *digit += carry;
            carry = *digit / 10;
            *digit %= 10;
        }
        result
            .iter()
            .rev()
            .try_fold(0i64, |n, d| n.checked_mul(10)?.checked_add(i64::from(*d)))
            .ok_or(QuantityError::Overflow)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn normalising_agrees_with_long_multiplication(whole in "[0-9]{1,12}", fraction in "[0-9]{1,9}|[0-9]{0,3}5|0{1,3}5", unit in 1i32..=8) {
            let unit = Unit::try_from(unit).unwrap();
            prop_assert_eq!(norm(&format!("{whole}.{fraction}"), unit), naive(&whole, &fraction, unit));
        }

        #[test]
        fn any_text_is_answered_without_a_panic(value in ".{0,30}", unit in any::<i32>()) {
            let _ = normalize(&Quantity { value, unit, ..Quantity::default() });
        }
    }
}
