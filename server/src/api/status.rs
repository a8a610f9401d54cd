//! The one place where errors of rooms become statuses (AIP-193).

use std::{fmt::Display, time::Duration};

use casebroker_proto::{
    errors::{Code, DOMAIN, Reason, Violation},
    names::Role,
    statement::StatementError,
};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    delivery::{ContentError, DeliveryError},
    intake::IntakeError,
    policy::{Method, quotas::Over},
    projections::ReadError,
    sequencer::SequencerError,
    transparency::LogError,
};

/// When to try again after the queue was full.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Most bytes of violations in a status. It travels in a trailer, a third longer as base64, and a client that is told more than
/// 16 KiB of headers (the default of many) sees a broken stream in place of the refusal.
const VIOLATION_BYTES: usize = 8 * 1024;

/// A refusal with its reason; what to do next is part of the message.
pub(super) fn refuse(reason: Reason, message: &str) -> Status {
    build(reason, message, ErrorDetails::new(), &[])
}

/// Every broken field rule at once.
pub(super) fn invalid_fields(violations: &[Violation]) -> Status {
    let mut details = ErrorDetails::new();
    let mut room = VIOLATION_BYTES;
    for violation in violations {
        let size = violation.field.len() + violation.description.len();
        let Some(rest) = room.checked_sub(size) else {
            let more = "there are more violations than these; an answer has room for no more";
            details.add_bad_request_violation("", more);
            break;
        };
        room = rest;
        details.add_bad_request_violation(&violation.field, &violation.description);
    }
    let message = match violations {
        [only] => format!("{}: {}", only.field, only.description),
        [first, rest @ ..] => format!(
            "{}: {} (and {} more)",
            first.field,
            first.description,
            rest.len()
        ),
        [] => String::new(),
    };
    build(Reason::InvalidFields, &message, details, &[])
}

/// One broken field rule of a request.
pub(super) fn invalid_field(field: &str, problem: impl Display) -> Status {
    invalid_fields(&[Violation::new(field, problem.to_string())])
}

/// A role that may not use a method.
pub(super) fn role_not_allowed(role: Role, method: Method) -> Status {
    refuse(
        Reason::RoleNotAllowed,
        &format!("role `{role}` may not call {method:?}"),
    )
}

/// A projection that has not followed the log as far as was asked.
pub(super) fn behind(projection: &str, position: u64, wanted: u64) -> Status {
    let details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
    let message = format!("the {projection} is at position {position}, and {wanted} is wanted");
    let metadata = [
        ("projection", projection.to_owned()),
        ("position", position.to_string()),
        ("wanted", wanted.to_string()),
    ];
    build(Reason::ProjectionBehind, &message, details, &metadata)
}

/// Something that is not the caller's doing. The cause is logged, not told.
pub(super) fn internal(cause: &dyn Display) -> Status {
    tracing::error!(%cause, "a call failed");
    refuse(Reason::InternalError, "the broker could not answer")
}

fn build(
    reason: Reason,
    message: &str,
    mut details: ErrorDetails,
    metadata: &[(&str, String)],
) -> Status {
    let explanation = reason.explain();
    let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), v.clone()));
    details.set_error_info(
        explanation.id,
        DOMAIN,
        metadata.collect::<std::collections::HashMap<_, _>>(),
    );
    let message = format!("{message}. {}", explanation.action);
    Status::with_error_details(code(explanation.code), message, details)
}

fn code(code: Code) -> tonic::Code {
    tonic::Code::from_i32(code as i32)
}

impl From<IntakeError> for Status {
    fn from(error: IntakeError) -> Self {
        let message = error.to_string();
        match error {
            IntakeError::Fields(violations) => invalid_fields(&violations),
            IntakeError::Statement(StatementError::Signature) => {
                refuse(Reason::SignatureInvalid, &message)
            }
            IntakeError::Statement(_) => refuse(Reason::InvalidEnvelope, &message),
            IntakeError::Signer(_) => refuse(Reason::SignerUnknown, &message),
            IntakeError::Agency { .. } => refuse(Reason::AgencyMismatch, &message),
            IntakeError::OwnCase(_) => refuse(Reason::OwnCase, &message),
            IntakeError::Role { .. } => refuse(Reason::RoleNotAllowed, &message),
        }
    }
}

