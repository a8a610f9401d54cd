//! What one subscription still has to deliver, and what is out with its consumers. Pure: it is told the time.
//!
//! Everything before `next` was looked at. What of it was selected and is not dealt with is *open*, and nothing else is remembered of
//! it: so what a cursor says is `next` and the open positions, and its size does not grow with what was acknowledged out of order.
//! What was selected lies in a queue, *ahead*, until a consumer has room for it; then it is open. An open position is ready, or waits for
//! its time, or is out with a consumer, or, where a case is delivered in order, held behind another one of its case.

mod dead;
mod keeping;
mod leases;
mod terms;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use super::passed::Passed;
pub use terms::{Consumer, Counts, Dead, GivenBack, Kept, KeptOpen, Progress, Taken};

/// Most positions that are open and not out: read ahead of the consumers.
pub const AHEAD: usize = 1_024;

/// A consumer of a subscription, by a number that is never used again.
pub type ConsumerId = u64;

/// What a subscription has open, and its dead letters.
#[derive(Debug)]
pub struct Outbox {
    next: u64,
    /// Selected and never looked at since, each with its case: behind all that is open. Most of it is never touched while it waits.
    ahead: VecDeque<(u64, u64)>,
    open: BTreeMap<u64, Open>,
    ready: BTreeSet<u64>,
    /// What waits, by its time.
    later: BTreeSet<(Instant, u64)>,
    /// What is out, by its deadline.
    out: BTreeSet<(Instant, u64)>,
    /// What is open by case, of which the first may be delivered. Empty unless cases are ordered.
    cases: BTreeSet<(u64, u64)>,
    consumers: HashMap<ConsumerId, Consumer>,
    dead: BTreeMap<u64, Dead>,
    dropped: BTreeSet<u64>,
    passed: Passed,
    /// Number of the last attempt at a delivery; it only grows, also over restarts.
    last_lease: u64,
    /// Attempts up to this one were made before the subscription was moved.
    moved_at: u64,
    /// How often it was moved since the broker started.
    moves: u64,
}

#[derive(Debug)]
struct Open {
    case: u64,
    attempts: u32,
    state: State,
    /// The last that a consumer gave.
    reason: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Held,
    Later(Instant),
    Out {
        deadline: Instant,
        lease: u64,
        consumer: ConsumerId,
        bytes: u64,
    },
}

impl Outbox {
    /// One that begins at a position. `first_lease` is beyond all of earlier runs.
    pub fn new(next: u64, first_lease: u64) -> Self {
        Self {
            next,
            ahead: VecDeque::new(),
            open: BTreeMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            out: BTreeSet::new(),
            cases: BTreeSet::new(),
            consumers: HashMap::new(),
            dead: BTreeMap::new(),
            dropped: BTreeSet::new(),
            passed: Passed::from(next),
            last_lease: first_lease,
            moved_at: 0,
            moves: 0,
        }
    }

    /// Everything before this was looked at.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether there is no room for more that is not out.
    pub fn is_full(&self) -> bool {
        self.not_out() >= AHEAD
    }

    /// Whether there is room for many more.
    pub fn is_low(&self) -> bool {
        self.not_out() < AHEAD / 2
    }

    fn not_out(&self) -> usize {
        self.ahead.len() + self.open.len() - self.out.len()
    }

    /// Says that everything before a position was looked at.
    pub fn advance(&mut self, next: u64) {
        if next > self.next {
            self.passed.advance(self.next, next);
            self.next = next;
        }
    }

    /// Takes a selected position in, of the case that begins at another. What was looked at before is not taken again.
    pub fn offer(&mut self, position: u64, case: u64) {
        if position >= self.next {
            self.advance(position + 1);
            self.ahead.push_back((position, case));
        }
    }

    /// When [`Self::expire`] has something to do next.
    pub fn wakes_at(&self) -> Option<Instant> {
        let times = [self.out.first(), self.later.first()];
        times.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Whether something can be delivered.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.ahead.is_empty()
    }

