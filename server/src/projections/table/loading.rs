//! The table's snapshot as a file: read while the start checks the journal, believed once the log says that it is its own, written aside.

use std::{
    fs, io,
    path::PathBuf,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use casebroker_proto::{catalogue::substances, standard};
use tokio_util::sync::CancellationToken;

use super::{
    follow::TableError,
    rows::Rows,
    sharing::{self, Sharing},
    snapshot::{self, Of},
};
use crate::transparency::Log;

/// Version of what rows mean. To be raised with every change of [`super::facts`], [`super::views`] and what marks are.
const MEANING: u32 = 4;

/// How the table is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of its snapshot.
    pub dir: PathBuf,
    /// How often a snapshot is written while it changes.
    pub snapshot_every: Duration,
}

/// A snapshot while it is read.
#[derive(Debug)]
pub struct Loading {
    pub(super) options: Options,
    pub(super) stopping: CancellationToken,
    thread: JoinHandle<io::Result<Snapshot>>,
}

type Snapshot = (Rows, sharing::Index, Of);

impl Loading {
    /// Begins to read the snapshot, if there is one. Nothing of it is believed before it is known to be of this log.
    pub fn begin(options: Options) -> Result<Self, TableError> {
        let stopping = CancellationToken::new();
        let (path, is_over) = (path(&options), stopping.clone());
        let thread = thread::Builder::new()
            .name("table".into())
            .spawn(move || snapshot::read(&path, &|| is_over.is_cancelled()));
        let thread = thread.map_err(|source| TableError::File {
            path: options.dir.clone(),
            source,
        })?;
        Ok(Self {
            options,
            stopping,
            thread,
        })
    }

    /// The table of the snapshot; `None` if there is none. An error says why it is not to be used.
    pub(super) fn end(self, log: &Log) -> Result<Option<(Rows, sharing::Index)>, String> {
        let read = self.thread.join();
        let read = read.unwrap_or_else(|_| Err(io::Error::other("reading it panicked")));
        let (rows, index, of) = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if of.fingerprint != fingerprint() {
            return Err("it was made by another version".into());
        }
        match log.root_at(of.position) {
            Ok(Some(root)) if root == of.root => Ok(Some((rows, index))),
            Ok(_) => Err("it is of another log".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Without a snapshot the next start takes longer, and nothing else is lost.
pub(super) fn save(rows: &Rows, sharing: &Sharing, log: &Log, options: &Options) {
    let began = Instant::now();
    let position = rows.position();
    let written = log.root_at(position).and_then(|root| {
        let of = Of {
            fingerprint: fingerprint(),
            position,
            root: root.ok_or_else(|| io::Error::other("the table is ahead of the log"))?,
        };
        snapshot::write(&path(options), rows, sharing, &of)
    });
    match written {
        Ok(bytes) => {
            tracing::info!(position, bytes, took = ?began.elapsed(), "table's snapshot written");
        }
        Err(error) => tracing::warn!(%error, "the table's snapshot could not be written"),
    }
}

fn path(options: &Options) -> PathBuf {
    options.dir.join("snapshot")
}

/// Only the newest is kept.
pub(super) fn move_aside(options: &Options) -> io::Result<PathBuf> {
    let aside = options.dir.join("snapshot.aside");
    fs::rename(path(options), &aside)?;
    Ok(aside)
}

/// What rows mean: another version of the standard or the catalogue makes other rows of the same entries.
fn fingerprint() -> String {
    let catalogue = crc32c::crc32c(format!("{:?}", substances::all()).as_bytes());
    let standard = standard::NEWEST;
    format!("meaning {MEANING}, standard {standard}, catalogue {catalogue:08x}")
}
