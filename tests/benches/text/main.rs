//! What the text index costs: building it over 100,000 reports, following a live log, searching, and what its commits do to
//! somebody else's syncs on the same disk, as the journal's are.
//!
//!     cargo bench -p casebroker-tests --bench text
//!     cargo bench -p casebroker-tests --bench text -- --reports 1000000

mod journal;
mod texts;

use std::{
    env,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use casebroker_server::{
    config,
    projections::text::{Options, Text, TextQuery},
};
use hdrhistogram::Histogram;
use tokio::sync::watch;

use journal::Journal;

const REPORTS: usize = 100_000;
/// Searches of each query.
const SEARCHES: usize = 300;
/// Reports of each live group, and how many groups a second.
const LIVE: [(usize, u64); 3] = [(1, 10), (20, 50), (160, 50)];
const LIVE_SECONDS: u64 = 8;
/// What one sync of the journal writes, about.
const GROUP_BYTES: usize = 16 << 10;
const QUERIES: [&str; 12] = [
    "fentanyl",
    "powder",
    "parcel fentanyl powder",
    "\"white powder\"",
    "\"found in a parcel from\"",
    "ref99997",
    "nowhere",
    "芬太尼",
    "包裹",
    "查获白色粉末",
    "芬",
    "\"fentanyl\" 毒品 parcel",
];

fn main() {
    let mut arguments = env::args().skip_while(|argument| argument != "--reports");
    let reports = arguments
        .nth(1)
        .map_or(REPORTS, |n| n.parse().expect("a number"));
    let folder = tempfile::Builder::new()
        .prefix("text-bench-")
        .tempdir_in(env::var_os("BENCH_DIR").unwrap_or_else(|| env::temp_dir().into()))
        .expect("a folder");
    let live: usize = LIVE
        .iter()
        .map(|(size, rate)| size * (*rate * LIVE_SECONDS) as usize)
        .sum();
    let journal = Journal::made(reports + live);
    println!(
        "{reports} reports, {} bytes each as entries",
        journal.bytes() / (reports + live)
    );

    let (tail, follow) = watch::channel(reports as u64);
    let began = Instant::now();
    let start = || {
        let options = Options::new(folder.path(), &config::Text::default());
        let journal = Arc::new(journal.clone());
        Text::start(
            options,
            journal,
            follow.clone(),
            Box::new(|_| Ok(Some([7; 32]))),
        )
        .expect("an index")
    };
    let before = memory();
    let (text, _) = start();
    wait(&text, reports as u64);
    let took = began.elapsed();
    println!(
        "built in {:.1} s, {:.0} reports/s; {} bytes on disk a report; anonymous memory {} MiB, {} before",
        took.as_secs_f64(),
        reports as f64 / took.as_secs_f64(),
        size(folder.path()) / reports as u64,
        memory(),
        before,
    );
    text.stop();
    drop(text);
    let began = Instant::now();
    let (text, opened) = start();
    assert_eq!(
        (opened.position, opened.moved_aside),
        (reports as u64, None)
    );
    println!(
        "opened again in {:.2} s, every file checked",
        began.elapsed().as_secs_f64()
    );

    searches(&text);
    following(&text, &tail, reports as u64, folder.path());
    searches(&text);
    println!(
        "{} bytes on disk a report",
        size(folder.path()) / text.position()
    );
}

fn searches(text: &Text) {
    println!(
        "{:<28} {:>8} {:>10} {:>10}",
        "milliseconds a search", "found", "p50", "p99"
    );
    for query in QUERIES {
        let asked = TextQuery::parse(query).expect("a query");
        let mut times = histogram();
        let mut found = 0;
        for _ in 0..SEARCHES {
            let began = Instant::now();
            found = text.search(&asked, &|| false).expect("an answer").len();
            times.saturating_record(began.elapsed().as_micros() as u64);
        }
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
        println!(
            "{query:<28} {found:>8} {:>10.3} {:>10.3}",
            at(0.5),
            at(0.99)
        );
    }
}

/// How long after it was recorded a report can be found, and how long a sync of another file takes meanwhile.
fn following(text: &Text, tail: &watch::Sender<u64>, from: u64, folder: &Path) {
    let mut position = from;
    println!(
        "{:<28} {:>8} {:>8} | {:>12} {:>8} {:>8} | {:>8}",
        "reports/s", "lag p50", "max ms", "sync p50 ms", "p99", "max", "core"
    );
    let mut row = |size: usize, rate: u64| {
        let stop = Arc::new(AtomicBool::new(false));
        let syncs = {
            let (stop, path) = (Arc::clone(&stop), folder.join("synced"));
            thread::spawn(move || syncs(&path, &stop).expect("a disk"))
        };
        let mut lags = histogram();
        let used = cpu("text") + cpu("thrd-tantivy") + cpu("segment_up") + cpu("merge_thread");
        let began = Instant::now();
        let mut open: Vec<(u64, Instant)> = Vec::new();
        let groups = if size == 0 { 0 } else { rate * LIVE_SECONDS };
        let mut sent = 0;
        while sent < groups
            || !open.is_empty()
            || (groups == 0 && began.elapsed().as_secs() < LIVE_SECONDS)
        {
            if sent < groups && began.elapsed() >= Duration::from_secs(sent) / rate as u32 {
                position += size as u64;
                tail.send_replace(position);
                open.push((position, Instant::now()));
                sent += 1;
            }
            let reached = text.position();
            open.retain(|(position, since)| {
                if *position <= reached {
                    lags.saturating_record(since.elapsed().as_micros() as u64);
                }
                *position > reached
            });
            thread::sleep(Duration::from_millis(1));
        }
        let wall = began.elapsed().as_secs_f64();
        let used =
            cpu("text") + cpu("thrd-tantivy") + cpu("segment_up") + cpu("merge_thread") - used;
        stop.store(true, Ordering::Relaxed);
        let syncs = syncs.join().expect("syncs");
        let ms = |micros: u64| micros as f64 / 1_000.0;
        println!(
            "{:<28} {:>8.0} {:>8.0} | {:>12.2} {:>8.2} {:>8.1} | {:>7.0}%",
            size as u64 * rate,
            ms(lags.value_at_quantile(0.5)),
            ms(lags.max()),
            ms(syncs.value_at_quantile(0.5)),
            ms(syncs.value_at_quantile(0.99)),
            ms(syncs.max()),
            used / wall * 100.0,
        );
    };
    row(0, 1);
    for (size, rate) in LIVE {
        row(size, rate);
    }
    row(0, 1);
}

/// Of microseconds, up to a minute.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("a histogram")
}

