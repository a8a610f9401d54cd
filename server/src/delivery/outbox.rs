//! What one subscription still has to deliver, and what is out with its consumers. Pure: it is told the time.
//!
//! Everything before `next` was looked at. What of it was selected and is not dealt with is *open*, and nothing else is remembered of
//! it: so what a cursor says is `next` and the open positions, and its size does not grow with what was acknowledged out of order.
//! An open position is ready, or waits for its time, or is out with a consumer, or, where a case is delivered in order, held behind
//! another one of its case.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use casebroker_proto::{
    subscription::{MAX_DEAD_LETTERS, Settings},
    v1::AckResult,
};
use tokio::time::Instant;

use super::passed::Passed;

/// Most positions that are open and not out: read ahead of the consumers.
pub const AHEAD: usize = 1_024;
/// Positions of given-up deliveries that are remembered although nobody asked for dead letters.
const MAX_DROPPED: usize = 10_000;
/// Wait before another attempt at what cannot be given up because the dead letters are full.
const WAIT_WHEN_FULL: Duration = Duration::from_secs(600);

/// A consumer of a subscription, by a number that is never used again.
pub type ConsumerId = u64;

/// What a subscription has open, and its dead letters.
#[derive(Debug)]
pub struct Outbox {
    next: u64,
    open: BTreeMap<u64, Open>,
    ready: BTreeSet<u64>,
    /// What waits, by its time.
    later: BTreeSet<(Instant, u64)>,
    /// What is out, by its deadline.
    out: BTreeSet<(Instant, u64)>,
    /// Of each case with something open: positions, the first of which may be delivered. Empty unless cases are ordered.
    cases: HashMap<u64, VecDeque<u64>>,
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

/// What a consumer may hold and holds.
#[derive(Debug, Clone, Copy)]
pub struct Consumer {
    /// Most deliveries that it holds.
    pub max_messages: usize,
    /// Most bytes of them; one delivery is always let through.
    pub max_bytes: u64,
    messages: usize,
    bytes: u64,
}

/// A delivery that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// Position of the first statement of its case.
    pub case: u64,
    /// Attempts that were made.
    pub attempts: u32,
    /// The last reason given.
    pub reason: Box<str>,
    /// When, seconds since 1970.
    pub at: i64,
}

/// A delivery that a consumer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Position of the statement.
    pub position: u64,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Number of the attempt.
    pub lease: u64,
}

/// How a consumer gives a delivery back.
#[derive(Debug, Clone, Default)]
pub struct GivenBack {
    /// Wait before the next attempt; `None` for what the subscription says.
    pub delay: Option<Duration>,
    /// Why.
    pub reason: String,
    /// Give it up at once.
    pub terminate: bool,
}

/// How much of what there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Out with consumers.
    pub out: usize,
    /// Delivered before, and not out.
    pub waiting: usize,
    /// Never delivered.
    pub fresh: usize,
    /// Dead letters.
    pub dead: usize,
    /// Position of the oldest that is open.
    pub oldest: Option<u64>,
}

/// How far a statement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Not looked at under the present filter, or given up and not kept.
    Unknown,
    /// Waits.
    Pending,
    /// Delivered.
    Delivered,
    /// Given up.
    Dead,
    /// Acknowledged.
    Acknowledged,
}

/// What of an outbox outlives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Everything before this was looked at.
    pub next: u64,
    /// Open positions.
    pub open: Vec<KeptOpen>,
    /// Dead letters.
    pub dead: Vec<(u64, Dead)>,
    /// Given up, and not kept.
    pub dropped: Vec<u64>,
    /// Ranges that were worked through.
    pub passed: Vec<(u64, u64)>,
    /// Attempts up to this one do not count.
    pub moved_at: u64,
}

/// An open position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptOpen {
    /// Which.
    pub position: u64,
    /// Position of the first statement of its case.
    pub case: u64,
    /// Attempts that were made.
    pub attempts: u32,
}

impl Consumer {
    /// One that holds nothing yet.
    pub fn new(max_messages: usize, max_bytes: u64) -> Self {
        Self {
            max_messages,
            max_bytes,
            messages: 0,
            bytes: 0,
        }
    }

