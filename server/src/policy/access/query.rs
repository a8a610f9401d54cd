//! The reading end: one agency's lines, newest or oldest first, a bounded number looked at for each page.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path, sync::Arc};

use casebroker_proto::names::{AgencyName, PrincipalId};

use super::{
    AccessError, Fault, Line,
    clock::text_of,
    line::{self, MAX_LINE_BYTES},
    lines::RecordFile,
    writer::{Shared, lock},
};

/// Lines taken from a file at a time.
const BLOCK: u64 = 1024;
/// A part of a file that is searched line by line.
const SEARCHED_BYTES: u64 = 2 * MAX_LINE_BYTES as u64;

/// Order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    Descending,
    /// Oldest first.
    Ascending,
}

/// Which lines.
#[derive(Debug, Clone)]
pub struct Query {
    /// Only lines of principals of this agency: what an auditor may see.
    pub agency: AgencyName,
    /// At or after this time, microseconds since the Unix epoch.
    pub start_us: Option<u64>,
    /// Before this time.
    pub end_us: Option<u64>,
    /// Of this principal.
    pub principal: Option<String>,
    /// Of this method: `Service/Method` with its package, or the method's name alone.
    pub method: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Order.
    pub order: Order,
    /// Nothing after this sequence number.
    pub as_of: u64,
    /// Most lines on the page.
    pub page_size: usize,
    /// Most lines looked at.
    pub scan_lines: u64,
}

/// One page.
#[derive(Debug, Default)]
pub struct Page {
    /// Lines, in order.
    pub lines: Vec<Line>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<u64>,
}

/// Reads the record while it is written. Calls block on the disk.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Sequence number of the last line.
    pub fn last(&self) -> u64 {
        lock(&self.shared.tail).last.sequence
    }

    /// The page that begins at `from`, or at the beginning of the listing.
    pub fn page(&self, query: &Query, from: Option<u64>) -> Result<Page, AccessError> {
        let files = lock(&self.shared.tail).files.clone();
        let Some((low, high)) = self.range(&files, query)? else {
            return Ok(Page::default());
        };
        let mut page = Page::default();
        let mut next = match query.order {
            Order::Descending => from.unwrap_or(high).min(high),
            Order::Ascending => from.unwrap_or(low).max(low),
        };
        let mut left = query.scan_lines.max(1);
        loop {
            if next < low || next > high {
                return Ok(page);
            }
            if left == 0 || page.lines.len() >= query.page_size {
                page.next = Some(next);
                return Ok(page);
            }
            let Some(file) = file_of(&files, next) else {
                return Ok(page);
            };
            let span = BLOCK.min(left) - 1;
            let (first, last) = match query.order {
                Order::Descending => (next.saturating_sub(span).max(low).max(file.first), next),
                Order::Ascending => (next, next.saturating_add(span).min(high)),
            };
            let mut block = read_block(file, first, last)?;
            if query.order == Order::Descending {
                block.reverse();
            }
            if block.is_empty() {
                return Ok(page);
            }
            for (sequence, bytes) in block {
                if page.lines.len() >= query.page_size {
                    break;
                }
                left = left.saturating_sub(1);
                next = match query.order {
                    Order::Descending => sequence - 1,
                    Order::Ascending => sequence + 1,
                };
                if let Some(line) = selected(query, &bytes, file, sequence)? {
                    page.lines.push(line);
                }
            }
        }
    }

    /// First and last sequence number that the query may want.
    fn range(
        &self,
        files: &[RecordFile],
        query: &Query,
    ) -> Result<Option<(u64, u64)>, AccessError> {
        let Some(oldest) = files.first() else {
            return Ok(None);
        };
        let mut low = oldest.first;
        let mut high = query.as_of.min(self.last());
        if let Some(start) = query.start_us {
            low = low.max(first_at(files, &text_of(start))?);
        }
        if let Some(end) = query.end_us {
            high = high.min(first_at(files, &text_of(end))?.saturating_sub(1));
        }
        Ok((low <= high && low > 0).then_some((low, high)))
    }
}

/// The line, if the query wants it.
fn selected(
    query: &Query,
    bytes: &[u8],
    file: &RecordFile,
    sequence: u64,
) -> Result<Option<Line>, AccessError> {
    let line = Line::parse(bytes).map_err(|what| {
        AccessError::Damaged(Fault {
            path: file.path.clone(),
            line: 0,
            offset: 0,
            sequence,
            what: format!("sequence number {sequence}: {what}"),
        })
    })?;
    let agency = line.principal.parse::<PrincipalId>().ok();
    let is_method = |wanted: &String| {
        line.method == *wanted || line.method.rsplit('/').next() == Some(wanted.as_str())
    };
    let wanted = agency.is_some_and(|principal| principal.agency == query.agency)
        && query
            .principal
            .as_ref()
            .is_none_or(|p| *p == line.principal)
        && query.method.as_ref().is_none_or(is_method)
        && query.outcome.as_ref().is_none_or(|o| *o == line.outcome);
    Ok(wanted.then_some(line))
}

