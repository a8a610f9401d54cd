//! What a delivery holds: read from the journal once for all subscriptions that deliver it at about the same time.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use casebroker_proto::{
    MAX_MESSAGE_BYTES,
    encoded::{Delivery, Recorded},
    names::CaseName,
    v1::{CaseChange, DeliveryDetail, StatementKind},
};
use prost::Message as _;
use prost_types::Timestamp;

use super::{outbox::Taken, subscribed::Definition};
use crate::{
    projections::{
        CaseReader, ReadError, Statement,
        table::{Plan, Reading},
    },
    transparency::{LogError, Receipts},
};

/// Bytes of statements that are kept for the next subscription.
const KEPT_BYTES: usize = 16 << 20;

/// Most bytes of a delivery: with the ack id and what else a message holds it must fit one.
const MAX_BYTES: usize = MAX_MESSAGE_BYTES - 16 * 1024;

/// Why a delivery could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The journal or the state store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Makes deliveries. Calls block on the disk.
#[derive(Debug)]
pub struct Content {
    cases: CaseReader,
    receipts: Receipts,
    recent: Mutex<Recent>,
}

/// Statements that were read last.
#[derive(Debug, Default)]
struct Recent {
    by_position: HashMap<u64, Arc<Read>>,
    order: VecDeque<u64>,
    bytes: usize,
}

/// A statement as it was read. It is not decoded unless somebody has to look into it.
#[derive(Debug)]
struct Read {
    case: CaseName,
    case_text: Bytes,
    record_time: Timestamp,
    /// `StatementRecord`, encoded.
    record: Bytes,
    entry: Bytes,
    statement: OnceLock<Statement>,
}

impl Content {
    /// Reads from there.
    pub fn new(cases: CaseReader, receipts: Receipts) -> Self {
        Self {
            cases,
            receipts,
            recent: Mutex::default(),
        }
    }

    /// Reads what of this will be asked for and is not kept, in as few reads as may be.
    pub fn read_ahead(&self, taken: &[Taken]) -> Result<(), ContentError> {
        let missing: Vec<u64> = {
            let recent = self.recent();
            let positions = taken.iter().map(|taken| taken.position);
            let is_missing = |position: &u64| !recent.by_position.contains_key(position);
            positions.filter(is_missing).collect()
        };
        for run in missing.chunk_by(|one, next| one + 1 == *next) {
            let Some(first) = run.first() else { continue };
            for (position, entry) in self.cases.entries(*first, run.len())? {
                self.keep(position, entry)?;
            }
        }
        Ok(())
    }

    /// The delivery of a position; `None` if the subscriber may not see it now. Without its ack id.
    pub fn delivery(
        &self,
        definition: &Definition,
        plan: &Plan,
        reading: &Reading<'_>,
        taken: &Taken,
    ) -> Result<Option<Delivery>, ContentError> {
        let position = taken.position;
        let change = reading.change(position);
        let Some(news) = change.and_then(|change| reading.as_seen(plan, &change)) else {
            return Ok(None);
        };
        let Some(read) = self.read(position)? else {
            return Ok(None);
        };
        // The table said how it was; what is in force now decides. It knows that too if nothing is recorded that it has not taken in.
        let is_seen = self.cases.size() <= reading.position()
            && reading.is_seen_now(plan, news.case)
            || self
                .cases
                .may_see_statement(&definition.viewer, read.statement(position)?)?;
        if !is_seen {
            return Ok(None);
        }
        let settings = &definition.settings;
        let with_case = match settings.detail {
            DeliveryDetail::Case => true,
            DeliveryDetail::Change => false,
            DeliveryDetail::Statement | DeliveryDetail::Unspecified => {
                let holds_it =
                    matches!(news.kind, StatementKind::Report | StatementKind::Amendment);
                news.appeared && !holds_it
            }
        };
        let as_of_case = match with_case {
            true => self
                .cases
                .at(position + 1)
                .case(&definition.viewer, &read.case)
                .ok(),
            false => None,
        };
        let with_statement = settings.detail != DeliveryDetail::Change;
        let (entry, receipt) = match settings.receipt {
            true => (read.entry.clone(), self.receipts.original(position)?.0),
            false => (Bytes::new(), String::new()),
        };
        Ok(Some(fitting(Delivery {
            ack_id: String::new(),
            position,
            case: read.case_text.clone(),
            kind: news.kind.into(),
            record_time: Some(read.record_time),
            change: Some(CaseChange {
                appeared: news.appeared,
                selected_before: news.selected_before,
                selected: news.selected,
                status_before: news.status_before.into(),
                status: news.status.into(),
                retracted: news.retracted,
            }),
            delivery_attempt: i32::try_from(taken.attempt).unwrap_or(i32::MAX),
            statement: with_statement.then(|| read.record.clone()),
            as_of_case,
            entry,
            receipt,
            incomplete: false,
        })))
    }

