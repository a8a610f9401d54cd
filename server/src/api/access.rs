//! `AccessService`.

use std::fmt::Display;

use casebroker_proto::{
    names::PrincipalId,
    v1::{
        AccessRecord, AccessRecordFilter, ListAccessRecordsRequest, ListAccessRecordsResponse,
        access_service_server::AccessService,
    },
};
use prost::Message as _;
use prost_types::Timestamp;
use tonic::{Code, Request, Response, Status};

use super::{
    Rooms, authorize,
    page_token::{Token, binding, page_size},
    record::{AccessNote, code_name, filter_text},
    status,
};
use crate::policy::{
    Method,
    access::{Line, Order, Query},
};

const FILTER: &str = "casebroker.v1.AccessRecordFilter";
/// Longest method or principal in a filter.
const MAX_TEXT: usize = 400;

#[tonic::async_trait]
impl AccessService for Rooms {
    async fn list_access_records(
        &self,
        request: Request<ListAccessRecordsRequest>,
    ) -> Result<Response<ListAccessRecordsResponse>, Status> {
        let caller = authorize(&request, Method::ListAccessRecords)?;
        let note = AccessNote::of(&request);
        let request = request.into_inner();
        note.resource(filter_text(FILTER, request.filter.as_ref()));
        let page_size = page_size(request.page_size, 100)?;
        let order = match request.order_by.as_str() {
            "" | "sequence desc" => Order::Descending,
            "sequence" | "sequence asc" => Order::Ascending,
            _ => {
                return Err(status::invalid_field(
                    "order_by",
                    "must be `sequence desc` or `sequence`",
                ));
            }
        };
        let filter = request.filter.unwrap_or_default();
        let key = binding(&[
            b"access",
            &filter.encode_to_vec(),
            request.order_by.as_bytes(),
            caller.principal_text.as_bytes(),
        ]);
        let token = Token::open(&request.page_token, &key)?;
        check(&filter)?;
        let (start, end) = (filter.start_time.as_ref(), filter.end_time.as_ref());
        let mut query = Query {
            agency: caller.principal.agency.clone(),
            start_us: start.map(|t| micros("filter.start_time", t)).transpose()?,
            end_us: end.map(|t| micros("filter.end_time", t)).transpose()?,
            principal: given(filter.principal),
            method: given(filter.method),
            outcome: given(filter.outcome),
            order,
            as_of: 0,
            page_size,
            scan_lines: self.limits.scan_entries,
        };
        self.read(caller.clone(), move |rooms| {
            let newest = rooms.access.last();
            query.as_of = token.map_or(newest, |Token([_, as_of])| as_of.min(newest));
            let page = rooms
                .access
                .page(&query, token.map(|Token([next, _])| next))
                .map_err(|e| status::internal(&e))?;
            let as_of = query.as_of;
            let next_page_token = page.next.map(|next| Token([next, as_of]).seal(&key));
            let records = page.lines.into_iter().map(record);
            Ok(Response::new(ListAccessRecordsResponse {
                records: records.collect::<Result<_, _>>()?,
                next_page_token: next_page_token.unwrap_or_default(),
                as_of_sequence: as_of,
            }))
        })
        .await
    }
}

fn check(filter: &AccessRecordFilter) -> Result<(), Status> {
    if !filter.principal.is_empty() {
        let principal = filter.principal.parse::<PrincipalId>();
        principal.map_err(|e| status::invalid_field("filter.principal", e))?;
    }
    if filter.method.len() > MAX_TEXT {
        return Err(status::invalid_field(
            "filter.method",
            format!("is longer than {MAX_TEXT} bytes"),
        ));
    }
    let known = (0..=16).any(|code| code_name(Code::from_i32(code)) == filter.outcome);
    if !filter.outcome.is_empty() && !known {
        return Err(status::invalid_field(
            "filter.outcome",
            "must be the name of a gRPC code, such as OK or PERMISSION_DENIED",
        ));
    }
    Ok(())
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The first whole microsecond at or after a time.
fn micros(field: &str, time: &Timestamp) -> Result<u64, Status> {
    let seconds = u64::try_from(time.seconds).ok();
    let nanos = u64::try_from(time.nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000);
    seconds
        .zip(nanos)
        // Year 9999, the last that google.protobuf.Timestamp has.
        .filter(|(seconds, _)| *seconds < 253_402_300_800)
        .map(|(seconds, nanos)| seconds * 1_000_000 + nanos.div_ceil(1_000))
        .ok_or_else(|| status::invalid_field(field, "must be a time from 1970 to 9999"))
}

fn record(line: Line) -> Result<AccessRecord, Status> {
    let unreadable = |e: &dyn Display| status::internal(e);
    let time = line.time.parse::<Timestamp>().map_err(|e| unreadable(&e))?;
    Ok(AccessRecord {
        sequence: line.sequence,
        time: Some(time),
        principal: line.principal,
        certificate_serial: line.serial,
        peer: line.peer,
        method: line.method,
        resource: line.resource,
        purpose: line.purpose,
        purpose_reference: line.reference,
        outcome: line.outcome,
        reason: line.reason,
        requests: line.requests,
        answers: line.answers,
        refused: line.refused,
        cases: line.cases,
        bytes_in: line.bytes_in,
        bytes_out: line.bytes_out,
        duration_us: line.duration_us,
        hash: hex::decode(line.hash).map_err(|e| unreadable(&e))?,
    })
}
