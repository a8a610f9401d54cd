//! Group commit: one thread owns the tail of the journal.
//!
//! What it is for: giving every statement its position. It takes what has queued while the last group was being synced,
//! decides each against the state of its case, appends one group, syncs once, extends the tree, signs one checkpoint, and
//! answers all of them. What it promises: nothing is answered before its entry and its checkpoint are on disk; equal
//! requests get the same entry, also when both are in flight at once. What it never does: go on after a failed write or
//! sync. Then nobody is answered any more and the process ends, as retrying a failed sync can lose what it reported
//! ("fsyncgate"; PostgreSQL wiki, "Fsync Errors").

use std::{
    collections::HashMap,
    fmt::Display,
    process,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::rand;
use bytes::Bytes;
use casebroker_proto::{
    names::{AgencyName, CaseName},
    statement::{StatementError, decode_entry},
    tlog::Frontier,
    v1::Entry,
};
use prost::Message as _;
use prost_types::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{
    config,
    intake::{Action, Submission, decide},
    journal::{Group, Journal, JournalReader, ReadLimit},
    state::{CaseRecord, Change, Effect, MAX_STATEMENTS, RequestId, StateError, Store},
    transparency::{Log, Signed},
};

/// Exit status of the process after a failed write or sync (sysexits.h, EX_IOERR).
pub const EXIT_IO: i32 = 74;

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
    #[error("`{0}` has {MAX_STATEMENTS} statements, the most a case may have")]
    CaseFull(CaseName),
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
    wait: Duration,
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
    /// Take nothing new.
    Close,
}

#[derive(Debug)]
struct Waiting {
    submission: Submission,
    reply: oneshot::Sender<Result<Recorded, SequencerError>>,
    _bytes: OwnedSemaphorePermit,
}

impl Sequencer {
    /// Starts the thread. `frontier` and `last_time` are those of the journal's last entry.
    pub fn start(
        config: &config::Sequencer,
        journal: Box<dyn Journal>,
        log: Arc<Log>,
        state: Arc<Store>,
        frontier: Frontier,
        last_time: Timestamp,
    ) -> std::io::Result<(Self, Running)> {
        let (queue, messages) = mpsc::channel(config.queue_entries);
        let tail = Tail {
            reader: journal.reader(),
            journal,
            log,
            state,
            frontier,
            last_time,
            group_entries: config.group_entries,
            group_bytes: config.group_bytes,
        };
        let thread = thread::Builder::new()
            .name("sequencer".into())
            .spawn(move || tail.run(messages))?;
        let bytes = Arc::new(Semaphore::new(config.queue_bytes));
        let wait = Duration::from_millis(config.submit_wait_ms);
        let running = Running {
            thread,
            queue: queue.clone(),
        };
        Ok((Self { queue, bytes, wait }, running))
    }

    /// Puts a submission into the queue; the receiver gets the outcome. Waits for a place up to the configured limit.
    pub async fn enqueue(
        &self,
        submission: Submission,
    ) -> Result<oneshot::Receiver<Result<Recorded, SequencerError>>, SequencerError> {
        let bytes = u32::try_from(submission.signed_statement.len()).unwrap_or(u32::MAX);
        let place = async {
            let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await;
            let place = self.queue.reserve().await;
            bytes.ok().zip(place.ok())
        };
        let place = tokio::time::timeout(self.wait, place).await;
        let (permit, place) = place
            .map_err(|_| SequencerError::Full { waited: self.wait })?
            .ok_or(SequencerError::Stopping)?;
        let (reply, outcome) = oneshot::channel();
        place.send(Message::Submit(Waiting {
            submission,
            reply,
            _bytes: permit,
        }));
        Ok(outcome)
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

/// What the thread owns.
struct Tail {
    journal: Box<dyn Journal>,
    reader: Arc<dyn JournalReader>,
    log: Arc<Log>,
    state: Arc<Store>,
    frontier: Frontier,
    last_time: Timestamp,
    group_entries: usize,
    group_bytes: usize,
}

/// A group while it is put together.
#[derive(Default)]
struct Draft {
    entries: Vec<Bytes>,
    changes: Vec<Change>,
    /// What this group says already about cases and requests, as the store does not have it yet.
    cases: HashMap<CaseName, CaseRecord>,
    requests: HashMap<(AgencyName, RequestId), u64>,
    replies: Vec<(oneshot::Sender<Result<Recorded, SequencerError>>, Answer)>,
}

/// What a waiter will be told once the group is on disk.
enum Answer {
    /// The group's entry with this index.
    Entry(usize),
    /// An entry recorded earlier.
    Earlier {
        position: u64,
        entry: Bytes,
        record_time: Timestamp,
    },
    /// Refused.
    Refused(SequencerError),
}

impl Tail {
    fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut batch = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(message) = next.take() {
                match message {
                    Message::Submit(waiting) => {
                        bytes += waiting.submission.signed_statement.len();
                        batch.push(waiting);
                    }
                    // What is queued is still received.
                    Message::Close => queue.close(),
                }
                if batch.len() < self.group_entries && bytes < self.group_bytes {
                    next = queue.try_recv().ok();
                }
            }
            if !batch.is_empty() {
                self.commit(batch.drain(..));
            }
        }
    }

