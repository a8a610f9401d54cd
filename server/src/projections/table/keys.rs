//! Exact keys: from an identifier, a digest or an organisation to the rows that have it. The whole key is kept and compared, so no two keys can be
//! taken for one another, and a look-up reads nothing from the disk.
//!
//! A key is a head and its bytes, eight in a word, one after the other in one long list of words; where it begins is its number. The
//! head has its length and, as most keys are of one row alone, that row; else the newest of its postings.

use casebroker_proto::v1::Digest;

use super::{
    cells::{Cells, View},
    growing::{Index, words},
};

/// What the key of an organisation begins with.
const ORGANIZATION: u8 = u8::MAX;
/// Shards of the look-up: one of ten million keys has a few thousand.
const SHARDS: usize = 4_096;

/// A key: what it is of, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl Key {
    /// Of an identifier in its normal form.
    pub fn identifier(form: &str) -> Self {
        Self::new(0, form.as_bytes())
    }

    /// Of a digest of evidence.
    pub fn digest(digest: &Digest) -> Self {
        // Identifiers are 0; the algorithms of the contract begin at 1.
        let kind = u8::try_from(digest.algorithm).unwrap_or(0);
        Self::new(kind.clamp(1, ORGANIZATION - 1), &digest.value)
    }

    /// Of an organisation in its normal form.
    pub fn organization(form: &str) -> Self {
        Self::new(ORGANIZATION, form.as_bytes())
    }

    /// Of a text that stands alone in its index.
    pub fn text(form: &str) -> Self {
        Self::new(0, form.as_bytes())
    }

    fn new(kind: u8, bytes: &[u8]) -> Self {
        Self([&[kind], bytes].concat().into())
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Which rows have which key.
#[derive(Debug)]
pub struct Keys {
    index: Index,
    keys: Cells,
    /// A row and the posting before it, 32 bits each.
    postings: Cells,
}

/// What a key begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// Its length in bytes.
    length: u32,
    rows: Of,
}

/// The rows of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// This one alone.
    One(u32),
    /// Those of a posting and of all before it.
    Posting(u32),
}

/// In a head: it has a row, not a posting.
const ONE: u64 = 1 << 63;
/// Longest key in bytes; an entry of the journal is shorter.
const LONGEST: u32 = (1 << 31) - 1;

impl Head {
    fn from_word(word: u64) -> Self {
        let (length, low) = ((word >> 32) as u32 & LONGEST, word as u32);
        let rows = match word & ONE {
            0 => Of::Posting(low),
            _ => Of::One(low),
        };
        Self { length, rows }
    }

    fn word(self) -> u64 {
        let rows = match self.rows {
            Of::One(row) => ONE | u64::from(row),
            Of::Posting(posting) => u64::from(posting),
        };
        u64::from(self.length) << 32 | rows
    }

    /// Words of its bytes.
    fn words(self) -> u64 {
        u64::from(self.length.div_ceil(8))
    }
}

