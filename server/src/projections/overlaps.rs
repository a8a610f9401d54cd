//! Cases that seem to be one incident: found by the index of the table, then held against each other as they stand.
//!
//! Two cases overlap while both have the same mark: what an amendment withdrew joins nothing any more. Whoever may see the
//! mark in both is told which case the other one is. The owner of the case asked about is told of the others too, unless the
//! handling of either forbids it: then only which agency has one, and what of the owner's own case is in it. Nobody else is
//! told of those, and up to [`EQUAL_WORK`] of them take no more time than none.

mod candidates;
mod group;
mod side;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use casebroker_proto::{
    names::CaseName,
    overlap::{self, Mark},
    v1::{Overlap, OverlapMatch, OverlapState, OverlapVerdict},
};
use prost::Message as _;

use super::{
    reader::{CaseReader, ReadError},
    statement::Statement,
    table::{MAX_HOLDERS, MAX_HOLDERS_AN_AGENCY},
};
use crate::{
    policy::Viewer,
    state::{CaseRecord, Effect},
};
use side::{Side, View};

/// Most overlaps in an answer.
pub const MAX_OVERLAPS: usize = 100;
/// Most matches of one overlap that are shown.
const MAX_MATCHES: usize = 20;
/// Bytes of overlaps after which an answer ends: it must fit a message.
const MAX_BYTES: usize = casebroker_proto::MAX_MESSAGE_BYTES - 64 * 1024;
/// Bytes of their statements after which no more is looked at.
const MAX_BYTES_READ: usize = 64 << 20;
/// Cases that are looked at without being told, at least: others are looked at in their place.
const EQUAL_WORK: usize = 4;
/// Statements of a kind, newest first, that are looked at to know an overlap by its id.
const MAX_LATE: usize = 100;

/// Begin of what an id hashes, so that no other hash of this project can be one.
const ID_DOMAIN: &[u8] = b"casebroker.v1 overlap\0";

/// Overlaps of a case, as far as they are for the caller.
#[derive(Debug, Default)]
pub struct Overlaps {
    /// Those with a named case by the first position of it that the viewer may see, then the others by their ids: what is
    /// hidden leaves no trace in the order.
    pub overlaps: Vec<Overlap>,
    /// True if there may be more.
    pub truncated: bool,
}

impl CaseReader {
    /// What overlaps with a case that the viewer may see. Both owners may be told of more than they may see; see the top of
    /// this file.
    pub fn overlaps(&self, viewer: &Viewer, name: &CaseName) -> Result<Overlaps, ReadError> {
        // A case that is not for the viewer ends here, like one that does not exist.
        self.history(viewer, name)?;
        let no_case = || ReadError::NoCase(name.clone());
        let side = self.side(name)?.ok_or_else(no_case)?;
        let here = self.view(viewer, &side)?;
        let mut found = Overlaps::default();
        let mut order = BTreeMap::new();
        let (candidates, mut more) = self.candidates(side.first_position, &side.marks)?;
        let mut untold = 0;
        let (mut bytes_read, mut bytes_of_told, mut bytes_told) = (0, 0, 0);
        for first in candidates {
            if bytes_read > MAX_BYTES_READ || order.len() >= MAX_OVERLAPS {
                more = true;
                break;
            }
            let name = self.beginning(first)?;
            let Some(other) = name.map(|name| self.side(&name)).transpose()?.flatten() else {
                continue;
            };
            let bytes = other.bytes();
            bytes_read += bytes;
            let there = self.view(viewer, &other)?;
            let Some(overlap) = self.told(viewer, (&side, &here), (&other, &there))? else {
                untold += 1;
                continue;
            };
            bytes_told += overlap.encoded_len() + 8;
            if bytes_told > MAX_BYTES {
                found.truncated = true;
                break;
            }
            bytes_of_told += bytes;
            let named = !overlap.other_case.is_empty();
            let place = if named {
                there.first_position
            } else {
                u64::MAX
            };
            order.insert((place, overlap.id.clone()), overlap);
        }
        found.overlaps = order.into_values().collect();
        found.truncated |= more && (is_many(&found.overlaps) || bytes_of_told > MAX_BYTES_READ / 2);
        for step in 0..EQUAL_WORK {
            if step < untold {
                continue;
            }
            if let Some((decoy, record)) = self.decoy(name, step as u64)? {
                let other = self.side_of(&decoy, &record)?;
                if let Some(other) = other {
                    let there = self.view(viewer, &other)?;
                    let told = self.told(viewer, (&side, &here), (&other, &there))?;
                    std::hint::black_box(told);
                }
            }
        }
        Ok(found)
    }

