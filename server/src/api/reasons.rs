//! Refusals that the gRPC library makes by itself, before a method is reached: they get a reason as all others do.
//!
//! The library says INTERNAL for a message that cannot be decoded and OUT_OF_RANGE for one that is too large; neither is the
//! truth for a caller. And it ends a call whose deadline has passed as CANCELLED.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use casebroker_proto::errors::Reason;
use http::{HeaderMap, Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::status;

/// How long before a caller's own deadline a call is ended: an answer that comes with the deadline comes too late to be read,
/// and the library, which counts too, must not be first.
const AHEAD: Duration = Duration::from_millis(5);

/// Puts [`Reasons`] around a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReasonsLayer {
    /// Longest time to the head of an answer, whatever the caller allows.
    pub(super) call_timeout: Duration,
}

/// Ends calls in time, and gives a reason to every refusal that has none.
#[derive(Debug, Clone)]
pub(super) struct Reasons<S> {
    inner: S,
    call_timeout: Duration,
}

impl<S> Layer<S> for ReasonsLayer {
    type Service = Reasons<S>;

    fn layer(&self, inner: S) -> Reasons<S> {
        let call_timeout = self.call_timeout;
        Reasons {
            inner,
            call_timeout,
        }
    }
}

impl<S> Service<Request<Body>> for Reasons<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let theirs = grpc_timeout(request.headers()).map(|limit| limit.saturating_sub(AHEAD));
        let limit = theirs.map_or(self.call_timeout, |limit| limit.min(self.call_timeout));
        if limit.is_zero() {
            return Box::pin(async move { Ok(too_late(limit).into_http()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(limit, answer).await {
                Ok(answer) => answer.map(explained),
                Err(_) => Ok(too_late(limit).into_http()),
            }
        })
    }
}

fn too_late(limit: Duration) -> Status {
    let message = format!("no answer after {} ms", limit.as_millis());
    status::refuse(Reason::DeadlineExceeded, &message)
}

/// An answer that is only a head and refuses without details was made by the library.
fn explained(answer: Response<Body>) -> Response<Body> {
    let headers = answer.headers();
    if !headers.contains_key(Status::GRPC_STATUS)
        || headers.contains_key(Status::GRPC_STATUS_DETAILS)
    {
        return answer;
    }
    match Status::from_header_map(headers) {
        Some(refusal) if refusal.code() != tonic::Code::Ok => with_reason(refusal).into_http(),
        _ => answer,
    }
}

/// The refusal with a reason, if it is one that the library makes of a request.
pub(super) fn with_reason(refusal: Status) -> Status {
    let said = refusal.message();
    let reason = match refusal.code() {
        _ if !refusal.details().is_empty() => return refusal,
        tonic::Code::Internal => Reason::MalformedMessage,
        tonic::Code::OutOfRange => Reason::MessageTooLarge,
        tonic::Code::Unimplemented if said.contains("compressed") => Reason::CompressionUnsupported,
        tonic::Code::Unimplemented => Reason::MethodUnknown,
        _ => return refusal,
    };
    let message = match said {
        "" => reason.explain().meaning.trim_end_matches('.'),
        said => said.trim_end_matches('.'),
    };
    let mut explained = status::refuse(reason, message);
    // Such as the encodings that are accepted.
    *explained.metadata_mut() = refusal.metadata().clone();
    explained
}

/// What a caller allows: 1 to 8 digits and a unit (gRPC over HTTP/2, "Timeout"). Anything else is no limit.
pub(super) fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_read_in_every_unit_and_nonsense_is_none() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            grpc_timeout(&headers)
        };
        assert_eq!(read("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("4S"), Some(Duration::from_secs(4)));
        assert_eq!(read("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(read("6u"), Some(Duration::from_micros(6)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        for nonsense in ["", "S", "1", "1h", "+1S", "-1S", "123456789S", "1 S"] {
            assert_eq!(read(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn only_what_the_library_refuses_gets_a_reason() {
        let own = status::refuse(Reason::InternalError, "the broker could not answer");
        assert_eq!(with_reason(own.clone()).details(), own.details());
        let health = Status::not_found("service not registered");
        assert!(with_reason(health).details().is_empty());
        let undecodable = with_reason(Status::internal("invalid wire type"));
        assert_eq!(undecodable.code(), tonic::Code::InvalidArgument);
        assert!(!undecodable.details().is_empty());
    }
}
