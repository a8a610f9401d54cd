//! Checking what the log says about itself.

use std::collections::HashMap;

use casebroker_proto::{
    tlog::{Checkpoint, Hash, NoteVerifier, Receipt, verify_consistency},
    v1::{ConsistencyProof, GetConsistencyProofRequest, RecordedStatement},
};

use crate::{Caller, site::ORIGIN};

/// The checkpoint under which a recorded statement is; the receipt must be for its position and its bytes.
pub fn verify(recorded: &RecordedStatement, key: &NoteVerifier) -> Checkpoint {
    let receipt: Receipt = recorded.receipt.parse().unwrap();
    assert_eq!(receipt.index, recorded.position);
    receipt.verify(&recorded.entry, key, ORIGIN).unwrap()
}

/// Checks that `new` extends `old` by a proof that came along with an answer.
pub fn check(old: &Checkpoint, new: &Checkpoint, proof: &ConsistencyProof) {
    assert_eq!(
        (proof.old_tree_size, proof.new_tree_size),
        (old.size, new.size)
    );
    verify_consistency(old.size, &old.root, new.size, &new.root, &hashes(proof)).unwrap();
}

/// The hashes of a proof.
pub fn hashes(proof: &ConsistencyProof) -> Vec<Hash> {
    let hash = |bytes: &Vec<u8>| Hash::try_from(bytes.as_slice()).unwrap();
    proof.hashes.iter().map(hash).collect()
}

/// Checks receipts against the newest checkpoint: each by itself, and the checkpoint of each as a beginning of the newest.
/// Answers the newest.
pub async fn verify_against_newest<'a>(
    caller: &Caller,
    key: &NoteVerifier,
    recorded: impl IntoIterator<Item = &'a RecordedStatement>,
) -> Checkpoint {
    let newest = caller.checkpoint(key).await.expect("the log has entries");
    // Many receipts share a checkpoint; one proof each is enough.
    let mut checked: HashMap<u64, Hash> = HashMap::new();
    for recorded in recorded {
        let old = verify(recorded, key);
        if let Some(root) = checked.get(&old.size) {
            assert_eq!(*root, old.root, "two roots at size {}", old.size);
            continue;
        }
        let request = GetConsistencyProofRequest {
            old_tree_size: old.size,
            new_tree_size: newest.size,
        };
        let answer = caller.log().get_consistency_proof(request).await.unwrap();
        check(
            &old,
            &newest,
            &answer.into_inner().consistency_proof.unwrap(),
        );
        checked.insert(old.size, old.root);
    }
    newest
}
