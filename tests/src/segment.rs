//! Reads segment files by the format that is written down, to know where to damage them.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// Length of a segment's header.
pub const HEADER: usize = 4096;
/// Length of a group's header.
const GROUP_HEADER: usize = 32;

/// Where the parts of one group lie in its file.
#[derive(Debug, Clone)]
pub struct Group {
    /// Position of its first entry.
    pub first_position: u64,
    /// Number of entries.
    pub count: u32,
    /// All of it.
    pub span: Range<usize>,
    /// The entries with their prefixes.
    pub entries: Range<usize>,
    /// Root in the trailer.
    pub root: Range<usize>,
    /// Signed checkpoint in the trailer.
    pub checkpoint: Range<usize>,
}

/// Segment files of a journal, oldest first.
pub fn files(journal: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "segment"))
        .collect();
    found.sort();
    found
}

/// The groups of a segment.
pub fn groups(bytes: &[u8]) -> Vec<Group> {
    assert_eq!(&bytes[..8], b"CBSEGMNT");
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let mut groups = Vec::new();
    let mut at = HEADER;
    while bytes.get(at..at + 4) == Some(b"CBGH") {
        let entries = at + GROUP_HEADER..at + GROUP_HEADER + u64_at(at + 16) as usize;
        let root = entries.end + 8..entries.end + 40;
        let checkpoint = root.end..root.end + u32_at(at + 24) as usize;
        let end = checkpoint.end + 8;
        groups.push(Group {
            first_position: u64_at(at + 8),
            count: u32_at(at + 4),
            span: at..end,
            entries,
            root,
            checkpoint,
        });
        at = end;
    }
    groups
}

/// Makes the checksums of a changed group right again, as somebody would who knows the format.
pub fn mend_checksums(bytes: &mut [u8], group: &Group) {
    let seed = u32::from_le_bytes(bytes[HEADER - 4..HEADER].try_into().unwrap());
    let mut at = group.entries.start;
    while at < group.entries.end {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let crc = crc32c::crc32c(&bytes[at + 8..at + 8 + len]);
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at += 8 + len;
    }
    let crc_at = group.span.end - 4;
    let crc = crc32c::crc32c_append(seed, &bytes[group.span.start..crc_at]);
    bytes[crc_at..group.span.end].copy_from_slice(&crc.to_le_bytes());
}
