//! Everything that can go wrong with a journal. Each message says what is wrong and what to do next.

use std::io;
use std::path::PathBuf;

/// Why a journal could not be opened, appended to or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has the journal open.
    #[error(
        "the journal {dir} is held by another broker ({holder}): stop that one first, or give this one a data directory of its own"
    )]
    Locked { dir: PathBuf, holder: String },

    /// Opening found no journal.
    #[error(
        "there is no journal in {dir}: check the data directory (an unmounted volume looks like this), or create a new journal there on purpose"
    )]
    NotThere { dir: PathBuf },

    /// Creating found something already there.
    #[error(
        "{dir} is not empty (it holds {found}): open it instead, or create the new journal in an empty directory"
    )]
    AlreadyThere { dir: PathBuf, found: String },

    /// A file that the journal did not put there.
    #[error(
        "{path} is not a file of the journal: move it out of the journal's directory, which holds nothing else"
    )]
    UnknownFile { path: PathBuf },

    /// Positions are missing between two segments, or before the first.
    #[error(
        "positions {from} to {to} are missing: no segment before {segment} holds them; put back the missing segment file, or restore the journal from a backup"
    )]
    MissingSegment { segment: String, from: u64, to: u64 },

    /// Two segments hold the same positions.
    #[error(
        "segment {segment} begins at position {found}, but the segments before it already reach position {expected}: one of them belongs to another copy of the journal; restore from one backup, never from a mixture"
    )]
    Overlap {
        segment: String,
        found: u64,
        expected: u64,
    },

    /// The file does not begin like a segment.
    #[error(
        "segment {segment} does not begin with a segment header ({what}): restore this file from a backup; do not delete it"
    )]
    DamagedHeader { segment: String, what: String },

    /// The segment was written by another version of the format.
    #[error(
        "segment {segment} has format version {found} and this broker reads version {known}: start the broker version that wrote it, or a newer one"
    )]
    UnknownFormat {
        segment: String,
        found: u32,
        known: u32,
    },

    /// The segment belongs to another log.
    #[error(
        "segment {segment} belongs to the log {found:?}, but this broker serves {expected:?}: correct the configured log origin or the data directory"
    )]
    OtherOrigin {
        segment: String,
        found: String,
        expected: String,
    },

    /// The file's name and its header disagree.
    #[error(
        "segment {segment} says in its header that it begins at position {found}: files were renamed or swapped; restore their names or restore from a backup"
    )]
    WrongName { segment: String, found: u64 },

    /// Bytes that were durable have changed.
    #[error(
        "segment {segment} is damaged at offset {offset}, position {position}: {what}; check the disk and restore the journal from a backup (nothing was changed)"
    )]
    Damaged {
        segment: String,
        offset: u64,
        position: u64,
        what: String,
    },

    /// A whole group was refused by whoever checks its meaning.
    #[error(
        "segment {segment}, group at offset {offset}, position {position}: {reason}; restore the journal from a backup (nothing was changed)"
    )]
    Refused {
        segment: String,
        offset: u64,
        position: u64,
        reason: String,
    },

    /// The journal ends before a checkpoint that is known to have been given out.
    #[error(
        "the journal ends at tree size {found}, but the checkpoint kept beside it covers {expected} ({detail}): acknowledged entries are missing; restore the newest copy of the journal (nothing was changed)"
    )]
    BehindCheckpoint {
        expected: u64,
        found: u64,
        detail: String,
    },

    /// The journal and the known checkpoint are different histories.
    #[error(
        "the journal disagrees with the checkpoint kept beside it at tree size {tree_size}: {detail}; this is another history, restore the copy that belongs to the checkpoint (nothing was changed)"
    )]
    OtherHistory { tree_size: u64, detail: String },

    /// An option is out of its range.
    #[error("journal option {option} is {value}: {accepted}")]
    InvalidOption {
        option: &'static str,
        value: String,
        accepted: String,
    },

    /// A caller's mistake in a group; nothing of it was written.
    #[error(
        "the group was not written: {reason}; this is a defect of the caller, stop the broker and report it"
    )]
    InvalidGroup { reason: String },

    /// A write or a sync failed.
    #[error(
        "{during} {path} failed: {source}; it is unknown what is on disk, so the broker must stop: check the disk and its free space, then start again"
    )]
    Fatal {
        during: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    /// There is no room for the next segment. Nothing of a group was written.
    #[error(
        "the segment {path} cannot be made: {source}; free at least {needed_bytes} bytes there and start again (nothing acknowledged is lost)"
    )]
    Full {
        path: PathBuf,
        needed_bytes: u64,
        source: io::Error,
    },

    /// An earlier append failed.
    #[error(
        "an earlier append failed and nothing can be appended any more: stop the broker and start it again"
    )]
    Poisoned,

    /// A file could not be read.
    #[error("cannot read {path}: {source}; check that it exists, its permissions and the disk")]
    Unreadable { path: PathBuf, source: io::Error },
}
