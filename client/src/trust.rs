//! What is believed of the log, and what has been seen of it before.
//!
//! A signed checkpoint says what the log was at one size. Two of them must fit together: the larger tree begins with the
//! smaller one. Here the newest verified one is kept, in a file too if there is a folder for it, so that a log that shrank
//! or forked is noticed by whoever looks next.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use casebroker_proto::{
    tlog::{
        Checkpoint, EMPTY_ROOT, Hash, NoteVerifier, Receipt, leaf_hash, verify_consistency,
        verify_inclusion,
    },
    v1::ConsistencyProof,
};

use crate::{
    error::ClientError,
    profile::ProfileError,
    proof::{LogBreach, ProofFailure},
};

/// A verified checkpoint with the note it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    /// The whole signed note.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// The log's key, and the newest checkpoint verified under it.
#[derive(Debug)]
pub struct LogTrust {
    verifier: NoteVerifier,
    file: Option<PathBuf>,
    known: Mutex<Option<VerifiedCheckpoint>>,
    /// The last one opened, known or not: receipts of one group share it, so its signature is verified once.
    opened: Mutex<Option<VerifiedCheckpoint>>,
}

/// What follows from a checkpoint that was just verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is consistent with the newest one known, and remembered if it is newer.
    Fits,
    /// This proof is needed to say.
    NeedsProof { old: u64, new: u64 },
}

impl LogTrust {
    /// Trusts the key given (a C2SP vkey) for the log of the same name. `state_dir` is where checkpoints are remembered.
    pub fn new(vkey: &str, state_dir: Option<&Path>) -> Result<Self, ClientError> {
        let verifier =
            NoteVerifier::from_str(vkey).map_err(|e| ProfileError::LogKey(e.to_string()))?;
        let file = state_dir.map(|dir| dir.join(folder_name(&verifier)).join("checkpoint"));
        let trust = Self {
            verifier,
            file,
            known: Mutex::new(None),
            opened: Mutex::new(None),
        };
        if let Some(note) = trust.read_file()? {
            // Not deleted and not passed over: what it held may be the only evidence of an older tree.
            let checkpoint = trust.open(&note).map_err(|e| ClientError::State {
                path: trust.file.clone().unwrap_or_default(),
                source: io::Error::new(io::ErrorKind::InvalidData, e),
            })?;
            *lock(&trust.known) = Some(VerifiedCheckpoint { note, checkpoint });
        }
        Ok(trust)
    }

    /// The log's key.
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// Origin of the log: the name of its key.
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// The newest checkpoint verified so far, by this process or an earlier one.
    pub fn known(&self) -> Option<VerifiedCheckpoint> {
        lock(&self.known).clone()
    }

    /// Its tree size; 0 for none.
    pub fn known_size(&self) -> u64 {
        lock(&self.known)
            .as_ref()
            .map_or(0, |known| known.checkpoint.size)
    }

    /// Verifies a checkpoint's signature and origin. Does not compare it with others.
    pub fn open(&self, note: &str) -> Result<Checkpoint, ProofFailure> {
        Checkpoint::open(note, &self.verifier, self.origin()).map_err(ProofFailure::Checkpoint)
    }

    /// Verifies a receipt for an entry's bytes and position.
    pub fn verify_receipt(
        &self,
        receipt: &str,
        entry: &[u8],
        position: u64,
    ) -> Result<VerifiedCheckpoint, ProofFailure> {
        let receipt = receipt.parse::<Receipt>().map_err(ProofFailure::Receipt)?;
        if receipt.index != position {
            return Err(ProofFailure::Position {
                found: receipt.index,
                expected: position,
            });
        }
        let opened = lock(&self.opened).clone();
        let seen = match opened.filter(|opened| opened.note == receipt.checkpoint) {
            Some(opened) => opened,
            None => VerifiedCheckpoint {
                checkpoint: self.open(&receipt.checkpoint)?,
                note: receipt.checkpoint,
            },
        };
        let Checkpoint { size, root, .. } = &seen.checkpoint;
        verify_inclusion(
            &leaf_hash(entry),
            receipt.index,
            *size,
            &receipt.proof,
            root,
        )
        .map_err(|e| ProofFailure::Receipt(e.into()))?;
        *lock(&self.opened) = Some(seen.clone());
        Ok(seen)
    }

