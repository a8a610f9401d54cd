//! Group commit: one thread owns the tail of the journal.
//!
//! What it is for: giving every statement its position. It takes what has queued while the last group was being synced,
//! decides each against the state of its case, appends one group, syncs once, extends the tree, signs one checkpoint, and
//! answers all of them. What it promises: nothing is answered before its entry and its checkpoint are on disk; equal
//! requests get the same entry, also when both are in flight at once. What it never does: go on after a failed write or
//! sync. Then nobody is answered any more and the process ends, as retrying a failed sync can lose what it reported
//! ("fsyncgate"; PostgreSQL wiki, "Fsync Errors").

mod draft;
mod registry;
mod tail;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use casebroker_proto::{names::CaseName, tlog::Frontier};
use prost_types::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub use crate::vital::{EXIT_IO, stop_process};
use crate::{
    config,
    identity::Registry,
    intake::Submission,
    journal::Journal,
    policy::quotas::Quotas,
    projections::Membership,
    state::{RequestId, Store},
    transparency::{Log, Signed},
    vital,
};
pub use registry::RegistryState;
use registry::Update;
use tail::Tail;

/// Why a submission was not recorded. Nothing was written for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SequencerError {
    /// The case exists already.
    #[error("`{0}` has been reported already")]
    CaseExists(CaseName),
    /// There is no such case.
    #[error("`{0}` does not exist")]
    CaseNotFound(CaseName),
    /// The case was taken back.
    #[error("`{0}` has been retracted")]
    CaseRetracted(CaseName),
    /// The case has another revision.
    #[error("`{case}` is at revision {current}, the amendment expects {expected}")]
    RevisionConflict {
        /// The case.
        case: CaseName,
        /// Its revision now.
        current: i32,
        /// The revision expected.
        expected: i32,
    },
    /// The case has as many statements as it may have.
    #[error("`{0}` has no room for another statement of this kind")]
    CaseFull(CaseName),
    /// The statement's audience is wider than that of its case.
    #[error("the statement names somebody who may not see `{0}`")]
    AudienceTooWide(CaseName),
    /// The release leaves somebody out.
    #[error("the release leaves out somebody who may see `{0}` now")]
    ReleaseNarrows(CaseName),
    /// A case named as the maker's own is none.
    #[error("`{0}` is no case of yours that exists")]
    NoOwnCase(String),
    /// A finding names an item that the report in force does not have.
    #[error("the report in force has {items} items; there is no item {item}")]
    NoItem {
        /// Number of the item.
        item: i32,
        /// How many there are.
        items: usize,
    },
    /// Who is asked cannot see what it is asked.
    #[error("`{0}` may not see the case and this request, or is who asks")]
    NotReached(String),
    /// There is no such request for evidence.
    #[error("there is no request for evidence `{0}` about this case that is addressed to you")]
    NoRequest(String),
    /// There is no such dispute open.
    #[error("there is no open dispute `{0}` of yours about this case")]
    NoDispute(String),
    /// There is no such overlap.
    #[error("this case has no overlap `{0}`")]
    NoOverlap(String),
    /// It is not known yet whether there is such an overlap.
    #[error("the table is at position {position}, and {wanted} is wanted")]
    Behind {
        /// How far it is.
        position: u64,
        /// How far it has to be.
        wanted: u64,
    },
    /// The signing certificate was revoked or removed, or has expired, since the statement was checked.
    #[error("the signing certificate is not registered and valid any more")]
    SignerGone,
    /// The request id was used for another statement.
    #[error("request id `{}` was used before for another statement", uuid::Uuid::from_bytes(*.0))]
    RequestIdReused(RequestId),
    /// The queue stayed full.
    #[error("the intake queue stayed full for {} ms", waited.as_millis())]
    Full {
        /// How long was waited.
        waited: Duration,
    },
    /// The broker is stopping.
    #[error("the broker is stopping")]
    Stopping,
}

/// A recorded statement.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its position.
    pub position: u64,
    /// When it was recorded.
    pub record_time: Timestamp,
    /// The entry's bytes.
    pub entry: Bytes,
    /// Where its receipt comes from.
    pub proof: Proof,
}

/// Where a receipt comes from.
#[derive(Debug, Clone)]
pub enum Proof {
    /// The group that it was just recorded with: everything is in memory.
    Fresh(Arc<Signed>),
    /// It was recorded before; the receipt is made from the tree and the journal.
    Replayed,
}

/// The way into the sequencer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sequencer {
    queue: mpsc::Sender<Message>,
    bytes: Arc<Semaphore>,
    quotas: Arc<Quotas>,
    wait: Duration,
    coming: Arc<AtomicUsize>,
}

