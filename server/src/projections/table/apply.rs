//! What a recorded statement changes in the table.

use std::{collections::BTreeSet, slice::from_ref, sync::Arc};

use casebroker_proto::{
    names::CaseName,
    overlap,
    subscription::kind_of,
    v1::{StatementKind, statement::Kind},
};

use super::{
    rows::Rows,
    said::{Readers, Said},
    sharing::{Full, Sharing},
    views::{View, views, views_of},
};
use crate::{
    projections::{
        reader::{CaseReader, ReadError},
        statement::{Statement, readers_of},
    },
    state::{CaseRecord, Effect},
};

/// Takes statements in, one after the other.
#[derive(Debug)]
pub struct Apply {
    pub(super) rows: Arc<Rows>,
    pub(super) sharing: Arc<Sharing>,
    pub(super) reader: CaseReader,
}

/// Why the table does not follow the journal any more.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The journal or the state store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It counts rows and items by 32 bits.
    #[error("the table is full: it holds 4,294,967,294 rows at most")]
    Full,
}

impl From<Full> for ApplyError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl Apply {
    /// Takes in the statement that was recorded next.
    pub fn statement(&self, statement: Statement) -> Result<(), ApplyError> {
        let position = statement.position;
        let Some(kind) = &statement.statement.kind else {
            // Intake takes none without a kind.
            self.rows.said.put(position, None);
            return Ok(());
        };
        let (kind, is_report) = (kind_of(kind), matches!(kind, Kind::Report(_)));
        let readers = self.readers(&statement);
        let first = self.share(&statement)?;
        if is_report {
            // The first of its case, so there is nothing else to read.
            let record = CaseRecord {
                statements: vec![(position, Effect::Reported)],
                ..CaseRecord::default()
            };
            let new = views_of(&self.reader, &statement.case, &record, from_ref(&statement))?;
            self.put(position, position, &new)?;
        } else if kind != StatementKind::EvidenceRequest {
            // A question says nothing that is counted.
            self.changed(statement)?;
        }
        let case = first.and_then(|first| self.rows.case_number(first));
        let said = case.map(|case| Said {
            case,
            kind,
            readers,
        });
        self.rows.said.put(position, said);
        Ok(())
    }

    /// Takes in that an entry says nothing about a case.
    pub fn other(&self, position: u64) {
        self.rows.said.put(position, None);
    }

    fn readers(&self, statement: &Statement) -> Readers {
        let groups = self.reader.membership.now();
        match readers_of(statement, &*groups) {
            None => Readers::Everybody,
            Some(names) => {
                let ids = names
                    .iter()
                    .filter_map(|name| name.strip_prefix("agencies/"));
                self.rows
                    .said
                    .set(&ids.map(|id| self.rows.agency(id)).collect())
            }
        }
    }

    /// Takes in what a statement brings that other cases may have too, and answers where its case begins. First of all, as the reader
    /// asks for it.
    fn share(&self, statement: &Statement) -> Result<Option<u64>, ApplyError> {
        let position = statement.position;
        let keys = overlap::keys(&statement.agency, &statement.statement);
        let first = match &statement.statement.kind {
            Some(Kind::Report(_)) => Some(position),
            _ => {
                let record = self.reader.record(&statement.case)?;
                let first = record.as_ref().and_then(|record| record.statements.first());
                first.map(|(position, _)| *position)
            }
        };
        if let Some(first) = first
            && (first == position || !keys.is_empty())
        {
            self.sharing.take(first, statement.case.agency(), &keys)?;
        }
        self.sharing.publish(position + 1);
        Ok(first)
    }

    /// Takes in what changed by something that was said later about a case.
    fn changed(&self, statement: Statement) -> Result<(), ApplyError> {
        let position = statement.position;
        let record = self.reader.at(position + 1).record(&statement.case)?;
        let record = record.unwrap_or_default();
        if record.declared() {
            return self.changed_incident(&statement.case, position);
        }
        // What others say of their cases does not matter here, so each statement is read once.
        let name = statement.case.clone();
        let mut earlier = record.clone();
        earlier.statements.retain(|(at, _)| *at < position);
        let Some((first, _)) = earlier.statements.first().copied() else {
            return Ok(());
        };
        let mut statements = self.reader.all(&earlier)?;
        let old = views_of(&self.reader, &name, &earlier, &statements)?;
        statements.push(statement);
        let new = views_of(&self.reader, &name, &record, &statements)?;
        match new == old {
            true => Ok(()),
            false => self.put(first, position, &new),
        }
    }

    /// The same for a case that an agency said to be one incident with others, and for those.
    fn changed_incident(&self, name: &CaseName, position: u64) -> Result<(), ApplyError> {
        let (before, after) = (self.reader.at(position), self.reader.at(position + 1));
        let mut names = BTreeSet::from([name.clone()]);
        names.extend(before.incident(name)?);
        names.extend(after.incident(name)?);
        for name in names {
            let new = views(&after, &name)?;
            if new != views(&before, &name)? {
                let record = after.record(&name)?.unwrap_or_default();
                if let Some((first, _)) = record.statements.first() {
                    self.put(*first, position, &new)?;
                }
            }
        }
        Ok(())
    }

    fn put(&self, first: u64, position: u64, views: &[View]) -> Result<(), ApplyError> {
        match self.rows.replace(first, position, views) {
            true => Ok(()),
            false => Err(ApplyError::Full),
        }
    }
}
