//! The reading end: finds a position through the index and walks on from there.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::watch;

use super::Durable;
use super::directory::{segment_name, unreadable};
use super::format::{
    ENTRY_PREFIX_BYTES, GROUP_HEADER_BYTES, GroupHeader, checkpoint_len, decode_entry,
    decode_trailer, entry_len,
};
use super::index::{Index, POINT_EVERY, Place};
use super::window::Window;
use crate::journal::{GroupTrailer, JournalError, JournalReader, ReadLimit, Record};

/// Most segment files that readers keep open.
const OPEN_FILES: usize = 16;
/// What one read of the disk fetches: enough to reach any entry from its index point.
const CHUNK_BYTES: usize = POINT_EVERY as usize;
/// What it fetches at most, for long reads.
const MAX_CHUNK_BYTES: usize = 1 << 20;

/// What the writer shares with all readers.
#[derive(Debug)]
pub struct Shared {
    dir: PathBuf,
    /// Replaced after each sync; nothing beyond it is ever interpreted.
    pub durable: ArcSwap<Durable>,
    /// Held for a binary search or for adding one group's points, never over a disk access: so neither end makes the
    /// other wait for the disk.
    index: RwLock<Index>,
    /// Least recently used first.
    files: Mutex<Vec<Arc<Segment>>>,
}

/// One reading end.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    follow: watch::Receiver<u64>,
}

impl Shared {
    pub fn new(dir: &Path, durable: Durable, index: Index) -> Self {
        Self {
            dir: dir.to_owned(),
            durable: ArcSwap::from_pointee(durable),
            index: RwLock::new(index),
            files: Mutex::new(Vec::new()),
        }
    }

    pub fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, position: u64) -> Result<Place, JournalError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.find(position).ok_or_else(|| JournalError::Damaged {
            segment: "(index in memory)".to_owned(),
            offset: 0,
            position,
            what: "a durable position is not in the index".to_owned(),
        })
    }

    fn open(&self, segment: u64) -> Result<Arc<Segment>, JournalError> {
        let files = || self.files.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut files = files();
            if let Some(at) = files.iter().position(|open| open.first == segment) {
                let newest = files.remove(at);
                files.push(Arc::clone(&newest));
                return Ok(newest);
            }
        }
        let path = self.dir.join(segment_name(segment));
        let opened = File::open(&path).and_then(|file| {
            let len = file.metadata()?.len();
            Ok(Arc::new(Segment {
                first: segment,
                file,
                len,
            }))
        });
        let opened = opened.map_err(|source| unreadable(&path, source))?;
        let mut files = files();
        if files.len() >= OPEN_FILES {
            files.remove(0);
        }
        files.push(Arc::clone(&opened));
        Ok(opened)
    }
}

/// A file that readers keep open.
#[derive(Debug)]
struct Segment {
    /// Position of its first entry.
    first: u64,
    file: File,
    /// Bytes. A segment has its full length before it has its name, and never another.
    len: u64,
}

impl Reader {
    pub fn new(shared: Arc<Shared>, follow: watch::Receiver<u64>) -> Self {
        Self { shared, follow }
    }

    /// Runs `walk` from the index point at or before `position`; a failure gets the place where it happened.
    fn walk<T>(
        &self,
        position: u64,
        chunk: usize,
        walk: impl FnOnce(&mut Walk<'_>, u64) -> Result<T, Fault>,
    ) -> Result<T, JournalError> {
        let place = self.shared.place(position)?;
        let segment = self.shared.open(place.segment)?;
        let mut state = Walk {
            window: Window::new(&segment.file, segment.len, chunk),
            offset: u64::from(place.point.offset),
            position: place.point.position,
            group_left: place.point.group_left,
            trailer_bytes: place.point.trailer_bytes,
            seed: place.seed,
        };
        walk(&mut state, place.segment_end).map_err(|fault| match fault {
            Fault::Io(source) => {
                unreadable(&self.shared.dir.join(segment_name(place.segment)), source)
            }
            Fault::Damage(what) => JournalError::Damaged {
                segment: segment_name(place.segment),
                offset: state.offset,
                position: state.position,
                what: what.to_owned(),
            },
        })
    }
}

impl JournalReader for Reader {
    fn next_position(&self) -> u64 {
        self.shared.durable.load().next_position
    }

    fn last_group(&self) -> Option<GroupTrailer> {
        self.shared.durable.load().last_group.clone()
    }

