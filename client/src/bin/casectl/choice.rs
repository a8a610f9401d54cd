//! Values of the contract's enums, dates and the like on the command line, in the words of the contract itself.

use std::sync::OnceLock;

use casebroker_proto::{
    FILE_DESCRIPTOR_SET,
    catalogue::{chemistry, substances},
    google::r#type::Date,
    names::{AgencyName, GroupName},
    v1::SubstanceIdentity,
};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use prost_reflect::DescriptorPool;

use crate::words;

/// The contract's descriptors.
pub fn contract() -> Option<&'static DescriptorPool> {
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok())
        .as_ref()
}

/// A parser for an enum by its full name, such as `casebroker.v1.Technique`: `mass-spectrometry` is
/// `TECHNIQUE_MASS_SPECTROMETRY`. The unspecified value cannot be given.
pub fn choice(name: &str) -> impl TypedValueParser<Value = i32> + use<> {
    let known: Vec<(PossibleValue, i32)> = values(name);
    let words = known.iter().map(|(word, _)| word.clone());
    PossibleValuesParser::new(words.collect::<Vec<_>>()).try_map(move |given| {
        let found = known.iter().find(|(word, _)| word.matches(&given, false));
        found
            .map(|(_, number)| *number)
            .ok_or_else(|| format!("`{given}` is not among them"))
    })
}

fn values(name: &str) -> Vec<(PossibleValue, i32)> {
    let Some(descriptor) = contract().and_then(|pool| pool.get_enum_by_name(name)) else {
        return Vec::new();
    };
    let unspecified = descriptor.default_value();
    let given = descriptor.values().filter(|value| value.number() != 0);
    given
        .map(|value| {
            let word = words::plain(value.name(), unspecified.name()).replace(' ', "-");
            (spelt(&word), value.number())
        })
        .collect()
}

/// The word, or a shorter one that people use instead; the long one is then taken too.
fn spelt(word: &str) -> PossibleValue {
    match word {
        "iso-iec-17025" => PossibleValue::new("iso-17025").alias("iso-iec-17025"),
        "reporting-unit" => PossibleValue::new("reporting-unit").alias("unit"),
        "substance-class" => PossibleValue::new("substance-class").alias("class"),
        "conveyance" => PossibleValue::new("conveyance").alias("method"),
        word => PossibleValue::new(word.to_owned()),
    }
}

/// A date as far as it is known: `2016-06-27`, `2016-06` or `2016`.
pub fn parse_date(text: &str) -> Result<Date, String> {
    let mistake = || format!("`{text}` is not a date; write YYYY-MM-DD, YYYY-MM or YYYY");
    let mut parts = text.split('-');
    let mut part = |digits: usize| match parts.next() {
        None => Ok(0),
        Some(part) if part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()) => part
            .parse::<i32>()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(mistake),
        Some(_) => Err(mistake()),
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    match (year, parts.next()) {
        (1.., None) => Ok(Date { year, month, day }),
        _ => Err(mistake()),
    }
}

/// An agency by its id or resource name.
pub fn parse_agency(text: &str) -> Result<String, String> {
    text.parse::<AgencyName>()
        .or_else(|_| AgencyName::from_id(text))
        .map(|name| name.to_string())
        .map_err(|e| e.to_string())
}

/// An agency by its id or resource name, or a group by its resource name.
pub fn parse_reader(text: &str) -> Result<String, String> {
    if text.starts_with("groups/") {
        return text
            .parse::<GroupName>()
            .map(|name| name.to_string())
            .map_err(|e| e.to_string());
    }
    parse_agency(text)
}

/// A substance by what the text is: an id of the catalogue, a CAS number, an InChIKey, or else a name as reported.
pub fn parse_substance(text: &str) -> Result<SubstanceIdentity, String> {
    let mut identity = SubstanceIdentity::default();
    let field = if substances::by_id(text).is_some() {
        &mut identity.catalogue_id
    } else if chemistry::check_cas(text).is_ok() {
        &mut identity.cas_number
    } else if chemistry::is_inchikey(text) {
        &mut identity.inchikey
    } else {
        &mut identity.name
    };
    text.clone_into(field);
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::{Accreditation, EvidenceKind, OverlapVerdict, Technique};

    use super::*;

    fn number(name: &str, word: &str) -> Option<i32> {
        let found = values(name).into_iter();
        found
            .filter(|(value, _)| value.matches(word, false))
            .map(|(_, number)| number)
            .next()
    }

    #[test]
    fn values_are_given_in_the_words_of_the_contract() {
        let accreditation = "casebroker.v1.Accreditation";
        for (name, word, expected) in [
            (
                accreditation,
                "iso-17025",
                Accreditation::IsoIec17025 as i32,
            ),
            (
                accreditation,
                "iso-iec-17025",
                Accreditation::IsoIec17025 as i32,
            ),
            (accreditation, "none", Accreditation::None as i32),
            (
                "casebroker.v1.Technique",
                "mass-spectrometry",
                Technique::MassSpectrometry as i32,
            ),
            (
                "casebroker.v1.EvidenceKind",
                "lab-report",
                EvidenceKind::LabReport as i32,
            ),
            (
                "casebroker.v1.OverlapVerdict",
                "withdrawn",
                OverlapVerdict::Withdrawn as i32,
            ),
        ] {
            assert_eq!(number(name, word), Some(expected), "{word}");
        }
        assert_eq!(number(accreditation, "unspecified"), None);
    }

    #[test]
    fn dates_are_taken_as_far_as_they_are_known() {
        let date = |year, month, day| Ok(Date { year, month, day });
        assert_eq!(parse_date("2026-12-24"), date(2026, 12, 24));
        assert_eq!(parse_date("2026-12"), date(2026, 12, 0));
        assert_eq!(parse_date("2026"), date(2026, 0, 0));
        for bad in [
            "",
            "26-12-24",
            "2026-1-2",
            "2026-00-01",
            "2026-12-24-1",
            "24.12.2026",
        ] {
            assert!(parse_date(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_substance_is_taken_for_what_its_text_is() {
        assert_eq!(
            parse_substance("carfentanil").unwrap().catalogue_id,
            "carfentanil"
        );
        assert_eq!(
            parse_substance("59708-52-0").unwrap().cas_number,
            "59708-52-0"
        );
        assert_eq!(parse_substance("white China").unwrap().name, "white China");
        let key = "YDSDEBIZUNNPOB-UHFFFAOYSA-N";
        assert_eq!(parse_substance(key).unwrap().inchikey, key);
    }
}
