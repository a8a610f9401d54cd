//! The bytes of a segment file, and nothing about files: pure encoding and checking.
//!
//! All integers are little endian.
//!
//! **Segment header**, the first 4096 bytes, so that no write of a group ever touches its page:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `CBSEGMNT` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | length of the log origin, at most 255 |
//! | 16 | 8 | position of the first entry |
//! | 24 | 8 | length of the file when it was made |
//! | 32 | 16 | random segment id |
//! | 48 | n | log origin, UTF-8; zeros up to 4092 |
//! | 4092 | 4 | CRC-32C of the 4092 bytes before |
//!
//! Magic and version keep their place in every future version. The header's own CRC, which depends on the random id,
//! is the *seed* of every checksum in the segment: a group copied from another segment does not check out, and nobody who
//! submits an entry can put bytes in it that would pass for a group.
//!
//! **Group**, one after the other from offset 4096; zeros from the end of the last one to the end of the file:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `CBGH` |
//! | 4 | 4 | number of entries, at least 1 |
//! | 8 | 8 | position of the first entry |
//! | 16 | 8 | length of the entries, *e* |
//! | 24 | 4 | length of the checkpoint, *c* |
//! | 28 | 4 | CRC-32C (seeded) of the 28 bytes before: with it the lengths can be trusted |
//! | 32 | *e* | the entries, each: length (4), CRC-32C of its bytes (4, unseeded), bytes |
//! | 32+*e* | 8 | tree size |
//! | 40+*e* | 32 | root |
//! | 72+*e* | *c* | signed checkpoint, UTF-8 |
//! | 72+*e*+*c* | 4 | magic `CBGT` |
//! | 76+*e*+*c* | 4 | CRC-32C (seeded) of everything before in the group |
//!
//! The checksum of each entry lets a read of one entry be checked without reading its whole group.

use crate::journal::{
    Group, GroupTrailer, JournalError, MAX_CHECKPOINT_BYTES, MAX_ENTRY_BYTES, MAX_GROUP_BYTES,
    MAX_GROUP_ENTRIES,
};

pub const FORMAT_VERSION: u32 = 1;
pub const SEGMENT_HEADER_BYTES: usize = 4096;
pub const GROUP_HEADER_BYTES: usize = 32;
/// Length and checksum before each entry.
pub const ENTRY_PREFIX_BYTES: usize = 8;
pub const MAX_ORIGIN_BYTES: usize = 255;
pub const GROUP_MAGIC: [u8; 4] = *b"CBGH";

const SEGMENT_MAGIC: [u8; 8] = *b"CBSEGMNT";
const TRAILER_MAGIC: [u8; 4] = *b"CBGT";
const HEADER_CRC_AT: usize = SEGMENT_HEADER_BYTES - 4;
const ORIGIN_AT: usize = 48;
/// Trailer without the checkpoint: tree size, root, magic, checksum.
const TRAILER_FIXED_BYTES: usize = 8 + 32 + 4 + 4;

/// What a segment says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    pub first_position: u64,
    /// Length of the file when it was made, header included.
    pub file_bytes: u64,
    pub id: [u8; 16],
    pub origin: String,
}

/// A group's header whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupHeader {
    pub count: u32,
    pub first_position: u64,
    pub entries_bytes: u64,
    pub checkpoint_bytes: u32,
}

/// Why a segment header was not accepted; the caller knows the segment's name.
#[derive(Debug, PartialEq, Eq)]
pub enum HeaderFault {
    Damaged(&'static str),
    Version(u32),
}

/// Why the bytes of a group were not accepted.
#[derive(Debug, PartialEq, Eq)]
pub enum GroupFault {
    /// An interrupted write can have left it like this.
    Checksum,
    /// The checksum is right, so these bytes were written; but not by a writer of this format.
    Content(&'static str),
}

impl SegmentHeader {
    /// The header's bytes and the seed they give to the checksums in the segment.
    pub fn encode(&self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.origin.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.first_position.to_le_bytes());
        bytes.extend_from_slice(&self.file_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(self.origin.as_bytes());
        bytes.resize(HEADER_CRC_AT, 0);
        let seed = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&seed.to_le_bytes());
        (bytes, seed)
    }

