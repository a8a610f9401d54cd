//! Every reason for which the broker refuses a request: the one list from which `docs/errors.md`, `casectl errors` and the
//! broker's answers are made. A status carries its reason as `google.rpc.ErrorInfo` with domain [`DOMAIN`] (AIP-193).

use std::fmt;

/// `google.rpc.ErrorInfo.domain` of every reason.
pub const DOMAIN: &str = "casebroker";

/// gRPC status code of a reason (grpc.io, "Status codes and their use in gRPC"); the value is the number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs, reason = "the names are those of the gRPC documentation")]
pub enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
}

impl Code {
    /// The name in upper case, as the documentation writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

/// What is known about one reason.
#[derive(Debug, Clone, Copy)]
pub struct Explanation {
    /// `google.rpc.ErrorInfo.reason`: upper snake case.
    pub id: &'static str,
    /// Status code.
    pub code: Code,
    /// What it means, one sentence.
    pub meaning: &'static str,
    /// Common causes.
    pub causes: &'static [&'static str],
    /// What the client should do.
    pub action: &'static str,
}

macro_rules! reasons {
    ($($variant:ident $id:literal $code:ident { $meaning:literal causes: [$($cause:literal),+ $(,)?] action: $action:literal })+) => {
        /// A reason for a refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// All that is known about it.
            pub const fn explain(self) -> Explanation {
                match self {
                    $(Self::$variant => Explanation {
                        id: $id, code: Code::$code, meaning: $meaning, causes: &[$($cause),+], action: $action,
                    },)+
                }
            }
        }
    };
}

