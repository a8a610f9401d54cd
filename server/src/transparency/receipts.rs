//! Receipts of entries that were recorded earlier.

use std::sync::Arc;

use super::{Log, LogError};
use crate::journal::JournalReader;

/// Makes again the receipt that a submission got, byte for byte: its checkpoint is in the journal beside its group, and the
/// tree only grows. Calls block on the disk.
#[derive(Debug, Clone)]
pub struct Receipts {
    journal: Arc<dyn JournalReader>,
    log: Arc<Log>,
}

impl Receipts {
    /// Receipts from this journal and log.
    pub fn new(journal: Arc<dyn JournalReader>, log: Arc<Log>) -> Self {
        Self { journal, log }
    }

    /// The receipt that the entry at `position` got when it was recorded, and the tree size of its checkpoint.
    pub fn original(&self, position: u64) -> Result<(String, u64), LogError> {
        let trailer = self.journal.group_trailer_over(position)?;
        let trailer = trailer.ok_or(LogError::Range {
            size: self.journal.next_position(),
        })?;
        let receipt = self
            .log
            .receipt(position, trailer.tree_size, &trailer.checkpoint)?;
        Ok((receipt, trailer.tree_size))
    }
}
