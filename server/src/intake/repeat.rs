//! A statement that is refused now may have been recorded when it still passed: its signer may have been removed since, or the
//! clock, the catalogue or the members have moved on. Whoever sends it again is owed the same answer, for ever.

use bytes::Bytes;
use casebroker_proto::statement::Envelope;

use super::IntakeError;
use crate::state::RequestId;

/// What tells whether a refused statement was recorded earlier. Its signature need not have been checked: nothing is written
/// for it, and only its own agency, by the certificate of the connection, is answered.
#[derive(Debug)]
pub struct Repeat {
    /// Request id that it would have been recorded under.
    pub request_id: RequestId,
    /// The serialized statement.
    pub payload: Vec<u8>,
}

impl Repeat {
    /// The statement in an envelope that was refused, if it could have passed at another time. A broken envelope and a wrong
    /// signature never could, and a case of another agency never was this agency's.
    pub fn of(refused: &IntakeError, signed_statement: &Bytes) -> Option<Self> {
        match refused {
            IntakeError::Signer(_) | IntakeError::Fields(_) | IntakeError::Role { .. } => {}
            IntakeError::Statement(_) | IntakeError::Agency { .. } | IntakeError::OwnCase(_) => {
                return None;
            }
        }
        let envelope = Envelope::parse(signed_statement).ok()?;
        let statement = envelope.decode().ok()?;
        let request_id = uuid::Uuid::try_parse(&statement.request_id).ok()?;
        Some(Self {
            request_id: request_id.into_bytes(),
            payload: envelope.into_payload(),
        })
    }
}
