//! The access record cannot be written, or somebody changed it; and what `casebroker check` finds.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
};

use casebroker_proto::errors::Reason;
use casebroker_tests::{
    DEA, Site, access, announce, cases, files, proof::verify_against_newest, refused, segment,
};

use crate::sync::{EXIT_IO, start_traced};

/// A site whose broker has recorded some cases, left some lines and stopped.
async fn filled() -> Site {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    for n in 0..8 {
        dea.submit(&cases::reporting_as(DEA, &format!("c{n}")))
            .await
            .unwrap();
    }
    assert!(broker.stop().await.status.success());
    site
}

#[tokio::test]
async fn a_call_whose_line_cannot_be_written_fails_and_leaves_no_half_line() {
    let site = filled().await;
    let record = access::files(&site).remove(0);
    let before = fs::read(&record).unwrap();
    let path = record.to_str().unwrap();
    let full = "inject=write:error=ENOSPC";
    let options = ["-P", path, "-e", "trace=write", "-e", full];
    let Some((broker, _)) = start_traced(&site, &options) else {
        return;
    };
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let report = cases::reporting_as(DEA, "later");
    for _ in 0..2 {
        refused(
            dea.get(&cases::name(DEA, "c0")).await,
            Reason::AccessRecordUnavailable,
        );
        refused(
            dea.get(&cases::name(DEA, "none")).await,
            Reason::AccessRecordUnavailable,
        );
        refused(dea.submit(&report).await, Reason::AccessRecordUnavailable);
        let opening = dea.submit_all(vec![]).await;
        refused(opening, Reason::AccessRecordUnavailable);
    }
    broker.wait_logged(&["the access record cannot be written"]);
    assert_eq!(fs::read(&record).unwrap(), before, "no half line");
    assert!(broker.stop().await.status.success());

    // With room again the next line follows the last, and the statement's receipt can be had.
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let recorded = dea.submit(&report).await.unwrap();
    assert!(
        recorded.replayed,
        "it was recorded; only its answer was withheld"
    );
    verify_against_newest(&dea, &site.log, &[recorded]).await;
    assert!(broker.stop().await.status.success());
    let ended = access::check(&site);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    announce("strace: writes to the access record made to fail: no answer given, no half line");
}

#[tokio::test]
async fn a_failed_sync_of_the_record_ends_the_process() {
    let site = Site::new();
    // The file that the first call begins.
    let record = site.data().join("access/access-00000000000000000001.jsonl");
    let fail = "inject=fdatasync:error=EIO";
    let options = [
        "-P",
        record.to_str().unwrap(),
        "-e",
        "trace=fdatasync",
        "-e",
        fail,
    ];
    let Some((broker, _)) = start_traced(&site, &options) else {
        return;
    };
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    dea.statements(&site.log).await;
    let ended = broker.wait_exit();
    assert_eq!(ended.status.code(), Some(EXIT_IO), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("syncing the access record"),
        "{}",
        ended.stderr
    );
    assert!(site.start().stop().await.status.success());
    assert_eq!(access::check(&site).code, Some(0));
}

#[tokio::test]
async fn check_passes_on_what_a_broker_left_and_changes_nothing() {
    let site = filled().await;
    let before = [site.data(), site.journal(), site.data().join("access")];
    let contents = || {
        before.clone().map(|dir| {
            let mut found = std::collections::BTreeMap::new();
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    found.insert(path.clone(), fs::read(path).unwrap());
                }
            }
            found
        })
    };
    let was = contents();
    let ended = access::check(&site);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for word in [
        // The registry and eight cases.
        "9 entries",
        "9 signatures verified",
        "8 lines",
        "everything checks out",
    ] {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
    assert_eq!(contents(), was);
    // While the broker runs it says so, and does not get in its way.
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "more")).await.unwrap();
    let ended = access::check(&site);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.stdout.contains("a broker is running here"),
        "{}",
        ended.stdout
    );
    dea.submit(&cases::reporting_as(DEA, "still-more"))
        .await
        .unwrap();
}

/// The check fails, and one of its findings has these words.
fn assert_found(site: &Site, words: &[&str]) {
    let ended = access::check(site);
    assert_eq!(ended.code, Some(1), "{words:?}: {ended:#?}");
    let found = ended
        .stdout
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "{words:?}: {}", ended.stdout);
}

