//! Reads cases: directory for the positions, journal for the statements, policy for what may be seen.
//!
//! A hidden case and one that does not exist are answered alike, and after the same work: the answer's time must not tell what
//! its text does not. Whether a case may be seen is decided by one statement, however many it has; and where there is none
//! to decide by, that of another case is looked at in its place.

mod entries;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use casebroker_proto::{
    names::{AgencyName, CaseName},
    statement::StatementError,
    v1::{self, CaseView, statement::Kind},
};
use entries::decode;

use super::{
    fold::{fold, fold_into},
    membership::Membership,
    statement::{Statement, keep_visible, sees_case},
    table::Sharing,
};
use crate::{
    journal::{JournalError, JournalReader},
    policy::Viewer,
    state::{CaseRecord, StateError, Store, Task},
};

/// Entries looked at to find one in place of a case that does not exist: updates of the registry are passed over.
const DECOY_ENTRIES: u64 = 16;

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
    /// It is not known yet which cases share what, up to where that is needed.
    #[error("the table is at position {position}, and {wanted} is wanted")]
    Behind {
        /// How far it is.
        position: u64,
        /// How far it has to be.
        wanted: u64,
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
    pub(super) membership: Arc<Membership>,
    pub(super) sharing: Arc<Sharing>,
    /// Which cases share what has to be known up to this position; else the answer is an error.
    pub(super) least: u64,
    /// Nothing from this position on is looked at.
    pub(super) cut: u64,
    /// Chooses what is looked at in place of a case that does not exist; nobody outside can foretell it.
    decoys: RandomState,
}

impl CaseReader {
    /// A reader over journal, state, the registry's history and the index of which cases share what.
    pub fn new(
        journal: Arc<dyn JournalReader>,
        state: Arc<Store>,
        membership: Arc<Membership>,
        sharing: Arc<Sharing>,
    ) -> Self {
        Self {
            journal,
            state,
            membership,
            sharing,
            least: 0,
            cut: u64::MAX,
            decoys: RandomState::new(),
        }
    }

    /// The same as if the log ended before a position. Who may see what is then, too, as it was: see [`Self::may_see_now`].
    pub fn at(&self, position: u64) -> Self {
        Self {
            cut: position,
            least: position,
            ..self.clone()
        }
    }

    /// Whether a viewer may see a case as of now.
    pub fn may_see_now(&self, viewer: &Viewer, name: &CaseName) -> Result<bool, ReadError> {
        let now = Self {
            cut: u64::MAX,
            ..self.clone()
        };
        Ok(now.seen(viewer, name)?.is_some())
    }

    /// The record of a case.
    pub(super) fn record(&self, name: &CaseName) -> Result<Option<CaseRecord>, ReadError> {
        let mut record = self.state.case(name)?;
        if self.cut < u64::MAX
            && let Some(record) = &mut record
        {
            record
                .statements
                .retain(|(position, _)| *position < self.cut);
        }
        Ok(record.filter(|record| !record.statements.is_empty()))
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
        let statements = self.history(viewer, name)?;
        let case = self.folded(viewer, name, &statements)?;
        case.ok_or_else(|| ReadError::NoCase(name.clone()))
    }

    /// The case that these statements make, which are those of it that the viewer may see.
    pub(super) fn folded(
        &self,
        viewer: &Viewer,
        name: &CaseName,
        statements: &[Statement],
    ) -> Result<Option<v1::Case>, ReadError> {
        self.with_incident(fold(statements), viewer, name, declares(statements))
    }

    /// A case, with those that are the same incident if anybody has declared an overlap with it.
    fn with_incident(
        &self,
        mut case: Option<v1::Case>,
        viewer: &Viewer,
        name: &CaseName,
        declared: bool,
    ) -> Result<Option<v1::Case>, ReadError> {
        // For most cases nobody has, and then nobody's words join them with another.
        if let Some(case) = &mut case
            && declared
        {
            case.same_incident_cases = self.same_incident(viewer, name)?;
        }
        Ok(case)
    }

    /// The case whose first statement for a viewer is at a position, or as much of it as a view holds.
    pub fn case_beginning(
        &self,
        viewer: &Viewer,
        position: u64,
        view: CaseView,
    ) -> Result<Option<v1::Case>, ReadError> {
        let Some(first) = self.statement(position)? else {
            return Ok(None);
        };
        let name = first.case.clone();
        let record = self.record(&name)?.unwrap_or_default();
        // Whoever lists cases knows already that they may be seen, so it pays to read each statement once.
        let mut first = Some(first);
        let positions = record.statements.iter().map(|(position, _)| *position);
        let statements = positions.filter_map(|at| match at == position {
            true => first.take().map(Ok),
            false => self.statement(at).transpose(),
        });
        let mut statements = statements.collect::<Result<Vec<_>, _>>()?;
        let in_force = record.handling_position();
        let in_force = statements.iter().find(|s| Some(s.position) == in_force);
        let groups = self.membership.now();
        if !in_force.is_some_and(|in_force| sees_case(viewer, &*groups, in_force)) {
            return Ok(None);
        }
        self.keep_visible(viewer, &mut statements);
        let declared = declares(&statements);
        let case = fold_into(view, statements);
        let case = self.with_incident(case, viewer, &name, declared)?;
        Ok(case.filter(|case| case.first_position == position))
    }

