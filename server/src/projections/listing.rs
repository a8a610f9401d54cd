//! Lists cases by the position of their first statement, straight from the journal: each page looks at a bounded number of
//! entries, so a page may be short while there are more. The table projection will take its place.

use casebroker_proto::{
    names::AgencyName,
    v1::{self, statement::Kind},
};

use super::reader::{CaseReader, ReadError};
use crate::policy::Viewer;

/// Entries read from the journal at a time.
const CHUNK: u64 = 256;

/// Direction of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    Descending,
    /// Oldest first.
    Ascending,
}

/// Which cases, and how much of the work one page may do.
#[derive(Debug)]
pub struct Listing<'a> {
    /// Who asks.
    pub viewer: &'a Viewer,
    /// Owners; empty means all.
    pub agencies: &'a [AgencyName],
    /// Direction.
    pub order: Order,
    /// Cases first recorded before this position; the same for every page.
    pub as_of: u64,
    /// Most cases on the page.
    pub page_size: usize,
    /// Most entries to look at.
    pub scan_entries: u64,
}

/// One page.
#[derive(Debug)]
pub struct Page {
    /// The cases.
    pub cases: Vec<v1::Case>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<u64>,
}

impl Listing<'_> {
    /// Where the first page begins.
    pub fn start(&self) -> u64 {
        match self.order {
            Order::Descending => self.as_of,
            Order::Ascending => 0,
        }
    }

    /// The page that begins at `from`: an exclusive upper end when descending, an inclusive lower end when ascending.
    pub fn page(&self, reader: &CaseReader, from: u64) -> Result<Page, ReadError> {
        let mut cursor = from.min(self.as_of);
        let mut looked_at = 0;
        let mut cases = Vec::new();
        'chunks: while !self.is_end(cursor) && looked_at < self.scan_entries {
            let (low, high) = self.chunk(cursor);
            let mut statements = reader.range(low, high)?;
            if self.order == Order::Descending {
                statements.reverse();
            }
            for statement in statements {
                cursor = match self.order {
                    Order::Descending => statement.position,
                    Order::Ascending => statement.position + 1,
                };
                looked_at += 1;
                let owner = statement.case.agency();
                let wanted = matches!(statement.statement.kind, Some(Kind::Report(_)))
                    && (self.agencies.is_empty() || self.agencies.contains(owner));
                if wanted {
                    match reader.case(self.viewer, &statement.case) {
                        Ok(case) => cases.push(case),
                        Err(ReadError::NoCase(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                if cases.len() >= self.page_size || looked_at >= self.scan_entries {
                    break 'chunks;
                }
            }
            // Also past entries that hold no statement.
            cursor = match self.order {
                Order::Descending => low,
                Order::Ascending => high,
            };
        }
        Ok(Page {
            cases,
            next: (!self.is_end(cursor)).then_some(cursor),
        })
    }

    fn is_end(&self, cursor: u64) -> bool {
        match self.order {
            Order::Descending => cursor == 0,
            Order::Ascending => cursor >= self.as_of,
        }
    }

    fn chunk(&self, cursor: u64) -> (u64, u64) {
        match self.order {
            Order::Descending => (cursor.saturating_sub(CHUNK), cursor),
            Order::Ascending => (cursor, (cursor + CHUNK).min(self.as_of)),
        }
    }
}
