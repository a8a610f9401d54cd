//! Reads cases: directory for the positions, journal for the statements, policy for what may be seen.

use std::sync::Arc;

use casebroker_proto::{names::CaseName, statement::StatementError, v1};

use super::{
    fold::{Statement, fold, visible},
    membership::Membership,
};
use crate::{
    journal::{JournalError, JournalReader, ReadLimit},
    policy::Viewer,
    state::{StateError, Store},
};

/// Why something could not be read. "Does not exist" and "not for the caller" are one.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No such case, or not for the caller.
    #[error("there is no case `{0}`, or it is not for you")]
    NoCase(CaseName),
    /// No such entry, or not for the caller.
    #[error("there is no entry at position {0}, or it is not for you")]
    NoEntry(u64),
    /// The answer was asked for later than the log reaches.
    #[error("the log has {size} entries; it does not reach position {asked}")]
    NotYet {
        /// Position asked for.
        asked: u64,
        /// Size of the log.
        size: u64,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The state store.
    #[error(transparent)]
    State(#[from] StateError),
    /// An entry cannot be decoded.
    #[error("the entry at position {position} cannot be decoded: {source}")]
    Entry {
        /// Its position.
        position: u64,
        /// Why.
        source: StatementError,
    },
}

/// Reads cases. Calls block on the disk.
#[derive(Debug, Clone)]
pub struct CaseReader {
    pub(super) journal: Arc<dyn JournalReader>,
    pub(super) state: Arc<Store>,
    membership: Arc<Membership>,
}

impl CaseReader {
    /// A reader over journal, state and the registry's history.
    pub fn new(
        journal: Arc<dyn JournalReader>,
        state: Arc<Store>,
        membership: Arc<Membership>,
    ) -> Self {
        Self {
            journal,
            state,
            membership,
        }
    }

    /// Every answer from now on takes account of everything before this position; at least `min_position`.
    pub fn as_of(&self, min_position: u64) -> Result<u64, ReadError> {
        let size = self.journal.next_position();
        if min_position > size {
            return Err(ReadError::NotYet {
                asked: min_position,
                size,
            });
        }
        Ok(size)
    }

    /// A case as it stands, for a viewer.
    pub fn case(&self, viewer: &Viewer, name: &CaseName) -> Result<v1::Case, ReadError> {
        fold(&self.history(viewer, name)?).ok_or_else(|| ReadError::NoCase(name.clone()))
    }

    /// The statements of a case that a viewer may see, oldest first; never empty.
    pub fn history(&self, viewer: &Viewer, name: &CaseName) -> Result<Vec<Statement>, ReadError> {
        let groups = self.membership.now();
        let statements = visible(viewer, &*groups, self.statements(name)?);
        if statements.is_empty() {
            return Err(ReadError::NoCase(name.clone()));
        }
        Ok(statements)
    }

    /// The recorded entry at a position, if a viewer may see it. Updates of the registry are for every member.
    pub fn entry(&self, viewer: &Viewer, position: u64) -> Result<bytes::Bytes, ReadError> {
        let record = self
            .journal
            .read(position, ReadLimit::ONE)?
            .pop()
            .ok_or(ReadError::NoEntry(position))?;
        let Some(statement) = decode(position, &record.entry)? else {
            return Ok(record.entry);
        };
        let seen = match self.history(viewer, &statement.case) {
            Ok(statements) => statements.iter().any(|s| s.position == position),
            Err(ReadError::NoCase(_)) => false,
            Err(error) => return Err(error),
        };
        if seen {
            Ok(record.entry)
        } else {
            Err(ReadError::NoEntry(position))
        }
    }

    /// The entry of an update of the registry, whose position is known to be one.
    pub fn registry_entry(&self, position: u64) -> Result<bytes::Bytes, ReadError> {
        let record = self.journal.read(position, ReadLimit::ONE)?.pop();
        record
            .map(|record| record.entry)
            .ok_or(ReadError::NoEntry(position))
    }

    /// Statements from `from` up to `to`, not including it, oldest first.
    pub(super) fn range(&self, from: u64, to: u64) -> Result<Vec<Statement>, ReadError> {
        let mut statements = Vec::new();
        let mut next = from;
        while next < to {
            let entries = usize::try_from(to - next).unwrap_or(usize::MAX);
            let records = self.journal.read(
                next,
                ReadLimit {
                    entries,
                    bytes: 8 << 20,
                },
            )?;
            let Some(last) = records.last() else { break };
            next = last.position + 1;
            for record in records {
                statements.extend(decode(record.position, &record.entry)?);
            }
        }
        Ok(statements)
    }

    fn statements(&self, name: &CaseName) -> Result<Vec<Statement>, ReadError> {
        let record = self.state.case(name)?.unwrap_or_default();
        let mut statements = Vec::with_capacity(record.statements.len());
        for (position, _) in record.statements {
            let entry = self
                .journal
                .read(position, ReadLimit::ONE)?
                .pop()
                .ok_or(ReadError::NoEntry(position))?;
            statements.extend(decode(position, &entry.entry)?);
        }
        Ok(statements)
    }
}

fn decode(position: u64, entry: &[u8]) -> Result<Option<Statement>, ReadError> {
    Statement::decode(position, entry).map_err(|source| ReadError::Entry { position, source })
}
