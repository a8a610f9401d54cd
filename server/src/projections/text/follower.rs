//! The thread that carries the journal into the index, and opens or makes the index again when it fails.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Fault, Options, RootAt, Shared,
    index::{Index, Writer},
    mark::Mark,
    open_or_begin,
};
use crate::{
    aside,
    journal::{JournalReader, ReadLimit},
    projections::Statement,
    scans,
};

/// Read from the journal at a time.
const BATCH: ReadLimit = ReadLimit {
    entries: 1_024,
    bytes: 4 << 20,
};
/// A commit may take this part of the time,
const SHARE: u32 = 4;
/// unless that were to leave more time than this between two.
const MAX_GAP: Duration = Duration::from_secs(1);
/// Time between commits while the index is built anew: nobody waits for each of them.
const REBUILD_GAP: Duration = Duration::from_secs(5);
/// Entries without a report after which there is a commit all the same, so that a start does not read them again.
const UNMARKED: u64 = 10_000;
/// Least time between two looks at all files.
const BETWEEN_CHECKS: Duration = Duration::from_secs(60);
/// With so many segments it looks as if merging them failed.
const MANY_SEGMENTS: usize = 128;
/// Waits before each further attempt. After the last one there is no index until the next start.
const WAITS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
];

/// What the thread has.
pub(super) struct Follower {
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    /// Folder of the index.
    pub(super) path: PathBuf,
    pub(super) journal: Arc<dyn JournalReader>,
    pub(super) tail: watch::Receiver<u64>,
    pub(super) root_at: Box<RootAt>,
}

/// An index while it is followed into.
struct Work<'a> {
    index: &'a Index,
    writer: Writer,
    /// What is on disk, as far as tantivy is concerned.
    committed: Mark,
    /// What was taken in; its root is that of `committed`.
    taken: Mark,
    /// Everything before this position can be found.
    shown: u64,
    /// Of entries taken in and not committed.
    bytes: usize,
    /// When there may be a commit again.
    due: Instant,
    /// When all files may be looked at again.
    check: Instant,
}

