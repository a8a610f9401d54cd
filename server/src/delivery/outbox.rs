//! What one subscription still has to deliver, and what is out with its consumers. Pure: it is told the time.
//!
//! Everything before `next` was looked at. What of it was selected and is not dealt with is *open*, and nothing else is remembered of
//! it: so what a cursor says is `next` and the open positions, and its size does not grow with what was acknowledged out of order.
//! What was selected lies in a queue, *ahead*, until a consumer has room for it; then it is open. An open position is ready, or waits for
//! its time, or is out with a consumer, or is blocked.
//!
//! Where cases are delivered in order, a case has at most one position that is ready, waits for its time or is out; the others are blocked.
//! If none is out it is the lowest that is open. A replayed dead letter may be lower than the one that is out: it is blocked until that one
//! is settled or given back, and comes next.

mod dead;
mod keeping;
mod leases;
mod terms;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use casebroker_proto::subscription::{MAX_DEAD_LETTERS, Settings};
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
    /// Whether the statements of a case are delivered one at a time, in the order of their positions.
    ordered: bool,
    /// What is open, by case. Empty unless cases are ordered.
    cases: BTreeSet<(u64, u64)>,
    /// How many positions of a case are out, if any. More than one only if they went out before cases were ordered. Empty unless cases
    /// are ordered.
    out_of_case: HashMap<u64, usize>,
    /// Replayed dead letters that lie beyond `next`, each with its case: the subscription was moved back. They open when `next` passes them.
    replays: BTreeMap<u64, u64>,
    consumers: HashMap<ConsumerId, Consumer>,
    dead: BTreeMap<u64, Dead>,
    /// Most dead letters.
    max_dead: usize,
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
    /// Not to be delivered now; later, and not before `due` if that is set.
    Blocked {
        due: Option<Instant>,
    },
    Later(Instant),
    Out {
        deadline: Instant,
        lease: u64,
        consumer: ConsumerId,
        bytes: u64,
    },
}

impl Open {
    /// Whether no further attempt may be made.
    fn is_used_up(&self, settings: &Settings) -> bool {
        settings
            .max_attempts
            .is_some_and(|most| self.attempts >= most)
    }
}

impl Outbox {
    /// One that begins at a position. `first_lease` is beyond all of earlier runs.
    pub fn new(next: u64, first_lease: u64, ordered: bool) -> Self {
        Self {
            next,
            ahead: VecDeque::new(),
            open: BTreeMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            out: BTreeSet::new(),
            ordered,
            cases: BTreeSet::new(),
            out_of_case: HashMap::new(),
            replays: BTreeMap::new(),
            consumers: HashMap::new(),
            dead: BTreeMap::new(),
            max_dead: MAX_DEAD_LETTERS,
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
            while let Some(entry) = self.replays.first_entry()
                && *entry.key() < next
            {
                let (position, case) = entry.remove_entry();
                self.put_in_order(position, case);
            }
        }
    }

