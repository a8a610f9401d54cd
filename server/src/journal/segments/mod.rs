//! The embedded journal: one directory of segment files on a local disk.
//!
//! **What it is for.** A broker on one machine. A group is one contiguous write into a file made ahead of time and one
//! `fdatasync`; the layout is in `format`.
//!
//! **What it promises**, beyond the journal's promises:
//! - Opening reads every group of every segment and refuses on any difference, naming segment, offset and position. Only
//!   the last write of the last segment may be incomplete, because only that one can have been in flight; it is cut off
//!   and reported.
//! - Memory stays flat: one index point for each 16 KiB of segment, and at most 16 files open.
//! - The directory belongs to it alone: a second broker is kept out by a lock, a file it does not know stops the start.
//! - What opening found is on disk before it is used: see `settle`.
//!
//! **What it cannot know.** A flipped bit in the very last group looks the same as a write that a power cut tore,
//! because a disk may write the pages of one request in any order. Structure cannot decide it. So `open` takes the
//! newest checkpoint that is known from elsewhere and refuses, before anything is cut, if the whole groups end before
//! it. What was acknowledged after that checkpoint was last synced is protected by the disk alone.
//!
//! **Why zeros are written ahead.** A file that is only preallocated has extents marked as unwritten; the first write to
//! each costs a commit of the file system's own journal inside our `fdatasync`. Measured on ext4, groups of 64 entries
//! of 1.2 KB: 0.1 ms a group into written zeros, 0.3 to 4 ms into preallocated space. The next segment is therefore
//! made, zeros and all, by a thread of its own once the current one is half full.
//!
//! **What it never does.** It never creates a journal where one was expected, deletes a segment, or changes a byte of a
//! whole group.

mod directory;
pub mod format;
mod index;
mod reader;
mod recovery;
mod settle;
#[cfg(test)]
mod tests;
mod torn;
mod window;
mod writer;

use std::path::Path;
use std::sync::Arc;

use super::{Group, GroupTrailer, Journal, JournalError, JournalReader, MAX_GROUP_BYTES};
use directory::Directory;
pub use recovery::{Recovery, Visit};
pub use torn::Cut;
use writer::Writer;

/// Smallest accepted [`Options::segment_bytes`]; real journals want 64 MiB, tests want rolls.
pub const MIN_SEGMENT_BYTES: u64 = 8 << 10;
/// Largest accepted [`Options::segment_bytes`].
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;

/// How the journal is laid out. Both apply to segments made from now on; the origin is checked on every segment.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size of a segment file in bytes, [`MIN_SEGMENT_BYTES`] to [`MAX_SEGMENT_BYTES`]. A group that is larger gets a
    /// segment of its own size.
    pub segment_bytes: u64,
    /// Origin of the log as on its checkpoints, 1 to 255 bytes; keeps the segments of two logs apart.
    pub log_origin: String,
}

impl Options {
    /// Segments of 64 MiB for the log `log_origin`.
    pub fn new(log_origin: impl Into<String>) -> Self {
        Self {
            segment_bytes: 64 << 20,
            log_origin: log_origin.into(),
        }
    }

    fn check(&self) -> Result<(), JournalError> {
        if !(MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&self.segment_bytes) {
            return Err(JournalError::InvalidOption {
                option: "segment_bytes",
                value: self.segment_bytes.to_string(),
                accepted: format!("choose {MIN_SEGMENT_BYTES} to {MAX_SEGMENT_BYTES} bytes"),
            });
        }
        if !(1..=format::MAX_ORIGIN_BYTES).contains(&self.log_origin.len()) {
            return Err(JournalError::InvalidOption {
                option: "log_origin",
                value: format!("{:?}", self.log_origin),
                accepted: format!("choose a text of 1 to {} bytes", format::MAX_ORIGIN_BYTES),
            });
        }
        Ok(())
    }
}

/// An open journal of segment files. Dropping it releases the directory.
#[derive(Debug)]
pub struct Segments {
    writer: Writer,
}

impl Segments {
    /// Makes a new, empty journal. `dir` must not exist yet or be empty.
    ///
    /// # Errors
    /// [`JournalError::AlreadyThere`], [`JournalError::Locked`], [`JournalError::InvalidOption`], or
    /// [`JournalError::Fatal`] when the disk refuses.
    pub fn create(dir: &Path, options: Options) -> Result<Self, JournalError> {
        options.check()?;
        // Looked at before the lock file is made, so that a wrong path is left as it was.
        Directory::check_empty(dir)?;
        Held::take(dir)?.create(options)
    }