    /// The name of that case.
    pub fn name_beginning(
        &self,
        viewer: &Viewer,
        position: u64,
    ) -> Result<Option<CaseName>, ReadError> {
        let Some(first) = self.statement(position)? else {
            return Ok(None);
        };
        let seen = self.seen(viewer, &first.case)?;
        Ok(seen.map(|_| first.case))
    }

    /// The statements of a case that a viewer may see, oldest first; never empty.
    pub fn history(&self, viewer: &Viewer, name: &CaseName) -> Result<Vec<Statement>, ReadError> {
        let record = self.record(name)?;
        if let Some(record) = &record
            && self.sees(viewer, record)?
        {
            return self.statements(viewer, record);
        }
        // From here on a hidden case and a missing one cost two records and two reads each.
        let decoy = self.decoy(name, 0)?;
        if let (None, Some((decoy, _))) = (record, decoy) {
            let record = self.record(&decoy)?.unwrap_or_default();
            self.sees(viewer, &record)?;
        }
        Err(ReadError::NoCase(name.clone()))
    }

    /// What an agency's tasks began with before a position, newest first, at most so many. Whether it may see them still is
    /// another question.
    pub fn tasks(
        &self,
        agency: &AgencyName,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Task>, ReadError> {
        Ok(self.state.tasks(agency, before, limit)?)
    }

    /// The name of the case that begins at a position, whoever may see it; `None` if none does.
    pub fn beginning(&self, position: u64) -> Result<Option<CaseName>, ReadError> {
        Ok(self.statement(position)?.map(|first| first.case))
    }

    /// Whether a viewer may see a statement as of now, if it could see it when it was said: whether it may see the case still. One
    /// more read if somebody has said since who may.
    pub fn may_see_statement(&self, viewer: &Viewer, said: &Statement) -> Result<bool, ReadError> {
        let record = self.record(&said.case)?.unwrap_or_default();
        if record.handling_position() == Some(said.position) {
            return Ok(sees_case(viewer, &*self.membership.now(), said));
        }
        self.sees(viewer, &record)
    }

    /// The recorded entry at a position, if a viewer may see it. Updates of the registry are for every member.
    pub fn entry(&self, viewer: &Viewer, position: u64) -> Result<bytes::Bytes, ReadError> {
        let entry = self.recorded(position)?;
        let Some(statement) = decode(position, &entry)? else {
            return Ok(entry);
        };
        let seen = match self.history(viewer, &statement.case) {
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

    /// The record of a case, if a viewer may see the case.
    pub(super) fn seen(
        &self,
        viewer: &Viewer,
        name: &CaseName,
    ) -> Result<Option<CaseRecord>, ReadError> {
        let record = self.record(name)?.unwrap_or_default();
        Ok(self.sees(viewer, &record)?.then_some(record))
    }

    /// The statements of a case that a viewer may see, as far as they are for it, oldest first.
    pub(super) fn statements(
        &self,
        viewer: &Viewer,
        record: &CaseRecord,
    ) -> Result<Vec<Statement>, ReadError> {
        let mut statements = self.all(record)?;
        self.keep_visible(viewer, &mut statements);
        Ok(statements)
    }

    /// The statements of a case, oldest first, whoever may see them.
    pub(super) fn all(&self, record: &CaseRecord) -> Result<Vec<Statement>, ReadError> {
        let positions = record.statements.iter().map(|(position, _)| *position);
        let statements = positions.filter_map(|position| self.statement(position).transpose());
        statements.collect()
    }

    /// Keeps what is for a viewer of the statements of a case that it may see.
    pub(super) fn keep_visible(&self, viewer: &Viewer, statements: &mut Vec<Statement>) {
        keep_visible(viewer, &*self.membership.now(), statements);
    }

    /// Whether a viewer may see the case of a record. One read.
    pub(super) fn sees(&self, viewer: &Viewer, record: &CaseRecord) -> Result<bool, ReadError> {
        let Some(position) = record.handling_position() else {
            return Ok(false);
        };
        let in_force = self.statement(position)?;
        let groups = self.membership.now();
        Ok(in_force.is_some_and(|in_force| sees_case(viewer, &*groups, &in_force)))
    }

    /// Some case with its record, always the same for a name, a number and a size of the log; `None` while the log is empty.
    pub(super) fn decoy(
        &self,
        name: &CaseName,
        number: u64,
    ) -> Result<Option<(CaseName, CaseRecord)>, ReadError> {
        let size = self.journal.next_position();
        let chance = self.decoys.hash_one((name, number));
        for step in 0..DECOY_ENTRIES.min(size) {
            let Some(position) = chance.wrapping_add(step).checked_rem(size) else {
                break;
            };
            if let Some(statement) = self.statement(position)? {
                let record = self.record(&statement.case)?;
                return Ok(record.map(|record| (statement.case, record)));
            }
        }
        Ok(None)
    }
}

/// Whether one of them declares an overlap.
fn declares(statements: &[Statement]) -> bool {
    let kind = |s: &Statement| matches!(s.statement.kind, Some(Kind::OverlapDeclaration(_)));
    statements.iter().any(kind)
}

#[cfg(test)]
pub(super) mod tests;
