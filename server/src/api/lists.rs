//! `CaseService.ListCases`.

use std::sync::Arc;

use bytes::Bytes;
use casebroker_proto::{
    encoded::ListCasesResponse,
    v1::{CaseView, ListCasesRequest},
};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{
    Rooms, authorize,
    cases::{MAX_PAGE_BYTES, today, viewer_key},
    page_token::{Token, binding, page_size},
    questions::{Patience, Question, When, given_up},
    record::{AccessNote, filter_text},
    status,
};
use crate::{
    policy::{Method, Viewer, viewer},
    projections::{
        set_overdue,
        table::{By, Order, Rank},
    },
};

impl Rooms {
    pub(super) async fn list(
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
        let order = order(&request.order_by)?;
        let view = view(request.view)?;
        let key = listing_key(&request, view, &viewer(&caller.principal));
        let token = Token::open(&request.page_token, &key)?;
        let when = When {
            min_position: request.min_position,
            position: request.as_of_position,
            time: request.as_of_time,
            page: token.map(|Token([_, _, as_of])| as_of),
        };
        let cut = Cut {
            order,
            after: token.map(|Token([by, first, _])| (by, first)),
            page_size,
            view,
        };
        let question = Arc::new(self.question(&caller, request.filter, when).await?);
        let (as_of, tree_size) = (question.as_of.position, question.tree_size);
        let understood = question.understood.clone();
        let page = self
            .answer(&caller, question, move |rooms, question, patience| {
                rooms.page(question, &cut, patience)
            })
            .await?;
        note.cases(page.cases.len());
        let next = page
            .next
            .map(|(by, first)| Token([by, first, as_of]).seal(&key));
        Ok(Response::new(ListCasesResponse {
            cases: page.cases,
            next_page_token: next.unwrap_or_default(),
            as_of_position: as_of,
            tree_size,
            total_size: i64::try_from(page.total).unwrap_or(i64::MAX),
            understood,
        }))
    }

    fn page(&self, question: &Question, cut: &Cut, patience: &Patience) -> Result<Listed, Status> {
        let Cut {
            order,
            after,
            page_size,
            view,
        } = *cut;
        let (rows, plan) = (self.table.rows(), question.plan(self, patience)?);
        let patient = || patience.is_over();
        // One more tells whether there is another page.
        let page = rows.page(&plan, question.as_of, order, after, page_size + 1, &patient);
        let page = page.map_err(|_| given_up())?;
        let then = self.cases.at(question.as_of.position);
        let mut listed = Listed {
            cases: Vec::new(),
            next: None,
            total: page.total,
        };
        let (mut bytes, mut last) = (0, None);
        for (taken, rank) in page.ranks.into_iter().enumerate() {
            if taken >= page_size {
                listed.next = last;
                break;
            }
            if patience.is_over() {
                return Err(given_up());
            }
            let Some(mut case) = then.case_beginning(&question.viewer, rank.1, view)? else {
                last = Some(rank);
                continue;
            };
            set_overdue(&mut case, today());
            // Here, where it is still in the cache and its memory goes back to the thread that it came from.
            let case = Bytes::from(case.encode_to_vec());
            bytes += case.len() + 8;
            if bytes > MAX_PAGE_BYTES && !listed.cases.is_empty() {
                listed.next = last;
                break;
            }
            listed.cases.push(case);
            last = Some(rank);
        }
        Ok(listed)
    }
}

/// What of a listing goes on a page.
struct Cut {
    order: Order,
    /// Where the last case of the page before stands.
    after: Option<Rank>,
    page_size: usize,
    view: CaseView,
}

/// A page that was read.
struct Listed {
    /// Each encoded.
    cases: Vec<Bytes>,
    /// Where the last of them stands, if there are more.
    next: Option<Rank>,
    total: u64,
}

fn order(text: &str) -> Result<Order, Status> {
    let mut words = text.split_whitespace();
    let by = match words.next() {
        None => Some((By::Position, true)),
        Some(field) => {
            let by = match field {
                "position" => Some(By::Position),
                "mass" => Some(By::Mass),
                "incident_date" => Some(By::Date),
                _ => None,
            };
            let descending = match words.next() {
                None | Some("asc") => Some(false),
                Some("desc") => Some(true),
                Some(_) => None,
            };
            by.zip(descending).filter(|_| words.next().is_none())
        }
    };
    let (by, descending) = by.ok_or_else(|| {
        let rule = "must be `position`, `mass` or `incident_date`, then `desc` or nothing";
        status::invalid_field("order_by", rule)
    })?;
    Ok(Order { by, descending })
}

fn view(number: i32) -> Result<CaseView, Status> {
    CaseView::try_from(number)
        .map_err(|_| status::invalid_field("view", format!("is {number}, which is no view")))
}

/// Everything that makes it another listing.
fn listing_key(request: &ListCasesRequest, view: CaseView, viewer: &Viewer) -> [u8; 8] {
    let filter = request.filter.as_ref().map(|f| f.encode_to_vec());
    let time = request.as_of_time.map(|t| t.encode_to_vec());
    binding(&[
        b"cases",
        &filter.unwrap_or_default(),
        request.order_by.as_bytes(),
        &request.as_of_position.to_be_bytes(),
        &[u8::from(view == CaseView::Basic)],
        &time.unwrap_or_default(),
        viewer_key(viewer).as_bytes(),
    ])
}
