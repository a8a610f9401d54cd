//! Files and names: making, opening, locking, changing segments.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{ORIGIN, Place, groups};
use crate::journal::conformance::{Bench, append, append_groups, assert_holds, entry, trailer};
use crate::journal::segments::{Held, Options, Segments};
use crate::journal::{Journal, JournalError, ReadLimit};

#[test]
fn a_second_broker_is_kept_out_and_told_who_holds_it() {
    let place = Place::new(1 << 20);
    let journal = place.create();
    let error = place.error(None);
    assert!(matches!(error, JournalError::Locked { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id()))
    );
    drop(journal);
    place.open(None).unwrap();
}

#[test]
fn nothing_is_created_where_something_was_expected() {
    let place = Place::new(1 << 20);
    assert!(!Segments::exists(&place.dir()).unwrap());
    assert!(matches!(place.error(None), JournalError::NotThere { .. }));
    assert!(!place.dir().exists());
    fs::create_dir(place.dir()).unwrap();
    assert!(matches!(place.error(None), JournalError::NotThere { .. }));
    assert_eq!(fs::read_dir(place.dir()).unwrap().count(), 0);
}

#[test]
fn create_refuses_what_is_not_empty() {
    let place = Place::new(1 << 20);
    drop(place.create());
    assert!(Segments::exists(&place.dir()).unwrap());
    let error = Segments::create(&place.dir(), place.options()).unwrap_err();
    assert!(
        matches!(error, JournalError::AlreadyThere { .. }),
        "{error}"
    );

    let other = Place::new(1 << 20);
    fs::create_dir(other.dir()).unwrap();
    fs::write(other.dir().join("holiday.jpg"), "x").unwrap();
    let error = Segments::create(&other.dir(), other.options()).unwrap_err();
    assert!(error.to_string().contains("holiday.jpg"), "{error}");
    assert!(!other.dir().join("LOCK").exists());
}

#[test]
fn create_goes_on_after_an_interrupted_create() {
    let place = Place::new(1 << 20);
    fs::create_dir(place.dir()).unwrap();
    fs::write(place.dir().join("LOCK"), "process 1\n").unwrap();
    fs::write(place.dir().join("next.tmp"), "half").unwrap();
    append_groups(&mut place.create(), &[2], 30);
    let (journal, _) = place.open(None).unwrap();
    assert_holds(&*journal.reader(), 2, 30);
}

#[test]
fn options_out_of_range_are_refused() {
    let place = Place::new(1);
    let error = Segments::create(&place.dir(), place.options()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("journal option segment_bytes is 1:"),
        "{error}"
    );
    for origin in [String::new(), "x".repeat(256)] {
        let error = Segments::create(&place.dir(), Options::new(origin)).unwrap_err();
        assert!(matches!(
            error,
            JournalError::InvalidOption {
                option: "log_origin",
                ..
            }
        ));
    }
    assert!(!place.dir().exists());
}

#[test]
fn segments_are_named_by_their_first_position_and_have_their_size() {
    let place = Place::filled(16 << 10, &[10; 20], 500);
    let segments = place.segments();
    assert!(segments.len() > 5);
    assert!(segments[0].ends_with("00000000000000000000.segment"));
    assert!(segments[1].ends_with("00000000000000000020.segment"));
    for path in &segments {
        assert_eq!(fs::metadata(path).unwrap().len(), 16 << 10);
        assert!(!groups(path).is_empty());
    }
    assert!(
        !place.dir().join("next.tmp").exists(),
        "removed at an orderly end"
    );
}

#[test]
fn a_group_larger_than_a_segment_gets_its_own() {
    let place = Place::new(16 << 10);
    let mut journal = place.create();
    append_groups(&mut journal, &[2], 100);
    append(&mut journal, &[entry(2, 100_000), entry(3, 100)]).unwrap();
    append(&mut journal, &[entry(4, 100)]).unwrap();
    let journal = place.reopen(journal);
    let segments = place.segments();
    assert_eq!(segments.len(), 3);
    let (offset, len) = groups(&segments[1])[0];
    assert_eq!(
        fs::metadata(&segments[1]).unwrap().len(),
        (offset + len) as u64
    );
    let records = journal
        .reader()
        .read(
            2,
            ReadLimit {
                entries: 3,
                bytes: usize::MAX,
            },
        )
        .unwrap();
    assert_eq!(records[0].entry, entry(2, 100_000));
    assert_eq!(records[2].entry, entry(4, 100));
}

#[test]
fn a_segment_without_groups_may_end_the_journal() {
    // As after a crash between making the segment and writing its first group.
    let place = Place::filled(16 << 10, &[10; 3], 500);
    let last = place.segments().pop().unwrap();
    let (offset, len) = groups(&last)[0];
    let mut bytes = fs::read(&last).unwrap();
    bytes[offset..offset + len].fill(0);
    fs::write(&last, &bytes).unwrap();
    let (mut journal, recovery) = place.open(Some((20, trailer(20).root))).unwrap();
    assert_eq!((recovery.entries, recovery.cut), (20, None));
    append_groups(&mut journal, &[10], 500);
    assert_holds(&*place.reopen(journal).reader(), 30, 500);
}

