//! The project's log arithmetic and texts against implementations by others: `tlog_tiles` (a port of Go's checksum
//! database), `ct-merkle` (array-based trees) and `signed_note`. What one side makes, the other must accept, and what one
//! must refuse, both must.

use std::convert::Infallible;

use casebroker_proto::tlog::{
    Checkpoint, Extension, Frontier, Hash, HashReader, NoteSigner, NoteVerifier, Receipt,
    SignedNote, consistency_proof, inclusion_proof, leaf_hash, root, stored_count, stored_index,
    verify_consistency, verify_inclusion,
};
use ct_merkle::{
    ConsistencyProof, InclusionProof, RootHash,
    digest::{self, FixedOutput, HashMarker, OutputSizeUser, Update},
    mem_backed_tree::MemoryBackedTree,
};
use proptest::prelude::*;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

/// Every size up to this one is compared in full.
const EXHAUSTIVE: u64 = 300;
const ORIGIN: &str = "log.example/cases";

// Trees.

#[test]
fn every_small_tree_is_the_same_tree() {
    let (ours, theirs) = (Ours::new(EXHAUSTIVE), Tiles::new(EXHAUSTIVE));
    assert_eq!(
        ours.0,
        theirs
            .0
            .iter()
            .map(|hash| Hash::from(hash.0))
            .collect::<Vec<_>>()
    );
    let mut array = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=EXHAUSTIVE {
        array.push(entry(size - 1));
        assert_eq!(stored_count(size), tlog_tiles::stored_hash_count(size));
        let ours = root(&ours, size).unwrap();
        assert_eq!(
            *ours.as_bytes(),
            tlog_tiles::tree_hash(size, &theirs).unwrap().0
        );
        assert_eq!(ours.as_bytes()[..], array.root().as_bytes()[..]);
    }
    assert_eq!(
        root(&ours, 0).unwrap().as_bytes(),
        &tlog_tiles::EMPTY_HASH.0
    );
}

#[test]
fn nodes_have_the_same_places() {
    for level in 0..=40_u8 {
        for index in (0..3000).chain([1 << 20, (1 << 22) - 1]) {
            let theirs = tlog_tiles::stored_hash_index(level, index);
            assert_eq!(stored_index(level, index), theirs, "{level}, {index}");
        }
    }
}

#[test]
fn every_inclusion_proof_of_every_small_tree_is_the_same_and_verifies_both_ways() {
    let (ours, theirs) = (Ours::new(EXHAUSTIVE), Tiles::new(EXHAUSTIVE));
    let mut array = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=EXHAUSTIVE {
        array.push(entry(size - 1));
        let top = root(&ours, size).unwrap();
        for index in 0..size {
            let proof = inclusion_proof(&ours, index, size).unwrap();
            let tiles = tlog_tiles::prove_record(size, index, &theirs).unwrap();
            assert_eq!(proof, from_tiles(&tiles), "leaf {index} of {size}");
            assert_eq!(
                concat(&proof),
                array.prove_inclusion(index as usize).as_bytes()
            );
            check_inclusion(index, size, &top, &proof);
        }
    }
}

#[test]
fn every_consistency_proof_between_small_trees_is_the_same_and_verifies_both_ways() {
    let (ours, theirs) = (Ours::new(EXHAUSTIVE), Tiles::new(EXHAUSTIVE));
    let mut array = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let roots: Vec<Hash> = (0..=EXHAUSTIVE)
        .map(|size| root(&ours, size).unwrap())
        .collect();
    for new in 1..=EXHAUSTIVE {
        array.push(entry(new - 1));
        for old in 1..=new {
            let proof = consistency_proof(&ours, old, new).unwrap();
            let tiles = tlog_tiles::prove_tree(new, old, &theirs).unwrap();
            assert_eq!(proof, from_tiles(&tiles), "{old} to {new}");
            assert_eq!(
                concat(&proof),
                array.prove_consistency((new - old) as usize).as_bytes()
            );
            check_consistency(
                (old, &roots[old as usize]),
                (new, &roots[new as usize]),
                &proof,
            );
        }
    }
    assert!(tlog_tiles::prove_tree(5, 0, &theirs).is_err());
    assert!(consistency_proof(&ours, 0, 5).is_err());
    assert!(tlog_tiles::prove_tree(5, 6, &theirs).is_err());
    assert!(consistency_proof(&ours, 6, 5).is_err());
}