reasons! {
    InvalidFields "INVALID_FIELDS" InvalidArgument {
        "One or more fields break their rule; nothing was written."
        causes: ["A required field is missing.", "A code, date, digest, quantity or name has the wrong form.", "A reference names evidence that the case does not list."]
        action: "Mend every field that the violations name; they are all listed at once. For statements `casectl validate FILE` finds the same before anything is sent."
    }
    InvalidEnvelope "INVALID_ENVELOPE" InvalidArgument {
        "The signed statement is not a COSE_Sign1 envelope in the form required."
        causes: ["CBOR tag 18, a header or the payload is missing, or there is one header too many.", "The payload is not a serialized casebroker.v1.Statement.", "The CBOR is not in its shortest encoding."]
        action: "Sign with `casectl submit` or the SDK, or compare with the form described at `Statement` in the contract."
    }
    MalformedMessage "MALFORMED_MESSAGE" InvalidArgument {
        "The request is not a protobuf message of the method's type; nothing was written."
        causes: ["The bytes were cut or changed, or encode another message.", "A text field is not UTF-8.", "The gRPC frame around the message is broken, or there is no message."]
        action: "Encode the message that the contract names for this method. A stream ends with such a message, as nothing after it can be told apart; what came before it is answered first."
    }
    // Not RESOURCE_EXHAUSTED, which clients take for a state that passes: the same message is never taken, however often sent.
    MessageTooLarge "MESSAGE_TOO_LARGE" InvalidArgument {
        "The request is larger than a message may be; nothing of it was decoded."
        causes: ["A file was put into a statement instead of its digest.", "A list was not divided into pages."]
        action: "Send less at a time. Evidence itself is never uploaded: name its digest, size and custodian."
    }
    CompressionUnsupported "COMPRESSION_UNSUPPORTED" Unimplemented {
        "The request is compressed in a way that the broker does not take."
        causes: ["The client compresses its requests (`grpc-encoding`)."]
        action: "Send requests without compression."
    }
    MethodUnknown "METHOD_UNKNOWN" Unimplemented {
        "There is no such service or method on this broker."
        causes: ["The name of the service or method is misspelt.", "The client is newer than the broker."]
        action: "Compare with what reflection lists; `casectl whoami` shows the broker's version."
    }
    DeadlineExceeded "DEADLINE_EXCEEDED" DeadlineExceeded {
        "The call took longer than the caller, or the broker, lets it take."
        causes: ["The deadline of the call (`grpc-timeout`) is very short.", "The broker or its disk is overloaded."]
        action: "Send the same request again with more time. A statement may have been recorded all the same; under the same request id it is recorded once."
    }
    SignatureInvalid "SIGNATURE_INVALID" InvalidArgument {
        "The signature does not verify under the signing certificate."
        causes: ["The payload was changed or encoded again after it was signed.", "The key does not belong to the certificate that x5t names."]
        action: "Sign the exact bytes that are sent, with the key of the certificate named."
    }
    SignerUnknown "SIGNER_UNKNOWN" PermissionDenied {
        "The signing certificate is not registered for the caller's agency, is revoked, or is not valid now."
        causes: ["The certificate was renewed and the new one is not registered yet.", "The certificate has expired, is not valid yet, or was revoked by its agency.", "The statement was signed by another agency."]
        action: "Use a certificate that the operator has registered for your agency, or have yours registered."
    }
    AgencyMismatch "AGENCY_MISMATCH" PermissionDenied {
        "The statement speaks for an agency that the caller does not belong to."
        causes: ["The case's name begins with another agency.", "The connection was made with another agency's certificate."]
        action: "Report, amend and retract only cases of your own agency, over your own agency's certificate."
    }
    RoleNotAllowed "ROLE_NOT_ALLOWED" PermissionDenied {
        "The caller's role may not use this method."
        causes: ["An auditor or operator certificate was used for cases."]
        action: "Use a certificate with a role that may; `casectl whoami` shows yours."
    }
    PurposeRequired "PURPOSE_REQUIRED" FailedPrecondition {
        "The broker wants to be told why the caller's role reads cases, and this request did not say."
        causes: ["The operator requires a purpose of use for this role.", "The purpose came without its reference."]
        action: "Give metadata `casebroker-purpose` (investigation, prosecution, mutual-legal-assistance, intelligence, statistics, audit or testing) and `casebroker-purpose-reference` (case number or legal basis); `casectl --purpose CODE --purpose-reference TEXT`."
    }
    CaseNotFound "CASE_NOT_FOUND" NotFound {
        "There is no such case, or it is not for the caller."
        causes: ["The name is misspelt.", "The case has not been reported yet.", "The caller's agency is not in its audience."]
        action: "Check the name; ask the owner whether your agency is in the audience. The broker does not tell the two apart."
    }
    EntryNotFound "ENTRY_NOT_FOUND" NotFound {
        "There is no entry at this position, or it is not for the caller."
        causes: ["The position is at or beyond the log's size.", "The caller's agency is not in the entry's audience."]
        action: "Check the position against your receipt. The broker does not tell the two apart."
    }
    CaseExists "CASE_EXISTS" AlreadyExists {
        "The case has been reported already."
        causes: ["The same case was reported under another request id.", "Two systems of the agency use the same numbers."]
        action: "To change it send an amendment; to report another incident choose another name."
    }
    AudienceTooWide "AUDIENCE_TOO_WIDE" PermissionDenied {
        "The statement's audience is wider than that of its case."
        causes: ["The handling of a statement names somebody who may not see the case.", "The case was narrowed by an amendment meanwhile."]
        action: "Use the audience of the case or a part of it; only the case's owner can widen it, by a release or an amendment."
    }
    ReleaseNarrows "RELEASE_NARROWS" FailedPrecondition {
        "The release leaves out somebody who may see the case now."
        causes: ["The audience of the release does not include the present one.", "Every member may see the case already, and the release names some of them.", "A group has other members now than when the case was recorded."]
        action: "Name everybody who may see the case now and those to be added; to narrow the audience, amend the case."
    }
    MemberNotFound "MEMBER_NOT_FOUND" NotFound {
        "There is no such member."
        causes: ["The name is misspelt.", "The agency is a member no more."]
        action: "`casectl registry members` lists them all; `casectl registry updates` shows those of before."
    }
    RequestIdReused "REQUEST_ID_REUSED" AlreadyExists {
        "The request id was used before for another statement of the same agency."
        causes: ["A file was changed after a part of it had been sent.", "Request ids are not random."]
        action: "Make a new request id for the new statement. Repeat an id only with exactly the same statement."
    }
    RevisionConflict "REVISION_CONFLICT" Aborted {
        "The case has another revision than the amendment expected."
        causes: ["Somebody else of the agency amended it meanwhile."]
        action: "Get the case again, apply the change to the current revision (metadata `current_revision`) and send a new amendment."
    }
    CaseRetracted "CASE_RETRACTED" FailedPrecondition {
        "The case has been retracted and takes no more statements of this kind."
        causes: ["The owner retracted it earlier."]
        action: "Report a new case if the incident stands after all."
    }
    CaseFull "CASE_FULL" FailedPrecondition {
        "The case has no room for another statement of this kind: 10,000 in all, 16 MiB of revisions, 1 MiB of what else the owner says, 1 MiB of what others say, or as many of the kind by others as `docs/statements.md` says."
        causes: ["A system amends the case in a loop.", "Much was added to the case by others."]
        action: "Find out what sends the statements; report further incidents as cases of their own. A retraction always has room."
    }
    OwnCase "OWN_CASE" FailedPrecondition {
        "A statement that others make about a case was made by its owner."
        causes: ["A corroboration or a dispute of one's own case.", "The case's name is misspelt."]
        action: "Amend the case, add a finding, or retract it; see `docs/statements.md`."
    }
    RequestNotFound "REQUEST_NOT_FOUND" NotFound {
        "There is no such request for evidence about this case that is addressed to the agency."
        causes: ["The request id or the requester is misspelt.", "The request is about another case or addressed to somebody else.", "A finding about somebody else's case answers no request of its owner."]
        action: "`casectl worklist` lists what the agency is asked; who is not asked may corroborate instead."
    }
    DisputeNotOpen "DISPUTE_NOT_OPEN" FailedPrecondition {
        "The agency has no such dispute open about this case."
        causes: ["The dispute was ended already.", "It is somebody else's: only who disputes can end it.", "The request id is misspelt."]
        action: "`casectl get CASE` lists the disputes with their request ids."
    }
    OverlapNotFound "OVERLAP_NOT_FOUND" NotFound {
        "The case has no such overlap."
        causes: ["The id is misspelt.", "The cases share nothing any more, as one of them was amended."]
        action: "`casectl overlaps CASE` lists the overlaps with their ids."
    }
    TooManyGroups "TOO_MANY_GROUPS" FailedPrecondition {
        "The answer would have more than 10,000 groups."
        causes: ["The cases are grouped by something of which there are many, such as reporting units and months together."]
        action: "Narrow the filter, for instance to a year or an agency, or group by fewer dimensions; then ask for each part."
    }
    QueryTooLarge "QUERY_TOO_LARGE" ResourceExhausted {
        "The question took longer to answer than the broker lets one take."
        causes: ["The broker is busy.", "The filter selects very much by text or by goods."]
        action: "Narrow the filter, for instance by dates, or ask again later. `table.query_ms` is the limit."
    }
    ProjectionBehind "PROJECTION_BEHIND" Unavailable {
        "What answers this question has not followed the log as far as was asked; metadata `projection`, `position` and `wanted` say which and how far it is."
        causes: ["The broker has just started and builds it from the journal.", "A position was asked for that was recorded a moment ago, and the broker is busy."]
        action: "Send the same request again a little later; the SDK does so by itself. `casectl log projections` shows how far it is."
    }
    PageTokenInvalid "PAGE_TOKEN_INVALID" InvalidArgument {
        "The page token is not one of this listing."
        causes: ["The token was made for another filter, order or caller.", "The token was cut or changed."]
        action: "Begin the listing again without a token, and pass tokens on unchanged with the same request."
    }
    SubscriptionNotFound "SUBSCRIPTION_NOT_FOUND" NotFound {
        "There is no such subscription, or it is not the caller's agency's."
        causes: ["The name is misspelt.", "It was deleted, or ended because nobody used it."]
        action: "`casectl subscription list` shows those of your agency."
    }
    SubscriptionExists "SUBSCRIPTION_EXISTS" AlreadyExists {
        "There is a subscription of this name with other content."
        causes: ["Somebody of the agency made it before.", "A configuration changed since it was made."]
        action: "Choose another name, or update the one that is there: it keeps its place in the log."
    }
    SubscriptionChanged "SUBSCRIPTION_CHANGED" Aborted {
        "The subscription was changed since the caller read it."
        causes: ["Somebody else of the agency updated it meanwhile.", "Other dead letters were added or taken away."]
        action: "Get it again, and repeat the request with what is there now."
    }
    TooManySubscriptions "TOO_MANY_SUBSCRIPTIONS" ResourceExhausted {
        "The agency or the broker has as many subscriptions as it may have."
        causes: ["A program makes a subscription at each start and never deletes it."]
        action: "Delete what is not used, or give a shorter `expire_after`. `delivery.subscriptions_per_agency` is the limit."
    }
    PositionOutOfRange "POSITION_OUT_OF_RANGE" OutOfRange {
        "A position or tree size lies beyond the log."
        causes: ["It comes from another broker's log.", "The log was set back; that would be a breach to be looked into."]
        action: "Compare with `casectl log checkpoint`. If you hold a signed checkpoint that is larger than the log, keep it: it is evidence."
    }
    IntakeFull "INTAKE_FULL" ResourceExhausted {
        "The intake queue stayed full for as long as a request may wait."
        causes: ["More is submitted than the disk can sync."]
        action: "Wait as long as RetryInfo says and send the same request again; the SDK does so by itself."
    }
    AccessRecordUnavailable "ACCESS_RECORD_UNAVAILABLE" Unavailable {
        "The broker could not write its access record, and answers nothing that it cannot record."
        causes: ["The disk of the access record is full or failing."]
        action: "Send the same request again a little later; if it persists tell the operator to look at the disk of `access.dir`."
    }
    QuotaExceeded "QUOTA_EXCEEDED" ResourceExhausted {
        "The caller, or its agency as a whole, has used up a quota; metadata `quota` names it, such as `agency.requests`."
        causes: ["More calls, bytes, streams or connections than the broker gives one principal or one agency.", "Another principal of the same agency used the agency's share."]
        action: "Wait as long as RetryInfo says and send the same request again; the SDK does so by itself. For many statements use one SubmitStream: it is slowed, never refused."
    }
    ShuttingDown "SHUTTING_DOWN" Unavailable {
        "The broker is stopping and takes nothing new."
        causes: ["It is being restarted."]
        action: "Send the same request again a moment later; the SDK does so by itself."
    }
    InternalError "INTERNAL_ERROR" Internal {
        "The broker failed in a way that is not the caller's doing."
        causes: ["A disk error.", "A mistake in the broker."]
        action: "Send the same request again; if it persists tell the operator the time of the error."
    }
}

