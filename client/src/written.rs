//! How far this principal wrote, so that its reads see at least that.
//!
//! With the log's key the newest verified checkpoint says it, also to the next process: see [`crate::LogTrust`]. Without it a
//! receipt proves nothing, and the position alone is kept, in a file for the broker's address if there is a folder for it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{Client, trust::write_whole};

/// One more than the highest position written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    end: AtomicU64,
    file: Option<PathBuf>,
}

impl Written {
    /// Remembered by this process only.
    pub(crate) fn here() -> Self {
        Self::default()
    }

    /// Remembered in a folder, for a broker's address. A file that cannot be read counts as none: what is lost is a wait of some
    /// milliseconds.
    pub(crate) fn kept(state_dir: &Path, endpoint: &str) -> Self {
        let file = state_dir.join(folder_name(endpoint)).join("written");
        Self {
            end: read(&file).into(),
            file: Some(file),
        }
    }

    fn note(&self, position: u64) {
        self.end
            .fetch_max(position.saturating_add(1), Ordering::Relaxed);
    }

    /// Puts it into the file, unless another process got further.
    fn keep(&self) {
        let end = self.end.load(Ordering::Relaxed);
        if let Some(file) = self.file.as_deref().filter(|file| read(file) < end) {
            // As above: nothing that was recorded depends on it.
            let _ = write_whole(file, &format!("{end}\n"));
        }
    }

    /// Forgets; false if there was nothing.
    fn forget(&self) -> bool {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
        self.end.swap(0, Ordering::Relaxed) > 0
    }
}

impl Client {
    /// Reads see at least what this client wrote, and what it has seen a signed checkpoint of.
    pub(crate) fn min_position(&self) -> u64 {
        let written = self.written.end.load(Ordering::Relaxed);
        written.max(self.known_tree_size())
    }

    /// A position was answered for.
    pub(crate) fn note_written(&self, position: u64) {
        self.written.note(position);
    }

    /// Remembers for the next process.
    pub(crate) fn keep_written(&self) {
        self.written.keep();
    }

    /// The broker says that its log is shorter. True if only an unproven position spoke against it.
    pub(crate) fn forget_written(&self) -> bool {
        self.trust.is_none() && self.written.forget()
    }
}

fn read(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// `https://broker.example:7443` as a folder: `broker.example_7443`.
fn folder_name(endpoint: &str) -> String {
    let address = endpoint.strip_prefix("https://").unwrap_or(endpoint);
    let kept = address.trim_end_matches('/').chars().take(120);
    kept.map(|c| match c {
        c if c.is_ascii_alphanumeric() || ".-".contains(c) => c,
        _ => '_',
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_process_knows_how_far_an_earlier_one_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let open = |endpoint: &str| Written::kept(dir.path(), endpoint);
        let end = |written: &Written| written.end.load(Ordering::Relaxed);
        let (first, second) = (open("https://b:1"), open("https://b:1"));
        first.note(41);
        first.note(7);
        assert_eq!(end(&open("https://b:1")), 0);
        first.keep();
        assert_eq!(end(&open("https://b:1")), 42);
        // One that wrote less does not set it back, and another broker has another file.
        second.note(3);
        second.keep();
        assert_eq!(end(&open("https://b:1")), 42);
        assert_eq!(end(&open("https://b:2")), 0);
        assert!(first.forget() && !first.forget());
        assert_eq!(end(&open("https://b:1")), 0);
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let written = Written::kept(dir.path(), "https://b:1/");
        written.note(1);
        written.keep();
        let file = dir.path().join("b_1/written");
        assert_eq!(fs::read_to_string(&file).unwrap(), "2\n");
        fs::write(&file, "many").unwrap();
        assert_eq!(read(&file), 0);
    }
}
