//! `LogService`.

use casebroker_proto::{
    statement::decode_entry,
    v1::{
        GetCheckpointRequest, GetCheckpointResponse, GetConsistencyProofRequest,
        GetConsistencyProofResponse, GetReceiptRequest, GetReceiptResponse,
        log_service_server::LogService,
    },
};
use tonic::{Request, Response, Status};

use super::{Rooms, authorize, status};
use crate::policy::Method;

#[tonic::async_trait]
impl LogService for Rooms {
    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let caller = authorize(&request, Method::GetCheckpoint)?;
        let known = request.into_inner().known_tree_size;
        self.read(caller.clone(), move |rooms| {
            let newest = rooms.log.newest();
            let consistency_proof = rooms.consistency_proof(known, newest.size)?;
            let checkpoint = newest.checkpoint.to_string();
            Ok(Response::new(GetCheckpointResponse {
                checkpoint,
                consistency_proof,
            }))
        })
        .await
    }

    async fn get_receipt(
        &self,
        request: Request<GetReceiptRequest>,
    ) -> Result<Response<GetReceiptResponse>, Status> {
        let caller = authorize(&request, Method::GetReceipt)?;
        let GetReceiptRequest {
            position,
            known_tree_size,
        } = request.into_inner();
        self.read(caller.clone(), move |rooms| {
            let newest = rooms.log.newest();
            let entry = rooms.cases.entry(&caller.principal.agency, position)?;
            let receipt = rooms
                .log
                .receipt(position, newest.size, &newest.checkpoint)?;
            let consistency_proof = rooms.consistency_proof(known_tree_size, newest.size)?;
            let (_, envelope, _) = decode_entry(&entry).map_err(|e| status::internal(&e))?;
            let signer = rooms.registry.any_signer(envelope.thumbprint());
            let signing_certificate = signer.map(|s| s.der.clone().into()).unwrap_or_default();
            Ok(Response::new(GetReceiptResponse {
                receipt,
                entry,
                consistency_proof,
                signing_certificate,
            }))
        })
        .await
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        let caller = authorize(&request, Method::GetConsistencyProof)?;
        let GetConsistencyProofRequest {
            old_tree_size,
            new_tree_size,
        } = request.into_inner();
        if old_tree_size == 0 {
            return Err(status::invalid_field(
                "old_tree_size",
                "is 0; must be at least 1",
            ));
        }
        if new_tree_size != 0 && new_tree_size < old_tree_size {
            return Err(status::invalid_field(
                "new_tree_size",
                "is smaller than old_tree_size",
            ));
        }
        self.read(caller.clone(), move |rooms| {
            let newest = rooms.log.newest();
            let new = if new_tree_size == 0 {
                newest.size
            } else {
                new_tree_size
            };
            let consistency_proof = rooms.consistency_proof(old_tree_size, new)?;
            let checkpoint = newest.checkpoint.to_string();
            Ok(Response::new(GetConsistencyProofResponse {
                consistency_proof,
                checkpoint,
            }))
        })
        .await
    }
}
