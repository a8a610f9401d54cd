//! Which cases ever brought the same: an index from the keys of marks to cases, written along with the case's own record.
//!
//! It says where to look, never that two cases overlap: a case may have withdrawn what it once brought. Whoever reads it holds
//! both cases as they stand against each other. What a statement costs here does not grow with the number of cases: one
//! look-up a key, and a list of limited length.

use std::collections::HashMap;

use casebroker_proto::{
    names::{AgencyName, CaseName},
    overlap::Key,
};

use super::{Change, StateError, Store, keys};

/// Most cases that are kept for a key.
pub const MAX_HOLDERS: usize = 64;
/// Most of them that one agency may own: it must not keep others' cases from finding one another.
pub const MAX_HOLDERS_AN_AGENCY: usize = 16;

/// A case by its name and where it begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder {
    /// Position of its first statement.
    pub first_position: u64,
    /// Its name.
    pub case: CaseName,
}

/// The cases that ever brought a mark, in the order in which they did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// At most [`MAX_HOLDERS`].
    pub cases: Vec<Holder>,
    /// True if there were more.
    pub more: bool,
}

/// A pair to be written, with the position of the statement that it is of.
pub(super) type Staged = (Vec<u8>, (u64, Vec<u8>));

impl Holders {
    /// Takes a case in, if it is new and there is room. True if that changes what is kept.
    fn add(&mut self, holder: &Holder) -> bool {
        if self.cases.iter().any(|known| known.case == holder.case) {
            return false;
        }
        let owner = holder.case.agency();
        let own = self.cases.iter().filter(|h| h.case.agency() == owner);
        if self.cases.len() >= MAX_HOLDERS || own.count() >= MAX_HOLDERS_AN_AGENCY {
            return !std::mem::replace(&mut self.more, true);
        }
        self.cases.push(holder.clone());
        true
    }
}

impl Store {
    /// The cases that ever brought a mark with this key.
    pub fn holders(&self, key: &Key) -> Result<Holders, StateError> {
        let found = self.get(&keys::holders(key), keys::decode_holders)?;
        Ok(found.unwrap_or_default())
    }

    /// Cases of an agency that ever had a key in common with another case, by their first positions before this one, newest
    /// first; at most so many. Some may have withdrawn it since.
    pub fn overlapping(
        &self,
        agency: &AgencyName,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Holder>, StateError> {
        let from = keys::all_overlapping(agency);
        let to = [&from[..], &before.to_be_bytes()].concat();
        let pairs = self.newest(&from, &to, limit)?;
        let decoded = pairs
            .iter()
            .map(|(key, value)| keys::decode_overlapping(key, value));
        decoded.collect()
    }

    /// What recorded statements change in the index. One function for the sequencer and for the rebuild; a later change sees
    /// what an earlier one of the same call did.
    pub(super) fn index_overlaps(&self, changes: &[Change]) -> Result<Vec<Staged>, StateError> {
        let mut known: HashMap<&Key, Holders> = HashMap::new();
        let mut pairs: Vec<Staged> = Vec::new();
        for change in changes {
            let Change::Statement(change) = change else {
                continue;
            };
            let Some((first_position, _)) = change.record.statements.first() else {
                continue;
            };
            let holder = Holder {
                first_position: *first_position,
                case: change.case.clone(),
            };
            let mut overlaps = false;
            let mut put = |key, value| pairs.push((key, (change.position, value)));
            for key in &change.keys {
                let holders = match known.get_mut(key) {
                    Some(holders) => holders,
                    None => {
                        let found = self.holders(key)?;
                        known.entry(key).or_insert(found)
                    }
                };
                let alone = match holders.cases.as_slice() {
                    [only] if only.case != holder.case => Some(only.clone()),
                    _ => None,
                };
                let others = holders.cases.iter().any(|other| other.case != holder.case);
                overlaps |= others || holders.more;
                if holders.add(&holder) {
                    put(keys::holders(key), keys::encode_holders(holders));
                }
                // Of more than one, every one was marked when the second came.
                if let Some(other) = alone {
                    put(keys::overlapping(&other), keys::encode_case(&other.case));
                }
            }
            if overlaps {
                put(keys::overlapping(&holder), keys::encode_case(&holder.case));
            }
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests;
