//! Everything that ends a command early: what is wrong, what to do next, and the exit status that scripts rely on.

use std::{fmt, io};

use casebroker_client::{ClientError, MemberError, ProfileError, Refusal};
use casebroker_proto::errors::{Reason, Violation};
use serde_json::{Value, json};
use tonic::Code;

/// Exit statuses. Scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed in a way that none of the others says.
    Failed = 1,
    /// The command line or the choice of context.
    Usage = 2,
    /// Input breaks a rule.
    Invalid = 3,
    /// Not found, or not for the caller.
    NotFound = 4,
    /// Permission denied, or one side did not accept the other's certificate.
    Denied = 5,
    /// Broker not reached within the retries' bounds.
    Unreachable = 6,
    /// A proof or signature does not verify.
    Unproven = 7,
    /// In conflict with what is recorded already.
    Conflict = 8,
    /// Interrupted from the keyboard (128 + SIGINT).
    Interrupted = 130,
}

/// An early end.
#[derive(Debug)]
pub struct Failure {
    /// Exit status.
    pub exit: Exit,
    /// Name of a gRPC status code, also where no broker was asked.
    pub code: &'static str,
    /// What is wrong, one line.
    pub what: Box<str>,
    /// What to do next, one line; may be empty.
    pub next: Box<str>,
    /// The broker's reason, such as `CASE_NOT_FOUND`.
    pub reason: Option<String>,
    /// Fields that break a rule.
    pub violations: Vec<Violation>,
    /// More lines, such as two checkpoints that contradict each other.
    pub detail: Box<str>,
    /// Whoever read our output went away: nothing is to be said.
    pub silent: bool,
}

pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Without a broker's answer.
    pub fn new(exit: Exit, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            exit,
            code: code_of(exit),
            what: what.into().into(),
            next: next.into().into(),
            reason: None,
            violations: Vec::new(),
            detail: Box::default(),
            silent: false,
        }
    }

    /// Says nothing and gives this status: all has been said already.
    pub fn quiet(exit: Exit) -> Self {
        Self {
            silent: true,
            ..Self::new(exit, "", "")
        }
    }

    /// A wrong command line.
    pub fn usage(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, next)
    }

    /// A file that cannot be read or written.
    pub fn file(path: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(
            Exit::Failed,
            format!("{path}: {error}"),
            "Check the path and its permissions.",
        )
    }

    /// Writing to standard output failed.
    pub fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::quiet(Exit::Done),
            _ => Self::file("standard output", error),
        }
    }

    /// As the JSON object that `-o json` puts on standard error.
    pub fn to_json(&self) -> Value {
        let violations: Vec<_> = self
            .violations
            .iter()
            .map(|v| json!({"field": v.field, "description": v.description}))
            .collect();
        json!({
            "code": self.code,
            "message": self.what,
            "reason": self.reason,
            "action": self.next,
            "violations": violations,
            "detail": if self.detail.is_empty() { Value::Null } else { self.detail.as_ref().into() },
        })
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let known = refusal.reason.as_deref().and_then(Reason::find);
        let next = known.map_or_else(
            || "Try again later; if it persists tell the operator.".to_owned(),
            |reason| reason.explain().action.to_owned(),
        );
        // The broker says in its message what to do next; here that has a line of its own.
        let message = refusal.to_string();
        let what = message.strip_suffix(&next).unwrap_or(&message).trim_end();
        let what = what.strip_suffix('.').unwrap_or(what).to_owned();
        Self {
            code: code_name(refusal.code),
            reason: refusal.reason,
            violations: refusal.violations,
            ..Self::new(exit_of(refusal.code), what, next)
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        match error {
            ClientError::Refused(refusal) => (*refusal).into(),
            ClientError::Unreachable { .. } => Self::new(
                Exit::Unreachable,
                what,
                "Check the endpoint (`casectl context show`) and that the broker is running; then run the same command again.",
            ),
            ClientError::Untrusted { .. } => Self::new(
                Exit::Denied,
                what,
                "Check that `ca` is the broker's, that your certificate has not expired (`casectl whoami --local`) and is registered.",
            ),
            ClientError::Profile(error) => error.into(),
            ClientError::Invalid(violations) => Self {
                reason: Some("INVALID_FIELDS".into()),
                violations,
                ..Self::new(
                    Exit::Invalid,
                    what,
                    "Mend every field named; nothing was sent.",
                )
            },
            ClientError::NoSigner => Self::usage(
                what,
                "Set signing_certificate and signing_key in the context; see `casectl cheat contexts`.",
            ),
            ClientError::Signing(_) => Self::new(
                Exit::Failed,
                what,
                "Check signing_certificate and signing_key.",
            ),
            ClientError::Proof(_) => Self::new(
                Exit::Unproven,
                what,
                "Do not rely on this answer. Check log_vkey with the operator by another way, and keep what you have.",
            ),
            ClientError::Breach(breach) => Self {
                detail: format!(
                    "--- verified earlier\n{}--- seen now\n{}",
                    breach.known, breach.seen
                )
                .into(),
                ..Self::new(
                    Exit::Unproven,
                    breach.what.clone(),
                    match &breach.kept_in {
                        Some(file) => format!(
                            "Do not rely on this answer. Both checkpoints are evidence and are kept in {}: show them to the operator and to the other members.",
                            file.display()
                        ),
                        None => "Do not rely on this answer. Keep both checkpoints below: they are evidence. Show them to the operator and to the other members.".to_owned(),
                    },
                )
            },
            ClientError::Member(error) => error.into(),
            ClientError::Answer(_) => Self::new(
                Exit::Failed,
                what,
                "Do not rely on this answer. Run the same command again; if it stays so, show the operator this message.",
            ),
            ClientError::StreamEnded | ClientError::Busy(_) => {
                Self::new(Exit::Failed, what, "Run the same command again.")
            }
            ClientError::State { .. } => Self::new(
                Exit::Failed,
                what,
                "Check the folder's permissions. Keep a checkpoint there that does not verify: it may be evidence.",
            ),
            ClientError::Json(_) => Self::new(Exit::Failed, what, ""),
        }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let exit = match error {
            ProfileError::Exposed { .. } => Exit::Failed,
            _ => Exit::Invalid,
        };
        Self::new(
            exit,
            error.to_string(),
            "Mend the context (`casectl context show`) or the file named.",
        )
    }
}

