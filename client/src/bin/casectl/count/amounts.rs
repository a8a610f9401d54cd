//! Amounts of goods, exact: sums may be larger than any integer of the machine, so they stay digits.

use std::collections::BTreeSet;

use casebroker_proto::{
    filter::GoodsClass,
    v1::{Amount, AmountKind, Tally},
};

use crate::words;

/// What one column of amounts is of: class of goods and kind of amount, in the order of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Goods {
    order: usize,
    /// Class, such as `fentanyl-analogue`.
    pub class: String,
    /// What is not known stands last.
    is_unknown: bool,
    /// Kind of amount, by its number.
    kind: i32,
}

impl Goods {
    fn of(amount: &Amount) -> Self {
        let place = GoodsClass::all().position(|class| class.as_str() == amount.substance_class);
        Self {
            order: place.unwrap_or(usize::MAX),
            class: amount.substance_class.clone(),
            is_unknown: amount.kind() == AmountKind::Unspecified,
            kind: amount.kind,
        }
    }

    /// Kind of amount.
    pub fn kind(&self) -> AmountKind {
        AmountKind::try_from(self.kind).unwrap_or_default()
    }

    /// Unit of a table: kilograms, litres, pieces.
    pub fn unit(&self) -> &'static str {
        match self.kind() {
            AmountKind::Mass => "kg",
            AmountKind::Volume => "L",
            AmountKind::Pieces => "pieces",
            AmountKind::Unspecified => "quantity not known",
        }
    }

    /// Unit of the sums themselves.
    pub fn exact_unit(&self) -> &'static str {
        in_full(self.kind())
    }

    /// Their amount in a tally.
    pub fn in_tally<'a>(&self, tally: &'a Tally) -> Option<&'a Amount> {
        tally
            .amounts
            .iter()
            .find(|amount| Self::of(amount) == *self)
    }
}

/// Unit in which a sum is an integer.
pub fn in_full(kind: AmountKind) -> &'static str {
    match kind {
        AmountKind::Mass => "micrograms",
        AmountKind::Volume => "microlitres",
        AmountKind::Pieces => "pieces",
        AmountKind::Unspecified => "",
    }
}

/// All goods of some tallies.
pub fn goods_of<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Vec<Goods> {
    let goods: BTreeSet<_> = tallies
        .flat_map(|tally| tally.amounts.iter().map(Goods::of))
        .collect();
    goods.into_iter().collect()
}

/// An amount for a reader, in the unit of its column: `12.5`, or `~12.346` where it has more than six decimals. Items whose
/// quantity is not known are counted: `3 items`.
pub fn shown(amount: &Amount) -> String {
    let places = match amount.kind() {
        AmountKind::Mass => 9,
        AmountKind::Volume => 6,
        AmountKind::Pieces => 0,
        AmountKind::Unspecified if amount.items == 1 => return "1 item".into(),
        AmountKind::Unspecified => return format!("{} items", amount.items),
    };
    decimal(&amount.total, places)
}

/// Most decimals that are shown; more are rounded to three.
const MOST_DECIMALS: usize = 6;

/// An integer with its point moved to the left.
fn decimal(digits: &str, places: usize) -> String {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.to_owned();
    }
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    match fraction.trim_end_matches('0') {
        "" => words::grouped(whole),
        fraction if fraction.len() <= MOST_DECIMALS => {
            words::grouped(&format!("{whole}.{fraction}"))
        }
        _ => rounded(whole, fraction),
    }
}

/// To three decimals, half up; what is lost is marked.
fn rounded(whole: &str, fraction: &str) -> String {
    let (kept, rest) = fraction.split_at(fraction.len().min(3));
    let up = rest.bytes().next().is_some_and(|digit| digit >= b'5');
    let mut digits: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    let mut carry = up;
    for digit in digits.iter_mut().rev() {
        match (carry, *digit) {
            (false, _) => break,
            (true, b'9') => *digit = b'0',
            (true, _) => {
                *digit += 1;
                carry = false;
            }
        }
    }
    if carry {
        digits.insert(0, b'1');
    }
    let digits = String::from_utf8_lossy(&digits).into_owned();
    let (whole, kept) = digits.split_at(digits.len() - kept.len());
    format!("~{}", words::grouped(&format!("{whole}.{kept}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sums_are_exact_and_long_ones_say_that_they_are_rounded() {
        for (micrograms, kilograms) in [
            ("0", "0"),
            ("1000000000", "1"),
            ("12500000000", "12.5"),
            ("453592000", "0.453592"),
            ("453592370", "~0.454"),
            ("15193513500001", "~15,193.514"),
            ("999999999999", "~1000.000"),
            ("1", "~0.000"),
            (
                "123456789012345678901234567890000000000",
                "123,456,789,012,345,678,901,234,567,890",
            ),
        ] {
            assert_eq!(decimal(micrograms, 9), kilograms, "{micrograms}");
        }
        assert_eq!(decimal("1500000", 6), "1.5");
        assert_eq!(decimal("40000", 0), "40,000");
    }

    #[test]
    fn goods_stand_in_the_order_of_the_catalogue() {
        let amount = |class: &str, kind: AmountKind| Amount {
            substance_class: class.into(),
            kind: kind.into(),
            total: "1".into(),
            ..Default::default()
        };
        let tally = Tally {
            amounts: vec![
                amount("equipment", AmountKind::Pieces),
                amount("nitazene", AmountKind::Mass),
                amount("fentanyl", AmountKind::Pieces),
                amount("fentanyl", AmountKind::Mass),
            ],
            ..Default::default()
        };
        let goods = goods_of([&tally, &tally].into_iter());
        let said: Vec<_> = goods
            .iter()
            .map(|g| format!("{} {}", g.class, g.unit()))
            .collect();
        assert_eq!(
            said,
            [
                "fentanyl kg",
                "fentanyl pieces",
                "nitazene kg",
                "equipment pieces"
            ]
        );
        assert!(goods.iter().all(|g| g.in_tally(&tally).is_some()));
    }
}
