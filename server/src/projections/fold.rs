//! From statements to a case: a pure function.

use casebroker_proto::{
    catalogue::units::normalize,
    names::{AgencyName, CaseName, PrincipalId},
    statement::{StatementError, decode_entry},
    v1::{self, CaseReport, Handling, StatementRecord, statement::Kind},
    validation::effective_handling,
};
use prost_types::Timestamp;

use crate::policy::may_see;

/// A recorded statement, decoded.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Position in the journal.
    pub position: u64,
    /// When it was recorded.
    pub record_time: Timestamp,
    /// SPIFFE ID of who submitted it.
    pub principal: String,
    /// Agency that made it.
    pub agency: AgencyName,
    /// Case that it is about.
    pub case: CaseName,
    /// What it says.
    pub statement: v1::Statement,
}

impl Statement {
    /// Decodes a recorded entry.
    pub fn decode(position: u64, entry: &[u8]) -> Result<Self, StatementError> {
        let (entry, _, statement) = decode_entry(entry)?;
        let name = |e: casebroker_proto::names::NameError| StatementError::Payload(e.to_string());
        let principal: PrincipalId = entry.principal.parse().map_err(name)?;
        Ok(Self {
            position,
            record_time: entry.record_time.unwrap_or_default(),
            principal: entry.principal,
            agency: principal.agency,
            case: statement.case.parse().map_err(name)?,
            statement,
        })
    }

    /// The report that it puts in force, if it does.
    pub fn report(&self) -> Option<&CaseReport> {
        match &self.statement.kind {
            Some(Kind::Report(report)) => report.report.as_ref(),
            Some(Kind::Amendment(amendment)) => amendment.report.as_ref(),
            _ => None,
        }
    }

    fn handling(&self) -> Option<&Handling> {
        effective_handling(&self.statement)
    }

    /// As the contract shows it.
    pub fn into_record(self) -> StatementRecord {
        StatementRecord {
            position: self.position,
            record_time: Some(self.record_time),
            principal: self.principal,
            agency: self.agency.to_string(),
            statement: Some(self.statement),
        }
    }
}

/// Whether an agency may see a case at all: the statement that put its report in force decides, so an amendment that narrows
/// the audience withdraws the case from those it leaves out.
pub fn sees_case(caller: &AgencyName, in_force: &Statement) -> bool {
    in_force.report().is_some() && sees(caller, in_force)
}

/// Keeps of the statements of a case that an agency may see those that are for it.
///
/// A retraction is for everybody who may see the case: nobody shall go on counting it.
pub fn keep_visible(caller: &AgencyName, statements: &mut Vec<Statement>) {
    statements.retain(|s| matches!(s.statement.kind, Some(Kind::Retraction(_))) || sees(caller, s));
}

fn sees(caller: &AgencyName, statement: &Statement) -> bool {
    let owner = statement.case.agency();
    statement
        .handling()
        .is_some_and(|handling| may_see(caller, &statement.agency, owner, handling))
}

/// The case that these statements make, oldest first; `None` if no report is among them.
pub fn fold(statements: &[Statement]) -> Option<v1::Case> {
    let mut case: Option<v1::Case> = None;
    for statement in statements {
        if case.is_none() && statement.report().is_some() {
            case = Some(v1::Case {
                name: statement.case.to_string(),
                owner: statement.case.agency().to_string(),
                first_position: statement.position,
                create_time: Some(statement.record_time),
                ..Default::default()
            });
        }
        if let Some(case) = &mut case {
            apply(case, statement);
        }
    }
    if let Some(report) = case.as_mut().and_then(|case| case.report.as_mut()) {
        add_normalized(report);
    }
    case
}

fn apply(case: &mut v1::Case, statement: &Statement) {
    if let Some(report) = statement.report() {
        case.report = Some(report.clone());
        case.revision += 1;
    }
    if let Some(Kind::Retraction(retraction)) = &statement.statement.kind {
        case.retracted = true;
        case.retraction_reason.clone_from(&retraction.reason);
    }
    case.last_position = statement.position;
    case.update_time = Some(statement.record_time);
}

/// Shows each quantity in integers beside what was reported.
fn add_normalized(report: &mut CaseReport) {
    for quantity in report
        .items
        .iter_mut()
        .filter_map(|item| item.quantity.as_mut())
    {
        quantity.normalized = normalize(quantity).ok();
    }
}