    /// Whether a case has an overlap of that id and its owner is told of it, by what the newest revisions and the newest
    /// findings brought. For the owner's declarations. To know an id is not enough: whoever saw the first entries of both
    /// cases can compute it, and would learn from the answer what the other case has by now. A bounded number of reads.
    pub fn knows_overlap(&self, name: &CaseName, id: &str) -> Result<bool, ReadError> {
        let Some(record) = self.record(name)? else {
            return Ok(false);
        };
        let Some((first, _)) = record.statements.first() else {
            return Ok(false);
        };
        let marks = marks_of(&self.newest(&record)?);
        let (candidates, _) = self.candidates(*first, &marks)?;
        let own = (*first, self.salt(*first)?);
        for other in candidates {
            if overlap_id(&own, &(other, self.salt(other)?)) == id {
                let Some(other) = self.beginning(other)? else {
                    break;
                };
                let theirs = self.told_marks(name, &record, &other)?;
                let has = |mark: &Mark| marks.iter().any(|own| own.is_same(mark));
                return Ok(theirs.iter().any(has));
            }
        }
        Ok(false)
    }

    /// What another case has of late, as far as the owner of this one is told: all if both allow deconfliction.
    fn told_marks(
        &self,
        name: &CaseName,
        record: &CaseRecord,
        other: &CaseName,
    ) -> Result<Vec<Mark>, ReadError> {
        let owner = Viewer::of(name.agency());
        let there = self.record(other)?.unwrap_or_default();
        let mut said = self.newest(&there)?;
        if !self.allows_deconfliction(record)? || !self.allows_deconfliction(&there)? {
            if !self.sees(&owner, &there)? {
                return Ok(Vec::new());
            }
            self.keep_visible(&owner, &mut said);
        }
        Ok(marks_of(&said))
    }

    /// Whether the handling in force of a case lets the owner of an overlapping one know.
    fn allows_deconfliction(&self, record: &CaseRecord) -> Result<bool, ReadError> {
        let in_force = record.handling_position();
        let in_force = in_force.map(|position| self.statement(position));
        let in_force = in_force.transpose()?.flatten();
        let handling = in_force.as_ref().and_then(Statement::case_handling);
        Ok(handling.is_some_and(|handling| !handling.no_deconfliction))
    }

    /// The report in force, what decides who may see it, and the newest of what came late, oldest first.
    fn newest(&self, record: &CaseRecord) -> Result<Vec<Statement>, ReadError> {
        let mut positions = newest(record);
        positions.extend(record.handling_position());
        positions.sort_unstable();
        positions.dedup();
        let statements = positions.into_iter();
        let statements = statements.filter_map(|at| self.statement(at).transpose());
        statements.collect()
    }