#[test]
fn large_trees_grown_by_groups_agree() {
    let size = 100_003;
    let (ours, theirs) = (Ours::new(size), Tiles::new(size));
    assert_eq!(ours.0.len(), theirs.0.len());
    let mut random = Random(1);
    let mut frontier = Frontier::default();
    let mut stored = 0;
    while frontier.size() < size {
        let old = frontier.size();
        let group = (1 + random.below(700)).min(size - old);
        let extension = Extension::new(&frontier, (old..old + group).map(|i| leaf_hash(&entry(i))));
        let end = stored + extension.nodes().len();
        assert_eq!(extension.nodes(), &ours.0[stored..end]);
        let now = extension.size();
        let top = extension.root();
        assert_eq!(
            top.as_bytes(),
            &tlog_tiles::tree_hash(now, &theirs).unwrap().0
        );
        for index in [old, old + random.below(group), now - 1] {
            let proof = extension.inclusion_proof(index).unwrap();
            let tiles = tlog_tiles::prove_record(now, index, &theirs).unwrap();
            assert_eq!(proof, from_tiles(&tiles), "leaf {index} of {now}");
        }
        if old > 0 {
            let proof = consistency_proof(&extension, old, now).unwrap();
            check_consistency((old, &frontier.root()), (now, &top), &proof);
        }
        (frontier, stored) = (extension.into_frontier(), end);
    }
    for _ in 0..2000 {
        let new = 1 + random.below(size);
        let (index, old) = (random.below(new), 1 + random.below(new));
        let (top, old_top) = (root(&ours, new).unwrap(), root(&ours, old).unwrap());
        let proof = inclusion_proof(&ours, index, new).unwrap();
        assert_eq!(
            proof,
            from_tiles(&tlog_tiles::prove_record(new, index, &theirs).unwrap())
        );
        check_inclusion(index, new, &top, &proof);
        let proof = consistency_proof(&ours, old, new).unwrap();
        assert_eq!(
            proof,
            from_tiles(&tlog_tiles::prove_tree(new, old, &theirs).unwrap())
        );
        check_consistency((old, &old_top), (new, &top), &proof);
    }
}

#[test]
fn tampered_proofs_are_judged_alike() {
    let size = 260;
    let ours = Ours::new(size);
    let mut random = Random(2);
    let mut refused = 0;
    for _ in 0..20_000 {
        let new = 1 + random.below(size);
        let (index, old) = (random.below(new), 1 + random.below(new));
        let top = random.tamper_hash(root(&ours, new).unwrap());
        let old_top = random.tamper_hash(root(&ours, old).unwrap());
        let mut proof = inclusion_proof(&ours, index, new).unwrap();
        random.tamper_proof(&mut proof);
        let (index, size) = (random.tamper_number(index), random.tamper_number(new));
        let verdict =
            verify_inclusion(&leaf_hash(&entry(index)), index, size, &proof, &top).is_ok();
        assert_eq!(
            verdict,
            tiles_include(index, size, &top, &proof),
            "leaf {index} of {size}"
        );
        assert_eq!(
            verdict,
            array_includes(index, size, &top, &proof),
            "leaf {index} of {size}"
        );
        refused += u32::from(!verdict);

        let mut proof = consistency_proof(&ours, old, new).unwrap();
        random.tamper_proof(&mut proof);
        let (old, new) = (random.tamper_number(old), random.tamper_number(new));
        let verdict = verify_consistency(old, &old_top, new, &top, &proof).is_ok();
        let (before, after) = ((old, &old_top), (new, &top));
        assert_eq!(
            verdict,
            tiles_extend(before, after, &proof),
            "{old} to {new}"
        );
        assert_eq!(
            verdict,
            array_extends(before, after, &proof),
            "{old} to {new}"
        );
        refused += u32::from(!verdict);
    }
    // Neither all nor nothing, or the comparison would mean little.
    assert!((10_000..39_000).contains(&refused), "{refused}");
}