    /// The name of the case of a position, if a subscriber may see it now.
    pub fn case_of(&self, definition: &Definition, position: u64) -> Result<String, ContentError> {
        let Some(read) = self.read(position)? else {
            return Ok(String::new());
        };
        let statement = read.statement(position)?;
        let seen = self
            .cases
            .may_see_statement(&definition.viewer, statement)?;
        Ok(if seen {
            read.case.to_string()
        } else {
            String::new()
        })
    }

    fn read(&self, position: u64) -> Result<Option<Arc<Read>>, ContentError> {
        if let Some(read) = self.recent().by_position.get(&position) {
            return Ok(Some(Arc::clone(read)));
        }
        self.keep(position, self.cases.recorded(position)?)
    }

    /// Keeps what was recorded at a position; `None` if that is an update of the registry.
    fn keep(&self, position: u64, entry: Bytes) -> Result<Option<Arc<Read>>, ContentError> {
        let recorded = Recorded::of_entry(position, &entry);
        let recorded = recorded.map_err(|source| ReadError::Entry { position, source })?;
        let Some(recorded) = recorded else {
            return Ok(None);
        };
        let read = Arc::new(Read {
            case_text: recorded.case.to_string().into(),
            case: recorded.case,
            record_time: recorded.record_time,
            record: recorded.record,
            entry,
            statement: OnceLock::new(),
        });
        self.recent().add(position, Arc::clone(&read));
        Ok(Some(read))
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    /// What is said, decoded at the first time that it is asked for.
    fn statement(&self, position: u64) -> Result<&Statement, ContentError> {
        if let Some(statement) = self.statement.get() {
            return Ok(statement);
        }
        let decoded = Statement::decode(position, &self.entry);
        let decoded = decoded.map_err(|source| ReadError::Entry { position, source })?;
        let statement = decoded.ok_or(ReadError::NoEntry(position))?;
        Ok(self.statement.get_or_init(|| statement))
    }
}

impl Recent {
    fn add(&mut self, position: u64, read: Arc<Read>) {
        self.bytes += size(&read);
        if self.by_position.insert(position, read).is_some() {
            // Two read it at once; the other one counted it.
            self.bytes -= self.by_position.get(&position).map_or(0, |read| size(read));
            return;
        }
        self.order.push_back(position);
        while self.bytes > KEPT_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self
                .by_position
                .remove(&oldest)
                .map_or(0, |read| size(&read));
        }
    }
}

/// A delivery as far as it fits a message.
fn fitting(mut delivery: Delivery) -> Delivery {
    for part in 0..2 {
        if delivery.encoded_len() <= MAX_BYTES {
            break;
        }
        delivery.incomplete = true;
        match part {
            0 => delivery.as_of_case = None,
            _ => delivery.statement = None,
        }
    }
    delivery
}

/// Bytes that it takes: the entry, and about as much again each for the record and for the statement if that is decoded.
fn size(read: &Read) -> usize {
    3 * read.entry.len() + size_of::<Read>()
}
