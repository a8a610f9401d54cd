//! The file of subscriptions and their cursors: unlike everything in the state store it cannot be made again from the journal, so it is
//! synced by us.
//!
//! Records are added at the end, and the last one of a subscription counts. One thread writes: what was asked for since its last sync
//! goes into the next, and cursors that moved go along at least every so often. A record that cannot be read ends the file, as a
//! crash leaves it: what is lost by that is delivered again, never left out. The file is written anew when it has grown much beyond
//! what it says.

mod form;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use casebroker_proto::v1::Subscription;
use tokio::sync::oneshot;

use super::outbox::Kept;
use crate::{durable, vital};
use form::{Cursor, MAGIC, Record};

/// The file is written anew when it is this much longer than what it says needs, at least.
const WORTH_REWRITING: u64 = 8 << 20;

/// A subscription as the ledger has it.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its number.
    pub id: u64,
    /// What it is.
    pub subscription: Subscription,
    /// Where it is.
    pub kept: Kept,
    /// When it was last used, seconds since 1970.
    pub last_use: i64,
}

/// What is to be written.
#[derive(Debug)]
pub enum Change {
    /// A subscription as it is from here on.
    Put(Box<Line>),
    /// What one is from here on. Its cursor stays as written last: one that comes along could be older. Nothing if it has ended.
    Redefined {
        /// Its number.
        id: u64,
        /// What it is.
        subscription: Box<Subscription>,
    },
    /// Where one is.
    Moved {
        /// Its number.
        id: u64,
        /// Where it is.
        kept: Box<Kept>,
        /// When it was last used.
        last_use: i64,
    },
    /// One that ended.
    Ended(u64),
}

/// What opening found.
#[derive(Debug)]
pub struct Opened {
    /// Every subscription.
    pub lines: Vec<Line>,
    /// Set if the end of the file could not be read: a copy of the file, and how many bytes were left out.
    pub cut: Option<(PathBuf, u64)>,
}

/// Gives the cursors that moved since it was last asked.
pub type Moved = Box<dyn Fn() -> Vec<Change> + Send>;

/// The ledger, with the thread that writes it.
#[derive(Debug)]
pub struct Ledger {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: Vec<Change>,
    told: Vec<oneshot::Sender<()>>,
    close: bool,
}

/// The file while it is written.
struct Writer {
    path: PathBuf,
    file: File,
    length: u64,
    /// Encoded last record of each subscription, whole.
    lines: BTreeMap<u64, Record>,
}

impl Ledger {
    /// Opens the ledger in a folder, or begins an empty one.
    pub fn open(dir: &Path) -> io::Result<(Unstarted, Opened)> {
        durable::create_dir(dir)?;
        let path = dir.join("ledger");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => MAGIC.to_vec(),
            Err(error) => return Err(error),
        };
        if !bytes.is_empty() && !bytes.starts_with(MAGIC) {
            let why = format!(
                "{}: is no ledger of this version; restore it from a backup, or move it away on purpose: subscriptions have to be made \
                 again then",
                path.display()
            );
            return Err(io::Error::other(why));
        }
        let (lines, read) = read(&bytes);
        let mut cut = None;
        let left = bytes.len().saturating_sub(read) as u64;
        if left > 0 {
            // It stays where it is until the new one takes its place: a crash between must not find none.
            let copy = path.with_extension("damaged");
            fs::copy(&path, &copy)?;
            cut = Some((copy, left));
        }
        let writer = Writer::rewrite(path, lines)?;
        let lines = writer.lines.iter().filter_map(|(id, record)| {
            let cursor = record.cursor.as_ref()?;
            Some(Line {
                id: *id,
                subscription: record.subscription.clone()?,
                kept: cursor.kept(),
                last_use: cursor.last_use,
            })
        });
        let opened = Opened {
            lines: lines.collect(),
            cut,
        };
        Ok((Unstarted(writer), opened))
    }

    /// Writes a change; answers once it is durable. Nobody answers if the broker ends first.
    pub async fn write(&self, change: Change) -> bool {
        self.wait(Some(change)).await
    }

    /// Waits until every cursor is durable as it is now.
    pub async fn settle(&self) -> bool {
        self.wait(None).await
    }

    /// Writes what is left and ends the thread.
    pub fn stop(&self) {
        self.queue.lock().close = true;
        self.queue.work.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }

    async fn wait(&self, change: Option<Change>) -> bool {
        let (tell, told) = oneshot::channel();
        {
            let mut waiting = self.queue.lock();
            if waiting.close {
                return false;
            }
            waiting.changes.extend(change);
            waiting.told.push(tell);
        }
        self.queue.work.notify_one();
        told.await.is_ok()
    }
}

