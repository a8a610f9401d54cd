//! Reads cases: directory for the positions, journal for the statements, policy for what may be seen.
//!
//! A hidden case and one that does not exist are answered alike, and after the same work: the answer's time must not tell what
//! its text does not. Whether a case may be seen is decided by one statement, however many it has; and where there is none
//! to decide by, that of another case is looked at in its place.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use casebroker_proto::{
    names::{AgencyName, CaseName},
    statement::StatementError,
    v1,
};

use super::fold::{Statement, fold, keep_visible, sees_case};
use crate::{
    journal::{JournalError, JournalReader, ReadLimit},
    state::{CaseRecord, Effect, StateError, Store},
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
    /// Chooses what is looked at in place of a case that does not exist; nobody outside can foretell it.
    decoys: RandomState,
}

impl CaseReader {
    /// A reader over journal and state.
    pub fn new(journal: Arc<dyn JournalReader>, state: Arc<Store>) -> Self {
        Self {
            journal,
            state,
            decoys: RandomState::new(),
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
        let record = self.state.case(name)?;
        if let Some(record) = &record
            && self.sees(caller, record)?
        {
            return self.statements(caller, record);
        }
        // From here on a hidden case and a missing one cost two look-ups and two reads each.
        let decoy = self.decoy(name)?;
        if let (None, Some(decoy)) = (record, decoy) {
            self.sees(caller, &decoy)?;
        }
        Err(ReadError::NoCase(name.clone()))
    }

    /// The recorded entry at a position, if an agency may see it.
    pub fn entry(&self, caller: &AgencyName, position: u64) -> Result<bytes::Bytes, ReadError> {
        let entry = self.read(position)?;
        let statement = decode(position, &entry)?;
        let seen = match self.history(caller, &statement.case) {
            Ok(statements) => statements.iter().any(|s| s.position == position),
            Err(ReadError::NoCase(_)) => false,
            Err(error) => return Err(error),
        };
        if seen {
            Ok(entry)
        } else {
            Err(ReadError::NoEntry(position))
        }
    }

    /// The record of a case, if an agency may see the case.
    pub(super) fn seen(
        &self,
        caller: &AgencyName,
        name: &CaseName,
    ) -> Result<Option<CaseRecord>, ReadError> {
        let record = self.state.case(name)?.unwrap_or_default();
        Ok(self.sees(caller, &record)?.then_some(record))
    }

    /// The statements of a case that an agency may see, as far as they are for it, oldest first.
    pub(super) fn statements(
        &self,
        caller: &AgencyName,
        record: &CaseRecord,
    ) -> Result<Vec<Statement>, ReadError> {
        let positions = record.statements.iter().map(|(position, _)| *position);
        let statements = positions.map(|position| self.statement(position));
        let mut statements: Vec<_> = statements.collect::<Result<_, _>>()?;
        keep_visible(caller, &mut statements);
        Ok(statements)
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

    /// Whether an agency may see the case of a record. One read.
    fn sees(&self, caller: &AgencyName, record: &CaseRecord) -> Result<bool, ReadError> {
        let newest_first = record.statements.iter().rev();
        let mut revisions = newest_first.filter(|(_, effect)| *effect != Effect::Retracted);
        match revisions.next() {
            Some((position, _)) => Ok(sees_case(caller, &self.statement(*position)?)),
            None => Ok(false),
        }
    }

    /// The record of some case, always the same for a name and a size of the log; `None` while the log is empty.
    fn decoy(&self, name: &CaseName) -> Result<Option<CaseRecord>, ReadError> {
        let chance = self.decoys.hash_one(name);
        let Some(position) = chance.checked_rem(self.journal.next_position()) else {
            return Ok(None);
        };
        let statement = self.statement(position)?;
        Ok(self.state.case(&statement.case)?)
    }

    fn statement(&self, position: u64) -> Result<Statement, ReadError> {
        decode(position, &self.read(position)?)
    }

    fn read(&self, position: u64) -> Result<bytes::Bytes, ReadError> {
        let record = self.journal.read(position, ReadLimit::ONE)?.pop();
        Ok(record.ok_or(ReadError::NoEntry(position))?.entry)
    }
}

fn decode(position: u64, entry: &[u8]) -> Result<Statement, ReadError> {
    Statement::decode(position, entry).map_err(|source| ReadError::Entry { position, source })
}

#[cfg(test)]
mod tests;
