use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::tlog::{
    frontier::Frontier,
    hash::leaf_hash,
    tree::{stored_count, stored_index},
};

/// A whole tree as one vector in stored order.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    type Error = Infallible;

    fn read(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[stored_index(level, index) as usize])
    }
}

fn leaf(i: u64) -> Hash {
    leaf_hash(&i.to_be_bytes())
}

fn tree(size: u64) -> (Stored, Frontier) {
    let (mut frontier, mut stored) = (Frontier::default(), vec![]);
    for i in 0..size {
        frontier.push(leaf(i), |_, _, node| stored.push(node));
    }
    (Stored(stored), frontier)
}

/// A reader of a tree of any size, all of whose leaves are equal, so that a level has one hash.
struct Uniform;

impl HashReader for Uniform {
    type Error = Infallible;

    fn read(&self, level: u8, _: u64) -> Result<Hash, Infallible> {
        Ok((0..level).fold(leaf(0), |hash, _| node_hash(&hash, &hash)))
    }
}

#[test]
fn the_example_tree_of_the_rfc_has_the_proofs_of_the_rfc() {
    // RFC 6962 section 2.1.3: seven leaves d0 to d6, with the names that it gives to the nodes.
    let (tree, _) = tree(7);
    let read = |level, index| tree.read(level, index).unwrap();
    let [a, b, c, d, e, f, j] = [0, 1, 2, 3, 4, 5, 6].map(|i| read(0, i));
    let [g, h, i] = [0, 1, 2].map(|i| read(1, i));
    let k = read(2, 0);
    let l = node_hash(&i, &j);
    assert_eq!(root(&tree, 7), Ok(node_hash(&k, &l)));

    assert_eq!(inclusion_proof(&tree, 0, 7), Ok(vec![b, h, l]));
    assert_eq!(inclusion_proof(&tree, 3, 7), Ok(vec![c, g, l]));
    assert_eq!(inclusion_proof(&tree, 4, 7), Ok(vec![f, j, k]));
    assert_eq!(inclusion_proof(&tree, 6, 7), Ok(vec![i, k]));
    assert_eq!(consistency_proof(&tree, 3, 7), Ok(vec![c, d, g, l]));
    assert_eq!(consistency_proof(&tree, 4, 7), Ok(vec![l]));
    assert_eq!(consistency_proof(&tree, 6, 7), Ok(vec![i, j, k]));
    // Named in the RFC's figure, parts of no proof above.
    assert_eq!((g, i), (node_hash(&a, &b), node_hash(&e, &f)));
}

#[test]
fn proofs_are_refused_at_any_other_length() {
    let (tree, frontier) = tree(40);
    let size = frontier.size();
    for index in 0..size {
        let proof = inclusion_proof(&tree, index, size).unwrap();
        let check =
            |proof: &[Hash]| verify_inclusion(&leaf(index), index, size, proof, &frontier.root());
        assert_eq!(check(&proof), Ok(()));
        for found in 0..proof.len() {
            assert_eq!(check(&proof[..found]), Err(ProofError::TooShort { found }));
        }
        let longer = [proof.as_slice(), &[leaf(0)]].concat();
        assert_eq!(
            check(&longer),
            Err(ProofError::TooLong {
                found: longer.len()
            })
        );
        assert!(check(&longer[1..]).is_err());
    }
    for old in 1..size {
        let old_root = root(&tree, old).unwrap();
        let proof = consistency_proof(&tree, old, size).unwrap();
        let check =
            |proof: &[Hash]| verify_consistency(old, &old_root, size, &frontier.root(), proof);
        assert_eq!(check(&proof), Ok(()));
        for found in 0..proof.len() {
            assert_eq!(check(&proof[..found]), Err(ProofError::TooShort { found }));
        }
        let longer = [proof.as_slice(), &[leaf(0)]].concat();
        assert_eq!(
            check(&longer),
            Err(ProofError::TooLong {
                found: longer.len()
            })
        );
    }
}

