//! The disk does not answer.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::Command,
    time::{Duration, Instant},
};

use casebroker_tests::{Broker, DEA, FIRST, Site, cases, segment, wait};

use crate::sync::start_traced;

/// The tracer of a process, which holds a thread of it in a call for as long as it was told to, even when the process ends.
struct Tracer(String);

impl Tracer {
    fn of(broker: &Broker) -> Self {
        let status = fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
        let mut lines = status.lines();
        let pid = lines.find_map(|line| line.strip_prefix("TracerPid:"));
        Self(pid.unwrap().trim().to_owned())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Nobody is left to tell if this fails.
        let _ = Command::new("sh")
            .args(["-c", "kill -KILL \"$0\"", &self.0])
            .status();
    }
}

/// Whether the process has ended, but for threads that the system holds.
fn has_ended(pid: u32) -> bool {
    // proc(5): the state stands after the name, which is in parentheses.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('Z')
}

#[tokio::test]
async fn a_stop_ends_in_time_although_a_sync_hangs() {
    let site = Site::new().with("shutdown_timeout_ms", 2_000);
    // The first group is that of the registry; the next sync takes longer than any test.
    let hang = format!("inject=fdatasync:delay_enter=600000000:when={}+", FIRST + 1);
    let Some((broker, _)) = start_traced(&site, &["-e", "trace=fdatasync", "-e", &hang]) else {
        return;
    };
    let tracer = Tracer::of(&broker);
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let submission = tokio::spawn(async move {
        let statement = cases::reporting_as(DEA, "a");
        dea.submit(&statement).await
    });
    let path = &segment::files(&site.journal())[0];
    wait::until_async("the group is written and not synced", || async {
        let groups = segment::groups(&fs::read(path).unwrap());
        (groups.len() as u64 > FIRST).then_some(())
    })
    .await;
    broker.terminate();
    let begin = Instant::now();
    wait::until_async("the broker ends", || async {
        has_ended(broker.pid()).then_some(())
    })
    .await;
    let took = begin.elapsed();
    drop(tracer);
    let stopped = broker.wait_exit();
    // It had ended by itself; the tracer, ended while it held a thread, may have killed what was left.
    let status = stopped.status;
    let ended = status.code() == Some(1) || status.signal() == Some(9);
    assert!(ended, "{status}: {}", stopped.stderr);
    assert!(
        stopped.stderr.contains("could not be closed in time"),
        "{}",
        stopped.stderr
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(
        submission.await.unwrap().is_err(),
        "nothing was acknowledged"
    );
}
