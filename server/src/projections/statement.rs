//! A recorded statement, and who may see it.

use std::collections::BTreeSet;

use casebroker_proto::{
    names::{AgencyName, CaseName, PrincipalId},
    statement::{StatementError, read_recorded},
    v1::{self, CaseReport, Handling, StatementRecord, statement::Kind},
    validation::effective_handling,
};
use prost_types::Timestamp;

use crate::policy::{Groups, Subject, Viewer, may_see, readers};

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
    /// Decodes a recorded entry; `None` if it holds a change of the registry.
    pub fn decode(position: u64, entry: &[u8]) -> Result<Option<Self>, StatementError> {
        let Some((entry, statement)) = read_recorded(entry)? else {
            return Ok(None);
        };
        let name = |e: casebroker_proto::names::NameError| StatementError::Payload(e.to_string());
        let principal: PrincipalId = entry.principal.parse().map_err(name)?;
        Ok(Some(Self {
            position,
            record_time: entry.record_time.unwrap_or_default(),
            principal: entry.principal,
            agency: principal.agency,
            case: statement.case.parse().map_err(name)?,
            statement,
        }))
    }

    /// The report that it puts in force, if it does.
    pub fn report(&self) -> Option<&CaseReport> {
        match &self.statement.kind {
            Some(Kind::Report(report)) => report.report.as_ref(),
            Some(Kind::Amendment(amendment)) => amendment.report.as_ref(),
            _ => None,
        }
    }

    /// Takes that report out of it.
    pub fn take_report(&mut self) -> Option<CaseReport> {
        match &mut self.statement.kind {
            Some(Kind::Report(report)) => report.report.take(),
            Some(Kind::Amendment(amendment)) => amendment.report.take(),
            _ => None,
        }
    }

    /// The handling that it puts in force for the case, if it does.
    pub fn case_handling(&self) -> Option<&Handling> {
        match &self.statement.kind {
            Some(Kind::Report(_) | Kind::Amendment(_) | Kind::Release(_)) => {
                effective_handling(&self.statement)
            }
            _ => None,
        }
    }

    fn subject<'a>(&'a self, handling: &'a Handling) -> Subject<'a> {
        Subject {
            maker: &self.agency,
            owner: self.case.agency(),
            handling,
            position: self.position,
        }
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

/// Whether a viewer may see a case at all, by the statement whose handling is in force: the newest report, amendment or
/// release. So an amendment that narrows the audience withdraws the case from those it leaves out.
pub fn sees_case(viewer: &Viewer, groups: &dyn Groups, in_force: &Statement) -> bool {
    in_force.case_handling().is_some() && sees(viewer, groups, in_force)
}

/// Keeps of the statements of a case that a viewer may see, oldest first, those that are for it.
///
/// A release shows the report that was in force when it was made, and nothing said before. A retraction is for everybody who
/// may see the case: nobody shall go on counting it.
pub fn keep_visible(viewer: &Viewer, groups: &dyn Groups, statements: &mut Vec<Statement>) {
    let mut kept = visible(statements, |statement| sees(viewer, groups, statement)).into_iter();
    statements.retain(|_| kept.next().unwrap_or(false));
}

/// Which of the statements of a case, oldest first, are for somebody who may see it, if their handling alone says so of each: see
/// [`keep_visible`].
pub fn visible(statements: &[Statement], sees: impl Fn(&Statement) -> bool) -> Vec<bool> {
    // Going back, a release comes before the report that it shows.
    let mut released = false;
    let going_back = statements.iter().rev().map(|statement| {
        let sees = sees(statement);
        match &statement.statement.kind {
            Some(Kind::Retraction(_)) => true,
            Some(Kind::Release(_)) => {
                released |= sees;
                sees
            }
            Some(Kind::Report(_) | Kind::Amendment(_)) => std::mem::take(&mut released) || sees,
            _ => sees,
        }
    });
    let mut kept: Vec<_> = going_back.collect();
    kept.reverse();
    kept
}

/// Who may see a statement by its handling, `agencies/{agency}`; `None` means every member.
pub fn readers_of(statement: &Statement, groups: &dyn Groups) -> Option<BTreeSet<String>> {
    match effective_handling(&statement.statement) {
        Some(handling) => readers(statement.subject(handling), groups),
        // Without a handling nobody may: see `sees`.
        None => Some(BTreeSet::new()),
    }
}

/// Agencies that a statement's handling names, itself or by a group, `agencies/{agency}`.
pub fn named_readers(statement: &Statement, groups: &dyn Groups) -> Vec<String> {
    let audience = effective_handling(&statement.statement).map(|handling| &handling.audience);
    let named: BTreeSet<String> = audience
        .into_iter()
        .flatten()
        .flat_map(|name| match name.starts_with("groups/") {
            true => groups.members_at(name, statement.position).to_vec(),
            false => vec![name.clone()],
        })
        .collect();
    named.into_iter().collect()
}

fn sees(viewer: &Viewer, groups: &dyn Groups, statement: &Statement) -> bool {
    let handling = effective_handling(&statement.statement);
    let subject = handling.map(|handling| statement.subject(handling));
    subject.is_some_and(|subject| may_see(viewer, subject, groups))
}
