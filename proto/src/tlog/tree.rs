//! Where the nodes of a tree are: levels, indexes, and their place in one append-only file.
//!
//! Node `(level, index)` is the root of the complete subtree over the 2^level leaves beginning at `index * 2^level`.
//! Only complete nodes are ever stored, because they never change; what hangs over the right edge is computed when needed.
//! A node is stored right after the last leaf below it, lower levels first: the layout of the Go checksum database
//! (`golang.org/x/mod/sumdb/tlog`). So a log's hashes only ever get appended, and each has a place known in advance:
//!
//! ```text
//! place   0 1 2   3 4 5  6   7
//! node    0 1 0-1 2 3 2-3 0-3 4
//! ```

use super::hash::{Hash, node_hash};

/// Largest tree that is built or proved over, in leaves: as with other implementations, a size fits a signed 64-bit number.
/// Verification knows no such limit.
pub const MAX_TREE_SIZE: u64 = i64::MAX as u64;

/// Something that holds the complete nodes of a tree.
pub trait HashReader {
    /// Why a node cannot be read.
    type Error;

    /// Hash of the complete node at `level` (0 is the leaves) and `index` (zero-based, in its level). It is asked only for
    /// nodes that are complete at the tree size in question.
    fn read(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

impl<R: HashReader + ?Sized> HashReader for &R {
    type Error = R::Error;

    fn read(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        (**self).read(level, index)
    }
}

/// A reader that holds a part of a tree was asked for a node outside of that part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree node at level {level}, index {index} is not among the nodes held")]
pub struct MissingNode {
    /// Level asked for.
    pub level: u8,
    /// Index in the level.
    pub index: u64,
}

/// Why a root or a proof cannot be computed. `E` is the [`HashReader`]'s own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError<E> {
    /// The tree has no such leaf.
    #[error("a tree of {size} leaves has no leaf {index}")]
    IndexOutOfRange {
        /// Leaf asked for, zero-based.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The tree said to be the newer is the smaller one.
    #[error("a tree of {new} leaves does not extend one of {old} leaves")]
    Shrinks {
        /// Leaves in the older tree.
        old: u64,
        /// Leaves in the newer tree.
        new: u64,
    },
    /// RFC 9162 section 2.1.4 defines no consistency proof from the empty tree: every tree extends it.
    #[error("there is no consistency proof from the empty tree")]
    EmptyOld,
    /// More leaves than [`MAX_TREE_SIZE`].
    #[error("a tree of {size} leaves is beyond the limit of {MAX_TREE_SIZE}")]
    TooLarge {
        /// Leaves asked for.
        size: u64,
    },
    /// The reader failed.
    #[error("cannot read the tree node at level {level}, index {index}")]
    Read {
        /// Level of the node.
        level: u8,
        /// Index in the level.
        index: u64,
        /// What the reader said.
        source: E,
    },
}

/// Place of a node in the file of hashes, counted in hashes. Constant time.
///
/// A place that does not fit (beyond 2^63 leaves) saturates at `u64::MAX`; no file has it.
pub const fn stored_index(level: u8, index: u64) -> u64 {
    // The last leaf below the node is the one that completes it; after that leaf come its ancestors, level by level.
    let Some(end) = index.checked_add(1) else {
        return u64::MAX;
    };
    if level as u32 > end.leading_zeros() {
        return u64::MAX;
    }
    match (end << level).checked_sub(1) {
        Some(last_leaf) => stored_count(last_leaf).saturating_add(level as u64),
        None => u64::MAX,
    }
}

/// How many hashes the file of a tree of `size` leaves holds. Constant time; saturates beyond 2^63 leaves.
pub const fn stored_count(size: u64) -> u64 {
    // Over its leaves, a complete subtree has one interior node less than leaves; there is one subtree for each bit set.
    size.saturating_add(size - size.count_ones() as u64)
}

/// Reads a node; an error says which.
pub(super) fn read_node<R: HashReader>(
    reader: &R,
    level: u8,
    index: u64,
) -> Result<Hash, TreeError<R::Error>> {
    reader.read(level, index).map_err(|source| TreeError::Read {
        level,
        index,
        source,
    })
}

/// Levels of a tree's peaks, lowest first. The peaks are its maximal complete subtrees, one for each bit set in its size.
pub(super) fn peak_levels(size: u64) -> impl DoubleEndedIterator<Item = u8> {
    (0..64_u8).filter(move |level| size >> level & 1 == 1)
}

/// Index, in its level, of the peak at `level`; meaningful for levels whose bit is set in `size`.
pub(super) const fn peak_index(size: u64, level: u8) -> u64 {
    // All below `level` is to the right of the peak, so it is the last complete node of its level.
    (size >> level).saturating_sub(1)
}

/// Root over the leaves to the right of the last complete node at `level`; none when no leaf is there. With a level of 64
/// it is the root of the whole tree. Costs a read and a hash for each peak below `level`.
pub(super) fn edge<R: HashReader>(
    reader: &R,
    size: u64,
    level: u8,
) -> Result<Option<Hash>, TreeError<R::Error>> {
    let mut right: Option<Hash> = None;
    for peak in peak_levels(size).take_while(|peak| *peak < level) {
        let left = read_node(reader, peak, peak_index(size, peak))?;
        right = Some(match right {
            Some(right) => node_hash(&left, &right),
            None => left,
        });
    }
    Ok(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_stored_after_their_last_leaf_and_lower_levels_first() {
        let mut place = 0;
        for leaf in 0..5000_u64 {
            assert_eq!(stored_count(leaf), place);
            for level in 0..=(leaf + 1).trailing_zeros() as u8 {
                assert_eq!(stored_index(level, leaf >> level), place, "{level}, {leaf}");
                place += 1;
            }
        }
    }

    #[test]
    fn places_at_the_end_of_the_numbers_saturate() {
        assert_eq!(stored_count(MAX_TREE_SIZE), u64::MAX - 1 - 63);
        assert_eq!(stored_count(1 << 63), u64::MAX);
        assert_eq!(stored_count(u64::MAX), u64::MAX);
        assert_eq!(stored_index(63, 0), u64::MAX - 1);
        for (level, index) in [
            (0, u64::MAX),
            (64, 0),
            (255, 0),
            (63, 1),
            (62, 5),
            (255, u64::MAX),
        ] {
            assert_eq!(stored_index(level, index), u64::MAX, "{level}, {index}");
        }
    }

    #[test]
    fn peaks_cover_the_tree_without_gap_or_overlap() {
        for size in (0..2000).chain([MAX_TREE_SIZE - 1, MAX_TREE_SIZE]) {
            let mut next_leaf = 0;
            for level in peak_levels(size).rev() {
                assert_eq!(peak_index(size, level) << level, next_leaf);
                next_leaf += 1 << level;
            }
            assert_eq!(next_leaf, size);
        }
    }
}
