//! A group while it is put together.

use std::collections::HashMap;

use aws_lc_rs::rand;
use bytes::Bytes;
use casebroker_proto::{
    names::{AgencyName, CaseName},
    statement::{StatementError, decode_entry},
    v1::Entry,
};
use prost::Message as _;
use prost_types::Timestamp;
use tokio::sync::oneshot;

use super::{Recorded, SequencerError, stop_process};
use crate::{
    intake::Submission,
    state::{CaseRecord, Change, RequestId, StatementChange},
};

/// A group while it is put together.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) entries: Vec<Bytes>,
    pub(super) changes: Vec<Change>,
    /// What this group says already about cases and requests, as the store does not have it yet.
    pub(super) cases: HashMap<CaseName, CaseRecord>,
    pub(super) requests: HashMap<(AgencyName, RequestId), u64>,
    pub(super) replies: Vec<(oneshot::Sender<Result<Recorded, SequencerError>>, Answer)>,
}

/// What a waiter will be told once the group is on disk.
pub(super) enum Answer {
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

impl Draft {
    pub(super) fn accept(
        &mut self,
        submission: Submission,
        record: CaseRecord,
        first_position: u64,
        record_time: Timestamp,
    ) -> Answer {
        let index = self.entries.len();
        let position = first_position + index as u64;
        let entry = Entry {
            record_time: Some(record_time),
            principal: submission.caller.principal_text.clone(),
            salt: salt(),
            signed_statement: submission.signed_statement,
            registry_update: None,
        };
        self.entries.push(entry.encode_to_vec().into());
        let (maker, case) = (submission.agency, submission.case);
        self.requests
            .insert((maker.clone(), submission.request_id), position);
        let statement = &submission.statement;
        let change = StatementChange::new(
            position,
            maker,
            submission.request_id,
            case,
            record,
            statement,
        );
        self.cases
            .insert(change.case.clone(), change.record.clone());
        self.changes.push(Change::Statement(change));
        Answer::Entry(index)
    }
}

/// Whether a recorded entry carries the same statement, byte for byte. The envelope may differ: ECDSA signatures of the same
/// statement do.
pub(super) fn says_the_same(entry: &[u8], submission: &Submission) -> bool {
    let recorded: Result<_, StatementError> = decode_entry(entry);
    recorded.is_ok_and(|(_, envelope, _)| envelope.payload() == submission.payload)
}

pub(super) fn reused(submission: &Submission) -> Answer {
    Answer::Refused(SequencerError::RequestIdReused(submission.request_id))
}

pub(super) fn salt() -> Bytes {
    let mut salt = [0; 16];
    if rand::fill(&mut salt).is_err() {
        stop_process("making a salt", &"the system gives no randomness");
    }
    Bytes::copy_from_slice(&salt)
}
