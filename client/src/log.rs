//! The log's side of the broker: checkpoints, receipts, consistency. What can be verified is verified before it is returned.

use casebroker_proto::{
    tlog::{Checkpoint, EMPTY_ROOT, SignedNote},
    v1::{
        ConsistencyProof, GetCheckpointRequest, GetCheckpointResponse, GetConsistencyProofRequest,
        GetConsistencyProofResponse, GetReceiptRequest, GetReceiptResponse,
        log_service_client::LogServiceClient,
    },
};
use tonic::Code;

use crate::{
    Client,
    connection::{MAX_ANSWER_BYTES, Transport},
    error::{ClientError, Refusal},
    proof::ProofFailure,
    trust::{Fit, LogTrust, VerifiedCheckpoint},
};

/// A checkpoint as the broker gave it.
#[derive(Debug, Clone)]
pub struct SeenCheckpoint {
    /// The answer as it came.
    pub response: GetCheckpointResponse,
    /// What the note says.
    pub checkpoint: Checkpoint,
    /// Signature verified, and consistent with every checkpoint verified before. False when the profile has no log key, or
    /// the log no entry and therefore no checkpoint.
    pub verified: bool,
}

/// An entry with its receipt as the broker gave them.
#[derive(Debug, Clone)]
pub struct SeenReceipt {
    /// The answer as it came.
    pub response: GetReceiptResponse,
    /// Receipt verified for this entry and position, its checkpoint consistent with every one verified before. False when
    /// the profile has no log key.
    pub verified: bool,
}

/// A consistency proof as the broker gave it.
#[derive(Debug, Clone)]
pub struct SeenConsistency {
    /// The answer as it came.
    pub response: GetConsistencyProofResponse,
    /// The newest checkpoint's signature is verified. Whether the proof holds takes the roots of both trees: see
    /// [`crate::is_consistent`].
    pub verified: bool,
}

impl Client {
    /// The newest checkpoint. With a log key it is verified and compared with the newest one known; a log that shrank or
    /// forked is [`ClientError::Breach`].
    pub async fn checkpoint(&self) -> Result<SeenCheckpoint, ClientError> {
        let Some(trust) = &self.trust else {
            return SeenCheckpoint::unverified(self.get_checkpoint(0).await?);
        };
        let known = trust.known();
        let known_size = known.as_ref().map_or(0, |known| known.checkpoint.size);
        let response = match self.get_checkpoint(known_size).await {
            // The log says that it is smaller than what it signed before: have it sign that.
            Err(e) if is_out_of_range(&e) && known_size > 0 => self.get_checkpoint(0).await?,
            other => other?,
        };
        if response.checkpoint.is_empty() {
            return match known {
                Some(known) => Err(trust.shrank_to_nothing(&known)),
                None => SeenCheckpoint::unverified(response),
            };
        }
        let seen = VerifiedCheckpoint {
            checkpoint: trust.open(&response.checkpoint)?,
            note: response.checkpoint.clone(),
        };
        if let Some(known) = known.filter(|known| seen.checkpoint.size < known.checkpoint.size) {
            return Err(trust.breach(&known, &seen, "the log shrank"));
        }
        self.reconcile(&seen, response.consistency_proof.as_ref())
            .await?;
        Ok(SeenCheckpoint {
            response,
            checkpoint: seen.checkpoint,
            verified: true,
        })
    }

    /// Entry and receipt at a position, verified if there is a log key.
    pub async fn receipt(&self, position: u64) -> Result<SeenReceipt, ClientError> {
        let known_tree_size = self.known_tree_size();
        let request = GetReceiptRequest {
            position,
            known_tree_size,
        };
        let answer = self
            .connection
            .call(|channel| async move { log_service(channel).get_receipt(request).await })
            .await;
        let response = match answer {
            Err(e) if is_out_of_range(&e) => return Err(self.explain_out_of_range(e).await),
            other => other?,
        };
        let verified = match &self.trust {
            Some(trust) => {
                let seen = trust.verify_receipt(&response.receipt, &response.entry, position)?;
                self.reconcile(&seen, response.consistency_proof.as_ref())
                    .await?;
                true
            }
            None => false,
        };
        Ok(SeenReceipt { response, verified })
    }

