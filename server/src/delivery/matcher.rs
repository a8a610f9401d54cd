//! The thread that holds new statements against the filters of all subscriptions that have caught up, once a statement.

use std::{
    sync::{Arc, PoisonError},
    thread::JoinHandle,
};

use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{
    outbox::Outbox,
    subscribed::{Definition, Inner, Subscribed},
    sync::{Mutex, MutexGuard},
};
use crate::{
    projections::table::{Filters, Plan, Rows, Table},
    vital,
};

/// Statements that are looked at before others get their turn at the filters.
const BATCH: u64 = 256;

/// The filters of subscriptions that have caught up, and how far the log was held against them.
#[derive(Debug)]
pub struct Matcher {
    filters: Mutex<Standing>,
    /// Everything before this was held against the filters.
    looked_at: watch::Sender<u64>,
}

/// Held while statements are looked at.
#[derive(Debug)]
pub struct Standing {
    filters: Filters<Arc<Subscribed>>,
    /// Subscriptions whose filters name something by numbers that may be given out later.
    volatile: Vec<Arc<Subscribed>>,
    /// How many names there were when their plans were made.
    names: u64,
}

/// Makes the plan of a subscription as of now.
pub type MakePlan = Arc<dyn Fn(&Subscribed) -> Plan + Send + Sync>;

impl Matcher {
    /// Begins with what is recorded from a position on.
    pub fn new(from: u64) -> Self {
        Self {
            filters: Mutex::new(Standing {
                filters: Filters::default(),
                volatile: Vec::new(),
                names: 0,
            }),
            looked_at: watch::Sender::new(from),
        }
    }

    /// Everything before this was held against the filters of all who have caught up.
    pub fn looked_at(&self) -> u64 {
        *self.looked_at.borrow()
    }

    /// Follows [`Self::looked_at`].
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.looked_at.subscribe()
    }

    /// Takes a subscription in that has looked at everything before the same position; false if that has moved on.
    pub fn join(&self, subscribed: &Arc<Subscribed>, make_plan: &MakePlan) -> bool {
        let mut standing = self.lock();
        // Made under the lock, so that it knows every name of what was looked at.
        let (plan, definition) = (Arc::new(make_plan(subscribed)), subscribed.definition());
        let mut inner = subscribed.lock();
        if inner.slot.is_some() {
            return true;
        }
        if inner.outbox.next() != self.looked_at() || inner.outbox.is_full() {
            return false;
        }
        standing.keep_renewing(subscribed, &plan, &definition);
        inner.slot = Some(standing.add(plan, &definition, subscribed));
        true
    }

    /// Takes a subscription out: from here on it catches up by itself.
    pub fn leave(&self, subscribed: &Arc<Subscribed>) {
        self.leave_and(subscribed, |_| ());
    }

    /// Takes a subscription out and changes it in the same step. Between the two a scan that is at its end would put it in again: with the
    /// filter of before, or at a position that nothing was looked at for.
    pub fn leave_and<T>(
        &self,
        subscribed: &Arc<Subscribed>,
        change: impl FnOnce(&mut Outbox) -> T,
    ) -> T {
        let mut standing = self.lock();
        let mut inner = subscribed.lock();
        self.remove(&mut standing, subscribed, &mut inner);
        change(&mut inner.outbox)
    }

    fn remove(&self, standing: &mut Standing, subscribed: &Arc<Subscribed>, inner: &mut Inner) {
        let missed = inner.missed.take();
        if let Some(slot) = inner.slot.take() {
            standing.filters.remove(slot);
            standing
                .volatile
                .retain(|other| !Arc::ptr_eq(other, subscribed));
            inner
                .outbox
                .advance(missed.unwrap_or_else(|| self.looked_at()));
        }
    }

    /// Follows the table until told to stop.
    pub fn start(
        self: Arc<Self>,
        table: Arc<Table>,
        make_plan: MakePlan,
        stopping: CancellationToken,
    ) -> std::io::Result<JoinHandle<()>> {
        let handle = Handle::current();
        vital::spawn("matcher", move || {
            let mut positions = table.positions();
            loop {
                let position = *positions.borrow_and_update();
                while self.looked_at() < position && !stopping.is_cancelled() {
                    self.look(table.rows(), position, &make_plan);
                }
                if !handle.block_on(changed(&mut positions, &stopping)) {
                    return;
                }
            }
        })
    }

    fn look(&self, rows: &Rows, position: u64, make_plan: &MakePlan) {
        let mut standing = self.lock();
        let (from, to) = (self.looked_at(), position.min(self.looked_at() + BATCH));
        if standing.filters.count() == 0 {
            self.looked_at.send_replace(position);
            return;
        }
        self.renew(&mut standing, rows, make_plan);
        let reading = rows.reading();
        let mut full = Vec::new();
        for position in from..to {
            let Some(change) = reading.change(position) else {
                continue;
            };
            standing
                .filters
                .for_each(&reading, &change, |subscribed, news| {
                    let mut inner = subscribed.lock();
                    if inner.slot.is_none() || inner.missed.is_some() {
                        return;
                    }
                    if inner.outbox.is_full() {
                        // It goes on by itself when its consumers have made room.
                        inner.missed = Some(news.position);
                        full.push(Arc::clone(subscribed));
                        return;
                    }
                    inner.outbox.offer(news.position, news.case);
                    drop(inner);
                    // The ledger need not know: after a restart it is found again.
                    subscribed.wake.notify_one();
                });
        }
        self.looked_at.send_replace(to);
        for subscribed in full {
            self.remove(&mut standing, &subscribed, &mut subscribed.lock());
        }
    }

    /// Makes plans anew that name something the table has only numbered since.
    fn renew(&self, standing: &mut Standing, rows: &Rows, make_plan: &MakePlan) {
        let names = rows.names();
        if std::mem::replace(&mut standing.names, names) == names {
            return;
        }
        for subscribed in std::mem::take(&mut standing.volatile) {
            let (plan, definition) = (Arc::new(make_plan(&subscribed)), subscribed.definition());
            let mut inner = subscribed.lock();
            if let Some(slot) = inner.slot.take() {
                standing.filters.remove(slot);
                standing.keep_renewing(&subscribed, &plan, &definition);
                inner.slot = Some(standing.add(plan, &definition, &subscribed));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn add(
        &mut self,
        plan: Arc<Plan>,
        definition: &Definition,
        subscribed: &Arc<Subscribed>,
    ) -> usize {
        let kinds = definition.settings.kinds;
        self.filters.add(plan, kinds, Arc::clone(subscribed))
    }

    /// Remembers a subscription whose plan may be another one when the table knows more names.
    fn keep_renewing(
        &mut self,
        subscribed: &Arc<Subscribed>,
        plan: &Plan,
        definition: &Definition,
    ) {
        if plan.may_change(&definition.selection) {
            self.volatile.push(Arc::clone(subscribed));
        }
    }
}

async fn changed(positions: &mut watch::Receiver<u64>, stopping: &CancellationToken) -> bool {
    tokio::select! {
        () = stopping.cancelled() => false,
        changed = positions.changed() => changed.is_ok(),
    }
}

#[cfg(test)]
mod tests;
