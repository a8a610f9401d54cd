//! Reads cases: directory for the positions, journal for the statements, policy for what may be seen.

use std::sync::Arc;

use casebroker_proto::{
    names::{AgencyName, CaseName},
    statement::StatementError,
    v1,
};

use super::fold::{Statement, fold, visible};
use crate::{
    journal::{JournalError, JournalReader, ReadLimit},
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
    journal: Arc<dyn JournalReader>,
    state: Arc<Store>,
}

impl CaseReader {
    /// A reader over journal and state.
    pub fn new(journal: Arc<dyn JournalReader>, state: Arc<Store>) -> Self {
        Self { journal, state }
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

    /// A case as it stands, for an agency.
    pub fn case(&self, caller: &AgencyName, name: &CaseName) -> Result<v1::Case, ReadError> {
        fold(&self.history(caller, name)?).ok_or_else(|| ReadError::NoCase(name.clone()))
    }

    /// The statements of a case that an agency may see, oldest first; never empty.
    pub fn history(
        &self,
        caller: &AgencyName,
        name: &CaseName,
    ) -> Result<Vec<Statement>, ReadError> {
        let statements = visible(caller, self.statements(name)?);
        if statements.is_empty() {
            return Err(ReadError::NoCase(name.clone()));
        }
        Ok(statements)
    }

    /// The recorded entry at a position, if an agency may see it.
    pub fn entry(&self, caller: &AgencyName, position: u64) -> Result<bytes::Bytes, ReadError> {
        let record = self
            .journal
            .read(position, ReadLimit::ONE)?
            .pop()
            .ok_or(ReadError::NoEntry(position))?;
        let statement = decode(position, &record.entry)?;
        let seen = match self.history(caller, &statement.case) {
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

    /// Decoded entries from `from` up to `to`, not including it, oldest first.
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
                statements.push(decode(record.position, &record.entry)?);
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
            statements.push(decode(position, &entry.entry)?);
        }
        Ok(statements)
    }
}

fn decode(position: u64, entry: &[u8]) -> Result<Statement, ReadError> {
    Statement::decode(position, entry).map_err(|source| ReadError::Entry { position, source })
}
