//! Inclusion and consistency proofs: made as RFC 6962 section 2.1 defines them, verified by the algorithms of RFC 9162
//! sections 2.1.3.2 and 2.1.4.2.
//!
//! Both kinds of proof are one walk: from a complete node up to the root, taking the sibling at each level. A sibling is
//! either a complete node or what hangs over the right edge, and there is no sibling where a node is the last of its level
//! with nothing to its right; then it stands for its own parent.

use super::{
    hash::{EMPTY_ROOT, Hash, node_hash},
    tree::{HashReader, MAX_TREE_SIZE, TreeError, edge, read_node},
};

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such leaf.
    #[error("a tree of {size} leaves has no leaf {index}")]
    IndexOutOfRange {
        /// Leaf claimed, zero-based.
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
    /// Nothing can be proved from the empty tree.
    #[error("there is no consistency proof from the empty tree")]
    EmptyOld,
    /// Hashes are missing at the end.
    #[error("the proof of {found} hashes is too short for these tree sizes")]
    TooShort {
        /// Hashes in the proof.
        found: usize,
    },
    /// Hashes are left over.
    #[error("the proof of {found} hashes is too long for these tree sizes")]
    TooLong {
        /// Hashes in the proof.
        found: usize,
    },
    /// The proof leads to another root than the tree's.
    #[error("the proof leads to another root than that of the tree of {size} leaves")]
    RootMismatch {
        /// Leaves in the tree whose root differs.
        size: u64,
    },
}

/// Root of the first `size` leaves that `reader` holds; [`EMPTY_ROOT`] for none. Reads one node for each bit set in `size`.
pub fn root<R: HashReader>(reader: &R, size: u64) -> Result<Hash, TreeError<R::Error>> {
    check_size(size)?;
    Ok(edge(reader, size, 64)?.unwrap_or(EMPTY_ROOT))
}

/// Inclusion proof of leaf `index` in the tree of the first `size` leaves: from the leaf's sibling up to the root's child
/// (RFC 6962 section 2.1.1). Empty for the only leaf of a tree. At most 2 log2(size) reads.
pub fn inclusion_proof<R: HashReader>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    inclusion_path(reader, index, size, |level| edge_at(reader, size, level))
}

/// Consistency proof between the trees of the first `old` and the first `new` leaves (RFC 6962 section 2.1.2).
///
/// With `old == new` it is empty, which is what the RFC's SUBPROOF(m, D\[m\], true) says. With `old == 0` there is none.
pub fn consistency_proof<R: HashReader>(
    reader: &R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    check_size(new)?;
    if old > new {
        return Err(TreeError::Shrinks { old, new });
    }
    if old == 0 {
        return Err(TreeError::EmptyOld);
    }
    if old == new {
        return Ok(Vec::new());
    }
    // The lowest peak of the old tree is the largest subtree that ends where the old tree ended. Everything that makes
    // either root lies on the way up from it.
    let level = old.trailing_zeros() as u8;
    let index = (old >> level) - 1;
    let mut proof = Vec::new();
    if index > 0 {
        proof.push(read_node(reader, level, index)?);
    }
    // Otherwise the old tree is that subtree, and the verifier knows its root.
    path(
        reader,
        (level, index),
        new,
        |level| edge_at(reader, new, level),
        &mut proof,
    )?;
    Ok(proof)
}

/// Checks that `leaf` (a leaf hash) is the leaf `index` of the tree with `size` leaves and this `root`, by RFC 9162
/// section 2.1.3.2. An index beyond the tree, a hash too few or too many, or another root is refused. Takes any `u64`; does
/// at most 64 hashes, however long the proof.
///
/// Size and root must come from one checkpoint: the root alone fixes leaf and index, not the size. The first leaf of a tree
/// of three has the same proof as that of a tree of four with the same root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let found = proof.len();
    let mut climb = Climb {
        node: index,
        last: size - 1,
    };
    let mut computed = *leaf;
    for sibling in proof {
        computed = match climb.step().ok_or(ProofError::TooLong { found })? {
            Side::Left => node_hash(sibling, &computed),
            Side::Right => node_hash(&computed, sibling),
        };
    }
    if !climb.at_root() {
        return Err(ProofError::TooShort { found });
    }
    if computed != *root {
        return Err(ProofError::RootMismatch { size });
    }
    Ok(())
}

