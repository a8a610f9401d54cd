//! A group of leaves appended to a tree: its new nodes, its root and its members' proofs, without reading the old tree.

use super::{
    frontier::Frontier,
    hash::{EMPTY_ROOT, Hash, node_hash},
    proof,
    tree::{HashReader, MissingNode, TreeError, stored_count, stored_index},
};

/// What a group of new leaves makes of a tree.
///
/// It holds the old frontier's nodes and the new ones, and those are enough for three things: the new root, the inclusion
/// proof of each leaf of the group in the new tree, and the consistency proof from the old tree to the new one. For: the
/// left sibling of a node over a new leaf is either new itself, or was a peak of the old tree, since its parent was not
/// complete then; and whatever is to the right of a new leaf is new.
///
/// Cost for `k` leaves on a tree of `n`: `k` + O(log n) hashes and one allocation of less than `2k + 64` hashes when it is
/// made; O(log n) look-ups in a flat vector, no hashing and one allocation for each [`Extension::inclusion_proof`].
#[derive(Debug, Clone)]
pub struct Extension {
    old: Frontier,
    new: Frontier,
    /// All nodes that the group completed, in stored order.
    nodes: Vec<Hash>,
    /// At each level, the root over the leaves to the right of the last complete node; where there are none, unused.
    /// Every proof that meets the right edge needs one of them, and they are the same for all.
    edges: Vec<Hash>,
    root: Hash,
}

impl Extension {
    /// Appends `leaves` (leaf hashes, see [`super::hash::leaf_hash`]) to the tree that `frontier` ends. No leaf is fine.
    pub fn new(frontier: &Frontier, leaves: impl IntoIterator<Item = Hash>) -> Self {
        let leaves = leaves.into_iter();
        let old = frontier.clone();
        let mut new = frontier.clone();
        let mut nodes = Vec::with_capacity(2 * leaves.size_hint().0 + 64);
        for leaf in leaves {
            new.push(leaf, |_, _, node| nodes.push(node));
        }
        let (edges, root) = edges(&new);
        Self {
            old,
            new,
            nodes,
            edges,
            root,
        }
    }

    /// Number of leaves before the group, which is the index of its first leaf.
    pub fn old_size(&self) -> u64 {
        self.old.size()
    }

    /// Number of leaves with the group.
    pub fn size(&self) -> u64 {
        self.new.size()
    }

    /// Root of the tree with the group. Already computed.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// Frontier of the tree with the group, to append the next group to.
    pub fn frontier(&self) -> &Frontier {
        &self.new
    }

    /// The same, by value.
    pub fn into_frontier(self) -> Frontier {
        self.new
    }

    /// Nodes that the group completed, in stored order: what to append to the file of hashes.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Place of the first of [`Extension::nodes`] in the file of hashes, counted in hashes.
    pub fn first_stored_index(&self) -> u64 {
        stored_count(self.old.size())
    }

    /// Inclusion proof of leaf `index` in the tree with the group. For the leaves of the group; of an older leaf it fails
    /// with [`TreeError::Read`], as the nodes beside it are not held.
    pub fn inclusion_proof(&self, index: u64) -> Result<Vec<Hash>, TreeError<MissingNode>> {
        let size = self.size();
        proof::inclusion_path(self, index, size, |level| {
            let index = size >> level;
            let source = MissingNode { level, index };
            let edge = self.edges.get(usize::from(level)).copied();
            edge.ok_or(TreeError::Read {
                level,
                index,
                source,
            })
        })
    }
}

/// Holds the old frontier's nodes and those that the group completed.
impl HashReader for Extension {
    type Error = MissingNode;

    fn read(&self, level: u8, index: u64) -> Result<Hash, MissingNode> {
        match stored_index(level, index).checked_sub(self.first_stored_index()) {
            Some(place) => usize::try_from(place)
                .ok()
                .and_then(|place| self.nodes.get(place))
                .copied()
                .ok_or(MissingNode { level, index }),
            None => self.old.read(level, index),
        }
    }
}

