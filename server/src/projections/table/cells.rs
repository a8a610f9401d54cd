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

    /// So many from an index on, if one block has them all.
    pub fn slice(&self, first: u64, count: u64) -> Option<&[AtomicU64]> {
        let (block, slot) = (first / BLOCK as u64, (first % BLOCK as u64) as usize);
        let end = slot.checked_add(usize::try_from(count).ok()?)?;
        self.0.get(usize::try_from(block).ok()?)?.get(slot..end)
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
    fn a_slice_is_within_one_block() {
        let cells = Cells::default();
        for n in 0..3 * BLOCK as u64 {
            cells.push(n + 1);
        }
        let view = cells.view();
        let values = |first, count| {
            let slice = view.slice(first, count)?;
            let values = slice.iter().map(|cell| cell.load(Ordering::Relaxed));
            Some(values.collect::<Vec<_>>())
        };
        let end = BLOCK as u64;
        assert_eq!(values(end - 2, 2), Some(vec![end - 1, end]));
        assert_eq!(values(end, 1), Some(vec![end + 1]));
        assert_eq!(values(end - 2, 3), None);
        assert_eq!(values(3 * end, 1), None);
        assert_eq!(view.get(3 * end), 0);
    }
}