// Notes and checkpoints.

#[test]
fn keys_in_text_form_are_the_same_keys() {
    for name in ["a", ORIGIN, "журнал.example/1"] {
        let ours = NoteSigner::generate(name).unwrap();
        let theirs = StandardSigner::new(&ours.private_key_text().unwrap()).unwrap();
        assert_eq!(signed_note::Signer::name(&theirs), ours.name());
        assert_eq!(signed_note::Signer::key_id(&theirs), ours.key_id());
        let public = StandardVerifier::new(&ours.verifier().to_string()).unwrap();
        assert_eq!(signed_note::Verifier::key_id(&public), ours.key_id());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn notes_signed_by_either_side_are_the_same_bytes_and_verify_at_the_other(
        seed: [u8; 32], text in "[^\\x00-\\x1f]{0,30}(\n[^\\x00-\\x1f]{0,30}){0,4}\n",
    ) {
        let signer = NoteSigner::from_seed(ORIGIN, &seed).unwrap();
        let ours = SignedNote::sign(&text, &[&signer]).unwrap().to_string();
        let mut theirs = Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&standard_signer(&signer)]).unwrap();
        prop_assert_eq!(ours.as_bytes(), theirs.to_bytes());
        prop_assert!(our_verdict(&ours, signer.verifier()));
        prop_assert!(their_verdict(&ours, signer.verifier()));
    }

    #[test]
    fn changed_notes_are_judged_alike(
        seed: [u8; 32], at: prop::sample::Index, to in prop::sample::select(vec!["", "\n", "\n\n", " ", "a", "+", "A", "=", "\u{2014} ", "\u{2014} a AAAAAAA=\n", "\t", "é"]),
        remove in 0..3_usize,
    ) {
        let signers = [ORIGIN, "witness.example"].map(|name| NoteSigner::from_seed(name, &seed).unwrap());
        let note = SignedNote::sign("first\n\nlast\n", &[&signers[1], &signers[0]]).unwrap().to_string();
        let mut chars: Vec<char> = note.chars().collect();
        let at = at.index(chars.len());
        let end = (at + remove).min(chars.len());
        chars.splice(at..end, to.chars());
        let changed: String = chars.into_iter().collect();
        for signer in &signers {
            let verdict = our_verdict(&changed, signer.verifier());
            prop_assert_eq!(verdict, their_verdict(&changed, signer.verifier()), "{:?}", changed);
        }
    }

    #[test]
    fn checkpoints_of_either_side_are_the_same_text(origin in "[^\\x00-\\x1f]{1,30}", size: u64, root: [u8; 32]) {
        let ours = Checkpoint::new(&origin, size, root.into());
        let theirs = tlog_tiles::Checkpoint::new(&origin, size, tlog_tiles::Hash(root), "").unwrap();
        prop_assert_eq!(ours.to_text().into_bytes(), theirs.to_bytes());
        prop_assert_eq!(tlog_tiles::Checkpoint::from_bytes(ours.to_text().as_bytes()).unwrap(), theirs);
    }

    #[test]
    fn changed_checkpoints_are_judged_alike(
        size in prop::sample::select(vec![0, 1, 10, u64::MAX]), at: prop::sample::Index,
        to in prop::sample::select(vec!["", "\n", "\n\n", " ", "0", "-", "+", "A", "=", "x\n", "é"]), remove in 0..3_usize,
    ) {
        let mut checkpoint = Checkpoint::new("log", size, leaf_hash(b""));
        checkpoint.extensions = vec!["more".to_owned()];
        let mut chars: Vec<char> = checkpoint.to_text().chars().collect();
        let at = at.index(chars.len());
        let end = (at + remove).min(chars.len());
        chars.splice(at..end, to.chars());
        let changed: String = chars.into_iter().collect();
        let ours = Checkpoint::parse(&changed);
        let theirs = tlog_tiles::Checkpoint::from_bytes(changed.as_bytes());
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", changed);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.origin.as_str(), theirs.origin());
            prop_assert_eq!((ours.size, *ours.root.as_bytes()), (theirs.size(), theirs.hash().0));
            let lines: String = ours.extensions.iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(lines, theirs.extension());
        }
    }
}

