//! What reading the record found.

use std::{fmt, path::PathBuf};

use super::{Chain, lines::RecordFile};

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File or folder.
    pub path: PathBuf,
    /// Line in the file, from 1; 0 if it is not about one line.
    pub line: u64,
    /// Where the line begins, bytes.
    pub offset: u64,
    /// Sequence number expected there.
    pub sequence: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.line {
            0 => write!(f, "{path}: {}", self.what),
            line => write!(
                f,
                "{path}:{line} (offset {}, sequence number {}): {}",
                self.offset, self.sequence, self.what
            ),
        }
    }
}

/// An incomplete last write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// File.
    pub path: PathBuf,
    /// Line, from 1; 1 is the file's own first line, and then the file holds nothing.
    pub line: u64,
    /// Where it begins, bytes.
    pub offset: u64,
    /// Bytes from there to the end.
    pub bytes: u64,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Files, oldest first, with the bytes of their whole lines.
    pub files: Vec<RecordFile>,
    /// Files of which only the ends were looked at.
    pub skipped: usize,
    /// Lines read.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Sequence number of the oldest line kept; 0 if there is no line.
    pub first: u64,
    /// End of the chain: the last line, or the header of a file that has none yet.
    pub last: Option<Chain>,
    /// The last line.
    pub last_line: Option<Chain>,
    /// Time of the last line or file header.
    pub last_time: Option<String>,
    /// When the newest file was begun.
    pub opened: Option<String>,
    /// Hash of the line that the head names was looked at.
    pub head_seen: bool,
    /// An incomplete last write, which no head covers.
    pub torn: Option<Torn>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub more_faults: u64,
}
