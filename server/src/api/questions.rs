//! What lists, counts and trends have in common: the filter, the position of the answer, and the time that it may take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use casebroker_proto::{
    errors::Reason,
    filter::{Compiled, Selection, check_occurring, compile},
    v1::{CaseFilter, FilterTerm},
};
use prost_types::Timestamp;
use time::OffsetDateTime;
use tonic::Status;

use super::{Rooms, status};
use crate::{
    identity::Caller,
    policy::{Viewer, viewer},
    projections::{
        table::{AsOf, OfViewer, Plan, Texts},
        text::{TextError, TextQuery},
    },
};

/// How far a caller's clock may be ahead, seconds.
const CLOCK_AHEAD: i64 = 300;

/// When a question is about, as a request says it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct When {
    pub(super) min_position: u64,
    pub(super) position: u64,
    pub(super) time: Option<Timestamp>,
    /// Position that the page before was of.
    pub(super) page: Option<u64>,
}

/// A question that can be answered.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) viewer: Viewer,
    pub(super) filter: CaseFilter,
    pub(super) selection: Selection,
    pub(super) words: Option<TextQuery>,
    pub(super) as_of: AsOf,
    pub(super) understood: Vec<FilterTerm>,
    pub(super) tree_size: u64,
}

impl Question {
    /// A plan for it.
    pub(super) fn plan(&self, rooms: &Rooms, patience: &Patience) -> Result<Plan, Status> {
        self.plan_of(rooms, &self.selection, patience)
    }

    /// A plan for the same with another selection. Looks its words up.
    pub(super) fn plan_of(
        &self,
        rooms: &Rooms,
        selection: &Selection,
        patience: &Patience,
    ) -> Result<Plan, Status> {
        let found = self.words.as_ref().map(|words| {
            let found = rooms.text.search(words, &|| patience.is_over())?;
            // It goes back if it had to be made again.
            if found.as_of < self.as_of.position {
                return Err(TextError::Unavailable);
            }
            Ok(Arc::new(move |position| found.contains(position)) as Texts)
        });
        let found = found.transpose().map_err(|error| match error {
            TextError::Cancelled => given_up(),
            _ => rooms.behind("text", rooms.text.position(), self.as_of.position),
        })?;
        Ok(Plan::new(
            rooms.table.rows(),
            &self.viewer,
            selection,
            found,
        ))
    }

    /// Whether it is answered by a look-up.
    fn is_keyed(&self) -> bool {
        let Selection {
            identifiers,
            digests,
            ..
        } = &self.selection;
        !identifiers.is_empty() || !digests.is_empty()
    }
}

/// Says to the work that nobody waits for it any more, or that it took too long.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    gone: Arc<AtomicBool>,
    until: Instant,
}

/// Dropped with the call.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Patience {
    /// Whether to give up.
    pub(super) fn is_over(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || Instant::now() > self.until
    }
}

/// The status of a question that was given up; if the caller went away nobody reads it.
pub(super) fn given_up() -> Status {
    status::refuse(
        Reason::QueryTooLarge,
        "the question took longer than one may take",
    )
}

impl Rooms {
    /// Understands a filter and waits until what it needs has reached the position asked for.
    pub(super) async fn question(
        &self,
        caller: &Caller,
        filter: Option<CaseFilter>,
        when: When,
    ) -> Result<Question, Status> {
        let filter = filter.unwrap_or_default();
        let compiled = compile(&filter, "filter", &*self.membership.now());
        let Compiled {
            selection,
            understood,
        } = compiled.map_err(|violations| status::invalid_fields(&violations))?;
        let asked = self.asked(caller, when).await?;
        let newest = self.cases.as_of(when.min_position)?;
        let wanted = asked.unwrap_or(0).max(when.min_position);
        let wait = Duration::from_millis(self.limits_of_table.wait_ms);
        self.table_reaches(wanted).await?;
        let words = selection.text.as_deref().map(TextQuery::parse).transpose();
        let words = words.map_err(|e| status::invalid_field("filter.text", e))?;
        let mut position = asked.unwrap_or_else(|| self.table.position());
        if words.is_some() {
            self.text_reaches(wanted, wait).await?;
            // What the index has not seen yet is left out of the whole answer.
            if asked.is_none() {
                position = position.min(self.text.position());
            }
        }
        let question = Question {
            viewer: viewer(&caller.principal),
            filter,
            selection,
            words,
            as_of: AsOf {
                position,
                asked: asked.is_some(),
            },
            understood,
            tree_size: newest,
        };
        Ok(question)
    }

