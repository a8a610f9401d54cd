//! The writing end: one line, one write, under one short lock; a thread that syncs.

use std::{
    fmt,
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aws_lc_rs::rand;

use super::{
    AccessError, Chain, Entry, Head, Reader, Torn,
    clock::{Clock, micros_of},
    head,
    line::{encode_header, encode_line},
    lines::{RecordFile, path_of},
    open::{Found, appending, open},
};

/// How long a line may be in the page cache only.
const SYNC_EVERY: Duration = Duration::from_millis(500);
const SALT_BYTES: usize = 8;
/// Salts are drawn many at a time.
const SALTS_BYTES: usize = 64 * SALT_BYTES;

/// Where the record lies and how it is cut into files.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the files.
    pub dir: PathBuf,
    /// Folder of the head: that of the kept checkpoint.
    pub head_dir: PathBuf,
    /// A file is ended before it grows beyond this.
    pub rotate_bytes: u64,
    /// A file is ended when it is this old.
    pub rotate_after: Duration,
    /// Files kept; 0 for all.
    pub keep_files: usize,
    /// Newest files of which every line is checked at open; 0 for all.
    pub verify_files: usize,
}

/// What opening found.
#[derive(Debug)]
pub struct Opened {
    /// The last line.
    pub last: Chain,
    /// Files.
    pub files: usize,
    /// Lines checked.
    pub lines: u64,
    /// What was cut off.
    pub cut: Option<Torn>,
    /// There were lines but no head.
    pub head_missing: bool,
}

/// The access record, open for writing.
pub struct Record {
    shared: Arc<Shared>,
    thread: Mutex<Option<(mpsc::Sender<()>, JoinHandle<()>)>>,
}

/// What the writing end, the readers and the syncing thread share.
pub(super) struct Shared {
    pub(super) tail: Mutex<Tail>,
    options: Options,
    /// The last write failed.
    failing: AtomicBool,
    /// Called once, when a sync failed; it does not come back in a broker.
    stop: Box<dyn Fn(AccessError) + Send + Sync>,
}

pub(super) struct Tail {
    /// Oldest first; the last one is `file`.
    pub(super) files: Vec<RecordFile>,
    /// What the next line follows: the last line, or the header of a file that has none yet.
    chain: Chain,
    /// The last line.
    pub(super) last: Chain,
    file: Option<Arc<File>>,
    /// When the file was begun, microseconds since the Unix epoch.
    opened_us: u64,
    clock: Clock,
    salts: [u8; SALTS_BYTES],
    salts_used: usize,
    line: Vec<u8>,
    /// Something was written since the last sync.
    dirty: bool,
    /// A file was made since the last sync of the folder.
    folder_dirty: bool,
    /// A failed write could not be taken back.
    broken: bool,
    /// The head on disk says that no line follows.
    closed: bool,
}

