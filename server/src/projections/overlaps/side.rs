//! One of two cases that are held against each other: the whole of it, and what a viewer may see of it.

use std::{borrow::Cow, collections::HashSet};

use casebroker_proto::{
    names::CaseName,
    overlap::{Mark, of_case},
    v1::{self, OverlapVerdict, statement::Kind},
};
use prost::Message as _;

use super::super::{
    fold::apply,
    reader::{CaseReader, ReadError},
    statement::Statement,
};
use crate::{policy::Viewer, state::CaseRecord};

/// A case, whole, as its owner sees it.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) name: CaseName,
    pub(super) first_position: u64,
    record: CaseRecord,
    statements: Vec<Statement>,
    pub(super) case: v1::Case,
    /// What it has as it stands.
    pub(super) marks: Vec<Mark>,
}

/// What a viewer may see of a case.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// Of the first report that the viewer may see; 0 if none.
    pub(super) first_position: u64,
    statements: Cow<'a, [Statement]>,
    marks: Cow<'a, [Mark]>,
}

impl Side {
    /// Marks that the other case has too, as this one has them written.
    pub(super) fn shared(&self, other: &Self) -> Vec<&Mark> {
        let theirs: HashSet<_> = other.marks.iter().map(Mark::identity).collect();
        let shared = |mark: &&Mark| theirs.contains(&mark.identity());
        self.marks.iter().filter(shared).collect()
    }

    /// Whether its handling lets the owner of an overlapping case know.
    pub(super) fn allows_deconfliction(&self) -> bool {
        let handling = self.case.handling.as_ref();
        handling.is_some_and(|handling| !handling.no_deconfliction)
    }

    /// What its owner last said of an overlap.
    pub(super) fn verdict(&self, id: &str) -> OverlapVerdict {
        verdict(&self.statements, id)
    }

    /// Ids of overlaps that its owner has ever taken for the same incident: a later word may be for others than an earlier one.
    pub(super) fn taken_for_same(&self) -> HashSet<&str> {
        let declared = self.statements.iter().filter_map(declaration);
        let same = declared.filter(|d| d.verdict() == OverlapVerdict::Same);
        same.map(|d| d.overlap.as_str()).collect()
    }

    /// Bytes of its statements.
    pub(super) fn bytes(&self) -> usize {
        let statements = self.statements.iter();
        statements.map(|s| s.statement.encoded_len()).sum()
    }
}

impl View<'_> {
    /// Marks that the viewer may see in both, as it sees them written in this one: neither what else is in the cases, nor that
    /// a hidden statement said the same first, shows in them.
    pub(super) fn seen_in_both(&self, other: &Self) -> Vec<&Mark> {
        let there: HashSet<_> = other.marks.iter().map(Mark::identity).collect();
        let seen = |mark: &&Mark| there.contains(&mark.identity());
        self.marks.iter().filter(seen).collect()
    }

    /// What the owner last said of an overlap, as far as the viewer may know.
    pub(super) fn verdict(&self, id: &str) -> OverlapVerdict {
        verdict(&self.statements, id)
    }
}

impl CaseReader {
    /// A case, whole; `None` if there is none.
    pub(super) fn side(&self, name: &CaseName) -> Result<Option<Side>, ReadError> {
        match self.record(name)? {
            Some(record) => self.side_of(name, &record),
            None => Ok(None),
        }
    }

    pub(super) fn side_of(
        &self,
        name: &CaseName,
        record: &CaseRecord,
    ) -> Result<Option<Side>, ReadError> {
        let statements = self.statements(&Viewer::of(name.agency()), record)?;
        let Some(case) = unjudged(&statements) else {
            return Ok(None);
        };
        Ok(Some(Side {
            name: name.clone(),
            first_position: case.first_position,
            record: record.clone(),
            marks: of_case(&case),
            statements,
            case,
        }))
    }

    /// What a viewer may see of a case.
    pub(super) fn view<'a>(&self, viewer: &Viewer, side: &'a Side) -> Result<View<'a>, ReadError> {
        // Also of its own: see `EQUAL_WORK`.
        let sees = self.sees(viewer, &side.record)?;
        if viewer.agency == *side.name.agency() {
            return Ok(View {
                first_position: side.first_position,
                statements: Cow::Borrowed(&side.statements),
                marks: Cow::Borrowed(&side.marks),
            });
        }
        let mut statements = Vec::new();
        if sees {
            statements.clone_from(&side.statements);
            self.keep_visible(viewer, &mut statements);
        }
        let case = unjudged(&statements);
        Ok(View {
            first_position: case.as_ref().map_or(0, |case| case.first_position),
            marks: Cow::Owned(case.as_ref().map(of_case).unwrap_or_default()),
            statements: Cow::Owned(statements),
        })
    }
}

/// The case that these statements make, without what follows from it.
fn unjudged(statements: &[Statement]) -> Option<v1::Case> {
    let mut case = None;
    for statement in statements {
        apply(&mut case, statement);
    }
    case
}

fn verdict(statements: &[Statement], id: &str) -> OverlapVerdict {
    let mut declared = statements.iter().rev().filter_map(declaration);
    let newest = declared.find(|declared| declared.overlap == id);
    newest.map_or(OverlapVerdict::Unspecified, |declared| declared.verdict())
}

fn declaration(statement: &Statement) -> Option<&v1::OverlapDeclaration> {
    match &statement.statement.kind {
        Some(Kind::OverlapDeclaration(declaration)) => Some(declaration),
        _ => None,
    }
}
