//! Whether what the store wrote can be trusted to be on disk.
//!
//! The file `session` beside the store names the boot under which it was opened, or says `clean` after it was closed and
//! synced. A killed process loses nothing that it wrote, since the system's page cache outlives it; a machine that went down
//! may have lost any page of it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::StateError;
use crate::durable;

const CLEAN: &str = "clean";
const REBUILD: &str = "rebuild";

/// The session file of one store.
#[derive(Debug)]
pub(super) struct Session {
    path: PathBuf,
}

impl Session {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            path: dir.join("session"),
        }
    }

    /// `None` if the store can be trusted, else why not.
    pub(super) fn distrust(&self) -> Result<Option<&'static str>, StateError> {
        match fs::read_to_string(&self.path) {
            Ok(text) if text == CLEAN || text == boot_id() => Ok(None),
            Ok(text) if text == REBUILD => Ok(Some("it failed when it was last open")),
            Ok(_) => Ok(Some("the machine went down while it was open")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Ok(Some("its session file is missing"))
            }
            Err(e) => Err(self.failed(e)),
        }
    }

    /// Marks the store as open.
    pub(super) fn begin(&self) -> Result<(), StateError> {
        self.write(&boot_id())
    }

    /// Marks the store as one that must not be used again.
    pub(super) fn condemn(&self) -> Result<(), StateError> {
        self.write(REBUILD)
    }

    /// Syncs every file under `store`, then marks it as closed cleanly.
    pub(super) fn end(&self, store: &Path) -> Result<(), StateError> {
        sync_tree(store).map_err(|e| self.failed(e))?;
        self.write(CLEAN)
    }

    fn write(&self, text: &str) -> Result<(), StateError> {
        durable::replace(&self.path, text).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: io::Error) -> StateError {
        StateError::File {
            path: self.path.clone(),
            source,
        }
    }
}

/// Identifies the running boot of the system (proc(5), `random/boot_id`); empty where it cannot be read, and then two
/// starts look like one boot only if the other could not be read either.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

fn sync_tree(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_tree(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}
