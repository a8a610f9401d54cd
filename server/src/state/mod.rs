//! The state store: what is small and mutable, keyed by name. Now the case directory (case name to the positions of its
//! statements), request ids, what waits for which agency, and where the registry's updates are.
//!
//! What it is for: finding a case's statements and an earlier request without reading the journal. What it promises: what
//! the sequencer staged is found at once, by everybody; after any start it says exactly what the journal says. What it never
//! does: hold anything that the journal lacks. On any error at open, or if the machine went down while it was open, it is
//! moved aside and built anew: sled 0.34.7 does not sync what it flushes (spacejam/sled#1452).
//!
//! Only this room names sled.

mod keys;
mod look;
mod session;
mod store;
mod tasks;
mod writer;

use std::path::PathBuf;

use casebroker_proto::{
    names::{AgencyName, CaseName},
    v1::{Statement, statement::Kind},
};

use prost::Message as _;

pub use look::{Looked, look};
pub use store::{Opened, RootAt, Store};
pub use tasks::{Task, TaskKind};

/// A request id (UUID) as bytes.
pub type RequestId = [u8; 16];

/// Most statements one case may have. Its record is read and written whole.
pub const MAX_STATEMENTS: usize = 10_000;
/// Most bytes of reports and amendments of one case, as serialized statements. A case is read whole.
pub const MAX_REPORT_BYTES: u64 = 16 << 20;
/// Most bytes of what else its owner says about it, and as many of what others say: so nobody can keep the owner from adding
/// a finding. With one report all must fit an answer.
pub const MAX_ADDED_BYTES: u64 = 1 << 20;

/// Why the store failed. The process stops after one of these while it runs; the next start builds the store anew.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store itself.
    #[error("state store: {0}")]
    Store(#[from] sled::Error),
    /// A value has another form than was written.
    #[error("state store: the value of `{key}` has an unknown form")]
    Value {
        /// The key as text.
        key: String,
    },
    /// A file beside the store.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The thread that writes has ended.
    #[error("the state store's writer has stopped")]
    Stopped,
}

/// How far a store is, and in which history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Everything before this position is in the store.
    pub position: u64,
    /// Root of the log over everything before it (RFC 6962).
    pub root: [u8; 32],
}

/// What a statement did to its case, as far as the rules for the next one need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Effect {
    /// First report.
    Reported = 1,
    /// New revision.
    Amended = 2,
    /// Taken back.
    Retracted = 3,
    /// Shown to more.
    Released = 4,
    /// Added to by another agency.
    Corroborated = 5,
    /// An agency was asked for evidence.
    Asked = 6,
    /// A request for evidence was answered.
    Answered = 7,
    /// Objected to.
    Disputed = 8,
    /// An objection was ended.
    Resolved = 9,
    /// A laboratory's result was added.
    Found = 10,
    /// An overlap was judged by the owner.
    Declared = 11,
}

impl Effect {
    /// Of a kind of statement.
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Report(_) => Self::Reported,
            Kind::Amendment(_) => Self::Amended,
            Kind::Corroboration(_) => Self::Corroborated,
            Kind::EvidenceRequest(_) => Self::Asked,
            Kind::EvidenceResponse(_) => Self::Answered,
            Kind::Dispute(dispute) if dispute.resolves.is_empty() => Self::Disputed,
            Kind::Dispute(_) => Self::Resolved,
            Kind::Finding(_) => Self::Found,
            Kind::Release(_) => Self::Released,
            Kind::Retraction(_) => Self::Retracted,
            Kind::OverlapDeclaration(_) => Self::Declared,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Reported,
            2 => Self::Amended,
            3 => Self::Retracted,
            4 => Self::Released,
            5 => Self::Corroborated,
            6 => Self::Asked,
            7 => Self::Answered,
            8 => Self::Disputed,
            9 => Self::Resolved,
            10 => Self::Found,
            11 => Self::Declared,
            _ => return None,
        })
    }

    /// Whether the statement's handling is then the case's.
    pub fn sets_handling(self) -> bool {
        matches!(self, Self::Reported | Self::Amended | Self::Released)
    }
}

/// Positions of a case's statements, oldest first, with what each did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseRecord {
    /// Position and effect.
    pub statements: Vec<(u64, Effect)>,
    /// Bytes of what was said, as serialized statements.
    pub bytes: CaseBytes,
}

/// Bytes of the statements of a case, each share with a limit of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaseBytes {
    /// Of its reports and amendments.
    pub reports: u64,
    /// Of what else its owner said.
    pub own: u64,
    /// Of what others said.
    pub others: u64,
}

impl CaseBytes {
    /// With one more, by the owner of the case or not.
    pub fn with(self, effect: Effect, by_owner: bool, statement: &Statement) -> Self {
        let mut sum = self;
        let share = match (effect, by_owner) {
            (Effect::Reported | Effect::Amended, _) => &mut sum.reports,
            (_, true) => &mut sum.own,
            (_, false) => &mut sum.others,
        };
        *share = share.saturating_add(statement.encoded_len() as u64);
        sum
    }
}

impl CaseRecord {
    /// Revision of the report: 1 after the first; 0 if there is none.
    pub fn revision(&self) -> i32 {
        let revisions = self
            .statements
            .iter()
            .filter(|(_, e)| matches!(e, Effect::Reported | Effect::Amended))
            .count();
        i32::try_from(revisions).unwrap_or(i32::MAX)
    }

    /// Position of the statement whose handling is in force: the newest report, amendment or release.
    pub fn handling_position(&self) -> Option<u64> {
        let mut newest = self.statements.iter().rev();
        newest
            .find(|(_, e)| e.sets_handling())
            .map(|(position, _)| *position)
    }

    /// Whether its owner ever said something of an overlap.
    pub fn declared(&self) -> bool {
        self.statements.iter().any(|(_, e)| *e == Effect::Declared)
    }

    /// Whether the case was taken back.
    pub fn retracted(&self) -> bool {
        self.statements.iter().any(|(_, e)| *e == Effect::Retracted)
    }
}

/// One recorded entry, as the store must know it.
#[derive(Debug, Clone)]
pub enum Change {
    /// A statement.
    Statement(StatementChange),
    /// An update of the registry, by its position.
    Registry(u64),
}

/// One recorded statement, as the store must know it.
#[derive(Debug, Clone)]
pub struct StatementChange {
    /// Its position.
    pub position: u64,
    /// Agency that made it.
    pub agency: AgencyName,
    /// Its request id, unique within that agency.
    pub request_id: RequestId,
    /// Its case.
    pub case: CaseName,
    /// The case's record with it.
    pub record: CaseRecord,
    /// For whom it begins what.
    pub tasks: Vec<(AgencyName, TaskKind)>,
}

impl StatementChange {
    /// What a statement of `maker` changes, recorded at a position; `record` is that of its case before it. One function for
    /// the sequencer and for the rebuild, so that both write the same bytes.
    pub fn new(
        position: u64,
        maker: AgencyName,
        request_id: RequestId,
        case: CaseName,
        mut record: CaseRecord,
        statement: &Statement,
    ) -> Self {
        // A statement without a kind does not get past intake.
        if let Some(effect) = statement.kind.as_ref().map(Effect::of) {
            record.statements.push((position, effect));
            let by_owner = maker == *case.agency();
            record.bytes = record.bytes.with(effect, by_owner, statement);
        }
        Self {
            tasks: tasks::begun_by(statement, &case, &maker),
            position,
            agency: maker,
            request_id,
            case,
            record,
        }
    }
}
