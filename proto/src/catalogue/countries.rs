//! Countries (ISO 3166-1 alpha-2) and their subdivisions (ISO 3166-2).
//!
//! Only codes that ISO has officially assigned count: 249 countries and territories. `UK` and `EU` are reserved and `XK` is
//! left to users, so what they mean is a private agreement; each is refused, whoever uses it. No code here says anything
//! about the status of a territory. Tables: crate `rust_iso3166`, perfect hash maps. A subdivision of the first level that ISO
//! also lists as a country (`CN-HK` and `HK`, `US-PR` and `PR`) may be written either way; the two are not made equal here.

use rust_iso3166::{ALPHA2_MAP, from_alpha2, from_alpha3, iso3166_2};

use super::nearest::nearest;

/// A country or territory of ISO 3166-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country {
    /// Alpha-2 code, upper case.
    pub code: &'static str,
    /// English short name.
    pub name: &'static str,
}

/// A subdivision of ISO 3166-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subdivision {
    /// Whole code, such as `US-TX`.
    pub code: &'static str,
    /// Name in the form ISO lists it.
    pub name: &'static str,
}

/// Codes and names people write, and the code they mean.
const ALIASES: [(&str, &str); 22] = [
    ("UK", "GB"),
    ("EN", "GB"),
    ("ENGLAND", "GB"),
    ("SCOTLAND", "GB"),
    ("GREAT BRITAIN", "GB"),
    ("UNITED KINGDOM", "GB"),
    ("EL", "GR"),
    ("SU", "RU"),
    ("RUSSIA", "RU"),
    ("UNITED STATES", "US"),
    ("AMERICA", "US"),
    ("PRC", "CN"),
    ("HOLLAND", "NL"),
    ("BURMA", "MM"),
    ("BU", "MM"),
    ("SOUTH KOREA", "KR"),
    ("NORTH KOREA", "KP"),
    ("LAOS", "LA"),
    ("VIETNAM", "VN"),
    ("TURKEY", "TR"),
    ("IVORY COAST", "CI"),
    ("CZECH REPUBLIC", "CZ"),
];

/// The country with this code; upper case only.
pub fn country(code: &str) -> Option<Country> {
    from_alpha2(code).map(as_country)
}

/// The subdivision with this code, such as `US-TX`; upper case only.
pub fn subdivision(code: &str) -> Option<Subdivision> {
    iso3166_2::from_code(code).map(|s| Subdivision {
        code: s.code,
        name: s.name,
    })
}

/// Code of the country that a subdivision code begins with.
pub fn country_of(subdivision: &str) -> Option<&str> {
    subdivision.split_once('-').map(|(country, _)| country)
}

/// The country that a text names: its code in any case, the alpha-3 code, a reserved code, or a name, but no near miss.
pub fn find(text: &str) -> Option<Country> {
    let upper = text.trim().to_uppercase();
    let alias = |word: &str| ALIASES.iter().find(|(a, _)| *a == word).map(|(_, c)| *c);
    from_alpha2(&upper)
        .or_else(|| from_alpha3(&upper))
        .or_else(|| alias(&upper).and_then(from_alpha2))
        .or_else(|| ALPHA2_MAP.values().copied().find(|c| named(c.name, &upper)))
        .map(as_country)
}

/// The country probably meant by a text that is not a code: what [`find`] finds, or a name that is nearly written so.
pub fn suggest(text: &str) -> Option<Country> {
    find(text).or_else(|| nearest(&text.trim().to_uppercase(), by_name().into_iter()))
}

/// The subdivision probably meant within a country: another case, the part after the hyphen alone, or its name.
pub fn suggest_subdivision(country: &str, text: &str) -> Option<Subdivision> {
    let upper = text.trim().to_uppercase();
    let within = || {
        let list = iso3166_2::SUBDIVISION_COUNTRY_MAP.get(country).copied();
        list.unwrap_or_default().iter()
    };
    let found = within()
        .find(|s| s.code == upper || s.region_code == upper || s.name.to_uppercase() == upper)
        .or_else(|| nearest(text, within().map(|s| (s.name, s))));
    found.map(|s| Subdivision {
        code: s.code,
        name: s.name,
    })
}

