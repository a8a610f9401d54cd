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
            Ok(text) => Ok(judge(&text, &boot_id())),
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

/// What the text of a session file says against the store, if the system runs under this boot.
fn judge(session: &str, boot: &str) -> Option<&'static str> {
    match session {
        CLEAN => None,
        REBUILD => Some("it failed when it was last open"),
        // Two boots without a name would look like one: a sandbox can hide it.
        "" => Some("it is not known under which boot it was open"),
        same if same == boot => None,
        _ => Some("the machine went down while it was open"),
    }
}

/// Identifies the running boot of the system (proc(5), `random/boot_id`); empty where it cannot be read, and then a store
/// that was not closed is not trusted.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_trusted_if_closed_or_under_the_same_known_boot_only() {
        assert_eq!(judge(CLEAN, "a"), None);
        assert_eq!(judge(CLEAN, ""), None);
        assert_eq!(judge("a", "a"), None);
        for (session, boot) in [("a", "b"), ("a", ""), ("", ""), ("", "a"), (REBUILD, "a")] {
            assert!(judge(session, boot).is_some(), "{session:?} {boot:?}");
        }
    }

    #[test]
    fn the_boot_of_this_system_has_a_name() {
        assert_eq!(boot_id().len(), 36);
    }
}
