//! Which cases ever brought the same: from the keys of marks to cases, in memory, kept along with the rows.
//!
//! It says where to look, never that two cases overlap: a case may have withdrawn what it once brought. Whoever reads it holds
//! both cases as they stand against each other. So 44 bits of a key are enough: two marks that are taken for one another cost
//! a look. What a statement costs here does not grow with the number of cases: one look-up a key, and a list of limited length.
//!
//! A mark that one case has, as nearly all are, takes an entry of eight bytes in a small map; each further case takes a posting.
//! It may be ahead of the rows, and a statement may be taken in twice: what is there already is not added again.

mod saved;

use std::{
    collections::BTreeSet,
    sync::{
        OnceLock, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use casebroker_proto::{names::AgencyName, overlap::Key};
use hashbrown::{HashTable, hash_table::Entry};

use super::{
    cells::{Cells, View},
    growing::Names,
};

/// Most cases that are kept for a key.
pub const MAX_HOLDERS: usize = 64;
/// Most of them that one agency may own: it must not keep others' cases from finding one another.
pub const MAX_HOLDERS_AN_AGENCY: usize = 16;

/// The index as readers and the thread of the table share it; empty until the table has begun.
#[derive(Debug, Default)]
pub struct Sharing {
    index: OnceLock<Index>,
    position: AtomicU64,
}

/// The cases that ever brought a mark, by their first positions, in the order in which they did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// At most [`MAX_HOLDERS`].
    pub cases: Vec<u64>,
    /// True if there were more.
    pub more: bool,
}

/// There are more cases, agencies or positions than it can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Sharing {
    /// Everything before this position is in it.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// The cases that ever brought a mark with this key.
    pub fn holders(&self, key: &Key) -> Holders {
        let index = self.index.get();
        index.map(|index| index.holders(key)).unwrap_or_default()
    }

    /// First positions of an agency's cases that ever had a key in common with another case, those before this one, newest
    /// first; at most so many. Some may have withdrawn it since.
    pub fn overlapping(&self, agency: &AgencyName, before: u64, limit: usize) -> Vec<u64> {
        let index = self.index.get();
        let found = index.map(|index| index.overlapping(agency, before, limit));
        found.unwrap_or_default()
    }

    /// Begins with what was saved of an index up to a position.
    pub(super) fn begin(&self, index: Index, position: u64) {
        // There is one table, and it begins once.
        drop(self.index.set(index));
        self.publish(position);
    }

    /// Takes in what a statement brought to the case that begins at `first`; statements come in order. A report is taken in
    /// also if it brings nothing. For the one thread that writes.
    pub fn take(&self, first: u64, owner: &AgencyName, keys: &[Key]) -> Result<(), Full> {
        let index = self.index.get_or_init(Index::default);
        let case = index.case(first, owner)?;
        let mut shares = false;
        for key in keys {
            let others = index.add(key, case)?;
            shares |= others != Others::None;
            // Of more than one, every one was marked when the second came.
            if let Others::One(other) = others {
                index.mark(other);
            }
        }
        if shares {
            index.mark(case);
        }
        Ok(())
    }

    /// Says that everything before a position is in.
    pub fn publish(&self, position: u64) {
        self.position.fetch_max(position, Ordering::Release);
    }
}

/// Parts of the map, each with a lock of its own: growing one copies a small part of all.
const SHARDS: u64 = 4_096;
/// Set in a place that says a posting and not a case.
const SHARED: u32 = 1 << 31;
/// Stands for the cases for which there was no room.
const MORE: u32 = SHARED - 1;
/// Bits of an agency's number in the entry of a case; the others have its first position.
const AGENCY_BITS: u32 = 24;

/// The content.
#[derive(Debug)]
pub(super) struct Index {
    shards: Box<[RwLock<HashTable<Held>>]>,
    /// A case in the upper half; in the lower the place that was before.
    postings: Cells,
    /// By number: first position, ascending, and the owner.
    cases: Cells,
    /// Ids.
    agencies: Names<String>,
    /// Agency in the upper half; in the lower a case of it that ever shared something.
    overlapping: RwLock<BTreeSet<u64>>,
}

/// What a shard knows of a key: part of it, and its place, which is the only case that has it or the newest posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    part: u32,
    place: u32,
}

/// Which cases had a key before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    None,
    One(u32),
    Many,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            postings: Cells::default(),
            cases: Cells::default(),
            agencies: Names::default(),
            overlapping: RwLock::default(),
        }
    }
}

impl Index {
    fn holders(&self, key: &Key) -> Holders {
        let (shard, part) = self.shard(key);
        let held = shard.and_then(|shard| {
            let shard = shard.read().unwrap_or_else(|e| e.into_inner());
            let held = shard.find(hash(part), |held| held.part == part);
            held.copied()
        });
        let Some(held) = held else {
            return Holders::default();
        };
        let cases = self.cases.view();
        let mut holders = Holders::default();
        for case in chain(&self.postings.view(), held.place) {
            match case {
                MORE => holders.more = true,
                case => holders.cases.push(first_of(&cases, case)),
            }
        }
        holders.cases.reverse();
        holders
    }

