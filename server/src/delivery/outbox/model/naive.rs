//! What an outbox must do, written a second time in the plainest way: one list of items that is searched from its beginning each time.
//! Shares no code with the outbox but the types that go in and out.

use std::time::Duration;

use casebroker_proto::v1::AckResult;
use tokio::time::Instant;

use crate::delivery::outbox::{ConsumerId, Dead, Kept, KeptOpen};

/// Wait of what cannot be given up, because there are as many dead letters as there may be.
const FULL: Duration = Duration::from_secs(600);
const LAPSED: &str =
    "the outcome at the consumer is not known: no answer came before the ack deadline";
const RESTARTED: &str = "the outcome at the consumer is not known: the broker was restarted, and no answer came before the ack deadline";

/// The settings that matter here.
#[derive(Debug, Clone)]
pub struct Rules {
    pub ordered: bool,
    pub dead_letter: bool,
    pub limit: Option<u32>,
    pub ack_deadline: Duration,
    /// Waits after each attempt, the last for all that follow; empty for none.
    pub waits: Vec<Duration>,
    pub max_out: usize,
    pub max_dead: usize,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub position: u64,
    pub case: u64,
    pub attempts: u32,
    /// Was ever looked at as a candidate, or came before one that was: it is kept over a restart by itself.
    opened: bool,
    /// A replayed dead letter that is not reached yet.
    replay: bool,
    due: Option<Instant>,
    pub out: Option<Lease>,
    reason: String,
}

#[derive(Debug, Clone)]
pub struct Lease {
    pub number: u64,
    pub deadline: Instant,
    pub consumer: ConsumerId,
    pub bytes: u64,
}

#[derive(Debug, Clone)]
pub struct Naive {
    pub rules: Rules,
    pub next: u64,
    /// By position.
    pub items: Vec<Item>,
    pub dead: Vec<(u64, Dead)>,
    pub dropped: Vec<u64>,
    /// Number, most messages, most bytes.
    pub consumers: Vec<(ConsumerId, usize, u64)>,
    pub last_lease: u64,
    moved_at: u64,
}

