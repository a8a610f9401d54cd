//! `LogService`.

use bytes::Bytes;
use casebroker_proto::{
    statement::{Content, open_entry},
    v1::{
        GetCheckpointRequest, GetCheckpointResponse, GetConsistencyProofRequest,
        GetConsistencyProofResponse, GetReceiptRequest, GetReceiptResponse,
        log_service_server::LogService,
    },
};
use tonic::{Request, Response, Status};

use super::{Rooms, authorize, record::AccessNote, status};
use crate::policy::{Method, viewer};

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
        AccessNote::of(&request).resource(format!("position {}", request.get_ref().position));
        let GetReceiptRequest {
            position,
            known_tree_size,
        } = request.into_inner();
        self.read(caller.clone(), move |rooms| {
            let newest = rooms.log.newest();
            let entry = rooms.cases.entry(&viewer(&caller.principal), position)?;
            let receipt = rooms
                .log
                .receipt(position, newest.size, &newest.checkpoint)?;
            let consistency_proof = rooms.consistency_proof(known_tree_size, newest.size)?;
            let (_, content) = open_entry(&entry).map_err(|e| status::internal(&e))?;
            let signing_certificate = match content {
                Content::Statement(statement) => {
                    let membership = rooms.membership.now();
                    let certificate = membership.certificate(statement.0.thumbprint());
                    certificate.map(<[u8]>::to_vec).unwrap_or_default().into()
                }
                Content::RegistryUpdate(_) => Bytes::new(),
            };
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
        let (old, new) = (
            request.get_ref().old_tree_size,
            request.get_ref().new_tree_size,
        );
        AccessNote::of(&request).resource(format!("tree sizes {old} to {new}"));
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
