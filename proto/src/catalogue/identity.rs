//! Which substance of the catalogue a statement means.
//!
//! Free names are allowed. A name that equals one of the catalogue's is resolved, every other stays what it is: unresolved,
//! until the catalogue knows it. The statement itself is never changed.

use super::substances::{self, Substance};
use crate::v1::SubstanceIdentity;

/// What the catalogue makes of a substance as stated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolution {
    /// It is this one.
    Resolved(&'static Substance),
    /// The catalogue knows none of its names and numbers.
    Unresolved,
    /// Its names and numbers are those of different substances, of which these are two.
    Contradictory(&'static Substance, &'static Substance),
}

impl Resolution {
    /// The substance, if it is resolved.
    pub fn substance(self) -> Option<&'static Substance> {
        match self {
            Self::Resolved(substance) => Some(substance),
            Self::Unresolved | Self::Contradictory(..) => None,
        }
    }
}

/// The catalogue knows no substance by this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue knows no substance `{text}`{}", hint(.suggestion))]
pub struct UnknownSubstance {
    /// What was looked for.
    pub text: String,
    /// Id and name of what was probably meant.
    pub suggestion: Option<(&'static str, &'static str)>,
}

/// The substance with this id, name, synonym in any language, CAS number or InChIKey; else what was probably meant.
pub fn find_substance(text: &str) -> Result<&'static Substance, UnknownSubstance> {
    let text = text.trim();
    known_substance(text).ok_or_else(|| UnknownSubstance {
        text: text.to_owned(),
        suggestion: substances::suggest(text).map(|s| (s.id.as_str(), s.name.as_str())),
    })
}

/// As [`find_substance`], where nobody asks what was meant instead: that costs far more than the look-up.
pub fn known_substance(text: &str) -> Option<&'static Substance> {
    let text = text.trim();
    substances::by_id(text)
        .or_else(|| substances::by_name(text))
        .or_else(|| substances::by_cas(text))
        .or_else(|| substances::by_inchikey(&text.to_ascii_uppercase()))
}

/// Looks a substance up. The catalogue's id decides if it is given: it is the agency's own choice, and the CAS number beside it may
/// be that of a salt. Otherwise everything that the catalogue knows of name, CAS number and InChIKey must mean one substance.
pub fn resolve(identity: &SubstanceIdentity) -> Resolution {
    if let Some(substance) = substances::by_id(&identity.catalogue_id) {
        return Resolution::Resolved(substance);
    }
    let given = |text: &'_ str, look_up: fn(&str) -> Option<&'static Substance>| match text {
        "" => None,
        text => look_up(text),
    };
    let mut found: Option<&'static Substance> = None;
    for substance in [
        given(&identity.name, substances::by_name),
        given(&identity.cas_number, substances::by_cas),
        given(&identity.inchikey, substances::by_inchikey),
    ]
    .into_iter()
    .flatten()
    {
        match found {
            Some(before) if !std::ptr::eq(before, substance) => {
                return Resolution::Contradictory(before, substance);
            }
            _ => found = Some(substance),
        }
    }
    found.map_or(Resolution::Unresolved, Resolution::Resolved)
}

/// True if both are one substance: the catalogue says so, or, where it does not know both, they share a name, CAS number or
/// InChIKey. What contradicts itself is the same as nothing.
pub fn same(a: (&SubstanceIdentity, Resolution), b: (&SubstanceIdentity, Resolution)) -> bool {
    match (a.1, b.1) {
        (Resolution::Contradictory(..), _) | (_, Resolution::Contradictory(..)) => false,
        (Resolution::Resolved(a), Resolution::Resolved(b)) => std::ptr::eq(a, b),
        _ => {
            let (a, b) = (a.0, b.0);
            let shared = |a: &str, b: &str| !a.is_empty() && a == b;
            shared(&a.inchikey, &b.inchikey)
                || shared(&a.cas_number, &b.cas_number)
                || !a.name.is_empty() && name_key(&a.name) == name_key(&b.name)
        }
    }
}

/// The form in which names are compared: two names are equal if these are.
pub fn name_key(name: &str) -> String {
    substances::key(name)
}

