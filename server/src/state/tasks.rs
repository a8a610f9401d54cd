//! What waits for an agency: an index over the statements that begin something.

use casebroker_proto::{
    names::{AgencyName, CaseName},
    v1::{Statement, statement::Kind},
};

/// What kind of thing waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TaskKind {
    /// Somebody asks the agency for evidence.
    RequestTo = 1,
    /// The agency asked somebody for evidence.
    RequestBy = 2,
    /// Somebody disputes one of the agency's cases.
    Dispute = 3,
}

impl TaskKind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::RequestTo),
            2 => Some(Self::RequestBy),
            3 => Some(Self::Dispute),
            _ => None,
        }
    }
}

/// An entry of the index. Whether it is done is for who reads the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Position of the statement that it began with.
    pub position: u64,
    /// Kind.
    pub kind: TaskKind,
    /// Case that it is about.
    pub case: CaseName,
}

/// For whom a statement begins what. An addressee that is no name at all, which intake refuses, begins nothing.
pub(super) fn begun_by(
    statement: &Statement,
    case: &CaseName,
    maker: &AgencyName,
) -> Vec<(AgencyName, TaskKind)> {
    match &statement.kind {
        Some(Kind::EvidenceRequest(request)) => {
            let asked = request.addressee.parse().ok();
            let asked = asked.map(|agency| (agency, TaskKind::RequestTo));
            let by = (maker.clone(), TaskKind::RequestBy);
            asked.into_iter().chain([by]).collect()
        }
        Some(Kind::Dispute(dispute)) if dispute.resolves.is_empty() => {
            vec![(case.agency().clone(), TaskKind::Dispute)]
        }
        _ => Vec::new(),
    }
}
