//! The disk does not answer.

use std::{fs, time::Duration};

use casebroker_tests::{DEA, FIRST, Site, cases, segment, wait};

use crate::sync::start_traced;

#[tokio::test]
async fn a_stop_ends_in_time_although_a_sync_hangs() {
    let site = Site::new().with("shutdown_timeout_ms", 2_000);
    // The first group is that of the registry; the next sync takes longer than any test.
    let hang = format!("inject=fdatasync:delay_enter=600000000:when={}+", FIRST + 1);
    let Some((broker, _)) = start_traced(&site, &["-e", "trace=fdatasync", "-e", &hang]) else {
        return;
    };
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
    let stopped = broker.stop().await;
    assert_eq!(stopped.status.code(), Some(1), "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("could not be closed in time"),
        "{}",
        stopped.stderr
    );
    assert!(stopped.took < Duration::from_secs(10), "{:?}", stopped.took);
    assert!(
        submission.await.unwrap().is_err(),
        "nothing was acknowledged"
    );
}
