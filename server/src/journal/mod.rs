//! The journal: the ordered, durable sequence of entries, and the only source of truth of the broker.
//!
//! **What it is for.** The sequencer appends groups of entries; everything else (tree, case directory, table, text,
//! deliveries) reads them back by position and can be rebuilt from here alone.
//!
//! **What it promises.**
//! - `append` returns only when the group, with the checkpoint that covers it, survives a power cut.
//! - A reader sees durable entries only, and sees them whole: a group appears at once or not at all.
//! - An entry never changes its position or its bytes. A read that finds other bytes than were written fails.
//! - Damage is never repaired by guessing: opening either finds every acknowledged entry or refuses and says where.
//!
//! **What it never does.** It does not look inside an entry or a checkpoint, does not compute hashes of the tree, does
//! not decide what is acknowledged, never retries a failed write or sync, never rewrites or removes a group.
//!
//! [`segments`] is the embedded implementation. `conformance` is the suite that every implementation must pass.

#[cfg(test)]
pub mod conformance;
mod error;
pub mod segments;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

pub use error::JournalError;

/// Most entries one group may hold.
pub const MAX_GROUP_ENTRIES: usize = 1 << 16;
/// Most bytes one entry may have.
pub const MAX_ENTRY_BYTES: usize = 16 << 20;
/// Most bytes one group may take, entries, checkpoint and framing together.
pub const MAX_GROUP_BYTES: usize = 256 << 20;
/// Most bytes a signed checkpoint may have (its cosignatures included).
pub const MAX_CHECKPOINT_BYTES: usize = 64 << 10;

/// One group as the sequencer hands it over: everything that one sync makes durable.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// Position of the first entry; must equal the journal's next position.
    pub first_position: u64,
    /// The entries' bytes as recorded, 1 to [`MAX_GROUP_ENTRIES`] of them, none longer than [`MAX_ENTRY_BYTES`].
    pub entries: &'a [Bytes],
    /// `first_position` plus the number of entries.
    pub tree_size: u64,
    /// RFC 6962 root of the tree over the first `tree_size` entries.
    pub root: [u8; 32],
    /// Signed checkpoint for `tree_size` and `root`; opaque to the journal, at most [`MAX_CHECKPOINT_BYTES`].
    pub checkpoint: &'a str,
}

/// What a group says about the tree after its last entry.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupTrailer {
    /// Number of entries up to and including this group.
    pub tree_size: u64,
    /// RFC 6962 root at `tree_size`.
    pub root: [u8; 32],
    /// The signed checkpoint as it was appended.
    pub checkpoint: String,
}

/// One entry read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Zero-based position in the journal, equal to the leaf index in the tree.
    pub position: u64,
    /// The entry's bytes as recorded. An allocation of its own: keeping one record keeps no other in memory.
    pub entry: Bytes,
}

/// How much one read may return. The first record is always returned, however long, so that a reader makes progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Most records; 0 counts as 1.
    pub entries: usize,
    /// Most bytes of entries.
    pub bytes: usize,
}

impl ReadLimit {
    /// Exactly one record.
    pub const ONE: Self = Self {
        entries: 1,
        bytes: 0,
    };
}

/// The writing end; there is one, and the sequencer owns it. Calls block.
pub trait Journal: Send {
    /// Appends one group and returns when it is durable; from then on readers see it.
    ///
    /// # Errors
    /// [`JournalError::InvalidGroup`] when the group does not fit what its fields promise, [`JournalError::Fatal`]
    /// when a write or a sync failed. After any error it is unknown what reached the disk, so every later append answers
    /// [`JournalError::Poisoned`]: the caller stops the process, and opening again finds out.
    fn append(&mut self, group: Group<'_>) -> Result<(), JournalError>;

    /// A reading end, as many as wanted.
    fn reader(&self) -> Arc<dyn JournalReader>;
}

/// A reading end. It shows durable groups only and never waits for the disk on behalf of the writer. Calls that read
/// entries block: use them from a thread that may.
pub trait JournalReader: Send + Sync + fmt::Debug {
    /// Number of durable entries, which is the position the next one gets.
    fn next_position(&self) -> u64;

    /// Tree size, root and checkpoint of the newest durable group; `None` while the journal is empty.
    fn last_group(&self) -> Option<GroupTrailer>;

    /// Records from `from` on, in order and without gaps: at least one if `from` is below the next position, none
    /// otherwise.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`] or [`JournalError::Damaged`] when the disk does not give back what was written.
    fn read(&self, from: u64, limit: ReadLimit) -> Result<Vec<Record>, JournalError>;

    /// The trailer of the group that holds `position`; `None` if no durable group does.
    ///
    /// # Errors
    /// As for [`JournalReader::read`].
    fn group_trailer_over(&self, position: u64) -> Result<Option<GroupTrailer>, JournalError>;

    /// The trailer of the group that ends at `tree_size`; `None` if no durable group ends exactly there.
    ///
    /// # Errors
    /// As for [`JournalReader::read`].
    fn group_trailer_at(&self, tree_size: u64) -> Result<Option<GroupTrailer>, JournalError> {
        let Some(last_position) = tree_size.checked_sub(1) else {
            return Ok(None);
        };
        let trailer = self.group_trailer_over(last_position)?;
        Ok(trailer.filter(|trailer| trailer.tree_size == tree_size))
    }

    /// Follows [`JournalReader::next_position`]; changes once a group, after it became durable. Closed when the writing
    /// end is gone.
    fn subscribe(&self) -> watch::Receiver<u64>;
}

impl fmt::Debug for GroupTrailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupTrailer")
            .field("tree_size", &self.tree_size)
            .field("root", &hex::encode(self.root))
            .field("checkpoint_bytes", &self.checkpoint.len())
            .finish()
    }
}
