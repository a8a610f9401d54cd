//! The way in: from the bytes of an envelope to a submission that the sequencer may record.
//!
//! What it is for: checking everything about a statement that needs no state: its envelope, its signature, who may say it,
//! every field. What it promises: all broken field rules are reported at once; what passes was signed by a certificate
//! registered for the caller's own agency. What it never does: look at the journal or the state, or write anything.

mod repeat;
mod rules;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use casebroker_proto::{
    MAX_SIGNED_STATEMENT_BYTES,
    entry::check_content,
    errors::Violation,
    names::{AgencyName, CaseName, GroupName, Role},
    statement::{Envelope, StatementError, Thumbprint},
    v1::{Handling, Statement, statement::Kind},
    validation::{Clock, check_statement, effective_handling},
};

use crate::{
    identity::{Caller, Registry},
    projections::Membership,
    state::RequestId,
};

pub use repeat::Repeat;
pub use rules::{Audience, Known, Makers, RULES, Rule, Verdict, Wanted, decide};

/// Why a statement was refused before it reached the sequencer.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Field rules are broken.
    #[error("{} broken", count(.0.len()))]
    Fields(Vec<Violation>),
    /// The envelope or its signature.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The signing certificate is not one of the caller's agency that is valid now.
    #[error("{0}")]
    Signer(String),
    /// The statement speaks for another agency.
    #[error("the case belongs to agencies/{owner}, the caller to agencies/{caller}")]
    Agency {
        /// Agency in the case's name.
        owner: String,
        /// Agency of the caller.
        caller: String,
    },
    /// A statement about somebody else's case is made about one's own.
    #[error("the case is your own; a statement of kind `{0}` is for others")]
    OwnCase(&'static str),
    /// The caller's role may not make statements of this kind.
    #[error("a principal of role `{role}` makes no statement of kind `{kind}`")]
    Role {
        /// The caller's role.
        role: Role,
        /// Name of the kind.
        kind: &'static str,
    },
}

/// A statement that passed, ready to be ordered.
#[derive(Debug)]
pub struct Submission {
    /// Agency that makes it: that of the caller and of the signing certificate.
    pub agency: AgencyName,
    /// SPIFFE ID of the caller.
    pub caller: Caller,
    /// Request id.
    pub request_id: RequestId,
    /// Case that it is about.
    pub case: CaseName,
    /// What it says, checked.
    pub statement: Box<Statement>,
    /// Certificate that it was signed under; it must be registered still when the statement is recorded.
    pub signer: Thumbprint,
    /// The envelope as received.
    pub signed_statement: Bytes,
    /// The serialized statement, verified: tells whether a repeated request says the same.
    pub payload: Vec<u8>,
    /// Whether there is the overlap that it declares.
    pub overlap: OverlapFound,
}

/// What was found of the overlap that a declaration names, before it was queued: finding out may read many entries, and the sequencer's
/// thread is everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlapFound {
    /// The statement declares none.
    NotAsked,
    /// The case has it, and its owner is told of it.
    Yes,
    /// There is none, or its owner is not told of it.
    No,
    /// The table had not reached the end of the log in time.
    Behind {
        /// How far it was.
        position: u64,
        /// How far it should have been.
        wanted: u64,
    },
}

/// The checks, with what they need to know.
#[derive(Debug, Clone)]
pub struct Intake {
    registry: Arc<Registry>,
    membership: Arc<Membership>,
}

impl Intake {
    /// Intake for these members.
    pub fn new(registry: Arc<Registry>, membership: Arc<Membership>) -> Self {
        Self {
            registry,
            membership,
        }
    }

