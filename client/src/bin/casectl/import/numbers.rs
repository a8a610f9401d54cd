//! Numbers as spreadsheets write them, and quantities without floating point.

use casebroker_proto::{
    catalogue::units::{Dimension, MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS, dimension, normalize},
    v1::{Quantity, Unit},
};

/// Most digits of a number in a cell.
const MAX_DIGITS: usize = 24;
/// Largest exponent, either way.
const MAX_EXPONENT: i32 = 12;

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Before the decimals.
    pub decimal: char,
    /// Between thousands, if anything may be.
    pub grouping: Option<char>,
}

/// A number that is not negative, exact: `digits` divided by ten so many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    digits: u128,
    places: u32,
}

impl Number {
    /// Reads a number; the error says why it is none.
    pub fn read(text: &str, style: Style) -> Result<Self, String> {
        let wrong = || {
            let grouping = style.grouping.map_or_else(
                || "nothing between thousands".to_owned(),
                |c| format!("`{c}` between thousands"),
            );
            format!(
                "`{text}` is no number with `{}` before its decimals and {grouping}",
                style.decimal
            )
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| wrong())?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once(style.decimal) {
            Some((_, "")) => return Err(wrong()),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let whole = ungrouped(whole, style.grouping).ok_or_else(wrong)?;
        let digits = format!("{whole}{fraction}");
        let only_digits = digits.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !only_digits || exponent.abs() > MAX_EXPONENT {
            return Err(wrong());
        }
        if digits.trim_start_matches('0').len() > MAX_DIGITS || fraction.len() > MAX_DIGITS {
            return Err(format!("`{text}` has more than {MAX_DIGITS} digits"));
        }
        let mut digits: u128 = digits.parse().map_err(|_| wrong())?;
        let mut places = i32::try_from(fraction.len()).map_err(|_| wrong())? - exponent;
        if places < 0 {
            digits = ten(places.unsigned_abs())
                .and_then(|factor| digits.checked_mul(factor))
                .ok_or_else(|| format!("`{text}` is too large"))?;
            places = 0;
        }
        Ok(Self {
            digits,
            places: places.unsigned_abs(),
        })
    }

    /// True for 0.
    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The whole number that it is, if it is one.
    pub fn whole(self) -> Option<u64> {
        let one = ten(self.places)?;
        self.digits
            .is_multiple_of(one)
            .then(|| u64::try_from(self.digits / one).ok())?
    }

    /// In the contract's form; the error says that it has too many digits for that.
    pub fn plain(self) -> Result<String, String> {
        let mut text = fixed(self.digits, self.places);
        if self.places as usize > MAX_FRACTION_DIGITS {
            text.truncate(text.trim_end_matches('0').len());
            text.truncate(text.trim_end_matches('.').len());
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if fraction.len() > MAX_FRACTION_DIGITS || whole.len() > MAX_WHOLE_DIGITS {
            return Err(format!(
                "`{text}` has more than {MAX_WHOLE_DIGITS} digits before or {MAX_FRACTION_DIGITS} after the point; `as = \"gram\"` in the map converts it"
            ));
        }
        Ok(text)
    }

    /// In micrograms, microlitres or pieces, rounded once, half to even. None if it does not fit 64 bits, or is no whole number of
    /// pieces.
    pub fn in_units(self, unit: Unit) -> Option<u64> {
        // A thousand of a unit is a whole number of micrograms for every unit, the ounce too.
        let thousand = normalize(&Quantity {
            value: "1000".into(),
            unit: unit.into(),
            ..Quantity::default()
        });
        let factor = u128::try_from(thousand.ok()?).ok()?;
        if dimension(unit)? == Dimension::Count {
            return self.whole();
        }
        let scaled = self.digits.checked_mul(factor)?;
        let divisor = ten(self.places)?.checked_mul(1000)?;
        let (below, rest) = (scaled / divisor, scaled % divisor);
        let up = match rest.checked_mul(2)?.cmp(&divisor) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => below % 2 == 1,
            std::cmp::Ordering::Greater => true,
        };
        let rounded = below + u128::from(up);
        i64::try_from(rounded)
            .ok()
            .and_then(|n| u64::try_from(n).ok())
    }
}

/// An integer amount as a value and unit whose integer form is exactly that: grams with six decimals, millilitres with three, or
/// pieces in the unit that they were counted in.
pub fn exactly(amount: u64, unit: Unit) -> Option<(String, Unit)> {
    Some(match dimension(unit)? {
        Dimension::Mass => (fixed(amount.into(), 6), Unit::Gram),
        Dimension::Volume => (fixed(amount.into(), 3), Unit::Millilitre),
        Dimension::Count => (amount.to_string(), unit),
    })
}

/// Share `number`, counted from 1, of an amount that `of` cases share: equal but for one unit, so that all of them sum to it exactly.
pub fn share(amount: u64, number: u32, of: u32) -> u64 {
    let (each, rest) = (amount / u64::from(of.max(1)), amount % u64::from(of.max(1)));
    each + u64::from(u64::from(number) <= rest)
}

fn fixed(digits: u128, places: u32) -> String {
    let width = places as usize + 1;
    let mut text = format!("{digits:0width$}");
    if places > 0 {
        text.insert(text.len() - places as usize, '.');
    }
    text
}

/// Digits without the marks between thousands; none if one stands where none may.
fn ungrouped(whole: &str, grouping: Option<char>) -> Option<String> {
    let Some(mark) = grouping.filter(|mark| whole.contains(*mark)) else {
        return Some(whole.to_owned());
    };
    let mut groups = whole.split(mark);
    let first = groups.next()?;
    let good = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    good.then(|| whole.replace(mark, ""))
}

fn ten(power: u32) -> Option<u128> {
    10_u128.checked_pow(power)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POINT: Style = Style {
        decimal: '.',
        grouping: None,
    };
    const COMMA: Style = Style {
        decimal: ',',
        grouping: Some('.'),
    };

    fn plain(text: &str, style: Style) -> Option<String> {
        Number::read(text, style).ok()?.plain().ok()
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, style, expected) in [
            ("1.20", POINT, "1.20"),
            ("12", POINT, "12"),
            ("1,20", COMMA, "1.20"),
            ("1.234.567,8", COMMA, "1234567.8"),
            ("2.5e3", POINT, "2500"),
            ("6.61386786e-05", POINT, ""),
            ("2.5e-3", POINT, "0.0025"),
            ("0.1000000000000", POINT, "0.1"),
        ] {
            let expected = Some(expected.to_owned()).filter(|e| !e.is_empty());
            assert_eq!(plain(text, style), expected, "{text}");
        }
        for (bad, style) in [
            ("1,234", POINT),
            (
                "1.234",
                Style {
                    grouping: None,
                    ..COMMA
                },
            ),
            ("1.23,4", COMMA),
            ("1 234", POINT),
            ("-1", POINT),
            ("1.", POINT),
            (".5", POINT),
            ("", POINT),
            ("about 3", POINT),
            ("1e99", POINT),
        ] {
            assert_eq!(plain(bad, style), None, "{bad}");
        }
    }

