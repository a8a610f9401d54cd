//! What a recorded statement changes in the table.

use std::{collections::BTreeSet, slice::from_ref, sync::Arc};

use casebroker_proto::{names::CaseName, overlap, v1::statement::Kind};

use super::{
    rows::Rows,
    sharing::{Full, Sharing},
    views::{View, views, views_of},
};
use crate::{
    projections::{
        reader::{CaseReader, ReadError},
        statement::Statement,
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
        self.share(&statement)?;
        match &statement.statement.kind {
            Some(Kind::Report(_)) => {
                // The first of its case, so there is nothing else to read.
                let record = CaseRecord {
                    statements: vec![(position, Effect::Reported)],
                    ..CaseRecord::default()
                };
                let new = views_of(&self.reader, &statement.case, &record, from_ref(&statement))?;
                self.put(position, position, &new)
            }
            // A question says nothing that is counted.
            Some(Kind::EvidenceRequest(_)) | None => Ok(()),
            Some(_) => self.changed(statement),
        }
    }

    /// Takes in what a statement brings that other cases may have too. First of all, as the reader asks for it.
    fn share(&self, statement: &Statement) -> Result<(), ApplyError> {
        let position = statement.position;
        let keys = overlap::keys(&statement.agency, &statement.statement);
        let first = match &statement.statement.kind {
            Some(Kind::Report(_)) => Some(position),
            _ if keys.is_empty() => None,
            _ => {
                let record = self.reader.record(&statement.case)?;
                let first = record.as_ref().and_then(|record| record.statements.first());
                first.map(|(position, _)| *position)
            }
        };
        if let Some(first) = first {
            self.sharing.take(first, statement.case.agency(), &keys)?;
        }
        self.sharing.publish(position + 1);
        Ok(())
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
