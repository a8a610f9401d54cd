//! The gRPC services: one file each. A method decodes, calls one room and encodes.
//!
//! What it is for: speaking the contract. What it promises: every call knows its caller and was allowed for its role; every
//! refusal is a `google.rpc.Status` with a reason from the one list. What it never does: decide anything itself.
//!
//! Only this room names tonic.

mod access;
mod ack_ids;
mod cases;
mod dead_letters;
mod deliveries;
mod doorway;
mod intake;
mod lists;
mod log;
mod overlaps;
mod page_token;
mod purpose;
mod questions;
mod quota;
mod reasons;
mod record;
mod registry;
mod replay;
mod serve;
mod standing;
mod statistics;
mod status;
mod subscriptions;
mod tasks;

use std::sync::Arc;

use casebroker_proto::{google::rpc, v1::ConsistencyProof};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

pub use quota::{Admitted, admitted};
pub use serve::serve;

use crate::{
    config::{self, Limits, Policy},
    delivery::Deliveries,
    identity::{Caller, Registry},
    intake::Intake,
    policy::{
        Method,
        access::{Reader, Record},
        may_call,
        quotas::Quotas,
    },
    projections::{CaseReader, Membership, table::Table, text::Text},
    scans::Scans,
    sequencer::{Sequencer, SequencerError},
    transparency::Log,
};

/// The rooms that the services call.
#[derive(Debug, Clone)]
pub struct Rooms {
    /// Members.
    pub registry: Arc<Registry>,
    /// Checks.
    pub intake: Intake,
    /// The way into the journal.
    pub sequencer: Sequencer,
    /// Cases.
    pub cases: CaseReader,
    /// Lists and counts.
    pub table: Arc<Table>,
    /// Words.
    pub text: Arc<Text>,
    /// Subscriptions.
    pub deliveries: Arc<Deliveries>,
    /// How long lists and counts may take.
    pub limits_of_table: config::Table,
    /// The registry's history.
    pub membership: Arc<Membership>,
    /// Receipts of earlier entries.
    pub receipts: Receipts,
    /// The log.
    pub log: Arc<Log>,
    /// The access record, written around every call.
    pub record: Arc<Record>,
    /// The same for reading.
    pub access: Reader,
    /// What callers must say.
    pub policy: Arc<Policy>,
    /// Limits.
    pub limits: Arc<Limits>,
    /// Cancelled when the broker begins to stop.
    pub stopping: CancellationToken,
    /// Places for calls that read the disk.
    pub readers: Arc<Semaphore>,
    /// Threads for calls that read much.
    pub scans: Arc<Scans>,
    /// Who may take how much.
    pub quotas: Arc<Quotas>,
}

pub use crate::transparency::Receipts;

/// The caller of a request, if its role may use the method.
fn authorize<T>(request: &Request<T>, method: Method) -> Result<Caller, Status> {
    let caller = request
        .extensions()
        .get::<Caller>()
        .ok_or_else(|| status::internal(&"a connection without a caller"))?;
    if may_call(caller.principal.role, method) {
        purpose::check(request, method)?;
        return Ok(caller.clone());
    }
    Err(status::role_not_allowed(caller.principal.role, method))
}

impl Rooms {
    /// Runs something that reads the disk, on a thread where that is allowed. The caller's agency has its share of the
    /// places, which is taken until the work is done, also if the caller goes away.
    async fn read<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let share = self.quotas.reader(&caller.principal.agency).await;
        let place = Arc::clone(&self.readers)
            .acquire_owned()
            .await
            .map_err(|e| status::internal(&e))?;
        let rooms = self.clone();
        let outcome = tokio::task::spawn_blocking(move || {
            let outcome = work(&rooms);
            drop((place, share));
            outcome
        });
        outcome.await.map_err(|e| status::internal(&e))?
    }

    /// Runs a slice of something that may read much, where it does not keep others waiting.
    async fn scan<T: Send + 'static>(
        &self,
        slice: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let rooms = self.clone();
        let outcome = self.scans.run(move || slice(&rooms));
        let outcome = outcome.ok_or(Status::from(SequencerError::Stopping))?;
        outcome.await.map_err(|e| status::internal(&e))?
    }

    /// The proof that a caller gets along with an answer, if it said which tree size it knows.
    fn consistency_proof(&self, known: u64, size: u64) -> Result<Option<ConsistencyProof>, Status> {
        if known == 0 {
            return Ok(None);
        }
        let hashes = self.log.consistency(known, size)?;
        Ok(Some(ConsistencyProof {
            old_tree_size: known,
            new_tree_size: size,
            hashes: hashes.iter().map(|h| h.as_bytes().to_vec()).collect(),
        }))
    }
}

/// A status as data, for answers within a stream.
fn in_band(status: &Status) -> rpc::Status {
    use prost::Message as _;
    // The details of a status are a serialized google.rpc.Status already.
    match rpc::Status::decode(status.details()) {
        Ok(decoded) if !status.details().is_empty() => decoded,
        _ => rpc::Status {
            code: status.code().into(),
            message: status.message().into(),
            details: Vec::new(),
        },
    }
}