impl Record {
    /// Checks what is there, goes on from its end and starts the syncing thread. `stop` is called when a sync fails; it must
    /// end the process, as nobody knows then what is on disk.
    pub fn open(
        options: Options,
        stop: impl Fn(AccessError) + Send + Sync + 'static,
    ) -> Result<(Self, Opened), AccessError> {
        let found = open(&options)?;
        let opened = Opened {
            last: found.last_line,
            files: found.files.len(),
            lines: found.lines,
            cut: found.cut.clone(),
            head_missing: found.head.is_none() && found.chain.sequence > 0,
        };
        let (tail, dir) = (Tail::new(found), options.dir.clone());
        let shared = Arc::new(Shared {
            tail: Mutex::new(tail),
            options,
            failing: AtomicBool::new(false),
            stop: Box::new(stop),
        });
        shared.sync(true)?;
        let (sender, stopped) = mpsc::channel();
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("access".into())
                .spawn(move || shared.run(&stopped))
                .map_err(AccessError::file(&dir))?
        };
        let record = Self {
            shared,
            thread: Mutex::new(Some((sender, thread))),
        };
        Ok((record, opened))
    }

    /// Writes one line. When it returns, the line is in its file; it is on disk within a second. After an error there is
    /// nothing of it.
    pub fn append(&self, entry: &Entry<'_>) -> Result<(), AccessError> {
        let fields = entry.encode();
        let outcome = self.shared.append(&fields);
        let failing = outcome.is_err();
        if self.shared.failing.swap(failing, Ordering::Relaxed) != failing {
            match &outcome {
                Err(error) => {
                    tracing::error!(%error, "the access record cannot be written; calls fail until it can")
                }
                Ok(()) => tracing::warn!("the access record can be written again"),
            }
        }
        outcome
    }

    /// Whether the last write failed.
    pub fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }

    /// A reading end.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Syncs, keeps the head and ends the thread.
    pub fn close(&self) {
        let running = lock(&self.thread).take();
        if let Some((stop, thread)) = running {
            // The thread may have ended after a failure; then there is nothing to tell it.
            let _ = stop.send(());
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn append(&self, fields: &[u8]) -> Result<(), AccessError> {
        let mut tail = lock(&self.tail);
        if tail.broken {
            return Err(AccessError::Broken);
        }
        self.rotate_if_due(&mut tail, fields.len())?;
        tail.write_line(fields)?;
        if tail.closed {
            // A call that was cut by the stop itself. The thread has ended, so this is done here.
            drop(tail);
            self.sync(false)?;
        }
        Ok(())
    }

    fn rotate_if_due(&self, tail: &mut Tail, coming: usize) -> Result<(), AccessError> {
        let now_us = tail.clock.now();
        let due = match tail.files.last() {
            None => true,
            Some(newest) => {
                // Place, salt, checksum and hash take less than this.
                let after = newest.bytes + coming as u64 + 256;
                let age = Duration::from_micros(now_us.saturating_sub(tail.opened_us));
                let empty = newest.first > tail.chain.sequence;
                !empty && (after > self.options.rotate_bytes || age >= self.options.rotate_after)
            }
        };
        if !due {
            return Ok(());
        }
        if let (Some(file), Some(newest)) = (&tail.file, tail.files.last()) {
            // Before the next file exists, so that a crash leaves no gap between two files.
            if let Err(source) = file.sync_data() {
                let path = newest.path.clone();
                (self.stop)(AccessError::File { path, source });
                tail.broken = true;
                return Err(AccessError::Broken);
            }
        }
        tail.begin_file(&self.options.dir, now_us)?;
        tail.forget_oldest(self.options.keep_files);
        Ok(())
    }

    fn run(&self, stopped: &mpsc::Receiver<()>) {
        loop {
            let last = !matches!(
                stopped.recv_timeout(SYNC_EVERY),
                Err(mpsc::RecvTimeoutError::Timeout)
            );
            if let Err(error) = self.sync_if_dirty(last) {
                (self.stop)(error);
                return;
            }
            if last {
                return;
            }
        }
    }

    fn sync_if_dirty(&self, closing: bool) -> Result<(), AccessError> {
        let dirty = lock(&self.tail).dirty;
        if dirty || closing {
            self.sync_and_keep(closing)?;
        }
        Ok(())
    }

    /// At open and after the end: whatever is there becomes what the head says.
    fn sync(&self, opening: bool) -> Result<(), AccessError> {
        if opening {
            let mut tail = lock(&self.tail);
            tail.dirty = true;
            tail.folder_dirty = true;
        }
        self.sync_and_keep(false)
    }

    fn sync_and_keep(&self, closing: bool) -> Result<(), AccessError> {
        let (file, path, last, folder) = {
            let mut tail = lock(&self.tail);
            let path = tail.files.last().map(|file| file.path.clone());
            let folder = std::mem::take(&mut tail.folder_dirty);
            tail.dirty = false;
            tail.closed = closing;
            (tail.file.clone(), path, tail.last, folder)
        };
        if let (Some(file), Some(path)) = (file, path) {
            file.sync_data().map_err(AccessError::file(&path))?;
        }
        if folder {
            let dir = &self.options.dir;
            File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(AccessError::file(dir))?;
        }
        let closed = closing;
        head::store(&self.options.head_dir, &Head { last, closed })
    }
}

impl Tail {
    fn new(found: Found) -> Self {
        let last_us = found.last_time.as_deref().map_or(0, micros_of);
        Self {
            opened_us: found.opened.as_deref().map_or(0, micros_of),
            chain: found.chain,
            last: found.last_line,
            file: found.file.map(Arc::new),
            files: found.files,
            clock: Clock::new(last_us),
            salts: [0; SALTS_BYTES],
            salts_used: SALTS_BYTES,
            line: Vec::with_capacity(1024),
            dirty: false,
            folder_dirty: false,
            broken: false,
            closed: false,
        }
    }

    fn write_line(&mut self, fields: &[u8]) -> Result<(), AccessError> {
        let salt = self.salt()?;
        let time = self.clock.text();
        let hash = encode_line(&mut self.line, &self.chain, &time, fields, &salt);
        self.write()?;
        self.chain = Chain {
            sequence: self.chain.sequence.saturating_add(1),
            hash,
        };
        self.last = self.chain;
        Ok(())
    }

    /// Appends `line` whole or not at all.
    fn write(&mut self) -> Result<(), AccessError> {
        let (Some(file), Some(newest)) = (&self.file, self.files.last_mut()) else {
            return Err(AccessError::Broken);
        };
        let mut to: &File = file;
        if let Err(source) = to.write_all(&self.line) {
            // Nothing was answered for it; a beginning of it must not stay.
            if file.set_len(newest.bytes).is_err() {
                self.broken = true;
            }
            let path = newest.path.clone();
            return Err(AccessError::File { path, source });
        }
        newest.bytes += self.line.len() as u64;
        self.dirty = true;
        Ok(())
    }

    fn begin_file(&mut self, dir: &std::path::Path, now_us: u64) -> Result<(), AccessError> {
        let first = self.chain.sequence.saturating_add(1);
        let path = path_of(dir, first);
        let file = appending(&path, true).map_err(AccessError::file(&path))?;
        let time = self.clock.text();
        let hash = encode_header(&mut self.line, &self.chain, &time);
        let mut to: &File = &file;
        if let Err(source) = to.write_all(&self.line) {
            // The file before is still the newest, and this one is made again next time.
            if fs::remove_file(&path).is_err() {
                self.broken = true;
            }
            return Err(AccessError::File { path, source });
        }
        self.files.push(RecordFile {
            first,
            path,
            bytes: self.line.len() as u64,
        });
        self.file = Some(Arc::new(file));
        self.opened_us = now_us;
        self.chain.hash = hash;
        self.dirty = true;
        self.folder_dirty = true;
        Ok(())
    }

    fn forget_oldest(&mut self, keep: usize) {
        while keep > 0 && self.files.len() > keep {
            let oldest = self.files.remove(0);
            match fs::remove_file(&oldest.path) {
                Ok(()) => {
                    tracing::info!(path = %oldest.path.display(), "the oldest file of the access record was deleted, as `access.keep_files` says")
                }
                Err(error) => {
                    tracing::warn!(%error, path = %oldest.path.display(), "an old file of the access record cannot be deleted")
                }
            }
        }
    }

    fn salt(&mut self) -> Result<[u8; SALT_BYTES], AccessError> {
        if self.salts_used >= SALTS_BYTES {
            rand::fill(&mut self.salts).map_err(|_| AccessError::Random)?;
            self.salts_used = 0;
        }
        let rest = self.salts.get(self.salts_used..).unwrap_or_default();
        let salt = rest
            .first_chunk::<SALT_BYTES>()
            .ok_or(AccessError::Random)?;
        self.salts_used += SALT_BYTES;
        Ok(*salt)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
