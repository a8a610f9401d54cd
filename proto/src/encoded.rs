//! Long messages as a server writes them: what was recorded stays as it was encoded, and each case of a page is encoded as soon as it
//! is made; so what nobody looks into is never decoded, and no tree of a whole page is kept.
//!
//! Each message has the fields of the one of that name in [`v1`](crate::v1), with bytes in the place of a message; on the wire both are
//! length-delimited (Protocol Buffers, "Encoding"), so that a client cannot tell.

use bytes::Bytes;
use prost::Message;
use prost_types::Timestamp;

use crate::{
    names::{CaseName, PrincipalId},
    statement::{StatementError, payload_of, undecodable},
    v1::{AckOutcome, Case, CaseChange, Entry, FilterTerm, StatementKind},
};

pub use server::{case_service_server, subscription_service_server};

#[allow(
    missing_docs,
    missing_debug_implementations,
    unused_qualifications,
    clippy::all
)]
mod server {
    include!(concat!(env!("OUT_DIR"), "/encoded/casebroker.v1.rs"));
}

/// [`v1::ListCasesResponse`](crate::v1::ListCasesResponse).
#[derive(Clone, PartialEq, Message)]
pub struct ListCasesResponse {
    /// The page: each a [`v1::Case`](crate::v1::Case), encoded.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub cases: Vec<Bytes>,
    /// Token of the next page.
    #[prost(string, tag = "2")]
    pub next_page_token: String,
    /// Position that the page is of.
    #[prost(uint64, tag = "3")]
    pub as_of_position: u64,
    /// Size of the log's newest checkpoint.
    #[prost(uint64, tag = "4")]
    pub tree_size: u64,
    /// Cases on all pages.
    #[prost(int64, tag = "5")]
    pub total_size: i64,
    /// The filter as it was understood.
    #[prost(message, repeated, tag = "6")]
    pub understood: Vec<FilterTerm>,
}

/// [`v1::PullResponse`](crate::v1::PullResponse).
#[derive(Clone, PartialEq, Message)]
pub struct PullResponse {
    /// The deliveries.
    #[prost(message, repeated, tag = "1")]
    pub deliveries: Vec<Delivery>,
}

/// [`v1::StreamingPullResponse`](crate::v1::StreamingPullResponse).
#[derive(Clone, PartialEq, Message)]
pub struct StreamingPullResponse {
    /// More deliveries.
    #[prost(message, repeated, tag = "1")]
    pub deliveries: Vec<Delivery>,
    /// What became of what the client said.
    #[prost(message, repeated, tag = "2")]
    pub outcomes: Vec<AckOutcome>,
}

/// [`v1::Delivery`](crate::v1::Delivery).
#[derive(Clone, PartialEq, Message)]
pub struct Delivery {
    /// What it is acknowledged by.
    #[prost(string, tag = "1")]
    pub ack_id: String,
    /// Position of the statement.
    #[prost(uint64, tag = "2")]
    pub position: u64,
    /// The case.
    #[prost(bytes = "bytes", tag = "3")]
    pub case: Bytes,
    /// Kind of the statement.
    #[prost(enumeration = "StatementKind", tag = "4")]
    pub kind: i32,
    /// When it was recorded.
    #[prost(message, optional, tag = "5")]
    pub record_time: Option<Timestamp>,
    /// What it changed.
    #[prost(message, optional, tag = "6")]
    pub change: Option<CaseChange>,
    /// Which attempt this is.
    #[prost(int32, tag = "7")]
    pub delivery_attempt: i32,
    /// A [`v1::StatementRecord`](crate::v1::StatementRecord), encoded.
    #[prost(bytes = "bytes", optional, tag = "8")]
    pub statement: Option<Bytes>,
    /// The case as it stands with this statement.
    #[prost(message, optional, tag = "9")]
    pub as_of_case: Option<Case>,
    /// The entry as recorded.
    #[prost(bytes = "bytes", tag = "10")]
    pub entry: Bytes,
    /// Its receipt.
    #[prost(string, tag = "11")]
    pub receipt: String,
    /// Whether something was left out for its size.
    #[prost(bool, tag = "12")]
    pub incomplete: bool,
}

/// A recorded statement, as much of it as must be known to pass it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When it was recorded.
    pub record_time: Timestamp,
    /// The case that it is about.
    pub case: CaseName,
    /// A [`v1::StatementRecord`](crate::v1::StatementRecord), encoded.
    pub record: Bytes,
}

/// [`v1::StatementRecord`](crate::v1::StatementRecord).
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    position: u64,
    #[prost(message, optional, tag = "2")]
    record_time: Option<Timestamp>,
    #[prost(string, tag = "3")]
    principal: String,
    #[prost(string, tag = "4")]
    agency: String,
    #[prost(bytes = "bytes", optional, tag = "5")]
    statement: Option<Bytes>,
}