    fn overlapping(&self, agency: &AgencyName, before: u64, limit: usize) -> Vec<u64> {
        let agency = u64::from(self.agencies.find(agency.id().as_bytes())) << 32;
        let before = u64::from(self.cases_before(before));
        let cases: Vec<_> = {
            let overlapping = self.overlapping.read();
            let overlapping = overlapping.unwrap_or_else(|e| e.into_inner());
            let of_agency = overlapping.range(agency..agency | before);
            of_agency.rev().take(limit).copied().collect()
        };
        let firsts = self.cases.view();
        let first = |case: u64| first_of(&firsts, case as u32);
        cases.into_iter().map(first).collect()
    }

    /// The number of a case, a new one if need be.
    fn case(&self, first: u64, owner: &AgencyName) -> Result<u32, Full> {
        let number = self.cases_before(first);
        if u64::from(number) < self.cases.count() {
            return Ok(number);
        }
        let id = owner.id();
        let agency = u64::from(self.agencies.number(id.as_bytes(), || id.into()));
        if number >= MORE || agency >> AGENCY_BITS != 0 || first >> (64 - AGENCY_BITS) != 0 {
            return Err(Full);
        }
        self.cases.push(first << AGENCY_BITS | agency);
        Ok(number)
    }

    /// How many cases begin before a position.
    fn cases_before(&self, position: u64) -> u32 {
        let cases = self.cases.view();
        let (mut low, mut high) = (0, self.cases.count() as u32);
        // What is taken in begins last, most often.
        if let Some(last) = high.checked_sub(1)
            && first_of(&cases, last) < position
        {
            return high;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if first_of(&cases, middle) < position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Adds a case to those that have a key, if it is new and there is room.
    fn add(&self, key: &Key, case: u32) -> Result<Others, Full> {
        let (shard, part) = self.shard(key);
        let Some(shard) = shard else {
            return Ok(Others::None);
        };
        let mut shard = shard.write().unwrap_or_else(|e| e.into_inner());
        let entry = shard.entry(hash(part), |held| held.part == part, |held| hash(held.part));
        let mut held = match entry {
            Entry::Vacant(free) => {
                free.insert(Held { part, place: case });
                return Ok(Others::None);
            }
            Entry::Occupied(held) => held,
        };
        let place = held.get().place;
        let known: Vec<_> = chain(&self.postings.view(), place).collect();
        let others = match *known.as_slice() {
            [only] if only == case => Others::None,
            [only] => Others::One(only),
            _ => Others::Many,
        };
        if !known.contains(&case) {
            let added = if self.has_room(&known, case) {
                case
            } else {
                MORE
            };
            if added != MORE || !known.contains(&MORE) {
                let posting = self.postings.count();
                let posting = u32::try_from(posting).ok().filter(|n| *n < SHARED);
                let posting = posting.ok_or(Full)?;
                self.postings
                    .push(u64::from(added) << 32 | u64::from(place));
                held.get_mut().place = SHARED | posting;
            }
        }
        Ok(others)
    }

    fn has_room(&self, known: &[u32], case: u32) -> bool {
        let kept = known.iter().filter(|known| **known != MORE);
        // Most keys are those of one or two cases.
        if known.len() < MAX_HOLDERS_AN_AGENCY {
            return true;
        }
        let cases = self.cases.view();
        let owner = agency_of(&cases, case);
        let own = kept
            .clone()
            .filter(|known| agency_of(&cases, **known) == owner);
        kept.clone().count() < MAX_HOLDERS && own.count() < MAX_HOLDERS_AN_AGENCY
    }

    /// Says that a case shares something with another.
    fn mark(&self, case: u32) {
        let agency = agency_of(&self.cases.view(), case);
        let mut overlapping = self.overlapping.write().unwrap_or_else(|e| e.into_inner());
        overlapping.insert(agency << 32 | u64::from(case));
    }

    /// Where a key belongs, and the part of it that is kept there. Keys are hashes: any bits do.
    fn shard(&self, key: &Key) -> (Option<&RwLock<HashTable<Held>>>, u32) {
        let begin = key.bytes.first_chunk::<8>().copied().unwrap_or_default();
        let begin = u64::from_be_bytes(begin);
        (self.shards.get(shard(begin >> 32)), begin as u32)
    }
}

/// The shard for 32 bits of a key. The last has twice as many keys as the first, and those between lie between, so that they
/// do not all double at once: neither time nor memory comes in one step.
fn shard(bits: u64) -> usize {
    // n shards, of which each has 1 + x / n times the keys of the first: their sum is a square.
    let square = SHARDS * SHARDS + ((3 * SHARDS * SHARDS * bits) >> 32);
    (square.isqrt() - SHARDS) as usize
}

/// The cases of a place, newest first.
fn chain(postings: &View, place: u32) -> impl Iterator<Item = u32> + '_ {
    let mut next = Some(place);
    std::iter::from_fn(move || {
        let place = next.take()?;
        if place & SHARED == 0 {
            return Some(place);
        }
        let posting = postings.get(u64::from(place & !SHARED));
        next = Some(posting as u32);
        Some((posting >> 32) as u32)
    })
}

fn first_of(cases: &View, case: u32) -> u64 {
    cases.get(u64::from(case)) >> AGENCY_BITS
}

fn agency_of(cases: &View, case: u32) -> u64 {
    cases.get(u64::from(case)) & ((1 << AGENCY_BITS) - 1)
}

/// A map uses the low and the top bits of a hash.
fn hash(part: u32) -> u64 {
    u64::from(part).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests;
