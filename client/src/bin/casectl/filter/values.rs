//! Values of filter flags, as people write them.

use std::path::PathBuf;

use casebroker_proto::{
    catalogue::{
        countries,
        units::{self, QuantityError},
    },
    filter::GoodsClass,
    google::r#type::Date,
    standard,
    v1::{Digest, DigestAlgorithm, Quantity, Unit},
};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::{choice::parse_date, evidence::hash_file, failure::Result as Outcome};

/// Codes of one or more countries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countries(pub Vec<String>);

/// One country, or several separated by commas. A name may have a comma of its own.
pub fn parse_countries(text: &str) -> Result<Countries, String> {
    if let Some(country) = countries::find(text) {
        return Ok(Countries(vec![country.code.into()]));
    }
    let codes = text.split(',').map(country);
    codes.collect::<Result<_, _>>().map(Countries)
}

fn country(text: &str) -> Result<String, String> {
    let text = text.trim();
    if let Some(country) = countries::find(text) {
        return Ok(country.code.into());
    }
    Err(match countries::suggest(text) {
        Some(c) => format!(
            "there is no country `{text}`; did you mean {} ({})?",
            c.name, c.code
        ),
        None => format!(
            "there is no country `{text}`; write its ISO 3166 code or English name, such as CN or China"
        ),
    })
}

/// A text that says something.
pub fn parse_text(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".into()),
        text => Ok(text.to_owned()),
    }
}

/// A date that exists, as far as it is given.
pub fn parse_day(text: &str) -> Result<Date, String> {
    let date = parse_date(text)?;
    let part = |n: i32| u8::try_from(n.max(1)).unwrap_or(0);
    let exists = time::Month::try_from(part(date.month))
        .and_then(|month| time::Date::from_calendar_date(date.year, month, part(date.day)));
    match exists {
        Ok(_) => Ok(date),
        Err(_) => Err(format!("there is no day `{text}`")),
    }
}

const UNITS: [(&str, Unit); 14] = [
    ("kg", Unit::Kilogram),
    ("g", Unit::Gram),
    ("mg", Unit::Milligram),
    ("t", Unit::MetricTon),
    ("lb", Unit::Pound),
    ("lbs", Unit::Pound),
    ("oz", Unit::Ounce),
    ("kilogram", Unit::Kilogram),
    ("kilograms", Unit::Kilogram),
    ("gram", Unit::Gram),
    ("grams", Unit::Gram),
    ("pound", Unit::Pound),
    ("pounds", Unit::Pound),
    ("ounces", Unit::Ounce),
];

/// A mass with its unit, as micrograms: `10kg`, `500 g`, `1.5lb`, `28349523ug`.
pub fn parse_mass(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!(
            "`{text}` is no mass; write a number and one of kg, g, mg, ug, t, lb, oz, such as 10kg or 1.5lb"
        )
    };
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (value, unit) = trimmed.split_at(end.unwrap_or(trimmed.len()));
    let unit = unit.trim().to_lowercase();
    if matches!(unit.as_str(), "ug" | "µg" | "μg") {
        return value.parse().map_err(|_| wrong());
    }
    let found = UNITS.iter().find(|(word, _)| *word == unit);
    let (_, unit) = found.ok_or_else(wrong)?;
    let quantity = Quantity {
        value: value.into(),
        unit: (*unit).into(),
        ..Default::default()
    };
    units::normalize(&quantity).map_err(|e| match e {
        QuantityError::Overflow => format!("`{text}` is more than a mass can be"),
        _ => wrong(),
    })
}

/// A digest: `sha256:HEX`, or hexadecimal alone, whose length tells the algorithm.
pub fn parse_digest(text: &str) -> Result<Digest, String> {
    let (named, digits) = match text.trim().split_once(':') {
        Some((name, digits)) => (Some(name.to_ascii_lowercase().replace('-', "")), digits),
        None => (None, text.trim()),
    };
    let value = hex::decode(digits).map_err(|_| format!("`{digits}` is not hexadecimal"))?;
    let (algorithm, name) = match value.len() {
        32 => (DigestAlgorithm::Sha256, "sha256"),
        48 => (DigestAlgorithm::Sha384, "sha384"),
        64 => (DigestAlgorithm::Sha512, "sha512"),
        bytes => {
            return Err(format!(
                "a digest has 64, 96 or 128 hexadecimal digits (SHA-256, SHA-384, SHA-512), not {}",
                bytes * 2
            ));
        }
    };
    if let Some(named) = named.filter(|named| named != name) {
        return Err(format!("it has the length of {name}, not of {named}"));
    }
    Ok(Digest {
        algorithm: algorithm.into(),
        value,
    })
}

/// Classes of goods.
pub fn classes() -> impl TypedValueParser<Value = String> + use<> {
    PossibleValuesParser::new(GoodsClass::all().map(GoodsClass::as_str))
}

/// Why a case does not count.
pub fn obstacles() -> impl TypedValueParser<Value = String> + use<> {
    let rules = standard::rules(standard::NEWEST).unwrap_or_default();
    let rules = rules.into_iter().map(|rule| rule.id);
    PossibleValuesParser::new(
        ["retracted", "disputed", "contested"]
            .into_iter()
            .chain(rules),
    )
}

/// SHA-256 of files here.
pub fn hash(files: &[PathBuf]) -> Outcome<Vec<Digest>> {
    let hashed = files.iter().map(|file| {
        let (value, _) = hash_file(file, DigestAlgorithm::Sha256)?;
        Ok(Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value,
        })
    });
    hashed.collect()
}
