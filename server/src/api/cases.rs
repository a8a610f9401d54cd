//! `CaseService`.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casebroker_proto::{
    errors::Reason,
    json,
    names::{AgencyName, CaseName},
    v1::{
        CaseFilter, GetCaseRequest, GetCaseResponse, ListCasesRequest, ListCasesResponse,
        ListStatementsRequest, ListStatementsResponse, case_service_server::CaseService,
    },
};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{Rooms, authorize, status};
use crate::{
    policy::Method,
    projections::{Listing, Order, Statement},
};

/// Largest page.
const MAX_PAGE: i32 = 1_000;
/// Most bytes of statements or cases on a page; a response must fit a message.
const MAX_PAGE_BYTES: usize = casebroker_proto::MAX_MESSAGE_BYTES - 64 * 1024;
/// Most agencies in a filter.
const MAX_AGENCIES: usize = 200;

#[tonic::async_trait]
impl CaseService for Rooms {
    async fn get_case(
        &self,
        request: Request<GetCaseRequest>,
    ) -> Result<Response<GetCaseResponse>, Status> {
        let caller = authorize(&request, Method::GetCase)?;
        let GetCaseRequest { name, min_position } = request.into_inner();
        let name = case_name("name", &name)?;
        self.read(caller.clone(), move |rooms| {
            let as_of_position = rooms.cases.as_of(min_position)?;
            let case = rooms.cases.case(&caller.principal.agency, &name)?;
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
        let request = request.into_inner();
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
            &listing_key(&request, &caller.principal.agency),
        )?;
        self.read(caller.clone(), move |rooms| {
            let newest = rooms.cases.as_of(request.min_position)?;
            let as_of = token.map_or(newest, |token| token.as_of.min(newest));
            let listing = Listing {
                caller: &caller.principal.agency,
                agencies: &agencies,
                order,
                as_of,
                page_size,
                scan_entries: rooms.limits.scan_entries,
            };
            let mut page = listing.page(
                &rooms.cases,
                token.map_or(listing.start(), |token| token.next),
            )?;
            if let Some(first_left_out) = fit(&mut page.cases) {
                page.next = Some(match order {
                    Order::Descending => first_left_out + 1,
                    Order::Ascending => first_left_out,
                });
            }
            let key = listing_key(&request, &caller.principal.agency);
            let next_page_token = page
                .next
                .map(|next| Token { next, as_of }.seal(&key))
                .unwrap_or_default();
            Ok(Response::new(ListCasesResponse {
                cases: page.cases,
                next_page_token,
                as_of_position: as_of,
            }))
        })
        .await
    }

    async fn list_statements(
        &self,
        request: Request<ListStatementsRequest>,
    ) -> Result<Response<ListStatementsResponse>, Status> {
        let caller = authorize(&request, Method::ListStatements)?;
        let request = request.into_inner();
        let name = case_name("case", &request.case)?;
        let page_size = page_size(request.page_size, 100)?;
        let key = binding(&[
            b"statements",
            request.case.as_bytes(),
            caller.principal.agency.id().as_bytes(),
        ]);
        let token = Token::open(&request.page_token, &key)?;
        self.read(caller.clone(), move |rooms| {
            let newest = rooms.cases.as_of(request.min_position)?;
            let as_of = token.map_or(newest, |token| token.as_of.min(newest));
            let from = token.map_or(0, |token| token.next);
            let history = rooms.cases.history(&caller.principal.agency, &name)?;
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
            Ok(Response::new(ListStatementsResponse {
                statements,
                next_page_token,
                as_of_position: as_of,
            }))
        })
        .await
    }
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

fn case_name(field: &str, name: &str) -> Result<CaseName, Status> {
    name.parse().map_err(|e| status::invalid_field(field, e))
}

fn page_size(asked: i32, default: usize) -> Result<usize, Status> {
    match asked {
        0 => Ok(default),
        1..=MAX_PAGE => Ok(usize::try_from(asked).unwrap_or(default)),
        _ => Err(status::invalid_field(
            "page_size",
            format!("is {asked}; must be 0 to {MAX_PAGE}"),
        )),
    }
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

/// Where the next page of a listing begins, bound to the request and the caller (AIP-158).
#[derive(Debug, Clone, Copy)]
struct Token {
    next: u64,
    as_of: u64,
}

impl Token {
    fn seal(self, key: &[u8; 8]) -> String {
        let mut bytes = Vec::with_capacity(24);
        bytes.extend_from_slice(&self.next.to_be_bytes());
        bytes.extend_from_slice(&self.as_of.to_be_bytes());
        bytes.extend_from_slice(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open(text: &str, key: &[u8; 8]) -> Result<Option<Self>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let (numbers, rest) = bytes.as_chunks::<8>();
        match numbers {
            [next, as_of, bound] if rest.is_empty() && bound == key => Ok(Some(Self {
                next: u64::from_be_bytes(*next),
                as_of: u64::from_be_bytes(*as_of),
            })),
            _ => Err(status::refuse(
                Reason::PageTokenInvalid,
                "page_token: not a token of this listing",
            )),
        }
    }
}

fn listing_key(request: &ListCasesRequest, caller: &AgencyName) -> [u8; 8] {
    let filter = request
        .filter
        .as_ref()
        .map(prost::Message::encode_to_vec)
        .unwrap_or_default();
    binding(&[
        b"cases",
        &filter,
        request.order_by.as_bytes(),
        caller.id().as_bytes(),
    ])
}

fn binding(parts: &[&[u8]]) -> [u8; 8] {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    let mut key = [0; 8];
    for (to, from) in key.iter_mut().zip(digest(&SHA256, &all).as_ref()) {
        *to = *from;
    }
    key
}
