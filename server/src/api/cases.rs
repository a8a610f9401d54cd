//! `CaseService`.

use casebroker_proto::{
    encoded::{ListCasesResponse, case_service_server::CaseService},
    names::CaseName,
    v1::{
        FindOverlapsRequest, FindOverlapsResponse, GetCaseRequest, GetCaseResponse,
        ListCasesRequest, ListStatementsRequest, ListStatementsResponse, ListTasksRequest,
        ListTasksResponse,
    },
};
use prost::Message as _;
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use super::{
    Rooms, authorize,
    page_token::{Token, binding, page_size},
    record::AccessNote,
    status,
};
use crate::{
    policy::{Method, Viewer, viewer},
    projections::{ReadError, Statement, set_overdue},
};

/// Most bytes of statements or cases on a page; a response must fit a message.
pub(super) const MAX_PAGE_BYTES: usize = casebroker_proto::MAX_MESSAGE_BYTES - 64 * 1024;

#[tonic::async_trait]
impl CaseService for Rooms {
    async fn get_case(
        &self,
        request: Request<GetCaseRequest>,
    ) -> Result<Response<GetCaseResponse>, Status> {
        let caller = authorize(&request, Method::GetCase)?;
        let note = AccessNote::of(&request);
        let GetCaseRequest { name, min_position } = request.into_inner();
        note.resource(&name);
        let name = case_name("name", &name)?;
        let as_of_position = self.cases.as_of(min_position)?;
        let read = || {
            let (name, viewer) = (name.clone(), viewer(&caller.principal));
            self.read(caller.clone(), move |rooms| {
                Ok(rooms.cases.since(as_of_position).case(&viewer, &name))
            })
        };
        let mut found = read().await?;
        // Only one that may be the same incident as others needs to know which share something with it.
        if matches!(found, Err(ReadError::Behind { .. })) {
            self.table_reaches(as_of_position).await?;
            found = read().await?;
        }
        let mut case = found?;
        set_overdue(&mut case, today());
        note.cases(1);
        Ok(Response::new(GetCaseResponse {
            case: Some(case),
            as_of_position,
        }))
    }

    async fn list_cases(
        &self,
        request: Request<ListCasesRequest>,
    ) -> Result<Response<ListCasesResponse>, Status> {
        self.list(request).await
    }

    async fn list_statements(
        &self,
        request: Request<ListStatementsRequest>,
    ) -> Result<Response<ListStatementsResponse>, Status> {
        let caller = authorize(&request, Method::ListStatements)?;
        let note = AccessNote::of(&request);
        let request = request.into_inner();
        note.resource(&request.case);
        let name = case_name("case", &request.case)?;
        let page_size = page_size(request.page_size, 100)?;
        let key = binding(&[
            b"statements",
            request.case.as_bytes(),
            viewer_key(&viewer(&caller.principal)).as_bytes(),
        ]);
        let token = Token::open(&request.page_token, &key)?;
        self.read(caller.clone(), move |rooms| {
            let newest = rooms.cases.as_of(request.min_position)?;
            let as_of = token.map_or(newest, |Token([_, as_of])| as_of.min(newest));
            let from = token.map_or(0, |Token([next, _])| next);
            let history = rooms.cases.history(&viewer(&caller.principal), &name)?;
            let mut rest = history
                .into_iter()
                .filter(|s| s.position >= from && s.position < as_of)
                .peekable();
            let mut statements = Vec::new();
            let mut bytes = 0;
            while let Some(statement) = rest.next_if(|s| {
                bytes += s.statement.encoded_len();
                statements.is_empty() || (statements.len() < page_size && bytes <= MAX_PAGE_BYTES)
            }) {
                statements.push(Statement::into_record(statement));
            }
            let next = rest.peek().map(|s| Token([s.position, as_of]).seal(&key));
            let next_page_token = next.unwrap_or_default();
            note.cases(1);
            Ok(Response::new(ListStatementsResponse {
                statements,
                next_page_token,
                as_of_position: as_of,
            }))
        })
        .await
    }

    async fn find_overlaps(
        &self,
        request: Request<FindOverlapsRequest>,
    ) -> Result<Response<FindOverlapsResponse>, Status> {
        self.overlaps(request).await
    }

    async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        self.tasks(request).await
    }
}

/// The date where the day ends last (UTC-12), as (year, month, day): by then a due date has passed everywhere.
pub(super) fn today() -> (i32, i32, i32) {
    let now = OffsetDateTime::now_utc() - time::Duration::hours(12);
    (now.year(), u8::from(now.month()).into(), now.day().into())
}

pub(super) fn case_name(field: &str, name: &str) -> Result<CaseName, Status> {
    name.parse().map_err(|e| status::invalid_field(field, e))
}

/// Callers who see the same may go on with each other's listings; others may not.
pub(super) fn viewer_key(viewer: &Viewer) -> String {
    format!("{}/{:?}", viewer.agency.id(), viewer.reach)
}
