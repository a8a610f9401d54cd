use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use casebroker_proto::names::AgencyName;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{
    AccessError, Chain, Entry, Line, Opened, Options, Order, Query, Record, Report,
    clock::{micros_of, text_of},
    head,
    line::{self, TIME_CHARS},
    lines, verify,
};

const TIME: &[u8; TIME_CHARS] = b"2026-11-25T02:31:47.123456Z";

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.join("access"),
        head_dir: dir.into(),
        rotate_bytes: 64 << 20,
        rotate_after: Duration::from_secs(3_600),
        keep_files: 0,
        verify_files: 0,
    }
}

fn open(options: &Options) -> (Record, Opened) {
    Record::open(options.clone(), |error| panic!("{error}")).unwrap()
}

fn entry<'a>(agency: &'a str, method: &'a str) -> Entry<'a> {
    Entry {
        principal: agency,
        serial: "0a1b",
        peer: Some("127.0.0.1:7443".parse().unwrap()),
        method,
        resource: "agencies/us-dea/cases/2016-0042",
        purpose: "investigation",
        reference: "2016-0042",
        outcome: "OK",
        reason: "",
        requests: 1,
        answers: 1,
        refused: 0,
        cases: 1,
        bytes_in: 40,
        bytes_out: 900,
        duration_us: 812,
    }
}

const DEA: &str = "spiffe://casebroker.example/agency/us-dea/officer/doe";
const CBP: &str = "spiffe://casebroker.example/agency/us-cbp/system/feed";

fn fill(record: &Record, lines: u64) {
    for n in 0..lines {
        let principal = if n % 2 == 0 { DEA } else { CBP };
        record
            .append(&entry(principal, "casebroker.v1.CaseService/GetCase"))
            .unwrap();
    }
}

/// A record of that many lines, closed.
fn filled(lines: u64, change: impl FnOnce(&mut Options)) -> (TempDir, Options) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    change(&mut options);
    let (record, _) = open(&options);
    fill(&record, lines);
    record.close();
    (dir, options)
}

fn check(options: &Options) -> Report {
    let head = head::load(&options.head_dir).unwrap();
    verify(&options.dir, head.as_ref(), 0, &mut |_| {}).unwrap()
}

fn files(options: &Options) -> Vec<PathBuf> {
    let found = lines::list(&options.dir).unwrap();
    found.into_iter().map(|file| file.path).collect()
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let text = fs::read(path).unwrap();
    let mut lines: Vec<Vec<u8>> = text
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    change(&mut lines);
    fs::write(path, lines.concat()).unwrap();
}

/// Makes the checksum of a changed line right again, as somebody would who knows the format.
fn mend(line: &mut [u8]) {
    let at = line.windows(8).rposition(|w| w == b",\"crc\":\"").unwrap();
    let crc = format!("{:08x}", crc32c::crc32c(&line[..at]));
    line[at + 8..at + 16].copy_from_slice(crc.as_bytes());
}

#[test]
fn a_closed_record_checks_out_and_goes_on_from_its_end() {
    let (_dir, options) = filled(10, |_| {});
    let report = check(&options);
    assert_eq!(report.faults, []);
    assert_eq!((report.lines, report.first), (10, 1));
    assert!(report.head_seen);
    let (record, opened) = open(&options);
    assert_eq!(opened.last.sequence, 10);
    assert_eq!(opened.last, report.last_line.unwrap());
    fill(&record, 5);
    record.close();
    let report = check(&options);
    assert_eq!((report.lines, report.faults), (15, vec![]));
    let text = fs::read_to_string(&files(&options)[0]).unwrap();
    assert!(text.is_ascii() && text.lines().count() == 16);
}

