//! What was said at each position: about which case, of which kind, and for whom. A number a position, so that whoever goes through
//! the log need not read it.

use std::collections::BTreeSet;

use casebroker_proto::v1::StatementKind;

use super::{cells::Cells, growing::Names};

/// Sets of readers that can be told apart; beyond that many a set is not known.
const MAX_SETS: u32 = (1 << 28) - 1;

/// What was said, by position.
#[derive(Debug, Default)]
pub(super) struct SaidAt {
    /// Number of the case, counted from 1, in the upper half; kind in 4 bits, [`Readers`] in 28. 0 where nothing was said.
    pub(super) cells: Cells,
    /// Sets of numbers of agencies, four bytes each, ascending.
    pub(super) sets: Names<Box<[u8]>>,
}

/// A statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Number of its case.
    pub case: u64,
    /// What kind it is.
    pub kind: StatementKind,
    /// Who may see it by its own handling.
    pub readers: Readers,
}

/// Who may see a statement by its own handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Every member.
    Everybody,
    /// Those of a set, by its number.
    Set(u32),
    /// Not known here: there are too many sets.
    Unknown,
}

impl SaidAt {
    /// What was said at a position; `None` for an update of the registry.
    pub(super) fn at(&self, position: u64) -> Option<Said> {
        let packed = self.cells.get(position);
        let case = (packed >> 32).checked_sub(1)?;
        Some(Said {
            case,
            kind: StatementKind::try_from((packed >> 28 & 15) as i32).unwrap_or_default(),
            readers: match packed as u32 & MAX_SETS {
                0 => Readers::Everybody,
                MAX_SETS => Readers::Unknown,
                number => Readers::Set(number),
            },
        })
    }

    /// Says what was said at a position, the next one or one said before. For the one thread that writes.
    pub(super) fn put(&self, position: u64, said: Option<Said>) {
        let packed = said.map_or(0, |said| {
            let readers = match said.readers {
                Readers::Everybody => 0,
                Readers::Set(number) => number.min(MAX_SETS),
                Readers::Unknown => MAX_SETS,
            };
            (said.case + 1) << 32 | (said.kind as u64) << 28 | u64::from(readers)
        });
        match position < self.cells.count() {
            true => self.cells.set(position, packed),
            false => drop(self.cells.push(packed)),
        }
    }

    /// The number of a set of agencies' numbers. For the one thread that writes.
    pub(super) fn set(&self, agencies: &BTreeSet<u32>) -> Readers {
        let bytes: Vec<u8> = agencies.iter().flat_map(|n| n.to_le_bytes()).collect();
        match self.sets.number(&bytes, || bytes.as_slice().into()) {
            0 => Readers::Unknown,
            number if number >= MAX_SETS => Readers::Unknown,
            number => Readers::Set(number),
        }
    }

    /// Whether an agency is among the readers; true if that is not known.
    pub(super) fn reads(&self, readers: Readers, agency: u32) -> bool {
        match readers {
            Readers::Everybody | Readers::Unknown => true,
            Readers::Set(number) => {
                let found = self.sets.with(number, |set| {
                    let (agencies, _) = set.as_chunks::<4>();
                    let found = agencies.binary_search_by_key(&agency, |n| u32::from_le_bytes(*n));
                    found.is_ok()
                });
                found.unwrap_or(false)
            }
        }
    }
}
