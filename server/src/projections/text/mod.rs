//! The text projection: in which reports and amendments do these words stand?
//!
//! **What it is for.** Full-text search over title, narrative and names of organisations, in English, Chinese and whatever else
//! has letters. One document for each report or amendment in the journal; nothing is ever changed or deleted in it.
//!
//! **What it promises.** An answer is the set of positions, exact for the tokens of `tokens.rs`, of everything recorded before
//! its `as_of`. What is recorded can be found within a second or so. A killed process loses nothing: the journal is the truth,
//! and each commit says how far it is and in which history. An index that is damaged, missing or of another log is moved aside
//! and made again while everything else goes on; a failure of the index never ends the process.
//!
//! **What it never does.** It does not know who may see what or which revision is in force, it does not rank, and it never tells
//! how many documents there are: the table holds its positions against rows that the caller may see. No syntax of the search
//! library gets in from outside. It never syncs (`folder.rs` says why).
//!
//! Only this room names tantivy. Its files are mapped into memory: whoever cuts one short under a running broker, or a disk
//! that cannot give back what was written, ends the process with SIGBUS. Nothing acknowledged is lost by it.

mod folder;
mod follower;
mod index;
mod mark;
mod matches;
mod query;
mod tokens;

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub use matches::Matches;
pub use query::{MAX_QUERY_CHARS, QueryError, TextQuery};

use self::{follower::Follower, index::Index, mark::Mark, matches::View};
use crate::{aside, config, durable, journal::JournalReader};

/// Entries behind the journal beyond which an index counts as being built anew.
const FAR: u64 = 10_000;

/// The log's root over its first so many entries; `None` beyond its end. Reads the tree's file.
pub type RootAt = dyn Fn(u64) -> io::Result<Option<[u8; 32]>> + Send + Sync;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The folder or the thread cannot be made.
    #[error("{}: {source}", path.display())]
    File {
        /// The folder of the index.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not even an empty index can be begun.
    #[error("{}: the text index cannot be begun: {problem}", path.display())]
    Begin {
        /// The folder of the index.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The index failed.
    #[error(
        "text cannot be searched now: the index failed and is being made again; try again later, or ask without text"
    )]
    Unavailable,
    /// Nobody waits for the answer any more.
    #[error("the search was cancelled")]
    Cancelled,
}

/// How an index is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder.
    pub dir: PathBuf,
    /// Least time between commits.
    pub commit: Duration,
    /// For what is not on disk yet, bytes, and as much again for entries that wait for it.
    pub memory_bytes: usize,
}

impl Options {
    /// By the configuration.
    pub fn new(data_dir: &Path, config: &config::Text) -> Self {
        Self {
            dir: data_dir.join("text"),
            commit: Duration::from_millis(config.commit_ms),
            memory_bytes: config.memory_bytes,
        }
    }
}

/// What opening did.
#[derive(Debug)]
pub struct Opened {
    /// Everything before this position can be found at once.
    pub position: u64,
    /// Set if an earlier index was moved aside: where to, and why.
    pub moved_aside: Option<(PathBuf, String)>,
}

/// The text index and the thread that follows the journal for it.
#[derive(Debug)]
pub struct Text {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Text {
    /// Opens the index, or begins an empty one if there is none or if that there is cannot be trusted; reads all of its files
    /// for that. Then follows `tail`, the position before which everything is in the journal and in the tree of `root_at`.
    pub fn start(
        options: Options,
        journal: Arc<dyn JournalReader>,
        tail: watch::Receiver<u64>,
        root_at: Box<RootAt>,
    ) -> Result<(Self, Opened), TextError> {
        let failed = |source| TextError::File {
            path: options.dir.clone(),
            source,
        };
        durable::create_dir(&options.dir).map_err(failed)?;
        let path = options.dir.join("index");
        let begin = |fault: Fault| TextError::Begin {
            path: path.clone(),
            problem: fault.to_string(),
        };
        let opening = open_or_begin(&path, &*root_at, None).map_err(begin)?;
        let shared = Arc::new(Shared::default());
        shared.begin(&opening, *tail.borrow()).map_err(begin)?;
        let Opening {
            index,
            mark,
            moved_aside,
            ..
        } = opening;
        let follower = Follower {
            shared: Arc::clone(&shared),
            options: options.clone(),
            path: path.clone(),
            journal,
            tail,
            root_at,
        };
        let thread = thread::Builder::new().name("text".into());
        let thread = thread
            .spawn(move || follower.run(index, mark))
            .map_err(failed)?;
        let text = Self {
            shared,
            thread: Mutex::new(Some(thread)),
        };
        let opened = Opened {
            position: mark.position,
            moved_aside,
        };
        Ok((text, opened))
    }