    #[test]
    fn more_digits_than_the_contract_takes_are_converted_exactly_and_rounded_once() {
        let number = Number::read("8.3799469484296", POINT).unwrap();
        assert!(number.plain().unwrap_err().contains("as = "));
        // 8.3799469484296 lb times 453,592,370 is 3,801,079,996.97...
        assert_eq!(number.in_units(Unit::Pound), Some(3_801_079_997));
        for (text, unit, expected) in [
            ("8.85", Unit::Pound, Some(4_014_292_474)),
            ("6.61386786e-05", Unit::Pound, Some(30_000)),
            ("1", Unit::Ounce, Some(28_349_523)),
            ("2.5", Unit::Litre, Some(2_500_000)),
            ("3", Unit::Tablet, Some(3)),
            ("3.5", Unit::Tablet, None),
            ("9999999999999", Unit::Kilogram, None),
        ] {
            let number = Number::read(text, POINT).unwrap();
            assert_eq!(number.in_units(unit), expected, "{text} {unit:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_whole_and_differ_by_one_at_most(amount in any::<u64>(), of in 1..2_000_u32) {
            let shares: Vec<u64> = (1..=of).map(|number| share(amount, number, of)).collect();
            prop_assert_eq!(shares.iter().map(|s| u128::from(*s)).sum::<u128>(), u128::from(amount));
            prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }

        #[test]
        fn an_amount_written_out_normalises_to_itself(amount in 0..i64::MAX as u64, unit in 1..=10_i32) {
            let unit = Unit::try_from(unit).unwrap();
            let amount = match dimension(unit).unwrap() {
                Dimension::Count => amount % 1_000_000_000_000,
                _ => amount % 1_000_000_000_000_000,
            };
            let (value, unit) = exactly(amount, unit).unwrap();
            let quantity = Quantity { value, unit: unit.into(), ..Quantity::default() };
            prop_assert_eq!(normalize(&quantity), Ok(amount as i64));
        }

        #[test]
        fn what_the_contract_takes_is_converted_as_the_contract_does(whole in "[0-9]{1,9}", fraction in "[0-9]{1,9}", unit in 1..=8_i32) {
            let text = format!("{whole}.{fraction}");
            let unit = Unit::try_from(unit).unwrap();
            let ours = Number::read(&text, POINT).unwrap().in_units(unit);
            let theirs = normalize(&Quantity { value: text, unit: unit.into(), ..Quantity::default() });
            prop_assert_eq!(ours.map(|n| n as i64), theirs.ok());
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in "[0-9.,eE+-]{0,40}|\\PC{0,20}") {
            for style in [POINT, COMMA] {
                if let Ok(number) = Number::read(&text, style) {
                    let _ = (number.plain(), number.whole(), number.in_units(Unit::Ounce));
                }
            }
        }
    }
}
