//! All subscriptions, and what can be done with one.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicU64},
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::rand;
use casebroker_proto::{
    errors::Violation,
    names::{AgencyName, SubscriptionName},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    content::{Content, ContentError},
    definition::{define, says_the_same},
    ledger::{Change, Ledger},
    matcher::{MakePlan, Matcher},
    outbox::Outbox,
    subscribed::{Definition, Subscribed},
    use_clock::UseClock,
};
use crate::{
    config,
    projections::{
        CaseReader, History,
        table::{Plan, Table},
    },
    scans::Scans,
    transparency::Receipts,
};

/// How often it is looked for what is not used any more.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// How long a subscription without consumers is still held against new statements, seconds.
const LINGER: i64 = 60;

/// Why something cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// There is no such subscription.
    #[error("there is no subscription `{0}`")]
    NotFound(SubscriptionName),
    /// There is one of that name, with other content.
    #[error("`{0}` is there already, with other content")]
    Exists(SubscriptionName),
    /// Another update came between.
    #[error("`{0}` was changed by another request at the same time")]
    Changed(SubscriptionName),
    /// Too many.
    #[error("there are {0} subscriptions, as many as there may be")]
    TooMany(usize),
    /// The broker ends.
    #[error("the broker is stopping")]
    Stopping,
}

/// What the room is given.
#[derive(Debug)]
pub struct Given {
    /// Folder of the ledger.
    pub dir: PathBuf,
    /// Size of the log.
    pub log_size: u64,
    /// Limits.
    pub config: config::Delivery,
    /// The table that it follows.
    pub table: Arc<Table>,
    /// Cases.
    pub cases: CaseReader,
    /// Receipts.
    pub receipts: Receipts,
    /// Where it reads what is behind.
    pub scans: Arc<Scans>,
}

/// All subscriptions.
pub struct Deliveries {
    pub(super) given: Given,
    pub(super) matcher: Arc<Matcher>,
    pub(super) make_plan: MakePlan,
    pub(super) content: Content,
    ledger: Ledger,
    clock: UseClock,
    by_name: RwLock<BTreeMap<SubscriptionName, Arc<Subscribed>>>,
    /// Those whose cursors moved since the ledger asked.
    moved: Arc<Mutex<Vec<Arc<Subscribed>>>>,
    pub(super) last_consumer: AtomicU64,
    pub(super) stopping: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Deliveries {
    /// Opens the ledger and goes on where it says. Filters are understood as the registry is now.
    pub fn start(given: Given, known: &History) -> io::Result<Arc<Self>> {
        let (ledger, opened) = Ledger::open(&given.dir)?;
        if let Some((copy, bytes)) = opened.cut {
            tracing::warn!(bytes, copy = %copy.display(), "the end of the subscriptions' ledger could not be read, as a crash leaves it: some may be delivered again");
        }
        let (clock, offline) = UseClock::start(&given.dir)?;
        clock.note_alive()?;
        let first_lease = first_lease();
        let mut by_name = BTreeMap::new();
        for mut line in opened.lines {
            if line.kept.set_back(given.log_size) {
                tracing::warn!(
                    name = line.subscription.name,
                    log_size = given.log_size,
                    "a subscription's cursor was beyond the end of the log, which is older than the ledger; it was set back to the end"
                );
            }
            let definition = match define(&line.subscription, known) {
                Ok(definition) => definition,
                Err(violations) => {
                    let (name, why) = (&line.subscription.name, first(&violations));
                    tracing::error!(
                        name,
                        why,
                        "a subscription cannot be understood any more and is not served; it stays in the ledger"
                    );
                    continue;
                }
            };
            let (settings, now) = (&definition.settings, Instant::now());
            let outbox = Outbox::restore(line.kept, first_lease, settings, now);
            let last_use = clock.moved_on(line.last_use, offline);
            let subscribed = Subscribed::new(line.id, definition, outbox, last_use);
            by_name.insert(subscribed.name.clone(), Arc::new(subscribed));
        }
        tracing::info!(subscriptions = by_name.len(), "subscriptions loaded");
        let matcher = Arc::new(Matcher::new(given.table.position()));
        let moved: Arc<Mutex<Vec<Arc<Subscribed>>>> = Arc::default();
        let gather = {
            let (moved, matcher) = (Arc::clone(&moved), Arc::clone(&matcher));
            move || {
                // Before the cursors are read: who has caught up has looked at everything before this.
                let looked_at = matcher.looked_at();
                let moved =
                    std::mem::take(&mut *moved.lock().unwrap_or_else(PoisonError::into_inner));
                moved
                    .iter()
                    .filter(|subscribed| !subscribed.has_ended())
                    .map(|subscribed| subscribed.moved(looked_at))
                    .collect()
            }
        };
        let every = Duration::from_millis(given.config.sync_ms);
        let ledger = ledger.start(every, Box::new(gather))?;
        let make_plan: MakePlan = {
            let (table, cases) = (Arc::clone(&given.table), given.cases.clone());
            Arc::new(move |subscribed: &Subscribed| subscribed.definition().plan(&table, &cases))
        };
        let stopping = CancellationToken::new();
        let thread = Arc::clone(&matcher).start(
            Arc::clone(&given.table),
            Arc::clone(&make_plan),
            stopping.clone(),
        )?;
        let deliveries = Arc::new(Self {
            content: Content::new(given.cases.clone(), given.receipts.clone()),
            matcher,
            make_plan,
            ledger,
            clock,
            by_name: RwLock::new(by_name),
            moved,
            last_consumer: AtomicU64::new(0),
            stopping,
            thread: Mutex::new(Some(thread)),
            given,
        });
        tokio::spawn(Arc::clone(&deliveries).keep_house());
        tokio::spawn(Arc::clone(&deliveries).lapse());
        Ok(deliveries)
    }

    /// A subscription.
    pub fn get(&self, name: &SubscriptionName) -> Result<Arc<Subscribed>, DeliveryError> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let found = by_name.get(name).map(Arc::clone);
        found.ok_or_else(|| DeliveryError::NotFound(name.clone()))
    }

