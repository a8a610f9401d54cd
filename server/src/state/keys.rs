//! Keys and values of the store, all in one place. A key begins with a letter for its kind; ids hold no `/` and no NUL.

use casebroker_proto::names::{AgencyName, CaseName};

use super::{Applied, CaseBytes, CaseRecord, Effect, RequestId, StateError, Task, TaskKind};

/// How far the store is. Value: [`encode_applied`]. The number is that of the store's form: one of an earlier form does not
/// have this key, and is built anew.
pub(super) const APPLIED: &[u8] = b"m/applied/4";

/// Next position that the store lacks, u64, big endian, and the log's root over everything before it: 40 bytes. The root
/// says of which history it is.
pub(super) fn encode_applied(applied: &Applied) -> Vec<u8> {
    [&applied.position.to_be_bytes()[..], &applied.root].concat()
}

pub(super) fn decode_applied(value: &[u8]) -> Result<Applied, StateError> {
    let parts = value.split_first_chunk::<8>();
    let (position, root) = parts.ok_or_else(|| unknown(APPLIED))?;
    Ok(Applied {
        position: u64::from_be_bytes(*position),
        root: root.try_into().map_err(|_| unknown(APPLIED))?,
    })
}

/// `c/{agency}/{case}` → [`encode_record`].
pub(super) fn case(name: &CaseName) -> Vec<u8> {
    let (agency, case) = (name.agency().id(), name.case_id());
    let mut key = Vec::with_capacity(3 + agency.len() + case.len());
    key.extend_from_slice(b"c/");
    key.extend_from_slice(agency.as_bytes());
    key.push(b'/');
    key.extend_from_slice(case.as_bytes());
    key
}

/// `r/{agency}/{16 bytes}` → position, u64, big endian.
pub(super) fn request(agency: &AgencyName, id: &RequestId) -> Vec<u8> {
    let agency = agency.id();
    let mut key = Vec::with_capacity(3 + agency.len() + id.len());
    key.extend_from_slice(b"r/");
    key.extend_from_slice(agency.as_bytes());
    key.push(b'/');
    key.extend_from_slice(id);
    key
}

/// Begin of every [`registry`] key.
pub(super) const REGISTRY: &[u8] = b"g/";

/// `g/{position, u64, big endian}` → the same position.
pub(super) fn registry(position: u64) -> Vec<u8> {
    [REGISTRY, &position.to_be_bytes()].concat()
}

/// Begin of every [`task`] key of an agency.
pub(super) fn tasks(agency: &AgencyName) -> Vec<u8> {
    [b"t/", agency.id().as_bytes(), b"/"].concat()
}

/// `t/{agency}/{position, u64, big endian}{kind}` → [`encode_case`].
pub(super) fn task(agency: &AgencyName, position: u64, kind: TaskKind) -> Vec<u8> {
    [&tasks(agency)[..], &position.to_be_bytes(), &[kind as u8]].concat()
}

pub(super) fn decode_task(key: &[u8], value: &[u8]) -> Result<Task, StateError> {
    let bad = || unknown(key);
    let (rest, kind) = key.split_last_chunk::<1>().ok_or_else(bad)?;
    let (_, position) = rest.split_last_chunk::<8>().ok_or_else(bad)?;
    let case = std::str::from_utf8(value).ok();
    Ok(Task {
        position: u64::from_be_bytes(*position),
        kind: TaskKind::from_byte(kind[0]).ok_or_else(bad)?,
        case: case.and_then(|name| name.parse().ok()).ok_or_else(bad)?,
    })
}

/// The name of a case, as text.
pub(super) fn encode_case(case: &CaseName) -> Vec<u8> {
    case.to_string().into_bytes()
}

/// Bytes of reports, of what else the owner said and of what others said, u64, big endian; then nine bytes a statement: position, u64, big endian, and
/// effect.
pub(super) fn encode_record(record: &CaseRecord) -> Vec<u8> {
    let mut value = Vec::with_capacity(24 + record.statements.len() * 9);
    value.extend_from_slice(&record.bytes.reports.to_be_bytes());
    value.extend_from_slice(&record.bytes.own.to_be_bytes());
    value.extend_from_slice(&record.bytes.others.to_be_bytes());
    for (position, effect) in &record.statements {
        value.extend_from_slice(&position.to_be_bytes());
        value.push(*effect as u8);
    }
    value
}

pub(super) fn decode_record(key: &[u8], value: &[u8]) -> Result<CaseRecord, StateError> {
    let bad = || unknown(key);
    let (reports, value) = value.split_first_chunk::<8>().ok_or_else(bad)?;
    let (own, value) = value.split_first_chunk::<8>().ok_or_else(bad)?;
    let (others, value) = value.split_first_chunk::<8>().ok_or_else(bad)?;
    let (chunks, rest) = value.as_chunks::<9>();
    let statements = chunks
        .iter()
        .map(|[a, b, c, d, e, f, g, h, effect]| {
            let effect = Effect::from_byte(*effect).ok_or_else(bad)?;
            Ok((u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), effect))
        })
        .collect::<Result<Vec<_>, StateError>>()?;
    if statements.is_empty() || !rest.is_empty() {
        return Err(unknown(key));
    }
    Ok(CaseRecord {
        statements,
        bytes: CaseBytes {
            reports: u64::from_be_bytes(*reports),
            own: u64::from_be_bytes(*own),
            others: u64::from_be_bytes(*others),
        },
    })
}

pub(super) fn decode_position(key: &[u8], value: &[u8]) -> Result<u64, StateError> {
    value
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| unknown(key))
}

fn unknown(key: &[u8]) -> StateError {
    StateError::Value {
        key: String::from_utf8_lossy(key).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_round_trips_and_anything_else_is_refused() {
        let record = CaseRecord {
            statements: vec![
                (7, Effect::Reported),
                (9, Effect::Amended),
                (u64::MAX, Effect::Retracted),
            ],
            bytes: CaseBytes {
                reports: 70,
                own: 8,
                others: 9,
            },
        };
        let value = encode_record(&record);
        assert_eq!(decode_record(b"k", &value).unwrap(), record);
        assert!(decode_record(b"k", &value[..8]).is_err());
        assert!(decode_record(b"k", b"").is_err());
        assert!(decode_record(b"k", &value[..value.len() - 1]).is_err());
        assert!(decode_record(b"k", &[0; 33]).is_err());
    }

    #[test]
    fn no_two_agencies_share_a_key() {
        let (a, b) = (
            AgencyName::from_id("us").unwrap(),
            AgencyName::from_id("us-dea").unwrap(),
        );
        assert_ne!(request(&a, &[0; 16]), request(&b, &[0; 16]));
    }
}
