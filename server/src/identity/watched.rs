//! Notices that files changed: the system tells, and because it does not always, they are looked at now and then too.

use std::{
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;

use crate::config::Config;

/// Folders below the members' folder: a member, its signers.
const DEPTH: usize = 2;
/// Most files that are looked at: somewhat more than may be read.
const MAX_FILES: usize = 250_000;

/// The files that the room reads.
#[derive(Debug)]
pub struct Watched {
    /// Woken when the system tells of a change.
    pub(super) told: Arc<Notify>,
    /// `None` where the system does not watch for us.
    watcher: Option<RecommendedWatcher>,
    files: Files,
    /// How the files looked before they were last read.
    seen: u64,
}

#[derive(Debug, Clone)]
struct Files {
    members_dir: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Watched {
    /// Begins to watch. To be called before the files are read for the first time, so that no change between is missed.
    pub fn begin(config: &Config) -> Self {
        let files = Files {
            members_dir: config.members_dir.clone(),
            certificate: config.tls.certificate.clone(),
            key: config.tls.key.clone(),
        };
        let told = Arc::new(Notify::new());
        let (waker, ours) = (Arc::clone(&told), files.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may mean lost events, so it counts as one.
            if event.map_or(true, |event| ours.concerns(&event)) {
                waker.notify_one();
            }
        });
        let mut watched = Self {
            told,
            watcher: watcher.inspect_err(warn_unwatched).ok(),
            seen: 0,
            files,
        };
        watched.watch_again();
        watched.seen = watched.files.fingerprint();
        watched
    }

    /// Asks for the same folders again: one that was put in the place of another is not watched yet.
    pub(super) fn watch_again(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let folder = |file: &Path| file.parent().map(Path::to_owned).unwrap_or_default();
        for (path, mode) in [
            (self.files.members_dir.clone(), RecursiveMode::Recursive),
            (folder(&self.files.certificate), RecursiveMode::NonRecursive),
            (folder(&self.files.key), RecursiveMode::NonRecursive),
        ] {
            if let Err(error) = watcher.watch(&path, mode) {
                warn_unwatched(&error);
            }
        }
    }

    /// Whether the files look otherwise than before they were last read.
    pub(super) fn look(&self) -> bool {
        self.files.fingerprint() != self.seen
    }

    /// Notes how the files look; to be called before they are read.
    pub(super) fn note(&mut self) {
        self.seen = self.files.fingerprint();
    }
}

fn warn_unwatched(error: &notify::Error) {
    tracing::warn!(%error, "the system does not watch files for us; they are looked at every identity.poll_ms");
}

impl Files {
    /// Reading is no change, and other files beside the certificate do not matter.
    fn concerns(&self, event: &Event) -> bool {
        let changes = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            EventKind::Access(_) => false,
            _ => true,
        };
        changes
            && (event.need_rescan()
                || event.paths.iter().any(|path| {
                    path.starts_with(&self.members_dir)
                        || *path == self.certificate
                        || *path == self.key
                }))
    }

    /// A number that changes when a file is written, replaced, added or taken away.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut left = MAX_FILES;
        for path in [&self.certificate, &self.key] {
            hash_file(path, &mut hasher);
        }
        hash_folder(&self.members_dir, DEPTH, &mut left, &mut hasher);
        hasher.finish()
    }
}

fn hash_folder(dir: &Path, depth: usize, left: &mut usize, hasher: &mut DefaultHasher) {
    let mut paths: Vec<_> = match fs::read_dir(dir) {
        Ok(entries) => entries
            .take(*left)
            .filter_map(|entry| entry.map(|e| e.path()).ok())
            .collect(),
        Err(error) => return error.kind().hash(hasher),
    };
    *left = left.saturating_sub(paths.len());
    paths.sort();
    for path in paths {
        let is_folder = hash_file(&path, hasher);
        if is_folder && depth > 0 {
            hash_folder(&path, depth - 1, left, hasher);
        }
    }
}

/// Links are followed, so that one which is set to another file counts as a change.
fn hash_file(path: &Path, hasher: &mut DefaultHasher) -> bool {
    path.hash(hasher);
    match fs::metadata(path) {
        Ok(metadata) => {
            identity_of(&metadata).hash(hasher);
            metadata.is_dir()
        }
        Err(error) => {
            error.kind().hash(hasher);
            false
        }
    }
}

/// A file of the same length written within the clock's step still has another time of status change or another inode.
fn identity_of(m: &Metadata) -> impl std::hash::Hash {
    [
        m.dev().cast_signed(),
        m.ino().cast_signed(),
        m.len().cast_signed(),
        i64::from(m.mode()),
        m.mtime(),
        m.mtime_nsec(),
        m.ctime(),
        m.ctime_nsec(),
    ]
}
