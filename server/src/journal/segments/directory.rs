//! The directory of a journal: its lock, the names in it, and how a segment file comes into being.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FallocateFlags, RenameFlags, fallocate, renameat_with};

use super::format::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::durable;
use crate::journal::JournalError;

const LOCK: &str = "LOCK";
/// Where the next segment is made before it gets its name.
const DRAFT: &str = "next.tmp";
const SUFFIX: &str = ".segment";
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// How long a start waits for the lock: the system lets go of a killed process's files a moment after it is gone.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How often it looks.
const LOCK_EVERY: Duration = Duration::from_millis(20);

/// A journal's directory, held against other processes for as long as this lives.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// `None` for looking only.
    locks: Option<Locks>,
    /// Nobody held it before: there was no lock file.
    is_new: bool,
}

/// Locks of a directory (flock(2)). They go with the descriptors, so also when the process is killed.
#[derive(Debug)]
struct Locks {
    /// The directory itself: it stays locked when the lock file is removed.
    _directory: File,
    /// The lock file, which also says who holds it.
    file: File,
}

/// What is in the directory.
#[derive(Debug)]
pub struct Listing {
    /// First positions of the segments, ascending.
    pub segments: Vec<u64>,
    /// What an interrupted start of a segment left behind; never holds an entry.
    pub leftovers: Vec<PathBuf>,
}

/// The segment that is being written.
#[derive(Debug)]
pub struct Tail {
    pub file: File,
    pub first_position: u64,
    /// Where the next group goes.
    pub offset: u64,
    pub file_bytes: u64,
    pub seed: u32,
}

/// A file of zeros under a temporary name, on disk, waiting to become a segment.
#[derive(Debug)]
pub struct Draft {
    file: File,
    bytes: u64,
}

pub fn segment_name(first_position: u64) -> String {
    format!("{first_position:020}{SUFFIX}")
}

/// Whether `dir` holds at least one segment.
pub fn holds_segments(dir: &Path) -> Result<bool, JournalError> {
    holds(dir, |name| parse_segment_name(name).is_some())
}

/// Whether `dir` holds a lock file: a journal was begun there, or is being begun now.
pub fn holds_lock(dir: &Path) -> Result<bool, JournalError> {
    holds(dir, |name| name == LOCK)
}

fn holds(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<bool, JournalError> {
    match names(dir) {
        Ok(names) => Ok(names.iter().any(|name| wanted(name))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(unreadable(dir, source)),
    }
}

/// Who holds the journal, if somebody does.
pub fn holder(dir: &Path) -> Result<Option<String>, JournalError> {
    let path = dir.join(LOCK);
    let mut lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(&path, source)),
    };
    // Shared, and let go at once: this only asks.
    let directory = File::open(dir).map_err(|source| unreadable(dir, source))?;
    match lock
        .try_lock_shared()
        .and_then(|()| directory.try_lock_shared())
    {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only a courtesy to the reader.
            let _ = Read::by_ref(&mut lock).take(64).read_to_string(&mut holder);
            Ok(Some(holder.trim().to_owned()))
        }
        Err(TryLockError::Error(source)) => Err(unreadable(&path, source)),
    }
}

/// Origin that the first segment states, if its header can be read.
pub fn origin(dir: &Path) -> Option<String> {
    let mut segments: Vec<_> = names(dir)
        .ok()?
        .iter()
        .filter_map(|name| parse_segment_name(name))
        .collect();
    segments.sort_unstable();
    let mut header = vec![0; SEGMENT_HEADER_BYTES];
    let mut file = File::open(dir.join(segment_name(*segments.first()?))).ok()?;
    file.read_exact(&mut header).ok()?;
    Some(SegmentHeader::decode(&header).ok()?.0.origin)
}

/// Writes zeros over `from..to`, so that the extents are written and not only reserved.
pub fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let len = (to - at).min(ZEROS.len() as u64);
        file.write_all_at(ZEROS.get(..len as usize).unwrap_or(&ZEROS), at)?;
        at += len;
    }
    Ok(())
}

