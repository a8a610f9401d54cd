//! The disk is full.

use casebroker_tests::{DEA, FIRST, Site, cases, proof::verify_against_newest};

use crate::sync::{EXIT_IO, start_traced};

/// As large as this, few of them fill a segment.
fn large(id: &str) -> casebroker_proto::v1::Statement {
    let mut report = cases::report(DEA, id);
    report.narrative = "n".repeat(20_000);
    cases::reporting(report)
}

#[tokio::test]
async fn no_room_for_the_next_segment_is_said_at_once_then_ends_the_broker_and_harms_nothing() {
    let site = Site::new();
    assert!(site.start().stop().await.status.success());
    // Only a new segment is made with this call.
    let full = [
        "-e",
        "trace=fallocate",
        "-e",
        "inject=fallocate:error=ENOSPC",
    ];
    let Some((broker, _)) = start_traced(&site, &full) else {
        return;
    };
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let mut recorded = Vec::new();
    let mut warned_after = None;
    for n in 0..100 {
        match dea.submit(&large(&format!("c{n}"))).await {
            Ok(answer) => recorded.push(answer),
            Err(_) => break,
        }
        // Half a segment of 1 MiB is full.
        if n == 30 {
            broker.wait_logged(&["WARN", "cannot be made", "free space"]);
            warned_after = Some(n);
        }
    }
    assert_eq!(warned_after, Some(30), "said while there still was room");
    assert!((31..60).contains(&recorded.len()), "{}", recorded.len());
    let ended = broker.wait_exit();
    assert_eq!(ended.status.code(), Some(EXIT_IO), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("free at least 1048576 bytes"),
        "{}",
        ended.stderr
    );
    assert!(
        !site.journal().join("next.tmp").exists(),
        "it holds no space"
    );

    // With room again: all is there, and the state store is the same.
    let broker = site.start();
    let log = broker.stderr();
    assert!(!log.contains("moved aside"), "{log}");
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let newest = verify_against_newest(&dea, &site.log, &recorded).await;
    assert_eq!(newest.size, FIRST + recorded.len() as u64);
}
