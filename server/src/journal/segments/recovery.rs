//! Opening: reads every group forward, decides whether the end is whole, torn or damaged, and changes nothing before
//! all checks have passed.

use std::fs::OpenOptions;
use std::path::PathBuf;

use super::directory::{Directory, Listing, Tail, fatal, lock_segment, segment_name, unreadable};
use super::format::{
    ENTRY_PREFIX_BYTES, FORMAT_VERSION, GROUP_HEADER_BYTES, GroupFault, GroupHeader, HeaderFault,
    SEGMENT_HEADER_BYTES, SegmentHeader, decode_group,
};
use super::index::Index;
use super::settle::settle;
use super::torn::{self, Cut, End, LastWrite};
use super::window::Window;
use super::{Durable, MAX_FILE_BYTES};
use crate::journal::{GroupTrailer, JournalError};

const CHUNK_BYTES: usize = 1 << 20;

/// Gets every whole group in order: position of its first entry, its entries, its trailer. An error refuses the start.
pub type Visit<'a> = dyn FnMut(u64, &[&[u8]], &GroupTrailer) -> Result<(), String> + 'a;

/// What opening found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    pub segments: u64,
    pub groups: u64,
    pub entries: u64,
    /// Bytes of all whole groups with their framing.
    pub bytes: u64,
    /// The incomplete last write, if there was one. It was never acknowledged.
    pub cut: Option<Cut>,
    /// Temporary files of an interrupted start of a segment, now removed. They hold no entry.
    pub removed: Vec<PathBuf>,
}

/// What the writer goes on from.
#[derive(Debug)]
pub struct Found {
    pub tail: Tail,
    pub durable: Durable,
    pub index: Index,
}

impl Found {
    /// A journal of one empty segment.
    pub fn empty(tail: Tail) -> Self {
        let mut index = Index::default();
        index.begin_segment(tail.first_position, tail.seed);
        Self {
            tail,
            durable: Durable::default(),
            index,
        }
    }
}

/// Reads the whole journal, then cuts an incomplete last write and makes sure of the groups before it.
pub fn recover(
    directory: &Directory,
    origin: &str,
    expected: Option<(u64, [u8; 32])>,
    visit: &mut Visit<'_>,
) -> Result<(Found, Recovery), JournalError> {
    let listing = directory.list()?;
    let walked = forward(directory, &listing, origin, expected, Mode::Open, visit)?;
    let Walked {
        found,
        torn,
        mut recovery,
        unproven,
    } = walked;
    let path = directory.segment_path(found.tail.first_position);
    lock_segment(&found.tail.file).map_err(|source| fatal("locking", &path, source))?;
    recovery.cut = torn::cut(directory, &found.tail, torn)?;
    settle(
        directory,
        &found.tail,
        unproven.unwrap_or(found.tail.offset),
    )?;
    directory.remove_leftovers(&listing.leftovers)?;
    recovery.removed = listing.leftovers;
    Ok((found, recovery))
}

/// Reads the whole journal and changes nothing. An incomplete last write is reported as [`Recovery::cut`], and leftovers as
/// [`Recovery::removed`]: what the next start will do. While the journal is written (`live`), the end of its last segment is
/// wherever no whole group follows; `expected` tells then what must be there.
pub fn look(
    directory: &Directory,
    origin: &str,
    expected: Option<(u64, [u8; 32])>,
    live: bool,
    visit: &mut Visit<'_>,
) -> Result<Recovery, JournalError> {
    let listing = directory.list()?;
    let mode = if live { Mode::LookLive } else { Mode::Look };
    let walked = forward(directory, &listing, origin, expected, mode, visit)?;
    let Walked {
        found,
        torn,
        mut recovery,
        ..
    } = walked;
    recovery.cut = torn.map(|bytes| Cut {
        segment: segment_name(found.tail.first_position),
        offset: found.tail.offset,
        bytes,
        copy: None,
    });
    if !live {
        recovery.removed = listing.leftovers;
    }
    Ok(recovery)
}

/// Why the journal is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// To go on writing.
    Open,
    /// To look only.
    Look,
    /// The same while a broker writes.
    LookLive,
}

/// What reading forward found.
struct Walked {
    found: Found,
    /// Length of an incomplete write at the end.
    torn: Option<u64>,
    recovery: Recovery,
    /// Offset of the first group of the last segment that the expected checkpoint does not cover.
    unproven: Option<u64>,
}

