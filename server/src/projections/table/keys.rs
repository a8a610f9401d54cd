//! Exact keys: from an identifier, a digest or an organisation to the rows that have it. The whole key is kept and compared, so no two keys can be
//! taken for one another, and a look-up reads nothing from the disk.

use casebroker_proto::v1::Digest;

use super::{cells::Cells, growing::Names};

/// Bytes of a key that are kept in place.
const IN_PLACE: usize = 38;

/// What the key of an organisation begins with.
const ORGANIZATION: u8 = u8::MAX;

/// A key: what it is of, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A short one; the first number is its length.
    Short(u8, [u8; IN_PLACE]),
    /// A long one.
    Long(Box<[u8]>),
}

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
        let whole = [&[kind], bytes].concat();
        Self::from_bytes(&whole)
    }

    /// From the bytes that [`AsRef`] gives.
    pub fn from_bytes(whole: &[u8]) -> Self {
        let mut short = [0; IN_PLACE];
        match (short.get_mut(..whole.len()), u8::try_from(whole.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(whole);
                Self::Short(length, short)
            }
            _ => Self::Long(whole.into()),
        }
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

/// Which rows have which key.
#[derive(Debug)]
pub struct Keys {
    names: Names<Key>,
    /// By the number of a key: its newest posting, counted from 1.
    heads: Cells,
    /// A row and the posting before it, 32 bits each.
    postings: Cells,
}

impl Default for Keys {
    fn default() -> Self {
        let (heads, postings) = (Cells::default(), Cells::default());
        // Numbers count from 1.
        heads.push(0);
        postings.push(0);
        Self {
            names: Names::default(),
            heads,
            postings,
        }
    }
}

impl Keys {
    /// Says that a row has a key. For the one thread that writes.
    pub fn add(&self, key: &Key, row: u32) {
        let number = u64::from(self.names.number(key.as_ref(), || key.clone()));
        if number == self.heads.count() {
            self.heads.push(0);
        }
        let before = self.heads.get(number);
        let posting = self.postings.push(u64::from(row) << 32 | before);
        self.heads.set(number, posting);
    }

    /// The rows that have a key or ever had it, newest first.
    pub fn rows(&self, key: &Key) -> impl Iterator<Item = u32> {
        self.of(self.names.find(key.as_ref()))
    }

    fn of(&self, number: u32) -> impl Iterator<Item = u32> {
        let mut next = match number {
            0 => 0,
            number => self.heads.get(u64::from(number)),
        };
        let postings = self.postings.view();
        std::iter::from_fn(move || {
            (next != 0).then(|| {
                let posting = postings.get(next);
                next = posting & u64::from(u32::MAX);
                (posting >> 32) as u32
            })
        })
    }

    /// Every key with its rows, oldest first, for a snapshot: rows below `rows` alone.
    pub fn all(&self, rows: u32) -> impl Iterator<Item = (Key, Vec<u32>)> + '_ {
        (1..=self.names.count()).filter_map(move |number| {
            let key = self.names.with(number, Key::clone)?;
            let mut of_key: Vec<_> = self.of(number).filter(|row| *row < rows).collect();
            of_key.reverse();
            (!of_key.is_empty()).then_some((key, of_key))
        })
    }
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
        assert_eq!(
            keys.all(1_000).map(|(_, rows)| rows.len()).sum::<usize>(),
            1_000
        );
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
        for length in [0, 1, IN_PLACE - 1, IN_PLACE, IN_PLACE + 1, 64] {
            let key = digest(3, &vec![7; length]);
            assert_eq!(key.as_ref().len(), length + 1);
            assert_eq!(Key::from_bytes(key.as_ref()), key);
        }
    }
}
