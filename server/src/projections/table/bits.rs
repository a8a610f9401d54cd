//! Bitsets over the rows of a chunk: shared ones that one thread writes, and masks that a query works on. And sets of small numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Rows of a chunk. In this crate's tests there are few, so that small tables have many chunks.
pub const ROWS: usize = if cfg!(test) { 512 } else { 16_384 };
/// Words of a bitset.
pub const WORDS: usize = ROWS / 64;

/// One bit a row. One thread sets and clears, any number read meanwhile.
#[derive(Debug)]
pub struct Bits(Box<[AtomicU64]>);

/// A query's own copy, one bit a row.
#[derive(Debug, Clone)]
pub struct Mask(Box<[u64; WORDS]>);

/// Numbers of agencies, units, countries and the like, which are counted without gaps: a bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Numbers(Vec<u64>);

impl Numbers {
    /// Whether a number is in it.
    pub fn has(&self, number: u32) -> bool {
        let word = self.0.get(number as usize / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// How many are in it.
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        ones(&self.0).map(|number| number as u32)
    }
}

/// The places of the bits that are set, ascending.
pub fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(n, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                n * 64 + bit
            })
        })
    })
}

impl FromIterator<u32> for Numbers {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut words = Vec::new();
        for number in numbers {
            let place = number as usize / 64;
            if words.len() <= place {
                words.resize(place + 1, 0);
            }
            if let Some(word) = words.get_mut(place) {
                *word |= 1_u64 << (number % 64);
            }
        }
        Self(words)
    }
}

