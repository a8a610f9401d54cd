//! The right edge of a tree: all that is needed to append to it.

use super::{
    hash::{EMPTY_ROOT, Hash, node_hash},
    tree::{HashReader, MAX_TREE_SIZE, MissingNode, TreeError, peak_index, peak_levels, read_node},
};

/// A tree reduced to its maximal complete subtrees, a "compact range" from the first leaf: at most 64 hashes, one for
/// each bit set in the size. The default is the empty tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Highest first, as they stand from left to right. Invariant: as many as `size` has bits set.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the tree of `size` leaves that `reader` holds. Reads one node for each bit set in `size`.
    pub fn from_reader<R: HashReader>(size: u64, reader: &R) -> Result<Self, TreeError<R::Error>> {
        if size > MAX_TREE_SIZE {
            return Err(TreeError::TooLarge { size });
        }
        let peaks = peak_levels(size)
            .rev()
            .map(|level| read_node(reader, level, peak_index(size, level)))
            .collect::<Result<_, _>>()?;
        Ok(Self { size, peaks })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree. Costs one hash for each bit set in the size, less one.
    pub fn root(&self) -> Hash {
        self.peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or(EMPTY_ROOT)
    }

    /// Appends a leaf. `on_node` is told each node that is complete from now on, as level, index and hash: the leaf itself
    /// and then the interior nodes, in the order in which they are stored. Costs one hash on average, 63 at most.
    pub fn push(&mut self, leaf: Hash, mut on_node: impl FnMut(u8, u64, Hash)) {
        let (mut level, mut index, mut node) = (0, self.size, leaf);
        on_node(level, index, node);
        while index & 1 == 1 {
            // By the invariant there is one: the left sibling of an odd node is the lowest peak.
            let Some(left) = self.peaks.pop() else { break };
            node = node_hash(&left, &node);
            level += 1;
            index >>= 1;
            on_node(level, index, node);
        }
        self.peaks.push(node);
        self.size += 1;
    }
}

/// Holds its own nodes only, which is enough for the root of this tree and for nothing of another size.
impl HashReader for Frontier {
    type Error = MissingNode;

    fn read(&self, level: u8, index: u64) -> Result<Hash, MissingNode> {
        let missing = MissingNode { level, index };
        let end = self.size.checked_shr(level.into()).ok_or(missing)?;
        // A peak is the last complete node of a level with an odd number of them.
        if end & 1 == 0 || index != end - 1 {
            return Err(missing);
        }
        let higher_peaks = (end >> 1).count_ones() as usize;
        self.peaks.get(higher_peaks).copied().ok_or(missing)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::tlog::{hash::leaf_hash, tree::stored_index};

    /// The definition in RFC 6962 section 2.1, word for word and slow.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_ROOT,
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&root_by_definition(left), &root_by_definition(right))
            }
        }
    }

    #[test]
    fn pushing_gives_the_root_of_the_definition_and_nodes_in_stored_order() {
        let mut frontier = Frontier::default();
        let (mut leaves, mut stored) = (vec![], 0);
        assert_eq!(frontier.root(), EMPTY_ROOT);
        for i in 0..300_u64 {
            leaves.push(leaf_hash(&i.to_be_bytes()));
            frontier.push(leaves[leaves.len() - 1], |level, index, hash| {
                assert_eq!(stored_index(level, index), stored);
                let first = (index << level) as usize;
                assert_eq!(
                    hash,
                    root_by_definition(&leaves[first..first + (1 << level)])
                );
                stored += 1;
            });
            assert_eq!(frontier.size(), i + 1);
            assert_eq!(frontier.root(), root_by_definition(&leaves));
        }
    }

    #[test]
    fn a_frontier_read_back_from_stored_nodes_is_the_same() {
        struct Nodes(HashMap<(u8, u64), Hash>);
        impl HashReader for Nodes {
            type Error = MissingNode;
            fn read(&self, level: u8, index: u64) -> Result<Hash, MissingNode> {
                let missing = MissingNode { level, index };
                self.0.get(&(level, index)).copied().ok_or(missing)
            }
        }
        let (mut frontier, mut nodes) = (Frontier::default(), Nodes(HashMap::new()));
        for i in 0..200_u64 {
            assert_eq!(Frontier::from_reader(i, &nodes), Ok(frontier.clone()));
            assert_eq!(Frontier::from_reader(i, &frontier), Ok(frontier.clone()));
            frontier.push(leaf_hash(&i.to_be_bytes()), |level, index, hash| {
                nodes.0.insert((level, index), hash);
            });
        }
        assert!(matches!(
            Frontier::from_reader(201, &nodes),
            Err(TreeError::Read {
                level: 0,
                index: 200,
                ..
            })
        ));
    }

    #[test]
    fn a_frontier_holds_its_peaks_and_nothing_else() {
        let mut frontier = Frontier::default();
        for i in 0..11_u64 {
            frontier.push(leaf_hash(&i.to_be_bytes()), |_, _, _| {});
        }
        for level in 0..=255 {
            for index in (0..20).chain([u64::MAX - 1, u64::MAX]) {
                let is_peak = matches!((level, index), (3, 0) | (1, 4) | (0, 10));
                assert_eq!(
                    frontier.read(level, index).is_ok(),
                    is_peak,
                    "{level}, {index}"
                );
            }
        }
    }

    #[test]
    fn a_tree_beyond_the_limit_is_refused_before_anything_is_read() {
        for size in [MAX_TREE_SIZE + 1, u64::MAX] {
            assert_eq!(
                Frontier::from_reader(size, &Frontier::default()),
                Err(TreeError::TooLarge { size })
            );
        }
    }
}
