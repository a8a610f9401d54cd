//! Parts of what a broker left are missing.

use std::fs;

use casebroker_tests::{DEA, Site, cases, files};

/// A broker has served from here, and its checkpoint is kept on another volume.
async fn served() -> Site {
    let mut site = Site::new();
    let elsewhere = site.path().join("other-volume");
    site.set("log.checkpoint_dir", format!("{elsewhere:?}"));
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    assert!(broker.stop().await.status.success());
    site
}

#[tokio::test]
async fn a_new_log_never_begins_beside_anything_that_an_earlier_one_left() {
    let site = served().await;
    let elsewhere = site.path().join("other-volume");
    let all = site.path().join("all");
    fs::create_dir(&all).unwrap();
    files::copy_dir(&site.data(), &all.join("data"));
    files::copy_dir(&elsewhere, &all.join("other-volume"));
    for left in [
        "data/state",
        "data/tree",
        "data/journal/LOCK",
        "data/access/today.jsonl",
        "other-volume/checkpoint",
        "other-volume/access-head",
    ] {
        for dir in [&site.data(), &elsewhere] {
            if dir.exists() {
                fs::remove_dir_all(dir).unwrap();
            }
        }
        let (from, to) = (all.join(left), site.path().join(left));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        match (from.is_dir(), from.exists()) {
            (true, _) => files::copy_dir(&from, &to),
            (_, true) => drop(fs::copy(&from, &to).unwrap()),
            // Of the access record, whose files this test does not know.
            _ => fs::write(&to, "line").unwrap(),
        }
        let before =
            [&site.data(), &elsewhere].map(|dir| dir.exists().then(|| files::everything(dir)));
        let refusal = site.start_refused();
        assert_eq!(refusal.status.code(), Some(1), "{left}: {refusal}");
        let named = left.replace("/today.jsonl", "");
        for words in [
            "there is no journal",
            named.as_str(),
            "Bring the journal back",
        ] {
            assert!(
                refusal.stderr.contains(words),
                "{left}: {words:?}: {refusal}"
            );
        }
        let mut after =
            [&site.data(), &elsewhere].map(|dir| dir.exists().then(|| files::everything(dir)));
        // The lock names its last holder.
        let lock = site.journal().join("LOCK");
        if let (Some(before), Some(after)) = (&before[0], &mut after[0])
            && let Some(note) = before.get(&lock)
        {
            after.insert(lock, note.clone());
        }
        assert!(before == after, "{left}: the refused start changed a file");
    }
    // Where nothing is left, or folders are prepared, a new log begins.
    fs::remove_dir_all(&elsewhere).unwrap();
    fs::create_dir_all(site.journal()).unwrap();
    fs::create_dir_all(&elsewhere).unwrap();
    let broker = site.start();
    broker.wait_logged(&["a new journal begins"]);
}

#[tokio::test]
async fn a_state_store_of_another_history_of_the_same_length_is_not_believed() {
    let (site, other) = (served().await, Site::new());
    let broker = other.start();
    let dea = broker.connect(&other.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "b")).await.unwrap();
    assert!(broker.stop().await.status.success());
    files::replace_dir(&other.data().join("state"), &site.data().join("state"));
    let broker = site.start();
    broker.wait_logged(&["moved aside", "another history"]);
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    assert!(dea.get(&cases::name(DEA, "a")).await.is_ok());
    assert!(dea.get(&cases::name(DEA, "b")).await.is_err());
}

#[tokio::test]
async fn at_most_one_state_store_that_was_moved_aside_is_kept() {
    let site = served().await;
    let mut newest = String::new();
    for round in 0..3 {
        fs::write(site.data().join("state/session"), "another boot").unwrap();
        let broker = site.start();
        broker.wait_logged(&["was moved aside"]);
        if round > 0 {
            broker.wait_logged(&["an older state store", &newest]);
        }
        assert!(broker.stop().await.status.success());
        let asides: Vec<_> = fs::read_dir(site.data().join("state"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("sled.aside"))
            .collect();
        assert_eq!(asides.len(), 1, "{asides:?}");
        assert_ne!(asides[0], newest, "the newest is kept");
        newest.clone_from(&asides[0]);
    }
}