impl Default for Bits {
    fn default() -> Self {
        Self((0..WORDS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Bits {
    /// Sets the bit of a row.
    pub fn set(&self, row: usize) {
        if let Some(word) = self.0.get(row / 64) {
            word.fetch_or(1 << (row % 64), Ordering::Release);
        }
    }

    /// Clears the bit of a row.
    pub fn clear(&self, row: usize) {
        if let Some(word) = self.0.get(row / 64) {
            word.fetch_and(!(1 << (row % 64)), Ordering::Release);
        }
    }

    /// The bit of a row.
    pub fn get(&self, row: usize) -> bool {
        let word = self.0.get(row / 64);
        word.is_some_and(|word| word.load(Ordering::Acquire) >> (row % 64) & 1 == 1)
    }

    /// The words as they are now.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|word| word.load(Ordering::Acquire))
    }

    /// Puts words in place of those that are there.
    pub fn fill(&self, words: impl Iterator<Item = u64>) {
        for (to, from) in self.0.iter().zip(words) {
            to.store(from, Ordering::Release);
        }
    }
}

impl Mask {
    /// No row.
    pub fn none() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// The rows of a bitset.
    pub fn of(bits: &Bits) -> Self {
        let mut mask = Self::none();
        for (to, from) in mask.0.iter_mut().zip(bits.words()) {
            *to = from;
        }
        mask
    }

    /// The rows for which `is_in` says so.
    pub fn from_fn(mut is_in: impl FnMut(usize) -> bool) -> Self {
        let mut mask = Self::none();
        for (n, word) in mask.0.iter_mut().enumerate() {
            for bit in 0..64 {
                *word |= u64::from(is_in(n * 64 + bit)) << bit;
            }
        }
        mask
    }

    /// Adds a row.
    pub fn set(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    /// Whether a row is in it.
    pub fn has(&self, row: usize) -> bool {
        let word = self.0.get(row / 64);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Keeps the rows that are in the other too.
    pub fn and(&mut self, bits: &Bits) {
        for (to, from) in self.0.iter_mut().zip(bits.words()) {
            *to &= from;
        }
    }

    /// Keeps the rows that are in the other mask too.
    pub fn and_mask(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(other.0.iter()) {
            *to &= from;
        }
    }

    /// Keeps the rows that are not in the other.
    pub fn and_not(&mut self, bits: &Bits) {
        for (to, from) in self.0.iter_mut().zip(bits.words()) {
            *to &= !from;
        }
    }

    /// Keeps the rows that are in one of these.
    pub fn and_any<'a>(&mut self, sets: impl Iterator<Item = &'a Bits>) {
        let mut any = Self::none();
        for bits in sets {
            for (to, from) in any.0.iter_mut().zip(bits.words()) {
                *to |= from;
            }
        }
        for (to, from) in self.0.iter_mut().zip(any.0.iter()) {
            *to &= from;
        }
    }

    /// Keeps the rows that are in one of the two, and not in both.
    pub fn and_differing(&mut self, one: &Bits, other: Option<&Bits>) {
        match other {
            None => self.and(one),
            Some(other) => {
                let differing = one.words().zip(other.words()).map(|(a, b)| a ^ b);
                for (to, from) in self.0.iter_mut().zip(differing) {
                    *to &= from;
                }
            }
        }
    }

    /// Whether no row is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many rows are in it.
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many rows are in both.
    pub fn count_with(&self, bits: &Bits) -> usize {
        let both = self.0.iter().zip(bits.words()).map(|(a, b)| a & b);
        both.map(|word| word.count_ones() as usize).sum()
    }

    /// Keeps the rows for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (n, word) in self.0.iter_mut().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                if !keep(n * 64 + bit as usize) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// The rows, ascending.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        ones(&self.0[..])
    }

    /// The rows, descending.
    pub fn rows_back(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().rev().flat_map(|(n, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.checked_ilog2()?;
                rest ^= 1 << bit;
                Some(n * 64 + bit as usize)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    use super::*;

    fn bits(rows: &BTreeSet<usize>) -> Bits {
        let bits = Bits::default();
        rows.iter().for_each(|row| bits.set(*row));
        bits
    }

    proptest! {
        #[test]
        fn masks_do_what_sets_do(
            a in prop::collection::btree_set(0..ROWS, 0..200),
            b in prop::collection::btree_set(0..ROWS, 0..200),
            c in prop::collection::btree_set(0..ROWS, 0..200),
        ) {
            let rows = |mask: &Mask| mask.rows().collect::<BTreeSet<_>>();
            let (x, y, z) = (bits(&a), bits(&b), bits(&c));
            let mut mask = Mask::of(&x);
            prop_assert_eq!(rows(&mask), a.clone());
            prop_assert!(mask.rows_back().eq(a.iter().rev().copied()));
            prop_assert_eq!(rows(&Mask::from_fn(|row| x.get(row))), a.clone());
            prop_assert!((0..ROWS).all(|row| mask.has(row) == a.contains(&row)));
            prop_assert_eq!(mask.count(), a.len());
            prop_assert_eq!(mask.count_with(&y), a.intersection(&b).count());
            mask.and(&y);
            prop_assert_eq!(rows(&mask), a.intersection(&b).copied().collect());
            let mut mask = Mask::of(&x);
            mask.and_not(&y);
            prop_assert_eq!(rows(&mask), a.difference(&b).copied().collect());
            let mut mask = Mask::of(&x);
            mask.and_any([&y, &z].into_iter());
            let either: BTreeSet<_> = b.union(&c).copied().collect();
            prop_assert_eq!(rows(&mask), a.intersection(&either).copied().collect());
            let mut mask = Mask::of(&x);
            mask.and_differing(&y, Some(&z));
            let differing: BTreeSet<_> = b.symmetric_difference(&c).copied().collect();
            prop_assert_eq!(rows(&mask), a.intersection(&differing).copied().collect());
            mask.retain(|row| row % 2 == 0);
            prop_assert!(mask.rows().all(|row| row % 2 == 0));
            x.clear(*a.iter().next().unwrap_or(&0));
            prop_assert_eq!(Mask::of(&x).count(), a.len().saturating_sub(1));
        }
    }

    #[test]
    fn a_set_of_numbers_is_the_same_in_whatever_order_it_was_made() {
        let numbers: Numbers = [700, 3, 64].into_iter().collect();
        assert_eq!(numbers, [3, 64, 64, 700].into_iter().collect());
        assert!((0..1_000).all(|n| numbers.has(n) == [3, 64, 700].contains(&n)));
        assert_eq!(Numbers::default(), [].into_iter().collect());
    }
}