    /// What a viewer who may see the one case is told of its overlap with the other; `None` if nothing, or if they share
    /// nothing now.
    fn told(
        &self,
        viewer: &Viewer,
        (side, here): (&Side, &View<'_>),
        (other, there): (&Side, &View<'_>),
    ) -> Result<Option<Overlap>, ReadError> {
        // Nothing ends this early: see `EQUAL_WORK`.
        let shared = side.shared(other);
        let id = self.overlap_id(side.first_position, other.first_position)?;
        let seen = here.seen_in_both(there);
        let deconflicts = side.allows_deconfliction() && other.allows_deconfliction();
        let may_know = deconflicts && viewer.agency == *side.name.agency();
        let named = !seen.is_empty();
        let matches = match (named, may_know) {
            (true, _) => seen,
            (false, true) if !shared.is_empty() => shared,
            (false, _) => return Ok(None),
        };
        let owners = [side.name.agency(), other.name.agency()];
        // Both owners shall know what it comes to, also if one may not see the other's declaration.
        let verdicts = match deconflicts && owners.contains(&&viewer.agency) {
            true => [side.verdict(&id), other.verdict(&id)],
            false => [here.verdict(&id), there.verdict(&id)],
        };
        let state = match side.case.retracted || other.case.retracted {
            true => OverlapState::Retracted,
            false => agreed(verdicts),
        };
        let agency = other.name.agency();
        let members = self.membership.now();
        let contact = members.member(agency).map(|member| member.contact.clone());
        let (other_case, other_verdict) = match named {
            true => (other.name.to_string(), there.verdict(&id)),
            false => (String::new(), OverlapVerdict::Unspecified),
        };
        Ok(Some(Overlap {
            own_verdict: here.verdict(&id).into(),
            id,
            case: side.name.to_string(),
            other_case,
            other_agency: agency.to_string(),
            other_contact: contact.unwrap_or_default(),
            matches: shown(&matches),
            state: state.into(),
            other_verdict: other_verdict.into(),
        }))
    }

    fn overlap_id(&self, one: u64, other: u64) -> Result<String, ReadError> {
        let with_salt = |position| Ok::<_, ReadError>((position, self.salt(position)?));
        Ok(overlap_id(&with_salt(one)?, &with_salt(other)?))
    }
}

/// The id of an overlap: a hash over the salts of both cases' first entries, in the order of the log. Whoever may not see one
/// of them learns nothing from it.
fn overlap_id(one: &(u64, Bytes), other: &(u64, Bytes)) -> String {
    let ((_, first), (_, second)) = (one.min(other), one.max(other));
    let hashed = digest(&SHA256, &[ID_DOMAIN, first, second].concat());
    let short = hashed.as_ref().get(..16).unwrap_or_default();
    hex::encode(short)
}

/// Whether so many are told that some may have been left out for them. Of what was left out for others nothing may be told,
/// not even that there is something.
fn is_many(overlaps: &[Overlap]) -> bool {
    let mut by_agency: BTreeMap<&str, usize> = BTreeMap::new();
    for overlap in overlaps {
        *by_agency.entry(&overlap.other_agency).or_default() += 1;
    }
    let most_of_one = by_agency.into_values().max().unwrap_or_default();
    // The case itself is one of a key's, and one of its owner's.
    overlaps.len() + 1 >= MAX_HOLDERS || most_of_one + 1 >= MAX_HOLDERS_AN_AGENCY
}

/// What both owners' newest verdicts come to.
fn agreed(verdicts: [OverlapVerdict; 2]) -> OverlapState {
    if verdicts.contains(&OverlapVerdict::Different) {
        OverlapState::Different
    } else if verdicts == [OverlapVerdict::Same; 2] {
        OverlapState::SameIncident
    } else {
        OverlapState::Open
    }
}

/// What statements bring, the newest first.
fn marks_of(statements: &[Statement]) -> Vec<Mark> {
    let newest = statements.iter().rev();
    let marks = newest.flat_map(|said| overlap::marks(&said.agency, &said.statement));
    marks.take(2 * overlap::MAX_MARKS).collect()
}

/// The report in force and the newest of what came late.
fn newest(record: &CaseRecord) -> Vec<u64> {
    let newest = || record.statements.iter().rev();
    let report = newest().find(|(_, e)| matches!(e, Effect::Reported | Effect::Amended));
    let late = |effect| newest().filter(move |(_, e)| *e == effect).take(MAX_LATE);
    let late = late(Effect::Found).chain(late(Effect::Answered));
    let all = report.into_iter().chain(late);
    all.map(|(position, _)| *position).collect()
}

/// Each thing once: one circumstance is two marks if it has a subdivision and a locality.
fn shown(marks: &[&Mark]) -> Vec<OverlapMatch> {
    let mut matches: Vec<OverlapMatch> = Vec::new();
    for mark in marks {
        let shown = OverlapMatch {
            basis: mark.basis.into(),
            value: mark.shown.clone(),
        };
        if matches.len() < MAX_MATCHES && !matches.contains(&shown) {
            matches.push(shown);
        }
    }
    matches
}

#[cfg(test)]
mod tests;
