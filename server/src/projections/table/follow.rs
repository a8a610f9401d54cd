//! The thread that follows the journal, and what a start finds of the table.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{
    apply::{Apply, ApplyError},
    loading::{Loading, Options, move_aside, save},
    rows::Rows,
    sharing::Sharing,
};
use crate::{
    durable,
    journal::ReadLimit,
    projections::{
        reader::{CaseReader, ReadError},
        statement::Statement,
    },
    transparency::Log,
};

/// Entries and bytes read from the journal at a time; after each the table says how far it is.
const BATCH: ReadLimit = ReadLimit {
    entries: 256,
    bytes: 8 << 20,
};
/// Entries that make a snapshot worth writing while the broker runs.
const WORTH_A_SNAPSHOT: u64 = 1_000;
/// How long after a failed read it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// The table, following the journal.
#[derive(Debug)]
pub struct Table {
    /// Set once it is known whether there is a snapshot to begin with.
    rows: Arc<OnceLock<Arc<Rows>>>,
    /// What it holds until then.
    nothing: Arc<Rows>,
    position: watch::Sender<u64>,
    /// Where the journal ended when the broker started: until then the table is being built.
    start: u64,
    stopping: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Why the table cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Its folder, or a thread.
    #[error("{}: {source}", path.display())]
    File {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The journal.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What the thread begins with.
struct Start {
    rows: Arc<OnceLock<Arc<Rows>>>,
    sharing: Arc<Sharing>,
    reader: CaseReader,
    recorded: watch::Receiver<u64>,
    position: watch::Sender<u64>,
    log: Arc<Log>,
    loading: Loading,
    start: u64,
}

/// What the thread owns while it follows.
struct Follower {
    apply: Apply,
    recorded: watch::Receiver<u64>,
    position: watch::Sender<u64>,
    log: Arc<Log>,
    options: Options,
    start: u64,
    stopping: CancellationToken,
    /// Position and time of the last snapshot.
    saved: (u64, Instant),
    saving: Option<JoinHandle<()>>,
    is_saving: Arc<AtomicBool>,
}

impl Table {
    /// Follows the journal from where the snapshot was made, if there is one of this log; it is loaded beside, as what it holds is
    /// not needed to take statements in. `recorded` says up to where the state store has the journal's entries.
    pub fn start(
        loading: Loading,
        reader: CaseReader,
        sharing: Arc<Sharing>,
        log: Arc<Log>,
        recorded: watch::Receiver<u64>,
    ) -> Result<Self, TableError> {
        let dir = loading.options.dir.clone();
        let file = |source| TableError::File {
            path: dir.clone(),
            source,
        };
        durable::create_dir(&dir).map_err(file)?;
        let rows = Arc::new(OnceLock::new());
        let (position, _) = watch::channel(0);
        let stopping = loading.stopping.clone();
        let start = *recorded.borrow();
        let begin = Start {
            rows: Arc::clone(&rows),
            sharing,
            reader,
            recorded,
            position: position.clone(),
            log,
            loading,
            start,
        };
        let handle = Handle::current();
        let thread = thread::Builder::new()
            .name("table".into())
            .spawn(move || {
                if let Some(follower) = begin.follower() {
                    follower.run(&handle);
                }
            })
            .map_err(file)?;
        Ok(Self {
            rows,
            nothing: Arc::default(),
            position,
            start,
            stopping,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What it holds.
    pub fn rows(&self) -> &Arc<Rows> {
        self.rows.get().unwrap_or(&self.nothing)
    }

    /// It is of every entry before this position.
    pub fn position(&self) -> u64 {
        self.rows().position()
    }

    /// Follows [`Self::position`].
    pub fn positions(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// Position at which it can answer for the first time.
    pub fn start_position(&self) -> u64 {
        self.start
    }

    /// Waits until it is of every entry before a position, and has been built; false if that takes longer than `limit`.
    pub async fn reach(&self, position: u64, limit: Duration) -> bool {
        let wanted = position.max(self.start);
        if self.position() >= wanted {
            return true;
        }
        let mut follow = self.position.subscribe();
        let reached = follow.wait_for(|at| *at >= wanted);
        matches!(tokio::time::timeout(limit, reached).await, Ok(Ok(_)))
    }

    /// Takes nothing more in, writes a snapshot and ends the thread. Blocks.
    pub fn stop(&self) {
        self.stopping.cancel();
        let thread = self.thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the table's thread panicked");
        }
    }
}

impl Start {
    /// Loads what there is; `None` if the broker stops before it is done.
    fn follower(self) -> Option<Follower> {
        let began = Instant::now();
        let (options, stopping) = (self.loading.options.clone(), self.loading.stopping.clone());
        let rows = match self.loading.end(&self.log) {
            Ok(Some((rows, index))) => {
                self.sharing.begin(index, rows.position());
                let (position, count) = (rows.position(), rows.count());
                tracing::info!(position, rows = count, took = ?began.elapsed(), "table loaded");
                rows
            }
            Ok(None) => Rows::default(),
            Err(_) if stopping.is_cancelled() => return None,
            Err(why) => {
                match move_aside(&options) {
                    Ok(aside) => {
                        tracing::warn!(%why, aside = %aside.display(), "the table's snapshot was moved aside; it is built anew");
                    }
                    Err(error) => {
                        tracing::warn!(%why, %error, "the table's snapshot is not used, nor could it be moved aside; it is built anew");
                    }
                }
                Rows::default()
            }
        };
        let rows = Arc::clone(self.rows.get_or_init(|| Arc::new(rows)));
        let loaded = rows.position();
        self.position.send_replace(loaded);
        Some(Follower {
            apply: Apply {
                rows,
                sharing: self.sharing,
                reader: self.reader,
            },
            recorded: self.recorded,
            position: self.position,
            log: self.log,
            options,
            start: self.start,
            stopping,
            saved: (loaded, Instant::now()),
            saving: None,
            is_saving: Arc::default(),
        })
    }
}

impl Follower {
    fn run(mut self, handle: &Handle) {
        let began = Instant::now();
        let mut told = Instant::now();
        let mut built = self.apply.rows.position() >= self.start;
        while !self.stopping.is_cancelled() {
            let to = *self.recorded.borrow_and_update();
            if let Err(error) = self.follow(to, &mut told) {
                tracing::error!(%error, position = self.apply.rows.position(), "the table does not follow the journal; trying again");
                if matches!(error, ApplyError::Full) {
                    break;
                }
                handle.block_on(async {
                    tokio::select! {
                        () = self.stopping.cancelled() => {}
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                });
                continue;
            }
            if !built && self.apply.rows.position() >= self.start {
                built = true;
                let (position, rows) = (self.apply.rows.position(), self.apply.rows.count());
                tracing::info!(position, rows, took = ?began.elapsed(), "table built");
                self.save_aside();
            }
            if self.saved.1.elapsed() >= self.options.snapshot_every {
                self.save_aside();
            }
            let (stopping, recorded) = (&self.stopping, &mut self.recorded);
            let ended = handle.block_on(async {
                tokio::select! {
                    () = stopping.cancelled() => true,
                    changed = recorded.changed() => changed.is_err(),
                }
            });
            if ended {
                break;
            }
        }
        if let Some(saving) = self.saving.take() {
            drop(saving.join());
        }
        if self.apply.rows.position() > self.saved.0 {
            save(
                &self.apply.rows,
                &self.apply.sharing,
                &self.log,
                &self.options,
            );
        }
    }

    fn follow(&self, to: u64, told: &mut Instant) -> Result<(), ApplyError> {
        let rows = &self.apply.rows;
        let mut next = rows.position();
        while next < to && !self.stopping.is_cancelled() {
            let records = self.apply.reader.journal.read(next, BATCH);
            for record in records.map_err(ReadError::from)? {
                let position = record.position;
                if position >= to {
                    break;
                }
                let statement = Statement::decode(position, &record.entry);
                let statement =
                    statement.map_err(|source| ReadError::Entry { position, source })?;
                match statement {
                    Some(statement) => self.apply.statement(statement)?,
                    None => self.apply.other(position),
                }
                next = position + 1;
            }
            if next == rows.position() {
                break;
            }
            self.apply.sharing.publish(next);
            rows.publish(next);
            self.position.send_replace(next);
            if told.elapsed() > Duration::from_secs(2) && next < self.start {
                *told = Instant::now();
                tracing::info!(position = next, of = self.start, "the table is being built");
            }
        }
        Ok(())
    }

    /// Writes a snapshot on another thread, if it is worth it and none is being written.
    fn save_aside(&mut self) {
        let position = self.apply.rows.position();
        if position < self.saved.0 + WORTH_A_SNAPSHOT || self.is_saving.swap(true, Ordering::AcqRel)
        {
            return;
        }
        self.saved = (position, Instant::now());
        let (rows, log) = (Arc::clone(&self.apply.rows), Arc::clone(&self.log));
        let sharing = Arc::clone(&self.apply.sharing);
        let (options, done) = (self.options.clone(), Arc::clone(&self.is_saving));
        let saving = thread::Builder::new()
            .name("snapshot".into())
            .spawn(move || {
                crate::scans::yield_to_others();
                save(&rows, &sharing, &log, &options);
                done.store(false, Ordering::Release);
            });
        match saving {
            Ok(saving) => self.saving = Some(saving),
            Err(error) => {
                self.is_saving.store(false, Ordering::Release);
                tracing::warn!(%error, "no thread for the table's snapshot");
            }
        }
    }
}
