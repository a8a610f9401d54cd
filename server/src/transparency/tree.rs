//! The tree's nodes in one append-only file of 32-byte hashes, in stored order (see `tlog::stored_index`). It is a cache of
//! the journal, made anew at every start, so it is never synced and needs no recovery.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use casebroker_proto::tlog::{HASH_BYTES, Hash, HashReader, stored_index};

use super::LogError;

/// Nodes on disk, 64 bytes an entry in the long run; nothing of them stays in memory but the system's page cache.
#[derive(Debug)]
pub struct TreeFile {
    file: File,
    path: PathBuf,
}

impl TreeFile {
    /// An empty file in place of whatever was there.
    pub fn create(path: &Path) -> Result<Self, LogError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(|source| LogError::File {
                path: path.into(),
                source,
            })?;
        Ok(Self {
            file,
            path: path.into(),
        })
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
