//! The confirmation standard: when a case counts as confirmed, and when as attributed to a country of origin.
//!
//! What it is for: holding a case against written rules, the same way on the broker and offline. `docs/confirmation-standard.md`
//! explains them. What it promises: the answer follows from the case alone and is the same each time; every rule is answered, met or
//! not, in one sentence that names what it is about; each version is data and code of its own, so a later one never changes what an
//! earlier one answered. What it never does: believe a status that somebody claims, count what another agency adds to somebody's
//! case, take the country of departure for the country of origin, or read a clock.

mod hindrance;
mod version1;

pub use hindrance::{Hindrance, hindrance};

use crate::{
    catalogue::substances::Substance,
    v1::{Assessment, Case},
};

/// Version that [`assess`] judges by.
pub const NEWEST: i32 = 1;

/// One rule of the standard, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Id, as `RuleOutcome.rule` carries it.
    pub id: &'static str,
    /// What it is held against.
    pub scope: Scope,
    /// What it asks.
    pub asks: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

/// What a rule is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The case as a whole.
    Case,
    /// Each substance or precursor.
    Substance,
    /// Each piece of equipment.
    Equipment,
    /// The country of origin.
    Origin,
}

/// The substance that an item counts as.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Number of the item, counted from 1.
    pub item: i32,
    /// The substance: what the laboratory identified if the item meets the rules, else what was reported.
    pub substance: CountedSubstance,
    /// True if the item is among the confirmed ones of the case.
    pub confirmed: bool,
    /// True if the laboratory identified another substance than was reported.
    pub reclassified: bool,
}

/// A substance by the catalogue or by its stated name.
#[derive(Debug, Clone, PartialEq)]
pub enum CountedSubstance {
    /// One of the catalogue.
    Catalogued(&'static Substance),
    /// A free name that the catalogue does not know.
    Free(String),
}

/// There is no such version of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no version {0} of the confirmation standard; the newest is {NEWEST}")]
pub struct UnknownVersion(pub i32);

/// Holds a case against the newest version of the standard. A retracted case is judged like any other: the retraction is shown
/// beside it.
pub fn assess(case: &Case) -> Assessment {
    version1::assess(case)
}

/// As [`assess`], without the sentences: `message` of every outcome is empty.
pub fn outcomes(case: &Case) -> Assessment {
    version1::outcomes(case)
}

/// Holds a case against a version of the standard.
pub fn assess_under(version: i32, case: &Case) -> Result<Assessment, UnknownVersion> {
    match version {
        1 => Ok(version1::assess(case)),
        other => Err(UnknownVersion(other)),
    }
}

/// Names the substance that each substance or precursor item counts as, under the newest version. Equipment is left out.
pub fn counted_substances(case: &Case) -> Vec<Counted> {
    version1::counted(case)
}

/// The substance of each item, as [`counted_substances`] names it, where nobody asks whether it is confirmed.
pub fn named_substances(case: &Case) -> impl Iterator<Item = (i32, CountedSubstance)> {
    let named = version1::named(case).into_iter();
    named.map(|counted| (counted.item, counted.substance))
}

/// What [`counted_substances`] says under a version of the standard.
pub fn counted_substances_under(version: i32, case: &Case) -> Result<Vec<Counted>, UnknownVersion> {
    match version {
        1 => Ok(version1::counted(case)),
        other => Err(UnknownVersion(other)),
    }
}

/// The rules of a version, in the order in which an assessment answers them.
pub fn rules(version: i32) -> Result<Vec<Rule>, UnknownVersion> {
    match version {
        1 => Ok(version1::rules()),
        other => Err(UnknownVersion(other)),
    }
}

#[cfg(test)]
mod tests;