impl Naive {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            next: 0,
            items: Vec::new(),
            dead: Vec::new(),
            dropped: Vec::new(),
            consumers: Vec::new(),
            last_lease: 0,
            moved_at: 0,
        }
    }

    fn at(&self, position: u64) -> Option<usize> {
        self.items.iter().position(|item| item.position == position)
    }

    fn reached(&self, position: u64) -> Option<usize> {
        self.at(position).filter(|n| !self.items[*n].replay)
    }

    fn out_at(&self, position: u64, lease: u64) -> Option<usize> {
        let n = self.at(position)?;
        let out = self.items[n].out.as_ref()?;
        (out.number == lease).then_some(n)
    }

    fn insert(&mut self, position: u64, case: u64, opened: bool, replay: bool) {
        let item = Item {
            position,
            case,
            attempts: 0,
            opened,
            replay,
            due: None,
            out: None,
            reason: String::new(),
        };
        self.items.push(item);
        self.items.sort_by_key(|item| item.position);
    }

    fn open_up_to(&mut self, position: u64) {
        for item in &mut self.items {
            if item.position <= position && !item.replay {
                item.opened = true;
            }
        }
    }

    pub fn look_at(&mut self, position: u64, selected: Option<u64>) {
        assert_eq!(position, self.next);
        self.next += 1;
        match (self.at(position), selected) {
            (Some(n), _) => {
                self.items[n].replay = false;
                self.open_up_to(position);
            }
            (None, Some(case)) => self.insert(position, case, false, false),
            (None, None) => {}
        }
    }

    fn is_blocked(&self, n: usize) -> bool {
        let item = &self.items[n];
        let of_case = self
            .items
            .iter()
            .filter(|o| o.case == item.case && !o.replay);
        self.rules.ordered
            && of_case.fold(false, |blocked, other| {
                blocked
                    || other.position < item.position
                    || other.position != item.position && other.out.is_some()
            })
    }

    fn used_up(&self, n: usize) -> bool {
        self.rules
            .limit
            .is_some_and(|most| self.items[n].attempts >= most)
    }

    pub fn take(
        &mut self,
        now: Instant,
        consumer: ConsumerId,
        limit: usize,
    ) -> Vec<(u64, u32, u64)> {
        let mut taken = Vec::new();
        let Some((_, messages, bytes)) = self
            .consumers
            .iter()
            .find(|(id, ..)| *id == consumer)
            .copied()
        else {
            return taken;
        };
        while taken.len() < limit {
            let out: Vec<&Lease> = self
                .items
                .iter()
                .filter_map(|item| item.out.as_ref())
                .collect();
            let holds: Vec<&&Lease> = out.iter().filter(|out| out.consumer == consumer).collect();
            let held: u64 = holds.iter().map(|out| out.bytes).sum();
            if out.len() >= self.rules.max_out
                || !holds.is_empty() && (holds.len() >= messages || held >= bytes)
            {
                break;
            }
            let is_free = |n: &usize| {
                let item = &self.items[*n];
                !item.replay
                    && item.out.is_none()
                    && item.due.is_none_or(|due| due <= now)
                    && !self.is_blocked(*n)
            };
            let Some(n) = (0..self.items.len()).find(is_free) else {
                self.open_up_to(u64::MAX);
                break;
            };
            if !self.items[n].opened {
                self.open_up_to(self.items[n].position);
            }
            self.last_lease += 1;
            let item = &mut self.items[n];
            item.attempts += 1;
            item.due = None;
            item.out = Some(Lease {
                number: self.last_lease,
                deadline: now + self.rules.ack_deadline,
                consumer,
                bytes: 0,
            });
            taken.push((item.position, item.attempts, self.last_lease));
        }
        taken
    }

    pub fn weigh(&mut self, position: u64, lease: u64, bytes: u64) {
        if let Some(n) = self.out_at(position, lease) {
            self.items[n].out.as_mut().unwrap().bytes = bytes;
        }
    }

    pub fn untake(&mut self, position: u64, lease: u64, now: Instant, clock: i64) {
        if let Some(n) = self.out_at(position, lease) {
            self.items[n].out = None;
            self.items[n].attempts -= 1;
            if self.used_up(n) {
                self.give_up_or_wait(n, Duration::ZERO, now, clock);
            }
        }
    }

    pub fn leave_out(&mut self, position: u64, lease: u64) {
        if let Some(n) = self.out_at(position, lease) {
            self.remove(n);
            self.drop_position(position);
        }
    }

    fn drop_position(&mut self, position: u64) {
        self.dropped.push(position);
        self.dropped.sort_unstable();
    }

    fn remove(&mut self, n: usize) -> Item {
        let item = self.items.remove(n);
        self.dead.retain(|(at, _)| *at != item.position);
        self.dropped.retain(|at| *at != item.position);
        item
    }

    fn give_up_or_wait(&mut self, n: usize, wait: Duration, now: Instant, clock: i64) {
        let position = self.items[n].position;
        let is_dead = self.dead.iter().any(|(at, _)| *at == position);
        if !self.rules.dead_letter {
            self.remove(n);
            self.drop_position(position);
        } else if is_dead || self.dead.len() < self.rules.max_dead {
            let item = self.remove(n);
            let dead = Dead {
                case: item.case,
                attempts: item.attempts,
                reason: item.reason.into(),
                at: clock,
            };
            self.dead.push((position, dead));
            self.dead.sort_by_key(|(at, _)| *at);
        } else {
            self.items[n].due = Some(now + wait.max(FULL));
        }
    }

    fn wait_of(&self, attempts: u32) -> Duration {
        let place = (attempts as usize).saturating_sub(1);
        let last = self.rules.waits.last();
        *self
            .rules
            .waits
            .get(place)
            .or(last)
            .unwrap_or(&Duration::ZERO)
    }

    pub fn ack(&mut self, position: u64, lease: u64) -> AckResult {
        let Some(n) = self.reached(position).filter(|_| lease > self.moved_at) else {
            return AckResult::Settled;
        };
        self.open_up_to(position);
        let in_time = self.out_at(position, lease).is_some();
        self.remove(n);
        if in_time {
            AckResult::Done
        } else {
            AckResult::Late
        }
    }

    pub fn extend(&mut self, position: u64, lease: u64, until: Instant) -> AckResult {
        match (self.reached(position), self.out_at(position, lease)) {
            (None, _) => AckResult::Settled,
            (_, None) => AckResult::Late,
            (_, Some(n)) => {
                self.items[n].out.as_mut().unwrap().deadline = until;
                AckResult::Done
            }
        }
    }

    pub fn nack(
        &mut self,
        (position, lease): (u64, u64),
        (delay, terminate, reason): (Option<Duration>, bool, &str),
        (now, clock): (Instant, i64),
    ) -> AckResult {
        if lease <= self.moved_at || self.reached(position).is_none() {
            return AckResult::Settled;
        }
        let Some(n) = self.out_at(position, lease) else {
            return AckResult::Late;
        };
        self.items[n].out = None;
        if !reason.is_empty() {
            self.items[n].reason = reason.into();
        }
        let wait = delay.unwrap_or_else(|| self.wait_of(self.items[n].attempts));
        if terminate || self.used_up(n) {
            self.give_up_or_wait(n, wait, now, clock);
        } else {
            self.items[n].due = Some(now + wait);
        }
        AckResult::Done
    }

    pub fn expire(&mut self, now: Instant, clock: i64) {
        while let Some((_, _, n)) = (0..self.items.len())
            .filter_map(|n| {
                let deadline = self.items[n].out.as_ref()?.deadline;
                (deadline <= now).then_some((deadline, self.items[n].position, n))
            })
            .min()
        {
            let item = &mut self.items[n];
            item.out = None;
            let wait = self.wait_of(self.items[n].attempts);
            if self.used_up(n) {
                let item = &mut self.items[n];
                item.reason = match item.reason.as_str() {
                    "" => LAPSED.into(),
                    before => {
                        format!("{LAPSED}; an earlier attempt was given back with: {before}")
                    }
                };
                self.give_up_or_wait(n, wait, now, clock);
            } else {
                self.items[n].due = Some(now + wait);
            }
        }
        while let Some((_, _, n)) = (0..self.items.len())
            .filter(|n| self.used_up(*n) && self.items[*n].out.is_none() && !self.is_blocked(*n))
            .filter_map(|n| Some((self.items[n].due?, self.items[n].position, n)))
            .filter(|(due, ..)| *due <= now)
            .min()
        {
            self.give_up_or_wait(n, Duration::ZERO, now, clock);
        }
    }

    pub fn seek(&mut self, next: u64) {
        self.items.clear();
        self.next = next;
        self.moved_at = self.last_lease;
    }

    pub fn replay(&mut self, positions: &[u64]) -> usize {
        let mut replayed = 0;
        for position in positions {
            let Some(n) = self.dead.iter().position(|(at, _)| at == position) else {
                continue;
            };
            let (_, dead) = self.dead.remove(n);
            replayed += 1;
            if self.at(*position).is_none() {
                let is_reached = *position < self.next;
                self.insert(*position, dead.case, is_reached, !is_reached);
                if is_reached {
                    self.open_up_to(*position);
                }
            }
        }
        replayed
    }

    pub fn drop_dead(&mut self, positions: &[u64]) -> usize {
        let before = self.dead.len();
        for position in positions {
            if self.dead.iter().any(|(at, _)| at == position) {
                self.dead.retain(|(at, _)| at != position);
                self.dropped.retain(|at| at != position);
                self.drop_position(*position);
            }
        }
        before - self.dead.len()
    }

    /// Other settings, and perhaps another filter.
    pub fn update(&mut self, rules: Rules, other_filter: bool, now: Instant, clock: i64) {
        self.rules = rules;
        let positions: Vec<u64> = self.items.iter().map(|item| item.position).collect();
        for position in positions {
            let n = self.at(position).unwrap();
            if self.used_up(n) && self.items[n].out.is_none() {
                self.give_up_or_wait(n, Duration::ZERO, now, clock);
            }
        }
        if other_filter {
            self.open_up_to(u64::MAX);
            self.dropped.clear();
        }
    }

    pub fn join(&mut self, id: ConsumerId, messages: usize, bytes: u64) {
        self.consumers.push((id, messages, bytes));
    }

    pub fn leave(&mut self, id: ConsumerId, release: bool) {
        for n in 0..self.items.len() {
            let is_its = matches!(&self.items[n].out, Some(out) if out.consumer == id);
            if release && is_its && !self.used_up(n) {
                self.items[n].out = None;
            }
        }
        self.consumers.retain(|(other, ..)| *other != id);
    }

    /// What a restart goes on with.
    pub fn kept(&self) -> Kept {
        let unopened = self.items.iter().find(|item| !item.opened && !item.replay);
        Kept {
            next: unopened.map_or(self.next, |item| item.position),
            open: (self.items.iter())
                .filter(|item| item.opened || item.replay)
                .map(|item| KeptOpen {
                    position: item.position,
                    case: item.case,
                    attempts: item.attempts,
                })
                .collect(),
            dead: self.dead.clone(),
            dropped: self.dropped.clone(),
            passed: Vec::new(),
            moved_at: self.moved_at,
        }
    }

    pub fn restart(&mut self, first_lease: u64, now: Instant) {
        self.next = self.kept().next;
        self.items.retain(|item| item.opened || item.replay);
        self.consumers.clear();
        self.last_lease = first_lease;
        for n in 0..self.items.len() {
            let is_used_up = self.used_up(n);
            let item = &mut self.items[n];
            item.out = None;
            item.due = is_used_up.then(|| now + self.rules.ack_deadline);
            item.reason = if is_used_up {
                RESTARTED.into()
            } else {
                String::new()
            };
        }
    }
}
