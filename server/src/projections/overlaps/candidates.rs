//! Which cases are to be held against one: those of the table's index.

use std::collections::BTreeSet;

use casebroker_proto::{names::AgencyName, overlap::Mark};

use super::super::{
    reader::{CaseReader, ReadError},
    table::Sharing,
};

/// Most cases that are held against one, those that begin first.
pub(super) const MAX_CANDIDATES: usize = 200;

impl CaseReader {
    /// The same reader, but an answer that does not take account of all that cases shared before a position is
    /// [`ReadError::Behind`].
    pub fn since(&self, position: u64) -> Self {
        let mut since = self.clone();
        since.least = position;
        since
    }

    /// First positions of an agency's cases that ever shared something with another case, those before this one, newest first,
    /// at most so many.
    pub fn overlapping(
        &self,
        agency: &AgencyName,
        before: u64,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let before = before.min(self.cut);
        Ok(self.sharing()?.overlapping(agency, before, limit))
    }

    /// Which cases share what, if that is known up to where it has to be.
    fn sharing(&self) -> Result<&Sharing, ReadError> {
        let (position, wanted) = (self.sharing.position(), self.least);
        match position < wanted {
            true => Err(ReadError::Behind { position, wanted }),
            false => Ok(&self.sharing),
        }
    }

    /// First positions of other cases than the one that begins at `own` that ever had one of these marks; and whether there
    /// may be more.
    pub(super) fn candidates(
        &self,
        own: u64,
        marks: &[Mark],
    ) -> Result<(BTreeSet<u64>, bool), ReadError> {
        let sharing = self.sharing()?;
        let mut candidates = BTreeSet::new();
        let mut more = false;
        for mark in marks {
            let holders = sharing.holders(&mark.key());
            more |= holders.more;
            let others = holders.cases.into_iter().filter(|first| *first != own);
            candidates.extend(others.filter(|first| *first < self.cut));
            while candidates.len() > MAX_CANDIDATES {
                candidates.pop_last();
                more = true;
            }
        }
        Ok((candidates, more))
    }
}
