//! The end of the journal: telling the one write that may be incomplete from damage, and cutting it off.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use super::directory::{Directory, Tail, fatal, is_full, segment_name, unreadable, write_zeros};
use super::format::{GROUP_HEADER_BYTES, GROUP_MAGIC, GroupHeader};
use super::window::Window;
use crate::{durable, journal::JournalError};

const CHUNK_BYTES: usize = 1 << 20;
static ZEROS: [u8; 4096] = [0; 4096];
/// Most copies of incomplete writes that are kept beside the journal's directory.
const MAX_COPIES: usize = 8;

/// An incomplete write that was cut off: its bytes are zeros now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// File name of the segment.
    pub segment: String,
    /// Where the write began, in bytes from the beginning of the file.
    pub offset: u64,
    /// From there to the last byte that was not zero; 0 if only the file was shorter than made.
    pub bytes: u64,
    /// File that holds a copy of them; `None` if nothing was cut or written.
    pub copy: Option<PathBuf>,
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
    let copy = match bytes {
        0 => None,
        _ => Some(keep_copy(directory, tail, bytes)?),
    };
    write_zeros(&tail.file, tail.offset, tail.offset + bytes)
        .and_then(|()| write_zeros(&tail.file, len, tail.file_bytes))
        .and_then(|()| tail.file.sync_all())
        .map_err(|source| fatal("cutting the incomplete last write off", &path, source))?;
    Ok(Some(Cut {
        segment: segment_name(tail.first_position),
        offset: tail.offset,
        bytes,
        copy,
    }))
}

/// Copies what is about to be cut to a file beside the journal's directory, and removes the oldest copies.
fn keep_copy(directory: &Directory, tail: &Tail, bytes: u64) -> Result<PathBuf, JournalError> {
    let dir = directory.path();
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{name}-cut-");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_millis());
    let path = dir.with_file_name(format!("{prefix}{now:013}"));
    let copy = || {
        let mut file = File::create_new(&path)?;
        let mut buffer = vec![0; CHUNK_BYTES];
        let end = tail.offset + bytes;
        let mut at = tail.offset;
        while at < end {
            let length = usize::try_from(end - at)
                .unwrap_or(CHUNK_BYTES)
                .min(CHUNK_BYTES);
            let chunk = buffer.get_mut(..length).unwrap_or_default();
            tail.file.read_exact_at(chunk, at)?;
            file.write_all(chunk)?;
            at += length as u64;
        }
        file.sync_all()?;
        let mut older: Vec<PathBuf> = fs::read_dir(durable::parent(dir))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&prefix)
            })
            .collect();
        // The time is in the name.
        older.sort();
        let keep = older.len().saturating_sub(MAX_COPIES);
        older.iter().take(keep).try_for_each(fs::remove_file)?;
        durable::sync_dir(durable::parent(dir))
    };
    match copy() {
        Ok(()) => Ok(path),
        Err(source) if is_full(&source) => Err(JournalError::Full {
            path,
            needed_bytes: bytes,
            source,
        }),
        Err(source) => Err(fatal(
            "keeping a copy of the incomplete last write in",
            &path,
            source,
        )),
    }
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
