//! The tamper-evident log over the journal: tree, signed checkpoints, proofs.
//!
//! What it is for: extending the RFC 6962 tree group by group, signing a checkpoint for each, and proving from the tree.
//! What it promises: a proof it gives out verifies against a checkpoint that is on disk; the newest checkpoint is kept beside
//! the journal, synced at least every second. What it never does: decide who may see an entry (`policy`), or keep the only
//! copy of anything: the tree's file is made anew from the journal at every start, which re-hashes every entry.

mod keeper;
mod receipts;
mod tree;

use std::{fmt, fs, path::Path, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use casebroker_proto::tlog::{
    Checkpoint, CheckpointError, Extension, Frontier, Hash, KeyError, NoteSigner, NoteVerifier,
    Receipt, TreeError, consistency_proof, inclusion_proof, leaf_hash,
};
use zeroize::Zeroizing;

pub use keeper::{Keeper, load as load_kept_checkpoint, read as read_kept_checkpoint};
pub use receipts::Receipts;
pub use tree::TreeFile;

/// Why the log cannot go on or cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file of the log cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The checkpoint kept beside the journal is none of this log.
    #[error(
        "{}: this is no checkpoint of this log: {source}; was `log.key` or `log.origin` changed? If the file is empty or \
         cut, put it back from a copy. Without one, and only if the journal is surely whole, move the file aside and \
         start again: an end that the journal has lost would then go unnoticed",
        path.display()
    )]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// The log's key cannot be used.
    #[error("{}: {source}; expected a C2SP note private key, as `casebroker pki init` makes one", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KeyError,
    },
    /// A checkpoint cannot be signed or does not verify.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A tree size is beyond the log, or a proof was asked for the wrong way round.
    #[error("the log has {size} entries; a position or tree size lies beyond it")]
    Range {
        /// Size of the log.
        size: u64,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// The tree cannot be read.
    #[error("the tree of hashes cannot be read: {0}")]
    Tree(#[from] TreeError<std::io::Error>),
}

/// The newest state of the log that is on disk.
#[derive(Debug, Clone)]
pub struct Newest {
    /// Number of entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Signed checkpoint, the whole note; empty while the log is empty.
    pub checkpoint: Arc<str>,
}

/// The log's identity: origin and keys.
pub struct Identity {
    /// Origin line.
    pub origin: String,
    /// Public key, as a vkey.
    pub verifier: NoteVerifier,
    signer: NoteSigner,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the log's key.
    pub fn load(origin: &str, key: &Path) -> Result<Self, LogError> {
        let text = fs::read_to_string(key).map(Zeroizing::new);
        let text = text.map_err(|source| LogError::File {
            path: key.into(),
            source,
        })?;
        let signer =
            NoteSigner::from_private_key_text(text.trim()).map_err(|source| LogError::Key {
                path: key.into(),
                source,
            })?;
        Ok(Self {
            origin: origin.into(),
            verifier: signer.verifier().clone(),
            signer,
        })
    }

    /// Opens a checkpoint that this log must have signed.
    pub fn open(&self, text: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open(text, &self.verifier, &self.origin)
    }
}

/// The log as everybody reads it. The sequencer alone extends it.
#[derive(Debug)]
pub struct Log {
    /// Who the log is.
    pub identity: Identity,
    tree: TreeFile,
    newest: ArcSwap<Newest>,
}

/// A group's tree, signed, not yet on disk.
#[derive(Debug)]
pub struct Signed {
    /// Tree after the group.
    pub extension: Extension,
    /// Checkpoint over it.
    pub checkpoint: Arc<str>,
}

impl Log {
    /// A log at what recovery found.
    pub fn new(identity: Identity, tree: TreeFile, newest: Newest) -> Arc<Self> {
        Arc::new(Self {
            identity,
            tree,
            newest: ArcSwap::from_pointee(newest),
        })
    }

    /// The newest state on disk.
    pub fn newest(&self) -> Arc<Newest> {
        self.newest.load_full()
    }

    /// Hashes a group's entries on top of a frontier and signs the checkpoint: one signature a group.
    pub fn sign<'a>(
        &self,
        frontier: &Frontier,
        entries: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Signed, LogError> {
        let extension = Extension::new(frontier, entries.map(leaf_hash));
        let checkpoint = Checkpoint::new(&self.identity.origin, extension.size(), extension.root());
        let checkpoint = checkpoint.sign(&self.identity.signer)?.into();
        Ok(Signed {
            extension,
            checkpoint,
        })
    }

    /// Takes a group into the tree once the journal has it. After an error the process must stop: the tree lags.
    pub fn publish(&self, signed: &Signed) -> Result<(), LogError> {
        let extension = &signed.extension;
        self.tree
            .append(extension.first_stored_index(), extension.nodes())?;
        self.newest.store(Arc::new(Newest {
            size: extension.size(),
            root: extension.root(),
            checkpoint: Arc::clone(&signed.checkpoint),
        }));
        Ok(())
    }

    /// Root over the first so many entries; `None` beyond the end. Reads the tree's file.
    pub fn root_at(&self, size: u64) -> std::io::Result<Option<[u8; 32]>> {
        if size > self.newest.load().size {
            return Ok(None);
        }
        let root = self.tree.root(size).map_err(std::io::Error::other)?;
        Ok(Some(root.into()))
    }

    /// Receipt of a position against a checkpoint of this log at `size`. Reads the tree's file.
    pub fn receipt(&self, position: u64, size: u64, checkpoint: &str) -> Result<String, LogError> {
        self.check_size(size)?;
        if position >= size {
            return Err(LogError::Range { size });
        }
        let proof = inclusion_proof(&self.tree, position, size)?;
        Ok(receipt_text(position, proof, checkpoint))
    }

    /// Proof that the tree of `old` entries is the beginning of that of `new`. Reads the tree's file.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        self.check_size(new)?;
        if old == 0 || old > new {
            return Err(LogError::Range { size: new });
        }
        Ok(consistency_proof(&self.tree, old, new)?)
    }

    /// Refuses a tree size beyond the log.
    pub fn check_size(&self, size: u64) -> Result<(), LogError> {
        let newest = self.newest.load();
        if size > newest.size {
            return Err(LogError::Range { size: newest.size });
        }
        Ok(())
    }
}

impl Signed {
    /// Receipt of one of the group's entries, without reading the tree's file.
    pub fn receipt(&self, position: u64) -> Result<String, LogError> {
        let size = self.extension.size();
        let proof = self
            .extension
            .inclusion_proof(position)
            .map_err(|_| LogError::Range { size })?;
        Ok(receipt_text(position, proof, &self.checkpoint))
    }
}

fn receipt_text(index: u64, proof: Vec<Hash>, checkpoint: &str) -> String {
    Receipt {
        index,
        extra: None,
        proof,
        checkpoint: checkpoint.into(),
    }
    .to_string()
}
