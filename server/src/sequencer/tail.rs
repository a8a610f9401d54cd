//! The thread: takes groups, decides, makes durable, answers.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use casebroker_proto::{
    names::{AgencyName, CaseName},
    statement::decode_entry,
    v1::{Entry, Statement},
};
use prost::Message as _;
use prost_types::Timestamp;
use tokio::sync::mpsc;

use super::{
    Given, Message, Proof, Recorded, SequencerError, Waiting,
    draft::{Answer, Draft, reused, says_the_same},
    stop_process,
};
use crate::{
    intake::{Known, OverlapFound, Submission, Verdict, Wanted, decide},
    journal::{Group, JournalReader, ReadLimit},
    state::{Applied, CaseRecord, RequestId, StateError},
    transparency::Signed,
};

/// What the thread owns.
pub(super) struct Tail {
    pub(super) given: Given,
    pub(super) reader: Arc<dyn JournalReader>,
    pub(super) group_entries: usize,
    pub(super) group_bytes: usize,
    /// Statements that are on their way to the queue.
    pub(super) coming: Arc<AtomicUsize>,
    /// How long a group waits for those.
    pub(super) gather: Duration,
}

impl Tail {
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut batch = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = 0;
            let mut next = Some(first);
            let mut may_gather = !self.gather.is_zero();
            let mut registry = None;
            while let Some(message) = next.take() {
                match message {
                    Message::Submit(waiting) => {
                        bytes += waiting.submission.signed_statement.len();
                        batch.push(waiting);
                    }
                    // After what came before it, before what comes after it.
                    Message::Registry(update) => {
                        registry = Some(update);
                        break;
                    }
                    // What is queued is still received.
                    Message::Close => queue.close(),
                }
                if batch.len() >= self.group_entries || bytes >= self.group_bytes {
                    break;
                }
                next = queue.try_recv().ok();
                if next.is_none() && may_gather && self.coming.load(Ordering::Relaxed) > 0 {
                    // A group costs a sync and a signature however small it is, and the cores have others to check.
                    may_gather = false;
                    thread::sleep(self.gather);
                    next = queue.try_recv().ok();
                }
            }
            if !batch.is_empty() {
                self.commit(batch.drain(..));
            }
            if let Some(update) = registry {
                self.update_registry(update);
            }
        }
    }

    fn commit(&mut self, batch: impl Iterator<Item = Waiting>) {
        let first_position = self.given.frontier.size();
        let record_time = self.now();
        let mut draft = Draft::default();
        for Waiting {
            submission, reply, ..
        } in batch
        {
            let answer = self
                .judge(&submission, &draft, first_position)
                .unwrap_or_else(|e| match e {
                    StopReason::Journal(e) => self.fail("reading the journal", &e),
                    e => self.fail_of_state("reading the state", &e),
                });
            let answer = answer.unwrap_or_else(|record| {
                draft.accept(submission, record, first_position, record_time)
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
        if let Some(position) = self.given.state.request(&request.0, &request.1)? {
            return Ok(Ok(self.replay(position, submission)?));
        }
        let case = &submission.case;
        let record = match draft.cases.get(case) {
            Some(record) => Some(record.clone()),
            None => self.given.state.case(case)?,
        };
        if !self.signer_holds(submission) {
            return Ok(Ok(Answer::Refused(SequencerError::SignerGone)));
        }
        let wanted = Wanted {
            maker: &submission.agency,
            case,
            statement: &submission.statement,
            position: first_position + draft.entries.len() as u64,
        };
        let known = AsOfNow {
            tail: self,
            draft,
            first_position,
            overlap: submission.overlap,
        };
        let groups = self.given.membership.now();
        Ok(match decide(wanted, record.as_ref(), &*groups, &known)? {
            Ok(()) => Err(record.unwrap_or_default()),
            Err(refused) => Ok(Answer::Refused(refused)),
        })
    }

    /// Whether the key that was good when the statement was checked is so now.
    fn signer_holds(&self, submission: &Submission) -> bool {
        let registry = &self.given.registry;
        let signer = registry.signer(&submission.agency, &submission.signer);
        let now = self.given.last_time.seconds;
        signer.is_some_and(|signer| (signer.not_before..=signer.not_after).contains(&now))
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

    pub(super) fn make_durable(&mut self, first_position: u64, draft: &Draft) -> Arc<Signed> {
        let entries = draft.entries.iter().map(AsRef::as_ref);
        let signed = self
            .given
            .log
            .sign(&self.given.frontier, entries)
            .unwrap_or_else(|e| self.fail("signing the checkpoint", &e));
        let group = Group {
            first_position,
            entries: &draft.entries,
            tree_size: signed.extension.size(),
            root: signed.extension.root().into(),
            checkpoint: &signed.checkpoint,
        };
        self.given
            .journal
            .append(group)
            .unwrap_or_else(|e| self.fail("writing the journal", &e));
        // On disk. What follows can be made again from the journal, but not by a process that missed a step.
        self.given
            .log
            .publish(&signed)
            .unwrap_or_else(|e| self.fail("writing the tree", &e));
        let applied = Applied {
            position: signed.extension.size(),
            root: signed.extension.root().into(),
        };
        self.given
            .state
            .stage(&draft.changes, applied)
            .unwrap_or_else(|e| self.fail_of_state("writing the state", &e));
        self.given.frontier = signed.extension.frontier().clone();
        Arc::new(signed)
    }

    /// The clock, never before the last entry's time.
    pub(super) fn now(&mut self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
        };
        let last = &mut self.given.last_time;
        if (now.seconds, now.nanos) > (last.seconds, last.nanos) {
            *last = now;
        }
        *last
    }

    /// The journal or the tree is at fault. The state store is not, so it stays: to build it anew takes space, which may be
    /// what is missing.
    fn fail(&self, during: &str, error: &dyn Display) -> ! {
        stop_process(during, error)
    }

    /// The state store is at fault, or says what the journal does not; the next start must not trust it.
    fn fail_of_state(&self, during: &str, error: &dyn Display) -> ! {
        drop(self.given.state.condemn());
        stop_process(during, error)
    }
}

/// What the rules may ask: what is on disk, and what the group says already.
struct AsOfNow<'a> {
    tail: &'a Tail,
    draft: &'a Draft,
    first_position: u64,
    /// As in the submission.
    overlap: OverlapFound,
}

impl Known for AsOfNow<'_> {
    type Failure = StopReason;

    fn statement(&self, position: u64) -> Result<Statement, StopReason> {
        let entry = match position.checked_sub(self.first_position) {
            Some(index) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                self.draft.entries.get(index).cloned()
            }
            None => {
                let mut records = self.tail.reader.read(position, ReadLimit::ONE)?;
                records.pop().map(|record| record.entry)
            }
        };
        let entry = entry.ok_or(StopReason::Missing(position))?;
        let (_, _, statement) =
            decode_entry(&entry).map_err(|_| StopReason::Undecodable(position))?;
        Ok(statement)
    }

    fn position(&self, maker: &AgencyName, id: &RequestId) -> Result<Option<u64>, StopReason> {
        let request = (maker.clone(), *id);
        match self.draft.requests.get(&request) {
            Some(position) => Ok(Some(*position)),
            None => Ok(self.tail.given.state.request(maker, id)?),
        }
    }

    fn exists(&self, case: &CaseName) -> Result<bool, StopReason> {
        let in_group = self.draft.cases.contains_key(case);
        Ok(in_group || self.tail.given.state.case(case)?.is_some())
    }

    fn has_overlap(&self, id: &str) -> Verdict {
        match self.overlap {
            OverlapFound::Yes => Ok(()),
            OverlapFound::No => Err(SequencerError::NoOverlap(id.to_owned())),
            OverlapFound::Behind { position, wanted } => {
                Err(SequencerError::Behind { position, wanted })
            }
            // Admission asks for every declaration.
            OverlapFound::NotAsked => Err(SequencerError::Behind {
                position: 0,
                wanted: self.first_position,
            }),
        }
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
    #[error("the entry at position {0} cannot be decoded")]
    Undecodable(u64),
}