    /// Proof that the tree of `old` leaves (at least 1) is the beginning of that of `new` (0 for the newest).
    pub async fn consistency(&self, old: u64, new: u64) -> Result<SeenConsistency, ClientError> {
        let response = self.get_consistency(old, new).await?;
        let verified = match &self.trust {
            Some(trust) => {
                trust.open(&response.checkpoint)?;
                true
            }
            None => false,
        };
        Ok(SeenConsistency { response, verified })
    }

    /// Fits a verified checkpoint to the newest one known, fetching the proof between them if the answer brought none.
    pub(crate) async fn reconcile(
        &self,
        seen: &VerifiedCheckpoint,
        proof: Option<&ConsistencyProof>,
    ) -> Result<(), ClientError> {
        let Some(trust) = &self.trust else {
            return Ok(());
        };
        let mut fetched = None;
        // Another task may move the known checkpoint between two proofs, so the first proof need not be the last.
        for _ in 0..MAX_PROOFS {
            let (old, new) = match trust.compare(seen, fetched.as_ref().or(proof))? {
                Fit::Fits => return Ok(()),
                Fit::NeedsProof { old, new } => (old, new),
            };
            let no_proof = |why: &str| Err(trust.no_proof(seen, (old, new), why));
            fetched = match self.get_consistency(old, new).await {
                Ok(answer) => answer.consistency_proof,
                Err(ClientError::Refused(refusal)) if says_no_proof(&refusal) => {
                    return no_proof(&refusal.to_string());
                }
                Err(other) => return Err(other),
            };
            match &fetched {
                None => return no_proof("the answer holds none"),
                Some(p) if (p.old_tree_size, p.new_tree_size) != (old, new) => {
                    return no_proof("the answer is for other sizes");
                }
                Some(_) => {}
            }
        }
        Err(ClientError::Busy(MAX_PROOFS))
    }

    /// A position or size that we hold proof of is beyond the log: then the log shrank, and the checkpoint shows it.
    /// Otherwise the error stays as it is.
    pub(crate) async fn explain_out_of_range(&self, error: ClientError) -> ClientError {
        if self.known_tree_size() == 0 {
            return error;
        }
        match self.checkpoint().await {
            Err(breach @ ClientError::Breach(_)) => breach,
            _ => error,
        }
    }

    /// Size of the newest tree verified; 0 for none.
    pub(crate) fn known_tree_size(&self) -> u64 {
        self.trust.as_deref().map_or(0, LogTrust::known_size)
    }

    async fn get_checkpoint(
        &self,
        known_tree_size: u64,
    ) -> Result<GetCheckpointResponse, ClientError> {
        let request = GetCheckpointRequest { known_tree_size };
        self.connection
            .call(|channel| async move { log_service(channel).get_checkpoint(request).await })
            .await
    }

    async fn get_consistency(
        &self,
        old_tree_size: u64,
        new_tree_size: u64,
    ) -> Result<GetConsistencyProofResponse, ClientError> {
        let request = GetConsistencyProofRequest {
            old_tree_size,
            new_tree_size,
        };
        self.connection
            .call(
                |channel| async move { log_service(channel).get_consistency_proof(request).await },
            )
            .await
    }
}

/// Most consistency proofs asked for to compare one checkpoint, while other tasks move the known one.
const MAX_PROOFS: usize = 8;

/// Whether the broker has no proof to give. Else it could not answer now, or not to this caller, and the log is not in doubt.
fn says_no_proof(refusal: &Refusal) -> bool {
    let other_cause = matches!(
        refusal.code,
        Code::Unauthenticated | Code::PermissionDenied | Code::DeadlineExceeded | Code::Cancelled
    );
    !refusal.is_temporary() && !other_cause
}

fn log_service(channel: Transport) -> LogServiceClient<Transport> {
    LogServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}

pub(crate) fn is_out_of_range(error: &ClientError) -> bool {
    error.refusal().is_some_and(|r| r.code == Code::OutOfRange)
}

impl SeenCheckpoint {
    /// Reads a checkpoint without believing it. A log without entries has signed none yet.
    fn unverified(response: GetCheckpointResponse) -> Result<Self, ClientError> {
        let read = |note: &str| Checkpoint::parse(note.parse::<SignedNote>()?.text());
        let checkpoint = match response.checkpoint.as_str() {
            "" => Checkpoint::new("", 0, EMPTY_ROOT),
            note => read(note).map_err(ProofFailure::Checkpoint)?,
        };
        Ok(Self {
            response,
            checkpoint,
            verified: false,
        })
    }
}
