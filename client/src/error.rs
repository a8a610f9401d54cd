//! One error for everything that can go wrong between a caller and the broker.

use std::{error::Error as StdError, fmt, io, path::PathBuf, time::Duration};

use casebroker_proto::{
    errors::{DOMAIN, Violation},
    google,
    json::JsonError,
    statement::StatementError,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, RpcStatusExt as _, StatusExt as _};

use crate::{
    members::MemberError,
    profile::ProfileError,
    proof::{LogBreach, ProofFailure},
};

/// Why a call gave no answer, or one that cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The broker refused, and said why.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// No connection, or it broke and did not come back within the bounds of the retries.
    #[error("{endpoint} cannot be reached ({attempts} attempts): {cause}")]
    Unreachable {
        /// Where to.
        endpoint: String,
        /// Attempts made.
        attempts: u32,
        /// The innermost cause of the last one.
        cause: String,
    },
    /// One side did not accept the other's certificate. Never retried.
    #[error("{endpoint} and this client do not trust each other: {cause}")]
    Untrusted {
        /// Where to.
        endpoint: String,
        /// What TLS says.
        cause: String,
    },
    /// A file or value of the profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Found here, before anything was sent.
    #[error("the statement breaks {} rule(s)", .0.len())]
    Invalid(Vec<Violation>),
    /// The statement could not be signed.
    #[error(transparent)]
    Signing(#[from] StatementError),
    /// A statement was to be signed, and the profile names no signing certificate and key.
    #[error("the profile names no signing certificate and key")]
    NoSigner,
    /// A receipt, checkpoint or proof does not verify.
    #[error(transparent)]
    Proof(#[from] ProofFailure),
    /// The log shrank or forked: two signed checkpoints that cannot both be true.
    #[error(transparent)]
    Breach(Box<LogBreach>),
    /// A signing certificate or its chain cannot be believed.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The broker's answer lacks something that the contract promises.
    #[error("the broker's answer is not as the contract says: {0}")]
    Answer(&'static str),
    /// Other tasks of this process verified newer checkpoints each time a proof came.
    #[error("the checkpoint was not compared: other calls moved the known one {0} times")]
    Busy(usize),
    /// The stream ended before it was done; its own error says why.
    #[error("the stream has ended")]
    StreamEnded,
    /// The state directory cannot be used.
    #[error("{}: {source}", .path.display())]
    State {
        /// File or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A message could not be turned into JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
}

/// A refusal as the broker explains it: a gRPC status with its decoded details (AIP-193).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Status code.
    pub code: Code,
    /// `google.rpc.ErrorInfo.reason` of domain `casebroker`, such as `CASE_NOT_FOUND`; see `casebroker_proto::errors`.
    pub reason: Option<String>,
    /// What is wrong and what to do next, in English.
    pub message: String,
    /// Every broken rule, with the path of its field.
    pub violations: Vec<Violation>,
    /// `google.rpc.ErrorInfo.metadata`, sorted by key.
    pub metadata: Vec<(String, String)>,
    /// `google.rpc.RetryInfo`: how long to wait before the same request makes sense again.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.message.is_empty() {
            self.code.description()
        } else {
            &self.message
        })
    }
}

impl StdError for Refusal {}

impl Refusal {
    /// From the status that ended a call.
    pub fn from_status(status: &Status) -> Self {
        Self::new(status.code(), status.message(), status.get_error_details())
    }

    /// From an error within a stream's answer.
    pub fn from_rpc(status: &google::rpc::Status) -> Self {
        let decoded = tonic_types::Status {
            code: status.code,
            message: status.message.clone(),
            details: status.details.clone(),
        };
        Self::new(
            Code::from_i32(status.code),
            &status.message,
            decoded.get_error_details(),
        )
    }

    /// Whether the broker asks for the same request again, later.
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, Code::Unavailable | Code::ResourceExhausted)
    }

    fn new(code: Code, message: &str, details: ErrorDetails) -> Self {
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let mut metadata: Vec<_> = info
            .iter()
            .flat_map(|info| &info.metadata)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        metadata.sort();
        let violations = details
            .bad_request()
            .map_or(&[][..], |bad| &bad.field_violations);
        Self {
            code,
            reason: info.map(|info| info.reason.clone()),
            message: message.to_owned(),
            violations: violations
                .iter()
                .map(|v| Violation::new(&v.field, &v.description))
                .collect(),
            metadata,
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }
}

impl ClientError {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The broker's reason, such as `CASE_EXISTS`, if it gave one.
    pub fn reason(&self) -> Option<&str> {
        self.refusal()?.reason.as_deref()
    }
}

/// What one failed attempt was, before it is decided whether there is another.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The broker answered so.
    Refused(Refusal),
    /// The connection failed; the text is the innermost cause.
    Broken(String),
    /// TLS failed for good.
    Untrusted(String),
}

