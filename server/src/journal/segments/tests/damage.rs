//! What happened to the files while nobody looked, and what opening says to it.

use std::fs;
use std::path::Path;

use super::{Place, groups};
use crate::journal::conformance::{Bench, append_groups, assert_holds, root};
use crate::journal::segments::format::SEGMENT_HEADER_BYTES;
use crate::journal::{Journal, JournalError, ReadLimit};

/// Tree size and root of the checkpoint that covers all of a test journal.
fn checkpoint(tree_size: u64) -> Option<(u64, [u8; 32])> {
    Some((tree_size, root(tree_size)))
}

fn zero_from(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset..].fill(0);
    fs::write(path, bytes).unwrap();
}

/// The last group ends in something other than zero so that every cut is seen.
#[test]
fn last_group_torn_at_every_byte() {
    let place = Place::filled(8 << 10, &[2, 1, 3], 30);
    let path = &place.segments()[0];
    let whole = fs::read(path).unwrap();
    let (offset, len) = groups(path)[2];
    for keep in 0..len {
        for shorten in [false, true] {
            if shorten {
                fs::write(path, &whole[..offset + keep]).unwrap();
            } else {
                zero_from(path, offset + keep);
            }
            let torn = fs::read(path).unwrap();
            let nonzero = whole[offset..offset + keep]
                .iter()
                .rposition(|b| *b != 0)
                .map_or(0, |i| i + 1);

            let error = place.error(checkpoint(6));
            assert!(
                matches!(
                    error,
                    JournalError::BehindCheckpoint {
                        expected: 6,
                        found: 3,
                        ..
                    }
                ),
                "{error}"
            );
            assert_eq!(
                fs::read(path).unwrap(),
                torn,
                "nothing is cut when refusing"
            );

            let (mut journal, recovery) = place.open(checkpoint(3)).unwrap();
            assert_eq!((recovery.groups, recovery.entries), (2, 3));
            let cut = recovery
                .cut
                .map(|cut| (cut.offset as usize, cut.bytes as usize));
            assert_eq!(cut, (nonzero > 0 || shorten).then_some((offset, nonzero)));
            append_groups(&mut journal, &[3], 30);
            assert_holds(&*place.reopen(journal).reader(), 6, 30);
            assert_eq!(fs::metadata(path).unwrap().len(), 8 << 10);
            fs::write(path, &whole).unwrap();
        }
    }
}