    /// Moves to another position: nothing is open any more.
    pub fn seek(&mut self, next: u64) {
        self.ahead.clear();
        self.open.clear();
        self.ready.clear();
        self.later.clear();
        self.out.clear();
        self.cases.clear();
        for consumer in self.consumers.values_mut() {
            (consumer.messages, consumer.bytes) = (0, 0);
        }
        self.next = next;
        self.passed.jump(next);
        self.moved_at = self.last_lease;
        self.moves += 1;
    }

    /// How often it was moved: whoever reads on for it begins again when that changes.
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// Forgets what was worked through: the filter is another one.
    pub fn begin_history(&mut self, ordered: bool) {
        self.passed = Passed::from(self.next);
        // It was selected by the filter before, and is not found again.
        while self.open_next(ordered) {}
        self.dropped.clear();
    }

    /// How much of what there is.
    pub fn counts(&self) -> Counts {
        let out = self.out.len();
        let waiting = self.open.values();
        let waiting = waiting.filter(|o| o.attempts > 0 && !matches!(o.state, State::Out { .. }));
        let waiting = waiting.count();
        let first_ahead = self.ahead.front().map(|(position, _)| position);
        Counts {
            out,
            waiting,
            fresh: self.not_out() - waiting,
            dead: self.dead.len(),
            oldest: self.open.keys().next().or(first_ahead).copied(),
        }
    }

    /// How many consumers there are.
    pub fn consumers(&self) -> usize {
        self.consumers.len()
    }

    fn put(&mut self, position: u64, case: u64, attempts: u32, ordered: bool) {
        let mut state = State::Ready;
        if ordered {
            self.cases.insert((case, position));
            if self.first_of(case) != Some(position) {
                state = State::Held;
            }
        }
        if state == State::Ready {
            self.ready.insert(position);
        }
        let open = Open {
            case,
            attempts,
            state,
            reason: Box::default(),
        };
        self.open.insert(position, open);
    }

    /// Opens what was read ahead, one position; false if there is none.
    fn open_next(&mut self, ordered: bool) -> bool {
        let next = self.ahead.pop_front();
        if let Some((position, case)) = next {
            self.put(position, case, 0, ordered);
        }
        next.is_some()
    }

    /// Where a position is in what was read ahead.
    fn place_ahead(&self, position: u64) -> Option<usize> {
        let found = self.ahead.binary_search_by_key(&position, |(at, _)| *at);
        found.ok()
    }

    fn lease_of(&self, position: u64) -> Option<u64> {
        match self.open.get(&position)?.state {
            State::Out { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// Takes a position out of whatever it is in.
    fn recall(&mut self, position: u64) {
        let Some(open) = self.open.get_mut(&position) else {
            return;
        };
        match std::mem::replace(&mut open.state, State::Held) {
            State::Ready => {
                self.ready.remove(&position);
            }
            State::Later(due) => {
                self.later.remove(&(due, position));
            }
            State::Out {
                deadline,
                consumer,
                bytes,
                ..
            } => {
                self.out.remove(&(deadline, position));
                if let Some(consumer) = self.consumers.get_mut(&consumer) {
                    consumer.messages = consumer.messages.saturating_sub(1);
                    consumer.bytes = consumer.bytes.saturating_sub(bytes);
                }
            }
            State::Held => {}
        }
    }

    fn make_ready(&mut self, position: u64) {
        if let Some(open) = self.open.get_mut(&position) {
            open.state = State::Ready;
            self.ready.insert(position);
        }
    }

    /// Closes a position; the next one of its case may come.
    fn settle(&mut self, position: u64) {
        self.recall(position);
        let Some(open) = self.open.remove(&position) else {
            return;
        };
        let was_first = self.first_of(open.case) == Some(position);
        if self.cases.remove(&(open.case, position))
            && was_first
            && let Some(first) = self.first_of(open.case)
        {
            self.make_ready(first);
        }
    }

    /// The first that is open of a case, where cases are ordered.
    fn first_of(&self, case: u64) -> Option<u64> {
        let mut of_case = self.cases.range((case, 0)..=(case, u64::MAX));
        of_case.next().map(|(_, position)| *position)
    }
}

#[cfg(test)]
mod tests;
