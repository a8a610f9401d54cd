//! Files of lines: their names, and reading them forward.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{AccessError, line::MAX_LINE_BYTES};

const PREFIX: &str = "access-";
const SUFFIX: &str = ".jsonl";

/// One file of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFile {
    /// Sequence number of its first line.
    pub first: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes of whole lines in it.
    pub bytes: u64,
}

/// Path of the file that begins with a sequence number.
pub fn path_of(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{first:020}{SUFFIX}"))
}

/// The files of a folder, oldest first; none if there is no folder. Other names are left alone.
pub fn list(dir: &Path) -> Result<Vec<RecordFile>, AccessError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(AccessError::file(dir)(source)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(AccessError::file(dir))?;
        if let Some(first) = first_of(&entry.file_name().to_string_lossy()) {
            let path = entry.path();
            match fs::metadata(&path) {
                Ok(metadata) => files.push(RecordFile {
                    first,
                    path,
                    bytes: metadata.len(),
                }),
                // A running broker may delete the oldest file meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(AccessError::File { path, source }),
            }
        }
    }
    files.sort_unstable_by_key(|file| file.first);
    Ok(files)
}

fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    well_formed.then(|| digits.parse().ok()).flatten()
}

/// One line as it lies in its file.
#[derive(Debug, Clone, Copy)]
pub struct RawLine<'a> {
    /// Number in the file, from 1.
    pub number: u64,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes without the end.
    pub bytes: &'a [u8],
    /// Whether it has an end and a length that a line may have.
    pub whole: bool,
}

/// Reads a file forward, up to a length. A line that is too long comes in pieces that are not whole.
#[derive(Debug)]
pub struct Lines {
    file: io::Take<File>,
    buffer: Vec<u8>,
    begin: usize,
    number: u64,
    offset: u64,
}

const CHUNK_BYTES: usize = 1 << 18;

impl Lines {
    /// The first `bytes` of a file.
    pub fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?.take(bytes),
            buffer: Vec::with_capacity(CHUNK_BYTES + MAX_LINE_BYTES),
            begin: 0,
            number: 0,
            offset: 0,
        })
    }

    /// The next line; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        let mut looked = 0;
        let (len, whole) = loop {
            let rest = self.buffer.get(self.begin..).unwrap_or_default();
            if let Some(at) = rest.iter().skip(looked).position(|b| *b == b'\n') {
                break (looked + at + 1, true);
            }
            looked = rest.len();
            if looked >= MAX_LINE_BYTES {
                break (looked, false);
            }
            if !self.fill()? {
                break (looked, false);
            }
        };
        if len == 0 {
            return Ok(None);
        }
        let (begin, offset) = (self.begin, self.offset);
        self.begin += len;
        self.offset += len as u64;
        self.number += 1;
        let end = if whole { len - 1 } else { len };
        Ok(Some(RawLine {
            number: self.number,
            offset,
            bytes: self.buffer.get(begin..begin + end).unwrap_or_default(),
            whole: whole && len <= MAX_LINE_BYTES,
        }))
    }

    /// Reads on; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.begin);
        self.begin = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + CHUNK_BYTES, 0);
        let read = self
            .file
            .read(self.buffer.get_mut(held..).unwrap_or_default())?;
        self.buffer.truncate(held + read);
        Ok(read > 0)
    }
}
