//! The thread that carries staged changes into sled, off the acknowledgement path.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use super::{StateError, keys, store::Shared};

/// Groups that may be staged ahead of sled; then the sequencer waits. Bounds the overlay.
const GROUPS_AHEAD: usize = 64;
/// Key and value pairs that one batch carries at most.
const BATCH_PAIRS: usize = 4_096;

/// Key, position, value.
type Pair = (Vec<u8>, u64, Vec<u8>);

enum Message {
    Group(Vec<Pair>, u64),
    Settle(mpsc::SyncSender<()>),
}

/// Handle of the thread.
pub(super) struct Writer {
    queue: mpsc::SyncSender<Message>,
    thread: JoinHandle<Result<(), StateError>>,
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>, path: &Path) -> Result<Self, StateError> {
        let (queue, messages) = mpsc::sync_channel(GROUPS_AHEAD);
        let thread = thread::Builder::new()
            .name("state".into())
            .spawn(move || {
                run(&shared, &messages)
                    .inspect_err(|error| tracing::error!(%error, "the state store failed"))
            })
            .map_err(|source| StateError::File {
                path: path.into(),
                source,
            })?;
        Ok(Self { queue, thread })
    }

    pub(super) fn send(&self, pairs: Vec<Pair>, next_position: u64) -> Result<(), StateError> {
        self.queue
            .send(Message::Group(pairs, next_position))
            .map_err(|_| StateError::Stopped)
    }

    pub(super) fn settle(&self) -> Result<(), StateError> {
        let (done, wait) = mpsc::sync_channel(1);
        self.queue
            .send(Message::Settle(done))
            .map_err(|_| StateError::Stopped)?;
        wait.recv().map_err(|_| StateError::Stopped)
    }

    pub(super) fn stop(self) -> Result<(), StateError> {
        drop(self.queue);
        self.thread.join().unwrap_or(Err(StateError::Stopped))
    }
}

fn run(shared: &Shared, messages: &mpsc::Receiver<Message>) -> Result<(), StateError> {
    while let Ok(first) = messages.recv() {
        let mut groups: Vec<Vec<Pair>> = Vec::new();
        let mut pairs = 0;
        let mut next_position = None;
        let mut settled = None;
        let mut message = Some(first);
        while let Some(current) = message.take() {
            match current {
                Message::Group(group, next) => {
                    pairs += group.len();
                    next_position = Some(next);
                    groups.push(group);
                    if pairs < BATCH_PAIRS {
                        message = messages.try_recv().ok();
                    }
                }
                Message::Settle(done) => settled = Some(done),
            }
        }
        if let Some(next_position) = next_position {
            apply(shared, &groups, next_position)?;
        }
        if let Some(done) = settled {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
    }
    Ok(())
}

/// One batch is atomic in sled, so position and content never disagree.
fn apply(shared: &Shared, groups: &[Vec<Pair>], next_position: u64) -> Result<(), StateError> {
    let mut batch = sled::Batch::default();
    for (key, _, value) in groups.iter().flatten() {
        batch.insert(key.as_slice(), value.as_slice());
    }
    batch.insert(keys::APPLIED, &next_position.to_be_bytes());
    shared.db.apply_batch(batch)?;
    let mut overlay = shared.overlay.write().unwrap_or_else(|e| e.into_inner());
    for (key, position, _) in groups.iter().flatten() {
        if overlay
            .get(key)
            .is_some_and(|(newest, _)| newest <= position)
        {
            overlay.remove(key);
        }
    }
    Ok(())
}