impl Failure {
    pub(crate) fn from_status(status: Status) -> Self {
        // A status that the broker sent has no source; one that tonic made of a broken connection has.
        let Some(source) = status.source() else {
            return match status.code() {
                // What a proxy or a half-closed connection leaves behind.
                Code::Unknown if status.message().contains("transport") => {
                    Self::Broken(status.message().to_owned())
                }
                _ => Self::Refused(Refusal::from_status(&status)),
            };
        };
        let mut cause = source;
        while let Some(next) = inner(cause) {
            cause = next;
        }
        let text = cause.to_string();
        match cause.downcast_ref::<rustls::Error>() {
            Some(
                rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::PeerIncompatible(_),
            ) => Self::Untrusted(text),
            _ if is_refusal_alert(&text) => Self::Untrusted(text),
            _ => Self::Broken(in_words(text)),
        }
    }

    /// Whether another attempt can help, and after how long at least.
    pub(crate) fn retry(&self) -> Option<Duration> {
        match self {
            Self::Broken(_) => Some(Duration::ZERO),
            Self::Refused(refusal) if refusal.is_temporary() => {
                Some(refusal.retry_after.unwrap_or_default())
            }
            _ => None,
        }
    }

    pub(crate) fn into_error(self, endpoint: &str, attempts: u32) -> ClientError {
        let endpoint = endpoint.to_owned();
        match self {
            Self::Refused(refusal) => ClientError::Refused(Box::new(refusal)),
            Self::Broken(cause) => ClientError::Unreachable {
                endpoint,
                attempts,
                cause,
            },
            Self::Untrusted(cause) => ClientError::Untrusted { endpoint, cause },
        }
    }
}

/// The next cause down; also what an I/O error carries, which its own `source` skips.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}

/// What TLS says of a connection that just ended is for programmers.
fn in_words(cause: String) -> String {
    match cause.contains("close_notify") || cause == "unexpected end of file" {
        true => "the broker closed the connection".into(),
        false => cause,
    }
}

/// Whether a cause is a TLS alert by which the broker refuses our certificate or protocol. With TLS 1.3 it comes after the
/// handshake, through HTTP/2, which keeps nothing of rustls' error but its text.
fn is_refusal_alert(text: &str) -> bool {
    const REFUSALS: [&str; 7] = [
        "Certificate",
        "UnknownCA",
        "AccessDenied",
        "HandshakeFailure",
        "ProtocolVersion",
        "NoApplicationProtocol",
        "DecryptError",
    ];
    text.strip_prefix("received fatal alert: ")
        .is_some_and(|alert| REFUSALS.iter().any(|refusal| alert.contains(refusal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let mut details = ErrorDetails::new();
        details
            .set_error_info("INVALID_FIELDS", DOMAIN, [("count".into(), "1".into())])
            .set_retry_info(Some(Duration::from_millis(250)))
            .add_bad_request_violation("report.report.title", "must not be empty");
        Status::with_error_details(Code::InvalidArgument, "one rule is broken", details)
    }

    #[test]
    fn a_status_gives_reason_violations_and_delay() {
        let refusal = Refusal::from_status(&status());
        assert_eq!(refusal.reason.as_deref(), Some("INVALID_FIELDS"));
        assert_eq!(refusal.violations[0].field, "report.report.title");
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(250)));
        assert_eq!(refusal.metadata, [("count".into(), "1".into())]);
        assert!(!refusal.is_temporary());
    }

    #[test]
    fn an_error_in_a_stream_decodes_like_the_status_of_a_call() {
        let outside = status();
        let inside: tonic_types::Status = prost::Message::decode(outside.details()).unwrap();
        let inside = google::rpc::Status {
            code: inside.code,
            message: inside.message,
            details: inside.details,
        };
        assert_eq!(Refusal::from_rpc(&inside), Refusal::from_status(&outside));
    }

    #[test]
    fn an_info_of_another_domain_is_no_reason_of_ours() {
        let mut details = ErrorDetails::new();
        details.set_error_info("QUOTA", "proxy.example", []);
        let status = Status::with_error_details(Code::Unavailable, "", details);
        let refusal = Refusal::from_status(&status);
        assert_eq!(refusal.reason, None);
        assert!(refusal.is_temporary() && !refusal.to_string().is_empty());
    }

    #[test]
    fn a_tls_refusal_is_told_from_a_broken_connection() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        let refused = io::Error::new(io::ErrorKind::InvalidData, alert);
        let failure = Failure::from_status(Status::from_error(Box::new(refused)));
        assert!(matches!(failure, Failure::Untrusted(_)) && failure.retry().is_none());
        // As it comes through HTTP/2: an I/O error of which only kind and text are left.
        let text = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateExpired);
        let refused = io::Error::other(text.to_string());
        let failure = Failure::from_status(Status::from_error(Box::new(refused)));
        assert!(matches!(failure, Failure::Untrusted(_)), "{failure:?}");
        let own = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let own = io::Error::new(io::ErrorKind::InvalidData, own);
        let failure = Failure::from_status(Status::from_error(Box::new(own)));
        assert!(matches!(failure, Failure::Untrusted(_)), "{failure:?}");
        let ended = io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "peer closed connection without sending TLS close_notify: https://docs.rs/x",
        );
        match Failure::from_status(Status::from_error(Box::new(ended))) {
            Failure::Broken(cause) => assert_eq!(cause, "the broker closed the connection"),
            other => panic!("{other:?}"),
        }
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let failure = Failure::from_status(Status::from_error(Box::new(reset)));
        assert!(matches!(failure, Failure::Broken(_)) && failure.retry().is_some());
    }
}