impl From<MemberError> for Failure {
    fn from(error: MemberError) -> Self {
        let (exit, next) = match error {
            MemberError::Folder { .. } | MemberError::File(_) => (
                Exit::Invalid,
                "Check `members` in the context or give --members DIR.",
            ),
            _ => (
                Exit::Unproven,
                "Do not rely on the statement. Compare the members folder with one from the operator.",
            ),
        };
        Self::new(exit, error.to_string(), next)
    }
}

/// Exit status of a gRPC status code.
pub fn exit_of(code: Code) -> Exit {
    match code {
        Code::Ok => Exit::Done,
        Code::InvalidArgument | Code::OutOfRange => Exit::Invalid,
        Code::NotFound => Exit::NotFound,
        Code::PermissionDenied | Code::Unauthenticated => Exit::Denied,
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => Exit::Unreachable,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => Exit::Conflict,
        Code::DataLoss => Exit::Unproven,
        Code::Cancelled | Code::Unknown | Code::Unimplemented | Code::Internal => Exit::Failed,
    }
}

/// Name of a code as gRPC's documentation writes it.
pub fn code_name(code: Code) -> &'static str {
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

fn code_of(exit: Exit) -> &'static str {
    code_name(match exit {
        Exit::Done => Code::Ok,
        Exit::Failed => Code::Unknown,
        Exit::Usage | Exit::Invalid => Code::InvalidArgument,
        Exit::NotFound => Code::NotFound,
        Exit::Denied => Code::Unauthenticated,
        Exit::Unreachable => Code::Unavailable,
        Exit::Unproven => Code::DataLoss,
        Exit::Conflict => Code::FailedPrecondition,
        Exit::Interrupted => Code::Cancelled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_exit_status_that_its_code_says() {
        for (reason, exit) in [
            (Reason::InvalidFields, Exit::Invalid),
            (Reason::CaseNotFound, Exit::NotFound),
            (Reason::SignerUnknown, Exit::Denied),
            (Reason::RoleNotAllowed, Exit::Denied),
            (Reason::CaseExists, Exit::Conflict),
            (Reason::RequestIdReused, Exit::Conflict),
            (Reason::RevisionConflict, Exit::Conflict),
            (Reason::CaseRetracted, Exit::Conflict),
            (Reason::DisputeNotOpen, Exit::Conflict),
            (Reason::PositionOutOfRange, Exit::Invalid),
            (Reason::IntakeFull, Exit::Unreachable),
            (Reason::ShuttingDown, Exit::Unreachable),
            (Reason::InternalError, Exit::Failed),
        ] {
            let code = Code::from_i32(reason.explain().code as i32);
            assert_eq!(exit_of(code), exit, "{reason}");
            assert_eq!(code_name(code), reason.explain().code.as_str());
        }
    }

    #[test]
    fn a_refusal_keeps_reason_and_violations_and_says_what_to_do() {
        let failure = Failure::from(Refusal {
            code: Code::InvalidArgument,
            reason: Some("INVALID_FIELDS".into()),
            message: format!(
                "1 rule is broken. {}",
                Reason::InvalidFields.explain().action
            ),
            violations: vec![Violation::new("report.report.title", "must not be empty")],
            metadata: vec![],
            retry_after: None,
        });
        assert_eq!(failure.exit, Exit::Invalid);
        let json = failure.to_json();
        assert_eq!(json["code"], "INVALID_ARGUMENT");
        assert_eq!(json["message"], "1 rule is broken");
        assert_eq!(json["reason"], "INVALID_FIELDS");
        assert_eq!(json["violations"][0]["field"], "report.report.title");
        assert!(!failure.next.is_empty());
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.silent && failure.exit == Exit::Done);
    }
}
