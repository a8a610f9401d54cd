//! Bytes of the journal are lost or changed between two starts.

use std::{
    fs::{self, OpenOptions},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use casebroker_proto::v1::RecordedStatement;
use casebroker_tests::{
    Caller, DEA, FIRST, Site, cases, files, proof::verify_against_newest, segment,
};

/// Submits this many cases one by one, so that each is a group, and ends the broker orderly or by force.
async fn fill(site: &Site, cases: Range<usize>, orderly: bool) -> Vec<RecordedStatement> {
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let mut recorded = Vec::new();
    for n in cases {
        let statement = cases::reporting_as(DEA, &format!("c{n}"));
        recorded.push(dea.submit(&statement).await.unwrap());
    }
    match orderly {
        true => assert!(broker.stop().await.status.success()),
        false => drop(broker.kill_9()),
    }
    recorded
}

/// A journal of `whole` groups that the kept checkpoint covers and `after` that it does not.
async fn filled(whole: usize, after: usize) -> (Site, Vec<RecordedStatement>) {
    let site = Site::new();
    let mut recorded = fill(&site, 0..whole, true).await;
    let kept = fs::read(site.kept_checkpoint()).unwrap();
    recorded.extend(fill(&site, whole..whole + after, false).await);
    // As if the process had ended before the checkpoint was kept again.
    fs::write(site.kept_checkpoint(), kept).unwrap();
    (site, recorded)
}

fn only_segment(site: &Site) -> (PathBuf, Vec<u8>, Vec<segment::Group>) {
    let mut found = segment::files(&site.journal());
    assert_eq!(found.len(), 1);
    let path = found.remove(0);
    let bytes = fs::read(&path).unwrap();
    let groups = segment::groups(&bytes);
    (path, bytes, groups)
}

fn overwrite(path: &PathBuf, at: usize, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at as u64).unwrap();
}

/// The broker must serve, say what it cut, and go on as if the last write had never been.
async fn assert_cut(site: &Site, whole: u64, recorded: &[RecordedStatement], offset: usize) {
    let broker = site.start();
    broker.wait_logged(&[
        "an incomplete last write was cut off",
        &format!("offset={offset}"),
        "copy=",
    ]);
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    assert_eq!(dea.statements(&site.log).await, whole);
    verify_against_newest(&dea, &site.log, &recorded[..whole as usize]).await;
    assert_eq!(dea.list(None).await.len(), whole as usize);
    // The place is used again, and a second start finds nothing to cut.
    let statement = cases::reporting_as(DEA, "afterwards");
    assert_eq!(
        dea.submit(&statement).await.unwrap().position,
        FIRST + whole
    );
    drop(broker.kill_9());
    let broker = site.start();
    assert!(!broker.stderr().contains("cut off"), "{}", broker.stderr());
}

#[tokio::test]
async fn a_last_write_that_is_torn_is_cut_and_reported() {
    enum Tear {
        /// Only this part of it reached the disk.
        Keep(usize),
        /// Its pages were written in another order.
        Lose(Range<usize>),
        /// Something else stands there.
        Garbage,
        /// The file itself is shorter.
        Truncate(usize),
    }
    for tear in [
        Tear::Keep(1),
        Tear::Keep(20),
        Tear::Keep(40),
        Tear::Keep(700),
        Tear::Lose(0..32),
        Tear::Lose(100..200),
        Tear::Garbage,
        Tear::Truncate(0),
        Tear::Truncate(10),
        Tear::Truncate(500),
    ] {
        let (site, recorded) = filled(3, 2).await;
        let (path, _, groups) = only_segment(&site);
        let last = groups.last().unwrap().span.clone();
        let zeros = |range: Range<usize>| overwrite(&path, range.start, &vec![0; range.len()]);
        match tear {
            Tear::Keep(bytes) => zeros(last.start + bytes..last.end),
            Tear::Lose(part) => zeros(last.start + part.start..last.start + part.end),
            Tear::Garbage => overwrite(&path, last.start, &vec![0xa5; last.len()]),
            Tear::Truncate(bytes) => {
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len((last.start + bytes) as u64).unwrap();
            }
        }
        assert_cut(&site, 4, &recorded, last.start).await;
    }
}

#[tokio::test]
async fn a_stray_byte_after_the_end_is_cut() {
    let (site, recorded) = filled(3, 0).await;
    let (path, bytes, groups) = only_segment(&site);
    let end = groups.last().unwrap().span.end;
    overwrite(&path, bytes.len() - 1, &[1]);
    assert_cut(&site, 3, &recorded, end).await;
}

#[tokio::test]
async fn a_torn_write_that_the_kept_checkpoint_covers_is_refused() {
    let (site, _) = filled(3, 0).await;
    let (path, bytes, groups) = only_segment(&site);
    let last = groups.last().unwrap().span.clone();
    for at in [last.start, last.start + 40, last.end - 5] {
        overwrite(&path, at, &vec![0; last.end - at]);
        assert_refused(
            &site,
            &[
                "2",
                "3",
                "acknowledged entries are missing",
                &offset(last.start),
            ],
        );
        fs::write(&path, &bytes).unwrap();
    }
    assert!(site.start().stop().await.status.success());
}

fn offset(at: usize) -> String {
    format!("offset {at}")
}

