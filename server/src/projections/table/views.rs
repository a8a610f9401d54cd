//! How a case looks to whom: the agencies that may see it, divided by what of it they may see.

use std::collections::{BTreeMap, BTreeSet};

use casebroker_proto::names::{AgencyName, CaseName};

use super::facts::Facts;
use crate::{
    policy::{Reach, Viewer},
    projections::{
        fold::fold_judged,
        reader::{CaseReader, ReadError},
        statement::{Statement, readers_of, visible},
    },
    state::CaseRecord,
};

/// Who sees something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Everybody but the agencies named; else these alone.
    pub everyone: bool,
    /// Ids of agencies.
    pub agencies: BTreeSet<String>,
}

/// A case as some agencies see it.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Who sees it so.
    pub seen: Seen,
    /// How.
    pub facts: Facts,
}

/// Somebody whom no statement of a case names stands for all of these.
const NOBODY: &str = "";

/// How a case looks as of the reader's position, to each set of agencies. No agency is in two of them.
pub fn views(reader: &CaseReader, name: &CaseName) -> Result<Vec<View>, ReadError> {
    match reader.record(name)? {
        Some(record) => views_of(reader, name, &record, &reader.all(&record)?),
        None => Ok(Vec::new()),
    }
}

/// As [`views`], of the record and the statements of the case.
pub fn views_of(
    reader: &CaseReader,
    name: &CaseName,
    record: &CaseRecord,
    statements: &[Statement],
) -> Result<Vec<View>, ReadError> {
    let groups = reader.membership.now();
    let readers: Vec<_> = statements.iter().map(|s| readers_of(s, &*groups)).collect();
    let joins = joins(reader, name, record)?;
    let in_force = statements.iter().rposition(|s| s.case_handling().is_some());
    let Some(in_force) = in_force else {
        return Ok(Vec::new());
    };
    let mut candidates: BTreeSet<&str> = readers
        .iter()
        .flatten()
        .flatten()
        .map(|name| id(name))
        .collect();
    candidates.extend(joins.keys().map(String::as_str));
    candidates.insert(NOBODY);
    candidates.insert(name.agency().id());
    let numbered = statements.iter().enumerate();
    let by_position: BTreeMap<u64, usize> = numbered.map(|(n, s)| (s.position, n)).collect();
    // Agencies to whom the same statements are shown, and which know of the same incident, see the same.
    let mut alike: BTreeMap<(Vec<bool>, Option<u64>), BTreeSet<&str>> = BTreeMap::new();
    for agency in candidates {
        let sees = |n: usize| match readers.get(n) {
            Some(Some(named)) => named.iter().any(|name| id(name) == agency),
            Some(None) => true,
            None => false,
        };
        let shown = sees(in_force).then(|| {
            visible(statements, |statement| {
                by_position
                    .get(&statement.position)
                    .is_some_and(|n| sees(*n))
            })
        });
        let joined = joins.get(agency).or_else(|| joins.get(NOBODY));
        let joined = joined.copied().flatten();
        // To whom nothing is shown makes a set of its own: it has to be taken out of everybody.
        let shown = shown.unwrap_or_default();
        let joined = joined.filter(|_| !shown.is_empty());
        alike.entry((shown, joined)).or_default().insert(agency);
    }
    let own = statements.first().map_or(0, |s| s.position);
    let owned = match joins.is_empty() {
        true => None,
        false => {
            let systems = Viewer {
                agency: name.agency().clone(),
                reach: Reach::OwnCases,
            };
            first_known(reader, &systems, name)?
        }
    };
    let everybody: BTreeSet<&str> = alike.values().flatten().copied().collect();
    let mut views: Vec<View> = Vec::new();
    for ((shown, joined), agencies) in &alike {
        let shown = statements.iter().zip(shown).filter(|(_, shown)| **shown);
        let seen: Vec<&Statement> = shown.map(|(statement, _)| statement).collect();
        let case = fold_judged(seen.iter().copied());
        let Some(mut facts) = case.and_then(|case| Facts::of(&case, &seen)) else {
            continue;
        };
        facts.incident = joined.map_or(own, |first| first.min(own));
        facts.joined = joined.is_some();
        let own_joined = owned.filter(|_| agencies.contains(name.agency().id()));
        facts.own_incident = own_joined.map_or(own, |first| first.min(own));
        facts.own_joined = own_joined.is_some();
        let everyone = agencies.contains(NOBODY);
        let named: BTreeSet<&str> = match everyone {
            true => everybody.difference(agencies).copied().collect(),
            false => agencies.clone(),
        };
        let seen = Seen {
            everyone,
            agencies: named.into_iter().map(str::to_owned).collect(),
        };
        views.push(View { seen, facts });
    }
    Ok(views)
}