    /// Reads a header and the seed of its segment.
    pub fn decode(bytes: &[u8]) -> Result<(Self, u32), HeaderFault> {
        use HeaderFault::Damaged;
        let mut fields = Fields(bytes);
        if fields.take() != Some(SEGMENT_MAGIC) {
            return Err(Damaged("its first 8 bytes are not the magic of a segment"));
        }
        let version = fields.u32().ok_or(Damaged("it is too short"))?;
        if version != FORMAT_VERSION {
            return Err(HeaderFault::Version(version));
        }
        let covered = bytes
            .get(..HEADER_CRC_AT)
            .ok_or(Damaged("it is too short"))?;
        let seed = crc32c::crc32c(covered);
        if Fields(bytes.get(HEADER_CRC_AT..).unwrap_or_default()).u32() != Some(seed) {
            return Err(Damaged("its checksum is wrong"));
        }
        let mut parse = || {
            let origin_len = fields.u32()? as usize;
            let first_position = fields.u64()?;
            let file_bytes = fields.u64()?;
            let id = fields.take()?;
            if origin_len > MAX_ORIGIN_BYTES {
                return None;
            }
            let origin = covered.get(ORIGIN_AT..ORIGIN_AT + origin_len)?;
            let origin = std::str::from_utf8(origin).ok()?.to_owned();
            Some(Self {
                first_position,
                file_bytes,
                id,
                origin,
            })
        };
        let header = parse().ok_or(Damaged(
            "a field is out of range although the checksum is right",
        ))?;
        Ok((header, seed))
    }
}

impl GroupHeader {
    /// Accepts the first [`GROUP_HEADER_BYTES`] of `bytes` if magic, checksum and ranges are right.
    pub fn decode(bytes: &[u8], seed: u32) -> Option<Self> {
        let covered = bytes.get(..GROUP_HEADER_BYTES - 4)?;
        let mut fields = Fields(bytes);
        if fields.take() != Some(GROUP_MAGIC) {
            return None;
        }
        let header = Self {
            count: fields.u32()?,
            first_position: fields.u64()?,
            entries_bytes: fields.u64()?,
            checkpoint_bytes: fields.u32()?,
        };
        let plausible = (1..=MAX_GROUP_ENTRIES).contains(&(header.count as usize))
            && header.checkpoint_bytes as usize <= MAX_CHECKPOINT_BYTES
            && header.entries_bytes <= MAX_GROUP_BYTES as u64
            && header.entries_bytes >= u64::from(header.count) * ENTRY_PREFIX_BYTES as u64
            && header
                .first_position
                .checked_add(u64::from(header.count))
                .is_some();
        (plausible && fields.u32()? == crc32c::crc32c_append(seed, covered)).then_some(header)
    }

    pub fn trailer_bytes(&self) -> usize {
        TRAILER_FIXED_BYTES + self.checkpoint_bytes as usize
    }

    pub fn total_bytes(&self) -> u64 {
        GROUP_HEADER_BYTES as u64 + self.entries_bytes + self.trailer_bytes() as u64
    }

