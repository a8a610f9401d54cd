//! Around every service: each call leaves one line in the access record before its answer goes out.
//!
//! What it promises: no method can forget its line, also none that nobody knows; an answer whose line cannot be written is not
//! given. A unary answer is held until its line is written; a stream's line is written at its end, also if the client goes
//! away. What a method alone knows it says through its [`AccessNote`].

mod body;
mod note;

use std::{
    collections::HashSet,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use casebroker_proto::{
    FILE_DESCRIPTOR_SET,
    errors::Reason,
    names::Role,
    purpose::{CODE_KEY, Purpose, PurposeError, REFERENCE_KEY},
};
use http::{HeaderMap, Request, Response, Uri};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;
use tower::{BoxError, Layer, Service};

use super::{reasons::grpc_timeout, status};
use crate::{
    identity::Caller,
    policy::access::{Entry, Record},
};
use body::{Held, Incoming, Outgoing};
pub(super) use note::{AccessNote, filter_text};

/// Puts the record around services.
#[derive(Debug, Clone)]
pub(super) struct RecordLayer(Arc<Around>);

#[derive(Debug)]
struct Around {
    record: Arc<Record>,
    /// Paths whose answer is a stream.
    streams: HashSet<String>,
    /// Roles that must give a purpose to read cases.
    require_purpose: Vec<Role>,
    /// Longest unary call, as the server ends it.
    call_timeout: Duration,
}

impl RecordLayer {
    /// For the services described in the contract and in `others`, serialized file descriptor sets.
    pub(super) fn new(
        record: Arc<Record>,
        require_purpose: Vec<Role>,
        call_timeout: Duration,
        others: &[&[u8]],
    ) -> anyhow::Result<Self> {
        let mut streams = HashSet::new();
        for set in [FILE_DESCRIPTOR_SET].iter().chain(others) {
            streams.extend(streaming_paths(set)?);
        }
        Ok(Self(Arc::new(Around {
            record,
            streams,
            require_purpose,
            call_timeout,
        })))
    }
}

fn streaming_paths(set: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for file in FileDescriptorSet::decode(set)?.file {
        for service in &file.service {
            let streaming = service.method.iter().filter(|m| m.server_streaming());
            paths.extend(
                streaming.map(|method| {
                    format!("/{}.{}/{}", file.package(), service.name(), method.name())
                }),
            );
        }
    }
    Ok(paths)
}

impl<S> Layer<S> for RecordLayer {
    type Service = RecordService<S>;

    fn layer(&self, inner: S) -> RecordService<S> {
        RecordService {
            inner,
            around: Arc::clone(&self.0),
        }
    }
}

/// A service with the record around it.
#[derive(Debug, Clone)]
pub(super) struct RecordService<S> {
    inner: S,
    around: Arc<Around>,
}

impl<S> Service<Request<Body>> for RecordService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut call = Call::begin(&self.around, &request);
        let streams = self.around.streams.contains(request.uri().path());
        if streams && self.around.record.is_failing() {
            // Its line is tried all the same; that is how the record is found to be writable again.
            return Box::pin(async move { Ok(call.refuse(&unavailable())) });
        }
        let note = call.note.clone();
        let mut request = request.map(|body| Body::new(Incoming::new(body, note.clone())));
        request.extensions_mut().insert(note);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = match answer.await {
                Ok(response) => response,
                Err(error) => return Ok(call.refuse(&Status::from_error(error.into()))),
            };
            Ok(match streams {
                true => call.streaming(response),
                false => call.unary(response).await,
            })
        })
    }
}

/// One call, from its first byte to its line. If it is dropped before, the client has gone away or the time was up.
struct Call {
    around: Arc<Around>,
    caller: Option<Caller>,
    uri: Uri,
    note: AccessNote,
    began: Instant,
    timeout: Duration,
    done: bool,
}

impl Call {
    fn begin(around: &Arc<Around>, request: &Request<Body>) -> Self {
        let caller = request.extensions().get::<Caller>().cloned();
        let required = caller
            .as_ref()
            .is_some_and(|caller| around.require_purpose.contains(&caller.principal.role));
        let headers = request.headers();
        Self {
            around: Arc::clone(around),
            caller,
            uri: request.uri().clone(),
            note: AccessNote::new(purpose(headers), required),
            began: Instant::now(),
            timeout: grpc_timeout(headers)
                .map_or(around.call_timeout, |t| t.min(around.call_timeout)),
            done: false,
        }
    }

    fn note(&self) -> &AccessNote {
        &self.note
    }