    /// Compares a verified checkpoint with the newest one known, with a proof between the two if there is one.
    pub(crate) fn compare(
        &self,
        seen: &VerifiedCheckpoint,
        proof: Option<&ConsistencyProof>,
    ) -> Result<Fit, ClientError> {
        let Some(known) = self.known() else {
            self.remember(seen)?;
            return Ok(Fit::Fits);
        };
        let (known_size, seen_size) = (known.checkpoint.size, seen.checkpoint.size);
        if known_size == seen_size {
            return if known.checkpoint.root == seen.checkpoint.root {
                Ok(Fit::Fits)
            } else {
                Err(self.breach(&known, seen, "the log forked: two roots for one tree size"))
            };
        }
        let (old, new) = match known_size < seen_size {
            true => (&known, seen),
            false => (seen, &known),
        };
        let (old_size, new_size) = (old.checkpoint.size, new.checkpoint.size);
        if old_size > 0 {
            let fitting =
                proof.filter(|p| p.old_tree_size == old_size && p.new_tree_size == new_size);
            let Some(proof) = fitting else {
                return Ok(Fit::NeedsProof {
                    old: old_size,
                    new: new_size,
                });
            };
            if !is_consistent(old, new, proof) {
                let what = "the log forked: the larger tree does not begin with the smaller one";
                return Err(self.breach(&known, seen, what));
            }
        }
        if seen_size > known_size {
            self.remember(seen)?;
        }
        Ok(Fit::Fits)
    }

    /// The error for a log that had entries and says that it has none. It has signed nothing of the kind, so only one
    /// checkpoint is there to show.
    pub(crate) fn shrank_to_nothing(&self, known: &VerifiedCheckpoint) -> ClientError {
        let nothing = VerifiedCheckpoint {
            note: "(none: the log says that it is empty)\n".into(),
            checkpoint: Checkpoint::new(self.origin(), 0, EMPTY_ROOT),
        };
        self.breach(known, &nothing, "the log shrank to nothing")
    }

    /// The error for a broker that does not prove that its log begins with what it signed before: the proof between these two sizes is
    /// missing.
    pub(crate) fn no_proof(
        &self,
        seen: &VerifiedCheckpoint,
        (old, new): (u64, u64),
        why: &str,
    ) -> ClientError {
        let what = format!("the broker gives no proof from {old} to {new}: {why}");
        match self.known() {
            Some(known) => self.breach(&known, seen, &what),
            // Without a known checkpoint nothing is compared.
            None => ClientError::Answer("a consistency proof is missing"),
        }
    }

    /// The error for two checkpoints that contradict each other. Kept beside the checkpoint as evidence, if there is a folder.
    pub fn breach(
        &self,
        known: &VerifiedCheckpoint,
        seen: &VerifiedCheckpoint,
        what: &str,
    ) -> ClientError {
        let mut breach = LogBreach {
            what: what.to_owned(),
            known: known.note.clone(),
            seen: seen.note.clone(),
            kept_in: None,
        };
        if let Some(file) = &self.file {
            // The error itself carries both notes, so a failure to write loses nothing.
            let name = format!("breach-{}-{}", known.checkpoint.size, seen.checkpoint.size);
            let kept = file.with_file_name(name);
            if fs::write(&kept, breach.to_string()).is_ok() {
                breach.kept_in = Some(kept);
            }
        }
        ClientError::Breach(Box::new(breach))
    }

    fn remember(&self, seen: &VerifiedCheckpoint) -> Result<(), ClientError> {
        let mut known = lock(&self.known);
        if known
            .as_ref()
            .is_some_and(|known| known.checkpoint.size >= seen.checkpoint.size)
        {
            return Ok(());
        }
        if let Some(file) = self.file.as_ref().filter(|_| !self.file_is_newer(seen)) {
            write_whole(file, &seen.note).map_err(|source| ClientError::State {
                path: file.clone(),
                source,
            })?;
        }
        *known = Some(seen.clone());
        Ok(())
    }

    /// Whether another process has meanwhile written a newer one, which must not be lost.
    fn file_is_newer(&self, seen: &VerifiedCheckpoint) -> bool {
        let note = self.read_file().ok().flatten();
        let written = note.and_then(|note| self.open(&note).ok());
        written.is_some_and(|written| written.size > seen.checkpoint.size)
    }

