//! What can be wrong with a proof, and the check that an entry is the statement that was sent.

use std::{fmt, path::PathBuf};

use casebroker_proto::{
    entry::check_entry,
    statement::Content,
    tlog::{CheckpointError, ReceiptError},
};
use prost_types::Timestamp;

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

/// Two checkpoints, both signed by the log, that cannot both be true, or that the broker does not prove to be of one log. Keep both:
/// together they are the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBreach {
    /// What is wrong.
    pub what: String,
    /// The checkpoint verified earlier, the whole signed note.
    pub known: String,
    /// The one that contradicts it.
    pub seen: String,
    /// File that holds both, if there is a state directory that takes it.
    pub kept_in: Option<PathBuf>,
}

impl fmt::Display for LogBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what, known, seen, ..
        } = self;
        write!(
            f,
            "{what}\n--- verified earlier\n{known}--- seen now\n{seen}"
        )
    }
}

impl std::error::Error for LogBreach {}

/// When `entry` was recorded, if it holds the envelope payload that was sent. The signature is not compared: a repeated submission may
/// have been signed anew, and the first one is what was recorded.
pub(crate) fn recorded_payload(
    entry: &[u8],
    position: u64,
    sent: &[u8],
) -> Result<Option<Timestamp>, ProofFailure> {
    let (entry, content) = check_entry(entry).map_err(|e| ProofFailure::Entry(e.to_string()))?;
    let Content::Statement(content) = content else {
        return Err(ProofFailure::OtherEntry(position));
    };
    if content.0.payload() == sent {
        Ok(entry.record_time)
    } else {
        Err(ProofFailure::OtherEntry(position))
    }
}
