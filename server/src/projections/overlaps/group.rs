//! Cases that are one incident by the word of their owners: chains count as one group.

use casebroker_proto::{names::CaseName, v1::OverlapState};

use super::{
    super::reader::{CaseReader, ReadError},
    Side,
};
use crate::policy::Viewer;

/// Most cases of one group.
pub const MAX_GROUP: usize = 100;

impl CaseReader {
    /// Other cases that are the same incident as one that the viewer may see, as far as they and what joins them are for the
    /// viewer, by their names; at most [`MAX_GROUP`] with the case itself. Retracted ones are left out.
    pub fn same_incident(
        &self,
        viewer: &Viewer,
        name: &CaseName,
    ) -> Result<Vec<String>, ReadError> {
        // Most cases end here: one look-up.
        let record = self.record(name)?.unwrap_or_default();
        if !record.declared() {
            return Ok(Vec::new());
        }
        let told = |one: &Side, other: &Side| {
            let here = self.view(viewer, one)?;
            let there = self.view(viewer, other)?;
            let told = self.told(viewer, (one, &here), (other, &there))?;
            let same = OverlapState::SameIncident;
            Ok(told.is_some_and(|told| !told.other_case.is_empty() && told.state() == same))
        };
        let group = self.group(name, told)?;
        let others = group.iter().filter(|side| side.name != *name);
        let mut names: Vec<_> = others.map(|side| side.name.to_string()).collect();
        names.sort();
        Ok(names)
    }

    /// All cases that may be the same incident as this one for somebody, itself among them: by what both owners have ever said, to
    /// whomever.
    pub fn incident(&self, name: &CaseName) -> Result<Vec<CaseName>, ReadError> {
        let group = self.group(name, |_, _| Ok(true))?;
        Ok(group.into_iter().map(|side| side.name).collect())
    }

    /// The case and those that the owners' words may join it with, as far as they are to be followed, over as many steps as it takes.
    fn group(
        &self,
        name: &CaseName,
        follow: impl Fn(&Side, &Side) -> Result<bool, ReadError>,
    ) -> Result<Vec<Side>, ReadError> {
        let mut group: Vec<Side> = self.side(name)?.into_iter().collect();
        let mut next = 0;
        while let Some(side) = group.get(next) {
            next += 1;
            let mut joined = Vec::new();
            for other in self.joined(side, &group)? {
                if group.len() + joined.len() < MAX_GROUP && follow(side, &other)? {
                    joined.push(other);
                }
            }
            group.extend(joined);
        }
        Ok(group)
    }

    /// Cases outside the group so far that both owners have ever taken for the same incident as this one. What they say by now, and to
    /// whom, is not asked: nobody's answer may show that there is a word which is not for it.
    fn joined(&self, side: &Side, group: &[Side]) -> Result<Vec<Side>, ReadError> {
        let ids = side.taken_for_same();
        if ids.is_empty() || side.case.retracted {
            return Ok(Vec::new());
        }
        let mut joined = Vec::new();
        let (candidates, _) = self.candidates(side.first_position, &side.marks)?;
        for first in candidates {
            if group.iter().any(|known| known.first_position == first) {
                continue;
            }
            let id = self.overlap_id(side.first_position, first)?;
            if !ids.contains(id.as_str()) {
                continue;
            }
            let Some(name) = self.beginning(first)? else {
                continue;
            };
            let record = self.record(&name)?.unwrap_or_default();
            if !record.declared() {
                continue;
            }
            let other = self.side_of(&name, &record)?;
            joined.extend(other.filter(|other| {
                !other.case.retracted && other.taken_for_same().contains(id.as_str())
            }));
        }
        Ok(joined)
    }
}