    /// An answer that is a refusal, or that the record cannot be written.
    fn refuse(&mut self, status: &Status) -> Response<Body> {
        let outcome = self.end_with(status);
        let mut response = Response::new(Body::empty());
        let content_type = http::HeaderValue::from_static("application/grpc");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, content_type);
        let told = outcome.as_ref().err().unwrap_or(status);
        if told.add_header(response.headers_mut()).is_err() {
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        }
        response
    }

    async fn unary(mut self, response: Response<Body>) -> Response<Body> {
        let (parts, body) = response.into_parts();
        let held = match Held::take(body, &self.note).await {
            Ok(held) => held,
            Err(status) => return self.refuse(&status),
        };
        let ended = match held.trailers() {
            Some(trailers) => self.end(trailers),
            None if parts.status.is_success() => self.end(&parts.headers),
            None => {
                let reason = format!("HTTP_{}", parts.status.as_u16());
                self.write("UNKNOWN", &reason)
            }
        };
        match ended {
            Ok(()) => Response::from_parts(parts, Body::new(held)),
            Err(unwritten) => self.refuse(&unwritten),
        }
    }

    fn streaming(mut self, response: Response<Body>) -> Response<Body> {
        let (parts, body) = response.into_parts();
        if !parts.headers.contains_key(Status::GRPC_STATUS) && parts.status.is_success() {
            // From here on it may take as long as it likes.
            self.timeout = Duration::MAX;
            return Response::from_parts(parts, Body::new(Outgoing::new(body, self)));
        }
        // It was refused before it began.
        match self.end(&parts.headers) {
            Ok(()) => Response::from_parts(parts, body),
            Err(unwritten) => self.refuse(&unwritten),
        }
    }

    /// Writes the line of a call that ended with these headers or trailers.
    fn end(&mut self, headers: &HeaderMap) -> Result<(), Status> {
        let code = headers.get(Status::GRPC_STATUS);
        match code.map(|code| code.as_bytes()) {
            Some(b"0") => self.write("OK", ""),
            Some(_) => match Status::from_header_map(headers) {
                Some(status) => self.end_with(&status),
                None => self.write("UNKNOWN", ""),
            },
            None => self.write("UNKNOWN", ""),
        }
    }

    /// Writes the line of a call that ended with this status.
    fn end_with(&mut self, status: &Status) -> Result<(), Status> {
        let info = status.get_details_error_info();
        let reason = info.map(|info| info.reason).unwrap_or_default();
        self.write(code_name(status.code()), &reason)
    }

    fn write(&mut self, outcome: &str, reason: &str) -> Result<(), Status> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(());
        }
        let noted = &self.note.0;
        let mut resource = noted
            .resource
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if resource.more > 0 {
            let more = resource.more;
            resource.text.push_str(&format!(" and {more} more"));
        }
        let purpose = noted.purpose.as_ref().ok().and_then(Option::as_ref);
        let caller = self.caller.as_ref();
        let path = self.uri.path();
        let entry = Entry {
            principal: caller.map_or("", |c| c.principal_text.as_str()),
            serial: caller.map_or("", |c| c.serial.as_str()),
            peer: caller.map(|c| c.peer as SocketAddr),
            method: path.strip_prefix('/').unwrap_or(path),
            resource: &resource.text,
            purpose: purpose.map_or("", Purpose::code),
            reference: purpose.map_or("", Purpose::reference),
            outcome,
            reason,
            requests: noted.received.messages.load(Relaxed),
            answers: noted.sent.messages.load(Relaxed),
            refused: noted.refused.load(Relaxed),
            cases: noted.cases.load(Relaxed),
            bytes_in: noted.received.bytes.load(Relaxed),
            bytes_out: noted.sent.bytes.load(Relaxed),
            duration_us: u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        // The cause is logged by the record, once, and not told.
        let written = self.around.record.append(&entry);
        written.map_err(|_| unavailable())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.done {
            let reason = match self.began.elapsed() >= self.timeout {
                true => "TIMEOUT",
                false => "GONE",
            };
            // Nobody is left to be told; the record itself says in the log that it fails.
            drop(self.write("CANCELLED", reason));
        }
    }
}

fn unavailable() -> Status {
    status::refuse(
        Reason::AccessRecordUnavailable,
        "the access record cannot be written",
    )
}

fn purpose(headers: &HeaderMap) -> Result<Option<Purpose>, PurposeError> {
    let (code, reference) = (headers.get(CODE_KEY), headers.get(REFERENCE_KEY));
    if code.is_none() && reference.is_none() {
        return Ok(None);
    }
    let code = match code.map(|code| (code, code.to_str())) {
        None => None,
        Some((_, Ok(text))) => Some(text),
        Some((code, Err(_))) => {
            let shown = String::from_utf8_lossy(code.as_bytes());
            return Err(PurposeError::Code(shown.chars().take(80).collect()));
        }
    };
    let reference = match reference.map(|reference| reference.to_str()) {
        None => None,
        Some(Ok("") | Err(_)) => return Err(PurposeError::Reference),
        Some(Ok(text)) => Some(text),
    };
    Purpose::new(code, reference)
}

/// Names as in the gRPC documentation, "Status codes and their use in gRPC".
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
