use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use casebroker_proto::v1::CaseReport;

use super::{
    super::*,
    stage::{Stage, wait},
};
use crate::journal::{GroupTrailer, JournalError, ReadLimit, Record, conformance};

/// A journal that fails so many times before it is read.
#[derive(Debug)]
struct Failing {
    journal: Arc<dyn JournalReader>,
    failures: AtomicUsize,
    panics: bool,
}

impl JournalReader for Failing {
    fn next_position(&self) -> u64 {
        self.journal.next_position()
    }

    fn last_group(&self) -> Option<GroupTrailer> {
        self.journal.last_group()
    }

    fn read(&self, from: u64, limit: ReadLimit) -> Result<Vec<Record>, JournalError> {
        let failures = &self.failures;
        let fails =
            failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        assert!(fails.is_err() || !self.panics, "a panic of the test");
        match fails {
            Ok(_) => Ok(Vec::new()),
            Err(_) => self.journal.read(from, limit),
        }
    }

    fn group_trailer_over(&self, position: u64) -> Result<Option<GroupTrailer>, JournalError> {
        self.journal.group_trailer_over(position)
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        self.journal.subscribe()
    }
}

fn failing(stage: &Stage, failures: usize, panics: bool) -> Arc<dyn JournalReader> {
    Arc::new(Failing {
        journal: stage.reader(),
        failures: failures.into(),
        panics,
    })
}

#[test]
fn after_a_failure_it_goes_on_with_the_index_that_is_there() {
    for panics in [false, true] {
        let mut stage = Stage::with(&["one"]);
        stage.whole().stop();
        stage.report_all(&["two"]);
        let (text, _) = stage.start_with(failing(&stage, 1, panics));
        text.wait_for(2);
        assert_eq!((text.found("one"), text.found("two")), (vec![0], vec![1]));
        assert_eq!(stage.asides(), 0, "the index is not to blame");
        wait(|| !text.rebuilding());
    }
}

#[test]
fn an_index_that_fails_twice_is_built_anew() {
    let mut stage = Stage::with(&["one"]);
    stage.whole().stop();
    stage.report_all(&["two"]);
    let (text, _) = stage.start_with(failing(&stage, 2, true));
    text.wait_for(2);
    assert_eq!((text.found("one"), text.found("two")), (vec![0], vec![1]));
    assert_eq!(stage.asides(), 1);
}

#[test]
fn damage_that_shows_in_a_search_is_found_and_the_index_built_anew() {
    let mut stage = Stage::with(&["one"]);
    let text = stage.whole();
    // Nothing is wrong: a search that failed changes nothing.
    text.shared.doubt();
    stage.report_all(&["two"]);
    text.wait_for(2);
    text.stop();
    drop(text);
    let text = stage.whole();
    let terms = stage
        .files()
        .into_iter()
        .find(|f| f.extension().is_some_and(|e| e == "term"));
    let terms = terms.unwrap();
    let mut bytes = fs::read(&terms).unwrap();
    bytes[3] ^= 0x40;
    // In place, as a disk would: the file is mapped.
    fs::write(&terms, bytes).unwrap();
    text.shared.doubt();
    wait(|| stage.asides() == 1 && text.position() == 2 && !text.rebuilding());
    assert_eq!((text.found("one"), text.found("two")), (vec![0], vec![1]));
}

#[test]
fn while_there_is_no_index_a_search_says_so_and_a_stop_does_not_wait() {
    let stage = Stage::with(&["one"]);
    let (text, _) = stage.start_with(failing(&stage, usize::MAX, false));
    let query = TextQuery::parse("one").unwrap();
    let unavailable = || matches!(text.search(&query, &|| false), Err(TextError::Unavailable));
    wait(unavailable);
    assert!(text.rebuilding());
    text.stop();
}

#[test]
fn what_tantivy_still_has_in_hand_changes_nothing_in_a_closed_index() {
    let stage = Stage::with(&["one"]);
    stage.whole().stop();
    let root_at = |position| Ok(Some(conformance::root(position)));
    let (index, _) = Index::open(&stage.index(), &root_at).unwrap();
    let mut writer = index.writer(16 << 20).unwrap();
    writer.add(1, &CaseReport::default()).unwrap();
    // Another thread of tantivy's has it in hand from here on.
    drop(index);
    let before = stage.files();
    let meta = fs::read(stage.index().join("meta.json")).unwrap();
    assert!(writer.commit(&Mark::default()).is_err());
    assert_eq!(fs::read(stage.index().join("meta.json")).unwrap(), meta);
    assert_eq!(stage.files(), before);
}