/// A ledger whose thread has yet to be started.
pub struct Unstarted(Writer);

impl Unstarted {
    /// Starts the thread: cursors that moved are synced at least `every` so often.
    pub fn start(self, every: Duration, moved: Moved) -> io::Result<Ledger> {
        let queue = Arc::new(Queue::default());
        let of_thread = Arc::clone(&queue);
        let thread = vital::spawn("ledger", move || self.0.run(&of_thread, every, &moved))?;
        Ok(Ledger {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl std::fmt::Debug for Unstarted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unstarted")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do, at most so long.
    fn take(&self, every: Duration) -> Waiting {
        let idle = |waiting: &mut Waiting| waiting.told.is_empty() && !waiting.close;
        let waited = self.work.wait_timeout_while(self.lock(), every, idle);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Waiting {
            changes: std::mem::take(&mut waiting.changes),
            told: std::mem::take(&mut waiting.told),
            close: waiting.close,
        }
    }
}

impl Writer {
    fn run(mut self, queue: &Queue, every: Duration, moved: &Moved) {
        loop {
            let Waiting {
                mut changes,
                told,
                close,
            } = queue.take(every);
            changes.extend(moved());
            if !changes.is_empty()
                && let Err(error) = self.write(changes)
            {
                let path = self.path.display().to_string();
                vital::stop_process(&format!("writing {path}"), &error);
            }
            for tell in told {
                // Who asked may have gone.
                let _ = tell.send(());
            }
            if close {
                return;
            }
        }
    }

    fn write(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for change in changes {
            let record = record(change);
            form::put(&record, &mut bytes);
            merge(&mut self.lines, record);
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        let needed: u64 = self
            .lines
            .values()
            .map(|r| prost::Message::encoded_len(r) as u64)
            .sum();
        if self.length > needed * 2 + WORTH_REWRITING {
            *self = Self::rewrite(
                std::mem::take(&mut self.path),
                std::mem::take(&mut self.lines),
            )?;
        }
        Ok(())
    }

    /// Writes the file anew, and puts it in place of the old one whole.
    fn rewrite(path: PathBuf, lines: BTreeMap<u64, Record>) -> io::Result<Self> {
        let mut bytes = MAGIC.to_vec();
        for record in lines.values() {
            form::put(record, &mut bytes);
        }
        let draft = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&draft)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        durable::sync_dir(durable::parent(&path))?;
        Ok(Self {
            path,
            file,
            length: bytes.len() as u64,
            lines,
        })
    }
}

/// The subscriptions in the bytes of a ledger, and how many bytes could be read.
fn read(bytes: &[u8]) -> (BTreeMap<u64, Record>, usize) {
    let mut lines = BTreeMap::new();
    let mut at = MAGIC.len().min(bytes.len());
    while let Some((record, length)) = bytes.get(at..).and_then(form::take) {
        at += length;
        merge(&mut lines, record);
    }
    (lines, at)
}

fn merge(lines: &mut BTreeMap<u64, Record>, record: Record) {
    if record.ended {
        lines.remove(&record.id);
    } else if record.subscription.is_some() && record.cursor.is_some() {
        lines.insert(record.id, record);
    } else if record.subscription.is_some() {
        if let Some(line) = lines.get_mut(&record.id) {
            line.subscription = record.subscription;
        }
    } else if let Some(line) = lines.get_mut(&record.id) {
        line.cursor = record.cursor;
    }
}

fn record(change: Change) -> Record {
    match change {
        Change::Put(line) => Record {
            id: line.id,
            cursor: Some(Cursor::new(&line.kept, line.last_use)),
            subscription: Some(line.subscription),
            ended: false,
        },
        Change::Redefined { id, subscription } => Record {
            id,
            subscription: Some(*subscription),
            ..Record::default()
        },
        Change::Moved { id, kept, last_use } => Record {
            id,
            cursor: Some(Cursor::new(&kept, last_use)),
            ..Record::default()
        },
        Change::Ended(id) => Record {
            id,
            ended: true,
            ..Record::default()
        },
    }
}

/// How many subscriptions a ledger holds, and how many bytes at its end cannot be read. Changes nothing.
pub fn look(dir: &Path) -> io::Result<Option<(usize, u64)>> {
    match fs::read(dir.join("ledger")) {
        Ok(bytes) => {
            let (lines, at) = read(&bytes);
            Ok(Some((lines.len(), (bytes.len() - at) as u64)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
