//! The access record: one line for every RPC, in files that only grow.
//!
//! What it is for: telling afterwards who asked for what, when, why and with which outcome; reads as well as writes. What it
//! promises: a line is in its file before the answer goes out, and on disk within a second; a line that was changed, removed,
//! moved or put in shows; after a failed write there is no half line. What it never does: hold narrative or evidence content
//! or a secret, rewrite a line, or go on after a failed sync.
//!
//! **A line** is one JSON object in printable ASCII, its fields always in this order, so that `grep` and `jq` both work:
//!
//! | field | what |
//! |---|---|
//! | `seq` | sequence number: 1, 2, 3, over all files |
//! | `time` | when the answer was ready, RFC 3339, UTC, microseconds; never goes back |
//! | `principal`, `serial`, `peer` | SPIFFE ID, serial of the certificate, address and port |
//! | `method` | such as `casebroker.v1.CaseService/GetCase`; at most 200 characters |
//! | `resource` | resource name or filter; at most 500 characters, then `...` |
//! | `purpose`, `reference` | purpose of use as the caller gave it, or empty |
//! | `outcome`, `reason` | name of the gRPC code, and the reason of a refusal or empty |
//! | `requests`, `answers`, `refused` | messages in and out, and those among the answers that refuse one statement of a stream |
//! | `cases` | cases returned |
//! | `in`, `out` | bytes of gRPC messages with their framing |
//! | `us` | duration, microseconds |
//! | `salt` | 8 random bytes: a hash shown to one member does not confirm a guess at the line of another before it |
//! | `crc` | CRC-32C of everything in the line before `,"crc"` |
//! | `hash` | SHA-256 of the 32 bytes of the hash before and of everything in this line before `,"crc"` |
//!
//! **A file** is named `access-<first sequence number>.jsonl`, twenty digits, so names sort. Its first line has `record`,
//! `first`, `previous` and `opened` in place of the fields above; `previous` is the last hash of the file before, 64 zeros in
//! the first. It is part of the chain and has no number.
//!
//! **The head**, sequence number and hash of the last line that is on disk, is kept in `access-head` beside the kept
//! checkpoint: a tail that was cut off shows by it. **A torn last line** can only lie behind the head; it is cut off at open.

mod clock;
mod head;
mod line;
mod lines;
mod open;
mod query;
mod report;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::{io, path::PathBuf};

pub use head::{Head, load as load_head};
pub use line::{Entry, Line, MAX_LINE_BYTES};
pub use query::{Order, Page, Query, Reader};
pub use report::{Fault, Report, Torn};
pub use verify::verify;
pub use writer::{Opened, Options, Record};

/// SHA-256.
pub type Hash = [u8; 32];

/// A place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// Sequence number of the last line; 0 before the first.
    pub sequence: u64,
    /// Hash of the last line or file header.
    pub hash: Hash,
}

impl Chain {
    /// Before the first line.
    pub const BEGIN: Self = Self {
        sequence: 0,
        hash: [0; 32],
    };
}

/// Why the record cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not what was written.
    #[error(
        "{0}; restore the access record from a backup, or move it and `access-head` away on purpose (nothing was changed)"
    )]
    Damaged(Fault),
    /// An earlier failed write could not be taken back.
    #[error(
        "an earlier write failed and its beginning could not be taken back; restart the broker"
    )]
    Broken,
    /// No random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// Bytes of all files in a folder of the record; 0 if they cannot be listed.
pub fn bytes(dir: &std::path::Path) -> u64 {
    let files = lines::list(dir).unwrap_or_default();
    files.iter().map(|file| file.bytes).sum()
}

impl AccessError {
    fn file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
