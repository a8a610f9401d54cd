//! Numbers that one thread adds and changes while others read them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::growing::{Blocks, List};

/// Numbers in a block.
const BLOCK: usize = 16_384;

/// A list of 64-bit numbers that grows by blocks.
#[derive(Debug, Default)]
pub struct Cells {
    blocks: Blocks<Box<[AtomicU64]>>,
    count: AtomicU64,
}

/// The numbers as they can be reached without asking for the list again.
#[derive(Debug)]
pub struct View(List<Box<[AtomicU64]>>);

impl Cells {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Adds one; answers its index.
    pub fn push(&self, value: u64) -> u64 {
        let index = self.count.load(Ordering::Relaxed);
        if index.is_multiple_of(BLOCK as u64) {
            let zeros = (0..BLOCK).map(|_| AtomicU64::new(0));
            self.blocks.push(Arc::new(zeros.collect()));
        }
        self.count.store(index + 1, Ordering::Release);
        self.set(index, value);
        index
    }

    /// Changes one.
    pub fn set(&self, index: u64, value: u64) {
        if let Some(cell) = cell(&self.blocks.list(), index) {
            cell.store(value, Ordering::Release);
        }
    }

    /// One of them; 0 if there is none.
    pub fn get(&self, index: u64) -> u64 {
        self.view().get(index)
    }

    /// For many reads.
    pub fn view(&self) -> View {
        View(self.blocks.list())
    }
}

impl View {
    /// One of them; 0 if there is none.
    pub fn get(&self, index: u64) -> u64 {
        cell(&self.0, index).map_or(0, |cell| cell.load(Ordering::Acquire))
    }

    /// So many from an index on. Those of one block are found together.
    pub fn range(&self, first: u64, count: u64) -> impl Iterator<Item = u64> + '_ {
        let (block, slot) = (first / BLOCK as u64, (first % BLOCK as u64) as usize);
        let block = self.0.get(usize::try_from(block).unwrap_or(usize::MAX));
        let rest = block
            .and_then(|block| block.get(slot..))
            .unwrap_or_default();
        let here = rest
            .get(..rest.len().min(count as usize))
            .unwrap_or_default();
        let beyond = first + here.len() as u64..first + count;
        let here = here.iter().map(|cell| cell.load(Ordering::Acquire));
        here.chain(beyond.map(|index| self.get(index)))
    }
}

fn cell(list: &List<Box<[AtomicU64]>>, index: u64) -> Option<&AtomicU64> {
    let (block, slot) = (index / BLOCK as u64, index % BLOCK as u64);
    list.get(usize::try_from(block).ok()?)?
        .get(usize::try_from(slot).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_goes_on_beyond_its_block_and_ends_where_it_should() {
        let cells = Cells::default();
        let all = 3 * BLOCK as u64;
        for n in 0..all {
            cells.push(n + 1);
        }
        let view = cells.view();
        for first in [0, 5, BLOCK as u64 - 2, BLOCK as u64, all - 1] {
            for count in [0, 1, 2, 3, BLOCK as u64 + 7] {
                let expected = (first..first + count).map(|n| if n < all { n + 1 } else { 0 });
                assert!(view.range(first, count).eq(expected), "{first} {count}");
            }
        }
    }
}
