//! The journal was put back from an older copy, and the ledger of subscriptions was not.

use std::fs;

use casebroker_tests::{
    CBP, DEA, FIRST, Site, cases, files,
    subscriber::{beginning, subscription, subscription_name},
};

#[tokio::test]
async fn a_cursor_beyond_the_end_of_the_log_is_set_back_and_what_is_recorded_there_is_delivered() {
    let site = Site::new();
    let name = subscription_name(CBP, "all");
    let copy = site.path().join("copy");
    for (round, ids) in [["a", "b"], ["c", "d"]].iter().enumerate() {
        let broker = site.start();
        let dea = broker.connect(&site.principal(DEA, "system")).await;
        let cbp = broker.connect(&site.principal(CBP, "officer")).await;
        if round == 0 {
            let all = subscription(CBP, "all");
            cbp.subscribe(all, beginning()).await.unwrap();
        }
        for id in ids {
            dea.submit(&cases::reporting_as(DEA, id)).await.unwrap();
        }
        assert_eq!(cbp.pull_and_ack(&name, 2).await.len(), 2);
        assert!(broker.stop().await.status.success());
        if round == 0 {
            files::copy_dir(&site.journal(), &copy);
        }
    }
    files::replace_dir(&copy, &site.journal());
    // The operator says by this that the entries after the copy are given up.
    fs::remove_file(site.kept_checkpoint()).unwrap();

    let broker = site.start();
    broker.wait_logged(&["cursor was beyond the end of the log", &name]);
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    for id in ["e", "f"] {
        dea.submit(&cases::reporting_as(DEA, id)).await.unwrap();
    }
    let delivered = cbp.pull_and_ack(&name, 2).await;
    let positions: Vec<_> = delivered.iter().map(|delivery| delivery.position).collect();
    assert_eq!(positions, [FIRST + 2, FIRST + 3]);
}
