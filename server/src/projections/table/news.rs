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
        let is_news =
            (news.selected || news.selected_before) && (kinds.has(news.kind) || news.appeared);
        is_news.then_some(news)
    }

    /// What a statement is for a plan's viewer, selected or not; `None` if the viewer could not see it when it was said.
    pub fn as_seen(&self, plan: &Plan, change: &Change) -> Option<News> {
        let seen = |rows: &[u32]| {
            let mut places = rows.iter().filter_map(|row| self.place(*row));
            places.find(|(chunk, at)| plan.sees(chunk, *at))
        };
        let (after, at) = seen(&change.after)?;
        let before = seen(&change.before);
        let kind = change.said.kind;
        // A retraction is for everybody who may see the case.
        let may_see = kind == StatementKind::Retraction
            || self
                .rows
                .said
                .reads(change.said.readers, plan.conditions.agency);
        if !may_see {
            return None;
        }
        let selects = |chunk: &Chunk, at| plan.selects(self.rows, chunk, at, &self.items);
        let selected = selects(after, at);
        // Many statements leave rows as they are, or begin them.
        let selected_before = match before {
            None => false,
            Some((chunk, before)) if std::ptr::eq(chunk, after) && before == at => selected,
            Some((chunk, before)) => selects(chunk, before),
        };
        Some(News {
            position: change.position,
            case: self.rows.firsts.get(change.said.case),
            kind,
            appeared: before.is_none(),
            selected_before,
            selected,
            status_before: before.map_or(CaseStatus::Unspecified, |(c, at)| status(c, at)),
            status: status(after, at),
            retracted: after.set(Set::Retracted).get(at),
        })
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
        self.rows.for_current(&self.rows.chunks(), case, |chunk, at| {
            seen |= plan.sees(chunk, at);
        });
        seen
    }

    pub(super) fn place(&self, row: u32) -> Option<(&Chunk, usize)> {
        let (chunk, at) = place(row);
        Some((self.chunks.get(chunk)?, at))
    }
}

impl Plan {
    /// Whether its viewer may see a row.
    pub(super) fn sees(&self, chunk: &Chunk, at: usize) -> bool {
        chunk.is_seen(self.conditions.agency, at)
            && (!self.conditions.own_only || chunk.word(Word::Owner, at) == self.conditions.agency)
    }
}
