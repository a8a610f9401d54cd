//! One subscription while the broker runs.

use std::{
    ops::Range,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use casebroker_proto::{filter::Selection, names::SubscriptionName, subscription::Settings, v1};
use tokio::sync::Notify;

use super::{
    ledger::{Change, Line},
    outbox::Outbox,
    sync::{Mutex, MutexGuard},
};
use crate::{
    policy::Viewer,
    projections::{
        CaseReader, Statement,
        table::{News, Plan, Table, Texts},
        text::TextQuery,
    },
};

/// A subscription.
#[derive(Debug)]
pub struct Subscribed {
    /// Its number, never used again.
    pub id: u64,
    /// Its name.
    pub name: SubscriptionName,
    definition: ArcSwap<Definition>,
    /// Held by an update until it is durable, so that the ledger gets updates in the order in which they were made.
    pub updating: tokio::sync::Mutex<()>,
    inner: Mutex<Inner>,
    /// Told when something can be delivered, to one consumer; who takes tells the next if there is more.
    pub wake: Notify,
    /// Its cursor is not in the ledger as it is.
    is_dirty: AtomicBool,
    last_use: AtomicI64,
    has_ended: AtomicBool,
    /// What was done since the broker started.
    pub tally: Tally,
}

/// Numbers since the broker started.
#[derive(Debug, Default)]
pub struct Tally {
    /// Deliveries.
    pub delivered: AtomicU64,
    /// Deliveries that were not the first attempt.
    pub redelivered: AtomicU64,
    /// Acknowledgements.
    pub acknowledged: AtomicU64,
}

/// What a subscription is.
#[derive(Debug)]
pub struct Definition {
    /// As the contract shows it.
    pub subscription: v1::Subscription,
    /// Its rules.
    pub settings: Settings,
    /// What it selects.
    pub selection: Selection,
    /// Words that must stand in the report.
    pub words: Option<TextQuery>,
    /// Who it sees as.
    pub viewer: Viewer,
}

/// What changes with every delivery.
#[derive(Debug)]
pub struct Inner {
    /// What is open.
    pub outbox: Outbox,
    /// Where it stands among the filters that new statements are held against; `None` while it has to catch up by itself.
    pub slot: Option<usize>,
    /// The first selected statement that there was no room for, until it is taken out of those filters.
    pub missed: Option<u64>,
    /// Somebody is reading on for it.
    pub is_filling: bool,
}

impl Definition {
    /// A plan for it. Numbers of names are those that the table has now; words are looked for in the report itself.
    pub fn plan(&self, table: &Table, cases: &CaseReader) -> Plan {
        let texts = self.words.clone().map(|words| -> Texts {
            let cases = cases.clone();
            Arc::new(move |position| {
                let said = cases.statement(position).ok().flatten();
                let report = said.as_ref().and_then(Statement::report);
                report.is_some_and(|report| words.stands_in(report))
            })
        });
        Plan::new(table.rows(), &self.viewer, &self.selection, texts)
    }
}

impl Subscribed {
    /// One that begins, or goes on after a restart.
    pub fn new(id: u64, definition: Definition, outbox: Outbox, last_use: i64) -> Self {
        Self {
            id,
            name: definition.settings.name.clone(),
            definition: ArcSwap::from_pointee(definition),
            updating: tokio::sync::Mutex::new(()),
            inner: Mutex::new(Inner {
                outbox,
                slot: None,
                missed: None,
                is_filling: false,
            }),
            wake: Notify::new(),
            is_dirty: AtomicBool::new(false),
            last_use: AtomicI64::new(last_use),
            has_ended: AtomicBool::new(false),
            tally: Tally::default(),
        }
    }

    /// What it is now.
    pub fn definition(&self) -> Arc<Definition> {
        self.definition.load_full()
    }

    /// Makes it another one. Only while its outbox is locked: a scan compares the definition under that lock.
    pub fn redefine(&self, definition: Definition) {
        self.definition.store(Arc::new(definition));
    }

    /// What changes. Held for a short time, and never while anything is read.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a slice of what was recorded before `position`, under a definition, at most `most` positions. `find` calls with what is
    /// selected in a range until it is told to stop, and answers how far it came, or `None` if it gave up. If the subscription is moved or
    /// changed while that lasts, nothing more is taken in.
    pub fn scan(
        &self,
        definition: &Arc<Definition>,
        (position, most): (u64, u64),
        find: impl FnOnce(Range<u64>, &mut dyn FnMut(News) -> bool) -> Option<u64>,
    ) {
        let (from, moves) = {
            let inner = self.lock();
            (inner.outbox.next(), inner.outbox.moves())
        };
        let is_same = |outbox: &Outbox| {
            outbox.moves() == moves && Arc::ptr_eq(&self.definition(), definition)
        };
        let reached = find(from..position.min(from + most), &mut |news| {
            let mut inner = self.lock();
            if !is_same(&inner.outbox) {
                return false;
            }
            inner.outbox.offer(news.position, news.case);
            !inner.outbox.is_full()
        });
        let mut inner = self.lock();
        if let Some(reached) = reached
            && is_same(&inner.outbox)
        {
            inner.outbox.advance(reached);
        }
    }

    /// Notes that the cursor moved; true if that was not noted yet.
    pub fn touch(&self) -> bool {
        !self.is_dirty.swap(true, Ordering::AcqRel)
    }

    /// Notes that somebody used it.
    pub fn used(&self, now: i64) {
        self.last_use.store(now, Ordering::Relaxed);
    }

    /// When it was last used, seconds since 1970.
    pub fn last_use(&self) -> i64 {
        self.last_use.load(Ordering::Relaxed)
    }

    /// Ends it: consumers are told.
    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    /// Whether it was deleted.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Its cursor for the ledger, as it is now. `looked_at` is the position that new statements are held against filters from.
    pub fn moved(&self, looked_at: u64) -> Change {
        // First, so that what moves from here on is noted again.
        self.is_dirty.store(false, Ordering::Release);
        let mut inner = self.lock();
        if inner.slot.is_some() && inner.missed.is_none() {
            inner.outbox.advance(looked_at);
        }
        Change::Moved {
            id: self.id,
            kept: Box::new(inner.outbox.kept()),
            last_use: self.last_use(),
        }
    }

    /// All of it for the ledger.
    pub fn line(&self) -> Line {
        Line {
            id: self.id,
            subscription: self.definition().subscription.clone(),
            kept: self.lock().outbox.kept(),
            last_use: self.last_use(),
        }
    }
}
