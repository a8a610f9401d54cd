//! A filter as it was meant: every value in its one form, checked against what the catalogue knows.
//!
//! What it is for: turning a [`CaseFilter`](crate::v1::CaseFilter) into a [`Selection`] that code can hold cases against without
//! reading text again. What it promises: a value that nothing can have is an error that names the field and what was probably meant,
//! never an empty answer; all violations at once; work bounded by the size of the filter. What it never does: look at cases (whether
//! one has a reporting unit or a name is for [`check_occurring`], with what the caller may see), or read a clock.

pub mod limits;

mod compile;
mod meant;
mod occurring;
mod terms;

#[cfg(test)]
mod tests;

pub use compile::{Compiled, Known, compile};
pub use occurring::{Occurring, check_occurring};

pub use crate::standard::{Hindrance, hindrance};
use crate::{
    catalogue::substances::{Class, Substance},
    names::AgencyName,
    v1::{AttributionBasis, CaseStatus, Conveyance, Digest, ItemKind},
};

/// Which cases. Fields are ANDed, values within one ORed; an empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Owners, groups resolved, each once, in the order given.
    pub agencies: Vec<AgencyName>,
    /// Reporting units, by [`text_key`].
    pub reporting_units: Vec<String>,
    /// Countries of the incident, by code.
    pub countries: Vec<&'static str>,
    /// Countries of origin.
    pub origins: Vec<&'static str>,
    /// Countries of departure.
    pub departures: Vec<&'static str>,
    /// Countries of transit.
    pub transits: Vec<&'static str>,
    /// Countries of destination.
    pub destinations: Vec<&'static str>,
    /// Bases of the country of origin.
    pub bases: Vec<AttributionBasis>,
    /// Statuses; CONFIRMED brings ATTRIBUTED with it.
    pub statuses: Vec<CaseStatus>,
    /// Substances of the catalogue.
    pub substances: Vec<&'static Substance>,
    /// Substances that it does not know, by [`text_key`].
    pub free_substances: Vec<String>,
    /// Classes of goods.
    pub classes: Vec<GoodsClass>,
    /// Kinds of items.
    pub item_kinds: Vec<ItemKind>,
    /// Conveyances.
    pub conveyances: Vec<Conveyance>,
    /// First day of the incident, with month and day: the first of the month or year given.
    pub from_day: Option<Day>,
    /// Last day of the incident, with month and day: the last of the month or year given.
    pub to_day: Option<Day>,
    /// First recorded at or after, nanoseconds since 1970.
    pub recorded_from: Option<i128>,
    /// First recorded before, nanoseconds since 1970.
    pub recorded_before: Option<i128>,
    /// Least mass of the selected items, micrograms.
    pub min_mass: Option<i64>,
    /// Organisations, by [`text_key`].
    pub organizations: Vec<String>,
    /// Identifiers, by [`identifier_key`].
    pub identifiers: Vec<String>,
    /// Digests of evidence.
    pub digests: Vec<Digest>,
    /// Words to look for.
    pub text: Option<String>,
    /// Why cases do not count.
    pub obstacles: Vec<Hindrance>,
}

/// What an item counts as among goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GoodsClass {
    /// A class of the catalogue.
    Catalogued(Class),
    /// A substance that the catalogue does not know.
    Uncatalogued,
    /// Equipment.
    Equipment,
}

/// A day as a number that orders like the calendar: year, month and day in 16, 4 and 5 bits. Month and day 0 are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub u32);

impl Day {
    /// From year, month and day; 0 where not known.
    pub fn new(year: i32, month: i32, day: i32) -> Self {
        let part = |value: i32| u32::try_from(value).unwrap_or(0);
        Self(part(year) << 9 | (part(month) & 15) << 5 | part(day) & 31)
    }

    /// Year; 0 if not known.
    pub fn year(self) -> u32 {
        self.0 >> 9
    }

    /// Month, 1 to 12; 0 if not known.
    pub fn month(self) -> u32 {
        self.0 >> 5 & 15
    }

    /// Day, 1 to 31; 0 if not known.
    pub fn day(self) -> u32 {
        self.0 & 31
    }
}

impl GoodsClass {
    /// The word in filters and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Catalogued(class) => class.as_str(),
            Self::Uncatalogued => "uncatalogued",
            Self::Equipment => "equipment",
        }
    }

    /// The class that this word means.
    pub fn find(word: &str) -> Option<Self> {
        Self::all().find(|class| class.as_str() == word)
    }

    /// Every one, in the order of answers.
    pub fn all() -> impl Iterator<Item = Self> {
        let catalogued = Class::ALL.into_iter().map(Self::Catalogued);
        catalogued.chain([Self::Uncatalogued, Self::Equipment])
    }
}

/// The form in which units, organisations and stated names of substances are compared.
pub fn text_key(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// The form in which identifiers are compared: without case, spaces and hyphens.
pub fn identifier_key(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    kept.flat_map(char::to_lowercase).collect()
}
