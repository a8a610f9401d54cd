//! Sums of quantities: exact, whatever is added.

use std::fmt;

use super::units::{Dimension, QuantityError, dimension, normalize};
use crate::v1::Quantity;

/// A sum of quantities of one dimension, in micrograms, microlitres or pieces. 128 bits hold 2^64 of the largest quantities, and
/// what would not fit is refused, never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sum {
    dimension: Dimension,
    total: i128,
}

/// Why something cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SumError {
    /// The quantity has no integer form.
    #[error("the quantity {0}")]
    Quantity(#[from] QuantityError),
    /// A mass, a volume and a number of pieces are never turned into one another.
    #[error("a {} cannot be added to a {}", name(*.of), name(*.to))]
    Dimension {
        /// What was to be added.
        of: Dimension,
        /// What the sum is of.
        to: Dimension,
    },
    /// More than 128 bits hold.
    #[error("the sum is larger than 128 bits hold")]
    Overflow,
}

impl Sum {
    /// Nothing yet.
    pub fn new(dimension: Dimension) -> Self {
        Self {
            dimension,
            total: 0,
        }
    }

    /// Adds a quantity as reported; the sum is as it was if that is refused.
    pub fn add(&mut self, quantity: &Quantity) -> Result<(), SumError> {
        let of = dimension(quantity.unit()).ok_or(QuantityError::Unit)?;
        if of != self.dimension {
            return Err(SumError::Dimension {
                of,
                to: self.dimension,
            });
        }
        self.add_normalized(normalize(quantity)?)
    }

    /// Adds what is in micrograms, microlitres or pieces already.
    pub fn add_normalized(&mut self, amount: i64) -> Result<(), SumError> {
        let total = self.total.checked_add(i128::from(amount));
        self.total = total.ok_or(SumError::Overflow)?;
        Ok(())
    }

    /// Micrograms, microlitres or pieces.
    pub fn total(self) -> i128 {
        self.total
    }

    /// What it is a sum of.
    pub fn dimension(self) -> Dimension {
        self.dimension
    }
}

/// In grams, millilitres or pieces, with every digit that there is: `1200.000001 g`.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (places, unit) = match self.dimension {
            Dimension::Mass => (6, "g"),
            Dimension::Volume => (3, "mL"),
            Dimension::Count => (0, "pieces"),
        };
        let one = 10_u128.pow(places);
        let (sign, total) = (
            if self.total < 0 { "-" } else { "" },
            self.total.unsigned_abs(),
        );
        let (whole, rest) = (total / one, total % one);
        let width = usize::try_from(places).unwrap_or_default();
        let digits = format!("{rest:0width$}");
        match digits.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole} {unit}"),
            fraction => write!(f, "{sign}{whole}.{fraction} {unit}"),
        }
    }
}

fn name(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Mass => "mass",
        Dimension::Volume => "volume",
        Dimension::Count => "number of pieces",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::v1::Unit;

    fn quantity(value: &str, unit: Unit) -> Quantity {
        Quantity {
            value: value.into(),
            unit: unit.into(),
            ..Quantity::default()
        }
    }

    #[test]
    fn every_unit_of_a_dimension_adds_up_to_the_microgram() {
        let mut sum = Sum::new(Dimension::Mass);
        for (value, unit) in [
            ("1.2", Unit::Kilogram),
            ("0.000001", Unit::Gram),
            ("1", Unit::Milligram),
            ("1", Unit::Pound),
            ("16", Unit::Ounce),
            ("1", Unit::MetricTon),
        ] {
            sum.add(&quantity(value, unit)).unwrap();
        }
        assert_eq!(sum.total(), 1_002_107_185_741);
        assert_eq!(sum.to_string(), "1002107.185741 g");
    }

    #[test]
    fn what_is_of_another_dimension_or_has_no_integer_form_is_refused_and_changes_nothing() {
        let mut sum = Sum::new(Dimension::Count);
        sum.add(&quantity("30000", Unit::Tablet)).unwrap();
        sum.add(&quantity("2", Unit::Piece)).unwrap();
        for (value, unit, error) in [
            (
                "1",
                Unit::Gram,
                SumError::Dimension {
                    of: Dimension::Mass,
                    to: Dimension::Count,
                },
            ),
            ("1.5", Unit::Tablet, QuantityError::NotWhole.into()),
            ("1", Unit::Unspecified, QuantityError::Unit.into()),
        ] {
            assert_eq!(sum.add(&quantity(value, unit)), Err(error));
        }
        assert_eq!((sum.total(), sum.dimension()), (30_002, Dimension::Count));
        assert_eq!(sum.to_string(), "30002 pieces");
    }

    #[test]
    fn more_than_128_bits_is_an_error() {
        let mut sum = Sum {
            dimension: Dimension::Mass,
            total: i128::MAX - 1,
        };
        assert_eq!(sum.add_normalized(1), Ok(()));
        assert_eq!(sum.add_normalized(1), Err(SumError::Overflow));
        assert_eq!(sum.total(), i128::MAX);
    }

    proptest! {
        #[test]
        fn no_microgram_is_lost_in_any_order(amounts in prop::collection::vec(0..=i64::MAX, 0..200)) {
            let sum = |amounts: &mut dyn Iterator<Item = &i64>| {
                let mut sum = Sum::new(Dimension::Mass);
                amounts.for_each(|amount| sum.add_normalized(*amount).unwrap());
                sum
            };
            let forth = sum(&mut amounts.iter());
            prop_assert_eq!(forth, sum(&mut amounts.iter().rev()));
            let mut rest = forth.total();
            for amount in &amounts {
                rest -= i128::from(*amount);
            }
            prop_assert_eq!(rest, 0);
        }

        #[test]
        fn what_is_written_is_the_whole_sum(total in 0..=i128::MAX) {
            let text = Sum { dimension: Dimension::Mass, total }.to_string();
            let digits = text.strip_suffix(" g").unwrap();
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            prop_assert!(!fraction.ends_with('0'));
            prop_assert_eq!(format!("{whole}{fraction:0<6}").parse::<i128>().unwrap(), total);
        }
    }
}