/// Pages of one write may reach the disk in any order.
#[test]
fn last_group_with_a_page_missing() {
    let place = Place::filled(64 << 10, &[2, 20], 1000);
    let path = &place.segments()[0];
    let whole = fs::read(path).unwrap();
    let (offset, len) = groups(path)[1];
    for page in offset / 4096..(offset + len) / 4096 + 1 {
        let mut bytes = whole.clone();
        bytes[(page * 4096).max(offset)..((page + 1) * 4096).min(offset + len)].fill(0);
        fs::write(path, &bytes).unwrap();
        assert!(matches!(
            place.error(checkpoint(22)),
            JournalError::BehindCheckpoint { .. }
        ));
        let (journal, recovery) = place.open(None).unwrap();
        assert_eq!(recovery.cut.unwrap().offset as usize, offset);
        assert_holds(&*place.reopen(journal).reader(), 2, 1000);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let place = Place::filled(8 << 10, &[1, 2, 1], 20);
    let path = &place.segments()[0];
    let whole = fs::read(path).unwrap();
    let (last, len) = groups(path)[2];
    let end = last + len;
    // Every byte of the segment header is tried where it is decoded; here a few of them stand for all.
    for at in (0..SEGMENT_HEADER_BYTES)
        .step_by(61)
        .chain(SEGMENT_HEADER_BYTES..end + 40)
    {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(path, &bytes).unwrap();
        if at < end {
            let error = place.error(checkpoint(4));
            assert_eq!(
                matches!(error, JournalError::BehindCheckpoint { .. }),
                at >= last,
                "{at}: {error}"
            );
            assert_eq!(
                fs::read(path).unwrap(),
                bytes,
                "nothing is changed when refusing"
            );
        }
        match place.open(if at < end { None } else { checkpoint(4) }) {
            // In the last group it cannot be told from a torn write.
            Ok((_, recovery)) if at >= last && at < end => {
                assert_eq!(
                    (recovery.entries, recovery.cut.unwrap().offset as usize),
                    (3, last)
                );
            }
            // In the zeros after it there was never an entry.
            Ok((_, recovery)) => {
                assert!(at >= end);
                assert_eq!(
                    (recovery.entries, recovery.cut.unwrap().bytes as usize),
                    (4, at + 1 - end)
                );
                assert_eq!(fs::read(path).unwrap(), whole);
            }
            Err(error) => {
                assert!(at < last, "{at}: {error}");
                assert!(
                    error.to_string().contains("00000000000000000000.segment"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn damage_names_the_place() {
    let place = Place::filled(16 << 10, &[5; 12], 500);
    let path = &place.segments()[1];
    let mut bytes = fs::read(path).unwrap();
    let (offset, _) = groups(path)[1];
    bytes[offset + 300] ^= 1;
    fs::write(path, bytes).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let first: u64 = name[..20].parse().unwrap();
    match place.error(None) {
        JournalError::Damaged {
            segment,
            offset: at,
            position,
            ..
        } => {
            assert_eq!(
                (segment.as_str(), at as usize, position),
                (name, offset, first + 5)
            );
        }
        error => panic!("{error}"),
    }
}

/// A torn write is the last of the last segment, never the last of an earlier one.
#[test]
fn a_sealed_segment_is_never_cut() {
    let place = Place::filled(16 << 10, &[5; 12], 500);
    let path = &place.segments()[1];
    let whole = fs::read(path).unwrap();
    let (offset, len) = *groups(path).last().unwrap();
    let try_with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
        place.error(None)
    };
    let error = try_with(&|bytes| bytes[offset + len - 20..].fill(0));
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    let error = try_with(&|bytes| bytes.truncate(offset + len - 20));
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    let error = try_with(&|bytes| bytes.truncate(offset + len));
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    let error = try_with(&|bytes| bytes[offset + len] = 1);
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    let error = try_with(&|bytes| bytes.push(0));
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    let error = try_with(&|bytes| bytes[offset..].fill(0));
    assert!(
        matches!(error, JournalError::MissingSegment { .. }),
        "{error}"
    );
    fs::write(path, &whole).unwrap();
    place.open(checkpoint(60)).unwrap();
}

/// Two groups without a good checksum at the end are more than one interrupted write.
#[test]
fn two_damaged_groups_at_the_end_are_not_torn() {
    let place = Place::filled(16 << 10, &[1, 1, 1], 50);
    let path = &place.segments()[0];
    let whole = fs::read(path).unwrap();
    let groups = groups(path);
    for (a, b) in [(40, 40), (1, 40), (40, 1)] {
        let mut bytes = whole.clone();
        bytes[groups[1].0 + a] ^= 1;
        bytes[groups[2].0 + b] ^= 1;
        fs::write(path, &bytes).unwrap();
        let error = place.error(None);
        assert!(
            matches!(error, JournalError::Damaged { position: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn missing_segments_are_named() {
    for (removed, from) in [(0, 0), (1, 20)] {
        let place = Place::filled(16 << 10, &[10; 8], 500);
        let segments = place.segments();
        assert_eq!(segments.len(), 4);
        fs::remove_file(&segments[removed]).unwrap();
        match place.error(None) {
            JournalError::MissingSegment { from: f, to, .. } => {
                assert_eq!((f, to), (from, from + 19))
            }
            error => panic!("{error}"),
        }
    }
    let place = Place::filled(16 << 10, &[10; 8], 500);
    fs::remove_file(place.segments().pop().unwrap()).unwrap();
    assert!(matches!(
        place.error(checkpoint(80)),
        JournalError::BehindCheckpoint {
            expected: 80,
            found: 60,
            ..
        }
    ));
}

#[test]
fn swapped_segments_are_refused() {
    let place = Place::filled(16 << 10, &[10; 8], 500);
    let segments = place.segments();
    let aside = place.root.path().join("aside");
    fs::rename(&segments[1], &aside).unwrap();
    fs::rename(&segments[2], &segments[1]).unwrap();
    fs::rename(&aside, &segments[2]).unwrap();
    assert!(matches!(
        place.error(None),
        JournalError::WrongName { found: 40, .. }
    ));
}

#[test]
fn overlapping_segments_are_refused() {
    let place = Place::filled(16 << 10, &[10; 8], 500);
    let other = Place::filled(32 << 10, &[10; 8], 500);
    // The other copy's first segment reaches further than the second one begins.
    fs::copy(&other.segments()[0], &place.segments()[0]).unwrap();
    assert!(matches!(
        place.error(None),
        JournalError::Overlap { found: 20, .. }
    ));
}

#[test]
fn an_older_copy_is_refused() {
    let place = Place::new(16 << 10);
    let mut journal = place.create();
    append_groups(&mut journal, &[10, 3], 500);
    drop(journal);
    let older = fs::read(&place.segments()[0]).unwrap();
    let (mut journal, _) = place.open(checkpoint(13)).unwrap();
    append_groups(&mut journal, &[2], 500);
    drop(journal);
    fs::write(&place.segments()[0], older).unwrap();
    let error = place.error(checkpoint(15));
    assert!(
        matches!(
            error,
            JournalError::BehindCheckpoint {
                expected: 15,
                found: 13,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn another_history_is_refused() {
    let place = Place::filled(16 << 10, &[10, 3, 4], 100);
    let error = place.error(Some((13, [7; 32])));
    assert!(error.to_string().contains("the root is"), "{error}");
    let error = place.error(checkpoint(12));
    assert!(
        error.to_string().contains("the nearest end at 10 and 13"),
        "{error}"
    );
    assert!(matches!(
        error,
        JournalError::OtherHistory { tree_size: 12, .. }
    ));
    for tree_size in [0, 10, 13, 17] {
        place.open(checkpoint(tree_size)).unwrap();
    }
}

#[test]
fn a_newer_format_is_refused() {
    let place = Place::filled(16 << 10, &[1], 100);
    let path = &place.segments()[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[8] = 2;
    fs::write(path, bytes).unwrap();
    assert!(matches!(
        place.error(None),
        JournalError::UnknownFormat {
            found: 2,
            known: 1,
            ..
        }
    ));
}

/// The disk may also change what has been read once.
#[test]
fn reads_notice_damage_under_a_running_broker() {
    let place = Place::new(16 << 10);
    let mut journal = place.create();
    append_groups(&mut journal, &[1, 3, 1], 100);
    let path = &place.segments()[0];
    let mut bytes = fs::read(path).unwrap();
    let (offset, _) = groups(path)[1];
    bytes[offset + 32 + 108 + 50] ^= 4;
    fs::write(path, bytes).unwrap();
    let reader = journal.reader();
    assert_eq!(reader.read(1, ReadLimit::ONE).unwrap().len(), 1);
    assert!(matches!(
        reader.read(2, ReadLimit::ONE),
        Err(JournalError::Damaged { position: 2, .. })
    ));
    assert_eq!(reader.read(3, ReadLimit::ONE).unwrap().len(), 1);
    fs::remove_file(path).unwrap();
    reader.read(4, ReadLimit::ONE).unwrap();
}
