//! What an agency recorded under a request id.

use bytes::Bytes;
use casebroker_proto::{
    names::{AgencyName, CaseName, NameError},
    statement::{StatementError, decode_entry},
};
use prost_types::Timestamp;

use super::{CaseReader, ReadError};
use crate::{journal::ReadLimit, state::RequestId};

/// An entry that was recorded under a request id.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// Its position.
    pub position: u64,
    /// When it was recorded.
    pub record_time: Timestamp,
    /// Case that it is about.
    pub case: CaseName,
    /// Its bytes.
    pub entry: Bytes,
    /// The serialized statement in it.
    pub payload: Vec<u8>,
}

impl CaseReader {
    /// What this agency recorded under a request id, if anything. Only for a caller of that agency.
    pub fn earlier(
        &self,
        agency: &AgencyName,
        request_id: &RequestId,
    ) -> Result<Option<Earlier>, ReadError> {
        let Some(position) = self.state.request(agency, request_id)? else {
            return Ok(None);
        };
        let record = self.journal.read(position, ReadLimit::ONE)?.pop();
        let bytes = record.ok_or(ReadError::NoEntry(position))?.entry;
        let bad = |source| ReadError::Entry { position, source };
        let (entry, envelope, statement) = decode_entry(&bytes).map_err(bad)?;
        let case = statement.case.parse();
        let case = case.map_err(|e: NameError| bad(StatementError::Payload(e.to_string())))?;
        Ok(Some(Earlier {
            position,
            record_time: entry.record_time.unwrap_or_default(),
            case,
            entry: bytes,
            payload: envelope.into_payload(),
        }))
    }
}
