//! What every journal must do, whatever it is made of. An implementation's tests call [`run`] with a [`Bench`].

use std::sync::Arc;
use std::thread;

use bytes::Bytes;

use super::{Group, GroupTrailer, Journal, JournalError, JournalReader, ReadLimit};

/// Where one journal lives while a check works on it.
pub trait Bench {
    type Journal: Journal + 'static;

    /// A new, empty journal; called once.
    fn create(&self) -> Self::Journal;

    /// Closes the journal and opens it again from what is durable.
    fn reopen(&self, journal: Self::Journal) -> Self::Journal;
}

/// Runs every check, each on a bench of its own.
pub fn run<B: Bench>(make: impl Fn() -> B) {
    empty(&make());
    append_and_read(&make());
    limits(&make());
    sizes(&make());
    trailers(&make());
    reopening(&make());
    refusals(&make);
    followers(&make());
    readers_beside_the_writer(&make());
}

/// Entry `position` of `bytes` bytes; its contents follow from both.
pub fn entry(position: u64, bytes: usize) -> Bytes {
    (0..bytes)
        .map(|i| (position as usize * 31 + i * 7 + 1) as u8)
        .collect()
}

/// The root that [`append`] gives a tree size.
pub fn root(tree_size: u64) -> [u8; 32] {
    let mut root = [0xa5; 32];
    root[..8].copy_from_slice(&tree_size.to_le_bytes());
    root
}

/// The trailer that [`append`] gives a tree size.
pub fn trailer(tree_size: u64) -> GroupTrailer {
    GroupTrailer {
        tree_size,
        root: root(tree_size),
        checkpoint: format!("log.example\n{tree_size}\n\n— signature\n"),
    }
}

/// Appends `entries` at the end.
pub fn append(journal: &mut impl Journal, entries: &[Bytes]) -> Result<(), JournalError> {
    let first_position = journal.reader().next_position();
    append_at(journal, first_position, entries)
}

/// Appends `entries` as if `first_position` were the end.
pub fn append_at(
    journal: &mut impl Journal,
    first_position: u64,
    entries: &[Bytes],
) -> Result<(), JournalError> {
    let tree_size = first_position + entries.len() as u64;
    journal.append(Group {
        first_position,
        entries,
        tree_size,
        root: root(tree_size),
        checkpoint: &trailer(tree_size).checkpoint,
    })
}

/// Appends groups of the given sizes, of entries of `bytes` bytes.
pub fn append_groups(journal: &mut impl Journal, sizes: &[u64], bytes: usize) {
    for size in sizes {
        let next = journal.reader().next_position();
        let entries: Vec<_> = (next..next + size)
            .map(|position| entry(position, bytes))
            .collect();
        append(journal, &entries).unwrap();
    }
}

/// Reads everything and checks that it is what [`append_groups`] wrote.
pub fn assert_holds(reader: &dyn JournalReader, count: u64, bytes: usize) {
    assert_eq!(reader.next_position(), count);
    let all = reader.read(0, EVERYTHING).unwrap();
    assert_eq!(all.len() as u64, count);
    for (position, record) in (0..).zip(&all) {
        assert_eq!(record.position, position);
        assert_eq!(record.entry, entry(position, bytes));
    }
}

pub const EVERYTHING: ReadLimit = ReadLimit {
    entries: usize::MAX,
    bytes: usize::MAX,
};

fn empty(bench: &impl Bench) {
    let journal = bench.create();
    let reader = journal.reader();
    assert_eq!(reader.next_position(), 0);
    assert_eq!(reader.last_group(), None);
    assert_eq!(reader.read(0, EVERYTHING).unwrap(), []);
    assert_eq!(reader.read(7, EVERYTHING).unwrap(), []);
    assert_eq!(reader.group_trailer_at(0).unwrap(), None);
    assert_eq!(reader.group_trailer_at(1).unwrap(), None);
    let journal = bench.reopen(journal);
    assert_eq!(journal.reader().next_position(), 0);
}

fn append_and_read(bench: &impl Bench) {
    let mut journal = bench.create();
    let reader = journal.reader();
    append_groups(&mut journal, &[1, 3, 64, 1, 200], 700);
    assert_holds(&*reader, 269, 700);
    for position in 0..269 {
        let one = reader.read(position, ReadLimit::ONE).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(
            (one[0].position, &one[0].entry),
            (position, &entry(position, 700))
        );
    }
    assert_eq!(reader.read(269, EVERYTHING).unwrap(), []);
    assert_eq!(reader.read(u64::MAX, EVERYTHING).unwrap(), []);
}

fn limits(bench: &impl Bench) {
    let mut journal = bench.create();
    append_groups(&mut journal, &[5, 5, 5], 100);
    let reader = journal.reader();
    let count = |from, entries, bytes| {
        reader
            .read(from, ReadLimit { entries, bytes })
            .unwrap()
            .len()
    };
    assert_eq!(count(0, 0, 0), 1, "a read makes progress");
    assert_eq!(count(0, 10, 0), 1, "a read makes progress");
    assert_eq!(count(0, 10, 99), 1, "a read makes progress");
    assert_eq!(count(0, 10, 199), 1);
    assert_eq!(count(0, 10, 200), 2);
    assert_eq!(count(3, 4, usize::MAX), 4, "across groups");
    assert_eq!(count(3, usize::MAX, 1_000), 10);
    assert_eq!(count(14, usize::MAX, usize::MAX), 1);
}

