//! The gRPC services: one file each. A method decodes, calls one room and encodes.
//!
//! What it is for: speaking the contract. What it promises: every call knows its caller and was allowed for its role; every
//! refusal is a `google.rpc.Status` with a reason from the one list. What it never does: decide anything itself.
//!
//! Only this room names tonic.

mod cases;
mod doorway;
mod intake;
mod log;
mod registry;
mod serve;
mod status;

use std::sync::Arc;

use casebroker_proto::{google::rpc, v1::ConsistencyProof};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, transport::server::Connected};

pub use serve::serve;

use crate::{
    config::Limits,
    identity::{Caller, Connection, Registry},
    intake::Intake,
    policy::{Method, may_call},
    projections::CaseReader,
    sequencer::Sequencer,
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
    /// Receipts of earlier entries.
    pub receipts: Receipts,
    /// The log.
    pub log: Arc<Log>,
    /// Limits.
    pub limits: Arc<Limits>,
    /// Cancelled when the broker begins to stop.
    pub stopping: CancellationToken,
    /// Places for calls that read the disk.
    pub readers: Arc<Semaphore>,
}

pub use crate::transparency::Receipts;

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller().clone()
    }
}

/// The caller of a request, if its role may use the method.
fn authorize<T>(request: &Request<T>, method: Method) -> Result<Caller, Status> {
    let caller = request
        .extensions()
        .get::<Caller>()
        .ok_or_else(|| status::internal(&"a connection without a caller"))?;
    if may_call(caller.principal.role, method) {
        return Ok(caller.clone());
    }
    Err(status::role_not_allowed(caller.principal.role, method))
}

impl Rooms {
    /// Runs something that reads the disk, on a thread where that is allowed.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let place = Arc::clone(&self.readers)
            .acquire_owned()
            .await
            .map_err(|e| status::internal(&e))?;
        let rooms = self.clone();
        let outcome = tokio::task::spawn_blocking(move || {
            let outcome = work(&rooms);
            drop(place);
            outcome
        });
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
