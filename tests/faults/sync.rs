//! The sync before the answer, watched and made to fail by strace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use casebroker_tests::{
    Broker, DEA, FIRST, Site, announce, broker::binary, cases, proof::verify_against_newest, wait,
};
use tonic::Code;

/// Exit status after a failed write or sync (EX_IOERR of sysexits.h).
pub const EXIT_IO: i32 = 74;

/// Starts the broker with strace beside it: the broker is our child, the tracer is not, so signals and exit status are
/// the broker's own. `None` if there is no strace, said loudly.
pub fn start_traced(site: &Site, options: &[&str]) -> Option<(Broker, PathBuf)> {
    let (command, trace) = traced(site, options)?;
    let broker = Broker::start_under(site, command).unwrap_or_else(|refusal| panic!("{refusal}"));
    Some((broker, trace))
}

/// The command to start it with, and where the trace goes.
pub fn traced(site: &Site, options: &[&str]) -> Option<(Command, PathBuf)> {
    let usable = Command::new("strace")
        .args(["-f", "-D", "-o", "/dev/null", "-e", "trace=none", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !usable {
        announce(
            "SKIPPED: a test of syncs needs strace and the right to trace; tests/run says what to install",
        );
        return None;
    }
    static TRACES: AtomicU32 = AtomicU32::new(0);
    let number = TRACES.fetch_add(1, Ordering::Relaxed);
    let trace = site.path().join(format!("trace-{number}"));
    let mut command = Command::new("strace");
    command
        .args(["-f", "-D", "-q", "-y", "-s", "8", "-o"])
        .arg(&trace)
        .args(options)
        .arg(binary("casebroker"));
    Some((command, trace))
}

/// The journal's first segment, so that no other file's syncs are counted.
fn first_segment(site: &Site) -> String {
    let path = site.journal().join("00000000000000000000.segment");
    path.to_str().unwrap().to_owned()
}

/// The whole trace, once the tracer has seen the end of the process `pid`.
pub fn finished(trace: &Path, pid: u32) -> String {
    let end = format!("{pid} +++ ");
    let end_padded = format!("{pid:<5} +++ ");
    wait::until("the tracer has written the end", || {
        let text = fs::read_to_string(trace).unwrap();
        let ended = text
            .lines()
            .any(|line| line.starts_with(&end) || line.starts_with(&end_padded));
        ended.then_some(text)
    })
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Event {
    /// A sync of a segment ended well.
    Synced,
    /// An answer began to be written to a connection.
    Answered,
}

/// Syncs that ended and answers that began, in order. Calls of several threads overlap in a trace: their beginning and
/// their end are lines of their own.
fn events(trace: &str) -> Vec<Event> {
    let mut syncing: Vec<&str> = Vec::new();
    let mut events = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let call = call.trim_start();
        if call.starts_with("fdatasync(") && call.contains(".segment>") {
            match call.ends_with("= 0") {
                true => events.push(Event::Synced),
                false if call.contains("<unfinished") => syncing.push(thread),
                false => {}
            }
        } else if call.starts_with("<... fdatasync resumed>") {
            if let Some(at) = syncing.iter().position(|t| *t == thread) {
                syncing.swap_remove(at);
                if call.ends_with("= 0") {
                    events.push(Event::Synced);
                }
            }
        } else if is_answer(call) {
            events.push(Event::Answered);
        }
    }
    events
}

/// Whether a call writes as many bytes to a connection as only an answer with a receipt has; frames that HTTP/2 needs for
/// itself are shorter than 200.
pub fn is_answer(call: &str) -> bool {
    let writes = ["write(", "writev(", "sendto(", "sendmsg("];
    let to_connection = call.contains("<TCP") || call.contains("<socket:");
    if !to_connection || !writes.iter().any(|w| call.starts_with(w)) {
        return false;
    }
    let sizes = match call.contains("iov_len=") {
        true => call.split("iov_len=").skip(1).collect(),
        // write(fd, "", 1234) or sendto(fd, "", 1234, flags, …).
        false => call.split("..., ").skip(1).collect::<Vec<_>>(),
    };
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap_or(0)
    };
    sizes.into_iter().map(number).sum::<usize>() > 1_000
}

#[tokio::test]
async fn every_answer_is_written_after_the_sync_of_its_entry() {
    const CASES: usize = 20;
    let site = Site::new();
    let calls = "trace=fdatasync,fsync,write,writev,sendto,sendmsg";
    let Some((broker, trace)) = start_traced(&site, &["-e", calls]) else {
        return;
    };
    let pid = broker.pid();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    // The handshake is done and what follows are answers only.
    assert_eq!(dea.statements(&site.log).await, 0);
    let before = events(&fs::read_to_string(&trace).unwrap()).len();
    for n in 0..CASES {
        dea.submit(&cases::reporting_as(DEA, &format!("c{n}")))
            .await
            .unwrap();
    }
    let stopped = broker.stop().await;
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.stderr);
    let text = finished(&trace, pid);
    let all = events(&text);
    let seen = &all[before.min(all.len())..];
    let expected = [Event::Synced, Event::Answered].repeat(CASES);
    assert_eq!(seen, expected, "in the trace:\n{text}");
    announce(&format!(
        "strace: {CASES} submissions, each answered after its own fdatasync"
    ));
}

