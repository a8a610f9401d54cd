//! Substances: `data/substances.csv`, compiled in and read once. `data/SOURCES.md` says what its columns mean and where it is weak.
//!
//! An empty date or schedule means "not known here", never "not controlled". Names are compared without regard to case and
//! otherwise exactly: 3-Methylfentanyl and 3'-Methylfentanyl are different substances, so no prime, hyphen or digit is ever
//! dropped. Only the ways to type one prime (`'`, `’`, `′`) count as equal.

use std::{collections::HashMap, sync::OnceLock};

use super::nearest::nearest;
use crate::google::r#type::Date;

const DATA: &str = include_str!("../../data/substances.csv");

/// Group that a substance belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Fentanyl itself.
    Fentanyl,
    /// Analogue of fentanyl.
    FentanylAnalogue,
    /// Precursor of fentanyl or an analogue.
    FentanylPrecursor,
    /// 2-Benzylbenzimidazole opioid.
    Nitazene,
    /// Another opioid.
    OtherOpioid,
    /// Benzodiazepine sold as a new psychoactive substance.
    BenzodiazepineNps,
    /// Found mixed in; not itself a reason for the seizure.
    Adulterant,
    /// Another trafficked drug, a metabolite, or a compound outside the definitions of the classes.
    Other,
}

impl Class {
    /// Every class, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Fentanyl,
        Self::FentanylAnalogue,
        Self::FentanylPrecursor,
        Self::Nitazene,
        Self::OtherOpioid,
        Self::BenzodiazepineNps,
        Self::Adulterant,
        Self::Other,
    ];

    /// The word in the data file, filters and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fentanyl => "fentanyl",
            Self::FentanylAnalogue => "fentanyl-analogue",
            Self::FentanylPrecursor => "fentanyl-precursor",
            Self::Nitazene => "nitazene",
            Self::OtherOpioid => "other-opioid",
            Self::BenzodiazepineNps => "benzodiazepine-nps",
            Self::Adulterant => "adulterant",
            Self::Other => "other",
        }
    }

    /// The class that this word means.
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// One substance of the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Substance {
    /// Id, as `SubstanceIdentity.catalogue_id` carries it: lower case, digits and hyphens; a prime is spelt out.
    pub id: String,
    /// Name.
    pub name: String,
    /// Group.
    pub class: Class,
    /// CAS registry number, if known.
    pub cas_number: Option<String>,
    /// InChIKey, if known.
    pub inchikey: Option<String>,
    /// Other names, in any language.
    pub synonyms: Vec<String>,
    /// Day, or month where the day is not known, since when China controls it.
    pub cn_control_date: Option<Date>,
    /// Schedule in the United States: `I` to `V`, or `List I`.
    pub us_schedule: Option<String>,
    /// Conventions and schedules of the United Nations, such as `1961-I`.
    pub un_schedules: Vec<String>,
    /// Month in which the Commission on Narcotic Drugs decided on it.
    pub un_date: Option<Date>,
}

/// Every substance, in the order of the data file.
pub fn all() -> &'static [Substance] {
    static ALL: OnceLock<Vec<Substance>> = OnceLock::new();
    ALL.get_or_init(read)
}

/// The substance with this id.
pub fn by_id(id: &str) -> Option<&'static Substance> {
    index().by_id.get(id).copied()
}

/// The substance with this name or synonym, in any case.
pub fn by_name(name: &str) -> Option<&'static Substance> {
    index().by_name.get(&key(name)).copied()
}

/// The substance with this CAS registry number.
pub fn by_cas(cas_number: &str) -> Option<&'static Substance> {
    index().by_cas.get(cas_number).copied()
}

/// The substance with this InChIKey.
pub fn by_inchikey(inchikey: &str) -> Option<&'static Substance> {
    index().by_inchikey.get(inchikey).copied()
}

/// The substance probably meant by a text that is no id: one of its names, its CAS number or InChIKey, or a near miss. To be
/// shown, never to be used in place of what was written: a prime away is another substance.
pub fn suggest(text: &str) -> Option<&'static Substance> {
    let text = text.trim();
    by_name(text)
        .or_else(|| by_cas(text))
        .or_else(|| by_inchikey(text))
        .or_else(|| {
            nearest(
                text,
                all().iter().flat_map(|s| s.words().map(move |w| (w, s))),
            )
        })
}

impl Substance {
    /// Id, name and synonyms.
    fn words(&self) -> impl Iterator<Item = &str> {
        let names = [&self.id, &self.name];
        names.into_iter().chain(&self.synonyms).map(String::as_str)
    }
}

/// Look-up tables over [`all`].
struct Index {
    by_id: HashMap<&'static str, &'static Substance>,
    by_name: HashMap<String, &'static Substance>,
    by_cas: HashMap<&'static str, &'static Substance>,
    by_inchikey: HashMap<&'static str, &'static Substance>,
}

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| {
        let identified = |id: fn(&Substance) -> Option<&str>| {
            all().iter().filter_map(|s| Some((id(s)?, s))).collect()
        };
        Index {
            by_id: identified(|s| Some(&s.id)),
            by_name: all()
                .iter()
                .flat_map(|s| s.words().map(move |word| (key(word), s)))
                .collect(),
            by_cas: identified(|s| s.cas_number.as_deref()),
            by_inchikey: identified(|s| s.inchikey.as_deref()),
        }
    })
}