    fn takes_more(&self) -> bool {
        self.messages == 0 || (self.messages < self.max_messages && self.bytes < self.max_bytes)
    }
}

impl Outbox {
    /// One that begins at a position. `first_lease` is beyond all of earlier runs.
    pub fn new(next: u64, first_lease: u64) -> Self {
        Self {
            next,
            open: BTreeMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            out: BTreeSet::new(),
            cases: HashMap::new(),
            consumers: HashMap::new(),
            dead: BTreeMap::new(),
            dropped: BTreeSet::new(),
            passed: Passed::from(next),
            last_lease: first_lease,
            moved_at: 0,
            moves: 0,
        }
    }

    /// As it was kept.
    pub fn restore(kept: Kept, first_lease: u64, ordered: bool) -> Self {
        let mut outbox = Self::new(kept.next, first_lease);
        outbox.dead = kept.dead.into_iter().collect();
        outbox.dropped = kept.dropped.into_iter().collect();
        outbox.passed = Passed::restore(kept.passed, kept.next);
        outbox.moved_at = kept.moved_at;
        for open in kept.open {
            outbox.put(open.position, open.case, open.attempts, ordered);
        }
        outbox
    }

    /// What outlives a restart.
    pub fn kept(&self) -> Kept {
        let open = self.open.iter();
        let dead = self.dead.iter();
        Kept {
            next: self.next,
            open: open
                .map(|(position, open)| KeptOpen {
                    position: *position,
                    case: open.case,
                    attempts: open.attempts,
                })
                .collect(),
            dead: dead.map(|(at, dead)| (*at, dead.clone())).collect(),
            dropped: self.dropped.iter().copied().collect(),
            passed: self.passed.ranges(),
            moved_at: self.moved_at,
        }
    }

    /// Everything before this was looked at.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether there is no room for more that is not out.
    pub fn is_full(&self) -> bool {
        self.ahead() >= AHEAD
    }

    /// Whether there is room for many more.
    pub fn is_low(&self) -> bool {
        self.ahead() < AHEAD / 2
    }

    fn ahead(&self) -> usize {
        self.open.len() - self.out.len()
    }

    /// Says that everything before a position was looked at.
    pub fn advance(&mut self, next: u64) {
        if next > self.next {
            self.passed.advance(self.next, next);
            self.next = next;
        }
    }

    /// Takes a selected position in, of the case that begins at another. What was looked at before is not taken again.
    pub fn offer(&mut self, position: u64, case: u64, ordered: bool) {
        if position >= self.next {
            self.advance(position + 1);
            self.put(position, case, 0, ordered);
        }
    }

    /// What can be delivered to a consumer, lowest positions first; at most so many.
    pub fn take(
        &mut self,
        now: Instant,
        settings: &Settings,
        consumer: ConsumerId,
        limit: usize,
    ) -> Vec<Taken> {
        let mut taken = Vec::new();
        while taken.len() < limit && self.out.len() < settings.max_unacknowledged {
            let Some(holds) = self.consumers.get_mut(&consumer) else {
                break;
            };
            if !holds.takes_more() {
                break;
            }
            let Some(position) = self.ready.pop_first() else {
                break;
            };
            let Some(open) = self.open.get_mut(&position) else {
                continue;
            };
            holds.messages += 1;
            self.last_lease += 1;
            open.attempts += 1;
            let deadline = now + settings.ack_deadline;
            open.state = State::Out {
                deadline,
                lease: self.last_lease,
                consumer,
                bytes: 0,
            };
            self.out.insert((deadline, position));
            taken.push(Taken {
                position,
                attempt: open.attempts,
                lease: self.last_lease,
            });
        }
        taken
    }

    /// Says how large a delivery that was taken is.
    pub fn weigh(&mut self, taken: &Taken, size: u64) {
        if let Some(open) = self.open.get_mut(&taken.position)
            && let State::Out {
                lease,
                consumer,
                bytes,
                ..
            } = &mut open.state
            && *lease == taken.lease
        {
            *bytes = size;
            if let Some(consumer) = self.consumers.get_mut(consumer) {
                consumer.bytes += size;
            }
        }
    }

