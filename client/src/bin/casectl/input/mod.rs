//! Statements from files: JSON or JSONL of any size, one value at a time.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use crate::failure::{Failure, Result};

pub mod decode;
mod locate;
pub mod values;

pub use decode::decode;
pub use locate::line_of;
pub use values::{Problem, RawValue, Values};

/// A file, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input, written `-`.
    Stdin,
}

impl Source {
    /// From the command line's argument.
    pub fn new(argument: &Path) -> Self {
        match argument.to_str() {
            Some("-") => Self::Stdin,
            _ => Self::File(argument.into()),
        }
    }

    /// Name for messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "-".into(),
        }
    }

    /// Whether its name says that each line is a value.
    pub fn is_lines(&self) -> bool {
        match self {
            Self::File(path) => path
                .extension()
                .is_some_and(|e| e == "jsonl" || e == "ndjson"),
            Self::Stdin => false,
        }
    }

    /// Whether it can be read once only: standard input, or a path that is a pipe or a device.
    pub fn is_stream(&self) -> bool {
        match self {
            Self::File(path) => path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()),
            Self::Stdin => true,
        }
    }

    /// Size in bytes, where it is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::File(path) => path
                .metadata()
                .ok()
                .filter(|m| m.is_file())
                .map(|m| m.len()),
            Self::Stdin => None,
        }
    }

    /// Opens it.
    pub fn open(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(e) => Err(Failure::file(path.display(), &e)),
            },
            Self::Stdin => Ok(Box::new(io::stdin())),
        }
    }

    /// Its values, one at a time.
    pub fn values(&self) -> Result<Values<BufReader<Box<dyn Read + Send>>>> {
        let reader = BufReader::with_capacity(256 * 1024, self.open()?);
        Ok(Values::new(reader, self.is_lines()))
    }
}
