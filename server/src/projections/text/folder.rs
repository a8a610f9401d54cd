//! The index's folder as tantivy sees it.
//!
//! Nothing is synced. tantivy would sync each file that a commit makes, its list of files for each of them, and the folder; and
//! a sync of a file that has grown waits for the file system's own log, which the journal's syncs wait for too. What a power cut
//! leaves is found out at the next start, where every file is held against its checksum, and made again if need be.
//!
//! And it can be shut: work that tantivy still has in hand then changes nothing in the folder any more, which by that time may
//! be another's.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, RwLock, RwLockReadGuard},
};

use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
    error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError},
};

/// A folder of index files.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    mapped: MmapDirectory,
    path: Arc<Path>,
    shut: Arc<RwLock<bool>>,
}

impl Folder {
    /// A folder that is there.
    pub(super) fn open(path: &Path) -> Result<Self, OpenDirectoryError> {
        Ok(Self {
            mapped: MmapDirectory::open(path)?,
            path: path.into(),
            shut: Arc::default(),
        })
    }

    /// Nothing can be changed in it from here on.
    pub(super) fn shut(&self) {
        *self.shut.write().unwrap_or_else(|e| e.into_inner()) = true;
    }

    /// The way in, held open while something is changed.
    fn enter(&self) -> io::Result<RwLockReadGuard<'_, bool>> {
        let shut = self.shut.read().unwrap_or_else(|e| e.into_inner());
        match *shut {
            false => Ok(shut),
            true => Err(io::Error::other("the index was closed")),
        }
    }
}

impl Directory for Folder {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.mapped.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let entered = self.enter();
        let _entered = entered.map_err(|e| DeleteError::IoError {
            io_error: Arc::new(e),
            filepath: path.into(),
        })?;
        self.mapped.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.mapped.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let failed = |e: io::Error| match e.kind() {
            io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.into()),
            _ => OpenWriteError::wrap_io_error(e, path.into()),
        };
        let _entered = self.enter().map_err(failed)?;
        let file = File::create_new(self.path.join(path)).map_err(failed)?;
        Ok(BufWriter::new(Box::new(Unsynced(file))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.mapped.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let _entered = self.enter()?;
        let path = self.path.join(path);
        let draft = draft(&path);
        fs::write(&draft, data)?;
        fs::rename(draft, path)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.mapped.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.mapped.watch(callback)
    }
}

fn draft(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// A file that is complete when its last byte is written.
struct Unsynced(File);

impl Write for Unsynced {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Unsynced {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        Ok(())
    }
}