    /// Opens an existing journal, reading all of it forward.
    ///
    /// `expected` is tree size and root of the newest checkpoint known from outside the journal: a group must end
    /// exactly there with that root. `visit` gets every whole group in order: position of its first entry, entries,
    /// trailer; an `Err` from it refuses the start with that reason. Nothing on disk is changed before every check has
    /// passed; then an incomplete last write is cut off and reported in [`Recovery::cut`], and the groups of the last segment
    /// that lie beyond `expected` are written and synced again, as nobody knows whether their sync ended well.
    ///
    /// # Errors
    /// One variant of [`JournalError`] for each way in which the directory is not what was written.
    pub fn open(
        dir: &Path,
        options: Options,
        expected: Option<(u64, [u8; 32])>,
        visit: &mut Visit<'_>,
    ) -> Result<(Self, Recovery), JournalError> {
        options.check()?;
        if !directory::holds_segments(dir)? {
            return Err(JournalError::NotThere {
                dir: dir.to_owned(),
            });
        }
        Held::take(dir)?.open(options, expected, visit)
    }

    /// Reads an existing journal as [`Segments::open`] does and changes nothing: an incomplete last write and leftovers are
    /// reported as what the next start will cut and remove. `live` if a broker writes it meanwhile.
    ///
    /// # Errors
    /// As for [`Segments::open`], but it needs no lock.
    pub fn look(
        dir: &Path,
        log_origin: &str,
        expected: Option<(u64, [u8; 32])>,
        live: bool,
        visit: &mut Visit<'_>,
    ) -> Result<Recovery, JournalError> {
        let directory = Directory::look(dir)?;
        recovery::look(&directory, log_origin, expected, live, visit)
    }

    /// Who writes the journal in `dir`, if somebody does: what its lock file says.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`] if that cannot be found out.
    pub fn holder(dir: &Path) -> Result<Option<String>, JournalError> {
        directory::holder(dir)
    }

    /// Origin that the first segment states, if its header can be read.
    pub fn origin(dir: &Path) -> Option<String> {
        directory::origin(dir)
    }

    /// Whether a journal was begun in `dir`, or is being begun now: there is a segment or a lock file.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`] if that cannot be found out.
    pub fn exists(dir: &Path) -> Result<bool, JournalError> {
        Ok(directory::holds_segments(dir)? || directory::holds_lock(dir)?)
    }
}

/// The directory of a journal, held against other brokers, with nothing read or made in it yet.
#[derive(Debug)]
pub struct Held {
    directory: Directory,
}

impl Held {
    /// Takes a directory, making it if it is not there. Only its lock file is written. If another broker holds it, waits
    /// about two seconds: one that was killed may still be on its way out.
    ///
    /// # Errors
    /// [`JournalError::Locked`], or what the disk says.
    pub fn take(dir: &Path) -> Result<Self, JournalError> {
        let directory = Directory::take(dir)?;
        Ok(Self { directory })
    }

    /// Whether a journal may begin here: it holds no segment, and nobody held it before.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`] if that cannot be found out.
    pub fn is_new(&self) -> Result<bool, JournalError> {
        Ok(self.directory.is_new() && !self.holds_segments()?)
    }

    /// Whether it holds at least one segment. What was there before it was taken is no answer: another broker may have
    /// come and gone in between.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`] if that cannot be found out.
    pub fn holds_segments(&self) -> Result<bool, JournalError> {
        directory::holds_segments(self.directory.path())
    }

    /// As [`Segments::create`].
    ///
    /// # Errors
    /// As [`Segments::create`].
    pub fn create(self, options: Options) -> Result<Segments, JournalError> {
        options.check()?;
        let directory = self.directory;
        Directory::check_empty(directory.path())?;
        let tail =
            directory.new_segment(None, None, 0, options.segment_bytes, &options.log_origin)?;
        let found = recovery::Found::empty(tail);
        Ok(Segments {
            writer: Writer::new(directory, options, found),
        })
    }

    /// As [`Segments::open`].
    ///
    /// # Errors
    /// As [`Segments::open`].
    pub fn open(
        self,
        options: Options,
        expected: Option<(u64, [u8; 32])>,
        visit: &mut Visit<'_>,
    ) -> Result<(Segments, Recovery), JournalError> {
        options.check()?;
        let directory = self.directory;
        let (found, recovery) =
            recovery::recover(&directory, &options.log_origin, expected, visit)?;
        let writer = Writer::new(directory, options, found);
        Ok((Segments { writer }, recovery))
    }
}

impl Journal for Segments {
    fn append(&mut self, group: Group<'_>) -> Result<(), JournalError> {
        self.writer.append(&group)
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.writer.reader()
    }
}

/// Largest file a segment can be: a single group of the largest size.
const MAX_FILE_BYTES: u64 = {
    let one_group = (MAX_GROUP_BYTES + format::SEGMENT_HEADER_BYTES) as u64;
    if one_group > MAX_SEGMENT_BYTES {
        one_group
    } else {
        MAX_SEGMENT_BYTES
    }
};

/// What the newest durable group left behind.
#[derive(Debug, Clone, Default)]
struct Durable {
    next_position: u64,
    last_group: Option<GroupTrailer>,
}
