//! Cases that seem to be one incident: `CaseService.FindOverlaps`.

use casebroker_proto::v1::{FindOverlapsRequest, FindOverlapsResponse};
use tonic::{Request, Response, Status};

use super::{Rooms, authorize, cases::case_name, record::AccessNote};
use crate::policy::{Method, viewer};

impl Rooms {
    pub(super) async fn overlaps(
        &self,
        request: Request<FindOverlapsRequest>,
    ) -> Result<Response<FindOverlapsResponse>, Status> {
        let caller = authorize(&request, Method::FindOverlaps)?;
        let note = AccessNote::of(&request);
        let FindOverlapsRequest { case, min_position } = request.into_inner();
        note.resource(&case);
        let name = case_name("case", &case)?;
        let as_of_position = self.cases.as_of(min_position)?;
        self.table_reaches(as_of_position).await?;
        // Every case that shares something is read whole: it must not keep look-ups of single cases waiting.
        let _share = self.quotas.scan(&caller.principal.agency).await;
        self.scan(move |rooms| {
            let cases = rooms.cases.since(as_of_position);
            let found = cases.overlaps(&viewer(&caller.principal), &name)?;
            // The case itself, and what is told of others.
            note.cases(1 + found.overlaps.len());
            Ok(Response::new(FindOverlapsResponse {
                overlaps: found.overlaps,
                truncated: found.truncated,
                as_of_position,
            }))
        })
        .await
    }
}