#[test]
fn a_changed_removed_moved_repeated_or_cut_line_is_found_where_it_lies() {
    type Change = fn(&mut Vec<Vec<u8>>);
    // Line 1 of the file is its header, so sequence number n is line n + 1.
    let changes: [(&str, Change, u64); 8] = [
        ("changed", |l| l[4][30] ^= 1, 5),
        (
            "changed, checksum mended",
            |l| {
                let at = l[4].windows(4).position(|w| w == b"\"OK\"").unwrap();
                l[4][at + 1] = b'X';
                mend(&mut l[4]);
            },
            5,
        ),
        ("removed", |l| drop(l.remove(4)), 5),
        ("moved", |l| l.swap(4, 5), 5),
        ("repeated", |l| l.insert(5, l[4].clone()), 6),
        ("appended", |l| l.push(l[3].clone()), 12),
        ("garbage appended", |l| l.push(b"{}\n".to_vec()), 12),
        ("header changed", |l| l[0][60] ^= 1, 1),
    ];
    for (what, change, line) in changes {
        let (_dir, options) = filled(10, |_| {});
        edit(&files(&options)[0], change);
        let report = check(&options);
        match what {
            // Behind the head nothing was promised: what no checksum covers there is cut at open and reported.
            "garbage appended" => assert_eq!(report.torn.unwrap().line, line, "{what}"),
            _ => {
                assert_eq!(report.faults[0].line, line, "{what}: {:?}", report.faults);
                let refused = Record::open(options.clone(), |e| panic!("{e}")).unwrap_err();
                let said = refused.to_string();
                assert!(said.contains(&format!(".jsonl:{line} ")), "{what}: {said}");
            }
        }
    }
}

#[test]
fn a_cut_tail_shows_by_the_head_also_when_files_or_all_are_gone() {
    let (_dir, options) = filled(10, |_| {});
    edit(&files(&options)[0], |l| drop(l.pop()));
    assert!(check(&options).faults[0].what.contains("missing"));
    assert!(matches!(
        Record::open(options, |e| panic!("{e}")),
        Err(AccessError::Damaged(_))
    ));
    let (_dir, options) = filled(10, |_| {});
    fs::remove_dir_all(&options.dir).unwrap();
    assert!(check(&options).faults[0].what.contains("missing"));
    assert!(Record::open(options, |e| panic!("{e}")).is_err());
}

#[test]
fn a_well_chained_line_appended_after_the_stop_is_found() {
    let (dir, options) = filled(10, |_| {});
    let kept = fs::read(dir.path().join("access-head")).unwrap();
    let (record, _) = open(&options);
    fill(&record, 1);
    record.close();
    fs::write(dir.path().join("access-head"), kept).unwrap();
    assert!(check(&options).faults[0].what.contains("appended"));
}

#[test]
fn a_torn_last_line_is_cut_and_the_chain_goes_on() {
    let (dir, options) = filled(10, |_| {});
    let kept = fs::read_to_string(dir.path().join("access-head")).unwrap();
    let path = files(&options).remove(0);
    let whole = fs::read(&path).unwrap();
    let (record, _) = open(&options);
    fill(&record, 1);
    record.close();
    let longer = fs::read(&path).unwrap();
    for torn in [1, 40, longer.len() - whole.len() - 1] {
        fs::write(&path, &longer[..whole.len() + torn]).unwrap();
        // As if the process had been killed before the head was kept again.
        fs::write(
            dir.path().join("access-head"),
            kept.replace("closed", "open"),
        )
        .unwrap();
        let (record, opened) = open(&options);
        let cut = opened.cut.unwrap();
        assert_eq!((cut.offset, cut.bytes), (whole.len() as u64, torn as u64));
        assert_eq!(opened.last.sequence, 10);
        fill(&record, 2);
        record.close();
        let report = check(&options);
        assert_eq!((report.lines, report.faults), (12, vec![]));
    }
}

#[test]
fn a_head_that_covers_the_last_line_makes_its_damage_a_refusal() {
    let (_dir, options) = filled(10, |_| {});
    edit(&files(&options)[0], |l| {
        let last = l.last_mut().unwrap();
        last.truncate(last.len() - 20);
    });
    assert!(!check(&options).faults.is_empty());
    assert!(Record::open(options, |e| panic!("{e}")).is_err());
}

