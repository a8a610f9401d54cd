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

/// Most bytes of message and details in the trailers. gRPC's C core, and so the stock clients of Python, Ruby and C++, takes 8 KiB of
/// metadata by default and shows a broken call in place of a larger refusal.
const TRAILER_BYTES: usize = 7_500;

/// Most characters of a path and of a description in the message of a refusal.
const MESSAGE_CHARACTERS: usize = 500;

/// A refusal with its reason; what to do next is part of the message.
pub(super) fn refuse(reason: Reason, message: &str) -> Status {
    build(reason, message, ErrorDetails::new(), &[])
}

/// Every broken field rule at once, as many as a trailer has room for; the last one says how many were left out.
pub(super) fn invalid_fields(violations: &[Violation]) -> Status {
    // No more than this many have room, however short they are.
    let mut shown = violations.len().min(TRAILER_BYTES / 16);
    loop {
        let status = with_violations(violations, shown);
        if shown == 0 || trailer_bytes(&status) <= TRAILER_BYTES {
            return status;
        }
        shown = shown * 3 / 4;
    }
}

/// The first so many violations.
fn with_violations(violations: &[Violation], shown: usize) -> Status {
    let mut details = ErrorDetails::new();
    for violation in violations.iter().take(shown) {
        details.add_bad_request_violation(&violation.field, &violation.description);
    }
    let left_out = violations.len().saturating_sub(shown);
    if left_out > 0 {
        let more = format!(
            "{left_out} more violations are left out, as an answer has no room for them; mend these and send again"
        );
        details.add_bad_request_violation("", more);
    }
    let message = match violations {
        [only] => format!("{}: {}", cut(&only.field), cut(&only.description)),
        [first, rest @ ..] => format!(
            "{}: {} (and {} more, {left_out} of them left out)",
            cut(&first.field),
            cut(&first.description),
            rest.len()
        )
        .replace(", 0 of them left out", ""),
        [] => String::new(),
    };
    build(Reason::InvalidFields, &message, details, &[])
}

/// A text of which a message has room.
fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(MESSAGE_CHARACTERS);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Bytes of message and details in the trailers: percent-encoded and base64 (gRPC over HTTP/2, "Responses").
fn trailer_bytes(status: &Status) -> usize {
    let message = status.message().bytes();
    let message: usize = message
        .map(|byte| {
            if matches!(byte, b' '..=b'~') && byte != b'%' {
                1
            } else {
                3
            }
        })
        .sum();
    message + status.details().len().div_ceil(3) * 4
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_fits_into_8_kib_of_trailers_and_says_how_much_was_left_out() {
        for (count, text) in [
            (1, "x".repeat(100_000)),
            (60, "is `1-1-1`; a CAS number has its check digit".repeat(3)),
            (60, "ist `ü`; 数量不是小数".repeat(10)),
            (100_000, "is missing".into()),
        ] {
            let violations: Vec<_> = (0..count)
                .map(|n| {
                    Violation::new(
                        format!("report.report.items[{n}].quantity.value"),
                        text.clone(),
                    )
                })
                .collect();
            let status = invalid_fields(&violations);
            assert!(trailer_bytes(&status) <= TRAILER_BYTES, "{count}");
            let details = status.get_error_details();
            let shown = &details.bad_request().unwrap().field_violations;
            let left_out = count - (shown.len() - 1);
            let last = &shown[shown.len() - 1].description;
            assert!(
                last.starts_with(&format!("{left_out} more violations")),
                "{last}"
            );
        }
        let few = invalid_fields(&[
            Violation::new("case", "is required"),
            Violation::new("kind", "is required"),
        ]);
        let shown = few
            .get_error_details()
            .bad_request()
            .unwrap()
            .field_violations
            .len();
        assert_eq!(shown, 2);
        assert!(
            few.message().starts_with("case: is required (and 1 more)"),
            "{}",
            few.message()
        );
    }
}