impl Reason {
    /// The reason with this id, in any case.
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|r| r.explain().id.eq_ignore_ascii_case(id))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explain().id)
    }
}

/// The whole list as Markdown: the text of `docs/errors.md`.
pub fn to_markdown() -> String {
    let mut out = String::from(
        "# Errors\n\nEvery refusal carries a `google.rpc.ErrorInfo` with domain `casebroker` and one of these reasons. \
         `casectl errors REASON` prints the same.\nThis file is made by `casectl errors --markdown`.\n",
    );
    for reason in Reason::ALL {
        let e = reason.explain();
        out.push_str(&format!(
            "\n## {}\n\nStatus `{}`. {}\n\n",
            e.id,
            e.code.as_str(),
            e.meaning
        ));
        for cause in e.causes {
            out.push_str(&format!("- {cause}\n"));
        }
        out.push_str(&format!("\n{}\n", e.action));
    }
    out
}

/// One broken rule in a message: what `google.rpc.BadRequest.FieldViolation` carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field from the statement or request, proto names, such as `report.report.items[0].quantity.value`.
    pub field: String,
    /// What is wrong with its value and what the rule is.
    pub description: String,
}

impl Violation {
    /// A violation at a path.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_ids_are_unique_and_upper_snake_case() {
        let mut ids: Vec<_> = Reason::ALL.iter().map(|r| r.explain().id).collect();
        assert!(
            ids.iter()
                .all(|id| id.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        );
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Reason::ALL.len());
    }
}