#[test]
fn leaves_outside_the_tree_have_no_proof() {
    let (tree, _) = tree(5);
    for (index, size) in [(0, 0), (5, 5), (6, 5), (u64::MAX, 5), (u64::MAX, u64::MAX)] {
        let refused = verify_inclusion(&leaf(0), index, size, &[], &EMPTY_ROOT);
        assert_eq!(refused, Err(ProofError::IndexOutOfRange { index, size }));
    }
    for (index, size) in [(0, 0), (5, 5), (u64::MAX, 5)] {
        let refused = inclusion_proof(&tree, index, size);
        assert_eq!(refused, Err(TreeError::IndexOutOfRange { index, size }));
    }
}

#[test]
fn a_consistency_proof_holds_for_its_two_roots_alone() {
    let (tree, frontier) = tree(40);
    let (new, top) = (frontier.size(), frontier.root());
    for old in 1..new {
        let proof = consistency_proof(&tree, old, new).unwrap();
        let old_top = root(&tree, old).unwrap();
        let check = |old_top, top| verify_consistency(old, old_top, new, top, &proof);
        assert_eq!(check(&old_top, &top), Ok(()));
        let other_top = leaf(0);
        assert_eq!(
            check(&old_top, &other_top),
            Err(ProofError::RootMismatch { size: new })
        );
        // Where the old tree is one complete subtree its root is where the proof begins, so both roots come out wrong.
        let refused = check(&EMPTY_ROOT, &top);
        let wrong = if old.is_power_of_two() { new } else { old };
        assert_eq!(refused, Err(ProofError::RootMismatch { size: wrong }));
    }
}

#[test]
fn equal_sizes_are_consistent_by_the_empty_proof_and_equal_roots_alone() {
    let (tree, frontier) = tree(6);
    let root = frontier.root();
    assert_eq!(consistency_proof(&tree, 6, 6), Ok(vec![]));
    assert_eq!(verify_consistency(6, &root, 6, &root, &[]), Ok(()));
    assert_eq!(
        verify_consistency(6, &root, 6, &root, &[root]),
        Err(ProofError::TooLong { found: 1 })
    );
    assert_eq!(
        verify_consistency(6, &root, 6, &EMPTY_ROOT, &[]),
        Err(ProofError::RootMismatch { size: 6 })
    );
}

#[test]
fn nothing_is_consistent_with_the_empty_tree_or_a_larger_one() {
    let (tree, frontier) = tree(6);
    let root = frontier.root();
    for new in [0, 1, 6, u64::MAX] {
        assert_eq!(
            verify_consistency(0, &EMPTY_ROOT, new, &root, &[]),
            Err(ProofError::EmptyOld)
        );
    }
    assert_eq!(consistency_proof(&tree, 0, 6), Err(TreeError::EmptyOld));
    assert_eq!(consistency_proof(&tree, 0, 0), Err(TreeError::EmptyOld));
    assert_eq!(
        consistency_proof(&tree, 6, 5),
        Err(TreeError::Shrinks { old: 6, new: 5 })
    );
    assert_eq!(
        verify_consistency(6, &root, 5, &root, &[]),
        Err(ProofError::Shrinks { old: 6, new: 5 })
    );
}

#[test]
fn trees_at_the_end_of_the_numbers_are_proved_or_refused_without_overflow() {
    let max = MAX_TREE_SIZE;
    let leaf = leaf(0);
    for size in [max, max - 1, 1 << 62, (1 << 62) + 1] {
        let top = root(&Uniform, size).unwrap();
        for index in [0, 1, size / 2, size - 2, size - 1] {
            let proof = inclusion_proof(&Uniform, index, size).unwrap();
            assert_eq!(verify_inclusion(&leaf, index, size, &proof, &top), Ok(()));
        }
        for old in [1, 2, 3, size / 2, size - 1, size] {
            let old_root = root(&Uniform, old).unwrap();
            let proof = consistency_proof(&Uniform, old, size).unwrap();
            assert_eq!(
                verify_consistency(old, &old_root, size, &top, &proof),
                Ok(())
            );
        }
    }
    for size in [max + 1, u64::MAX] {
        assert_eq!(root(&Uniform, size), Err(TreeError::TooLarge { size }));
        assert_eq!(
            inclusion_proof(&Uniform, 0, size),
            Err(TreeError::TooLarge { size })
        );
        assert_eq!(
            consistency_proof(&Uniform, 1, size),
            Err(TreeError::TooLarge { size })
        );
        for index in [0, 1, size - 1] {
            for found in [0, 1, 63, 64, 65, 1000] {
                let proof = vec![leaf; found];
                assert!(verify_inclusion(&leaf, index, size, &proof, &leaf).is_err());
                assert!(verify_consistency(index + 1, &leaf, size, &EMPTY_ROOT, &proof).is_err());
            }
        }
    }
}

