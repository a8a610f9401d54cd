//! The tree's nodes in one append-only file of 32-byte hashes, in stored order (see `tlog::stored_index`). It is a cache of
//! the journal, made anew at every start, so it is never synced and needs no recovery.
//!
//! It is made under another name and renamed once it is whole: a start that refuses leaves the old one as it was.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use casebroker_proto::tlog::{HASH_BYTES, Hash, HashReader, TreeError, root, stored_index};

use super::LogError;

/// Nodes on disk, 64 bytes an entry in the long run; nothing of them stays in memory but the system's page cache.
#[derive(Debug)]
pub struct TreeFile {
    file: File,
    path: PathBuf,
    /// Where the file is while it is being made.
    draft: Option<PathBuf>,
}

impl TreeFile {
    /// Begins an empty file that will take the place of `path`. To be called by the holder of the journal's lock.
    pub fn begin(path: &Path) -> Result<Self, LogError> {
        let draft = path.with_extension("new");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&draft)
            .map_err(|source| LogError::File {
                path: draft.clone(),
                source,
            })?;
        Ok(Self {
            file,
            path: path.into(),
            draft: Some(draft),
        })
    }

    /// Puts the file in its place.
    pub fn finish(mut self) -> Result<Self, LogError> {
        if let Some(draft) = &self.draft {
            fs::rename(draft, &self.path).map_err(|source| LogError::File {
                path: self.path.clone(),
                source,
            })?;
        }
        self.draft = None;
        Ok(self)
    }

    /// Root of the first `size` entries.
    pub fn root(&self, size: u64) -> Result<Hash, TreeError<io::Error>> {
        root(self, size)
    }

    /// Writes nodes at their place.
    pub fn append(&self, first_stored_index: u64, nodes: &[Hash]) -> Result<(), LogError> {
        let bytes: Vec<u8> = nodes.iter().flat_map(|node| *node.as_bytes()).collect();
        self.file
            .write_all_at(&bytes, first_stored_index * HASH_BYTES as u64)
            .map_err(|source| LogError::File {
                path: self.path.clone(),
                source,
            })
    }
}

impl HashReader for TreeFile {
    type Error = io::Error;

    fn read(&self, level: u8, index: u64) -> Result<Hash, io::Error> {
        let mut hash = [0; HASH_BYTES];
        self.file
            .read_exact_at(&mut hash, stored_index(level, index) * HASH_BYTES as u64)?;
        Ok(Hash::from_bytes(hash))
    }
}

impl Drop for TreeFile {
    fn drop(&mut self) {
        if let Some(draft) = &self.draft {
            // The start was refused. One that stays is written over by the next start.
            let _ = fs::remove_file(draft);
        }
    }
}
