//! The operator puts something else in the place of the data, or starts a second broker.

use std::fs;

use casebroker_tests::{DEA, FIRST, Site, cases, files, site::ORIGIN};

async fn submit(site: &Site, ids: &[&str]) {
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    for id in ids {
        dea.submit(&cases::reporting_as(DEA, id)).await.unwrap();
    }
    assert!(broker.stop().await.status.success());
}

fn refused(site: &Site, words: &[&str]) {
    let refusal = site.start_refused();
    assert_eq!(refusal.status.code(), Some(1), "{refusal}");
    for word in words {
        assert!(
            refusal.stderr.contains(word),
            "{word:?} is not said:\n{refusal}"
        );
    }
}

/// A site whose checkpoint is kept on another volume, with a copy of its data at three of five entries.
async fn with_older_copy() -> (Site, std::path::PathBuf) {
    let mut site = Site::new();
    let elsewhere = site.path().join("other-volume");
    site.set("log.checkpoint_dir", format!("{elsewhere:?}"));
    submit(&site, &["a", "b", "c"]).await;
    let copy = site.path().join("copy");
    files::copy_dir(&site.data(), &copy);
    submit(&site, &["d", "e"]).await;
    (site, copy)
}

#[tokio::test]
async fn an_older_copy_put_back_is_refused() {
    let (site, copy) = with_older_copy().await;
    let newest = site.path().join("newest");
    files::copy_dir(&site.data(), &newest);
    files::replace_dir(&copy, &site.data());
    refused(
        &site,
        &[
            "tree size 4",
            "covers 6",
            "acknowledged entries are missing",
        ],
    );
    // Not even a second try is believed.
    refused(&site, &["tree size 4", "covers 6"]);
    files::replace_dir(&newest, &site.data());
    submit(&site, &["f"]).await;
}

#[tokio::test]
async fn another_history_of_the_same_log_is_refused() {
    let (mut site, copy) = with_older_copy().await;
    let elsewhere = site.path().join("other-volume");
    // The copy goes on by itself, with other entries than the original.
    files::replace_dir(&copy, &site.data());
    let lost = site.path().join("lost-volume");
    site.set("log.checkpoint_dir", format!("{lost:?}"));
    submit(&site, &["x", "y", "z"]).await;
    site.set("log.checkpoint_dir", format!("{elsewhere:?}"));
    refused(&site, &["disagrees with the checkpoint", "tree size 6"]);
}

#[tokio::test]
async fn a_missing_journal_is_never_made_anew_over_a_kept_checkpoint() {
    let (site, _) = with_older_copy().await;
    let aside = site.path().join("aside");
    fs::rename(site.data(), &aside).unwrap();
    refused(&site, &["there is no journal", "6 entries"]);
    assert!(!site.journal().exists(), "nothing was made");
    let _ = fs::remove_dir_all(site.data());
    fs::rename(&aside, site.data()).unwrap();
    let journal = site.path().join("journal-aside");
    fs::rename(site.journal(), &journal).unwrap();
    refused(&site, &["there is no journal", "6 entries"]);
    // An empty folder, as an unmounted volume looks like.
    fs::create_dir(site.journal()).unwrap();
    refused(&site, &["there is no journal", "6 entries"]);
    fs::remove_dir(site.journal()).unwrap();
    fs::rename(&journal, site.journal()).unwrap();
    submit(&site, &["f"]).await;
}

#[tokio::test]
async fn a_second_broker_on_the_same_data_is_refused_and_told_who_holds_it() {
    let site = Site::new();
    let first = site.start();
    let dea = first.connect(&site.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    let holder = format!("process {}", first.pid());
    refused(&site, &["held by another broker", &holder]);
    // The first has noticed nothing.
    let recorded = dea.submit(&cases::reporting_as(DEA, "b")).await.unwrap();
    assert_eq!(recorded.position, FIRST + 1);
    let receipt = dea.receipt(FIRST).await.unwrap();
    assert!(receipt.receipt.starts_with("c2sp.org/tlog-proof@v1\n"));
    drop(first.kill_9());
    let second = site.start();
    let dea = second.connect(&site.principal(DEA, "system")).await;
    assert_eq!(dea.list(None).await.len(), 2);
}

#[tokio::test]
async fn another_log_key_is_refused() {
    let site = Site::new();
    submit(&site, &["a"]).await;
    site.replace_log_key();
    refused(&site, &["was `log.key`"]);
    fs::remove_file(site.kept_checkpoint()).unwrap();
    refused(
        &site,
        &["last checkpoint is not signed by this log", "log.key"],
    );
}

#[tokio::test]
async fn a_kept_checkpoint_that_is_empty_or_cut_is_named_with_what_to_do() {
    let site = Site::new();
    submit(&site, &["a"]).await;
    let whole = fs::read(site.kept_checkpoint()).unwrap();
    for cut in [&b""[..], &whole[..whole.len() / 2], b"\xff\xff"] {
        fs::write(site.kept_checkpoint(), cut).unwrap();
        let path = site.kept_checkpoint().display().to_string();
        refused(&site, &[&path, "empty or cut", "move the file aside"]);
        assert_eq!(
            fs::read(site.kept_checkpoint()).unwrap(),
            cut,
            "left as it is"
        );
    }
    fs::write(site.kept_checkpoint(), whole).unwrap();
    drop(site.start());
}

#[tokio::test]
async fn another_origin_is_refused() {
    let mut site = Site::new();
    submit(&site, &["a"]).await;
    site.set("log.origin", "\"casebroker.example/other\"");
    refused(&site, &["log.origin"]);
    fs::remove_file(site.kept_checkpoint()).unwrap();
    refused(&site, &["belongs to the log", ORIGIN]);
}

#[tokio::test]
async fn a_kept_checkpoint_that_is_damaged_is_refused() {
    let site = Site::new();
    submit(&site, &["a"]).await;
    let good = fs::read_to_string(site.kept_checkpoint()).unwrap();
    for bad in [
        good.replacen("\n2\n", "\n3\n", 1),
        good[..20].to_owned(),
        String::new(),
    ] {
        assert_ne!(bad, good);
        fs::write(site.kept_checkpoint(), bad).unwrap();
        refused(&site, &["checkpoint"]);
    }
    fs::write(site.kept_checkpoint(), good).unwrap();
    submit(&site, &["b"]).await;
}

#[tokio::test]
async fn a_second_broker_is_refused_though_the_lock_file_was_removed_and_the_first_one_stops() {
    let site = Site::new();
    let first = site.start();
    let dea = first.connect(&site.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    fs::remove_file(site.journal().join("LOCK")).unwrap();
    refused(&site, &["journal", "is held by another broker"]);
    // Whatever holds the name now could be another broker, so nothing more is acknowledged.
    let answer = dea.submit(&cases::reporting_as(DEA, "b")).await;
    assert!(answer.is_err(), "{answer:?}");
    let stopped = first.wait_exit();
    assert_eq!(stopped.status.code(), Some(74), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("lock file"), "{}", stopped.stderr);
    let third = site.start();
    let dea = third.connect(&site.principal(DEA, "system")).await;
    dea.get(&cases::name(DEA, "a")).await.unwrap();
    assert_eq!(dea.size().await.unwrap(), FIRST + 1);
}