/// A posting as its word has it: a row, and the posting before it; 0 for none.
fn posting(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

impl Default for Keys {
    fn default() -> Self {
        let postings = Cells::default();
        // 0 stands for none.
        postings.push(0);
        Self {
            index: Index::new(SHARDS),
            keys: Cells::default(),
            postings,
        }
    }
}

impl Keys {
    /// Whether there is room for keys with so many bytes in all: keys and postings are counted by 32 bits.
    pub fn has_room(&self, keys: &[Key]) -> bool {
        let words = keys.iter().map(|key| 1 + key.0.len().div_ceil(8) as u64);
        let (keys_end, postings_end) = (
            self.keys.count() + words.sum::<u64>(),
            self.postings.count() + 2 * keys.len() as u64,
        );
        let short = |key: &Key| u32::try_from(key.0.len()).is_ok_and(|length| length <= LONGEST);
        keys_end.max(postings_end) <= u64::from(u32::MAX) && keys.iter().all(short)
    }

    /// Says that a row has a key, if there is room for it. For the one thread that writes; rows come in order.
    pub fn add(&self, key: &Key, row: u32) {
        let bytes = key.as_ref();
        let hash = self.index.hash(words(bytes));
        match self.number(hash, bytes) {
            Some(number) => {
                let number = u64::from(number);
                let head = Head::from_word(self.keys.get(number));
                let before = match head.rows {
                    Of::Posting(posting) => u64::from(posting),
                    Of::One(first) => self.postings.push(u64::from(first) << 32),
                };
                let posting = self.postings.push(u64::from(row) << 32 | before) as u32;
                let rows = Of::Posting(posting);
                self.keys.set(number, Head { rows, ..head }.word());
            }
            None => {
                let head = Head {
                    length: bytes.len() as u32,
                    rows: Of::One(row),
                };
                let of_key = std::iter::once(head.word()).chain(words(bytes).skip(1));
                let number = self.keys.extend(of_key) as u32;
                let keys = self.keys.view();
                self.index
                    .add(hash, number, |number| hash_of(&self.index, &keys, number));
            }
        }
    }

    /// The rows that have a key or ever had it, newest first.
    pub fn rows(&self, key: &Key) -> impl Iterator<Item = u32> + use<> {
        let bytes = key.as_ref();
        let number = self.number(self.index.hash(words(bytes)), bytes);
        let head = number.map(|number| Head::from_word(self.keys.get(u64::from(number))));
        let (one, mut next) = match head.map(|head| head.rows) {
            None => (None, 0),
            Some(Of::One(row)) => (Some(row), 0),
            Some(Of::Posting(posting)) => (None, posting),
        };
        let postings = self.postings.view();
        let more = std::iter::from_fn(move || {
            (next != 0).then(|| {
                let (row, before) = posting(postings.get(u64::from(next)));
                next = before;
                row
            })
        });
        one.into_iter().chain(more)
    }

    fn number(&self, hash: u64, bytes: &[u8]) -> Option<u32> {
        let keys = self.keys.view();
        let is = |number| text_of(&keys, number).eq(words(bytes));
        self.index.find(hash, is)
    }

    /// All keys as they were when there were so many rows: what [`Self::load`] takes, for a snapshot.
    pub fn saved(&self, rows: u32) -> impl Iterator<Item = u64> + '_ {
        let (keys, count) = (self.keys.view(), self.keys.count());
        let (mut at, mut rest) = (0, 0);
        std::iter::from_fn(move || {
            if at >= count {
                return None;
            }
            let word = keys.get(at);
            at += 1;
            if rest > 0 {
                rest -= 1;
                return Some(word);
            }
            let head = Head::from_word(word);
            // Keys are in the order of their first rows, so all that follow are of later ones, too.
            let Some(then) = self.then(head.rows, rows) else {
                at = count;
                return None;
            };
            rest = head.words();
            Some(Head { rows: then, ..head }.word())
        })
    }

    /// What a head had when there were so many rows.
    fn then(&self, of: Of, rows: u32) -> Option<Of> {
        let mut next = match of {
            Of::One(row) => return (row < rows).then_some(of),
            Of::Posting(posting) => posting,
        };
        while next != 0 {
            match posting(self.postings.get(u64::from(next))) {
                (row, before) if row >= rows => next = before,
                // This one may have been posted when another came.
                (row, 0) => return Some(Of::One(row)),
                _ => return Some(Of::Posting(next)),
            }
        }
        None
    }

    /// All postings of that time but the first, which is none.
    pub fn saved_postings(&self, rows: u32) -> impl Iterator<Item = u64> + '_ {
        let postings = (1..self.postings.count()).map(|at| self.postings.get(at));
        postings.take_while(move |word| posting(*word).0 < rows)
    }

    /// Adds postings that a snapshot holds, all of them before any key; false if they cannot be such.
    #[must_use]
    pub fn load_postings(&mut self, saved: &[u64]) -> bool {
        let mut at = self.postings.count();
        // So no list goes round.
        let earlier = saved.iter().all(|word| {
            let is_earlier = u64::from(posting(*word).1) < at;
            at += 1;
            is_earlier
        });
        self.postings.extend(saved.iter().copied());
        earlier && at <= u64::from(u32::MAX)
    }

    /// Adds words of keys that a snapshot holds. They are not found before [`Self::link`].
    pub fn load(&mut self, saved: &[u64]) {
        self.keys.extend(saved.iter().copied());
    }

    /// Makes what was loaded known; false if it cannot be keys.
    #[must_use]
    pub fn link(&mut self) -> bool {
        let (keys, count) = (self.keys.view(), self.keys.count());
        let postings = self.postings.count();
        let known = |(_, head): (u64, Head)| match head.rows {
            Of::One(_) => true,
            Of::Posting(posting) => u64::from(posting) < postings,
        };
        let end = heads(&keys, count).last();
        let end = end.map_or(0, |(number, head)| number + 1 + head.words());
        if end != count || end > u64::from(u32::MAX) || !heads(&keys, count).all(known) {
            return false;
        }
        let numbers = heads(&keys, count).map(|(number, _)| number as u32);
        self.index.fill(numbers, |number| text_of(&keys, number));
        true
    }
}

