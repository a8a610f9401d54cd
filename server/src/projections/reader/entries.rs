//! What the journal holds, whoever may see it.

use casebroker_proto::{statement::StatementError, v1};
use prost::Message as _;
use prost_types::Timestamp;
use time::OffsetDateTime;

use super::{CaseReader, ReadError};
use crate::{journal::ReadLimit, projections::statement::Statement};

/// Most bytes of entries that are read at once, if there is more than one.
const READ_BYTES: usize = 1 << 20;

impl CaseReader {
    /// Where the log ended at a time: the position of the first entry that was recorded later.
    pub fn position_at(&self, time: Timestamp) -> Result<u64, ReadError> {
        let (mut low, mut high) = (0, self.journal.next_position());
        // Times never go back.
        while low < high {
            let middle = low + (high - low) / 2;
            let recorded = self.record_time(middle)?;
            if (recorded.seconds, recorded.nanos) <= (time.seconds, time.nanos) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// When the last entry before a position was recorded; the beginning of time if there is none.
    pub fn time_before(&self, position: u64) -> Result<OffsetDateTime, ReadError> {
        let time = match position.checked_sub(1) {
            Some(last) => self.record_time(last)?,
            None => Timestamp::default(),
        };
        let time = OffsetDateTime::from_unix_timestamp(time.seconds);
        Ok(time.unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    fn record_time(&self, position: u64) -> Result<Timestamp, ReadError> {
        Ok(self.envelope(position)?.record_time.unwrap_or_default())
    }

    /// The entry at a position, whoever may see it.
    pub fn recorded(&self, position: u64) -> Result<bytes::Bytes, ReadError> {
        let record = self.journal.read(position, ReadLimit::ONE)?.pop();
        Ok(record.ok_or(ReadError::NoEntry(position))?.entry)
    }

    /// The statement at a position, whoever may see it; `None` for an update of the registry.
    pub fn statement(&self, position: u64) -> Result<Option<Statement>, ReadError> {
        decode(position, &self.recorded(position)?)
    }

    /// Entries from a position on, whoever may see them, with their positions: at least one, at most so many.
    pub fn entries(
        &self,
        from: u64,
        count: usize,
    ) -> Result<impl Iterator<Item = (u64, bytes::Bytes)> + use<>, ReadError> {
        let limit = ReadLimit {
            entries: count,
            bytes: READ_BYTES,
        };
        let records = self.journal.read(from, limit)?;
        Ok((from..).zip(records.into_iter().map(|record| record.entry)))
    }

    /// Entries of the log.
    pub fn size(&self) -> u64 {
        self.journal.next_position()
    }

    /// The salt of an entry.
    pub(in crate::projections) fn salt(&self, position: u64) -> Result<bytes::Bytes, ReadError> {
        Ok(self.envelope(position)?.salt)
    }

    /// An entry, without looking into what it holds.
    fn envelope(&self, position: u64) -> Result<v1::Entry, ReadError> {
        let decoded = v1::Entry::decode(self.recorded(position)?);
        decoded.map_err(|e| ReadError::Entry {
            position,
            source: StatementError::Payload(e.to_string()),
        })
    }
}

pub(super) fn decode(position: u64, entry: &[u8]) -> Result<Option<Statement>, ReadError> {
    Statement::decode(position, entry).map_err(|source| ReadError::Entry { position, source })
}