    /// Waits until the table has every entry before a position, and with it which cases share what.
    pub(super) async fn table_reaches(&self, wanted: u64) -> Result<(), Status> {
        let wait = Duration::from_millis(self.limits_of_table.wait_ms);
        match self.table.reach(wanted, wait).await {
            true => Ok(()),
            false => Err(self.behind("table", self.table.position(), wanted)),
        }
    }

    /// Waits until the text index has every entry before a position; an answer without one is as of where it is.
    async fn text_reaches(&self, wanted: u64, wait: Duration) -> Result<(), Status> {
        let mut follow = self.text.positions();
        let reached = async {
            // There is no point in waiting for one that is being built.
            !self.text.rebuilding() && follow.wait_for(|at| *at >= wanted).await.is_ok()
        };
        match tokio::time::timeout(wait, reached).await {
            Ok(true) => Ok(()),
            _ => Err(self.behind("text", self.text.position(), wanted)),
        }
    }

    /// The position that was asked for, if any was.
    async fn asked(&self, caller: &Caller, when: When) -> Result<Option<u64>, Status> {
        if let Some(page) = when.page {
            self.cases.as_of(page)?;
            return Ok(Some(page));
        }
        match (when.position, when.time) {
            (0, None) => Ok(None),
            (0, Some(time)) => {
                let now = OffsetDateTime::now_utc().unix_timestamp();
                if time.seconds > now + CLOCK_AHEAD {
                    let problem = "is in the future; the record of then is not known";
                    return Err(status::invalid_field("as_of_time", problem));
                }
                let found = move |rooms: &Self| Ok(rooms.cases.position_at(time)?);
                self.read(caller.clone(), found).await.map(Some)
            }
            (position, None) => {
                self.cases.as_of(position)?;
                Ok(Some(position))
            }
            (_, Some(_)) => {
                let problem = "is given beside as_of_position; give one of them";
                Err(status::invalid_field("as_of_time", problem))
            }
        }
    }

    /// Does work that a question needs: a look-up at once, anything else where it does not keep others waiting.
    pub(super) async fn answer<T: Send + 'static>(
        &self,
        caller: &Caller,
        question: Arc<Question>,
        work: impl FnOnce(&Self, &Question, &Patience) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let gone = Arc::<AtomicBool>::default();
        let _gone = Gone(Arc::clone(&gone));
        let limit = Duration::from_millis(self.limits_of_table.query_ms);
        let occurring = move |rooms: &Self, question: &Question, patience: &Patience| {
            let of_viewer = OfViewer {
                rows: rooms.table.rows(),
                viewer: &question.viewer,
                as_of: question.as_of,
            };
            match check_occurring(&question.filter, "filter", &of_viewer).as_slice() {
                [] => work(rooms, question, patience),
                violations => Err(status::invalid_fields(violations)),
            }
        };
        if question.is_keyed() {
            let work = move |rooms: &Self| {
                let until = Instant::now() + limit;
                occurring(rooms, &question, &Patience { gone, until })
            };
            return self.read(caller.clone(), work).await;
        }
        let _share = self.quotas.scan(&caller.principal.agency).await;
        self.scan(move |rooms| {
            let until = Instant::now() + limit;
            occurring(rooms, &question, &Patience { gone, until })
        })
        .await
    }

    /// A projection that has not come far enough.
    pub(super) fn behind(&self, projection: &str, position: u64, wanted: u64) -> Status {
        let wanted = wanted.max(self.table.start_position());
        status::behind(projection, position, wanted)
    }
}