fn sizes(bench: &impl Bench) {
    let mut journal = bench.create();
    let entries =
        [0, 1, 70_000, 0, 300_000, 3, 65_528, 65_536, 9].map(|bytes| entry(bytes as u64, bytes));
    append(&mut journal, &entries).unwrap();
    append(&mut journal, &entries[..3]).unwrap();
    let journal = bench.reopen(journal);
    let reader = journal.reader();
    let expected: Vec<_> = entries.iter().chain(&entries[..3]).cloned().collect();
    let all = reader.read(0, EVERYTHING).unwrap();
    assert_eq!(
        all.into_iter().map(|r| r.entry).collect::<Vec<_>>(),
        expected
    );
    for (position, entry) in (0..).zip(&expected) {
        assert_eq!(
            &reader.read(position, ReadLimit::ONE).unwrap()[0].entry,
            entry
        );
    }
}

fn trailers(bench: &impl Bench) {
    let mut journal = bench.create();
    append_groups(&mut journal, &[1, 2, 500, 4], 400);
    let check = |reader: &dyn JournalReader| {
        assert_eq!(reader.last_group(), Some(trailer(507)));
        for tree_size in 0..600 {
            let expected = [1, 3, 503, 507]
                .contains(&tree_size)
                .then(|| trailer(tree_size));
            assert_eq!(reader.group_trailer_at(tree_size).unwrap(), expected);
        }
        assert_eq!(reader.group_trailer_at(u64::MAX).unwrap(), None);
    };
    check(&*journal.reader());
    let journal = bench.reopen(journal);
    check(&*journal.reader());
}

fn reopening(bench: &impl Bench) {
    let mut journal = bench.create();
    let mut count = 0;
    for round in 1..8 {
        append_groups(&mut journal, &[round, 40, 1], 500);
        count += round + 41;
        journal = bench.reopen(journal);
        assert_holds(&*journal.reader(), count, 500);
        assert_eq!(journal.reader().last_group(), Some(trailer(count)));
    }
}

/// A group that is wrong is not written, and nothing is written after it.
fn refusals<B: Bench>(make: &impl Fn() -> B) {
    type Wrong = fn(&mut dyn FnMut(Group<'_>));
    let wrong: [Wrong; 5] = [
        |append| {
            append(Group {
                first_position: 1,
                tree_size: 2,
                ..valid(&[Bytes::new()])
            })
        },
        |append| {
            append(Group {
                first_position: 3,
                tree_size: 4,
                ..valid(&[Bytes::new()])
            })
        },
        |append| {
            append(Group {
                tree_size: 4,
                ..valid(&[Bytes::new()])
            })
        },
        |append| {
            append(Group {
                tree_size: 2,
                ..valid(&[])
            })
        },
        |append| {
            append(Group {
                first_position: u64::MAX,
                tree_size: 0,
                ..valid(&[Bytes::new()])
            })
        },
    ];
    for wrong in wrong {
        let bench = make();
        let mut journal = bench.create();
        append_groups(&mut journal, &[2], 10);
        wrong(&mut |group| {
            let error = journal.append(group).unwrap_err();
            assert!(
                matches!(error, JournalError::InvalidGroup { .. }),
                "{error}"
            );
        });
        let error = append_at(&mut journal, 2, &[entry(2, 10)]).unwrap_err();
        assert!(matches!(error, JournalError::Poisoned), "{error}");
        assert_holds(&*journal.reader(), 2, 10);
        let mut journal = bench.reopen(journal);
        append_groups(&mut journal, &[1], 10);
        assert_holds(&*journal.reader(), 3, 10);
    }
}

/// A group of one entry that would be right as the second of a journal of two entries.
fn valid(entries: &[Bytes]) -> Group<'_> {
    Group {
        first_position: 2,
        entries,
        tree_size: 3,
        root: root(3),
        checkpoint: "checkpoint",
    }
}

fn followers(bench: &impl Bench) {
    let mut journal = bench.create();
    append_groups(&mut journal, &[2], 10);
    let mut follower = journal.reader().subscribe();
    assert_eq!(*follower.borrow_and_update(), 2);
    append_groups(&mut journal, &[3], 10);
    assert!(follower.has_changed().unwrap());
    assert_eq!(*follower.borrow_and_update(), 5);
    drop(journal);
    assert!(
        follower.has_changed().is_err(),
        "the end of the writer is told"
    );
}

/// Readers see a growing, whole prefix while the writer goes on.
fn readers_beside_the_writer(bench: &impl Bench) {
    let mut journal = bench.create();
    const GROUPS: u64 = 150;
    const GROUP: u64 = 7;
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let reader: Arc<dyn JournalReader> = journal.reader();
            thread::spawn(move || {
                let mut next = 0;
                while next < GROUPS * GROUP {
                    let end = reader.next_position();
                    assert_eq!(end % GROUP, 0, "a group is seen whole");
                    assert!(end >= next, "nothing seen disappears");
                    if let Some(last) = reader.last_group() {
                        assert!(last.tree_size >= end);
                        assert_eq!(last, trailer(last.tree_size));
                    }
                    let limit = ReadLimit {
                        entries: 50,
                        bytes: usize::MAX,
                    };
                    let records = reader.read(next, limit).unwrap();
                    assert!(records.len() as u64 >= (end - next).min(1));
                    for record in records {
                        assert_eq!(record.position, next);
                        assert_eq!(record.entry, entry(next, 300));
                        next += 1;
                    }
                }
            })
        })
        .collect();
    for _ in 0..GROUPS {
        append_groups(&mut journal, &[GROUP], 300);
    }
    for reader in readers {
        reader.join().unwrap();
    }
}