/// In order of the code, so that the first of equally near names is always the same.
fn by_name() -> Vec<(&'static str, Country)> {
    let mut all: Vec<_> = ALPHA2_MAP
        .values()
        .filter(|c| unambiguous(c.name))
        .map(|c| (short(c.name), as_country(*c)))
        .collect();
    all.sort_unstable_by_key(|(_, c)| c.code);
    all
}

fn as_country(c: rust_iso3166::CountryCode) -> Country {
    Country {
        code: c.alpha2,
        name: c.name,
    }
}

fn named(name: &str, upper: &str) -> bool {
    name.to_uppercase() == upper || short(name).to_uppercase() == upper && unambiguous(name)
}

/// `Iran (Islamic Republic of)` is known as `Iran`.
fn short(name: &str) -> &str {
    name.split_once(" (").map_or(name, |(short, _)| short)
}

/// Two countries are listed as Congo, two as Korea and two as Virgin Islands: the short name alone names none of them.
fn unambiguous(name: &str) -> bool {
    !["Congo", "Korea", "Virgin Islands"].contains(&short(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_249_assigned_codes_are_known_by_name() {
        assert_eq!(ALPHA2_MAP.len(), 249);
        assert_eq!(country("CN").unwrap().name, "China");
        assert_eq!(country("MX").unwrap().name, "Mexico");
    }

    #[test]
    fn reserved_and_user_assigned_codes_are_no_countries() {
        for code in [
            "UK", "EU", "XK", "ZZ", "AA", "EL", "UN", "cn", "CHN", "", "C", "中",
        ] {
            assert_eq!(country(code), None, "{code}");
        }
    }

    #[test]
    fn what_people_write_leads_to_the_code() {
        for (text, code) in [
            ("UK", "GB"),
            ("us", "US"),
            ("USA", "US"),
            ("CHN", "CN"),
            ("China", "CN"),
            ("mexico", "MX"),
            ("Mexcio", "MX"),
            ("Iran", "IR"),
            ("South Korea", "KR"),
            ("Hong Kong", "HK"),
            ("Türkiye", "TR"),
            ("United Kingdom", "GB"),
        ] {
            assert_eq!(suggest(text).map(|c| c.code), Some(code), "{text}");
        }
        for text in ["XK", "ZZ", "", "Korea", "nowhere at all"] {
            assert_eq!(suggest(text), None, "{text}");
        }
    }

    #[test]
    fn a_near_miss_is_suggested_and_not_found() {
        for text in ["china", " CHN", "cn", "UK", "south korea"] {
            assert_eq!(find(text), suggest(text), "{text}");
        }
        assert!(find("Chian").is_none() && suggest("Chian").is_some());
    }

    #[test]
    fn aliases_lead_to_codes_and_hide_none() {
        for (alias, code) in ALIASES {
            assert!(
                country(alias).is_none() && country(code).is_some(),
                "{alias}"
            );
        }
    }

    #[test]
    fn every_subdivision_belongs_to_a_country_of_the_table() {
        assert_eq!(iso3166_2::SUBDIVISION_MAP.len(), 5046);
        for (code, entry) in iso3166_2::SUBDIVISION_MAP.entries() {
            assert_eq!(*code, entry.code);
            assert!(country_of(code).and_then(country).is_some(), "{code}");
        }
    }

    #[test]
    fn subdivisions_are_found_and_suggested_within_their_country() {
        assert_eq!(subdivision("US-TX").unwrap().name, "Texas");
        for bad in ["US-XX", "us-tx", "TX", "US", "", "US-"] {
            assert_eq!(subdivision(bad), None, "{bad}");
        }
        for (country, text, code) in [
            ("US", "TX", "US-TX"),
            ("US", "us-tx", "US-TX"),
            ("US", "Texas", "US-TX"),
            ("US", "Texsa", "US-TX"),
            ("MX", "Sinaloa", "MX-SIN"),
        ] {
            assert_eq!(
                suggest_subdivision(country, text).map(|s| s.code),
                Some(code),
                "{text}"
            );
        }
        assert_eq!(suggest_subdivision("ZZ", "TX"), None);
    }
}