impl Directory {
    /// Takes a directory, making it if it is not there. Nothing else in it is changed.
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        durable::create_dir(path).map_err(|source| fatal("creating", path, source))?;
        let lock_path = path.join(LOCK);
        let directory = File::open(path).map_err(|source| unreadable(path, source))?;
        if !wait_for(&directory).map_err(|source| unreadable(path, source))? {
            return Err(JournalError::Locked {
                dir: path.to_owned(),
                holder: fs::read_to_string(&lock_path)
                    .map_or("a process that is not known".into(), |text| {
                        text.trim().to_owned()
                    }),
            });
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let (mut lock, is_new) = match options.clone().create_new(true).open(&lock_path) {
            Ok(lock) => (lock, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let lock = options.open(&lock_path);
                (lock.map_err(|e| unreadable(&lock_path, e))?, false)
            }
            Err(source) => return Err(unreadable(&lock_path, source)),
        };
        if !wait_for(&lock).map_err(|source| unreadable(&lock_path, source))? {
            let mut holder = String::new();
            // Only a courtesy to the reader of the message: the lock itself is what counts.
            let _ = lock.take(64).read_to_string(&mut holder);
            return Err(JournalError::Locked {
                dir: path.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        let note = format!("process {}\n", std::process::id());
        lock.set_len(0)
            .and_then(|()| lock.write_all(note.as_bytes()))
            .map_err(|source| fatal("writing", &lock_path, source))?;
        Ok(Self {
            path: path.to_owned(),
            locks: Some(Locks {
                _directory: directory,
                file: lock,
            }),
            is_new,
        })
    }

    /// Fails if the lock file under its name is not the one that is locked: then another broker could hold the journal, too.
    ///
    /// # Errors
    /// [`JournalError::Fatal`].
    pub fn check_locked(&self) -> Result<(), JournalError> {
        let Some(locks) = &self.locks else {
            return Ok(());
        };
        let path = self.path.join(LOCK);
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let outcome = fs::metadata(&path).and_then(|named| {
            match inode(named) == inode(locks.file.metadata()?) {
                true => Ok(()),
                false => Err(io::Error::other(
                    "it is another file than the one that was locked",
                )),
            }
        });
        outcome.map_err(|source| fatal("looking at the lock file", &path, source))
    }

    /// Whether nobody held it before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Refuses a directory that holds anything of a journal already, or anything else.
    pub fn check_empty(path: &Path) -> Result<(), JournalError> {
        let known = |name: &String| name == LOCK || name == DRAFT;
        let names = match names(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names.map_err(|source| unreadable(path, source))?,
        };
        match names.into_iter().find(|name| !known(name)) {
            Some(found) => Err(JournalError::AlreadyThere {
                dir: path.to_owned(),
                found,
            }),
            None => Ok(()),
        }
    }

    /// Takes nothing, to look only.
    pub fn look(path: &Path) -> Result<Self, JournalError> {
        if !holds_segments(path)? {
            return Err(JournalError::NotThere {
                dir: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            locks: None,
            is_new: false,
        })
    }

    /// Everything in the directory; an unknown name is an error.
    pub fn list(&self) -> Result<Listing, JournalError> {
        let mut listing = Listing {
            segments: Vec::new(),
            leftovers: Vec::new(),
        };
        for name in names(&self.path).map_err(|source| unreadable(&self.path, source))? {
            let path = self.path.join(&name);
            let is_file = fs::symlink_metadata(&path)
                .map_err(|source| unreadable(&path, source))?
                .is_file();
            match parse_segment_name(&name) {
                Some(first_position) if is_file => listing.segments.push(first_position),
                _ if name == LOCK => {}
                _ if name == DRAFT && is_file => listing.leftovers.push(path),
                _ => return Err(JournalError::UnknownFile { path }),
            }
        }
        listing.segments.sort_unstable();
        Ok(listing)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn segment_path(&self, first_position: u64) -> PathBuf {
        self.path.join(segment_name(first_position))
    }

    /// Makes the segment that begins at `first_position`, of at least `bytes`, out of `draft` if there is one. When it
    /// returns, file, header, name and directory are on disk. It takes the place of `empty`, if that has the same name and
    /// holds no group; no other segment is ever replaced.
    pub fn new_segment(
        &self,
        empty: Option<&Tail>,
        draft: Option<Draft>,
        first_position: u64,
        bytes: u64,
        origin: &str,
    ) -> Result<Tail, JournalError> {
        let path = self.segment_path(first_position);
        let make = || {
            let draft = match draft {
                Some(draft) if draft.bytes >= bytes => draft,
                _ => Draft::make(&self.path, bytes)?,
            };
            let header = SegmentHeader {
                first_position,
                file_bytes: draft.bytes,
                id: uuid::Uuid::new_v4().into_bytes(),
                origin: origin.to_owned(),
            };
            let (header, seed) = header.encode();
            lock_segment(&draft.file)?;
            draft.file.write_all_at(&header, 0)?;
            draft.file.sync_all()?;
            let from = self.path.join(DRAFT);
            match empty.is_some_and(|tail| tail.is_empty_at(first_position)) {
                true => fs::rename(from, &path)?,
                false => rename_to_new(&from, &path)?,
            }
            durable::sync_dir(&self.path)?;
            Ok(Tail {
                file: draft.file,
                first_position,
                offset: SEGMENT_HEADER_BYTES as u64,
                file_bytes: draft.bytes,
                seed,
            })
        };
        make().map_err(|source| match is_full(&source) {
            true => JournalError::Full {
                path: path.clone(),
                needed_bytes: bytes,
                source,
            },
            false => fatal("making the segment", &path, source),
        })
    }

    /// Removes what an interrupted start of a segment left behind.
    pub fn remove_leftovers(&self, leftovers: &[PathBuf]) -> Result<(), JournalError> {
        for path in leftovers {
            fs::remove_file(path).map_err(|source| fatal("removing", path, source))?;
        }
        Ok(())
    }
}

impl Tail {
    fn is_empty_at(&self, first_position: u64) -> bool {
        self.first_position == first_position && self.offset == SEGMENT_HEADER_BYTES as u64
    }
}

impl Draft {
    /// Makes a file of `bytes` written zeros and syncs it, in place of an older draft. If that fails, the file is taken
    /// away again, so that it does not hold the space that is missing.
    pub fn make(dir: &Path, bytes: u64) -> io::Result<Self> {
        let path = dir.join(DRAFT);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)?;
        let fill = || {
            // One extent if the file system can; the zeros are what matters, so that one that cannot is fine as well.
            match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error.into()),
            }
            write_zeros(&file, 0, bytes)?;
            file.sync_all()
        };
        match fill() {
            Ok(()) => Ok(Self { file, bytes }),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Takes the draft away again, at an orderly end; one that stays is removed by the next start.
    pub fn discard(self, dir: &Path) {
        let _ = fs::remove_file(dir.join(DRAFT));
    }
}

/// Whether an error says that there is no space.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

pub fn fatal(during: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Fatal {
        during,
        path: path.to_owned(),
        source,
    }
}

pub fn unreadable(path: &Path, source: io::Error) -> JournalError {
    JournalError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

/// Locks the file of the segment that is written: two names of one directory tree lead to one inode.
pub fn lock_segment(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::other("another process writes this segment"))
        }
    }
}

/// Waits for the lock a moment; whether it was got.
fn wait_for(lock: &File) -> io::Result<bool> {
    let begin = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begin.elapsed() >= LOCK_WAIT => return Ok(false),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_EVERY),
        }
    }
}

/// Renames a file, but never over another: a segment is not replaced, whoever made it.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know the flag. The lock keeps others out, so looking first is enough.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => match to.try_exists()? {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => fs::rename(from, to),
        },
        outcome => Ok(outcome?),
    }
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(dir)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then(|| digits.parse().ok()).flatten()
}
