//! Normal forms: what counts as equal is written alike.

use crate::{
    catalogue::{
        substances,
        units::{Dimension, dimension, normalize},
    },
    google::r#type::Date,
    v1::{Place, Quantity, SubstanceIdentity},
};

/// Fewest characters of a tracking number in its normal form: shorter ones are seldom unique.
const MIN_TRACKING_NUMBER: usize = 6;

/// A substance, by its id in the catalogue if it is there.
pub(super) struct Substance {
    /// Equal for the same substance.
    pub(super) form: String,
    /// For people.
    pub(super) name: String,
}

/// Letters and digits alone, upper case; `None` without a digit among them.
pub(super) fn number(text: &str) -> Option<String> {
    let form: String = text
        .chars()
        .map(common)
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect();
    form.contains(|c: char| c.is_numeric()).then_some(form)
}

/// A number that is long enough to be unique over all carriers.
pub(super) fn tracking_number(text: &str) -> Option<String> {
    number(text).filter(|form| form.chars().count() >= MIN_TRACKING_NUMBER)
}

/// Letters and digits alone, lower case.
pub(super) fn words(text: &str) -> String {
    let letters = text.chars().map(common).filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// A full-width character as its common one (Unicode, block Halfwidth and Fullwidth Forms), any other as it is.
fn common(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// `2016-06-27`, if the day is known.
pub(super) fn day(date: &Date) -> Option<String> {
    let Date { year, month, day } = *date;
    (year > 0 && month > 0 && day > 0).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// By the catalogue, else by its name as written. A name in the catalogue is compared as the catalogue does, another without
/// regard to case and to how many spaces there are; primes, hyphens and digits tell substances apart.
pub(super) fn substance(identity: &SubstanceIdentity) -> Option<Substance> {
    let known = substances::by_id(&identity.catalogue_id)
        .or_else(|| substances::by_inchikey(&identity.inchikey))
        .or_else(|| substances::by_cas(&identity.cas_number))
        .or_else(|| substances::by_name(&identity.name));
    if let Some(known) = known {
        return Some(Substance {
            form: format!("id:{}", known.id),
            name: known.name.clone(),
        });
    }
    let spaced: Vec<_> = identity.name.split_whitespace().collect();
    let name = spaced.join(" ");
    let (kind, text) = match name.is_empty() {
        false => ("name", name.to_lowercase()),
        true if !identity.inchikey.is_empty() => ("inchikey", identity.inchikey.clone()),
        true if !identity.cas_number.is_empty() => ("cas", identity.cas_number.clone()),
        true => return None,
    };
    let name = match name.is_empty() {
        false => name,
        true => text.clone(),
    };
    Some(Substance {
        form: format!("{kind}:{text}"),
        name,
    })
}

/// What is counted and how many of it; `None` for nothing.
pub(super) fn quantity(quantity: &Quantity) -> Option<(u8, i64)> {
    let dimension = match dimension(quantity.unit())? {
        Dimension::Mass => b'm',
        Dimension::Volume => b'v',
        Dimension::Count => b'c',
    };
    let amount = normalize(quantity).ok().filter(|amount| *amount > 0)?;
    Some((dimension, amount))
}

/// In words: `2016-06-27, Vancouver, CA-BC: carfentanil, 1.0 kilogram`.
pub(super) fn circumstances(
    day: &str,
    place: &Place,
    substance: &Substance,
    quantity: &Quantity,
) -> String {
    let Place {
        country,
        subdivision,
        locality,
        ..
    } = place;
    let region = match subdivision.is_empty() {
        true => country,
        false => subdivision,
    };
    let place = match locality.is_empty() {
        true => region.clone(),
        false => format!("{locality}, {region}"),
    };
    let unit = quantity.unit().as_str_name().trim_start_matches("UNIT_");
    let unit = unit.to_lowercase().replace('_', " ");
    let (name, value) = (&substance.name, &quantity.value);
    format!("{day}, {place}: {name}, {value} {unit}")
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.collect()
}
