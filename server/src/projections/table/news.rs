//! What a statement changes for somebody who has subscribed to a selection of cases.
//!
//! A statement is news if its case is selected before it or with it, as the viewer sees the case at that position of the log, and if
//! the viewer may see the statement. Who may see what *now* is decided once more when it is delivered.

use casebroker_proto::{
    subscription::Kinds,
    v1::{CaseStatus, StatementKind},
};

use super::{
    chunk::{Chunk, Set, Wide, Word},
    count::status,
    growing::List,
    plan::{GivenUp, Plan},
    rows::{ItemView, Rows, place},
    said::Said,
};

/// Positions between two looks at whether anybody still waits.
const PATIENCE: u64 = 4_096;

/// A statement with the rows of its case before it and with it.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its position.
    pub position: u64,
    /// What was said.
    pub said: Said,
    /// The case as it stands with it.
    pub(super) after: Vec<u32>,
    /// The case as it stood.
    pub(super) before: Vec<u32>,
}

/// A statement as news for a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// Its position.
    pub position: u64,
    /// Position of the first statement of its case.
    pub case: u64,
    /// What kind it is.
    pub kind: StatementKind,
    /// The viewer sees the case by it for the first time.
    pub appeared: bool,
    /// Selected without it.
    pub selected_before: bool,
    /// Selected with it.
    pub selected: bool,
    /// Status without it; unspecified if the case was not seen.
    pub status_before: CaseStatus,
    /// Status with it.
    pub status: CaseStatus,
    /// Taken back.
    pub retracted: bool,
}

/// A row.
pub(super) type Place<'a> = (&'a Chunk, usize);

/// What a viewer's sight depends on: its agency's number, and whether it sees its own cases alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Eyes {
    pub(super) agency: u32,
    pub(super) own_only: bool,
}

/// The rows of a case that a viewer sees, with a statement and without it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) after: Place<'a>,
    pub(super) before: Option<Place<'a>>,
}

/// The table for many reads: lists that need not be asked for again. As it was when it was made, and a little later.
#[derive(Debug)]
pub struct Reading<'a> {
    pub(super) rows: &'a Rows,
    pub(super) chunks: List<Chunk>,
    pub(super) items: ItemView,
}

impl Rows {
    /// For many reads.
    pub fn reading(&self) -> Reading<'_> {
        Reading {
            rows: self,
            chunks: self.chunks(),
            items: self.items(),
        }
    }
}

