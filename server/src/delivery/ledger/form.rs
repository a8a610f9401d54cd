//! Records of the ledger. A record is the length of its body (u32, little-endian), CRC-32C of the body, and the body, a protobuf message
//! of its own; the file begins with [`MAGIC`].

use casebroker_proto::v1::Subscription;
use prost::Message as _;

use crate::delivery::outbox::{Dead, Kept, KeptOpen};

/// What a ledger begins with; the last two characters are its version.
pub const MAGIC: &[u8; 16] = b"casebroker-led01";
/// Longest body that is believed.
const MAX_BODY: usize = 16 << 20;
/// Bytes before a body.
const HEAD: usize = 8;

/// A record.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    /// Which subscription, by a number that is never used again.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// As it is from here on; absent if only its cursor moved.
    #[prost(message, optional, tag = "2")]
    pub subscription: Option<Subscription>,
    /// Its cursor.
    #[prost(message, optional, tag = "3")]
    pub cursor: Option<Cursor>,
    /// It ended.
    #[prost(bool, tag = "4")]
    pub ended: bool,
}

/// Where a subscription is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cursor {
    #[prost(uint64, tag = "1")]
    next: u64,
    /// Open positions, each as its distance from the one before.
    #[prost(uint64, repeated, tag = "2")]
    open: Vec<u64>,
    /// Attempts at each.
    #[prost(uint32, repeated, tag = "3")]
    attempts: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    dead: Vec<DeadRecord>,
    #[prost(uint64, repeated, tag = "5")]
    dropped: Vec<u64>,
    /// Pairs.
    #[prost(uint64, repeated, tag = "6")]
    passed: Vec<u64>,
    #[prost(uint64, tag = "7")]
    moved_at: u64,
    /// When it was last used, seconds since 1970.
    #[prost(int64, tag = "8")]
    pub last_use: i64,
    /// Of each open position: how far it is from the beginning of its case.
    #[prost(uint64, repeated, tag = "9")]
    cases: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DeadRecord {
    #[prost(uint64, tag = "1")]
    position: u64,
    #[prost(uint32, tag = "2")]
    attempts: u32,
    #[prost(string, tag = "3")]
    reason: String,
    #[prost(int64, tag = "4")]
    at: i64,
    #[prost(uint64, tag = "5")]
    case: u64,
}

impl Cursor {
    /// Of what an outbox keeps.
    pub fn new(kept: &Kept, last_use: i64) -> Self {
        let dead = kept.dead.iter().map(|(position, dead)| DeadRecord {
            position: *position,
            attempts: dead.attempts,
            reason: dead.reason.to_string(),
            at: dead.at,
            case: dead.case,
        });
        let open = kept.open.iter();
        Self {
            next: kept.next,
            open: distances(open.clone().map(|open| open.position)),
            attempts: open.clone().map(|open| open.attempts).collect(),
            cases: open
                .map(|open| open.position.wrapping_sub(open.case))
                .collect(),
            dead: dead.collect(),
            dropped: distances(kept.dropped.iter().copied()),
            passed: kept.passed.iter().flat_map(|(a, b)| [*a, *b]).collect(),
            moved_at: kept.moved_at,
            last_use,
        }
    }

    /// What it says.
    pub fn kept(&self) -> Kept {
        let open = positions(&self.open).zip(&self.attempts).zip(&self.cases);
        let open = open.map(|((position, attempts), distance)| KeptOpen {
            position,
            case: position.wrapping_sub(*distance),
            attempts: *attempts,
        });
        let dead = self.dead.iter().map(|dead| {
            let of = Dead {
                case: dead.case,
                attempts: dead.attempts,
                reason: dead.reason.as_str().into(),
                at: dead.at,
            };
            (dead.position, of)
        });
        let (passed, _) = self.passed.as_chunks::<2>();
        Kept {
            next: self.next,
            open: open.collect(),
            dead: dead.collect(),
            dropped: positions(&self.dropped).collect(),
            passed: passed.iter().map(|[a, b]| (*a, *b)).collect(),
            moved_at: self.moved_at,
        }
    }
}

fn distances(positions: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut before = 0;
    let distances = positions.map(|at| at.wrapping_sub(std::mem::replace(&mut before, at)));
    distances.collect()
}

fn positions(distances: &[u64]) -> impl Iterator<Item = u64> {
    distances.iter().scan(0_u64, |at, distance| {
        *at = at.wrapping_add(*distance);
        Some(*at)
    })
}

/// Adds a record to bytes that are to be written.
pub fn put(record: &Record, out: &mut Vec<u8>) {
    let body = record.encode_to_vec();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    out.extend_from_slice(&body);
}

/// The record that bytes begin with, and its length; `None` if there is no whole one.
pub fn take(bytes: &[u8]) -> Option<(Record, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let body = rest.get(..length).filter(|_| length <= MAX_BODY)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    Some((Record::decode(body).ok()?, HEAD + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_and_a_changed_one_does_not() {
        let kept = Kept {
            next: 900,
            open: [(3, 3, 1), (700, 0, 0), (899, 500, 100)]
                .map(|(position, case, attempts)| KeptOpen {
                    position,
                    case,
                    attempts,
                })
                .to_vec(),
            dead: vec![(
                5,
                Dead {
                    case: 4,
                    attempts: 7,
                    reason: "no such office".into(),
                    at: 1_700_000_000,
                },
            )],
            dropped: vec![1, 2, u64::MAX],
            passed: vec![(0, 10), (3, 900)],
            moved_at: 77,
        };
        let record = Record {
            id: 9,
            subscription: Some(Subscription::default()),
            cursor: Some(Cursor::new(&kept, 5)),
            ended: false,
        };
        let mut bytes = Vec::new();
        put(&record, &mut bytes);
        let (found, length) = take(&bytes).unwrap();
        assert_eq!((&found, length), (&record, bytes.len()));
        assert_eq!(found.cursor.unwrap().kept(), kept);
        assert!(take(&bytes[..bytes.len() - 1]).is_none());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(
                take(&changed).is_none_or(|(found, _)| found == record),
                "byte {at}"
            );
        }
    }
}
