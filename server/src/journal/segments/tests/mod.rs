//! Tests of the segment files: the suite for every journal, layout on disk, and what damage does.

mod damage;
mod encoding;
mod layout;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Options, Recovery, Segments};
use crate::journal::conformance::{self, Bench};
use crate::journal::{Journal, JournalError};

const ORIGIN: &str = "log.example/casebroker";

/// A directory for one journal.
struct Place {
    root: TempDir,
    segment_bytes: u64,
}

impl Place {
    fn new(segment_bytes: u64) -> Self {
        Self {
            root: TempDir::new().unwrap(),
            segment_bytes,
        }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("journal")
    }

    fn options(&self) -> Options {
        Options {
            segment_bytes: self.segment_bytes,
            log_origin: ORIGIN.to_owned(),
        }
    }

    /// A journal with groups of these sizes, closed again.
    fn filled(segment_bytes: u64, groups: &[u64], bytes: usize) -> Self {
        let place = Self::new(segment_bytes);
        conformance::append_groups(&mut place.create(), groups, bytes);
        place
    }

    fn open(
        &self,
        expected: Option<(u64, [u8; 32])>,
    ) -> Result<(Segments, Recovery), JournalError> {
        Segments::open(&self.dir(), self.options(), expected, &mut |_, _, _| Ok(()))
    }

    fn error(&self, expected: Option<(u64, [u8; 32])>) -> JournalError {
        self.open(expected)
            .map(|(_, recovery)| recovery)
            .unwrap_err()
    }

    /// Paths of the segments, in order.
    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "segment"))
            .collect();
        paths.sort();
        paths
    }
}

impl Bench for Place {
    type Journal = Segments;

    fn create(&self) -> Segments {
        Segments::create(&self.dir(), self.options()).unwrap()
    }

    fn reopen(&self, journal: Segments) -> Segments {
        let next = journal.reader().next_position();
        let last = journal.reader().last_group();
        drop(journal);
        let (journal, recovery) = self
            .open(last.map(|last| (last.tree_size, last.root)))
            .unwrap();
        assert_eq!(recovery.entries, next);
        assert_eq!(recovery.cut, None);
        journal
    }
}

/// Offsets of the groups in a segment with their lengths, found by their magic.
fn groups(path: &Path) -> Vec<(usize, usize)> {
    let bytes = fs::read(path).unwrap();
    let (_, seed) = super::format::SegmentHeader::decode(&bytes).unwrap();
    let mut at = super::format::SEGMENT_HEADER_BYTES;
    let mut groups = Vec::new();
    while let Some(header) = super::format::GroupHeader::decode(&bytes[at..], seed) {
        groups.push((at, header.total_bytes() as usize));
        at += header.total_bytes() as usize;
    }
    groups
}

#[test]
fn conforms_within_one_segment() {
    conformance::run(|| Place::new(8 << 20));
}

#[test]
fn conforms_over_many_segments() {
    conformance::run(|| Place::new(16 << 10));
}