#[tokio::test]
async fn check_finds_a_changed_removed_moved_or_appended_line_and_a_cut_tail() {
    let site = filled().await;
    let good = site.path().join("good");
    files::copy_dir(&site.data(), &good);
    let record = access::files(&site).remove(0);
    let name = record.file_name().unwrap().to_str().unwrap().to_owned();
    // The file's first line begins it, so line 5 has sequence number 4.
    type Change = fn(&mut Vec<String>);
    let changes: [(Change, &str, &str); 8] = [
        (
            |l| l[4] = l[4].replace("\"OK\"", "\"NO\""),
            ":5 ",
            "checksum",
        ),
        (
            |l| {
                l[4] = l[4].replace("us-dea", "us-cbp");
                access::mend_checksum(&mut l[4]);
            },
            ":5 ",
            "hash",
        ),
        (|l| drop(l.remove(4)), ":5 ", "missing"),
        (|l| l.swap(4, 5), ":5 ", "missing or moved"),
        (|l| l.insert(5, l[4].clone()), ":6 ", "repeated"),
        (|l| l.push(l[6].clone()), ":10 ", "put in"),
        (|l| l.push("{\"seq\":9}\n".into()), ":10 ", "appended"),
        (|l| drop(l.pop()), "access: ", "missing"),
    ];
    for (change, place, what) in changes {
        files::replace_dir(&good, &site.data());
        access::edit(&record, change);
        let place = match place.starts_with(':') {
            true => format!("{name}{place}"),
            false => place.to_owned(),
        };
        assert_found(&site, &[&place, what]);
    }
    // All of it gone.
    files::replace_dir(&good, &site.data());
    fs::remove_dir_all(site.data().join("access")).unwrap();
    assert_found(&site, &["missing"]);
    let refusal = site.start_refused();
    assert!(
        refusal.stderr.contains("lines at the end are missing"),
        "{refusal}"
    );
    files::replace_dir(&good, &site.data());
    assert_eq!(access::check(&site).code, Some(0));
}

#[tokio::test]
async fn a_damaged_record_refuses_the_start_and_a_torn_last_line_does_not() {
    let site = filled().await;
    let record = access::files(&site).remove(0);
    let good = fs::read(&record).unwrap();
    access::edit(&record, |l| l[3] = l[3].replace("\"OK\"", "\"NO\""));
    let refusal = site.start_refused();
    assert!(refusal.stderr.contains(".jsonl:4 "), "{refusal}");
    // A beginning of a line, as a crash leaves it.
    fs::write(&record, [&good[..], b"{\"seq\":9,\"time\":\"20"].concat()).unwrap();
    let broker = site.start();
    broker.wait_logged(&["an incomplete last line of the access record was cut off"]);
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    dea.statements(&site.log).await;
    assert_eq!(access::last(&site)["seq"], 9);
    assert!(broker.stop().await.status.success());
    assert_eq!(access::check(&site).code, Some(0));
}

#[tokio::test]
async fn check_finds_a_flipped_bit_in_the_journal_the_tree_or_a_checkpoint() {
    let site = filled().await;
    let good = site.path().join("good");
    files::copy_dir(&site.data(), &good);
    let path = segment::files(&site.journal()).remove(0);
    let bytes = fs::read(&path).unwrap();
    let groups = segment::groups(&bytes);
    let flip = |path: &std::path::Path, at: usize| {
        let byte = fs::read(path).unwrap()[at] ^ 4;
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&[byte], at as u64).unwrap();
    };
    for group in &groups {
        for at in [
            group.entries.start + 100,
            group.root.start,
            group.checkpoint.start + 40,
        ] {
            files::replace_dir(&good, &site.data());
            flip(&path, at);
            let offset = format!("offset {}", group.span.start);
            assert_found(
                &site,
                &[&offset, &format!("position {}", group.first_position)],
            );
        }
    }
    // An entry changed together with its checksums shows by the tree.
    files::replace_dir(&good, &site.data());
    let mut changed = bytes.clone();
    changed[groups[2].entries.start + 100] ^= 4;
    segment::mend_checksums(&mut changed, &groups[2]);
    fs::write(&path, changed).unwrap();
    assert_found(&site, &["position 2", "hash"]);
    // A checkpoint that this log never signed, checksums mended.
    files::replace_dir(&good, &site.data());
    let mut changed = bytes.clone();
    let signature = groups[2].checkpoint.end - 8;
    changed[signature] = if changed[signature] == b'A' {
        b'B'
    } else {
        b'A'
    };
    segment::mend_checksums(&mut changed, &groups[2]);
    fs::write(&path, changed).unwrap();
    assert_found(&site, &["checkpoint of the group at position 2"]);

    files::replace_dir(&good, &site.data());
    flip(&site.data().join("tree"), 70);
    assert_found(&site, &["tree", "offset 64"]);
    files::replace_dir(&good, &site.data());
    let kept = fs::read_to_string(site.kept_checkpoint()).unwrap();
    fs::write(site.kept_checkpoint(), kept.replace("\n9\n", "\n8\n")).unwrap();
    assert_found(&site, &["checkpoint"]);
    // The journal of an earlier day under today's checkpoint.
    files::replace_dir(&good, &site.data());
    let from = groups[6].span.start;
    let mut shorter = bytes.clone();
    shorter[from..].fill(0);
    fs::write(&path, shorter).unwrap();
    assert_found(&site, &["acknowledged entries are missing"]);
}