fn forward(
    directory: &Directory,
    listing: &Listing,
    origin: &str,
    expected: Option<(u64, [u8; 32])>,
    mode: Mode,
    visit: &mut Visit<'_>,
) -> Result<Walked, JournalError> {
    let mut forward = Forward {
        origin,
        expected,
        mode,
        visit,
        durable: Durable::default(),
        index: Index::default(),
        recovery: Recovery::default(),
        unproven: None,
    };
    let mut last = None;
    for (i, first_position) in listing.segments.iter().enumerate() {
        let is_last = i + 1 == listing.segments.len();
        last = Some(forward.segment(directory, *first_position, is_last)?);
    }
    let (tail, torn) = last.ok_or_else(|| JournalError::NotThere {
        dir: directory.path().to_owned(),
    })?;
    forward.check_reaches_expected(&tail, torn)?;

    let Forward {
        durable,
        index,
        recovery,
        unproven,
        ..
    } = forward;
    let found = Found {
        tail,
        durable,
        index,
    };
    Ok(Walked {
        found,
        torn,
        recovery,
        unproven,
    })
}

/// The state of reading forward.
struct Forward<'a, 'v> {
    origin: &'a str,
    expected: Option<(u64, [u8; 32])>,
    mode: Mode,
    visit: &'a mut Visit<'v>,
    durable: Durable,
    index: Index,
    recovery: Recovery,
    /// Offset of the first group of the present segment that the expected checkpoint does not cover.
    unproven: Option<u64>,
}

/// A segment while it is read.
struct Segment {
    name: String,
    path: PathBuf,
    seed: u32,
    /// The file has the length it was made with.
    full_length: bool,
}

impl Forward<'_, '_> {
    /// Reads one segment; gives its end, and the length of an incomplete write there.
    fn segment(
        &mut self,
        directory: &Directory,
        first_position: u64,
        is_last: bool,
    ) -> Result<(Tail, Option<u64>), JournalError> {
        let name = segment_name(first_position);
        let path = directory.segment_path(first_position);
        self.check_follows(&name, first_position)?;
        let unreadable = |source| unreadable(&path, source);
        // Opened for writing only if it will be written: sealed segments may sit on media made read-only.
        let file = OpenOptions::new()
            .read(true)
            .write(is_last && self.mode == Mode::Open)
            .open(&path)
            .map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        let mut window = Window::new(&file, len, CHUNK_BYTES);
        let bytes = window.up_to(0, SEGMENT_HEADER_BYTES).map_err(unreadable)?;
        let (header, seed) = self.check_header(&name, first_position, bytes)?;
        let segment = Segment {
            name,
            path: path.clone(),
            seed,
            full_length: len == header.file_bytes,
        };
        self.index.begin_segment(first_position, seed);
        self.recovery.segments += 1;
        self.unproven = None;

        let mut offset = SEGMENT_HEADER_BYTES as u64;
        let torn = loop {
            let found = self.group_header(&segment, &mut window, offset)?;
            let what = match found {
                Some(header) if header.total_bytes() <= len - offset => {
                    match self.group(&segment, &mut window, offset, &header)? {
                        Ok(after) => {
                            offset = after;
                            continue;
                        }
                        Err(what) => what,
                    }
                }
                Some(_) => "the file ends within the group",
                None => "there is no group, but there are other bytes",
            };
            if is_last && self.mode == Mode::LookLive {
                break None;
            }
            let last_write = is_last.then_some(LastWrite {
                header: found,
                position: self.durable.next_position,
                seed,
            });
            match torn::end(&mut window, offset, last_write).map_err(unreadable)? {
                End::Whole => break None,
                End::Torn(bytes) => break Some(bytes),
                End::Damaged(more) => {
                    return Err(self.damaged(&segment, offset, format!("{what}{more}")));
                }
            }
        };
        if len > header.file_bytes || (!is_last && len < header.file_bytes) {
            let what = format!(
                "the file has {len} bytes and was made with {}",
                header.file_bytes
            );
            return Err(self.damaged(&segment, len.min(header.file_bytes), what));
        }
        let tail = Tail {
            file,
            first_position,
            offset,
            file_bytes: header.file_bytes,
            seed,
        };
        Ok((tail, torn))
    }

    fn check_follows(&self, name: &str, first_position: u64) -> Result<(), JournalError> {
        let expected = self.durable.next_position;
        let segment = name.to_owned();
        match first_position.checked_sub(expected) {
            // A second segment without a group before it would have the same name.
            Some(0) => Ok(()),
            Some(_) => Err(JournalError::MissingSegment {
                segment,
                from: expected,
                to: first_position - 1,
            }),
            None => Err(JournalError::Overlap {
                segment,
                found: first_position,
                expected,
            }),
        }
    }