    fn read(&self, from: u64, limit: ReadLimit) -> Result<Vec<Record>, JournalError> {
        let end = self.next_position();
        let most = limit.entries.max(1);
        let chunk = if most == 1 {
            CHUNK_BYTES
        } else {
            limit.bytes.saturating_add(CHUNK_BYTES).min(MAX_CHUNK_BYTES)
        };
        let mut records: Vec<Record> = Vec::new();
        let mut bytes_left = limit.bytes;
        let mut position = from;
        let mut full = false;
        while position < end && !full {
            position = self.walk(position, chunk, |walk, segment_end| {
                walk.skip_to(position)?;
                let end = end.min(segment_end);
                while walk.position < end {
                    let len = walk.peek_len()?;
                    if records.len() >= most || (len > bytes_left && !records.is_empty()) {
                        full = true;
                        break;
                    }
                    bytes_left = bytes_left.saturating_sub(len);
                    let position = walk.position;
                    let entry = Bytes::copy_from_slice(walk.entry()?);
                    records.push(Record { position, entry });
                    full = records.len() >= most;
                    if full {
                        break;
                    }
                }
                Ok(walk.position)
            })?;
        }
        Ok(records)
    }

    fn group_trailer_over(&self, position: u64) -> Result<Option<GroupTrailer>, JournalError> {
        let durable = self.shared.durable.load();
        if position >= durable.next_position {
            return Ok(None);
        }
        self.walk(position, CHUNK_BYTES, |walk, _| {
            walk.skip_to(position)?;
            // Into the group, if the position is its first; then to its end.
            let mut len = walk.peek_len()?;
            loop {
                walk.step(len);
                if walk.group_left == 0 {
                    break;
                }
                len = walk.peek_len()?;
            }
            let trailer = walk.trailer()?;
            if trailer.tree_size != walk.position {
                return Err(Fault::Damage("the group's tree size is not what it was"));
            }
            Ok(Some(trailer))
        })
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        self.follow.clone()
    }
}

/// Why a walk stopped.
#[derive(Debug)]
enum Fault {
    Io(io::Error),
    Damage(&'static str),
}

/// A place in a segment, between two entries or before the trailer of a group.
struct Walk<'f> {
    window: Window<'f>,
    offset: u64,
    position: u64,
    group_left: u32,
    trailer_bytes: u32,
    seed: u32,
}

impl Walk<'_> {
    fn skip_to(&mut self, position: u64) -> Result<(), Fault> {
        while self.position < position {
            let len = self.peek_len()?;
            self.step(len);
        }
        Ok(())
    }

    /// Length of the next entry, which may be the first of the next group.
    fn peek_len(&mut self) -> Result<usize, Fault> {
        if self.group_left == 0 {
            self.enter_group()?;
        }
        let prefix = self
            .window
            .get(self.offset, ENTRY_PREFIX_BYTES)
            .map_err(Fault::Io)?;
        entry_len(prefix.ok_or(Fault::Damage(CUT_SHORT))?).map_err(Fault::Damage)
    }

    fn step(&mut self, len: usize) {
        self.offset += (ENTRY_PREFIX_BYTES + len) as u64;
        self.position += 1;
        self.group_left -= 1;
    }

    fn entry(&mut self) -> Result<&[u8], Fault> {
        let len = self.peek_len()?;
        let at = self.offset;
        let bytes = self
            .window
            .get(at, ENTRY_PREFIX_BYTES + len)
            .map_err(Fault::Io)?;
        // Checked before the step, so that a failure names this entry.
        decode_entry(bytes.ok_or(Fault::Damage(CUT_SHORT))?).map_err(Fault::Damage)?;
        self.step(len);
        let bytes = self
            .window
            .get(at + ENTRY_PREFIX_BYTES as u64, len)
            .map_err(Fault::Io)?;
        bytes.ok_or(Fault::Damage(CUT_SHORT))
    }

    fn enter_group(&mut self) -> Result<(), Fault> {
        self.offset += u64::from(self.trailer_bytes);
        let bytes = self
            .window
            .get(self.offset, GROUP_HEADER_BYTES)
            .map_err(Fault::Io)?;
        let header = GroupHeader::decode(bytes.unwrap_or_default(), self.seed)
            .filter(|header| header.first_position == self.position)
            .ok_or(Fault::Damage("the group's header is not what it was"))?;
        self.offset += GROUP_HEADER_BYTES as u64;
        self.group_left = header.count;
        self.trailer_bytes = header.trailer_bytes() as u32;
        Ok(())
    }

    /// The trailer of the group whose last entry was just passed.
    fn trailer(&mut self) -> Result<GroupTrailer, Fault> {
        let bytes = self
            .window
            .get(self.offset, self.trailer_bytes as usize)
            .map_err(Fault::Io)?;
        decode_trailer(
            checkpoint_len(self.trailer_bytes),
            bytes.ok_or(Fault::Damage(CUT_SHORT))?,
        )
        .map_err(Fault::Damage)
    }
}

const CUT_SHORT: &str = "the file ends before the entry does";
