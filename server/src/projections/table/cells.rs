//! Numbers that one thread adds and changes while others read them.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Numbers in a block.
const BLOCK: u64 = 16_384;
/// Blocks in a row, and rows; so there is room for 2^34 numbers.
const WIDTH: u64 = 1_024;

type Block = Box<[AtomicU64]>;
/// Places that are filled one after the other, so that nothing moves when another block comes.
type Places<T> = Box<[OnceLock<T>]>;
type Rows = Places<Places<Block>>;

/// A list of 64-bit numbers that grows by blocks.
#[derive(Debug)]
pub struct Cells {
    blocks: Arc<Rows>,
    count: AtomicU64,
}

/// The numbers, for those who only read them.
#[derive(Debug)]
pub struct View(Arc<Rows>);

impl Default for Cells {
    fn default() -> Self {
        Self {
            blocks: Arc::new(places()),
            count: AtomicU64::new(0),
        }
    }
}

impl Cells {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Adds one; answers its index. For the one thread that writes.
    pub fn push(&self, value: u64) -> u64 {
        self.extend([value])
    }

    /// Adds some, which readers find all at once; answers the index of the first. For the one thread that writes.
    pub fn extend(&self, values: impl IntoIterator<Item = u64>) -> u64 {
        let first = self.count.load(Ordering::Relaxed);
        let (mut next, mut values) = (first, values.into_iter().peekable());
        while values.peek().is_some()
            && let Some(cells) = self.made(next)
        {
            // A cell is taken before the value, so none is lost where the block ends.
            for (cell, value) in cells.iter().zip(values.by_ref()) {
                cell.store(value, Ordering::Relaxed);
                next += 1;
            }
        }
        self.count.store(next, Ordering::Release);
        first
    }

    /// Changes one.
    pub fn set(&self, index: u64, value: u64) {
        if let Some(cell) = cell(&self.blocks, index) {
            cell.store(value, Ordering::Release);
        }
    }

    /// One of them; 0 if there is none.
    pub fn get(&self, index: u64) -> u64 {
        get(&self.blocks, index)
    }

    /// For many reads.
    pub fn view(&self) -> View {
        View(Arc::clone(&self.blocks))
    }

    /// The rest of a block from the place of a number on; the block is made if there is none.
    fn made(&self, index: u64) -> Option<&[AtomicU64]> {
        let (row, block, slot) = place(index);
        let row = self.blocks.get(row)?.get_or_init(places);
        let zeros = || (0..BLOCK).map(|_| AtomicU64::new(0)).collect();
        row.get(block)?.get_or_init(zeros).get(slot..)
    }
}

impl View {
    /// One of them; 0 if there is none.
    pub fn get(&self, index: u64) -> u64 {
        get(&self.0, index)
    }

    /// So many from an index on, if one block has them all.
    pub fn slice(&self, first: u64, count: u64) -> Option<&[AtomicU64]> {
        let (row, block, slot) = place(first);
        let end = slot.checked_add(usize::try_from(count).ok()?)?;
        self.0.get(row)?.get()?.get(block)?.get()?.get(slot..end)
    }
}

fn places<T>() -> Places<T> {
    (0..WIDTH).map(|_| OnceLock::new()).collect()
}

fn get(blocks: &Rows, index: u64) -> u64 {
    cell(blocks, index).map_or(0, |cell| cell.load(Ordering::Acquire))
}

fn cell(blocks: &Rows, index: u64) -> Option<&AtomicU64> {
    let (row, block, slot) = place(index);
    blocks.get(row)?.get()?.get(block)?.get()?.get(slot)
}

fn place(index: u64) -> (usize, usize, usize) {
    let block = index / BLOCK;
    // More than there is room for finds no row.
    let row = usize::try_from(block / WIDTH).unwrap_or(usize::MAX);
    (row, (block % WIDTH) as usize, (index % BLOCK) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_where_they_are_while_more_come() {
        let cells = Cells::default();
        let early = cells.view();
        let count = BLOCK * WIDTH / 64 + 3;
        assert_eq!(cells.push(7), 0);
        assert_eq!(cells.extend((1..count).map(|n| n * 3)), 1);
        cells.set(BLOCK, 5);
        assert_eq!(cells.count(), count);
        assert_eq!(early.get(0), 7);
        assert_eq!(early.get(BLOCK), 5);
        assert_eq!(early.get(count - 1), (count - 1) * 3);
        assert_eq!(early.get(count), 0);
        assert_eq!(early.get(u64::MAX), 0);
    }

    #[test]
    fn a_slice_is_within_one_block() {
        let cells = Cells::default();
        for n in 0..3 * BLOCK {
            cells.push(n + 1);
        }
        let view = cells.view();
        let values = |first, count| {
            let slice = view.slice(first, count)?;
            let values = slice.iter().map(|cell| cell.load(Ordering::Relaxed));
            Some(values.collect::<Vec<_>>())
        };
        let end = BLOCK;
        assert_eq!(values(end - 2, 2), Some(vec![end - 1, end]));
        assert_eq!(values(end, 1), Some(vec![end + 1]));
        assert_eq!(values(end - 2, 3), None);
        assert_eq!(values(3 * end, 1), None);
        assert_eq!(view.get(3 * end), 0);
    }
}
