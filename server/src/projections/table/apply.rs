//! What a recorded statement changes in the table.

use std::{collections::BTreeSet, sync::Arc};

use casebroker_proto::{
    names::CaseName,
    subscription::kind_of,
    v1::{StatementKind, statement::Kind},
};

use super::{
    rows::Rows,
    said::{Readers, Said},
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
        let first = if is_report {
            // The first of its case, so there is nothing else to read.
            let record = CaseRecord {
                statements: vec![(position, Effect::Reported)],
                ..CaseRecord::default()
            };
            let name = statement.case.clone();
            let new = views_of(&self.reader, &name, &record, &[statement])?;
            self.put(position, position, &new)?;
            Some(position)
        } else {
            let after = self.reader.at(position + 1);
            let record = after.record(&statement.case)?.unwrap_or_default();
            // A question says nothing that is counted.
            if kind != StatementKind::EvidenceRequest {
                self.changed(&statement.case, &record, position)?;
            }
            record.statements.first().map(|(first, _)| *first)
        };
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

    /// Takes in what changed by something that was said later about a case, also for those that are one incident with it.
    fn changed(
        &self,
        name: &CaseName,
        record: &CaseRecord,
        position: u64,
    ) -> Result<(), ApplyError> {
        let (before, after) = (self.reader.at(position), self.reader.at(position + 1));
        let mut names = BTreeSet::from([name.clone()]);
        if record.declared() {
            names.extend(before.incident(name)?);
            names.extend(after.incident(name)?);
        }
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
