//! The index in a snapshot.
//!
//! It may grow while it is written. Each part names only what the parts after it have, so what is read is whole, but may be
//! ahead of the snapshot's position by some statements; to take those in again changes nothing.

use std::{io, sync::RwLock};

use super::{Held, Index, Sharing, hash};
use crate::projections::table::snapshot::{In, Out};

/// Numbers of a set that are copied at a time.
const SOME: usize = 16_384;

impl Index {
    /// Writes it.
    pub(in super::super) fn save(sharing: &Sharing, out: &mut Out) -> io::Result<()> {
        let empty = Self::default();
        let index = sharing.index.get().unwrap_or(&empty);
        for shard in &index.shards {
            let held: Vec<u64> = {
                let shard = shard.read().unwrap_or_else(|e| e.into_inner());
                shard.iter().map(|held| held.to_number()).collect()
            };
            out.numbers(held.into_iter())?;
        }
        let mut next = Some(0);
        out.numbers(std::iter::from_fn(|| Some(index.marked_from(next?, &mut next))).flatten())?;
        for cells in [&index.postings, &index.cases] {
            let (count, view) = (cells.count(), cells.view());
            out.number(count)?;
            out.numbers((0..count).map(|n| view.get(n)))?;
        }
        let agencies = index.agencies.count();
        out.number(agencies.into())?;
        for agency in 1..=agencies {
            let id = index.agencies.with(agency, String::clone);
            out.text(id.unwrap_or_default().as_bytes())?;
        }
        Ok(())
    }

    /// Reads what [`Self::save`] wrote.
    pub(in super::super) fn load(from: &mut In<'_>) -> io::Result<Self> {
        let mut index = Self::default();
        for shard in &mut index.shards {
            let shard = shard.get_mut().unwrap_or_else(|e| e.into_inner());
            from.numbers(|numbers| {
                shard.reserve(numbers.len(), |held: &Held| hash(held.part));
                for held in numbers.iter().map(|number| Held::from_number(*number)) {
                    shard.insert_unique(hash(held.part), held, |held| hash(held.part));
                }
            })?;
        }
        let mut overlapping = Vec::new();
        from.numbers(|numbers| overlapping.extend_from_slice(numbers))?;
        index.overlapping = RwLock::new(overlapping.into_iter().collect());
        for cells in [&index.postings, &index.cases] {
            let count = from.number()?;
            from.cells(cells, count)?;
        }
        for _ in 0..from.number()? {
            let id = from.text()?;
            let text = || String::from_utf8_lossy(&id).into_owned();
            index.agencies.number(&id, text);
        }
        Ok(index)
    }

    /// Some of the marked cases from a number on; and where the next ones begin.
    fn marked_from(&self, from: u64, next: &mut Option<u64>) -> Vec<u64> {
        let overlapping = self.overlapping.read();
        let overlapping = overlapping.unwrap_or_else(|e| e.into_inner());
        let some: Vec<_> = overlapping.range(from..).take(SOME).copied().collect();
        *next = some.last().map(|last| last + 1);
        some
    }
}

impl Held {
    fn to_number(self) -> u64 {
        u64::from(self.part) << 32 | u64::from(self.place)
    }

    fn from_number(number: u64) -> Self {
        Self {
            part: (number >> 32) as u32,
            place: number as u32,
        }
    }
}
