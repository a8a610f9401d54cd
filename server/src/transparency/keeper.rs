//! The newest checkpoint kept beside the journal. If the journal is ever shorter than it, or another, the start refuses:
//! this is what notices an older copy put back.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use casebroker_proto::tlog::Checkpoint;

use super::{Identity, Log, LogError};
use crate::{durable, vital};

/// Name of the file in its folder.
const FILE: &str = "checkpoint";
/// How long a checkpoint may be on the journal's disk only.
const EVERY: Duration = Duration::from_millis(500);

/// Writes the newest checkpoint every half second, and once more when stopped.
#[derive(Debug)]
pub struct Keeper {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// The checkpoint kept in a folder, if there is one; it must be signed by this log.
pub fn load(dir: &Path, identity: &Identity) -> Result<Option<Checkpoint>, LogError> {
    let opened = read(dir)?.map(|text| identity.open(&text)).transpose();
    opened.map_err(|source| LogError::Kept {
        path: dir.join(FILE),
        source,
    })
}

/// The text of the checkpoint kept in a folder, if there is one.
pub fn read(dir: &Path) -> Result<Option<String>, LogError> {
    let path = dir.join(FILE);
    match fs::read(&path) {
        // What is no text is no checkpoint either; whoever opens it says so.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LogError::File { path, source }),
    }
}

impl Keeper {
    /// Starts the thread. If a write fails, `failed` is called once and nothing more is written.
    pub fn start(
        dir: &Path,
        log: Arc<Log>,
        failed: impl FnOnce(LogError) + Send + 'static,
    ) -> Result<Self, LogError> {
        let path = dir.join(FILE);
        let (stop, stopped) = mpsc::channel();
        let run = {
            let path = path.clone();
            move || {
                let mut written = 0;
                loop {
                    let last = !matches!(
                        stopped.recv_timeout(EVERY),
                        Err(mpsc::RecvTimeoutError::Timeout)
                    );
                    let newest = log.newest();
                    if newest.size > written {
                        if let Err(source) = durable::replace(&path, &newest.checkpoint) {
                            failed(LogError::File { path, source });
                            return;
                        }
                        written = newest.size;
                    }
                    if last {
                        return;
                    }
                }
            }
        };
        let thread =
            vital::spawn("checkpoint", run).map_err(|source| LogError::File { path, source })?;
        Ok(Self { stop, thread })
    }

    /// Writes the newest checkpoint and ends the thread.
    pub fn stop(self) {
        // The thread may have ended after a failure; then there is nothing to tell it.
        let _ = self.stop.send(());
        drop(self.thread.join());
    }
}