/// The edges at each level of the tree (see [`Extension`]), and its root.
fn edges(frontier: &Frontier) -> (Vec<Hash>, Hash) {
    let size = frontier.size();
    let mut edges = Vec::with_capacity(64);
    let mut right: Option<Hash> = None;
    let mut level = 0;
    while level < 64 && size >> level > 0 {
        edges.push(right.unwrap_or(EMPTY_ROOT));
        // Levels without a peak answer "missing": what hangs over is the same one level up.
        if let Ok(left) = frontier.read(level, (size >> level) - 1) {
            right = Some(match right {
                Some(right) => node_hash(&left, &right),
                None => left,
            });
        }
        level += 1;
    }
    (edges, right.unwrap_or(EMPTY_ROOT))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tlog::{
        hash::leaf_hash,
        proof::{consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion},
    };

    fn leaf(i: u64) -> Hash {
        leaf_hash(&i.to_be_bytes())
    }

    /// Everything that must hold of `added` leaves on a tree of `old` leaves.
    fn check(old: u64, added: u64) {
        let mut stored = vec![];
        let mut frontier = Frontier::default();
        for i in 0..old {
            frontier.push(leaf(i), |_, _, node| stored.push(node));
        }
        let old_root = frontier.root();
        let extension = Extension::new(&frontier, (old..old + added).map(leaf));
        assert_eq!(extension.old_size(), old);
        assert_eq!(extension.size(), old + added);
        assert_eq!(extension.first_stored_index(), stored.len() as u64);

        for i in old..old + added {
            frontier.push(leaf(i), |_, _, node| stored.push(node));
        }
        assert_eq!(
            extension.nodes(),
            &stored[extension.first_stored_index() as usize..]
        );
        assert_eq!(extension.frontier(), &frontier);
        let size = extension.size();
        assert_eq!(extension.root(), frontier.root());
        assert_eq!(root(&extension, size), Ok(extension.root()));

        for index in old..size {
            let proof = extension.inclusion_proof(index).unwrap();
            assert_eq!(inclusion_proof(&extension, index, size), Ok(proof.clone()));
            verify_inclusion(&leaf(index), index, size, &proof, &extension.root()).unwrap();
        }
        assert_eq!(
            extension.inclusion_proof(size),
            Err(TreeError::IndexOutOfRange { index: size, size })
        );
        if old > 0 {
            let proof = consistency_proof(&extension, old, size).unwrap();
            verify_consistency(old, &old_root, size, &extension.root(), &proof).unwrap();
        }
    }

    #[test]
    fn a_group_proves_its_leaves_and_its_consistency_without_the_old_tree() {
        for old in 0..70 {
            for added in 0..70 {
                check(old, added);
            }
        }
    }

    #[test]
    fn older_leaves_are_refused_and_not_proved_wrongly() {
        let mut frontier = Frontier::default();
        for i in 0..21 {
            frontier.push(leaf(i), |_, _, _| {});
        }
        let extension = Extension::new(&frontier, (21..40).map(leaf));
        for index in 0..20 {
            match extension.inclusion_proof(index) {
                Err(TreeError::Read { .. }) => {}
                other => panic!("leaf {index}: {other:?}"),
            }
        }
        // The last old leaf is a peak's only leaf here, so its siblings are all held.
        let proof = extension.inclusion_proof(20).unwrap();
        verify_inclusion(&leaf(20), 20, 40, &proof, &extension.root()).unwrap();
    }

    #[test]
    fn nodes_outside_are_missing_at_any_number() {
        let extension = Extension::new(&Frontier::default(), (0..9).map(leaf));
        for (level, index) in [
            (0, 9),
            (3, 1),
            (4, 0),
            (64, 0),
            (255, u64::MAX),
            (0, u64::MAX),
        ] {
            assert_eq!(
                extension.read(level, index),
                Err(MissingNode { level, index })
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn groups_of_any_size_on_trees_of_any_size(old in 0..3000_u64, added in 0..600_u64) {
            check(old, added);
        }

        #[test]
        fn cutting_the_same_leaves_into_groups_changes_nothing(cuts in prop::collection::vec(0..40_u64, 0..20)) {
            let (mut by_groups, mut one_by_one) = (Frontier::default(), Frontier::default());
            for cut in cuts {
                let first = by_groups.size();
                by_groups = Extension::new(&by_groups, (first..first + cut).map(leaf)).into_frontier();
                (first..first + cut).for_each(|i| one_by_one.push(leaf(i), |_, _, _| {}));
                prop_assert_eq!(&by_groups, &one_by_one);
            }
        }
    }
}
