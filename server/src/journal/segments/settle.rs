//! Makes sure that what was found is on disk.
//!
//! A group that can be read need not be on disk: the process may have been killed between its write and its sync, or the sync
//! may have failed. It is then read from the system's page cache, and would be taken for durable. After a failed sync the
//! pages may even be marked as clean, and another sync would have nothing to write ("fsyncgate"). So the bytes are written
//! again, and then synced for the first time by this process.
//!
//! Which groups? Not those that the kept checkpoint covers: it is kept only after the sync of its group. And only those of the
//! last segment: a segment is followed by another only once its last group was synced, or had been made sure of here.

use std::io;
use std::os::unix::fs::FileExt;

use super::directory::{Directory, Tail, fatal, segment_name, unreadable};
use super::format::{GROUP_HEADER_BYTES, GroupHeader, decode_group};
use super::window::Window;
use crate::durable;
use crate::journal::JournalError;

const CHUNK_BYTES: usize = 1 << 20;

/// Writes the groups from `from` to the end of the last segment again with the same bytes, then syncs the segment, the
/// journal's directory and the folder that names it: a segment may have got its name just before the process was killed.
pub fn settle(directory: &Directory, tail: &Tail, from: u64) -> Result<(), JournalError> {
    let path = directory.segment_path(tail.first_position);
    let mut window = Window::new(&tail.file, tail.offset, CHUNK_BYTES);
    let mut offset = from;
    while offset < tail.offset {
        // Checked once more, as a page may have been read from the disk anew since: only good bytes are written.
        let group = whole_group(&mut window, offset, tail.seed);
        let Some(bytes) = group.map_err(|source| unreadable(&path, source))? else {
            return Err(JournalError::Damaged {
                segment: segment_name(tail.first_position),
                offset,
                position: tail.first_position,
                what: "the group was whole when it was read a moment ago".to_owned(),
            });
        };
        tail.file
            .write_all_at(bytes, offset)
            .map_err(|source| fatal("writing again what was found in", &path, source))?;
        offset += bytes.len() as u64;
    }
    let folder = directory.path();
    tail.file
        .sync_all()
        .map_err(|source| fatal("syncing what was found in", &path, source))?;
    durable::sync_dir(folder)
        .and_then(|()| durable::sync_dir(durable::parent(folder)))
        .map_err(|source| fatal("syncing the names in", folder, source))
}

fn whole_group<'w>(
    window: &'w mut Window<'_>,
    offset: u64,
    seed: u32,
) -> io::Result<Option<&'w [u8]>> {
    let bytes = window.up_to(offset, GROUP_HEADER_BYTES)?;
    let Some(header) = GroupHeader::decode(bytes, seed) else {
        return Ok(None);
    };
    let bytes = window.get(offset, header.total_bytes() as usize)?;
    Ok(bytes.filter(|bytes| decode_group(&header, bytes, seed).is_ok()))
}
