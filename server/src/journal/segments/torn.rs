//! The end of the journal: telling the one write that may be incomplete from damage, and cutting it off.

use std::io;

use super::directory::{Directory, Tail, fatal, segment_name, unreadable, write_zeros};
use super::format::{GROUP_HEADER_BYTES, GROUP_MAGIC, GroupHeader};
use super::window::Window;
use crate::journal::JournalError;

const CHUNK_BYTES: usize = 1 << 20;
static ZEROS: [u8; 4096] = [0; 4096];

/// An incomplete write that was cut off: its bytes are zeros now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// File name of the segment.
    pub segment: String,
    /// Where the write began, in bytes from the beginning of the file.
    pub offset: u64,
    /// From there to the last byte that was not zero; 0 if only the file was shorter than made.
    pub bytes: u64,
}

/// What follows the last whole group of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Only zeros.
    Whole,
    /// An incomplete write of that many bytes.
    Torn(u64),
    /// Something that one interrupted write cannot have left behind; says why, to be put after what was found.
    Damaged(&'static str),
}

/// What is known of the place where the last write of the journal may have been interrupted.
#[derive(Debug, Clone, Copy)]
pub struct LastWrite {
    /// If its header can be read.
    pub header: Option<GroupHeader>,
    pub position: u64,
    pub seed: u32,
}

/// Decides about what follows the last whole group, which ends at `offset`; `last_write` is given for the last segment
/// only. These are damage:
///
/// - anything but zeros in a segment that is not the last;
/// - a group whose header is right and that is followed by more bytes, because its successor was only written after
///   it had been synced;
/// - for the same reason, a header of a later group anywhere behind a place where no group can be read.
///
/// A stray byte in the zeros therefore counts as an incomplete write: a disk may have written the pages of one in any
/// order, and no entry was ever there.
pub fn end(window: &mut Window<'_>, offset: u64, last_write: Option<LastWrite>) -> io::Result<End> {
    let Some(last) = last_nonzero(window, offset)? else {
        return Ok(End::Whole);
    };
    let Some(write) = last_write else {
        return Ok(End::Damaged(", in a segment that was complete"));
    };
    let followed = match write.header {
        Some(header) => last >= offset + header.total_bytes(),
        None => later_group(window, offset, &write)?,
    };
    Ok(match followed {
        true => End::Damaged(", and something was written after it"),
        false => End::Torn(last + 1 - offset),
    })
}

/// Puts zeros where an incomplete write was, and where the last segment is shorter than it was made.
pub fn cut(
    directory: &Directory,
    tail: &Tail,
    torn: Option<u64>,
) -> Result<Option<Cut>, JournalError> {
    let path = directory.segment_path(tail.first_position);
    let metadata = tail.file.metadata();
    let len = metadata.map_err(|source| unreadable(&path, source))?.len();
    if torn.is_none() && len == tail.file_bytes {
        return Ok(None);
    }
    let bytes = torn.unwrap_or(0);
    write_zeros(&tail.file, tail.offset, tail.offset + bytes)
        .and_then(|()| write_zeros(&tail.file, len, tail.file_bytes))
        .and_then(|()| tail.file.sync_all())
        .map_err(|source| fatal("cutting the incomplete last write off", &path, source))?;
    Ok(Some(Cut {
        segment: segment_name(tail.first_position),
        offset: tail.offset,
        bytes,
    }))
}

/// Whether a header of a later group lies anywhere after `offset`. The seed keeps the contents of
/// entries from looking like one.
fn later_group(window: &mut Window<'_>, offset: u64, write: &LastWrite) -> io::Result<bool> {
    let mut at = offset + 1;
    loop {
        let bytes = window.up_to(at, CHUNK_BYTES)?;
        let found = bytes.windows(GROUP_HEADER_BYTES).any(|candidate| {
            candidate.starts_with(&GROUP_MAGIC)
                && GroupHeader::decode(candidate, write.seed)
                    .is_some_and(|header| header.first_position > write.position)
        });
        if found || bytes.len() < CHUNK_BYTES {
            return Ok(found);
        }
        at += (CHUNK_BYTES - GROUP_HEADER_BYTES) as u64;
    }
}

/// Offset of the last byte from `offset` on that is not zero.
fn last_nonzero(window: &mut Window<'_>, offset: u64) -> io::Result<Option<u64>> {
    let mut at = offset;
    let mut last = None;
    loop {
        let bytes = window.up_to(at, ZEROS.len())?;
        if bytes.is_empty() {
            return Ok(last);
        }
        // Comparing with zeros is much faster than looking at each byte, and nearly all pages are zeros.
        if ZEROS.get(..bytes.len()) != Some(bytes)
            && let Some(i) = bytes.iter().rposition(|byte| *byte != 0)
        {
            last = Some(at + i as u64);
        }
        at += bytes.len() as u64;
    }
}