impl From<SequencerError> for Status {
    fn from(error: SequencerError) -> Self {
        let message = error.to_string();
        match error {
            SequencerError::CaseExists(_) => refuse(Reason::CaseExists, &message),
            SequencerError::CaseNotFound(_) => refuse(Reason::CaseNotFound, &message),
            SequencerError::CaseRetracted(_) => refuse(Reason::CaseRetracted, &message),
            SequencerError::CaseFull(_) => refuse(Reason::CaseFull, &message),
            SequencerError::AudienceTooWide(_) => refuse(Reason::AudienceTooWide, &message),
            SequencerError::ReleaseNarrows(_) => refuse(Reason::ReleaseNarrows, &message),
            SequencerError::NoOwnCase(_) => invalid_field("corroboration.own_case", message),
            SequencerError::NoItem { .. } => invalid_field("findings.item", message),
            SequencerError::NotReached(_) => invalid_field("evidence_request.addressee", message),
            SequencerError::NoRequest(_) => refuse(Reason::RequestNotFound, &message),
            SequencerError::NoDispute(_) => refuse(Reason::DisputeNotOpen, &message),
            SequencerError::NoOverlap(_) => refuse(Reason::OverlapNotFound, &message),
            SequencerError::Behind { position, wanted } => behind("table", position, wanted),
            SequencerError::SignerGone => refuse(Reason::SignerUnknown, &message),
            SequencerError::RequestIdReused(_) => refuse(Reason::RequestIdReused, &message),
            SequencerError::RevisionConflict { current, .. } => build(
                Reason::RevisionConflict,
                &message,
                ErrorDetails::new(),
                &[("current_revision", current.to_string())],
            ),
            SequencerError::Full { .. } => {
                let details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
                build(Reason::IntakeFull, &message, details, &[])
            }
            SequencerError::Stopping => refuse(Reason::ShuttingDown, &message),
        }
    }
}

impl From<Over> for Status {
    fn from(over: Over) -> Self {
        let details = ErrorDetails::with_retry_info(Some(over.retry_after));
        let quota = [("quota", over.quota.to_owned())];
        build(Reason::QuotaExceeded, &over.to_string(), details, &quota)
    }
}

impl From<ReadError> for Status {
    fn from(error: ReadError) -> Self {
        let message = error.to_string();
        match error {
            ReadError::NoCase(_) => refuse(Reason::CaseNotFound, &message),
            ReadError::NoEntry(_) => refuse(Reason::EntryNotFound, &message),
            ReadError::NotYet { .. } => refuse(Reason::PositionOutOfRange, &message),
            ReadError::Behind { position, wanted } => behind("table", position, wanted),
            ReadError::Journal(_) | ReadError::State(_) | ReadError::Entry { .. } => {
                internal(&message)
            }
        }
    }
}

impl From<DeliveryError> for Status {
    fn from(error: DeliveryError) -> Self {
        let message = error.to_string();
        match error {
            DeliveryError::NotFound(_) => refuse(Reason::SubscriptionNotFound, &message),
            DeliveryError::Exists(_) => refuse(Reason::SubscriptionExists, &message),
            DeliveryError::Changed(_) => refuse(Reason::SubscriptionChanged, &message),
            DeliveryError::TooMany(_) => refuse(Reason::TooManySubscriptions, &message),
            DeliveryError::Stopping => refuse(Reason::ShuttingDown, &message),
        }
    }
}

impl From<ContentError> for Status {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Read(error) => error.into(),
            ContentError::Log(error) => error.into(),
        }
    }
}

impl From<LogError> for Status {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Range { .. } => refuse(Reason::PositionOutOfRange, &error.to_string()),
            _ => internal(&error),
        }
    }
}