impl Reading<'_> {
    /// It is of every entry before this position.
    pub fn position(&self) -> u64 {
        self.rows.position()
    }

    /// The statement at a position with the rows of its case; `None` for an update of the registry, and beyond the table's position.
    pub fn change(&self, position: u64) -> Option<Change> {
        let said = self.rows.said.at(position)?;
        let head = self.rows.heads.get(said.case) as u32;
        let in_list = self.rows_at(&self.chunks, head, position);
        // The case may have got rows since in a chunk that this does not have yet.
        let (after, before) =
            in_list.or_else(|| self.rows_at(&self.rows.chunks(), head, position))?;
        Some(Change {
            position,
            said,
            after,
            before,
        })
    }

    /// The rows of a case as it stands with the statement at a position, and without it. `None` if the list does not have all.
    fn rows_at(
        &self,
        list: &List<Chunk>,
        head: u32,
        position: u64,
    ) -> Option<(Vec<u32>, Vec<u32>)> {
        let (mut after, mut before) = (Vec::new(), Vec::new());
        // Newest first.
        let mut next = head;
        while let Some(row) = next.checked_sub(1) {
            let (chunk, at) = place(row);
            let chunk = list.get(chunk)?;
            let (from, to) = (chunk.wide(Wide::From, at), chunk.wide(Wide::To, at));
            if to < position {
                break;
            }
            if from <= position && position < to {
                after.push(row);
            }
            if from < position && position <= to {
                before.push(row);
            }
            next = chunk.word(Word::Before, at);
        }
        Some((after, before))
    }

    /// What a statement is for a plan's viewer; `None` if it is no news.
    pub fn news(&self, plan: &Plan, kinds: Kinds, change: &Change) -> Option<News> {
        let news = self.as_seen(plan, change)?;
        news.is_for(kinds).then_some(news)
    }

    /// What a statement is for a plan's viewer, selected or not; `None` if the viewer could not see it when it was said.
    pub fn as_seen(&self, plan: &Plan, change: &Change) -> Option<News> {
        let seen = self.seen_by(plan.viewer(), change)?;
        let selects = |(chunk, at): Place<'_>| plan.selects(self.rows, chunk, at, &self.items);
        let selected = selects(seen.after);
        let selected_before = match seen.before {
            None => false,
            Some(_) if seen.stays() => selected,
            Some(before) => selects(before),
        };
        Some(self.told(change, &seen, selected, selected_before))
    }

    /// A statement and the rows of its case, as a viewer could see them when it was said.
    pub(super) fn seen_by(&self, viewer: Eyes, change: &Change) -> Option<Seen<'_>> {
        let seen = |rows: &[u32]| {
            let mut places = rows.iter().filter_map(|row| self.place(*row));
            places.find(|(chunk, at)| viewer.see(chunk, *at))
        };
        let after = seen(&change.after)?;
        // A retraction is for everybody who may see the case.
        let may_see = change.said.kind == StatementKind::Retraction
            || self.rows.said.reads(change.said.readers, viewer.agency);
        may_see.then(|| Seen {
            after,
            before: seen(&change.before),
        })
    }

    /// The news of what was seen.
    pub(super) fn told(
        &self,
        change: &Change,
        seen: &Seen<'_>,
        selected: bool,
        selected_before: bool,
    ) -> News {
        let (after, at) = seen.after;
        let status_before = seen.before.map(|(chunk, at)| status(chunk, at));
        News {
            position: change.position,
            case: self.rows.firsts.get(change.said.case),
            kind: change.said.kind,
            appeared: seen.before.is_none(),
            selected_before,
            selected,
            status_before: status_before.unwrap_or(CaseStatus::Unspecified),
            status: status(after, at),
            retracted: after.set(Set::Retracted).get(at),
        }
    }

    /// Calls with all news from one position up to another, oldest first, until it says to stop. Answers how far it came.
    pub fn all_news(
        &self,
        plan: &Plan,
        kinds: Kinds,
        range: std::ops::Range<u64>,
        given_up: &dyn Fn() -> bool,
        mut each: impl FnMut(News) -> bool,
    ) -> Result<u64, GivenUp> {
        for position in range.clone() {
            if position % PATIENCE == 0 && given_up() {
                return Err(GivenUp);
            }
            let news = self.change(position);
            let news = news.and_then(|change| self.news(plan, kinds, &change));
            if let Some(news) = news
                && !each(news)
            {
                return Ok(position + 1);
            }
        }
        Ok(range.end.max(range.start))
    }

    /// Whether a viewer may see, as of now, the case that begins at a position.
    pub fn is_seen_now(&self, plan: &Plan, first: u64) -> bool {
        let mut seen = false;
        let Some(case) = self.rows.case_number(first) else {
            return false;
        };
        // What is in force may be in a chunk that this does not have yet.
        self.rows
            .for_current(&self.rows.chunks(), case, |chunk, at| {
                seen |= plan.viewer().see(chunk, at);
            });
        seen
    }

    pub(super) fn place(&self, row: u32) -> Option<Place<'_>> {
        let (chunk, at) = place(row);
        Some((self.chunks.get(chunk)?, at))
    }
}

impl News {
    /// Whether it is news for somebody who wants these kinds.
    pub(super) fn is_for(&self, kinds: Kinds) -> bool {
        (self.selected || self.selected_before) && (kinds.has(self.kind) || self.appeared)
    }
}

impl Seen<'_> {
    /// Whether the statement leaves the case's row as it was: many do, or begin them.
    pub(super) fn stays(&self) -> bool {
        let (after, at) = self.after;
        let is_after = |(chunk, row): Place<'_>| std::ptr::eq(chunk, after) && row == at;
        self.before.is_some_and(is_after)
    }
}

impl Eyes {
    fn see(self, chunk: &Chunk, at: usize) -> bool {
        chunk.is_seen(self.agency, at)
            && (!self.own_only || chunk.word(Word::Owner, at) == self.agency)
    }
}

impl Plan {
    /// Who asks.
    pub(super) fn viewer(&self) -> Eyes {
        Eyes {
            agency: self.conditions.agency,
            own_only: self.conditions.own_only,
        }
    }
}