#[tokio::test]
async fn an_answer_waits_as_long_as_the_sync_takes() {
    const DELAY: Duration = Duration::from_millis(300);
    let site = Site::new();
    let delay = format!("inject=fdatasync:delay_exit={}", DELAY.as_micros());
    let Some((broker, _)) = start_traced(&site, &["-e", "trace=fdatasync", "-e", &delay]) else {
        return;
    };
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    for n in 0..3 {
        let begin = Instant::now();
        dea.submit(&cases::reporting_as(DEA, &format!("c{n}")))
            .await
            .unwrap();
        assert!(
            begin.elapsed() >= DELAY,
            "answered after {:?}",
            begin.elapsed()
        );
    }
    // What was recorded before is read and replayed without one.
    let begin = Instant::now();
    assert!(dea.get(&cases::name(DEA, "c0")).await.is_ok());
    assert!(begin.elapsed() < DELAY, "a read waited for a sync");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_the_process_ends() {
    const GOOD: usize = 4;
    let site = Site::new();
    // The sequencer's thread syncs once a group, the first being that of the registry; the sixth fails.
    let fail = format!(
        "inject=fdatasync:error=EIO:when={}+",
        FIRST as usize + GOOD + 1
    );
    let journal = first_segment(&site);
    let options = ["-P", &journal, "-e", "trace=fdatasync", "-e", &fail];
    let Some((broker, _)) = start_traced(&site, &options) else {
        return;
    };
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let mut recorded = Vec::new();
    let failed = loop {
        let statement = cases::reporting_as(DEA, &format!("c{}", recorded.len()));
        match dea.submit(&statement).await {
            Ok(answer) => recorded.push(answer),
            Err(status) => break status,
        }
        assert!(recorded.len() <= GOOD, "acknowledged without a sync");
    };
    assert_eq!(recorded.len(), GOOD);
    assert!(
        matches!(
            failed.code(),
            Code::Unknown | Code::Unavailable | Code::Cancelled
        ),
        "the connection broke, no answer came: {failed:?}"
    );
    for n in 0..3 {
        let later = dea
            .submit(&cases::reporting_as(DEA, &format!("later-{n}")))
            .await;
        assert!(later.is_err(), "acknowledged after a failed sync");
    }
    let ended = broker.wait_exit();
    assert_eq!(ended.status.code(), Some(EXIT_IO), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("nothing is acknowledged after this"),
        "{}",
        ended.stderr
    );

    // The entry whose sync failed may be there or not; what was acknowledged must be.
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let newest = verify_against_newest(&dea, &site.log, &recorded).await;
    assert!(
        (GOOD as u64..=GOOD as u64 + 1).contains(&(newest.size - FIRST)),
        "{}",
        newest.size
    );
    announce(&format!(
        "strace: sync {} made to fail: {GOOD} acknowledged before, 0 after, exit status {EXIT_IO}",
        GOOD + 1
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_acknowledges_none_of_its_group() {
    let site = Site::new();
    let fail = "inject=fdatasync:error=EIO:when=3+";
    let journal = first_segment(&site);
    let options = ["-P", &journal, "-e", "trace=fdatasync", "-e", fail];
    let Some((broker, _)) = start_traced(&site, &options) else {
        return;
    };
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let submissions = (0..300).map(|n| {
        let dea = dea.clone();
        tokio::spawn(async move {
            dea.submit(&cases::reporting_as(DEA, &format!("c{n}")))
                .await
        })
    });
    let mut acknowledged = Vec::new();
    for submission in submissions.collect::<Vec<_>>() {
        acknowledged.extend(submission.await.unwrap().ok());
    }
    let ended = broker.wait_exit();
    assert_eq!(ended.status.code(), Some(EXIT_IO), "{}", ended.stderr);
    let sizes: std::collections::BTreeSet<_> = acknowledged
        .iter()
        .map(|recorded| casebroker_tests::proof::verify(recorded, &site.log).size)
        .collect();
    assert!(sizes.len() <= 2, "two syncs, so two checkpoints: {sizes:?}");
    assert!(acknowledged.len() < 300);
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    verify_against_newest(&dea, &site.log, &acknowledged).await;
}