/// Checks that the tree of `new_size` leaves and `new_root` begins with the leaves of the tree of `old_size` and `old_root`,
/// by RFC 9162 section 2.1.4.2. Takes any `u64`; does at most 128 hashes, however long the proof.
///
/// That section is for 0 < old < new. Equal sizes are accepted with an empty proof and equal roots, the proof that section
/// 2.1.4.1 gives for them. An old size of 0 is always refused: every tree extends the empty one, so a proof of it would say
/// nothing, and a caller who knows nothing yet must decide for itself to trust the first checkpoint.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Shrinks {
            old: old_size,
            new: new_size,
        });
    }
    if old_size == 0 {
        return Err(ProofError::EmptyOld);
    }
    let found = proof.len();
    if old_size == new_size {
        return match (found, old_root == new_root) {
            (0, true) => Ok(()),
            (0, false) => Err(ProofError::RootMismatch { size: new_size }),
            _ => Err(ProofError::TooLong { found }),
        };
    }
    // As when the proof is made: begin at the lowest peak of the old tree, which is sent unless it is the whole old tree.
    let (start, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::TooShort { found })?
    };
    let level = old_size.trailing_zeros();
    let mut climb = Climb {
        node: (old_size - 1) >> level,
        last: (new_size - 1) >> level,
    };
    let (mut old, mut new) = (*start, *start);
    for sibling in rest {
        match climb.step().ok_or(ProofError::TooLong { found })? {
            // What is to the left was there already, so it is part of both roots; what is to the right is new.
            Side::Left => {
                old = node_hash(sibling, &old);
                new = node_hash(sibling, &new);
            }
            Side::Right => new = node_hash(&new, sibling),
        }
    }
    if !climb.at_root() {
        return Err(ProofError::TooShort { found });
    }
    if old != *old_root {
        return Err(ProofError::RootMismatch { size: old_size });
    }
    if new != *new_root {
        return Err(ProofError::RootMismatch { size: new_size });
    }
    Ok(())
}

/// [`inclusion_proof`] for callers that know the root of what hangs over the right edge of a level.
pub(super) fn inclusion_path<R: HashReader>(
    reader: &R,
    index: u64,
    size: u64,
    edge: impl Fn(u8) -> Result<Hash, TreeError<R::Error>>,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    check_size(size)?;
    if index >= size {
        return Err(TreeError::IndexOutOfRange { index, size });
    }
    let mut proof = Vec::with_capacity(64 - (size - 1).leading_zeros() as usize);
    path(reader, (0, index), size, edge, &mut proof)?;
    Ok(proof)
}

/// Siblings from a complete node up to the root of the tree of `size` leaves. `edge` is asked at most once.
fn path<R: HashReader>(
    reader: &R,
    (mut level, mut index): (u8, u64),
    size: u64,
    edge: impl Fn(u8) -> Result<Hash, TreeError<R::Error>>,
    proof: &mut Vec<Hash>,
) -> Result<(), TreeError<R::Error>> {
    // The size is checked, so its last leaf is below 2^63 and the loop ends before a shift could overflow.
    let last_leaf = size.saturating_sub(1);
    while last_leaf >> level > 0 {
        let sibling = index ^ 1;
        if sibling < size >> level {
            proof.push(read_node(reader, level, sibling)?);
        } else if sibling == last_leaf >> level {
            proof.push(edge(level)?);
        }
        level += 1;
        index >>= 1;
    }
    Ok(())
}

/// The edge at a level that is known to have one.
fn edge_at<R: HashReader>(reader: &R, size: u64, level: u8) -> Result<Hash, TreeError<R::Error>> {
    Ok(edge(reader, size, level)?.unwrap_or(EMPTY_ROOT))
}

fn check_size<E>(size: u64) -> Result<(), TreeError<E>> {
    if size > MAX_TREE_SIZE {
        return Err(TreeError::TooLarge { size });
    }
    Ok(())
}

/// On which side of the node the sibling stands.
enum Side {
    Left,
    Right,
}

/// The way from a node to the root: `fn` and `sn` of RFC 9162, indexes in one level of the node and of the last node there.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Goes up past the next sibling; none when there is nothing above.
    fn step(&mut self) -> Option<Side> {
        if self.at_root() {
            return None;
        }
        if self.node == self.last {
            // The last node of a level has nothing to its right: it stands for its parents up to where it is a right child.
            // Being above 0, it has a bit set.
            let levels = self.node.trailing_zeros();
            self.node >>= levels;
            self.last >>= levels;
        }
        let side = if self.node & 1 == 1 {
            Side::Left
        } else {
            Side::Right
        };
        self.node >>= 1;
        self.last >>= 1;
        Some(side)
    }

    fn at_root(&self) -> bool {
        self.last == 0
    }
}

#[cfg(test)]
mod tests;