    /// Subscriptions of an agency whose ids come after one, in order; at most so many.
    pub fn list(&self, agency: &AgencyName, after: &str, limit: usize) -> Vec<Arc<Subscribed>> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let of_agency = by_name.iter().filter(|(name, _)| name.agency() == agency);
        let rest = of_agency.filter(|(name, _)| name.subscription_id() > after);
        rest.take(limit).map(|(_, of)| Arc::clone(of)).collect()
    }

    /// Makes a subscription that begins at a position; durable when this answers. One of the same content that is there is answered.
    pub async fn create(
        &self,
        definition: Definition,
        next: u64,
    ) -> Result<Arc<Subscribed>, DeliveryError> {
        let name = definition.settings.name.clone();
        let subscribed = {
            let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = by_name.get(&name) {
                return match says_the_same(&known.definition(), &definition) {
                    true => Ok(Arc::clone(known)),
                    false => Err(DeliveryError::Exists(name)),
                };
            }
            let of_agency = by_name
                .keys()
                .filter(|other| other.agency() == name.agency());
            for (count, most) in [
                (
                    of_agency.count(),
                    self.given.config.subscriptions_per_agency,
                ),
                (by_name.len(), self.given.config.subscriptions),
            ] {
                if count >= most {
                    return Err(DeliveryError::TooMany(count));
                }
            }
            let outbox = Outbox::new(next, first_lease(), definition.settings.ordered);
            let now = self.clock.now();
            let subscribed = Subscribed::new(new_id(), definition, outbox, now);
            let subscribed = Arc::new(subscribed);
            by_name.insert(name, Arc::clone(&subscribed));
            subscribed
        };
        self.write(Change::Put(Box::new(subscribed.line()))).await?;
        Ok(subscribed)
    }

    /// Makes a subscription another one, if it is still as it was before; durable when this answers. What is under way stays.
    pub async fn update(
        &self,
        subscribed: &Arc<Subscribed>,
        before: &Arc<Definition>,
        definition: Definition,
    ) -> Result<(), DeliveryError> {
        let _updating = subscribed.updating.lock().await;
        let subscription = Box::new(definition.subscription.clone());
        // From here on it reads by itself, with the new filter.
        let is_changed = self.matcher.leave_and(subscribed, |outbox| {
            if !Arc::ptr_eq(before, &subscribed.definition()) {
                return false;
            }
            let other_filter = definition.selection != before.selection
                || definition.words != before.words
                || definition.settings.kinds != before.settings.kinds;
            outbox.apply(&definition.settings, (Instant::now(), now()));
            if other_filter {
                outbox.begin_history();
            }
            subscribed.redefine(definition);
            true
        });
        // Before the change is written: its cursor goes to disk with it, or has been there.
        note_moved(&self.moved, subscribed);
        subscribed.wake.notify_one();
        if !is_changed {
            return Err(DeliveryError::Changed(subscribed.name.clone()));
        }
        let id = subscribed.id;
        self.write(Change::Redefined { id, subscription }).await
    }

    /// Ends a subscription; durable when this answers.
    pub async fn delete(&self, subscribed: &Arc<Subscribed>) -> Result<(), DeliveryError> {
        let removed = {
            let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            by_name.remove(&subscribed.name)
        };
        if removed.is_none() {
            return Err(DeliveryError::NotFound(subscribed.name.clone()));
        }
        self.matcher.leave(subscribed);
        subscribed.end();
        self.write(Change::Ended(subscribed.id)).await
    }

    /// Moves a subscription; durable when this answers.
    pub async fn seek(&self, subscribed: &Arc<Subscribed>, next: u64) -> Result<(), DeliveryError> {
        self.matcher
            .leave_and(subscribed, |outbox| outbox.seek(next));
        self.used(subscribed);
        subscribed.wake.notify_one();
        self.settle().await
    }

    /// Waits until every cursor is durable as it is now.
    pub async fn settle(&self) -> Result<(), DeliveryError> {
        match self.ledger.settle().await {
            true => Ok(()),
            false => Err(DeliveryError::Stopping),
        }
    }

    /// The name of the case of a position, if the subscriber may see it now. Blocks on the disk.
    pub fn case_of(&self, subscribed: &Subscribed, position: u64) -> Result<String, ContentError> {
        self.content.case_of(&subscribed.definition(), position)
    }

    /// A plan of a subscription as of now.
    pub fn plan(&self, subscribed: &Subscribed) -> Plan {
        (self.make_plan)(subscribed)
    }

    /// Where it is, with what was looked at for it meanwhile.
    pub fn next(&self, subscribed: &Subscribed) -> u64 {
        let looked_at = self.matcher.looked_at();
        let inner = subscribed.lock();
        match (inner.slot, inner.missed) {
            (Some(_), None) => looked_at.max(inner.outbox.next()),
            _ => inner.outbox.next(),
        }
    }

    /// Writes every cursor and ends the threads. Blocks.
    pub fn stop(&self) {
        self.stopping.cancel();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
        self.ledger.stop();
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Subscribed>> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.values().map(Arc::clone).collect()
    }

    /// Notes that the cursor of a subscription may have moved, though nobody used it.
    pub(super) fn note_moved(&self, subscribed: &Arc<Subscribed>) {
        note_moved(&self.moved, subscribed);
    }

    /// Notes that somebody used a subscription and that its cursor may have moved.
    pub(super) fn used(&self, subscribed: &Arc<Subscribed>) {
        subscribed.used(self.clock.now());
        note_moved(&self.moved, subscribed);
    }

    async fn write(&self, change: Change) -> Result<(), DeliveryError> {
        match self.ledger.write(change).await {
            true => Ok(()),
            false => Err(DeliveryError::Stopping),
        }
    }

    async fn keep_house(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = tokio::time::sleep(HOUSEKEEPING) => {}
            }
            if let Err(error) = self.clock.note_alive() {
                tracing::warn!(%error, "it could not be noted that the broker serves; the next start counts this time as disuse of no subscription");
            }
            let now = self.clock.now();
            for subscribed in self.all() {
                let (has_consumers, has_caught_up) = {
                    let inner = subscribed.lock();
                    (inner.outbox.consumers() > 0, inner.slot.is_some())
                };
                let idle = now.saturating_sub(subscribed.last_use());
                let most = subscribed.definition().settings.expire_after.as_secs();
                if has_consumers {
                    self.used(&subscribed);
                } else if idle > i64::try_from(most).unwrap_or(i64::MAX) {
                    tracing::warn!(
                        name = %subscribed.name, idle_s = idle, expire_after_s = most,
                        "this subscription was not used for as long as it says; it is deleted with its cursor"
                    );
                    drop(self.delete(&subscribed).await);
                } else if has_caught_up && idle > LINGER {
                    self.matcher.leave(&subscribed);
                    note_moved(&self.moved, &subscribed);
                }
            }
        }
    }
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliveries")
            .field("matcher", &self.matcher)
            .finish_non_exhaustive()
    }
}

fn note_moved(moved: &Mutex<Vec<Arc<Subscribed>>>, subscribed: &Arc<Subscribed>) {
    if subscribed.touch() {
        let mut moved = moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.push(Arc::clone(subscribed));
    }
}

fn first(violations: &[Violation]) -> String {
    let first = violations.first();
    first.map_or_else(String::new, |v| format!("{} {}", v.field, v.description))
}

/// Attempts are numbered from the clock on, in microseconds, so that no number is used again after a restart.
fn first_lease() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(0)
}

fn new_id() -> u64 {
    let mut bytes = [0; 8];
    match rand::fill(&mut bytes) {
        Ok(()) => u64::from_be_bytes(bytes),
        // Without random numbers nothing else works either.
        Err(_) => first_lease(),
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