    fn check_header(
        &self,
        name: &str,
        first_position: u64,
        bytes: &[u8],
    ) -> Result<(SegmentHeader, u32), JournalError> {
        let segment = || name.to_owned();
        let (header, seed) = SegmentHeader::decode(bytes).map_err(|fault| match fault {
            HeaderFault::Damaged(what) => JournalError::DamagedHeader {
                segment: segment(),
                what: what.to_owned(),
            },
            HeaderFault::Version(found) => JournalError::UnknownFormat {
                segment: segment(),
                found,
                known: FORMAT_VERSION,
            },
        })?;
        if header.origin != self.origin {
            return Err(JournalError::OtherOrigin {
                segment: segment(),
                found: header.origin,
                expected: self.origin.to_owned(),
            });
        }
        if header.first_position != first_position {
            return Err(JournalError::WrongName {
                segment: segment(),
                found: header.first_position,
            });
        }
        if !(SEGMENT_HEADER_BYTES as u64..=MAX_FILE_BYTES).contains(&header.file_bytes) {
            return Err(JournalError::DamagedHeader {
                segment: segment(),
                what: format!("it states a length of {} bytes", header.file_bytes),
            });
        }
        Ok((header, seed))
    }

    /// The header at `offset`, if one can be read there.
    fn group_header(
        &self,
        segment: &Segment,
        window: &mut Window<'_>,
        offset: u64,
    ) -> Result<Option<GroupHeader>, JournalError> {
        let bytes = window
            .up_to(offset, GROUP_HEADER_BYTES)
            .map_err(|source| unreadable(&segment.path, source))?;
        let Some(header) = GroupHeader::decode(bytes, segment.seed) else {
            return Ok(None);
        };
        let what = if header.first_position != self.durable.next_position {
            "the group's position does not follow from the one before"
        } else if segment.full_length && header.total_bytes() > window.len() - offset {
            "the group is longer than the segment"
        } else {
            return Ok(Some(header));
        };
        Err(self.damaged(segment, offset, what.to_owned()))
    }

    /// Takes in the group at `offset` and gives the offset after it, or says what an interrupted write may have left.
    fn group(
        &mut self,
        segment: &Segment,
        window: &mut Window<'_>,
        offset: u64,
        header: &GroupHeader,
    ) -> Result<Result<u64, &'static str>, JournalError> {
        let total = header.total_bytes();
        let bytes = window
            .get(offset, total as usize)
            .map_err(|source| unreadable(&segment.path, source))?;
        let (entries, trailer) = match decode_group(header, bytes.unwrap_or_default(), segment.seed)
        {
            Ok(group) => group,
            Err(GroupFault::Checksum) => return Ok(Err("the group's checksum is wrong")),
            Err(GroupFault::Content(what)) => {
                return Err(self.damaged(segment, offset, what.to_owned()));
            }
        };
        self.check_expected(&trailer)?;
        (self.visit)(header.first_position, &entries, &trailer).map_err(|reason| {
            JournalError::Refused {
                segment: segment.name.clone(),
                offset,
                position: header.first_position,
                reason,
            }
        })?;
        self.index.add_group(
            header.first_position,
            offset + GROUP_HEADER_BYTES as u64,
            entries.iter().map(|entry| ENTRY_PREFIX_BYTES + entry.len()),
            header.trailer_bytes() as u32,
        );
        if header.first_position >= self.expected.map_or(0, |(tree_size, _)| tree_size) {
            self.unproven.get_or_insert(offset);
        }
        self.recovery.groups += 1;
        self.recovery.entries += u64::from(header.count);
        self.recovery.bytes += total;
        self.durable = Durable {
            next_position: trailer.tree_size,
            last_group: Some(trailer),
        };
        Ok(Ok(offset + total))
    }

    /// Compares the group that reaches the expected tree size with what is expected there.
    fn check_expected(&self, trailer: &GroupTrailer) -> Result<(), JournalError> {
        let Some((tree_size, root)) = self.expected else {
            return Ok(());
        };
        if self.durable.next_position >= tree_size || trailer.tree_size < tree_size {
            return Ok(());
        }
        let detail = if trailer.tree_size != tree_size {
            format!(
                "no group ends there, the nearest end at {} and {}",
                self.durable.next_position, trailer.tree_size
            )
        } else if trailer.root != root {
            format!(
                "the root is {}, not {}",
                hex::encode(trailer.root),
                hex::encode(root)
            )
        } else {
            return Ok(());
        };
        Err(JournalError::OtherHistory { tree_size, detail })
    }

    fn check_reaches_expected(&self, tail: &Tail, torn: Option<u64>) -> Result<(), JournalError> {
        let found = self.durable.next_position;
        match self.expected {
            Some((expected, _)) if found < expected => Err(JournalError::BehindCheckpoint {
                expected,
                found,
                detail: format!(
                    "segment {} offset {} position {found}: {}",
                    segment_name(tail.first_position),
                    tail.offset,
                    match torn {
                        Some(bytes) => format!("a damaged group within the {bytes} bytes there"),
                        None => "nothing follows".to_owned(),
                    }
                ),
            }),
            _ => Ok(()),
        }
    }

    fn damaged(&self, segment: &Segment, offset: u64, what: String) -> JournalError {
        JournalError::Damaged {
            segment: segment.name.clone(),
            offset,
            position: self.durable.next_position,
            what,
        }
    }
}