    fn commit(&mut self, batch: impl Iterator<Item = Waiting>) {
        let first_position = self.frontier.size();
        let record_time = self.now();
        let mut draft = Draft::default();
        for Waiting {
            submission,
            reply,
            _bytes,
        } in batch
        {
            let answer = self
                .judge(&submission, &draft, first_position)
                .unwrap_or_else(|e| self.fail("reading the state", &e));
            let answer = answer.unwrap_or_else(|accepted| {
                draft.accept(submission, accepted, first_position, record_time)
            });
            draft.replies.push((reply, answer));
        }
        let signed = (!draft.entries.is_empty()).then(|| self.make_durable(first_position, &draft));
        for (reply, answer) in draft.replies {
            let outcome = match answer {
                Answer::Refused(error) => Err(error),
                Answer::Earlier {
                    position,
                    entry,
                    record_time,
                } => Ok(Recorded {
                    position,
                    record_time,
                    entry,
                    proof: Proof::Replayed,
                }),
                Answer::Entry(index) => match (draft.entries.get(index), &signed) {
                    (Some(entry), Some(signed)) => Ok(Recorded {
                        position: first_position + index as u64,
                        record_time,
                        entry: entry.clone(),
                        proof: Proof::Fresh(Arc::clone(signed)),
                    }),
                    _ => Err(SequencerError::Stopping),
                },
            };
            // A caller that went away gets the same answer when it asks again.
            drop(reply.send(outcome));
        }
    }

    /// Ok: the answer is known. Err: accepted, with the record of the case as it will be.
    fn judge(
        &self,
        submission: &Submission,
        draft: &Draft,
        first_position: u64,
    ) -> Result<Result<Answer, CaseRecord>, StopReason> {
        let request = (submission.agency.clone(), submission.request_id);
        if let Some(position) = draft.requests.get(&request) {
            let index = usize::try_from(position - first_position).unwrap_or(usize::MAX);
            let same = draft
                .entries
                .get(index)
                .is_some_and(|entry| says_the_same(entry, submission));
            let answer = if same {
                Answer::Entry(index)
            } else {
                reused(submission)
            };
            return Ok(Ok(answer));
        }
        if let Some(position) = self.state.request(&request.0, &request.1)? {
            return Ok(Ok(self.replay(position, submission)?));
        }
        let case = &submission.case;
        let record = match draft.cases.get(case) {
            Some(record) => Some(record.clone()),
            None => self.state.case(case)?,
        };
        Ok(match decide(submission.action, case, record.as_ref()) {
            Err(error) => Ok(Answer::Refused(error)),
            Ok(()) => Err(record.unwrap_or_default()),
        })
    }

    fn replay(&self, position: u64, submission: &Submission) -> Result<Answer, StopReason> {
        let record = self
            .reader
            .read(position, ReadLimit::ONE)?
            .pop()
            .ok_or(StopReason::Missing(position))?;
        if !says_the_same(&record.entry, submission) {
            return Ok(reused(submission));
        }
        let record_time = Entry::decode(record.entry.as_ref())
            .ok()
            .and_then(|entry| entry.record_time)
            .unwrap_or_default();
        Ok(Answer::Earlier {
            position,
            entry: record.entry,
            record_time,
        })
    }

