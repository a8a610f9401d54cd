//! Groups and segment files of the journal: what a disk may give back.
//!
//! An input is a byte of [flags](flag), a byte that says which tree size is known from a checkpoint (0: none), and the bytes
//! of a segment after its header, or of a whole file. Random changes would nearly all end at a checksum, so the checksums
//! are mended first unless a flag says not to: then whatever the fuzzer does to lengths, counts and places is looked at.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use casebroker_server::journal::{
    Group, GroupTrailer, Journal as _, JournalReader, ReadLimit,
    segments::{
        MIN_SEGMENT_BYTES, Options, Recovery, Segments,
        format::{
            ENTRY_PREFIX_BYTES, GROUP_HEADER_BYTES, GROUP_MAGIC, GroupHeader, SEGMENT_HEADER_BYTES,
            SegmentHeader, decode_group, encode_group,
        },
    },
};
use tempfile::TempDir;

use crate::actors::ORIGIN;

/// Bits of the first byte.
mod flag {
    /// The bytes are a whole file, its header too.
    pub(super) const WHOLE: u8 = 1;
    /// Checksums of group headers stay as they are.
    pub(super) const KEEP_HEADERS: u8 = 2;
    /// Checksums of entries stay as they are.
    pub(super) const KEEP_ENTRIES: u8 = 4;
    /// Checksums of groups stay as they are.
    pub(super) const KEEP_GROUPS: u8 = 8;
    /// The file is shorter than it was made.
    pub(super) const CUT_SHORT: u8 = 16;
}

/// Root in every group of a seed.
const ROOT: [u8; 32] = [0; 32];
const SEGMENT: &str = "00000000000000000000.segment";

thread_local! {
    static DIR: RefCell<TempDir> = RefCell::new(temporary());
}

/// Takes the bytes for a segment file: decodes its groups, then opens a journal that consists of it.
pub fn run(data: &[u8]) -> bool {
    let Some(([flags, known], body)) = data.split_first_chunk::<2>() else {
        return false;
    };
    let file = segment_file(*flags, body);
    let decoded = decode(&file);
    let expected = (*known > 0).then_some((u64::from(*known), ROOT));
    let opened = DIR.with_borrow(|dir| open(dir.path(), &file, expected));
    opened.is_some_and(|entries| entries > 0) || decoded
}

/// The bytes of the file that the input stands for.
fn segment_file(flags: u8, body: &[u8]) -> Vec<u8> {
    if flags & flag::WHOLE != 0 {
        return body.to_vec();
    }
    let made_with = SEGMENT_HEADER_BYTES + body.len();
    let missing = if flags & flag::CUT_SHORT != 0 {
        1000
    } else {
        0
    };
    let header = SegmentHeader {
        first_position: 0,
        file_bytes: (made_with + missing) as u64,
        id: [1; 16],
        origin: ORIGIN.into(),
    };
    let (mut file, seed) = header.encode();
    let mut body = body.to_vec();
    mend(&mut body, seed, flags);
    file.extend_from_slice(&body);
    file
}

/// Puts right checksums over groups one after the other, as far as their lengths lead.
fn mend(body: &mut [u8], seed: u32, flags: u8) {
    let mut group = body;
    while group.len() >= GROUP_HEADER_BYTES && group.starts_with(&GROUP_MAGIC) {
        if flags & flag::KEEP_HEADERS == 0 {
            let crc = crc32c::crc32c_append(seed, &group[..28]);
            group[28..32].copy_from_slice(&crc.to_le_bytes());
        }
        let Some(header) = GroupHeader::decode(group, seed) else {
            return;
        };
        let total = header.total_bytes();
        if total > group.len() as u64 {
            return;
        }
        let (this, rest) = std::mem::take(&mut group).split_at_mut(total as usize);
        if flags & flag::KEEP_ENTRIES == 0 {
            let end = GROUP_HEADER_BYTES + header.entries_bytes as usize;
            mend_entries(&mut this[GROUP_HEADER_BYTES..end]);
        }
        if flags & flag::KEEP_GROUPS == 0 {
            let (covered, crc) = this.split_last_chunk_mut::<4>().unwrap();
            *crc = crc32c::crc32c_append(seed, covered).to_le_bytes();
        }
        group = rest;
    }
}