/// Times of groups written over zeros and synced, as the journal's are, microseconds.
fn syncs(path: &Path, stop: &AtomicBool) -> io::Result<Histogram<u64>> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0; 64 << 20])?;
    file.sync_all()?;
    let mut times = histogram();
    let group = vec![1; GROUP_BYTES];
    let mut at = 0;
    while !stop.load(Ordering::Relaxed) {
        use std::os::unix::fs::FileExt as _;
        let began = Instant::now();
        file.write_all_at(&group, at)?;
        file.sync_data()?;
        times.saturating_record(began.elapsed().as_micros() as u64);
        at = (at + GROUP_BYTES as u64) % (64 << 20);
        thread::sleep(Duration::from_millis(5));
    }
    Ok(times)
}

fn wait(text: &Text, position: u64) {
    while text.position() < position {
        thread::sleep(Duration::from_millis(1));
    }
}

fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder.join("text/index")).expect("a folder");
    files
        .map(|file| file.and_then(|file| file.metadata()).map_or(0, |m| m.len()))
        .sum()
}

/// Anonymous memory of this process, MiB (proc(5), `status`).
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("proc");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .expect("a field");
    let kib: u64 = line
        .split_whitespace()
        .next()
        .expect("a value")
        .parse()
        .expect("a number");
    kib / 1024
}

/// Seconds that the threads of this name have run (proc(5), `stat`). Those that ended are not in it.
fn cpu(name: &str) -> f64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", process::id())) else {
        return 0.0;
    };
    let ticks = |stat: String| {
        let (comm, rest) = stat.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        let sum = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        comm.split_once('(')?
            .1
            .starts_with(name)
            .then_some(sum / 100.0)
    };
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stats.filter_map(ticks).sum()
}
