//! Keys of the rows that were written last, short: whoever holds new rows against many filters need not look up what each asks for.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::keys::Key;

/// Rows whose keys are kept.
const ROWS: usize = 8_192;

/// Checksums of the keys of the last rows.
#[derive(Debug, Default)]
pub(super) struct LastKeys(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    /// Number of the first row.
    first: u32,
    rows: VecDeque<Box<[u32]>>,
}

impl LastKeys {
    /// What stands for a key: the same for the same key, and seldom for another.
    pub(super) fn short(key: &Key) -> u32 {
        crc32c::crc32c(key.as_ref())
    }

    /// Says which keys a new row has.
    pub(super) fn put(&self, row: u32, keys: &[Key]) {
        let keys = keys.iter().map(Self::short).collect();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.rows.len() == ROWS {
            last.rows.pop_front();
            last.first += 1;
        }
        if u64::from(last.first) + last.rows.len() as u64 != u64::from(row) {
            // Rows came by another way.
            last.rows.clear();
        }
        if last.rows.is_empty() {
            last.first = row;
        }
        last.rows.push_back(keys);
    }

    /// What stands for the keys of a row; `None` if it is not one of the last.
    pub(super) fn with<R>(&self, row: u32, use_keys: impl FnOnce(&[u32]) -> R) -> Option<R> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = row.checked_sub(last.first)?;
        last.rows.get(at as usize).map(|keys| use_keys(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_the_last_rows_are_known_and_those_of_others_are_not() {
        let keys = LastKeys::default();
        let key = |row: u32| Key::text(&format!("key {row}"));
        let known = |row: u32| keys.with(row, |found| found == [LastKeys::short(&key(row))]);
        let rows = ROWS as u32;
        for row in 5..rows + 15 {
            keys.put(row, &[key(row)]);
        }
        assert_eq!([4, 14].map(known), [None, None]);
        assert_eq!([15, rows, rows + 14].map(known), [Some(true); 3]);
        assert_eq!(known(rows + 15), None);
        keys.put(2 * rows, &[key(2 * rows)]);
        assert_eq!(known(rows + 14), None);
        assert_eq!(known(2 * rows), Some(true));
    }
}
