//! Lists cases by the position of the first statement that the caller may see, straight from the journal: each page looks at
//! a bounded number of entries, so a page may be short while there are more. The table projection will take its place.
//!
//! What a caller may not see changes neither the order of the cases, nor which page is the last, nor, but for the number of
//! entries, the time that a page takes: every entry is looked at alike before the filter counts.

use casebroker_proto::{names::AgencyName, v1};
use prost::Message as _;

use super::{
    reader::{CaseReader, ReadError},
    statement::Statement,
};
use crate::policy::Viewer;

/// Entries read from the journal at a time. Each may be 1 MiB.
const CHUNK: u64 = 32;
/// Bytes of cases after which a page ends: a message cannot hold more, and what is gathered beyond it is only thrown away.
const PAGE_BYTES: usize = casebroker_proto::MAX_MESSAGE_BYTES;

/// Direction of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    Descending,
    /// Oldest first.
    Ascending,
}

/// Which cases.
#[derive(Debug)]
pub struct Listing {
    /// Who asks.
    pub viewer: Viewer,
    /// Owners; empty means all.
    pub agencies: Vec<AgencyName>,
    /// Direction.
    pub order: Order,
    /// Cases first recorded before this position; the same for every page.
    pub as_of: u64,
}

/// What may still be put on a page.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Cases.
    pub cases: usize,
    /// Bytes of cases, after which the page ends.
    pub bytes: usize,
}

/// One page.
#[derive(Debug)]
pub struct Page {
    /// The cases.
    pub cases: Vec<v1::Case>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<u64>,
}

impl Page {
    /// What may still be put on a page of at most so many cases.
    pub fn room(&self, page_size: usize) -> Room {
        let bytes: usize = self.cases.iter().map(v1::Case::encoded_len).sum();
        Room {
            cases: page_size.saturating_sub(self.cases.len()),
            bytes: PAGE_BYTES.saturating_sub(bytes),
        }
    }

    /// Adds what comes after it.
    pub fn extend(&mut self, slice: Self) {
        self.cases.extend(slice.cases);
        self.next = slice.next;
    }
}

impl Listing {
    /// Where the first page begins.
    pub fn start(&self) -> u64 {
        match self.order {
            Order::Descending => self.as_of,
            Order::Ascending => 0,
        }
    }

    /// The page, or the part of one, that begins at `from`: an exclusive upper end when descending, an inclusive lower end when
    /// ascending. It looks at so many entries at most. Also whether it ended because there was no more room.
    pub fn page(
        &self,
        reader: &CaseReader,
        from: u64,
        room: Room,
        scan_entries: u64,
    ) -> Result<(Page, bool), ReadError> {
        let mut cursor = from.min(self.as_of);
        let mut looked_at = 0;
        let mut bytes = 0;
        let mut cases = Vec::new();
        'chunks: while !self.is_end(cursor) && looked_at < scan_entries {
            let (low, high) = self.chunk(cursor);
            let mut statements = reader.range(low, high)?;
            if self.order == Order::Descending {
                statements.reverse();
            }
            for statement in statements {
                if looked_at >= scan_entries {
                    break 'chunks;
                }
                looked_at += 1;
                if let Some(case) = self.case_that_begins(reader, &statement)? {
                    if cases.len() >= room.cases || bytes >= room.bytes {
                        // There is one more, so there is one more page.
                        let next = Some(cursor);
                        return Ok((Page { cases, next }, true));
                    }
                    bytes += case.encoded_len();
                    cases.push(case);
                }
                cursor = match self.order {
                    Order::Descending => statement.position,
                    Order::Ascending => statement.position + 1,
                };
            }
            // Also past entries that hold no statement.
            cursor = match self.order {
                Order::Descending => low,
                Order::Ascending => high,
            };
        }
        let next = (!self.is_end(cursor)).then_some(cursor);
        Ok((Page { cases, next }, false))
    }

    /// The case whose first statement for the caller this is, if the filter wants it.
    fn case_that_begins(
        &self,
        reader: &CaseReader,
        statement: &Statement,
    ) -> Result<Option<v1::Case>, ReadError> {
        let Some(record) = reader.seen(&self.viewer, &statement.case)? else {
            return Ok(None);
        };
        let wanted = self.agencies.is_empty() || self.agencies.contains(statement.case.agency());
        if !wanted || statement.report().is_none() {
            return Ok(None);
        }
        let statements = reader.statements(&self.viewer, &record)?;
        let case = reader.folded(&self.viewer, &statement.case, &statements)?;
        Ok(case.filter(|case| case.first_position == statement.position))
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