#[test]
fn leftovers_are_removed_and_reported() {
    let place = Place::filled(16 << 10, &[3], 50);
    let draft = place.dir().join("next.tmp");
    fs::write(&draft, [0; 100]).unwrap();
    let (_journal, recovery) = place.open(None).unwrap();
    assert_eq!(recovery.removed.as_slice(), std::slice::from_ref(&draft));
    assert!(!draft.exists());
}

#[test]
fn unknown_files_stop_the_start() {
    for name in [
        "notes.txt",
        "00000000000000000000.segment.bak",
        "1.segment",
        "0000000000000000000x.segment",
    ] {
        let place = Place::filled(16 << 10, &[3], 50);
        let path = place.dir().join(name);
        fs::write(&path, "x").unwrap();
        match place.error(None) {
            JournalError::UnknownFile { path: found } => assert_eq!(found, path),
            error => panic!("{error}"),
        }
    }
    let place = Place::filled(16 << 10, &[3], 50);
    fs::create_dir(place.dir().join("00000000000000000003.segment")).unwrap();
    assert!(matches!(
        place.error(None),
        JournalError::UnknownFile { .. }
    ));
}

#[test]
fn visit_gets_every_group_and_may_refuse() {
    let place = Place::filled(16 << 10, &[1, 4, 20, 30], 500);
    let mut seen = Vec::new();
    let mut visit = |first: u64, entries: &[&[u8]], found: &crate::journal::GroupTrailer| {
        assert_eq!(entries[0], entry(first, 500));
        assert_eq!(*found, trailer(first + entries.len() as u64));
        seen.push((first, entries.len()));
        Ok(())
    };
    Segments::open(&place.dir(), place.options(), None, &mut visit).unwrap();
    assert_eq!(seen, [(0, 1), (1, 4), (5, 20), (25, 30)]);

    let error = Segments::open(
        &place.dir(),
        place.options(),
        None,
        &mut |first, _, _| match first {
            5 => Err("the root differs".to_owned()),
            _ => Ok(()),
        },
    )
    .unwrap_err();
    let text = error.to_string();
    for part in [
        "00000000000000000005.segment",
        "offset 4096",
        "position 5",
        "the root differs",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn another_log_is_refused() {
    let place = Place::filled(16 << 10, &[3], 50);
    let options = Options::new("log.example/other");
    let error = Segments::open(&place.dir(), options, None, &mut |_, _, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains(ORIGIN), "{error}");
    assert!(matches!(error, JournalError::OtherOrigin { .. }));
}

#[test]
fn a_start_waits_for_a_broker_on_its_way_out_and_then_sees_what_that_one_left() {
    let donor = Place::filled(16 << 10, &[2], 30);
    let place = Place::new(16 << 10);
    fs::create_dir(place.dir()).unwrap();
    let held = Held::take(&place.dir()).unwrap();
    let begin = Instant::now();
    let late = thread::scope(|scope| {
        let late = scope.spawn(|| {
            let held = Held::take(&place.dir()).unwrap();
            (
                held.is_new().unwrap(),
                held.create(place.options()).unwrap_err(),
            )
        });
        thread::sleep(Duration::from_millis(300));
        let segment = &donor.segments()[0];
        fs::copy(segment, place.dir().join(segment.file_name().unwrap())).unwrap();
        drop(held);
        late.join().unwrap()
    });
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(!late.0, "a journal that is there is not begun anew");
    assert!(
        matches!(late.1, JournalError::AlreadyThere { .. }),
        "{}",
        late.1
    );
    let (journal, _) = place.open(None).unwrap();
    assert_holds(&*journal.reader(), 2, 30);
}

#[test]
fn a_segment_is_never_replaced() {
    let place = Place::new(16 << 10);
    let mut journal = place.create();
    append_groups(&mut journal, &[20], 500);
    let stranger = place.dir().join("00000000000000000020.segment");
    fs::write(&stranger, "of somebody else").unwrap();
    let more: Vec<_> = (20..40).map(|position| entry(position, 500)).collect();
    let error = append(&mut journal, &more).unwrap_err();
    assert!(matches!(error, JournalError::Fatal { .. }), "{error}");
    assert_eq!(fs::read(&stranger).unwrap(), b"of somebody else");
}

#[test]
fn a_failed_write_poisons() {
    let place = Place::new(16 << 10);
    let mut journal = place.create();
    append_groups(&mut journal, &[1], 10);
    // The next segment cannot be made: its temporary name is taken by a directory.
    fs::create_dir(place.dir().join("next.tmp")).unwrap();
    let large = [Bytes::from(vec![1; 20_000])];
    let error = append(&mut journal, &large).unwrap_err();
    assert!(matches!(error, JournalError::Fatal { .. }), "{error}");
    fs::remove_dir(place.dir().join("next.tmp")).unwrap();
    assert!(matches!(
        append(&mut journal, &large).unwrap_err(),
        JournalError::Poisoned
    ));
    assert_holds(&*journal.reader(), 1, 10);
}