/// The smallest first position of the other cases that are one incident with this one, for each agency that a statement of these
/// names, and for the others; `None` for those that know of none.
fn joins(
    reader: &CaseReader,
    name: &CaseName,
    record: &CaseRecord,
) -> Result<BTreeMap<String, Option<u64>>, ReadError> {
    let mut joins = BTreeMap::new();
    if !record.declared() {
        return Ok(joins);
    }
    let group = reader.incident(name)?;
    if group.len() < 2 {
        return Ok(joins);
    }
    let groups = reader.membership.now();
    // By what of all these cases is for an agency, and which of them it owns.
    let mut named: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    let mut said: Vec<Statement> = Vec::new();
    for case in &group {
        let record = reader.record(case)?.unwrap_or_default();
        said.extend(reader.all(&record)?);
    }
    let readers: Vec<_> = said.iter().map(|s| readers_of(s, &*groups)).collect();
    let mut agencies: BTreeSet<&str> = readers
        .iter()
        .flatten()
        .flatten()
        .map(|name| id(name))
        .collect();
    agencies.extend(group.iter().map(|case| case.agency().id()));
    let nobody = unnamed(&agencies);
    agencies.insert(&nobody);
    for agency in agencies {
        let sees = readers.iter().map(|readers| match readers {
            Some(named) => named.iter().any(|name| id(name) == agency),
            None => true,
        });
        let owns = group.iter().map(|case| case.agency().id() == agency);
        named.insert(agency.to_owned(), sees.chain(owns).collect());
    }
    let mut known: BTreeMap<Vec<bool>, Option<u64>> = BTreeMap::new();
    for (agency, signature) in named {
        let first = match known.get(&signature) {
            Some(first) => *first,
            None => {
                let first = match AgencyName::from_id(&agency) {
                    Ok(agency) => first_known(reader, &Viewer::of(&agency), name)?,
                    Err(_) => None,
                };
                known.insert(signature, first);
                first
            }
        };
        let agency = if agency == nobody {
            NOBODY.to_owned()
        } else {
            agency
        };
        joins.insert(agency, first);
    }
    Ok(joins)
}

/// The smallest first position of the other cases that a viewer knows to be the same incident.
fn first_known(
    reader: &CaseReader,
    viewer: &Viewer,
    name: &CaseName,
) -> Result<Option<u64>, ReadError> {
    let mut first = None;
    for other in reader.same_incident(viewer, name)? {
        let Ok(other) = other.parse::<CaseName>() else {
            continue;
        };
        let record = reader.record(&other)?.unwrap_or_default();
        let begins = record.statements.first().map(|(position, _)| *position);
        first = first.into_iter().chain(begins).min();
    }
    Ok(first)
}

/// An agency's id that is not among these.
fn unnamed(agencies: &BTreeSet<&str>) -> String {
    let mut number = 0;
    loop {
        let id = format!("nobody-{number}");
        if !agencies.contains(id.as_str()) {
            return id;
        }
        number += 1;
    }
}

fn id(name: &str) -> &str {
    name.strip_prefix("agencies/").unwrap_or(name)
}
