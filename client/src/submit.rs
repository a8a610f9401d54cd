//! Making, signing and sending one statement.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use casebroker_proto::{
    MAX_SIGNED_STATEMENT_BYTES,
    errors::Violation,
    statement::{Envelope, Signer},
    v1::{RecordedStatement, Statement, SubmitRequest, intake_service_client::IntakeServiceClient},
    validation::{Clock, check_statement},
};
use prost::Message as _;
use prost_types::Timestamp;
use uuid::Uuid;

use crate::{
    Client,
    connection::{MAX_ANSWER_BYTES, Transport},
    error::ClientError,
    log::is_out_of_range,
    proof::recorded_payload,
    trust::VerifiedCheckpoint,
};

/// A statement that is signed and can be sent, again too: its request id makes that safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Case that it is about.
    pub case: String,
    /// Its request id.
    pub request_id: String,
    /// The COSE_Sign1 envelope.
    pub signed: Bytes,
}

/// A statement that the broker recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Position in the journal, zero-based.
    pub position: u64,
    /// When it was recorded, by the broker's clock.
    pub record_time: Option<Timestamp>,
    /// The Entry's bytes as recorded. With `receipt` they make a [`crate::ProofFile`].
    pub entry: Bytes,
    /// C2SP tlog-proof, text.
    pub receipt: String,
    /// It had been recorded before, under the same request id.
    pub replayed: bool,
    /// The receipt was verified. False when the profile has no log key.
    pub verified: bool,
}

/// Every rule that a statement breaks, as the broker would find them at this time; empty if none.
pub fn check(statement: &Statement, now: SystemTime) -> Vec<Violation> {
    // A clock before 1970 is wrong, and then every date is in the future.
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let clock = Clock {
        now: i64::try_from(now).unwrap_or(i64::MAX),
    };
    check_statement(statement, clock)
}

/// Fills in a missing request id (random) and time (now), checks and signs.
pub fn prepare(mut statement: Statement, signer: &Signer) -> Result<Prepared, ClientError> {
    let now = SystemTime::now();
    if statement.request_id.is_empty() {
        statement.request_id = Uuid::new_v4().to_string();
    }
    statement.make_time.get_or_insert_with(|| now.into());
    let violations = check(&statement, now);
    if !violations.is_empty() {
        return Err(ClientError::Invalid(violations));
    }
    let signed = signer.sign_payload(statement.encode_to_vec())?;
    if signed.len() > MAX_SIGNED_STATEMENT_BYTES {
        let description = format!(
            "the signed statement has {} bytes, more than {MAX_SIGNED_STATEMENT_BYTES}",
            signed.len()
        );
        return Err(ClientError::Invalid(vec![Violation::new(
            "signed_statement",
            description,
        )]));
    }
    Ok(Prepared {
        case: statement.case,
        request_id: statement.request_id,
        signed: signed.into(),
    })
}

impl Client {
    /// Fills in what is missing, checks and signs, with the profile's key.
    pub fn prepare(&self, statement: Statement) -> Result<Prepared, ClientError> {
        prepare(
            statement,
            self.signer.as_deref().ok_or(ClientError::NoSigner)?,
        )
    }

    /// Prepares and sends one statement. When it returns, the statement is on disk under a signed checkpoint, and the
    /// receipt is verified if there is a log key.
    pub async fn submit(&self, statement: Statement) -> Result<Recorded, ClientError> {
        self.send(&self.prepare(statement)?).await
    }

    /// Sends one prepared statement. After an error it may have been recorded all the same: send the same value again to
    /// know.
    pub async fn send(&self, prepared: &Prepared) -> Result<Recorded, ClientError> {
        let request = SubmitRequest {
            signed_statement: prepared.signed.clone(),
            known_tree_size: self.known_tree_size(),
        };
        let response = self
            .connection
            .call(|channel| {
                let request = request.clone();
                async move { intake(channel).submit(request).await }
            })
            .await;
        let response = match response {
            Err(e) if is_out_of_range(&e) => return Err(self.explain_out_of_range(e).await),
            other => other?,
        };
        let recorded = response
            .recorded
            .ok_or(ClientError::Answer("no recorded statement"))?;
        let (recorded, seen) = self.accept(prepared, recorded)?;
        self.keep_written();
        if let Some(seen) = seen {
            self.reconcile(&seen, response.consistency_proof.as_ref())
                .await?;
        }
        Ok(recorded)
    }

    /// Verifies what was answered to a statement. Its checkpoint is yet to be compared with those known.
    pub(crate) fn accept(
        &self,
        prepared: &Prepared,
        answer: RecordedStatement,
    ) -> Result<(Recorded, Option<VerifiedCheckpoint>), ClientError> {
        let RecordedStatement {
            position,
            record_time: _,
            entry,
            receipt,
            replayed,
        } = answer;
        let sent = Envelope::parse(&prepared.signed)?;
        // The answer's own time is not proved; that of the entry is.
        let record_time = recorded_payload(&entry, position, sent.payload())?;
        let seen = match &self.trust {
            Some(trust) => Some(trust.verify_receipt(&receipt, &entry, position)?),
            None => None,
        };
        self.note_written(position);
        let recorded = Recorded {
            position,
            record_time,
            entry,
            receipt,
            replayed,
            verified: seen.is_some(),
        };
        Ok((recorded, seen))
    }
}

pub(crate) fn intake(channel: Transport) -> IntakeServiceClient<Transport> {
    IntakeServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