    fn make_durable(&mut self, first_position: u64, draft: &Draft) -> Arc<Signed> {
        let entries = draft.entries.iter().map(AsRef::as_ref);
        let signed = self
            .log
            .sign(&self.frontier, entries)
            .unwrap_or_else(|e| self.fail("signing the checkpoint", &e));
        let group = Group {
            first_position,
            entries: &draft.entries,
            tree_size: signed.extension.size(),
            root: signed.extension.root().into(),
            checkpoint: &signed.checkpoint,
        };
        self.journal
            .append(group)
            .unwrap_or_else(|e| self.fail("writing the journal", &e));
        // On disk. What follows can be made again from the journal, but not by a process that missed a step.
        self.log
            .publish(&signed)
            .unwrap_or_else(|e| self.fail("writing the tree", &e));
        self.state
            .stage(&draft.changes, signed.extension.size())
            .unwrap_or_else(|e| self.fail("writing the state", &e));
        self.frontier = signed.extension.frontier().clone();
        Arc::new(signed)
    }

    /// The clock, never before the last entry's time.
    fn now(&mut self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
        };
        if (now.seconds, now.nanos) > (self.last_time.seconds, self.last_time.nanos) {
            self.last_time = now;
        }
        self.last_time
    }

    fn fail(&self, during: &str, error: &dyn Display) -> ! {
        // If the state store is at fault, the next start must not trust it; if not, this costs one rebuild.
        drop(self.state.condemn());
        stop_process(during, error)
    }
}

impl Draft {
    fn accept(
        &mut self,
        submission: Submission,
        mut record: CaseRecord,
        first_position: u64,
        record_time: Timestamp,
    ) -> Answer {
        let index = self.entries.len();
        let position = first_position + index as u64;
        let effect = match submission.action {
            Action::Report => Effect::Reported,
            Action::Amend { .. } => Effect::Amended,
            Action::Retract => Effect::Retracted,
        };
        record.statements.push((position, effect));
        let entry = Entry {
            record_time: Some(record_time),
            principal: submission.caller.principal_text.clone(),
            salt: salt(),
            signed_statement: submission.signed_statement,
        };
        self.entries.push(entry.encode_to_vec().into());
        self.cases.insert(submission.case.clone(), record.clone());
        self.requests
            .insert((submission.agency.clone(), submission.request_id), position);
        self.changes.push(Change {
            position,
            agency: submission.agency,
            request_id: submission.request_id,
            case: submission.case,
            record,
        });
        Answer::Entry(index)
    }
}

/// Why the sequencer cannot go on.
#[derive(Debug, thiserror::Error)]
enum StopReason {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    #[error("the state names position {0}, which the journal does not have")]
    Missing(u64),
}

/// Whether a recorded entry carries the same statement, byte for byte. The envelope may differ: ECDSA signatures of the same
/// statement do.
fn says_the_same(entry: &[u8], submission: &Submission) -> bool {
    let recorded: Result<_, StatementError> = decode_entry(entry);
    recorded.is_ok_and(|(_, envelope, _)| envelope.payload() == submission.payload)
}

fn reused(submission: &Submission) -> Answer {
    Answer::Refused(SequencerError::RequestIdReused(submission.request_id))
}

fn salt() -> Bytes {
    let mut salt = [0; 16];
    if rand::fill(&mut salt).is_err() {
        stop_process("making a salt", &"the system gives no randomness");
    }
    Bytes::copy_from_slice(&salt)
}

/// Ends the process at once: nobody is answered any more.
pub fn stop_process(during: &str, error: &dyn Display) -> ! {
    tracing::error!(during, %error, "the broker stops; nothing is acknowledged after this");
    eprintln!(
        "casebroker: stopped while {during}: {error}\n\
         Everything acknowledged is in the journal. Look at the disk, then start again: the start checks all of it."
    );
    process::exit(EXIT_IO)
}