#[test]
fn the_root_alone_does_not_fix_the_size() {
    // The documented limit of the algorithm, the same in every implementation of it.
    let (tree, frontier) = tree(3);
    let proof = inclusion_proof(&tree, 0, 3).unwrap();
    for size in [3, 4] {
        assert_eq!(
            verify_inclusion(&leaf(0), 0, size, &proof, &frontier.root()),
            Ok(())
        );
    }
}

#[test]
fn what_a_reader_says_is_passed_on_with_the_node_it_was_asked_for() {
    let (_, frontier) = tree(6);
    assert!(matches!(
        inclusion_proof(&frontier, 0, 6),
        Err(TreeError::Read {
            level: 0,
            index: 1,
            ..
        })
    ));
}

#[test]
fn a_sound_proof_does_not_verify_in_a_tree_of_another_size() {
    let (tree, _) = tree(64);
    for size in 1..64 {
        let top = root(&tree, size).unwrap();
        for index in 0..size {
            let proof = inclusion_proof(&tree, index, size).unwrap();
            for other in (1..64).filter(|other| *other != size) {
                let other_top = root(&tree, other).unwrap();
                let refused = verify_inclusion(&leaf(index), index, other, &proof, &other_top);
                assert!(refused.is_err(), "{index} in {size}, taken for {other}");
            }
            for other in (0..size).filter(|other| *other != index) {
                let refused = verify_inclusion(&leaf(index), other, size, &proof, &top);
                assert!(refused.is_err(), "{index} taken for {other} in {size}");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_changed_bit_of_a_proof_is_noticed(
        size in 2..2000_u64, at: prop::sample::Index, hash: prop::sample::Index, bit in 0..256_usize,
    ) {
        let (tree, frontier) = tree(size);
        prop_assert_eq!(tree.0.len() as u64, stored_count(size));
        let top = frontier.root();
        let flip = |proof: &[Hash]| {
            let mut proof = proof.to_vec();
            let at = hash.index(proof.len());
            let mut bytes = *proof[at].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            proof[at] = bytes.into();
            proof
        };
        let index = at.index(size as usize) as u64;
        let proof = inclusion_proof(&tree, index, size).unwrap();
        prop_assert_eq!(verify_inclusion(&leaf(index), index, size, &proof, &top), Ok(()));
        prop_assert!(verify_inclusion(&leaf(index), index, size, &flip(&proof), &top).is_err());

        let old = 1 + at.index(size as usize - 1) as u64;
        let old_root = root(&tree, old).unwrap();
        let proof = consistency_proof(&tree, old, size).unwrap();
        prop_assert_eq!(verify_consistency(old, &old_root, size, &top, &proof), Ok(()));
        prop_assert!(verify_consistency(old, &old_root, size, &top, &flip(&proof)).is_err());
    }

    #[test]
    fn arbitrary_claims_are_refused(
        index: u64, size: u64, leaf: [u8; 32], proof in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Hash> = proof.into_iter().map(Hash::from).collect();
        let leaf = Hash::from(leaf);
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &EMPTY_ROOT).is_err());
        prop_assert!(verify_consistency(index, &leaf, size, &EMPTY_ROOT, &proof).is_err());
    }
}