fn file_of(files: &[RecordFile], sequence: u64) -> Option<&RecordFile> {
    let after = files.partition_point(|file| file.first <= sequence);
    files.get(after.checked_sub(1)?)
}

/// Sequence number of the first line at or after a time; one after the last if there is none.
fn first_at(files: &[RecordFile], time: &[u8]) -> Result<u64, AccessError> {
    // The first file whose first line is not before the time, and the one before it.
    let mut after = 0_usize;
    let mut beyond = 1;
    for file in files {
        match line_at(file, |_| true)? {
            Some((_, first)) if line::time(&first).is_some_and(|t| t < time) => after += 1,
            _ => break,
        }
    }
    if let Some(file) = after.checked_sub(1).and_then(|n| files.get(n)) {
        match line_at(file, |bytes| line::time(bytes).is_some_and(|t| t >= time))? {
            Some((_, bytes)) => return Ok(line::sequence(&bytes).unwrap_or(file.first)),
            None => beyond = u64::MAX,
        }
    }
    Ok(files.get(after).map_or(beyond, |file| file.first))
}

/// Whole lines `first` to `last` of a file, as many as it holds.
fn read_block(
    file: &RecordFile,
    first: u64,
    last: u64,
) -> Result<Vec<(u64, Vec<u8>)>, AccessError> {
    let at_or_after = |wanted: u64| {
        move |bytes: &[u8]| line::sequence(bytes).is_some_and(|sequence| sequence >= wanted)
    };
    let Some((begin, _)) = line_at(file, at_or_after(first))? else {
        return Ok(Vec::new());
    };
    let end = match line_at(file, at_or_after(last.saturating_add(1)))? {
        Some((offset, _)) => offset,
        None => file.bytes,
    };
    let bytes = read_range(&file.path, begin, end).map_err(AccessError::file(&file.path))?;
    Ok(bytes
        .split(|b| *b == b'\n')
        .filter_map(|bytes| Some((line::sequence(bytes)?, bytes.to_vec())))
        .collect())
}

/// The first line after the header for which `reached` holds, and where it begins; it must hold for all after that.
fn line_at(
    file: &RecordFile,
    reached: impl Fn(&[u8]) -> bool,
) -> Result<Option<(u64, Vec<u8>)>, AccessError> {
    let search = || -> io::Result<Option<(u64, Vec<u8>)>> {
        let open = File::open(&file.path)?;
        let (mut low, mut high) = (0, file.bytes);
        while high - low > SEARCHED_BYTES {
            let middle = low + (high - low) / 2;
            match line_after(&open, middle, high)? {
                Some((_, bytes)) if reached(&bytes) => high = middle,
                Some((offset, _)) => low = offset,
                None => high = middle,
            }
        }
        // Up to the end of the line that `high` may lie in.
        let end = (high + MAX_LINE_BYTES as u64 + 1).min(file.bytes);
        let bytes = read(&open, low, end)?;
        let mut offset = low;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let whole = line.strip_suffix(b"\n");
            if let Some(found) = whole.filter(|l| line::sequence(l).is_some() && reached(l)) {
                return Ok(Some((offset, found.to_vec())));
            }
            offset += line.len() as u64;
        }
        Ok(None)
    };
    search().map_err(AccessError::file(&file.path))
}

/// The first line that begins after `offset` and before `end`.
fn line_after(file: &File, offset: u64, end: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let bytes = read(file, offset, (offset + SEARCHED_BYTES).min(end))?;
    let Some(begin) = bytes.iter().position(|b| *b == b'\n').map(|at| at + 1) else {
        return Ok(None);
    };
    let rest = bytes.get(begin..).unwrap_or_default();
    let line = rest.iter().position(|b| *b == b'\n');
    let line = line.and_then(|len| rest.get(..len));
    Ok(line.map(|line| (offset + begin as u64, line.to_vec())))
}

fn read_range(path: &Path, from: u64, to: u64) -> io::Result<Vec<u8>> {
    read(&File::open(path)?, from, to)
}

fn read(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(to.saturating_sub(from)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}
