//! `casectl subscription pull --to`: every delivery as a line of a file, once.
//!
//! What it promises: a position is acknowledged only once its line is on disk, and no position has two lines, whatever crashes in between:
//! what is in the file already is known from the file itself. One process at a time writes it.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Seek as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use casebroker_client::{Client, Deliveries};
use casebroker_proto::v1::Delivery;
use serde::Deserialize;

use super::pull::{end, flow};
use crate::{
    delivery,
    failure::{Exit, Failure, Result},
    output::Output,
};

/// Most deliveries that are written before the file is synced.
const GROUP: usize = 500;

/// Appends deliveries until somebody asks for the end.
pub async fn run(
    client: &Client,
    name: &str,
    path: &Path,
    wait: Option<Duration>,
    out: &mut Output,
) -> Result<()> {
    let mut lines = Lines::open(path)?;
    let mut deliveries = client.deliveries(name, flow(1_000)).await?;
    let ended = append(&mut deliveries, &mut lines, wait).await;
    let closed = deliveries.close().await;
    out.note(format_args!(
        "{} lines written to {}, {} were there already",
        lines.written,
        path.display(),
        lines.doubles
    ));
    ended?;
    closed?;
    Ok(())
}

async fn append(
    deliveries: &mut Deliveries,
    lines: &mut Lines<'_>,
    wait: Option<Duration>,
) -> Result<()> {
    let stop = end(None, || None);
    tokio::pin!(stop);
    let mut last = Instant::now();
    loop {
        let idle = async {
            match wait {
                Some(wait) => tokio::time::sleep_until((last + wait).into()).await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            next = deliveries.next() => next?,
            () = idle => return Ok(()),
        };
        let more = std::iter::from_fn(|| deliveries.try_next());
        let group: Vec<_> = std::iter::once(first).chain(more).take(GROUP).collect();
        // The stream goes on in another thread meanwhile.
        tokio::task::block_in_place(|| lines.append(&group))?;
        for delivery in &group {
            deliveries.ack(delivery.position);
        }
        last = Instant::now();
    }
}

/// The file, and what is in it.
struct Lines<'a> {
    file: File,
    path: &'a Path,
    known: Positions,
    written: u64,
    doubles: u64,
}

/// What is read of a line.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    position: Option<String>,
}

impl<'a> Lines<'a> {
    /// Opens or makes the file, reads which positions it holds, and cuts off a last line that was not written whole: it was never
    /// acknowledged.
    fn open(path: &'a Path) -> Result<Self> {
        let failed = |e: io::Error| Failure::file(path.display(), &e);
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path);
        let file = file.map_err(failed)?;
        file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => Failure::new(
                Exit::Conflict,
                format!("{}: another process writes it", path.display()),
                "Wait for its end, or give another file.",
            ),
            TryLockError::Error(e) => failed(e),
        })?;
        if is_new {
            sync_folder(path).map_err(failed)?;
        }
        let (known, whole) = read(&file, path)?;
        file.set_len(whole).map_err(failed)?;
        Ok(Self {
            file,
            path,
            known,
            written: 0,
            doubles: 0,
        })
    }

    /// Writes those that are not in the file yet; everything is on disk when this returns.
    fn append(&mut self, group: &[Delivery]) -> Result<()> {
        let mut text = String::new();
        let mut new = Vec::new();
        for delivery in group {
            if self.known.has(delivery.position) {
                self.doubles += 1;
                continue;
            }
            text.push_str(&delivery::to_json(delivery)?.to_string());
            text.push('\n');
            self.known.insert(delivery.position);
            new.push(delivery.position);
        }
        // Also if nothing is new: what another process wrote before it was killed may not be on disk.
        let mut write = || {
            self.file.write_all(text.as_bytes())?;
            self.file.sync_data()
        };
        write().map_err(|e| Failure::file(self.path.display(), &e))?;
        self.written += new.len() as u64;
        Ok(())
    }
}

/// The positions in a file, and how long it is up to the end of its last whole line.
fn read(file: &File, path: &Path) -> Result<(Positions, u64)> {
    let failed = |e: io::Error| Failure::file(path.display(), &e);
    let mut reader = BufReader::with_capacity(1 << 20, file);
    reader.rewind().map_err(failed)?;
    let (mut known, mut whole, mut line) = (Positions::default(), 0, Vec::new());
    for number in 1_u64.. {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(failed)?;
        if !line.ends_with(b"\n") {
            break;
        }
        let parsed = serde_json::from_slice::<Line>(&line).ok();
        let position = parsed.and_then(|line| line.position?.parse().ok());
        let position = position.ok_or_else(|| {
            Failure::new(
                Exit::Invalid,
                format!("{}:{number}: this is no delivery", path.display()),
                "Give a file that holds deliveries alone, or a new one.",
            )
        })?;
        known.insert(position);
        whole += length as u64;
    }
    Ok((known, whole))
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A set of positions as ranges, first to last: what follows one another takes no room.
#[derive(Debug, Default)]
struct Positions(BTreeMap<u64, u64>);

impl Positions {
    fn has(&self, position: u64) -> bool {
        let before = self.0.range(..=position).next_back();
        before.is_some_and(|(_, last)| position <= *last)
    }

    fn insert(&mut self, position: u64) {
        if self.has(position) {
            return;
        }
        let (mut first, mut last) = (position, position);
        let before = self.0.range(..position).next_back().map(|(f, l)| (*f, *l));
        if let Some((from, to)) = before.filter(|(_, to)| to.checked_add(1) == Some(position)) {
            debug_assert!(to < position);
            first = from;
        }
        if let Some(after) = position.checked_add(1)
            && let Some(to) = self.0.remove(&after)
        {
            last = to;
        }
        self.0.insert(first, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(positions: &[u64]) -> Vec<Delivery> {
        let made = positions.iter().map(|position| Delivery {
            position: *position,
            ..Default::default()
        });
        made.collect()
    }

    #[test]
    fn positions_that_follow_one_another_are_one_range() {
        let mut positions = Positions::default();
        for position in [5, 7, 6, 1, 2, 9, u64::MAX, 0] {
            positions.insert(position);
            positions.insert(position);
            assert!(positions.has(position));
        }
        let ranges: Vec<_> = positions.0.clone().into_iter().collect();
        assert_eq!(ranges, [(0, 2), (5, 7), (9, 9), (u64::MAX, u64::MAX)]);
        assert!(![3, 4, 8, 10].iter().any(|p| positions.has(*p)));
    }

    #[test]
    fn no_position_has_two_lines_also_after_a_restart_and_a_torn_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("west.jsonl");
        let mut lines = Lines::open(&path).unwrap();
        lines.append(&group(&[3, 1, 3])).unwrap();
        assert!(Lines::open(&path).is_err_and(|failure| failure.exit == Exit::Conflict));
        drop(lines);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"position\":\"4\"")).unwrap();
        let mut lines = Lines::open(&path).unwrap();
        lines.append(&group(&[1, 4])).unwrap();
        assert_eq!((lines.written, lines.doubles), (1, 1));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&whole));
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "mine\n").unwrap();
        let failure = Lines::open(&path).map(|_| ()).unwrap_err();
        assert!(
            failure.what.ends_with("notes.txt:1: this is no delivery"),
            "{}",
            failure.what
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine\n");
    }
}