/// The form in which names are compared. Nothing is dropped: see the top of this file.
pub(super) fn key(name: &str) -> String {
    let typed = |c: char| {
        if matches!(c, '\u{2019}' | '\u{2032}') {
            '\''
        } else {
            c
        }
    };
    name.trim()
        .chars()
        .map(typed)
        .flat_map(char::to_lowercase)
        .collect()
}

/// A row that cannot be read is left out; a test holds that there is none.
fn read() -> Vec<Substance> {
    let mut reader = csv::Reader::from_reader(DATA.as_bytes());
    reader
        .records()
        .filter_map(|row| substance(&row.ok()?))
        .collect()
}

/// Columns: id, name, class, cas, inchikey, synonyms, cn_control_date, us_schedule, un_schedule, un_date.
fn substance(row: &csv::StringRecord) -> Option<Substance> {
    let given = |i: usize| row.get(i).filter(|text| !text.is_empty()).map(String::from);
    let list = |i: usize| -> Vec<String> {
        let parts = row.get(i).unwrap_or_default().split(';');
        parts
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(String::from)
            .collect()
    };
    Some(Substance {
        id: given(0)?,
        name: given(1)?,
        class: Class::find(row.get(2)?)?,
        cas_number: given(3),
        inchikey: given(4),
        synonyms: list(5),
        cn_control_date: given(6).as_deref().and_then(date),
        us_schedule: given(7),
        un_schedules: list(8),
        un_date: given(9).as_deref().and_then(date),
    })
}

/// `2019-05-01`, `2019-05` or `2019`.
pub(crate) fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-').map(|part| part.parse().ok());
    Some(Date {
        year: parts.next()??,
        month: parts.next().unwrap_or(Some(0))?,
        day: parts.next().unwrap_or(Some(0))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::chemistry::{check_cas, is_inchikey},
        names::check_id,
    };

    #[test]
    fn every_row_of_the_file_is_read_whole() {
        assert_eq!(all().len(), 394);
        let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(DATA.as_bytes())
            .records()
            .map(Result::unwrap)
            .collect();
        assert_eq!(rows.len(), all().len());
        for (row, s) in rows.iter().zip(all()) {
            assert_eq!(row[6].is_empty(), s.cn_control_date.is_none(), "{}", s.id);
            assert_eq!(row[9].is_empty(), s.un_date.is_none(), "{}", s.id);
        }
    }

    #[test]
    fn every_identifier_of_the_file_passes_our_own_checks() {
        for s in all() {
            assert!(check_id(&s.id).is_ok(), "{}", s.id);
            if let Some(cas) = &s.cas_number {
                assert_eq!(check_cas(cas), Ok(()), "{}: {cas}", s.id);
            }
            assert!(s.inchikey.as_deref().is_none_or(is_inchikey), "{}", s.id);
        }
    }

    #[test]
    fn ids_names_synonyms_and_identifiers_each_mean_one_substance() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for s in all() {
            let identifiers = [&s.cas_number, &s.inchikey].into_iter().flatten();
            for word in s.words().map(key).chain(identifiers.map(|i| key(i))) {
                let before = seen.insert(word.clone(), &s.id);
                assert!(
                    before.is_none_or(|id| id == s.id),
                    "{word} means {before:?} and {}",
                    s.id
                );
            }
        }
    }

    #[test]
    fn a_substance_is_found_by_any_of_its_names() {
        let carfentanil = by_id("carfentanil").unwrap();
        assert_eq!(carfentanil.class, Class::FentanylAnalogue);
        for found in [
            by_name("Carfentanil"),
            by_name(" CARFENTANIL "),
            by_name("卡芬太尼"),
            by_cas("59708-52-0"),
            by_inchikey("YDSDEBIZUNNPOB-UHFFFAOYSA-N"),
        ] {
            assert_eq!(found, Some(carfentanil));
        }
        assert_eq!(
            carfentanil.cn_control_date,
            Some(Date {
                year: 2017,
                month: 3,
                day: 1
            })
        );
        assert_eq!(by_id("Carfentanil"), None);
        assert_eq!(by_name("no such substance"), None);
        assert_eq!(by_cas(""), None);
    }

    #[test]
    fn a_prime_makes_another_substance() {
        let (plain, prime) = (
            by_name("3-Methylfentanyl").unwrap(),
            by_name("3'-methylfentanyl").unwrap(),
        );
        assert_ne!(plain.id, prime.id);
        assert_eq!(by_name("3\u{2032}-Methylfentanyl"), Some(prime));
        assert_eq!(by_name("3\u{2019}-Methylfentanyl"), Some(prime));
        assert_eq!(prime.id, "3-prime-methylfentanyl");
    }

    #[test]
    fn near_misses_lead_to_the_substance() {
        for (text, id) in [
            ("Carfentanyl", "carfentanil"),
            ("carfentanil", "carfentanil"),
            ("fentanil", "fentanyl"),
            ("59708-52-0", "carfentanil"),
            ("FENTANYL", "fentanyl"),
        ] {
            assert_eq!(suggest(text).map(|s| s.id.as_str()), Some(id), "{text}");
        }
        assert_eq!(suggest("printer ink"), None);
    }
}
