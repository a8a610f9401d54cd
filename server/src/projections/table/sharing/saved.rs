//! The index in a snapshot.
//!
//! It may grow while it is written. Each part names only what the parts after it have, so what is read is whole, but may be
//! ahead of the snapshot's position by some statements; to take those in again changes nothing.

use std::{io, sync::RwLock};

use super::{Held, Index, Sharing, hash};
use crate::projections::table::cells::Cells;

/// Numbers that are written at a time.
const BLOCK: usize = 16_384;

impl Index {
    /// Writes it.
    pub(in super::super) fn save(
        sharing: &Sharing,
        out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let empty = Self::default();
        let index = sharing.index().unwrap_or(&empty);
        for shard in &index.shards {
            let held: Vec<u64> = {
                let shard = shard.read().unwrap_or_else(|e| e.into_inner());
                shard.iter().map(|held| held.to_number()).collect()
            };
            list(&held, out)?;
        }
        let mut from = 0;
        loop {
            let some: Vec<u64> = {
                let overlapping = index.overlapping.read();
                let overlapping = overlapping.unwrap_or_else(|e| e.into_inner());
                overlapping.range(from..).take(BLOCK).copied().collect()
            };
            list(&some, out)?;
            match some.last() {
                Some(last) => from = last + 1,
                None => break,
            }
        }
        cells(&index.postings, out)?;
        cells(&index.cases, out)?;
        let agencies = index.agencies.count();
        number(agencies.into(), out)?;
        for agency in 1..=agencies {
            let id = index.agencies.with(agency, String::clone);
            let id = id.unwrap_or_default();
            number(id.len() as u64, out)?;
            out(id.as_bytes())?;
        }
        Ok(())
    }

    /// Reads what [`Self::save`] wrote.
    pub(in super::super) fn load(
        from: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>,
    ) -> io::Result<Self> {
        let mut index = Self::default();
        for shard in &mut index.shards {
            let held = read_list(from)?;
            let shard = shard.get_mut().unwrap_or_else(|e| e.into_inner());
            shard.reserve(held.len(), |held| hash(held.part));
            for held in held.into_iter().map(Held::from_number) {
                shard.insert_unique(hash(held.part), held, |held| hash(held.part));
            }
        }
        let mut overlapping = Vec::new();
        loop {
            let some = read_list(from)?;
            if some.is_empty() {
                break;
            }
            overlapping.extend(some);
        }
        index.overlapping = RwLock::new(overlapping.into_iter().collect());
        read_cells(&index.postings, from)?;
        read_cells(&index.cases, from)?;
        for _ in 0..read_number(from)? {
            let length = read_number(from)?;
            let id = from(length)?;
            let text = || String::from_utf8_lossy(&id).into_owned();
            index.agencies.number(&id, text);
        }
        Ok(index)
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

fn number(number: u64, out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    out(&number.to_le_bytes())
}

fn list(numbers: &[u64], out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    number(numbers.len() as u64, out)?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    out(&bytes)
}

fn cells(cells: &Cells, out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let (count, view) = (cells.count(), cells.view());
    number(count, out)?;
    for first in (0..count).step_by(BLOCK) {
        let block = first..count.min(first + BLOCK as u64);
        let bytes: Vec<u8> = block.flat_map(|n| view.get(n).to_le_bytes()).collect();
        out(&bytes)?;
    }
    Ok(())
}

fn read_number(from: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>) -> io::Result<u64> {
    let bytes = from(8)?;
    let number = bytes.first_chunk::<8>().copied().unwrap_or_default();
    Ok(u64::from_le_bytes(number))
}

fn read_list(from: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>) -> io::Result<Vec<u64>> {
    let count = read_number(from)?;
    let bytes = from(count.saturating_mul(8))?;
    let (numbers, _) = bytes.as_chunks::<8>();
    Ok(numbers.iter().map(|n| u64::from_le_bytes(*n)).collect())
}

fn read_cells(cells: &Cells, from: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>) -> io::Result<()> {
    let count = read_number(from)?;
    for first in (0..count).step_by(BLOCK) {
        let numbers = (count - first).min(BLOCK as u64);
        let bytes = from(numbers * 8)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        for number in numbers {
            cells.push(u64::from_le_bytes(*number));
        }
    }
    Ok(())
}
