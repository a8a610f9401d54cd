use std::fs;

use super::*;
use crate::state::{CaseBytes, Effect, StatementChange, TaskKind};

fn change(position: u64, case: &str) -> StatementChange {
    StatementChange {
        position,
        agency: AgencyName::from_id("us-dea").unwrap(),
        request_id: u128::from(position).to_be_bytes(),
        case: CaseName::from_ids("us-dea", case).unwrap(),
        record: CaseRecord {
            statements: vec![(position, Effect::Reported)],
            bytes: CaseBytes::default(),
        },
        tasks: vec![(AgencyName::from_id("us-cbp").unwrap(), TaskKind::RequestTo)],
    }
}

fn root(position: u64) -> [u8; 32] {
    [position as u8 ^ 0xa5; 32]
}

fn at(position: u64) -> Applied {
    Applied {
        position,
        root: root(position),
    }
}

fn open(dir: &Path, journal_size: u64) -> (Store, Opened) {
    let root_at = |position| Ok((position <= journal_size).then(|| root(position)));
    Store::open(dir, 1 << 20, &root_at).unwrap()
}

#[test]
fn what_was_staged_is_found_at_once_and_after_a_clean_close() {
    let dir = tempfile::tempdir().unwrap();
    let (store, opened) = open(dir.path(), 0);
    assert_eq!(opened.applied, 0);
    let changes: Vec<_> = (0..500).map(|n| change(n, &format!("c{n}"))).collect();
    let staged: Vec<_> = changes.iter().cloned().map(Change::Statement).collect();
    store.stage(&staged, at(500)).unwrap();
    for _ in 0..2 {
        for c in &changes {
            assert_eq!(store.case(&c.case).unwrap().unwrap(), c.record);
            assert_eq!(
                store.request(&c.agency, &c.request_id).unwrap(),
                Some(c.position)
            );
        }
        store.settle().unwrap();
    }
    store.close().unwrap();
    drop(store);
    let (store, opened) = open(dir.path(), 500);
    assert_eq!(opened.applied, 500);
    assert!(opened.moved_aside.is_none());
    assert_eq!(
        store.case(&changes[499].case).unwrap().unwrap(),
        changes[499].record
    );
    assert_eq!(
        store
            .case(&CaseName::from_ids("us-dea", "other").unwrap())
            .unwrap(),
        None
    );
}

#[test]
fn tasks_come_newest_first_whether_staged_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), 0);
    let stage = |from: u64, to: u64| {
        let changes = (from..to).map(|n| Change::Statement(change(n, &format!("c{n}"))));
        store.stage(&changes.collect::<Vec<_>>(), at(to)).unwrap();
    };
    let tasks = |agency: &str, before, limit| -> Vec<u64> {
        let agency = AgencyName::from_id(agency).unwrap();
        let tasks = store.tasks(&agency, before, limit).unwrap();
        tasks.iter().map(|task| task.position).collect()
    };
    stage(0, 300);
    store.settle().unwrap();
    stage(300, 310);
    assert_eq!(
        tasks("us-cbp", 305, 10),
        (295..305).rev().collect::<Vec<_>>()
    );
    assert_eq!(tasks("us-cbp", u64::MAX, 1_000).len(), 310);
    assert!(tasks("us-dea", u64::MAX, 10).is_empty());
    assert!(tasks("us-cb", u64::MAX, 10).is_empty());
}

#[test]
fn a_store_of_another_boot_or_history_a_condemned_one_and_one_ahead_are_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    for how in ["boot", "condemned", "ahead", "history"] {
        let (store, _) = open(dir.path(), 0);
        store
            .stage(&[Change::Statement(change(0, "a"))], at(1))
            .unwrap();
        store.close().unwrap();
        match how {
            "boot" => fs::write(dir.path().join("session"), "another boot").unwrap(),
            "condemned" => store.condemn().unwrap(),
            _ => {}
        }
        drop(store);
        let (store, opened) = match how {
            "history" => Store::open(dir.path(), 1 << 20, &|_| Ok(Some([9; 32]))).unwrap(),
            "ahead" => open(dir.path(), 0),
            _ => open(dir.path(), 1),
        };
        let (aside, why) = opened.moved_aside.unwrap();
        assert!(aside.exists(), "{why}");
        assert_eq!(opened.applied, 0);
        assert_eq!(store.case(&change(0, "a").case).unwrap(), None);
        drop(store);
        fs::remove_dir_all(dir.path()).unwrap();
    }
}

#[test]
fn a_damaged_store_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), 0);
    store
        .stage(&[Change::Statement(change(0, "a"))], at(1))
        .unwrap();
    store.close().unwrap();
    drop(store);
    fs::write(dir.path().join("sled/conf"), b"not a configuration").unwrap();
    let (_, opened) = open(dir.path(), 1);
    assert!(opened.moved_aside.is_some());
    assert_eq!(opened.applied, 0);
}
