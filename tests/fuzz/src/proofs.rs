//! Receipts, inclusion and consistency proofs.

use std::sync::LazyLock;

use casebroker_proto::tlog::{
    Checkpoint, Extension, Frontier, HASH_BYTES, Hash, NoteSigner, Receipt, consistency_proof,
    leaf_hash, receipt, verify_consistency, verify_inclusion,
};

use crate::actors::{ORIGIN, log_key};

/// Leaves of the largest tree that claims are held against.
const MAX_SIZE: u64 = 150;

static KEY: LazyLock<NoteSigner> = LazyLock::new(log_key);
/// Trees of 0 to [`MAX_SIZE`] leaves, made once.
static TREES: LazyLock<Vec<Extension>> = LazyLock::new(|| (0..=MAX_SIZE).map(tree).collect());

/// Takes the bytes for a receipt, for claims about real trees and for claims about any.
pub fn run(data: &[u8]) -> bool {
    let accepted = [
        std::str::from_utf8(data).is_ok_and(receipt),
        claims_about_real_trees(data),
        claims_about_any_tree(data),
    ];
    accepted.contains(&true)
}

fn receipt(text: &str) -> bool {
    let Ok(receipt) = text.parse::<Receipt>() else {
        return false;
    };
    assert_eq!(receipt.to_string(), text);
    assert!(receipt.proof.len() <= receipt::MAX_PROOF_HASHES);
    assert_ne!(receipt.extra.as_deref(), Some(&[][..]));
    let own_entry = entry(receipt.index);
    match receipt.verify(&own_entry, KEY.verifier(), ORIGIN) {
        Ok(checkpoint) => {
            // The key signed checkpoints of these trees only, and such a tree has one proof for each leaf.
            assert!(checkpoint.size <= MAX_SIZE);
            let tree = &TREES[checkpoint.size as usize];
            assert_eq!(checkpoint.root, tree.root());
            assert_eq!(
                tree.inclusion_proof(receipt.index),
                Ok(receipt.proof.clone())
            );
        }
        Err(_) => {
            let signed = Checkpoint::open(&receipt.checkpoint, KEY.verifier(), ORIGIN);
            if let Ok(checkpoint) = signed {
                let tree = &TREES[checkpoint.size as usize];
                assert_ne!(
                    tree.inclusion_proof(receipt.index),
                    Ok(receipt.proof.clone())
                );
            }
        }
    }
    // Another entry than the receipt's is never proved.
    let other = entry(receipt.index.wrapping_add(1));
    assert!(receipt.verify(&other, KEY.verifier(), ORIGIN).is_err());
    true
}

/// Two numbers and hashes: a proof is accepted if and only if it is the one that the tree gives.
fn claims_about_real_trees(data: &[u8]) -> bool {
    let Some(([a, b], rest)) = data.split_first_chunk::<2>() else {
        return false;
    };
    let (a, b) = (u64::from(*a), u64::from(*b) % (MAX_SIZE + 1));
    let proof = hashes(rest);
    let tree = &TREES[b as usize];

    let included = verify_inclusion(&leaf_hash(&entry(a)), a, b, &proof, &tree.root()).is_ok();
    assert_eq!(included, tree.inclusion_proof(a).as_ref() == Ok(&proof));

    let consistent = match TREES.get(a as usize) {
        Some(old) => verify_consistency(a, &old.root(), b, &tree.root(), &proof).is_ok(),
        None => false,
    };
    assert_eq!(
        consistent,
        consistency_proof(tree, a, b).as_ref() == Ok(&proof)
    );
    included || consistent
}

/// Numbers of any size and hashes of any value: the work is bounded, and nothing panics.
fn claims_about_any_tree(data: &[u8]) -> bool {
    let Some((numbers, rest)) = data.split_first_chunk::<16>() else {
        return false;
    };
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&numbers[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let (a, b) = (number(0), number(8));
    let all = hashes(rest);
    let [first, second, proof @ ..] = all.as_slice() else {
        return false;
    };
    let included = verify_inclusion(first, a, b, proof, second);
    if included.is_ok() {
        assert!(a < b && proof.len() <= receipt::MAX_PROOF_HASHES);
        // The same leaf elsewhere, or a hash more, is another claim.
        assert!(verify_inclusion(first, a, b, &[proof, &[*first]].concat(), second).is_err());
        assert!(verify_inclusion(first, b, b, proof, second).is_err());
    }
    let consistent = verify_consistency(a, first, b, second, proof);
    if consistent.is_ok() {
        assert!(0 < a && a <= b && proof.len() <= 2 * receipt::MAX_PROOF_HASHES);
        assert!(a != b || (first == second && proof.is_empty()));
        if a < b {
            assert!(verify_consistency(b, second, a, first, proof).is_err());
        }
    }
    included.is_ok() || consistent.is_ok()
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    let (whole, _) = bytes.as_chunks::<HASH_BYTES>();
    whole.iter().map(|hash| Hash::from_bytes(*hash)).collect()
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn tree(size: u64) -> Extension {
    let leaves = (0..size).map(|i| leaf_hash(&entry(i)));
    Extension::new(&Frontier::default(), leaves)
}

/// Receipts, and proofs of trees of different shapes.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (index, size, extra) in [
        (0, 1, None),
        (5, 11, Some(b"beside".to_vec())),
        (77, 150, None),
    ] {
        let tree = &TREES[size as usize];
        let receipt = Receipt {
            index,
            extra,
            proof: tree.inclusion_proof(index).unwrap(),
            checkpoint: Checkpoint::new(ORIGIN, size, tree.root())
                .sign(&KEY)
                .unwrap(),
        };
        let text = receipt.to_string().into_bytes();
        seeds.push((format!("receipt-{index}-of-{size}"), text));
    }
    for (index, size) in [(0, 3), (6, 7), (77, 150)] {
        let proof = TREES[size as usize].inclusion_proof(index).unwrap();
        seeds.push((
            format!("inclusion-{index}-of-{size}"),
            claim(index, size, &proof),
        ));
    }
    for (old, new) in [(1, 2), (4, 7), (6, 7), (77, 150), (5, 5)] {
        let proof = consistency_proof(&TREES[new as usize], old, new).unwrap();
        seeds.push((
            format!("consistency-{old}-to-{new}"),
            claim(old, new, &proof),
        ));
    }
    let (leaf, root) = (leaf_hash(b"x"), leaf_hash(b"x"));
    let alone = [
        &0_u64.to_le_bytes()[..],
        &1_u64.to_le_bytes(),
        leaf.as_ref(),
        root.as_ref(),
    ];
    seeds.push(("any-alone".into(), alone.concat()));
    let huge = u64::MAX.to_le_bytes();
    let equal = [&huge[..], &huge, leaf.as_ref(), root.as_ref()];
    seeds.push(("any-equal".into(), equal.concat()));
    seeds
}

fn claim(a: u64, b: u64, proof: &[Hash]) -> Vec<u8> {
    let mut data = vec![a as u8, b as u8];
    proof
        .iter()
        .for_each(|hash| data.extend_from_slice(hash.as_ref()));
    data
}