fn mend_entries(mut entries: &mut [u8]) {
    while entries.len() >= ENTRY_PREFIX_BYTES {
        let mut length = [0; 4];
        length.copy_from_slice(&entries[..4]);
        let end = ENTRY_PREFIX_BYTES.saturating_add(u32::from_le_bytes(length) as usize);
        if end > entries.len() {
            return;
        }
        let crc = crc32c::crc32c(&entries[ENTRY_PREFIX_BYTES..end]);
        entries[4..8].copy_from_slice(&crc.to_le_bytes());
        entries = &mut std::mem::take(&mut entries)[end..];
    }
}

/// Decodes the groups in a row; each that is accepted is encoded to the same bytes again.
fn decode(file: &[u8]) -> bool {
    let Ok((header, seed)) = SegmentHeader::decode(file) else {
        return false;
    };
    let (encoded, again) = header.encode();
    assert_eq!(again, seed);
    assert_eq!(SegmentHeader::decode(&encoded), Ok((header, seed)));
    let mut rest = file.get(SEGMENT_HEADER_BYTES..).unwrap_or_default();
    let mut accepted = false;
    while let Some(header) = GroupHeader::decode(rest, seed) {
        let Some(bytes) = usize::try_from(header.total_bytes())
            .ok()
            .and_then(|total| rest.get(..total))
        else {
            // Also what is too short must only be refused.
            assert!(decode_group(&header, rest, seed).is_err());
            break;
        };
        if let Ok((entries, trailer)) = decode_group(&header, bytes, seed) {
            let entries: Vec<_> = entries.into_iter().map(Bytes::copy_from_slice).collect();
            let group = Group {
                first_position: header.first_position,
                entries: &entries,
                tree_size: trailer.tree_size,
                root: trailer.root,
                checkpoint: &trailer.checkpoint,
            };
            let mut encoded = Vec::new();
            encode_group(&group, seed, &mut encoded).expect("a group that was read");
            assert_eq!(encoded, bytes, "another encoding was accepted");
            accepted = true;
        }
        rest = &rest[bytes.len()..];
    }
    accepted
}

/// Everything that a journal showed while it was opened.
#[derive(Default)]
struct Seen {
    entries: Vec<Vec<u8>>,
    trailers: Vec<GroupTrailer>,
}

/// Opens a journal of this one file. Gives the number of its entries; none if it was refused.
fn open(root: &Path, file: &[u8], expected: Option<(u64, [u8; 32])>) -> Option<u64> {
    let dir = root.join("journal");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).unwrap();
    let path = dir.join(SEGMENT);
    fs::write(&path, file).unwrap();

    let Some((journal, recovery, seen)) = visit(&dir, expected) else {
        assert_eq!(fs::read(&path).unwrap(), file, "refused, and yet changed");
        return None;
    };
    let before = check(&*journal.reader(), &recovery, &seen);
    if let Some((size, root)) = expected {
        let reached = |t: &GroupTrailer| t.tree_size == size && t.root == root;
        assert!(seen.trailers.iter().any(reached), "less than was known");
    }
    if let Some(cut) = &recovery.cut {
        let kept = fs::read(&path).unwrap();
        let offset = cut.offset as usize;
        assert_eq!(kept[..offset], file[..offset], "a whole group was changed");
        assert!(kept[offset..].iter().all(|byte| *byte == 0));
    }

    // It goes on from there, and after another start everything is still as it was seen.
    let mut journal = journal;
    append(&mut journal, before);
    drop(journal);
    let last = seen.trailers.last().map(|t| (t.tree_size, t.root));
    let (journal, recovery, after) = visit(&dir, last).expect("it opens again");
    assert_eq!(recovery.cut, None);
    assert_eq!(check(&*journal.reader(), &recovery, &after), before + 1);
    assert!(after.entries.starts_with(&seen.entries) && after.trailers.starts_with(&seen.trailers));
    Some(before)
}