/// A statement that is on its way to the queue; a group waits a moment for those.
#[derive(Debug)]
pub struct Coming(Arc<AtomicUsize>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The thread; joined at the end.
#[derive(Debug)]
pub struct Running {
    thread: JoinHandle<()>,
    queue: mpsc::Sender<Message>,
}

#[derive(Debug)]
enum Message {
    Submit(Waiting),
    /// Record what changed in the registry, and put it in force.
    Registry(Update),
    /// Take nothing new.
    Close,
}

#[derive(Debug)]
struct Waiting {
    submission: Submission,
    reply: oneshot::Sender<Result<Recorded, SequencerError>>,
    _bytes: OwnedSemaphorePermit,
    /// Of the agency's share of the queue.
    _share: Option<OwnedSemaphorePermit>,
}

/// What the thread works with. `frontier` and `last_time` are those of the journal's last entry.
#[allow(missing_docs, reason = "the names are those of the types")]
pub struct Given {
    pub journal: Box<dyn Journal>,
    pub log: Arc<Log>,
    pub state: Arc<Store>,
    pub registry: Arc<Registry>,
    pub membership: Arc<Membership>,
    pub frontier: Frontier,
    pub last_time: Timestamp,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").finish_non_exhaustive()
    }
}

impl Sequencer {
    /// Starts the thread.
    pub fn start(
        config: &config::Sequencer,
        quotas: Arc<Quotas>,
        given: Given,
    ) -> std::io::Result<(Self, Running)> {
        let (queue, messages) = mpsc::channel(config.queue_entries);
        let coming = Arc::new(AtomicUsize::new(0));
        let tail = Tail {
            coming: Arc::clone(&coming),
            gather: Duration::from_micros(config.gather_us),
            reader: given.journal.reader(),
            given,
            group_entries: config.group_entries,
            group_bytes: config.group_bytes,
        };
        let thread = vital::spawn("sequencer", move || tail.run(messages))?;
        let bytes = Arc::new(Semaphore::new(config.queue_bytes));
        let wait = Duration::from_millis(config.submit_wait_ms);
        let running = Running {
            thread,
            queue: queue.clone(),
        };
        let sequencer = Self {
            queue,
            bytes,
            quotas,
            wait,
            coming,
        };
        Ok((sequencer, running))
    }

    /// Says that a statement is being checked and will be queued or refused soon, until the answer is dropped.
    pub fn announce(&self) -> Coming {
        self.coming.fetch_add(1, Ordering::Relaxed);
        Coming(Arc::clone(&self.coming))
    }

    /// Puts a submission into the queue; the receiver gets the outcome. Waits for a place up to the configured limit. An
    /// agency that has its share of the queue waits for its own statements, and nobody waits for more of them than that.
    pub async fn enqueue(
        &self,
        submission: Submission,
    ) -> Result<oneshot::Receiver<Result<Recorded, SequencerError>>, SequencerError> {
        let bytes = u32::try_from(submission.signed_statement.len()).unwrap_or(u32::MAX);
        let place = async {
            let share = self.quotas.queue_place(&submission.agency).await;
            let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await;
            let place = self.queue.reserve().await;
            bytes.ok().zip(place.ok()).map(|had| (had, share))
        };
        let place = tokio::time::timeout(self.wait, place).await;
        let ((permit, place), share) = place
            .map_err(|_| SequencerError::Full { waited: self.wait })?
            .ok_or(SequencerError::Stopping)?;
        let (reply, outcome) = oneshot::channel();
        place.send(Message::Submit(Waiting {
            submission,
            reply,
            _bytes: permit,
            _share: share,
        }));
        Ok(outcome)
    }

    /// Records what differs between the registry as recorded and as it is now, if anything, then puts it in force by `install`,
    /// between two groups: no statement is recorded under a key after the entry that revokes it.
    pub async fn update_registry(
        &self,
        now: RegistryState,
        install: impl FnOnce() + Send + 'static,
    ) -> Result<(), SequencerError> {
        let (done, wait) = oneshot::channel();
        let update = Update::new(now, Box::new(install), done);
        let sent = self.queue.send(Message::Registry(update)).await;
        sent.map_err(|_| SequencerError::Stopping)?;
        wait.await.map_err(|_| SequencerError::Stopping)
    }

    /// Submits and waits for the outcome. If the caller goes away, what is queued is recorded all the same.
    pub async fn submit(&self, submission: Submission) -> Result<Recorded, SequencerError> {
        self.enqueue(submission)
            .await?
            .await
            .unwrap_or(Err(SequencerError::Stopping))
    }
}

impl Running {
    /// Takes nothing new, records what is queued and ends the thread. It does not wait until every [`Sequencer`] is gone: a
    /// connection whose peer has fallen silent may hold one for long. Blocks.
    pub fn close(self) {
        // If nobody receives, the thread has ended already.
        drop(self.queue.blocking_send(Message::Close));
        if self.thread.join().is_err() {
            stop_process("the sequencer", &"it panicked");
        }
    }
}