    /// Takes a selected position in, of the case that begins at another. What was looked at before is not taken again.
    pub fn offer(&mut self, position: u64, case: u64) {
        if position >= self.next {
            let is_replayed = self.replays.contains_key(&position);
            self.advance(position + 1);
            if !is_replayed {
                self.ahead.push_back((position, case));
            }
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
        self.out_of_case.clear();
        self.replays.clear();
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
    pub fn begin_history(&mut self) {
        self.passed = Passed::from(self.next);
        // It was selected by the filter before, and is not found again.
        while self.open_next() {}
        self.dropped.clear();
    }

    /// Applies the settings of an update: order of cases, and a limit of attempts that may be lower.
    pub fn apply(&mut self, settings: &Settings, time: (Instant, i64)) {
        if self.ordered != settings.ordered {
            self.set_ordered(settings.ordered);
        }
        let used_up = self.open.iter().filter(|(_, open)| {
            open.is_used_up(settings) && !matches!(open.state, State::Out { .. })
        });
        for position in used_up.map(|(at, _)| *at).collect::<Vec<_>>() {
            self.recall(position);
            self.again(position, Some(Duration::ZERO), false, settings, time);
        }
    }

    fn set_ordered(&mut self, ordered: bool) {
        self.ordered = ordered;
        self.cases.clear();
        self.out_of_case.clear();
        let positions: Vec<(u64, u64)> = self.open.iter().map(|(at, o)| (*at, o.case)).collect();
        for (position, case) in &positions {
            if self.lease_of(*position).is_none() {
                self.recall(*position);
            } else if ordered {
                *self.out_of_case.entry(*case).or_default() += 1;
            }
            if ordered {
                self.cases.insert((*case, *position));
            }
        }
        for (position, _) in positions {
            self.unblock(position);
        }
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
            fresh: self.not_out() + self.replays.len() - waiting,
            dead: self.dead.len(),
            oldest: (self.open.keys().next().or(first_ahead))
                .or(self.replays.keys().next())
                .copied(),
        }
    }

    /// How many consumers there are.
    pub fn consumers(&self) -> usize {
        self.consumers.len()
    }

    /// Opens a position that is not open.
    fn put(&mut self, position: u64, case: u64, attempts: u32) {
        let open = Open {
            case,
            attempts,
            state: State::Blocked { due: None },
            reason: Box::default(),
        };
        self.open.insert(position, open);
        if self.ordered {
            let first = self.first_of(case);
            self.cases.insert((case, position));
            // The lowest comes first, unless another one is out.
            if let Some(first) = first
                && position < first
                && self.lease_of(first).is_none()
            {
                self.recall(first);
            }
        }
        self.unblock(position);
    }

    /// Opens a position that is not open, and what was read ahead before it: what is read ahead lies behind all that is open.
    fn put_in_order(&mut self, position: u64, case: u64) {
        while self.ahead.front().is_some_and(|(at, _)| *at < position) {
            self.open_next();
        }
        self.put(position, case, 0);
    }

    /// Opens what was read ahead, one position; false if there is none.
    fn open_next(&mut self) -> bool {
        let next = self.ahead.pop_front();
        if let Some((position, case)) = next {
            self.put(position, case, 0);
        }
        next.is_some()
    }

    /// Where a position is in what was read ahead.
    fn place_ahead(&self, position: u64) -> Option<usize> {
        let found = self.ahead.binary_search_by_key(&position, |(at, _)| *at);
        found.ok()
    }

    /// The case of a position that was read ahead.
    fn case_ahead(&self, position: u64) -> Option<u64> {
        let (_, case) = self.ahead.get(self.place_ahead(position)?)?;
        Some(*case)
    }

    fn lease_of(&self, position: u64) -> Option<u64> {
        match self.open.get(&position)?.state {
            State::Out { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// Takes a position back from what it is in: it is blocked then. What waited for its time will wait for the same time.
    fn recall(&mut self, position: u64) {
        let Some(open) = self.open.get_mut(&position) else {
            return;
        };
        match std::mem::replace(&mut open.state, State::Blocked { due: None }) {
            State::Ready => {
                self.ready.remove(&position);
            }
            State::Later(due) => {
                self.later.remove(&(due, position));
                open.state = State::Blocked { due: Some(due) };
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
                if let Some(count) = self.out_of_case.get_mut(&open.case) {
                    *count -= 1;
                    if *count == 0 {
                        self.out_of_case.remove(&open.case);
                    }
                }
            }
            blocked @ State::Blocked { .. } => open.state = blocked,
        }
    }

    /// Lets a blocked position go on; where cases are ordered, the one of its case whose turn it is.
    fn unblock(&mut self, position: u64) {
        match self.open.get(&position) {
            Some(open) if self.ordered => self.unblock_case(open.case),
            _ => self.start(position),
        }
    }

    fn unblock_case(&mut self, case: u64) {
        if !self.out_of_case.contains_key(&case)
            && let Some(first) = self.first_of(case)
        {
            self.start(first);
        }
    }

    fn start(&mut self, position: u64) {
        let Some(open) = self.open.get_mut(&position) else {
            return;
        };
        match open.state {
            State::Blocked { due: None } => {
                open.state = State::Ready;
                self.ready.insert(position);
            }
            State::Blocked { due: Some(due) } => {
                open.state = State::Later(due);
                self.later.insert((due, position));
            }
            State::Ready | State::Later(_) | State::Out { .. } => {}
        }
    }

    /// Closes a position; the next one of its case may come. What was said of it before a move back does not count any more.
    fn settle(&mut self, position: u64) {
        self.recall(position);
        let Some(open) = self.open.remove(&position) else {
            return;
        };
        self.dead.remove(&position);
        self.dropped.remove(&position);
        if self.cases.remove(&(open.case, position)) {
            self.unblock_case(open.case);
        }
    }

    /// The first that is open of a case, where cases are ordered.
    fn first_of(&self, case: u64) -> Option<u64> {
        let mut of_case = self.cases.range((case, 0)..=(case, u64::MAX));
        of_case.next().map(|(_, position)| *position)
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