#[test]
fn a_checkpoint_signed_by_the_other_side_opens_and_its_receipt_verifies() {
    let signer = NoteSigner::generate(ORIGIN).unwrap();
    let theirs = Tiles::new(77);
    let top = tlog_tiles::tree_hash(77, &theirs).unwrap();
    let text = tlog_tiles::Checkpoint::new(ORIGIN, 77, top, "")
        .unwrap()
        .to_bytes();
    let mut note = Note::new(&text, &[]).unwrap();
    note.add_sigs(&[&standard_signer(&signer)]).unwrap();
    let receipt = Receipt {
        index: 70,
        extra: None,
        proof: from_tiles(&tlog_tiles::prove_record(77, 70, &theirs).unwrap()),
        checkpoint: String::from_utf8(note.to_bytes()).unwrap(),
    };
    let receipt: Receipt = receipt.to_string().parse().unwrap();
    let seen = receipt
        .verify(&entry(70), signer.verifier(), ORIGIN)
        .unwrap();
    assert_eq!((seen.size, *seen.root.as_bytes()), (77, top.0));
    assert!(
        receipt
            .verify(&entry(69), signer.verifier(), ORIGIN)
            .is_err()
    );
}

// The two sides.

fn entry(i: u64) -> Vec<u8> {
    format!("entry {i}").into_bytes()
}

/// Our nodes, in stored order.
struct Ours(Vec<Hash>);

impl Ours {
    fn new(size: u64) -> Self {
        let (mut frontier, mut stored) = (Frontier::default(), vec![]);
        for i in 0..size {
            frontier.push(leaf_hash(&entry(i)), |_, _, node| stored.push(node));
        }
        Self(stored)
    }
}

impl HashReader for Ours {
    type Error = Infallible;

    fn read(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[stored_index(level, index) as usize])
    }
}

/// Nodes made by `tlog_tiles`, in its order, which must be ours.
struct Tiles(Vec<tlog_tiles::Hash>);

impl Tiles {
    fn new(size: u64) -> Self {
        let mut tiles = Self(vec![]);
        for i in 0..size {
            let more = tlog_tiles::stored_hashes(i, &entry(i), &tiles).unwrap();
            tiles.0.extend(more);
        }
        tiles
    }
}

impl tlog_tiles::HashReader for Tiles {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|i| self.0[*i as usize]).collect())
    }
}

fn from_tiles(proof: &[tlog_tiles::Hash]) -> Vec<Hash> {
    proof.iter().map(|hash| hash.0.into()).collect()
}

fn to_tiles(proof: &[Hash]) -> Vec<tlog_tiles::Hash> {
    proof
        .iter()
        .map(|hash| tlog_tiles::Hash(*hash.as_bytes()))
        .collect()
}

fn concat(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn check_inclusion(index: u64, size: u64, top: &Hash, proof: &[Hash]) {
    verify_inclusion(&leaf_hash(&entry(index)), index, size, proof, top).unwrap();
    assert!(tiles_include(index, size, top, proof));
    assert!(array_includes(index, size, top, proof));
}

fn check_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) {
    verify_consistency(old.0, old.1, new.0, new.1, proof).unwrap();
    assert!(tiles_extend(old, new, proof));
    assert!(array_extends(old, new, proof));
}