impl Follower {
    /// Until it is told to stop, or failed too often.
    pub(super) fn run(mut self, index: Index, mark: Mark) {
        scans::yield_to_others();
        let runtime = match Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => return self.give_up(&Fault::Index(error.to_string())),
        };
        let mut outcome = self.attempt(&runtime, move |_| Ok((index, mark)));
        for (number, wait) in WAITS.into_iter().enumerate() {
            let Err(fault) = outcome else { return };
            tracing::error!(%fault, "the text index failed; the next attempt is in {wait:?}");
            self.shared.withdraw();
            let stop = self.shared.stop.clone();
            if runtime.block_on(async { timeout(wait, stop.cancelled()).await.is_ok() }) {
                return;
            }
            // What fails twice although its files are whole is not trusted any more.
            let distrust = (number > 0).then(|| fault.to_string());
            outcome = self.attempt(&runtime, |follower| follower.reopen(distrust));
        }
        if let Err(fault) = outcome {
            self.give_up(&fault);
        }
    }

    fn give_up(&self, fault: &Fault) {
        tracing::error!(%fault, "the text index failed too often; no text is searched until the next start");
        self.shared.withdraw();
    }

    /// Follows the journal until it is told to stop.
    fn attempt(
        &mut self,
        runtime: &Runtime,
        open: impl FnOnce(&Self) -> Result<(Index, Mark), Fault>,
    ) -> Result<(), Fault> {
        let attempt = || {
            let (index, mark) = open(self)?;
            runtime.block_on(self.follow(&index, mark))
        };
        let outcome = catch_unwind(AssertUnwindSafe(attempt));
        outcome.unwrap_or_else(|panic| Err(Fault::Index(said(&*panic))))
    }

    /// The index as it was when it failed, or an empty one.
    fn reopen(&self, distrust: Option<String>) -> Result<(Index, Mark), Fault> {
        let opening = open_or_begin(&self.path, &*self.root_at, distrust)?;
        if let Some((aside, why)) = &opening.moved_aside {
            tracing::warn!(aside = %aside.display(), why, "the text index was moved aside and is built anew from the journal");
        }
        let tail = *self.tail.borrow();
        self.shared.begin(&opening, tail)?;
        Ok((opening.index, opening.mark))
    }

    async fn follow(&mut self, index: &Index, mark: Mark) -> Result<(), Fault> {
        let now = Instant::now();
        let mut work = Work {
            index,
            writer: index.writer(self.options.memory_bytes)?,
            committed: mark,
            taken: mark,
            shown: mark.position,
            bytes: 0,
            due: now,
            check: now,
        };
        let goal = *self.tail.borrow();
        loop {
            let end = *self.tail.borrow_and_update();
            let stopping = self.shared.stop.is_cancelled();
            let full = work.bytes >= self.options.memory_bytes;
            if work.taken.position < end && !full && !stopping {
                self.take(&mut work, end)?;
            }
            let rebuilding = self.shared.is_rebuilding();
            let at_end = work.taken.position >= end;
            let due = work.due <= Instant::now() || (rebuilding && at_end);
            if work.shown < work.taken.position && (due || full || stopping) {
                self.show(&mut work, rebuilding)?;
            }
            if rebuilding && work.shown >= goal {
                self.whole(goal);
            }
            if stopping {
                return Ok(());
            }
            self.check(&mut work)?;
            if at_end {
                self.wait(&work).await;
            }
        }
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, work: &Work<'_>) {
        let unshown = work.shown < work.taken.position;
        let due = async {
            match unshown {
                true => sleep_until(work.due).await,
                false => std::future::pending().await,
            }
        };
        let tail = &mut self.tail;
        let more = async {
            // Without a sender there is no more to come.
            if tail.changed().await.is_err() {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = self.shared.stop.cancelled() => {}
            () = self.shared.doubted.notified() => {}
            () = due => {}
            () = more => {}
        }
    }

    /// Takes the next entries in.
    fn take(&self, work: &mut Work<'_>, end: u64) -> Result<(), Fault> {
        let from = work.taken.position;
        let entries = usize::try_from(end - from).unwrap_or(usize::MAX);
        let limit = ReadLimit {
            entries: entries.min(BATCH.entries),
            ..BATCH
        };
        let records = self.journal.read(from, limit);
        let records = records.map_err(|e| Fault::Journal(e.to_string()))?;
        if records.is_empty() {
            let missing = format!("it ends at {from}, and should not before {end}");
            return Err(Fault::Journal(missing));
        }
        for record in records {
            let position = record.position;
            let statement = Statement::decode(position, &record.entry)
                .map_err(|e| Fault::Journal(format!("the entry at position {position}: {e}")))?;
            if let Some(report) = statement.as_ref().and_then(Statement::report) {
                work.writer.add(position, report)?;
                work.taken.documents += 1;
                work.bytes += record.entry.len();
            }
            work.taken.position = position + 1;
        }
        Ok(())
    }

    /// Makes everything taken in searchable. If nothing of it can be found, no commit is needed for that.
    fn show(&self, work: &mut Work<'_>, rebuilding: bool) -> Result<(), Fault> {
        let began = Instant::now();
        let unmarked = work.taken.position - work.committed.position;
        if work.taken.documents > work.committed.documents || unmarked > UNMARKED {
            let position = work.taken.position;
            let root = (self.root_at)(position).map_err(|e| Fault::Journal(e.to_string()))?;
            let short = || Fault::Journal(format!("the tree does not reach position {position}"));
            work.taken.root = root.ok_or_else(short)?;
            work.writer.commit(&work.taken)?;
            work.committed = work.taken;
            work.bytes = 0;
        }
        self.shared.show(work.index, work.taken.position)?;
        work.shown = work.taken.position;
        let gap = match rebuilding {
            true => REBUILD_GAP,
            false => (began.elapsed() * SHARE).min(MAX_GAP),
        };
        // Counted from its beginning, so that what comes next is not later than it has to be.
        work.due = began + gap.max(self.options.commit);
        Ok(())
    }

    /// The index has everything that it lacked when it was opened.
    fn whole(&self, entries: u64) {
        self.shared.set_rebuilding(false);
        tracing::info!(entries, "the text index caught up with the journal");
        match aside::remove_older(&self.path) {
            Ok(asides) => asides.iter().for_each(|aside| {
                tracing::info!(aside = %aside.display(), "an older text index that had been moved aside was removed");
            }),
            Err(error) => tracing::warn!(%error, "older text indexes that had been moved aside stay"),
        }
    }

    /// Looks at all files if there is reason to doubt them: a search or the merging of segments failed.
    fn check(&self, work: &mut Work<'_>) -> Result<(), Fault> {
        let doubted = self.shared.take_doubt();
        let reason = doubted || self.shared.segments() > MANY_SEGMENTS;
        if !reason || Instant::now() < work.check {
            return Ok(());
        }
        work.check = Instant::now() + BETWEEN_CHECKS;
        match work.index.damage()? {
            Some(damage) => Err(Fault::Index(damage)),
            None => {
                tracing::warn!(
                    doubted,
                    "the files of the text index were looked at and are as they were written"
                );
                Ok(())
            }
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a panic: {}", text.unwrap_or("without words"))
}
