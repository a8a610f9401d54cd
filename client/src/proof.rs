//! What can be wrong with a proof, and the check that an entry is the statement that was sent.

use std::fmt;

use casebroker_proto::{
    statement::decode_entry,
    tlog::{CheckpointError, ReceiptError},
};

/// A proof that does not verify: what was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFailure {
    /// A checkpoint.
    #[error("the checkpoint does not verify: {0}")]
    Checkpoint(CheckpointError),
    /// A receipt.
    #[error("the receipt does not verify: {0}")]
    Receipt(ReceiptError),
    /// A receipt, genuine or not, of another position than asked for.
    #[error("the receipt is for position {found}, not {expected}")]
    Position {
        /// As the receipt says.
        found: u64,
        /// As asked for.
        expected: u64,
    },
    /// The entry recorded holds something else than what was sent.
    #[error("the entry recorded at position {0} is not the statement that was sent")]
    OtherEntry(u64),
    /// The entry is none.
    #[error("the entry cannot be read: {0}")]
    Entry(String),
    /// The broker serves another log than the profile trusts.
    #[error("the broker's log has the key {found}, the profile trusts {expected}")]
    OtherLog {
        /// As the broker says.
        found: String,
        /// As the profile says.
        expected: String,
    },
}

/// Two checkpoints, both signed by the log, that cannot both be true. Keep both: together they prove the breach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBreach {
    /// What is wrong.
    pub what: String,
    /// The checkpoint verified earlier, the whole signed note.
    pub known: String,
    /// The one that contradicts it.
    pub seen: String,
}

impl fmt::Display for LogBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, known, seen } = self;
        write!(
            f,
            "{what}\n--- verified earlier\n{known}--- seen now\n{seen}"
        )
    }
}

impl std::error::Error for LogBreach {}

/// Whether `entry` holds the envelope payload that was sent. The signature is not compared: a repeated submission may have
/// been signed anew, and the first one is what was recorded.
pub(crate) fn holds_payload(entry: &[u8], position: u64, sent: &[u8]) -> Result<(), ProofFailure> {
    let (_, envelope, _) = decode_entry(entry).map_err(|e| ProofFailure::Entry(e.to_string()))?;
    if envelope.payload() == sent {
        Ok(())
    } else {
        Err(ProofFailure::OtherEntry(position))
    }
}