#[test]
fn files_are_ended_by_size_and_chained_and_the_oldest_is_deleted_only_if_told() {
    let (_dir, options) = filled(400, |o| o.rotate_bytes = 64 << 10);
    let all = files(&options);
    assert!(all.len() > 2, "{}", all.len());
    let report = check(&options);
    assert_eq!((report.lines, report.faults), (400, vec![]));
    for path in &all {
        assert!(fs::metadata(path).unwrap().len() <= 64 << 10);
    }
    // A file between two others is missing.
    fs::rename(&all[1], all[1].with_extension("gone")).unwrap();
    assert!(check(&options).faults[0].what.contains("missing"));
    // Only ends: enough to see that, not enough to see a changed line in an old file.
    fs::rename(all[1].with_extension("gone"), &all[1]).unwrap();
    edit(&all[1], |l| l[4][30] ^= 1);
    let head = head::load(&options.head_dir).unwrap();
    let ends = verify(&options.dir, head.as_ref(), 1, &mut |_| {}).unwrap();
    assert_eq!(ends.faults, []);
    assert_eq!(check(&options).faults.len(), 1);

    let (_dir, options) = filled(1_000, |o| {
        o.rotate_bytes = 64 << 10;
        o.keep_files = 2;
    });
    assert_eq!(files(&options).len(), 2);
    let report = check(&options);
    assert_eq!(report.faults, []);
    assert!(report.first > 1);
    assert_eq!(report.last_line.unwrap().sequence, 1_000);
}

#[test]
fn a_file_that_was_begun_and_not_used_is_begun_again() {
    let (_dir, options) = filled(10, |_| {});
    let path = lines::path_of(&options.dir, 11);
    for begun in ["", "{\"record\":\"casebro"] {
        fs::write(&path, begun).unwrap();
        let (record, opened) = open(&options);
        assert_eq!(opened.cut.unwrap().line, 1);
        assert!(!path.exists());
        record.close();
    }
    assert_eq!(check(&options).faults, []);
}

#[test]
fn pages_show_one_agencys_lines_and_every_one_of_them_once() {
    let (_dir, options) = filled(0, |o| o.rotate_bytes = 64 << 10);
    let (record, _) = open(&options);
    fill(&record, 700);
    let reader = record.reader();
    let query = Query {
        agency: AgencyName::from_id("us-cbp").unwrap(),
        start_us: None,
        end_us: None,
        principal: None,
        method: Some("GetCase".into()),
        outcome: Some("OK".into()),
        order: Order::Descending,
        as_of: 690,
        page_size: 7,
        scan_lines: 20,
    };
    let all = |query: &Query| {
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let page = reader.page(query, from).unwrap();
            assert!(page.lines.len() <= query.page_size);
            found.extend(page.lines);
            from = page.next;
            if from.is_none() {
                return found;
            }
        }
    };
    let numbers = |lines: &[Line]| lines.iter().map(|l| l.sequence).collect::<Vec<_>>();
    let found = all(&query);
    assert!(found.iter().all(|line| line.principal == CBP));
    let mut expected: Vec<_> = (1..=690).filter(|n| n % 2 == 0).collect();
    let ascending = Query {
        order: Order::Ascending,
        ..query.clone()
    };
    assert_eq!(numbers(&all(&ascending)), expected);
    expected.reverse();
    assert_eq!(numbers(&found), expected);
    // By time: from one line's to another's.
    let us = |line: &Line| micros_of(&line.time);
    let (early, late) = (&found[300], &found[100]);
    assert!(us(early) < us(late));
    let between = Query {
        start_us: Some(us(early)),
        end_us: Some(us(late)),
        ..query.clone()
    };
    let expected: Vec<_> = found
        .iter()
        .filter(|l| us(l) >= us(early) && us(l) < us(late))
        .map(|l| l.sequence)
        .collect();
    assert_eq!(numbers(&all(&between)), expected);
    for nothing in [
        Query {
            agency: AgencyName::from_id("ca-rcmp").unwrap(),
            ..query.clone()
        },
        Query {
            outcome: Some("NOT_FOUND".into()),
            ..query.clone()
        },
        Query {
            start_us: Some(u64::MAX / 2),
            ..query.clone()
        },
        Query {
            end_us: Some(0),
            ..query.clone()
        },
        Query {
            method: Some("Case".into()),
            ..query
        },
    ] {
        assert_eq!(all(&nothing), []);
    }
}

