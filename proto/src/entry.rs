//! What a well-formed entry of the log is: one function that the broker asks before it records, and that whoever verifies asks again.
//!
//! Only what no later version of the field rules changes: the entry's own fields, who may have submitted it, and what its statement is
//! about. Signatures and proofs are checked elsewhere.

use prost::Message as _;

use crate::{
    names::{AgencyName, CaseName, NameError, PrincipalId, Role},
    statement::{Content, Envelope, StatementError, open_entry},
    v1::{Entry, Statement, statement::Kind},
};

/// Bytes of an entry's salt.
pub const SALT_BYTES: usize = 16;

/// Last second of the year 9999, the end of what a `google.protobuf.Timestamp` may say.
const LAST_SECOND: i64 = 253_402_300_799;

/// Why an entry is none that a broker records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Its bytes are not those that its fields encode to: an unknown or repeated field, or another encoding.
    #[error(
        "the entry's bytes are not the encoding of its fields: a field is unknown, repeated or encoded otherwise"
    )]
    Encoding,
    /// It has no time, or one that does not exist.
    #[error("the entry's record time is missing or does not exist")]
    RecordTime,
    /// Its salt has another length.
    #[error("the entry's salt has {0} bytes; it must have {SALT_BYTES}")]
    Salt(usize),
    /// A change of the registry names who submitted it.
    #[error(
        "the entry is a change of the registry and names a principal; the broker alone records those"
    )]
    RegistryPrincipal,
    /// A change of the registry changes nothing.
    #[error("the entry is a change of the registry without a change")]
    EmptyUpdate,
    /// The principal is no SPIFFE ID of an agency.
    #[error("the entry's principal: {0}")]
    Principal(NameError),
    /// Envelope or statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The statement is not one that this principal may make.
    #[error(transparent)]
    Form(#[from] FormError),
}

/// Why a statement cannot be one that a principal made, whatever its fields say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// No kind, or one that this version does not know.
    #[error("the statement has no kind")]
    NoKind,
    /// The case's name is none.
    #[error("the statement's case: {0}")]
    Case(NameError),
    /// The report within names another case.
    #[error("the statement is about `{case}` and its report about `{report}`")]
    TwoCases {
        /// As the statement names it.
        case: String,
        /// As the report names it.
        report: String,
    },
    /// Only the owner makes a statement of this kind.
    #[error(
        "the statement is one that the case's owner makes, and {maker} made it about a case of {owner}"
    )]
    NotOwner {
        /// Agency of the principal.
        maker: AgencyName,
        /// Agency of the case.
        owner: AgencyName,
    },
    /// The owner does not make a statement of this kind.
    #[error("the statement is one that others make about a case, and its owner made it")]
    Owner,
    /// The role may not make it.
    #[error("role `{0}` may not make the statement")]
    Role(Role),
}

/// Checks an entry's bytes as recorded.
///
/// ```
/// # use casebroker_proto::entry::{EntryError, check_entry};
/// assert_eq!(check_entry(b"").unwrap_err(), EntryError::RecordTime);
/// ```
pub fn check_entry(bytes: &[u8]) -> Result<(Entry, Content), EntryError> {
    let entry = Entry::decode(bytes).map_err(|_| EntryError::Encoding)?;
    if entry.encode_to_vec() != bytes {
        return Err(EntryError::Encoding);
    }
    let time = entry.record_time.as_ref();
    let exists = time.is_some_and(|time| {
        (0..=LAST_SECOND).contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos)
    });
    if !exists {
        return Err(EntryError::RecordTime);
    }
    if entry.salt.len() != SALT_BYTES {
        return Err(EntryError::Salt(entry.salt.len()));
    }
    let (entry, content) = open_entry(bytes)?;
    match &content {
        Content::RegistryUpdate(_) if !entry.principal.is_empty() => {
            return Err(EntryError::RegistryPrincipal);
        }
        Content::RegistryUpdate(update) if update.changes.is_empty() => {
            return Err(EntryError::EmptyUpdate);
        }
        Content::RegistryUpdate(_) => {}
        Content::Statement(content) => {
            let principal = entry.principal.parse().map_err(EntryError::Principal)?;
            check_content(&principal, &content.0, &content.1)?;
        }
    }
    Ok((entry, content))
}

/// Checks what `principal` submitted: every byte of the statement is read, and it is one that this principal may make.
pub fn check_content(
    principal: &PrincipalId,
    envelope: &Envelope,
    statement: &Statement,
) -> Result<(), EntryError> {
    envelope.check_complete()?;
    Ok(check_form(principal, statement)?)
}

fn check_form(principal: &PrincipalId, statement: &Statement) -> Result<(), FormError> {
    let kind = statement.kind.as_ref().ok_or(FormError::NoKind)?;
    let case: CaseName = statement.case.parse().map_err(FormError::Case)?;
    let report = match kind {
        Kind::Report(report) => report.report.as_ref(),
        Kind::Amendment(amendment) => amendment.report.as_ref(),
        _ => None,
    };
    if let Some(report) = report.filter(|report| report.name != statement.case) {
        return Err(FormError::TwoCases {
            case: statement.case.clone(),
            report: report.name.clone(),
        });
    }
    let (maker, owner) = (&principal.agency, case.agency());
    let is_owner = maker == owner;
    match makers(kind) {
        Makers::Owner if !is_owner => {
            return Err(FormError::NotOwner {
                maker: maker.clone(),
                owner: owner.clone(),
            });
        }
        Makers::Others if is_owner => return Err(FormError::Owner),
        _ => {}
    }
    // A system speaks for its own agency's cases alone; what is a judgement takes an officer.
    let allowed = match principal.role {
        Role::Officer => true,
        Role::System => is_owner && !takes_officer(kind),
        Role::Auditor | Role::Operator => false,
    };
    match allowed {
        true => Ok(()),
        false => Err(FormError::Role(principal.role)),
    }
}

/// Who may make a statement, as far as that is known without the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makers {
    /// The owner of the case.
    Owner,
    /// Other agencies.
    Others,
    /// Both.
    Any,
}

/// Who may make a statement of a kind.
pub fn makers(kind: &Kind) -> Makers {
    match kind {
        Kind::Report(_)
        | Kind::Amendment(_)
        | Kind::Release(_)
        | Kind::Retraction(_)
        | Kind::OverlapDeclaration(_) => Makers::Owner,
        Kind::Corroboration(_) => Makers::Others,
        Kind::Dispute(dispute) if dispute.resolves.is_empty() => Makers::Others,
        // Whose dispute it ends only the case tells.
        Kind::Dispute(_) => Makers::Any,
        Kind::EvidenceRequest(_) | Kind::EvidenceResponse(_) | Kind::Finding(_) => Makers::Any,
    }
}

/// Whether only an officer may make a statement of a kind.
pub fn takes_officer(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Corroboration(_)
            | Kind::EvidenceRequest(_)
            | Kind::EvidenceResponse(_)
            | Kind::Dispute(_)
            | Kind::OverlapDeclaration(_)
    )
}

#[cfg(test)]
mod tests;