    fn read_file(&self) -> Result<Option<String>, ClientError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        match fs::read_to_string(file) {
            Ok(note) => Ok(Some(note)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ClientError::State {
                path: file.clone(),
                source,
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A value that is replaced whole is never half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a proof shows that `new`'s tree begins with `old`'s.
pub fn is_consistent(
    old: &VerifiedCheckpoint,
    new: &VerifiedCheckpoint,
    proof: &ConsistencyProof,
) -> bool {
    let hashes: Result<Vec<Hash>, _> = proof
        .hashes
        .iter()
        .map(|bytes| Hash::try_from(bytes.as_slice()))
        .collect();
    hashes.is_ok_and(|hashes| {
        verify_consistency(
            old.checkpoint.size,
            &old.checkpoint.root,
            new.checkpoint.size,
            &new.checkpoint.root,
            &hashes,
        )
        .is_ok()
    })
}

/// A folder name for a log: readable, and another one for another key.
fn folder_name(verifier: &NoteVerifier) -> String {
    let name: String = verifier
        .name()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(80)
        .collect();
    let key = hex::encode(verifier.public_key());
    format!("{name}+{}", key.get(..16).unwrap_or(&key))
}

/// Replaces a file whole, so that a reader sees the old one or the new one.
pub(crate) fn write_whole(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut new, text.as_bytes())?;
    new.as_file().sync_data()?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use casebroker_proto::tlog::{Extension, Frontier, NoteSigner};

    use super::*;

    const ORIGIN: &str = "log.example/cases";

    fn signer() -> NoteSigner {
        NoteSigner::from_seed(ORIGIN, &[3; 32]).unwrap()
    }

    fn seen(leaves: &[&str]) -> VerifiedCheckpoint {
        let extension = Extension::new(
            &Frontier::default(),
            leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())),
        );
        let checkpoint = Checkpoint::new(ORIGIN, extension.size(), extension.root());
        VerifiedCheckpoint {
            note: checkpoint.sign(&signer()).unwrap(),
            checkpoint,
        }
    }

    /// From one leaf to two: the other leaf is the whole proof.
    fn one_to_two() -> ConsistencyProof {
        ConsistencyProof {
            old_tree_size: 1,
            new_tree_size: 2,
            hashes: vec![leaf_hash(b"b").as_bytes().to_vec()],
        }
    }

    fn trust(dir: Option<&Path>) -> LogTrust {
        LogTrust::new(&signer().verifier().to_string(), dir).unwrap()
    }

    #[test]
    fn the_newest_checkpoint_is_remembered_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let first = trust(Some(dir.path()));
        assert_eq!(first.compare(&seen(&["a"]), None).unwrap(), Fit::Fits);
        assert_eq!(
            first.compare(&seen(&["a", "b"]), None).unwrap(),
            Fit::NeedsProof { old: 1, new: 2 }
        );
        first
            .compare(&seen(&["a", "b"]), Some(&one_to_two()))
            .unwrap();
        let second = trust(Some(dir.path()));
        assert_eq!(second.known(), Some(seen(&["a", "b"])));
        // An older receipt is fine if the newer tree begins with its tree.
        let fit = second.compare(&seen(&["a"]), Some(&one_to_two())).unwrap();
        assert_eq!((fit, second.known_size()), (Fit::Fits, 2));
    }

    #[test]
    fn a_fork_is_a_breach_that_carries_both_notes() {
        let trust = trust(None);
        trust.compare(&seen(&["a"]), None).unwrap();
        for (forked, proof) in [
            (seen(&["x"]), None),
            (seen(&["x", "b"]), Some(one_to_two())),
        ] {
            match trust.compare(&forked, proof.as_ref()).unwrap_err() {
                ClientError::Breach(breach) => {
                    assert_eq!(
                        (breach.known, breach.seen),
                        (seen(&["a"]).note, forked.note)
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(trust.known(), Some(seen(&["a"])));
    }

    #[test]
    fn a_checkpoint_of_another_key_is_refused() {
        let other = NoteSigner::generate(ORIGIN).unwrap();
        let note = seen(&["a"]).checkpoint.sign(&other).unwrap();
        assert!(matches!(
            trust(None).open(&note),
            Err(ProofFailure::Checkpoint(_))
        ));
    }
}
