//! What a start does to what it finds, and what a refused start does not.

use std::{fs, path::Path, process::Command};

use casebroker_proto::v1::{RecordedStatement, Statement};
use casebroker_tests::{
    Broker, DEA, FIRST, Site, cases, files,
    proof::{verify, verify_against_newest},
    segment, wait,
};

use crate::sync::{EXIT_IO, finished, is_answer, start_traced, traced};

fn statements(count: usize) -> Vec<Statement> {
    (0..count)
        .map(|n| cases::reporting_as(DEA, &format!("c{n}")))
        .collect()
}

fn signal(broker: &Broker, name: &str) {
    let arguments = ["-c", "kill -\"$0\" \"$1\"", name, &broker.pid().to_string()];
    assert!(
        Command::new("sh")
            .args(arguments)
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn a_refused_second_broker_changes_nothing_and_the_first_goes_on_proving() {
    let mut site = Site::new();
    let first = site.start();
    let dea = first.connect(&site.principal(DEA, "system")).await;
    let statements = statements(5);
    let mut recorded = Vec::new();
    for statement in &statements {
        recorded.push(dea.submit(statement).await.unwrap());
    }
    // Not even the folder of its own checkpoint is made.
    let elsewhere = site.path().join("elsewhere");
    site.set("log.checkpoint_dir", format!("{elsewhere:?}"));
    // The first still holds the lock while it stands still, and writes nothing of its own.
    signal(&first, "STOP");
    let before = files::everything(&site.data());
    let refusal = site.start_refused();
    assert_eq!(refusal.status.code(), Some(1), "{refusal}");
    assert!(
        refusal.stderr.contains("held by another broker"),
        "{refusal}"
    );
    let after = files::everything(&site.data());
    signal(&first, "CONT");
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    assert!(before == after, "the refused start changed a file");
    assert!(!elsewhere.exists());

    // Receipts are made from the tree: that which came with the answer, and one against the newest checkpoint.
    for (statement, first) in statements.iter().zip(&recorded) {
        let again = dea.submit(statement).await.unwrap();
        assert_eq!((again.replayed, &again.receipt), (true, &first.receipt));
        let newest = dea.receipt(first.position).await.unwrap();
        let newest = RecordedStatement {
            receipt: newest.receipt,
            ..again
        };
        verify(&newest, &site.log);
    }
    recorded.push(dea.submit(&cases::reporting_as(DEA, "more")).await.unwrap());
    verify_against_newest(&dea, &site.log, &recorded).await;
}

#[tokio::test]
async fn a_start_that_refuses_a_damaged_journal_leaves_the_tree_and_the_state_as_they_were() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    for statement in statements(3) {
        dea.submit(&statement).await.unwrap();
    }
    assert!(broker.stop().await.status.success());
    let path = &segment::files(&site.journal())[0];
    let mut bytes = fs::read(path).unwrap();
    let at = segment::groups(&bytes)[1].entries.start + 50;
    bytes[at] ^= 1;
    fs::write(path, &bytes).unwrap();
    let without_lock = || {
        let mut all = files::everything(&site.data());
        all.remove(&site.journal().join("LOCK"));
        all
    };
    let before = without_lock();
    site.start_refused();
    assert!(before == without_lock(), "the refused start changed a file");
}

/// A journal whose last group was written, but whose sync failed.
async fn after_a_failed_sync(site: &Site) -> Option<(Vec<RecordedStatement>, Statement)> {
    const GOOD: usize = 3;
    let fail = format!(
        "inject=fdatasync:error=EIO:when={}+",
        FIRST as usize + GOOD + 1
    );
    let (broker, _) = start_traced(site, &["-e", "trace=fdatasync", "-e", &fail])?;
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let mut statements = statements(GOOD + 1);
    let unsynced = statements.pop().unwrap();
    let mut recorded = Vec::new();
    for statement in &statements {
        recorded.push(dea.submit(statement).await.unwrap());
    }
    dea.submit(&unsynced).await.unwrap_err();
    assert_eq!(broker.wait_exit().status.code(), Some(EXIT_IO));
    Some((recorded, unsynced))
}

/// Line numbers of the first write to a segment, of the end of the first sync of one, and of the first answer.
fn order(trace: &str) -> [Option<usize>; 3] {
    let calls: Vec<_> = trace
        .lines()
        .map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")))
        .map(|(thread, call)| (thread, call.trim_start()))
        .collect();
    let of_segment = |call: &str, name: &str| call.starts_with(name) && call.contains(".segment>");
    let written = calls
        .iter()
        .position(|(_, call)| of_segment(call, "pwrite64("));
    let syncing = calls
        .iter()
        .position(|(_, call)| of_segment(call, "fsync("));
    let synced = syncing
        .filter(|at| calls[*at].1.ends_with("= 0"))
        .or_else(|| {
            let (thread, _) = calls[syncing?];
            let resumed = |(t, call): &(&str, &str)| {
                *t == thread && call.starts_with("<... fsync resumed>") && call.ends_with("= 0")
            };
            calls.iter().position(resumed)
        });
    let answered = calls.iter().position(|(_, call)| is_answer(call));
    [written, synced, answered]
}

const CALLS: &str = "trace=pwrite64,fsync,write,writev,sendto,sendmsg";

#[tokio::test]
async fn what_a_failed_sync_left_is_written_and_synced_again_before_the_first_answer() {
    let site = Site::new();
    let Some((mut recorded, unsynced)) = after_a_failed_sync(&site).await else {
        return;
    };
    let path = &segment::files(&site.journal())[0];
    let before = fs::read(path).unwrap();
    let Some((broker, trace)) = start_traced(&site, &["-e", CALLS]) else {
        return;
    };
    assert!(before == fs::read(path).unwrap(), "the same bytes");
    let pid = broker.pid();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let answer = dea.submit(&unsynced).await.unwrap();
    assert!(answer.replayed, "it was found");
    recorded.push(answer);
    verify_against_newest(&dea, &site.log, &recorded).await;
    assert!(broker.stop().await.status.success());
    let text = finished(&trace, pid);
    let [Some(written), Some(synced), Some(answered)] = order(&text) else {
        panic!("a write, a sync or an answer is missing in the trace:\n{text}");
    };
    assert!(
        written < synced && synced < answered,
        "in the trace:\n{text}"
    );

    // What the kept checkpoint covers was synced before it was kept.
    let Some((broker, trace)) = start_traced(&site, &["-e", CALLS]) else {
        return;
    };
    let pid = broker.pid();
    assert!(broker.stop().await.status.success());
    let [written, synced, _] = order(&finished(&trace, pid));
    assert_eq!((written, synced.is_some()), (None, true));
}

#[tokio::test]
async fn a_start_that_cannot_sync_what_it_found_refuses() {
    let site = Site::new();
    let Some((recorded, _)) = after_a_failed_sync(&site).await else {
        return;
    };
    let kept = fs::read(site.kept_checkpoint()).ok();
    let fail = ["-e", "trace=fsync", "-e", "inject=fsync:error=EIO"];
    let Some((command, _)) = traced(&site, &fail) else {
        return;
    };
    let refusal = Broker::start_under(&site, command).expect_err("it must not serve");
    assert_eq!(refusal.status.code(), Some(EXIT_IO), "{refusal}");
    assert!(
        refusal.stderr.contains("syncing what was found"),
        "{refusal}"
    );
    assert_eq!(
        kept,
        fs::read(site.kept_checkpoint()).ok(),
        "no checkpoint is kept over it"
    );
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    verify_against_newest(&dea, &site.log, &recorded).await;
}

#[tokio::test]
async fn the_parent_of_every_folder_made_is_synced() {
    let mut site = Site::new();
    let root = fs::canonicalize(site.path()).unwrap();
    let (data, kept) = (root.join("a/b/data"), root.join("c/kept"));
    site.set("data_dir", format!("{data:?}"));
    site.set("log.checkpoint_dir", format!("{kept:?}"));
    let Some((broker, trace)) = start_traced(&site, &["-e", "trace=fsync"]) else {
        return;
    };
    let pid = broker.pid();
    assert!(broker.stop().await.status.success());
    let text = finished(&trace, pid);
    let synced = |path: &Path| text.contains(&format!("<{}>", path.display()));
    for made in [
        &data.join("journal"),
        &data,
        &root.join("a/b"),
        &root.join("a"),
        &kept,
        &root.join("c"),
    ] {
        assert!(made.is_dir());
        let parent = made.parent().unwrap();
        assert!(
            synced(parent),
            "{} is not synced:\n{text}",
            parent.display()
        );
    }
}

#[tokio::test]
async fn with_a_broken_standard_error_a_failed_sync_still_ends_the_process() {
    let site = Site::new();
    let fail = format!("inject=fdatasync:error=EIO:when={}+", FIRST + 2);
    let Some((strace, _)) = traced(&site, &["-e", "trace=fdatasync", "-e", &fail]) else {
        return;
    };
    // The reader of the pipe ends at once; the broker takes the place of the shell.
    let mut command = Command::new("bash");
    command.args(["-c", "exec \"$0\" \"$@\" 2> >(true)"]);
    command.arg(strace.get_program()).args(strace.get_args());
    let broker = Broker::start_under(&site, command).unwrap_or_else(|refusal| panic!("{refusal}"));
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let recorded = dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    dea.submit(&cases::reporting_as(DEA, "b"))
        .await
        .unwrap_err();
    assert_eq!(broker.wait_exit().status.code(), Some(EXIT_IO));
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    verify_against_newest(&dea, &site.log, &[recorded]).await;
}

#[tokio::test]
async fn a_start_warns_when_no_checkpoint_is_kept_beside_a_journal() {
    let site = Site::new();
    let broker = site.start();
    assert!(!broker.stderr().contains("no checkpoint is kept"));
    let kept = site.kept_checkpoint();
    wait::until("the checkpoint is kept", || kept.exists().then_some(()));
    assert!(broker.stop().await.status.success());
    fs::remove_file(kept).unwrap();
    let broker = site.start();
    broker.wait_logged(&["WARN", "no checkpoint is kept"]);
}