    /// Everything recorded before this position can be found. It goes back only if the index failed.
    pub fn position(&self) -> u64 {
        *self.shared.position.borrow()
    }

    /// Follows [`Text::position`].
    pub fn positions(&self) -> watch::Receiver<u64> {
        self.shared.position.subscribe()
    }

    /// Whether it is far behind the journal, since it was made again: there is no point in waiting for it.
    pub fn rebuilding(&self) -> bool {
        self.shared.is_rebuilding()
    }

    /// Where everything that is looked for stands together. Reads the disk; asks now and then whether it is still wanted.
    pub fn search(
        &self,
        query: &TextQuery,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Matches, TextError> {
        let view = self.shared.view.load_full();
        let view = view.ok_or(TextError::Unavailable)?;
        let search = || matches::search(&view, query, cancelled);
        // What the disk gives back may be anything by now.
        let outcome = catch_unwind(AssertUnwindSafe(search));
        let fault = match outcome {
            Ok(Ok(answer)) => return answer,
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "a panic".into(),
        };
        tracing::error!(fault, "a search of the text index failed");
        self.shared.doubt();
        Err(TextError::Unavailable)
    }

    /// Commits what was taken in and ends the thread. What it has can still be searched.
    pub fn stop(&self) {
        self.shared.stop.cancel();
        let thread = self.thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        // It catches its panics itself.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// Whose fault it is that the index cannot go on.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// That of the index itself, or of the disk below it.
    #[error("index: {0}")]
    Index(String),
    /// The journal cannot be read.
    #[error("journal: {0}")]
    Journal(String),
}

impl From<tantivy::TantivyError> for Fault {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::Index(error.to_string())
    }
}

/// What searches and the thread share.
#[derive(Default)]
struct Shared {
    /// What is searched; `None` while there is nothing.
    view: ArcSwapOption<View>,
    position: watch::Sender<u64>,
    rebuilding: AtomicBool,
    stop: CancellationToken,
    /// A search failed; tells the thread.
    doubt: AtomicBool,
    doubted: Notify,
}

impl Shared {
    /// Lets an index be searched that was just opened.
    fn begin(&self, opening: &Opening, tail: u64) -> Result<(), Fault> {
        let missing = tail.saturating_sub(opening.mark.position);
        self.set_rebuilding(missing > FAR || (opening.empty && missing > 0));
        self.show(&opening.index, opening.mark.position)
    }

    /// Lets the newest commit of an index be searched, in which everything before a position is.
    fn show(&self, index: &Index, position: u64) -> Result<(), Fault> {
        let searcher = index.searcher()?;
        self.view.store(Some(Arc::new(View { searcher, position })));
        self.position.send_replace(position);
        Ok(())
    }

    /// There is nothing to be searched.
    fn withdraw(&self) {
        self.set_rebuilding(true);
        self.view.store(None);
        self.position.send_replace(0);
    }

    fn is_rebuilding(&self) -> bool {
        self.rebuilding.load(Ordering::Acquire)
    }

    fn set_rebuilding(&self, rebuilding: bool) {
        self.rebuilding.store(rebuilding, Ordering::Release);
    }

    fn segments(&self) -> usize {
        let view = self.view.load();
        view.as_ref()
            .map_or(0, |v| v.searcher.segment_readers().len())
    }

    fn doubt(&self) {
        self.doubt.store(true, Ordering::Release);
        self.doubted.notify_one();
    }

    fn take_doubt(&self) -> bool {
        self.doubt.swap(false, Ordering::AcqRel)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("position", &*self.position.borrow())
            .field("rebuilding", &self.rebuilding)
            .finish_non_exhaustive()
    }
}

/// An index as it was opened.
struct Opening {
    index: Index,
    mark: Mark,
    /// Whether it was begun just now.
    empty: bool,
    moved_aside: Option<(PathBuf, String)>,
}

/// The index in `path`, or an empty one; one that cannot be trusted is moved aside.
fn open_or_begin(
    path: &Path,
    root_at: &RootAt,
    distrust: Option<String>,
) -> Result<Opening, Fault> {
    let mut moved_aside = None;
    if path.exists() {
        let opened = match distrust {
            None => Index::open(path, root_at),
            Some(why) => Err(why),
        };
        match opened {
            Ok((index, mark)) => {
                return Ok(Opening {
                    index,
                    mark,
                    empty: false,
                    moved_aside: None,
                });
            }
            Err(why) => {
                let aside = aside::put(path).map_err(|e| Fault::Index(e.to_string()))?;
                moved_aside = Some((aside, why));
            }
        }
    }
    Ok(Opening {
        index: Index::begin(path)?,
        mark: Mark::default(),
        empty: true,
        moved_aside,
    })
}

#[cfg(test)]
mod tests;