    /// Position after the group's last entry, which is the tree size it must state.
    pub fn end_position(&self) -> u64 {
        self.first_position + u64::from(self.count)
    }
}

/// Replaces the contents of `into` by the encoded group.
///
/// # Errors
/// [`JournalError::InvalidGroup`] if a field is out of range; the position is the writer's to check.
pub fn encode_group(group: &Group<'_>, seed: u32, into: &mut Vec<u8>) -> Result<(), JournalError> {
    let entries_bytes = check_group(group)?;
    into.clear();
    into.extend_from_slice(&GROUP_MAGIC);
    into.extend_from_slice(&(group.entries.len() as u32).to_le_bytes());
    into.extend_from_slice(&group.first_position.to_le_bytes());
    into.extend_from_slice(&(entries_bytes as u64).to_le_bytes());
    into.extend_from_slice(&(group.checkpoint.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(seed, into);
    into.extend_from_slice(&crc.to_le_bytes());
    for entry in group.entries {
        into.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        into.extend_from_slice(&crc32c::crc32c(entry).to_le_bytes());
        into.extend_from_slice(entry);
    }
    into.extend_from_slice(&group.tree_size.to_le_bytes());
    into.extend_from_slice(&group.root);
    into.extend_from_slice(group.checkpoint.as_bytes());
    into.extend_from_slice(&TRAILER_MAGIC);
    let crc = crc32c::crc32c_append(seed, into);
    into.extend_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Takes apart the bytes of one whole group whose header was accepted.
pub fn decode_group<'a>(
    header: &GroupHeader,
    bytes: &'a [u8],
    seed: u32,
) -> Result<(Vec<&'a [u8]>, GroupTrailer), GroupFault> {
    let (covered, crc) = bytes.split_last_chunk::<4>().ok_or(GroupFault::Checksum)?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c_append(seed, covered) {
        return Err(GroupFault::Checksum);
    }
    let trailer_at = GROUP_HEADER_BYTES + header.entries_bytes as usize;
    let mut rest = bytes
        .get(GROUP_HEADER_BYTES..trailer_at)
        .ok_or(GroupFault::Content(
            "the group is shorter than its header says",
        ))?;
    let mut entries = Vec::with_capacity(header.count as usize);
    while !rest.is_empty() {
        let (entry, after) = decode_entry(rest).map_err(GroupFault::Content)?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() != header.count as usize {
        return Err(GroupFault::Content(
            "the group does not hold as many entries as its header says",
        ));
    }
    let trailer = bytes.get(trailer_at..).unwrap_or_default();
    let trailer =
        decode_trailer(header.checkpoint_bytes as usize, trailer).map_err(GroupFault::Content)?;
    if trailer.tree_size != header.end_position() {
        return Err(GroupFault::Content(
            "the group's tree size does not follow from its positions",
        ));
    }
    Ok((entries, trailer))
}

/// Length of the entry that `prefix` announces.
pub fn entry_len(prefix: &[u8]) -> Result<usize, &'static str> {
    match Fields(prefix).u32() {
        Some(len) if len as usize <= MAX_ENTRY_BYTES => Ok(len as usize),
        _ => Err("an entry's length is out of range"),
    }
}

/// The entry at the beginning of `bytes` and what follows it.
pub fn decode_entry(bytes: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let len = entry_len(bytes)?;
    let mut fields = Fields(bytes.get(4..).unwrap_or_default());
    let crc = fields.u32().ok_or("an entry is cut short")?;
    let (entry, rest) = fields
        .0
        .split_at_checked(len)
        .ok_or("an entry is cut short")?;
    if crc32c::crc32c(entry) != crc {
        return Err("an entry's checksum is wrong");
    }
    Ok((entry, rest))
}

/// A trailer of which the checkpoint's length is known.
pub fn decode_trailer(checkpoint_bytes: usize, bytes: &[u8]) -> Result<GroupTrailer, &'static str> {
    let mut fields = Fields(bytes);
    let mut parse = || {
        let tree_size = fields.u64()?;
        let root = fields.take()?;
        let (checkpoint, end) = fields.0.split_at_checked(checkpoint_bytes)?;
        let checkpoint = std::str::from_utf8(checkpoint).ok()?.to_owned();
        (Fields(end).take() == Some(TRAILER_MAGIC)).then_some(GroupTrailer {
            tree_size,
            root,
            checkpoint,
        })
    };
    parse().ok_or("the group's trailer is malformed")
}

/// Length of the checkpoint in a trailer of `trailer_bytes`.
pub fn checkpoint_len(trailer_bytes: u32) -> usize {
    (trailer_bytes as usize).saturating_sub(TRAILER_FIXED_BYTES)
}

fn check_group(group: &Group<'_>) -> Result<usize, JournalError> {
    let invalid = |reason: String| Err(JournalError::InvalidGroup { reason });
    let count = group.entries.len();
    if !(1..=MAX_GROUP_ENTRIES).contains(&count) {
        return invalid(format!(
            "it has {count} entries, not 1 to {MAX_GROUP_ENTRIES}"
        ));
    }
    if group.first_position.checked_add(count as u64) != Some(group.tree_size) {
        return invalid(format!(
            "its tree size is {}, but {count} entries from position {} end elsewhere",
            group.tree_size, group.first_position
        ));
    }
    if let Some(entry) = group
        .entries
        .iter()
        .find(|entry| entry.len() > MAX_ENTRY_BYTES)
    {
        return invalid(format!(
            "an entry has {} bytes, more than {MAX_ENTRY_BYTES}",
            entry.len()
        ));
    }
    if group.checkpoint.len() > MAX_CHECKPOINT_BYTES {
        return invalid(format!(
            "its checkpoint has {} bytes, more than {MAX_CHECKPOINT_BYTES}",
            group.checkpoint.len()
        ));
    }
    let entries_bytes: usize = group
        .entries
        .iter()
        .map(|e| ENTRY_PREFIX_BYTES + e.len())
        .sum();
    if entries_bytes + GROUP_HEADER_BYTES + TRAILER_FIXED_BYTES + group.checkpoint.len()
        > MAX_GROUP_BYTES
    {
        return invalid(format!(
            "it has {entries_bytes} bytes, more than {MAX_GROUP_BYTES} with its framing"
        ));
    }
    Ok(entries_bytes)
}

/// Fixed-size fields off the front of a slice, never past its end.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
