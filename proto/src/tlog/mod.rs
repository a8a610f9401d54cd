//! The transparency log's arithmetic and text formats.
//!
//! What it is for: hashing a log's tree (RFC 6962), growing it by groups of entries, proving and verifying that an entry
//! is in it and that it only ever grew, and the texts in which this leaves the house: C2SP signed notes, checkpoints and
//! tlog-proof receipts. Broker and client share it, so that what one proves is what the other checks.
//!
//! What it promises: input of any origin and any length gives a value or an error, never a panic and never unbounded
//! work; a text that parses is printed back byte for byte; a proof verifies only if it leads from the very leaf to the
//! very root given.
//!
//! What it never does: input or output, reading a clock, keeping a tree. Whoever keeps one shows it through
//! [`HashReader`]. Nor does it judge whom to trust: keys and origins come from the caller.
//!
//! ```
//! use casebroker_proto::tlog::{Checkpoint, Extension, Frontier, NoteSigner, Receipt, leaf_hash};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let signer = NoteSigner::generate("log.example/cases")?;
//! let group = [leaf_hash(b"first entry"), leaf_hash(b"second entry")];
//! let extension = Extension::new(&Frontier::default(), group);
//! let checkpoint = Checkpoint::new("log.example/cases", extension.size(), extension.root());
//! let receipt = Receipt {
//!     index: 1,
//!     extra: None,
//!     proof: extension.inclusion_proof(1)?,
//!     checkpoint: checkpoint.sign(&signer)?,
//! };
//! let sent: Receipt = receipt.to_string().parse()?;
//! let seen = sent.verify(b"second entry", signer.verifier(), "log.example/cases")?;
//! assert_eq!(seen, checkpoint);
//! # Ok(())
//! # }
//! ```

pub mod checkpoint;
pub mod extension;
pub mod frontier;
pub mod hash;
pub mod key;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod tree;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use extension::Extension;
pub use frontier::Frontier;
pub use hash::{EMPTY_ROOT, HASH_BYTES, Hash, HashError, leaf_hash, node_hash};
pub use key::{KeyError, NoteSigner, NoteVerifier};
pub use note::{NoteError, NoteSignature, SignedNote};
pub use proof::{
    ProofError, consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion,
};
pub use receipt::{Receipt, ReceiptError};
pub use tree::{HashReader, MAX_TREE_SIZE, MissingNode, TreeError, stored_count, stored_index};