/// `cargo test --release -p casebroker-server access_record_line -- --nocapture` shows the figure.
#[test]
fn an_access_record_line_costs_microseconds() {
    let dir = tempfile::tempdir().unwrap();
    let (record, _) = open(&options(dir.path()));
    fill(&record, 1_000);
    let lines = 20_000;
    let begin = Instant::now();
    fill(&record, lines);
    let each = begin.elapsed() / lines as u32;
    println!(
        "      access record: {:.2} us a line",
        each.as_secs_f64() * 1e6
    );
    assert_eq!(record.reader().last(), lines + 1_000);
}

#[test]
fn times_are_written_with_six_digits() {
    assert_eq!(&text_of(0), b"1970-01-01T00:00:00.000000Z");
    assert_eq!(
        &text_of(1_795_573_907_123_456),
        b"2026-11-25T02:31:47.123456Z"
    );
    assert_eq!(
        micros_of("2026-11-25T02:31:47.123456Z"),
        1_795_573_907_123_456
    );
}

proptest! {
    #[test]
    fn a_line_reads_back_as_it_was_written(
        resource in "\\PC{0,80}|[\\x00-\\x7f]{0,40}",
        method in "[ -~]{0,60}",
        reference in "[ -~]{0,60}",
        numbers in proptest::array::uniform7(any::<u64>()),
        sequence in 0..u64::MAX,
    ) {
        let [requests, answers, refused, cases, bytes_in, bytes_out, duration_us] = numbers;
        let entry = Entry {
            resource: &resource, method: &method, reference: &reference,
            requests, answers, refused, cases, bytes_in, bytes_out, duration_us,
            ..entry(DEA, "")
        };
        let mut out = Vec::new();
        let chain = Chain { sequence, hash: [7; 32] };
        let hash = line::encode_line(&mut out, &chain, TIME, &entry.encode(), &[1; 8]);
        prop_assert_eq!(out.pop(), Some(b'\n'));
        prop_assert!(out.iter().all(|b| (b' '..=b'~').contains(b)));
        let read = Line::parse(&out).unwrap();
        prop_assert_eq!(&read.resource, &resource);
        prop_assert_eq!(&read.method, &method);
        prop_assert_eq!(&read.reference, &reference);
        prop_assert_eq!(
            [read.requests, read.answers, read.refused, read.cases, read.bytes_in, read.bytes_out, read.duration_us],
            numbers
        );
        prop_assert_eq!(read.sequence, sequence + 1);
        prop_assert_eq!(line::sequence(&out), Some(sequence + 1));
        prop_assert_eq!(line::time(&out), Some(&TIME[..]));
        prop_assert_eq!(read.hash, hex::encode(hash));
    }

    #[test]
    fn no_changed_byte_of_a_line_passes(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut out = Vec::new();
        line::encode_line(&mut out, &Chain::BEGIN, TIME, &entry(DEA, "m").encode(), &[1; 8]);
        out.pop();
        let good = line::open(&out).unwrap();
        let expected = line::chain_hash(&[0; 32], good.body);
        let at = at.index(out.len());
        out[at] ^= 1 << bit;
        let passes = line::open(&out).is_ok_and(|sealed| {
            line::chain_hash(&[0; 32], sealed.body) == sealed.hash && sealed.hash == expected
        });
        prop_assert!(!passes);
    }

    #[test]
    fn whatever_callers_send_a_line_is_bounded(resource in "\\PC{0,3000}", method in "\\PC{0,3000}") {
        let entry = Entry { resource: &resource, method: &method, ..entry(DEA, "") };
        let mut out = Vec::new();
        line::encode_line(&mut out, &Chain::BEGIN, TIME, &entry.encode(), &[1; 8]);
        prop_assert!(out.len() < super::MAX_LINE_BYTES);
        let read = Line::parse(&out[..out.len() - 1]).unwrap();
        prop_assert!(read.resource.chars().count() <= 503);
    }
}