fn tiles_include(index: u64, size: u64, top: &Hash, proof: &[Hash]) -> bool {
    let top = tlog_tiles::Hash(*top.as_bytes());
    let leaf = tlog_tiles::record_hash(&entry(index));
    tlog_tiles::check_record(&to_tiles(proof), size, top, index, leaf).is_ok()
}

fn tiles_extend(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let [old_top, new_top] = [old.1, new.1].map(|hash| tlog_tiles::Hash(*hash.as_bytes()));
    tlog_tiles::check_tree(&to_tiles(proof), new.0, new_top, old.0, old_top).is_ok()
}

fn array_root(size: u64, top: &Hash) -> RootHash<Sha256> {
    RootHash::new((*top.as_bytes()).into(), size)
}

fn array_includes(index: u64, size: u64, top: &Hash, proof: &[Hash]) -> bool {
    let proof = InclusionProof::try_from_bytes(concat(proof)).unwrap();
    array_root(size, top)
        .verify_inclusion(&entry(index), index, &proof)
        .is_ok()
}

fn array_extends(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let proof = ConsistencyProof::try_from_bytes(concat(proof)).unwrap();
    let old = array_root(old.0, old.1);
    array_root(new.0, new.1)
        .verify_consistency(&old, &proof)
        .is_ok()
}

fn standard_signer(signer: &NoteSigner) -> StandardSigner {
    StandardSigner::new(&signer.private_key_text().unwrap()).unwrap()
}

fn our_verdict(note: &str, verifier: &NoteVerifier) -> bool {
    note.parse::<SignedNote>()
        .is_ok_and(|note| note.verify(&[verifier]).is_ok())
}

fn their_verdict(note: &str, verifier: &NoteVerifier) -> bool {
    let verifier = StandardVerifier::new(&verifier.to_string()).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    Note::from_bytes(note.as_bytes()).is_ok_and(|note| note.verify(&known).is_ok())
}

/// SHA-256 from one version of the digest traits, shown through the version that `ct-merkle` wants.
#[derive(Clone, Default)]
struct Sha256(sha2::Sha256);

impl HashMarker for Sha256 {}

impl OutputSizeUser for Sha256 {
    type OutputSize = digest::consts::U32;
}

impl Update for Sha256 {
    fn update(&mut self, data: &[u8]) {
        sha2::Digest::update(&mut self.0, data);
    }
}

impl FixedOutput for Sha256 {
    fn finalize_into(self, out: &mut digest::Output<Self>) {
        out.copy_from_slice(&sha2::Digest::finalize(self.0));
    }
}

/// Numbers from a seed, so that a failure comes back (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn tamper_hash(&mut self, hash: Hash) -> Hash {
        let mut bytes = *hash.as_bytes();
        if self.below(10) == 0 {
            bytes[self.below(32) as usize] ^= 1 << self.below(8);
        }
        bytes.into()
    }

    fn tamper_number(&mut self, number: u64) -> u64 {
        match self.below(12) {
            0 => number + 1,
            1 => number.saturating_sub(1),
            2 => number / 2,
            3 => number * 2,
            _ => number,
        }
    }

    fn tamper_proof(&mut self, proof: &mut Vec<Hash>) {
        let at = self.below(proof.len() as u64 + 1) as usize;
        match (self.below(12), at < proof.len()) {
            (0, true) => proof[at] = leaf_hash(b"another"),
            (1, true) => drop(proof.remove(at)),
            (2, _) => proof.insert(at, leaf_hash(b"another")),
            (3, true) => proof.swap(0, at),
            (4, true) => proof.insert(at, proof[at]),
            _ => {}
        }
    }
}