/// Where each key begins, and its head.
fn heads(keys: &View, count: u64) -> impl Iterator<Item = (u64, Head)> + Clone + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let at = next;
        let head = (at < count).then(|| Head::from_word(keys.get(at)))?;
        next += 1 + head.words();
        Some((at, head))
    })
}

fn text_of(keys: &View, number: u32) -> impl Iterator<Item = u64> + '_ {
    let number = u64::from(number);
    let head = Head::from_word(keys.get(number));
    let bytes = number + 1..=number + head.words();
    std::iter::once(u64::from(head.length)).chain(bytes.map(|at| keys.get(at)))
}

fn hash_of(index: &Index, keys: &View, number: u32) -> u64 {
    index.hash(text_of(keys, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_all_its_rows_and_to_no_others() {
        let keys = Keys::default();
        let long = "x".repeat(200);
        let of = |n: u32| match n % 3 {
            0 => Key::identifier("same"),
            1 => Key::identifier(&format!("number {n}")),
            _ => Key::identifier(&format!("{long}{n}")),
        };
        for row in 0..3_000 {
            keys.add(&of(row), row);
        }
        let rows = |key: &Key| keys.rows(key).collect::<Vec<_>>();
        let same: Vec<_> = (0..3_000).rev().filter(|n| n % 3 == 0).collect();
        assert_eq!(rows(&of(0)), same);
        assert_eq!(rows(&of(1)), [1]);
        assert_eq!(rows(&of(2_999)), [2_999]);
        assert!(rows(&Key::identifier(&long)).is_empty());
        assert!(rows(&Key::identifier("other")).is_empty());
        for then in [0, 1, 2, 3, 1_000, 3_000] {
            let mut restored = Keys::default();
            let postings: Vec<_> = keys.saved_postings(then).collect();
            assert!(restored.load_postings(&postings));
            restored.load(&keys.saved(then).collect::<Vec<_>>());
            assert!(restored.link());
            for row in (0..3_000).step_by(7) {
                let expected = rows(&of(row)).into_iter().filter(|row| *row < then);
                let restored: Vec<_> = restored.rows(&of(row)).collect();
                assert_eq!(restored, expected.collect::<Vec<_>>(), "{row} of {then}");
            }
        }
    }

    #[test]
    fn words_that_cannot_be_keys_are_not_taken() {
        let loaded = |postings: &[u64], words: &[u64]| {
            let mut keys = Keys::default();
            let taken = keys.load_postings(postings);
            keys.load(words);
            taken && keys.link()
        };
        let head = |length, rows| Head { length, rows }.word();
        assert!(loaded(&[], &[head(3, Of::One(1)), 7]));
        assert!(loaded(&[5 << 32], &[head(3, Of::Posting(1)), 7]));
        assert!(!loaded(&[], &[head(9, Of::One(1)), 7]));
        assert!(!loaded(&[], &[head(3, Of::Posting(1)), 7]));
        assert!(!loaded(&[5 << 32 | 1], &[]));
    }

    #[test]
    fn keys_of_different_kinds_are_different() {
        let digest = |algorithm, value: &[u8]| {
            Key::digest(&Digest {
                algorithm,
                value: value.to_vec(),
            })
        };
        assert_ne!(digest(1, b"abc"), Key::identifier("abc"));
        assert_ne!(digest(1, b"abc"), digest(2, b"abc"));
        assert_ne!(digest(0, b"abc"), Key::identifier("abc"));
        let keys = Keys::default();
        let all = [0, 1, 6, 7, 8, 64].map(|length| digest(3, &vec![0; length]));
        for (key, row) in all.iter().zip(0..) {
            keys.add(key, row);
        }
        for (key, row) in all.iter().zip(0..) {
            assert_eq!(keys.rows(key).collect::<Vec<_>>(), [row]);
        }
    }
}