fn visit(dir: &Path, expected: Option<(u64, [u8; 32])>) -> Option<(Segments, Recovery, Seen)> {
    let options = Options {
        segment_bytes: MIN_SEGMENT_BYTES,
        log_origin: ORIGIN.into(),
    };
    let mut seen = Seen::default();
    let mut visit = |first: u64, entries: &[&[u8]], trailer: &GroupTrailer| {
        assert_eq!(
            first,
            seen.entries.len() as u64,
            "positions follow one another"
        );
        seen.entries.extend(entries.iter().map(|e| e.to_vec()));
        assert_eq!(trailer.tree_size, seen.entries.len() as u64);
        seen.trailers.push(trailer.clone());
        Ok(())
    };
    let (journal, recovery) = Segments::open(dir, options, expected, &mut visit).ok()?;
    Some((journal, recovery, seen))
}

/// The reader gives back what opening saw. Gives the number of entries.
fn check(reader: &dyn JournalReader, recovery: &Recovery, seen: &Seen) -> u64 {
    let count = seen.entries.len() as u64;
    assert_eq!(reader.next_position(), count);
    assert_eq!(
        (recovery.entries, recovery.groups),
        (count, seen.trailers.len() as u64)
    );
    assert_eq!(reader.last_group().as_ref(), seen.trailers.last());
    let all = ReadLimit {
        entries: usize::MAX,
        bytes: usize::MAX,
    };
    let records = reader.read(0, all).expect("what was opened can be read");
    assert!(
        records
            .iter()
            .map(|r| &r.entry[..])
            .eq(seen.entries.iter().map(Vec::as_slice))
    );
    let mut trailers = seen.trailers.iter().peekable();
    for position in (0..count).take(64) {
        trailers.next_if(|trailer| trailer.tree_size <= position);
        let over = reader.group_trailer_over(position).unwrap();
        assert_eq!(over.as_ref(), trailers.peek().copied());
    }
    assert_eq!(reader.group_trailer_over(count).unwrap(), None);
    count
}

fn append(journal: &mut Segments, first_position: u64) {
    let group = Group {
        first_position,
        entries: &[Bytes::from_static(b"one more")],
        tree_size: first_position + 1,
        root: ROOT,
        checkpoint: "one more\n",
    };
    journal.append(group).expect("there is room for one more");
}

/// In memory where that can be had: nothing of it must outlive the process.
fn temporary() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
    made.unwrap()
}

/// Segments with whole, torn and missing groups.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let header = SegmentHeader {
        first_position: 0,
        file_bytes: 0,
        id: [1; 16],
        origin: ORIGIN.into(),
    };
    let body = |groups: &[&[usize]]| {
        let (_, seed) = header.encode();
        let mut position = 0;
        let mut bytes = Vec::new();
        for lengths in groups {
            let entries: Vec<_> = lengths
                .iter()
                .map(|n| Bytes::from(vec![b'e'; *n]))
                .collect();
            let first_position = position;
            position += entries.len() as u64;
            let group = Group {
                first_position,
                entries: &entries,
                tree_size: position,
                root: ROOT,
                checkpoint: "log.example/cases\n",
            };
            let mut group_bytes = Vec::new();
            encode_group(&group, seed, &mut group_bytes).unwrap();
            bytes.extend_from_slice(&group_bytes);
        }
        bytes
    };
    let input = |flags: u8, known: u8, body: &[u8]| [&[flags, known], body].concat();
    let three = body(&[&[5], &[0, 40], &[1, 2, 3]]);
    let (zeros, torn) = ([0; 200], &three[..three.len() - 20]);
    let whole = segment_file(0, &three);
    [
        ("one-group", input(0, 0, &body(&[&[11]]))),
        ("three-groups", input(0, 0, &three)),
        ("zeros-after", input(0, 0, &[&three[..], &zeros].concat())),
        ("cut-short", input(flag::CUT_SHORT, 0, torn)),
        (
            "torn",
            input(flag::KEEP_GROUPS, 0, &[torn, &zeros].concat()),
        ),
        ("known-size", input(0, 3, &[&three[..], &zeros].concat())),
        ("whole-file", input(flag::WHOLE, 6, &whole)),
    ]
    .map(|(name, data)| (name.into(), data))
    .into()
}