/// The best name a substance has: the catalogue's if it is resolved, else what was stated.
pub fn name_of(identity: &SubstanceIdentity, resolution: Resolution) -> &str {
    let SubstanceIdentity {
        catalogue_id,
        name,
        cas_number,
        inchikey,
    } = identity;
    match resolution {
        Resolution::Resolved(substance) => &substance.name,
        _ => [name, catalogue_id, cas_number, inchikey]
            .into_iter()
            .find(|text| !text.is_empty())
            .map_or("a substance without a name", String::as_str),
    }
}

fn hint(suggestion: &Option<(&str, &str)>) -> String {
    suggestion.map_or_else(String::new, |(id, name)| {
        format!("; did you mean {name} (`{id}`)?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(catalogue_id: &str, name: &str, cas: &str, inchikey: &str) -> SubstanceIdentity {
        SubstanceIdentity {
            catalogue_id: catalogue_id.into(),
            name: name.into(),
            cas_number: cas.into(),
            inchikey: inchikey.into(),
        }
    }

    fn id(identity: &SubstanceIdentity) -> Option<&'static str> {
        resolve(identity).substance().map(|s| s.id.as_str())
    }

    #[test]
    fn a_substance_is_resolved_by_any_of_its_names_and_numbers() {
        for (identity, expected) in [
            (identity("carfentanil", "", "", ""), Some("carfentanil")),
            (identity("", "CARFENTANIL", "", ""), Some("carfentanil")),
            (identity("", "卡芬太尼", "", ""), Some("carfentanil")),
            (identity("", "", "59708-52-0", ""), Some("carfentanil")),
            (
                identity("", "", "", "YDSDEBIZUNNPOB-UHFFFAOYSA-N"),
                Some("carfentanil"),
            ),
            (
                identity("", "elephant tranquilliser", "59708-52-0", ""),
                Some("carfentanil"),
            ),
            (identity("", "Carfentanyl", "", ""), None),
            (identity("", "China white", "", ""), None),
            (identity("", "", "", ""), None),
        ] {
            assert_eq!(id(&identity), expected, "{identity:?}");
        }
    }

    #[test]
    fn names_of_two_substances_are_resolved_to_neither_unless_the_id_decides() {
        let both = identity("", "Fentanyl", "59708-52-0", "");
        assert!(matches!(resolve(&both), Resolution::Contradictory(..)));
        assert!(!same((&both, resolve(&both)), (&both, resolve(&both))));
        let decided = identity("carfentanil", "Fentanyl", "", "");
        assert_eq!(id(&decided), Some("carfentanil"));
    }

    #[test]
    fn what_the_catalogue_does_not_know_is_the_same_by_what_is_shared() {
        let is_same = |a: &SubstanceIdentity, b: &SubstanceIdentity| {
            let (left, right) = ((a, resolve(a)), (b, resolve(b)));
            assert_eq!(same(left, right), same(right, left));
            same(left, right)
        };
        let free = identity("", "Mystery Opioid", "", "");
        assert!(is_same(&free, &identity("", "mystery opioid", "", "")));
        assert!(!is_same(&free, &identity("", "Mystery", "", "")));
        assert!(!is_same(&free, &identity("", "", "437-38-7", "")));
        let salt = identity("fentanyl", "", "1443-54-5", "");
        assert!(is_same(&salt, &identity("", "", "1443-54-5", "")));
        assert!(!is_same(
            &salt,
            &identity("", "Carfentanil", "1443-54-5", "")
        ));
    }

    #[test]
    fn a_text_finds_its_substance_or_tells_the_nearest() {
        for text in [
            "carfentanil",
            " Carfentanil ",
            "卡芬太尼",
            "59708-52-0",
            "ydsdebizunnpob-uhfffaoysa-n",
        ] {
            assert_eq!(
                find_substance(text).map(|s| s.id.as_str()),
                Ok("carfentanil")
            );
        }
        assert_eq!(
            find_substance("Carfentanyl").unwrap_err().to_string(),
            "the catalogue knows no substance `Carfentanyl`; did you mean Carfentanil (`carfentanil`)?"
        );
        assert_eq!(
            find_substance("printer ink").unwrap_err().to_string(),
            "the catalogue knows no substance `printer ink`"
        );
    }
}
