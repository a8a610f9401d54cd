//! The thread that carries what was staged into sled, off the acknowledgement path.
//!
//! It takes everything that gathered in the overlay at once: waking it for each group would cost the cores more than the
//! writing does, and a larger batch costs sled less a key.

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::JoinHandle,
    time::Duration,
};

use super::{StateError, keys, store::Shared};
use crate::vital;

/// Keys that may be staged ahead of sled; then the sequencer waits. Bounds the overlay.
const KEYS_AHEAD: usize = 65_536;
/// Keys at which a batch is worth writing at once.
const KEYS_WORTH: usize = 8_192;
/// How long keys gather otherwise.
const GATHER: Duration = Duration::from_millis(25);

/// Handle of the thread.
pub(super) struct Writer {
    signals: Arc<Signals>,
    thread: JoinHandle<Result<(), StateError>>,
}

#[derive(Default)]
struct Signals {
    state: Mutex<Signal>,
    /// For the thread: something to write, or a hurry.
    work: Condvar,
    /// For who waits on the thread: a batch is written, or the thread has ended.
    done: Condvar,
}

#[derive(Default)]
struct Signal {
    /// Keys staged and not written.
    waiting: usize,
    /// Somebody waits for the overlay to run empty.
    hurry: bool,
    /// Write what is there, then end.
    close: bool,
    /// The thread has ended.
    ended: bool,
}

impl Signals {
    fn lock(&self) -> MutexGuard<'_, Signal> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Says that the thread has ended when it is dropped, so also if sled panicked: nobody waits for it in vain.
struct Ended(Arc<Signals>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.done.notify_all();
    }
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>, path: &Path) -> Result<Self, StateError> {
        let signals = Arc::new(Signals::default());
        let of_thread = Arc::clone(&signals);
        let run = move || {
            let ended = Ended(of_thread);
            run(&shared, &ended.0)
                .inspect_err(|error| tracing::error!(%error, "the state store failed"))
        };
        let thread = vital::spawn("state", run).map_err(|source| StateError::File {
            path: path.into(),
            source,
        })?;
        Ok(Self { signals, thread })
    }

    /// Says that the overlay now has so many keys. Called under the overlay's lock, as the thread sets the same number under
    /// it: neither can overtake the other.
    pub(super) fn staged(&self, keys: usize) {
        let mut signal = self.signals.lock();
        let was_idle = signal.waiting == 0;
        signal.waiting = keys;
        if was_idle || keys >= KEYS_WORTH {
            self.signals.work.notify_one();
        }
    }

    /// Waits while too much is staged. Called without any lock.
    pub(super) fn wait_for_room(&self) -> Result<(), StateError> {
        self.wait_until(self.signals.lock(), |signal| signal.waiting < KEYS_AHEAD)
    }

    /// Waits until sled has everything staged.
    pub(super) fn settle(&self) -> Result<(), StateError> {
        let mut signal = self.signals.lock();
        signal.hurry = true;
        self.signals.work.notify_one();
        self.wait_until(signal, |signal| signal.waiting == 0)
    }

    /// Writes everything and ends the thread.
    pub(super) fn stop(self) -> Result<(), StateError> {
        self.signals.lock().close = true;
        self.signals.work.notify_one();
        self.thread.join().unwrap_or(Err(StateError::Stopped))
    }

    fn wait_until(
        &self,
        mut signal: MutexGuard<'_, Signal>,
        holds: impl Fn(&Signal) -> bool,
    ) -> Result<(), StateError> {
        while !holds(&signal) {
            if signal.ended {
                return Err(StateError::Stopped);
            }
            signal = self
                .signals
                .done
                .wait(signal)
                .unwrap_or_else(|e| e.into_inner());
        }
        if signal.ended {
            Err(StateError::Stopped)
        } else {
            Ok(())
        }
    }
}

fn run(shared: &Shared, signals: &Signals) -> Result<(), StateError> {
    loop {
        let mut signal = signals.lock();
        while signal.waiting == 0 && !signal.close {
            signal.hurry = false;
            signal = signals.work.wait(signal).unwrap_or_else(|e| e.into_inner());
        }
        if signal.waiting == 0 {
            return Ok(());
        }
        let worth_it =
            |signal: &mut Signal| !signal.hurry && !signal.close && signal.waiting < KEYS_WORTH;
        let (signal, _) = signals
            .work
            .wait_timeout_while(signal, GATHER, worth_it)
            .unwrap_or_else(|e| e.into_inner());
        drop(signal);
        apply(shared, signals)?;
        signals.done.notify_all();
    }
}

/// Writes all of the overlay as it stands. One batch is atomic in sled, and the
/// overlay changes by whole groups, so position and content never disagree.
fn apply(shared: &Shared, signals: &Signals) -> Result<(), StateError> {
    let mut batch = sled::Batch::default();
    let applied = {
        let overlay = shared.overlay.read().unwrap_or_else(|e| e.into_inner());
        for (key, (_, value)) in &overlay.pairs {
            batch.insert(key.as_slice(), value.as_slice());
        }
        overlay.applied
    };
    batch.insert(keys::APPLIED, keys::encode_applied(&applied));
    shared.db.apply_batch(batch)?;
    let mut overlay = shared.overlay.write().unwrap_or_else(|e| e.into_inner());
    overlay
        .pairs
        .retain(|_, (position, _)| *position >= applied.position);
    signals.lock().waiting = overlay.pairs.len();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn whoever_waits_for_a_thread_that_panicked_is_told() {
        let signals = Arc::new(Signals::default());
        signals.lock().waiting = KEYS_AHEAD;
        let ended = Ended(Arc::clone(&signals));
        let thread = thread::spawn(move || -> Result<(), StateError> {
            let _ended = ended;
            panic!("as sled does");
        });
        let writer = Writer { signals, thread };
        assert!(matches!(writer.wait_for_room(), Err(StateError::Stopped)));
        assert!(matches!(writer.settle(), Err(StateError::Stopped)));
    }
}