    /// Takes back what was taken and not sent, as if it had not been taken.
    pub fn untake(&mut self, taken: &Taken) {
        if self.lease_of(taken.position) == Some(taken.lease) {
            self.recall(taken.position);
            if let Some(open) = self.open.get_mut(&taken.position) {
                open.attempts = open.attempts.saturating_sub(1);
                open.state = State::Ready;
                self.ready.insert(taken.position);
            }
        }
    }

    /// Leaves out what was taken: the subscriber may not see it any more.
    pub fn leave_out(&mut self, taken: &Taken) {
        if self.lease_of(taken.position) == Some(taken.lease) {
            self.settle(taken.position);
            self.drop_position(taken.position);
        }
    }

    /// Whether an attempt of that number was ever made.
    pub fn knows(&self, lease: u64) -> bool {
        lease <= self.last_lease
    }

    /// Acknowledges.
    pub fn ack(&mut self, position: u64, lease: u64) -> AckResult {
        if lease <= self.moved_at || !self.open.contains_key(&position) {
            return AckResult::Settled;
        }
        let in_time = self.lease_of(position) == Some(lease);
        self.settle(position);
        match in_time {
            true => AckResult::Done,
            false => AckResult::Late,
        }
    }

    /// Extends a deadline.
    pub fn extend(&mut self, position: u64, lease: u64, until: Instant) -> AckResult {
        match self.open.get_mut(&position).map(|open| &mut open.state) {
            Some(State::Out {
                deadline,
                lease: known,
                ..
            }) if *known == lease => {
                self.out.remove(&(*deadline, position));
                *deadline = until;
                self.out.insert((until, position));
                AckResult::Done
            }
            None => AckResult::Settled,
            Some(_) => AckResult::Late,
        }
    }

    /// Gives back.
    pub fn nack(
        &mut self,
        position: u64,
        lease: u64,
        given: GivenBack,
        settings: &Settings,
        (now, clock): (Instant, i64),
    ) -> AckResult {
        if lease <= self.moved_at || !self.open.contains_key(&position) {
            return AckResult::Settled;
        }
        if self.lease_of(position) != Some(lease) {
            return AckResult::Late;
        }
        self.recall(position);
        if let Some(open) = self.open.get_mut(&position)
            && !given.reason.is_empty()
        {
            open.reason = given.reason.into();
        }
        self.again(
            position,
            given.delay,
            given.terminate,
            settings,
            (now, clock),
        );
        AckResult::Done
    }

    /// Takes back everything whose deadline has passed, and makes ready what waited long enough.
    pub fn expire(&mut self, settings: &Settings, (now, clock): (Instant, i64)) {
        while let Some((deadline, position)) = self.out.first().copied()
            && deadline <= now
        {
            self.recall(position);
            self.again(position, None, false, settings, (now, clock));
        }
        while let Some((due, position)) = self.later.first().copied()
            && due <= now
        {
            self.later.remove(&(due, position));
            self.make_ready(position);
        }
    }