/// The first field of a [`v1::Statement`](crate::v1::Statement); the others are passed over.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(string, tag = "1")]
    case: String,
}

impl Recorded {
    /// Reads an entry that the journal holds at a position; `None` if it is a change of the registry. As
    /// [`read_recorded`](crate::statement::read_recorded), but what was signed is not looked into: it was when it was recorded, and
    /// every field of it is known (`Envelope::check_complete`).
    pub fn of_entry(position: u64, entry: &Bytes) -> Result<Option<Self>, StatementError> {
        let mut entry = Entry::decode(entry.clone()).map_err(undecodable)?;
        let envelope = std::mem::take(&mut entry.signed_statement);
        let Some(payload) = payload_of(&entry, &envelope)? else {
            return Ok(None);
        };
        let payload = envelope.slice_ref(payload);
        let name = |e: crate::names::NameError| StatementError::Payload(e.to_string());
        let principal: PrincipalId = entry.principal.parse().map_err(name)?;
        let head = Head::decode(payload.clone()).map_err(undecodable)?;
        let record_time = entry.record_time.unwrap_or_default();
        let record = Record {
            position,
            record_time: Some(record_time),
            principal: entry.principal,
            agency: principal.agency.to_string(),
            statement: Some(payload),
        };
        Ok(Some(Self {
            record_time,
            case: head.case.parse().map_err(name)?,
            record: record.encode_to_vec().into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    fn whole() -> v1::Delivery {
        v1::Delivery {
            ack_id: "a".into(),
            position: 70_000,
            case: "agencies/us-dea/cases/1".into(),
            kind: StatementKind::Amendment.into(),
            record_time: Some(Timestamp {
                seconds: 5,
                nanos: 6,
            }),
            change: Some(CaseChange {
                appeared: true,
                selected: true,
                ..CaseChange::default()
            }),
            delivery_attempt: 3,
            statement: Some(v1::StatementRecord {
                position: 70_000,
                record_time: Some(Timestamp {
                    seconds: 5,
                    nanos: 6,
                }),
                principal: "spiffe://x/agency/us-dea/system/s".into(),
                agency: "agencies/us-dea".into(),
                statement: Some(v1::Statement {
                    case: "agencies/us-dea/cases/1".into(),
                    ..v1::Statement::default()
                }),
            }),
            as_of_case: Some(Case {
                name: "agencies/us-dea/cases/1".into(),
                ..Case::default()
            }),
            entry: Bytes::from_static(b"entry"),
            receipt: "receipt".into(),
            incomplete: true,
        }
    }

    #[test]
    fn messages_have_the_same_bytes_as_those_of_the_contract() {
        let delivery = whole();
        let bytes = delivery.encode_to_vec();
        let encoded = Delivery::decode(bytes.as_slice()).unwrap();
        assert_eq!(
            encoded.statement.as_deref(),
            delivery
                .statement
                .as_ref()
                .map(Message::encode_to_vec)
                .as_deref()
        );
        assert_eq!(encoded.encode_to_vec(), bytes);
        let outcome = AckOutcome {
            ack_id: "a".into(),
            result: 1,
        };
        let response = v1::StreamingPullResponse {
            deliveries: vec![delivery.clone(), v1::Delivery::default()],
            outcomes: vec![outcome],
        };
        let bytes = response.encode_to_vec();
        let encoded = StreamingPullResponse::decode(bytes.as_slice()).unwrap();
        assert_eq!(encoded.encode_to_vec(), bytes);
        let response = v1::PullResponse {
            deliveries: vec![delivery],
        };
        let bytes = response.encode_to_vec();
        let encoded = PullResponse::decode(bytes.as_slice()).unwrap();
        assert_eq!(encoded.encode_to_vec(), bytes);
        let response = v1::ListCasesResponse {
            cases: vec![whole().as_of_case.unwrap(), Case::default()],
            next_page_token: "t".into(),
            as_of_position: 70_000,
            tree_size: 70_001,
            total_size: 3,
            understood: vec![FilterTerm {
                field: "origins".into(),
                ..FilterTerm::default()
            }],
        };
        let bytes = response.encode_to_vec();
        let encoded = ListCasesResponse::decode(bytes.as_slice()).unwrap();
        assert_eq!(encoded.encode_to_vec(), bytes);
        let record = whole().statement.unwrap().encode_to_vec();
        let encoded = Record::decode(record.as_slice()).unwrap();
        assert_eq!(encoded.encode_to_vec(), record);
    }
}
