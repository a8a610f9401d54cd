use casebroker_proto::v1::Subscription;

use super::*;
use crate::delivery::outbox::KeptOpen;

fn line(id: u64, next: u64) -> Line {
    Line {
        id,
        subscription: Subscription {
            name: format!("agencies/ca-rcmp/subscriptions/s{id}"),
            ..Subscription::default()
        },
        kept: kept(next),
        last_use: 5,
    }
}

fn kept(next: u64) -> Kept {
    Kept {
        next,
        open: vec![KeptOpen {
            position: next / 2,
            case: 0,
            attempts: 3,
        }],
        ..Kept::default()
    }
}

fn moved(id: u64, next: u64) -> Change {
    Change::Moved {
        id,
        kept: Box::new(kept(next)),
        last_use: 6,
    }
}

fn start(dir: &Path) -> (Ledger, Opened) {
    let (ledger, opened) = Ledger::open(dir).unwrap();
    let ledger = ledger.start(Duration::from_secs(3_600), Box::new(Vec::new));
    (ledger.unwrap(), opened)
}

fn cursors(opened: &Opened) -> Vec<(u64, u64)> {
    opened
        .lines
        .iter()
        .map(|line| (line.id, line.kept.next))
        .collect()
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart_and_the_last_word_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, opened) = start(dir.path());
    assert!(opened.lines.is_empty() && opened.cut.is_none());
    for id in 1..=3 {
        assert!(ledger.write(Change::Put(Box::new(line(id, id * 10)))).await);
    }
    assert!(ledger.write(moved(2, 77)).await);
    assert!(ledger.write(Change::Ended(3)).await);
    assert!(
        ledger.write(moved(3, 99)).await,
        "a late word of one that ended"
    );
    ledger.stop();
    assert!(!ledger.write(moved(1, 99)).await, "after the end");
    let (_, opened) = Ledger::open(dir.path()).unwrap();
    assert_eq!(cursors(&opened), [(1, 10), (2, 77)]);
    assert_eq!(opened.lines[1].kept, kept(77));
    assert_eq!(opened.lines[1].last_use, 6);
}

#[tokio::test]
async fn an_update_leaves_the_cursor_on_disk_as_it_is_and_brings_back_nothing_that_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = start(dir.path());
    let redefined = |id: u64| Change::Redefined {
        id,
        subscription: Box::new(Subscription {
            etag: "second".into(),
            ..line(id, 0).subscription
        }),
    };
    for id in 1..=2 {
        assert!(ledger.write(Change::Put(Box::new(line(id, 10)))).await);
    }
    assert!(ledger.write(moved(1, 77)).await);
    assert!(ledger.write(Change::Ended(2)).await);
    assert!(ledger.write(redefined(1)).await);
    assert!(ledger.write(redefined(2)).await);
    ledger.stop();
    let (_, opened) = Ledger::open(dir.path()).unwrap();
    assert_eq!(cursors(&opened), [(1, 77)]);
    assert_eq!(opened.lines[0].subscription.etag, "second");
}

#[tokio::test]
async fn a_torn_end_is_cut_off_with_a_copy_and_everything_before_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let (ledger, _) = start(dir.path());
    ledger.write(Change::Put(Box::new(line(1, 10)))).await;
    let before = fs::metadata(&path).unwrap().len();
    ledger.write(moved(1, 20)).await;
    ledger.stop();
    let whole = fs::read(&path).unwrap();
    for length in before as usize..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (_, opened) = Ledger::open(dir.path()).unwrap();
        assert_eq!(cursors(&opened), [(1, 10)], "{length} bytes");
        assert_eq!(opened.cut.is_some(), length > before as usize);
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(cursors(&Ledger::open(dir.path()).unwrap().1), [(1, 20)]);
}

#[tokio::test]
async fn the_file_does_not_grow_with_the_number_of_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = start(dir.path());
    ledger.write(Change::Put(Box::new(line(1, 0)))).await;
    let many = |round: u64| {
        let mut large = kept(round);
        large.dropped = (0..200_000).collect();
        Change::Moved {
            id: 1,
            kept: Box::new(large),
            last_use: 6,
        }
    };
    for round in 0..100 {
        assert!(ledger.write(many(round)).await);
    }
    ledger.stop();
    let length = fs::metadata(dir.path().join("ledger")).unwrap().len();
    assert!(length < 2 * WORTH_REWRITING, "{length} bytes");
    assert_eq!(cursors(&Ledger::open(dir.path()).unwrap().1), [(1, 99)]);
}

#[test]
fn a_file_that_is_no_ledger_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    fs::write(&path, b"something else entirely").unwrap();
    let error = Ledger::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("no ledger of this version"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"something else entirely");
}
