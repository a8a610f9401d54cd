//! `RegistryService`.

use casebroker_proto::v1::{
    GetCallerRequest, GetCallerResponse, registry_service_server::RegistryService,
};
use tonic::{Request, Response, Status};

use super::{Rooms, authorize};
use crate::policy::Method;

#[tonic::async_trait]
impl RegistryService for Rooms {
    async fn get_caller(
        &self,
        request: Request<GetCallerRequest>,
    ) -> Result<Response<GetCallerResponse>, Status> {
        let caller = authorize(&request, Method::GetCaller)?;
        Ok(Response::new(GetCallerResponse {
            principal: caller.principal_text.clone(),
            agency: caller.principal.agency.to_string(),
            role: caller.principal.role.to_string(),
            certificate_serial: caller.serial.clone(),
            broker_version: env!("CARGO_PKG_VERSION").into(),
            log_origin: self.log.identity.origin.clone(),
            log_vkey: self.log.identity.verifier.to_string(),
            tls: caller.tls.clone(),
            tls_group: caller.tls_group.into(),
        }))
    }
}