    /// Checks an envelope that `caller` sent. Takes about as long as one signature verification.
    pub fn admit(
        &self,
        caller: &Caller,
        signed_statement: Bytes,
    ) -> Result<Submission, IntakeError> {
        if signed_statement.is_empty() || signed_statement.len() > MAX_SIGNED_STATEMENT_BYTES {
            let problem = format!(
                "has {} bytes; must have 1 to {MAX_SIGNED_STATEMENT_BYTES}",
                signed_statement.len()
            );
            return Err(IntakeError::Fields(vec![Violation::new(
                "signed_statement",
                problem,
            )]));
        }
        let now = unix_seconds();
        let agency = &caller.principal.agency;
        let envelope = Envelope::parse(&signed_statement)?;
        let signer = self
            .registry
            .signer(agency, envelope.thumbprint())
            .ok_or_else(|| {
                IntakeError::Signer(format!(
                    "the signing certificate with x5t {} is not registered for {agency}, or revoked",
                    hex::encode(envelope.thumbprint())
                ))
            })?;
        if !(signer.not_before..=signer.not_after).contains(&now) {
            return Err(IntakeError::Signer(format!(
                "the signing certificate `{}` is not valid now",
                signer.id
            )));
        }
        let statement = envelope.verify(&signer)?;
        // Fields that this version does not read could hold anything, so this comes before the rules of fields.
        envelope.check_complete()?;
        let mut violations = check_statement(&statement, Clock { now });
        self.check_audience(&statement, &mut violations);
        if !violations.is_empty() {
            return Err(IntakeError::Fields(violations));
        }
        self.submission(caller, statement, signed_statement, envelope)
    }

    /// What the field checks already guarantee is still an error here, never a panic.
    fn submission(
        &self,
        caller: &Caller,
        statement: Statement,
        signed_statement: Bytes,
        envelope: Envelope,
    ) -> Result<Submission, IntakeError> {
        let field = |field: &str, e: String| IntakeError::Fields(vec![Violation::new(field, e)]);
        let case: CaseName = statement
            .case
            .parse()
            .map_err(|e| field("case", format!("{e}")))?;
        let request_id = uuid::Uuid::try_parse(&statement.request_id)
            .map_err(|e| field("request_id", e.to_string()))?
            .into_bytes();
        let kind = statement.kind.as_ref();
        let rule = Rule::of(kind.ok_or_else(|| field("kind", "is required".into()))?);
        let agency = caller.principal.agency.clone();
        rule.check_maker(&case, caller)?;
        // What was decided above by finer rules; a verifier decides by these.
        check_content(&caller.principal, &envelope, &statement)
            .map_err(|e| field("kind", e.to_string()))?;
        Ok(Submission {
            agency,
            caller: caller.clone(),
            request_id,
            case,
            statement: Box::new(statement),
            signer: *envelope.thumbprint(),
            overlap: OverlapFound::NotAsked,
            signed_statement,
            payload: envelope.into_payload(),
        })
    }

    /// An audience that names somebody who is no member, or a group that is none, is almost surely misspelt, and would reach
    /// nobody.
    fn check_audience(&self, statement: &Statement, violations: &mut Vec<Violation>) {
        let Some((path, handling)) = handling_with_path(statement) else {
            return;
        };
        for (index, name) in handling.audience.iter().enumerate() {
            let problem = if let Ok(agency) = name.parse::<AgencyName>() {
                let known = self.registry.is_member(&agency);
                (!known).then(|| format!("`{agency}` is not a member of this broker"))
            } else if let Ok(group) = name.parse::<GroupName>() {
                let known = self.membership.now().has_group(name);
                (!known).then(|| format!("`{group}` is not a group of this broker"))
            } else {
                None
            };
            if let Some(problem) = problem {
                let problem = format!("{problem}; check the spelling");
                violations.push(Violation::new(format!("{path}.audience[{index}]"), problem));
            }
        }
    }
}

fn handling_with_path(statement: &Statement) -> Option<(&'static str, &Handling)> {
    let path = match statement.kind {
        Some(Kind::Report(_)) => "report.report.handling",
        Some(Kind::Amendment(_)) => "amendment.report.handling",
        Some(Kind::Release(_)) => "release.handling",
        _ => "handling",
    };
    effective_handling(statement).map(|handling| (path, handling))
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn count(violations: usize) -> String {
    match violations {
        1 => "1 field rule is".into(),
        n => format!("{n} field rules are"),
    }
}