    /// When [`Self::expire`] has something to do next.
    pub fn wakes_at(&self) -> Option<Instant> {
        let times = [self.out.first(), self.later.first()];
        times.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Whether something can be delivered.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A consumer comes.
    pub fn join(&mut self, id: ConsumerId, consumer: Consumer) {
        self.consumers.insert(id, consumer);
    }

    /// A consumer goes; what it holds is ready again if `release`, else out until its deadline.
    pub fn leave(&mut self, id: ConsumerId, release: bool) {
        if release {
            let is_its =
                |open: &Open| matches!(open.state, State::Out { consumer, .. } if consumer == id);
            let its = self.open.iter().filter(|(_, open)| is_its(open));
            for position in its.map(|(at, _)| *at).collect::<Vec<_>>() {
                self.recall(position);
                self.make_ready(position);
            }
        }
        self.consumers.remove(&id);
    }

    /// Moves to another position: nothing is open any more.
    pub fn seek(&mut self, next: u64) {
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
    pub fn begin_history(&mut self) {
        self.passed = Passed::from(self.next);
        self.dropped.clear();
    }

    /// Delivers dead letters again; those of these that there are. Answers how many.
    pub fn replay(&mut self, positions: &[u64], ordered: bool) -> usize {
        let mut replayed = 0;
        for position in positions {
            if let Some(dead) = self.dead.remove(position) {
                self.put(*position, dead.case, 0, ordered);
                replayed += 1;
            }
        }
        replayed
    }

    /// Drops dead letters. Answers how many.
    pub fn drop_dead(&mut self, positions: &[u64]) -> usize {
        let mut dropped = 0;
        for position in positions {
            if self.dead.remove(position).is_some() {
                self.drop_position(*position);
                dropped += 1;
            }
        }
        dropped
    }

    /// Dead letters from a position on.
    pub fn dead(&self, from: u64) -> impl Iterator<Item = (u64, &Dead)> {
        self.dead.range(from..).map(|(at, dead)| (*at, dead))
    }

    /// How much of what there is.
    pub fn counts(&self) -> Counts {
        let out = self.out.len();
        let waiting = self.open.values();
        let waiting = waiting.filter(|o| o.attempts > 0 && !matches!(o.state, State::Out { .. }));
        let waiting = waiting.count();
        Counts {
            out,
            waiting,
            fresh: self.open.len() - out - waiting,
            dead: self.dead.len(),
            oldest: self.open.keys().next().copied(),
        }
    }

    /// How many consumers there are.
    pub fn consumers(&self) -> usize {
        self.consumers.len()
    }

    /// How far a selected position came.
    pub fn progress(&self, position: u64) -> Progress {
        match self.open.get(&position) {
            _ if self.dead.contains_key(&position) => Progress::Dead,
            Some(open) if open.attempts > 0 => Progress::Delivered,
            Some(_) => Progress::Pending,
            None if self.dropped.contains(&position) => Progress::Unknown,
            None if self.passed.has(position) => Progress::Acknowledged,
            None if position >= self.next => Progress::Pending,
            None => Progress::Unknown,
        }
    }

    fn put(&mut self, position: u64, case: u64, attempts: u32, ordered: bool) {
        let mut state = State::Ready;
        if ordered {
            let of_case = self.cases.entry(case).or_default();
            of_case.push_back(position);
            if of_case.len() > 1 {
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

    /// Another attempt at what was recalled, at its time; or none any more.
    fn again(
        &mut self,
        position: u64,
        delay: Option<Duration>,
        terminate: bool,
        settings: &Settings,
        (now, clock): (Instant, i64),
    ) {
        let Some(open) = self.open.get_mut(&position) else {
            return;
        };
        let mut wait = delay.unwrap_or_else(|| settings.retry.wait(open.attempts));
        if terminate
            || settings
                .max_attempts
                .is_some_and(|most| open.attempts >= most)
        {
            if !settings.dead_letter {
                self.settle(position);
                self.drop_position(position);
                return;
            }
            if self.dead.len() < MAX_DEAD_LETTERS {
                let dead = Dead {
                    case: open.case,
                    attempts: open.attempts,
                    reason: std::mem::take(&mut open.reason),
                    at: clock,
                };
                self.settle(position);
                self.dead.insert(position, dead);
                return;
            }
            wait = wait.max(WAIT_WHEN_FULL);
        }
        if wait.is_zero() {
            open.state = State::Ready;
            self.ready.insert(position);
        } else {
            let due = now + wait;
            open.state = State::Later(due);
            self.later.insert((due, position));
        }
    }

    /// Closes a position; the next one of its case may come.
    fn settle(&mut self, position: u64) {
        self.recall(position);
        let Some(open) = self.open.remove(&position) else {
            return;
        };
        let Some(of_case) = self.cases.get_mut(&open.case) else {
            return;
        };
        let was_first = of_case.front() == Some(&position);
        of_case.retain(|other| *other != position);
        match of_case.front().copied() {
            None => {
                self.cases.remove(&open.case);
            }
            Some(first) if was_first => self.make_ready(first),
            Some(_) => {}
        }
    }

    fn drop_position(&mut self, position: u64) {
        self.dropped.insert(position);
        while self.dropped.len() > MAX_DROPPED {
            self.dropped.pop_first();
        }
    }
}

#[cfg(test)]
mod tests;