/// The broker must refuse in these words, and leave everything as it was.
fn assert_refused(site: &Site, words: &[&str]) {
    let before = files::contents(&site.journal());
    let kept = fs::read(site.kept_checkpoint()).ok();
    let refusal = site.start_refused();
    assert_eq!(refusal.status.code(), Some(1), "{refusal}");
    for word in words {
        assert!(
            refusal.stderr.contains(word),
            "{word:?} is not said:\n{refusal}"
        );
    }
    let mut after = files::contents(&site.journal());
    // The lock names its last holder.
    let lock = "LOCK".to_owned();
    after.insert(lock.clone(), before[&lock].clone());
    assert!(before == after, "the journal was changed");
    assert_eq!(kept, fs::read(site.kept_checkpoint()).ok());
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_refused_naming_segment_offset_and_position() {
    let (site, _) = filled(5, 0).await;
    let (path, bytes, groups) = only_segment(&site);
    let name = path.file_name().unwrap().to_str().unwrap();
    let flip = |at: usize, words: &[&str]| {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        fs::write(&path, changed).unwrap();
        assert_refused(&site, &[words, &[name]].concat());
    };
    // The header: magic, version, length of the origin, position, length, id, origin, padding, checksum.
    for at in [0, 7, 12, 16, 24, 32, 50, 1_000, segment::HEADER - 1] {
        flip(at, &["does not begin with a segment header"]);
    }
    flip(8, &["format version"]);
    for (n, group) in groups.iter().enumerate() {
        let (start, end) = (group.span.start, group.span.end);
        let parts = [
            ("magic", start),
            ("count", start + 4),
            ("position", start + 8),
            ("length", start + 16),
            ("header checksum", start + 28),
            ("entry length", group.entries.start),
            ("entry checksum", group.entries.start + 4),
            ("entry", group.entries.start + 100),
            ("last byte of the entry", group.entries.end - 1),
            ("tree size", group.entries.end),
            ("root", group.root.start),
            ("checkpoint", group.checkpoint.start + 3),
            ("signature", group.checkpoint.end - 4),
            ("trailer magic", end - 8),
            ("checksum", end - 1),
        ];
        for (_part, at) in parts {
            flip(at, &[&offset(start), &format!("position {n}")]);
        }
    }
    fs::write(&path, &bytes).unwrap();
    assert!(
        site.start().stop().await.status.success(),
        "as it was, it is good"
    );
}

#[tokio::test]
async fn an_entry_changed_together_with_its_checksums_is_refused() {
    let (site, _) = filled(4, 0).await;
    let (path, bytes, groups) = only_segment(&site);
    for (n, group) in groups.iter().enumerate().skip(FIRST as usize) {
        let mut changed = bytes.clone();
        let entry = &changed[group.entries.clone()];
        let at = group.entries.start + entry.windows(3).position(|w| w == b"ink").unwrap();
        changed[at..at + 3].copy_from_slice(b"tea");
        segment::mend_checksums(&mut changed, group);
        fs::write(&path, &changed).unwrap();
        let position = format!("position {n}");
        assert_refused(
            &site,
            &[
                &offset(group.span.start),
                &position,
                "the entries hash to root",
            ],
        );
    }
    // Even if the root is changed too, the signed checkpoint does not say so.
    let group = groups.last().unwrap();
    let mut changed = bytes.clone();
    changed[group.root.start] ^= 1;
    segment::mend_checksums(&mut changed, group);
    fs::write(&path, &changed).unwrap();
    assert_refused(&site, &["root"]);
}

#[tokio::test]
async fn a_deleted_segment_is_refused_naming_the_missing_positions() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    submit_large(&dea, 150).await;
    assert!(broker.stop().await.status.success());
    let segments = segment::files(&site.journal());
    assert!(segments.len() >= 3, "{segments:?}");
    let first = |n: usize| {
        let name = segments[n].file_stem().unwrap().to_str().unwrap();
        name.parse::<u64>().unwrap()
    };
    let aside = site.path().join("aside");
    let last = segments.len() - 1;
    let missing = |n: usize| format!("positions {} to {} are missing", first(n), first(n + 1) - 1);
    for (n, segment) in segments.iter().enumerate().take(last) {
        fs::rename(segment, &aside).unwrap();
        assert_refused(&site, &[&missing(n)]);
        fs::rename(&aside, segment).unwrap();
    }
    fs::rename(&segments[last], &aside).unwrap();
    let words = [
        format!("ends at tree size {}", first(last)),
        format!("covers {}", FIRST + 150),
    ];
    assert_refused(&site, &[&words[0], &words[1]]);
    fs::rename(&aside, &segments[last]).unwrap();

    // Swapped names are told from swapped contents.
    fs::rename(&segments[0], &aside).unwrap();
    fs::rename(&segments[1], &segments[0]).unwrap();
    fs::rename(&aside, &segments[1]).unwrap();
    assert_refused(&site, &["says in its header that it begins at position"]);
    fs::rename(&segments[1], &aside).unwrap();
    fs::rename(&segments[0], &segments[1]).unwrap();
    fs::rename(&aside, &segments[0]).unwrap();

    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    assert_eq!(dea.list(None).await.len(), 150);
}

/// Cases of about 21 KB, so that few of them fill a segment.
async fn submit_large(dea: &Caller, count: usize) {
    let signed = (0..count).map(|n| {
        let mut report = cases::report(DEA, &format!("large-{n}"));
        report.narrative = "n".repeat(20_000);
        dea.sign(&cases::reporting(report))
    });
    for answer in dea.submit_all(signed.collect()).await.unwrap() {
        answer.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_does_not_belong_to_the_journal_is_refused_by_name() {
    let (site, _) = filled(1, 0).await;
    let stray = site.journal().join("notes.txt");
    fs::write(&stray, "mine").unwrap();
    assert_refused(&site, &["notes.txt"]);
    fs::remove_file(stray).unwrap();
    assert!(site.start().stop().await.status.success());
}
