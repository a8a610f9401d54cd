//! `CaseService`.

use std::sync::Arc;

use casebroker_proto::{
    errors::Reason,
    json,
    names::{AgencyName, CaseName},
    v1::{
        CaseFilter, FindOverlapsRequest, FindOverlapsResponse, GetCaseRequest, GetCaseResponse,
        ListCasesRequest, ListCasesResponse, ListStatementsRequest, ListStatementsResponse,
        ListTasksRequest, ListTasksResponse, case_service_server::CaseService,
    },
};
use prost::Message as _;
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use super::{
    Rooms, authorize,
    page_token::{Token, binding, page_size},
    record::{AccessNote, filter_text},
    status,
};
use crate::{
    policy::{Method, Viewer, viewer},
    projections::{Listing, Order, Page, Statement, set_overdue},
};

/// Most bytes of statements or cases on a page; a response must fit a message.
pub(super) const MAX_PAGE_BYTES: usize = casebroker_proto::MAX_MESSAGE_BYTES - 64 * 1024;
/// Entries that a listing looks at before another one has its turn.
const SLICE_ENTRIES: u64 = 128;
/// Most agencies in a filter.
const MAX_AGENCIES: usize = 200;

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
        self.read(caller.clone(), move |rooms| {
            let as_of_position = rooms.cases.as_of(min_position)?;
            let mut case = rooms.cases.case(&viewer(&caller.principal), &name)?;
            set_overdue(&mut case, today());
            note.cases(1);
            Ok(Response::new(GetCaseResponse {
                case: Some(case),
                as_of_position,
            }))
        })
        .await
    }

    async fn list_cases(
        &self,
        request: Request<ListCasesRequest>,
    ) -> Result<Response<ListCasesResponse>, Status> {
        let caller = authorize(&request, Method::ListCases)?;
        let note = AccessNote::of(&request);
        let request = request.into_inner();
        note.resource(filter_text(
            "casebroker.v1.CaseFilter",
            request.filter.as_ref(),
        ));
        let page_size = page_size(request.page_size, 50)?;
        let order = match request.order_by.as_str() {
            "" | "position desc" => Order::Descending,
            "position" | "position asc" => Order::Ascending,
            _ => {
                return Err(status::invalid_field(
                    "order_by",
                    "must be `position desc` or `position`",
                ));
            }
        };
        let filter = request.filter.clone().unwrap_or_default();
        let agencies = agencies_only(filter)?;
        let token = Token::open(
            &request.page_token,
            &listing_key(&request, &viewer(&caller.principal)),
        )?;
        let viewer = viewer(&caller.principal);
        let newest = self.cases.as_of(request.min_position)?;
        let as_of = token.map_or(newest, |token| token.as_of.min(newest));
        let listing = Arc::new(Listing {
            viewer,
            agencies,
            order,
            as_of,
        });
        let mut page = Page {
            cases: Vec::new(),
            next: Some(token.map_or(listing.start(), |token| token.next)),
        };
        let _share = self.quotas.scan(&caller.principal.agency).await;
        let mut looked_at = 0;
        // A little at a time: whoever asks for less does not wait for the whole.
        while let Some(from) = page.next.filter(|_| looked_at < self.limits.scan_entries) {
            let (listing, room) = (Arc::clone(&listing), page.room(page_size));
            let (slice, full) = self
                .scan(move |rooms| Ok(listing.page(&rooms.cases, from, room, SLICE_ENTRIES)?))
                .await?;
            looked_at += SLICE_ENTRIES;
            page.extend(slice);
            if full {
                break;
            }
        }
        if let Some(first_left_out) = fit(&mut page.cases) {
            page.next = Some(match order {
                Order::Descending => first_left_out + 1,
                Order::Ascending => first_left_out,
            });
        }
        note.cases(page.cases.len());
        let key = listing_key(&request, &listing.viewer);
        let next_page_token = page
            .next
            .map(|next| Token { next, as_of }.seal(&key))
            .unwrap_or_default();
        Ok(Response::new(ListCasesResponse {
            cases: page.cases,
            next_page_token,
            as_of_position: as_of,
            ..ListCasesResponse::default()
        }))
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
            let as_of = token.map_or(newest, |token| token.as_of.min(newest));
            let from = token.map_or(0, |token| token.next);
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
            let next = rest.peek().map(|s| {
                Token {
                    next: s.position,
                    as_of,
                }
                .seal(&key)
            });
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

/// Cuts a page so that it fits a message; answers the first position of what it left out.
fn fit(cases: &mut Vec<casebroker_proto::v1::Case>) -> Option<u64> {
    let mut bytes = 0;
    let keep = cases
        .iter()
        .take_while(|case| {
            bytes += case.encoded_len() + 8;
            bytes <= MAX_PAGE_BYTES
        })
        .count()
        .max(1);
    let left_out = cases.get(keep).map(|case| case.first_position);
    cases.truncate(keep);
    left_out
}

pub(super) fn case_name(field: &str, name: &str) -> Result<CaseName, Status> {
    name.parse().map_err(|e| status::invalid_field(field, e))
}

/// Owners of a filter that sets nothing else; any other field is refused by name, never ignored.
fn agencies_only(mut filter: CaseFilter) -> Result<Vec<AgencyName>, Status> {
    let agencies = std::mem::take(&mut filter.agencies);
    let others =
        json::set_fields("casebroker.v1.CaseFilter", &filter).map_err(|e| status::internal(&e))?;
    if !others.is_empty() {
        let others: Vec<_> = others
            .iter()
            .map(|field| format!("`filter.{field}`"))
            .collect();
        let message = format!(
            "{}: not supported yet; `filter.agencies` is",
            others.join(", ")
        );
        return Err(status::refuse(Reason::FilterFieldUnsupported, &message));
    }
    if agencies.len() > MAX_AGENCIES {
        return Err(status::invalid_field(
            "filter.agencies",
            format!("has more than {MAX_AGENCIES} names"),
        ));
    }
    agencies
        .iter()
        .enumerate()
        .map(|(n, name)| {
            name.parse()
                .map_err(|e| status::invalid_field(&format!("filter.agencies[{n}]"), e))
        })
        .collect()
}

/// Callers who see the same may go on with each other's listings; others may not.
pub(super) fn viewer_key(viewer: &Viewer) -> String {
    format!("{}/{:?}", viewer.agency.id(), viewer.reach)
}

fn listing_key(request: &ListCasesRequest, viewer: &Viewer) -> [u8; 8] {
    let filter = request
        .filter
        .as_ref()
        .map(prost::Message::encode_to_vec)
        .unwrap_or_default();
    binding(&[
        b"cases",
        &filter,
        request.order_by.as_bytes(),
        viewer_key(viewer).as_bytes(),
    ])
}
