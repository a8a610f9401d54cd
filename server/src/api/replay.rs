//! The same request gets the same receipt for ever, also when it would be refused today.

use bytes::Bytes;
use casebroker_proto::names::CaseName;
use tonic::Status;

use super::Rooms;
use crate::{
    identity::Caller,
    intake::{IntakeError, Repeat},
    sequencer::{Proof, Recorded, SequencerError},
};

/// A statement that the intake refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// The answer, if the statement was not recorded earlier.
    status: Status,
    /// What to look for; `None` if it cannot have been recorded.
    repeat: Option<Repeat>,
}

impl Refused {
    pub(super) fn new(error: IntakeError, signed_statement: &Bytes) -> Self {
        let repeat = Repeat::of(&error, signed_statement);
        let status = error.into();
        Self { status, repeat }
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let repeat = None;
        Self { status, repeat }
    }
}

impl Rooms {
    /// What the caller's agency recorded under the request id of a refused statement, if it is the same byte for byte; else
    /// the refusal. What passes the intake never comes here: the sequencer looks for itself.
    pub(super) async fn recorded_before(
        &self,
        caller: &Caller,
        refused: Refused,
    ) -> Result<(CaseName, Recorded), Status> {
        let Refused { status, repeat } = refused;
        let Some(repeat) = repeat else {
            return Err(status);
        };
        let agency = caller.principal.agency.clone();
        self.read(caller.clone(), move |rooms| {
            let Some(earlier) = rooms.cases.earlier(&agency, &repeat.request_id)? else {
                return Err(status);
            };
            if earlier.payload != repeat.payload {
                return Err(SequencerError::RequestIdReused(repeat.request_id).into());
            }
            let recorded = Recorded {
                position: earlier.position,
                record_time: earlier.record_time,
                entry: earlier.entry,
                proof: Proof::Replayed,
            };
            Ok((earlier.case, recorded))
        })
        .await
    }
}
