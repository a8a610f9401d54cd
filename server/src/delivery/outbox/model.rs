//! An outbox against a plain second one, step by step, under everything that can happen to it: consumers that come, answer, do not answer and
//! go; moves, replays, updates, crashes. What must always hold is checked beside that, from what was delivered and answered alone.
//!
//! `CASEBROKER_OUTBOX_SEED` repeats a run, `CASEBROKER_OUTBOX_STEPS` says how long it is.

mod naive;

use std::{collections::BTreeMap, env, time::Duration};

use casebroker_proto::{
    subscription::{Settings, settings},
    v1::{AckResult, RetryPolicy, Subscription},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio::time::Instant;

use self::naive::{Naive, Rules};
use super::{Consumer, ConsumerId, GivenBack, Kept, Outbox, Progress, Taken};

const SECOND: Duration = Duration::from_secs(1);
/// Steps with one subscription; then it is drained, and another one begins.
const STEPS_OF_ONE: u64 = 1_000;
/// Most entries of a log.
const MOST_ENTRIES: u64 = 400;
/// Filters select by a tag of this many.
const TAGS: u32 = 4;

#[test]
fn an_outbox_keeps_order_limits_and_every_selected_position_whatever_happens() {
    let number = |name| env::var(name).ok().map(|text| text.parse().unwrap());
    let seed = number("CASEBROKER_OUTBOX_SEED").unwrap_or_else(rand::random);
    let steps = number("CASEBROKER_OUTBOX_STEPS").unwrap_or(20_000);
    println!("CASEBROKER_OUTBOX_SEED={seed} CASEBROKER_OUTBOX_STEPS={steps}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut done = 0;
    while done < steps {
        let mut run = Run::new(&mut rng);
        for _ in 0..STEPS_OF_ONE.min(steps - done) {
            run.step(&mut rng);
            run.compare();
            done += 1;
        }
        run.drain();
    }
}

/// What became of a position that was selected, by what consumers and the owner did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pending,
    Acknowledged,
    /// Dropped at the owner's word, or as it may not be seen any more.
    Dropped,
}

/// A delivery that left.
#[derive(Debug, Clone)]
struct Sent {
    taken: Taken,
    case: u64,
    deadline: Instant,
    consumer: ConsumerId,
    /// Still its consumer's.
    is_live: bool,
}

/// What a crash goes back to.
#[derive(Debug, Clone)]
struct Durable {
    kept: Kept,
    naive: Naive,
    fates: BTreeMap<u64, Fate>,
}

struct Run {
    outbox: Outbox,
    naive: Naive,
    settings: Settings,
    /// Case and tag of each position.
    log: Vec<(u64, u32)>,
    filter: u32,
    now: Instant,
    clock: i64,
    last_consumer: ConsumerId,
    sent: Vec<Sent>,
    fates: BTreeMap<u64, Fate>,
    /// Deliveries that left since a position was opened anew, while there was a limit.
    attempts: BTreeMap<u64, u32>,
    durable: Durable,
}

fn rules(rng: &mut StdRng) -> Rules {
    let waits = [vec![], vec![5], vec![0, 20, 100]];
    let waits = waits.choose(rng).unwrap().iter();
    Rules {
        ordered: rng.random_bool(0.6),
        dead_letter: rng.random_bool(0.7),
        limit: rng.random_bool(0.6).then(|| rng.random_range(1..4)),
        ack_deadline: rng.random_range(10..40) * SECOND,
        waits: waits.map(|seconds| *seconds * SECOND).collect(),
        max_out: rng.random_range(1..12),
        max_dead: 6,
    }
}

fn settings_of(rules: &Rules) -> Settings {
    let duration = |given: &Duration| prost_types::Duration::try_from(*given).unwrap();
    let subscription = Subscription {
        name: "agencies/ca-rcmp/subscriptions/west".into(),
        ordered: rules.ordered,
        dead_letter: rules.dead_letter,
        max_delivery_attempts: rules.limit.unwrap_or(0).cast_signed(),
        ack_deadline: Some(duration(&rules.ack_deadline)),
        retry_policy: (!rules.waits.is_empty()).then(|| RetryPolicy {
            backoff: rules.waits.iter().map(duration).collect(),
            ..RetryPolicy::default()
        }),
        max_unacknowledged: rules.max_out.try_into().unwrap(),
        ..Subscription::default()
    };
    settings(&subscription).unwrap()
}

impl Run {
    fn new(rng: &mut StdRng) -> Self {
        let rules = rules(rng);
        let settings = settings_of(&rules);
        let mut outbox = Outbox::new(0, 0, rules.ordered);
        outbox.max_dead = rules.max_dead;
        let naive = Naive::new(rules);
        let durable = Durable {
            kept: outbox.kept(),
            naive: naive.clone(),
            fates: BTreeMap::new(),
        };
        Self {
            outbox,
            naive,
            settings,
            log: Vec::new(),
            filter: rng.random_range(1..1 << TAGS),
            now: Instant::now(),
            clock: 0,
            last_consumer: 0,
            sent: Vec::new(),
            fates: BTreeMap::new(),
            attempts: BTreeMap::new(),
            durable,
        }
    }

    fn step(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..100) {
            0..22 => self.look(rng),
            22..44 => self.take(rng),
            44..62 => self.acknowledge(rng),
            62..72 => self.give_back(rng),
            72..75 => self.extend(rng),
            75..80 => self.wait(rng),
            80..84 => self.replay(rng),
            84..86 => self.come(rng),
            86..88 => self.go(rng),
            88..90 => self.seek(rng),
            90..92 => self.update(rng),
            92..97 => self.sync(),
            _ => self.crash(rng),
        }
    }

    fn selects(&self, tag: u32) -> bool {
        self.filter >> tag & 1 == 1
    }

    fn look(&mut self, rng: &mut StdRng) {
        for _ in 0..rng.random_range(1..8) {
            let position = self.outbox.next();
            if position == self.log.len() as u64 {
                if position == MOST_ENTRIES {
                    return;
                }
                // One of a few cases, by the position that it begins at; or a new one.
                let case = match rng.random_range(0..8) {
                    0 => position,
                    n => self.log.get(n - 1).map_or(position, |(case, _)| *case),
                };
                self.log.push((case, rng.random_range(0..TAGS)));
            }
            self.look_at(position);
        }
    }

    fn look_at(&mut self, position: u64) {
        let (case, tag) = self.log[usize::try_from(position).unwrap()];
        let selected = self.selects(tag);
        if selected {
            self.outbox.offer(position, case);
            self.fates.insert(position, Fate::Pending);
        } else {
            self.outbox.advance(position + 1);
        }
        self.naive.look_at(position, selected.then_some(case));
    }

    fn expire(&mut self) {
        self.outbox.expire(&self.settings, (self.now, self.clock));
        self.naive.expire(self.now, self.clock);
        for sent in &mut self.sent {
            sent.is_live &= sent.deadline > self.now;
        }
    }

    fn take(&mut self, rng: &mut StdRng) {
        self.expire();
        let consumer = rng.random_range(0..4_u64);
        let consumer = self.last_consumer.saturating_sub(consumer);
        let limit = rng.random_range(1..6);
        let taken = self.outbox.take(self.now, &self.settings, consumer, limit);
        let expected = self.naive.take(self.now, consumer, limit);
        let found: Vec<_> = taken
            .iter()
            .map(|t| (t.position, t.attempt, t.lease))
            .collect();
        assert_eq!(found, expected);
        assert!(taken.is_empty() || self.outbox.out.len() <= self.settings.max_unacknowledged);
        for taken in taken {
            let (position, lease) = (taken.position, taken.lease);
            self.check_order(&taken);
            match rng.random_range(0..40) {
                0 => {
                    self.outbox.leave_out(&taken);
                    self.naive.leave_out(position, lease);
                    self.fates.insert(position, Fate::Dropped);
                }
                1 | 2 => {
                    let time = (self.now, self.clock);
                    self.outbox.untake(&taken, &self.settings, time);
                    self.naive.untake(position, lease, self.now, self.clock);
                }
                _ => self.send(taken, consumer, rng),
            }
        }
        // The count of attempts is on disk before a delivery leaves.
        if self.settings.max_attempts.is_some() {
            self.sync();
        }
    }

    fn send(&mut self, taken: Taken, consumer: ConsumerId, rng: &mut StdRng) {
        let bytes = rng.random_range(1..100);
        self.outbox.weigh(&taken, bytes);
        self.naive.weigh(taken.position, taken.lease, bytes);
        if let Some(most) = self.settings.max_attempts {
            let attempts = self.attempts.entry(taken.position).or_default();
            *attempts += 1;
            assert!(
                *attempts <= most,
                "attempt {attempts} of {taken:?}, at most {most}"
            );
            assert!(
                taken.attempt >= *attempts,
                "{taken:?} was sent {attempts} times"
            );
        }
        self.sent.push(Sent {
            taken,
            case: self.log[usize::try_from(taken.position).unwrap()].0,
            deadline: self.now + self.settings.ack_deadline,
            consumer,
            is_live: true,
        });
    }

    /// Where cases are ordered a delivery is the lowest of its case that is pending, and no other of its case is out.
    fn check_order(&self, taken: &Taken) {
        assert_eq!(
            self.fates.get(&taken.position),
            Some(&Fate::Pending),
            "{taken:?}"
        );
        if !self.settings.ordered {
            return;
        }
        let case = self.log[usize::try_from(taken.position).unwrap()].0;
        let other = self
            .sent
            .iter()
            .find(|sent| sent.is_live && sent.case == case);
        assert!(other.is_none(), "{taken:?} beside {other:?}");
        for (position, fate) in self.fates.range(..taken.position) {
            let is_of_case = self.log[usize::try_from(*position).unwrap()].0 == case;
            if is_of_case && *fate == Fate::Pending {
                let progress = self.outbox.progress(*position);
                let waits = matches!(progress, Progress::Pending | Progress::Delivered);
                assert!(!waits, "{taken:?} before {position}");
            }
        }
    }

    fn pick(&self, rng: &mut StdRng) -> Option<usize> {
        let newest = self.sent.len().saturating_sub(12);
        let from = if rng.random_bool(0.9) { newest } else { 0 };
        (from < self.sent.len()).then(|| rng.random_range(from..self.sent.len()))
    }

    fn acknowledge(&mut self, rng: &mut StdRng) {
        for _ in 0..rng.random_range(1..4) {
            let Some(n) = self.pick(rng) else { return };
            let Taken {
                position, lease, ..
            } = self.sent[n].taken;
            let result = self.outbox.ack(position, lease);
            assert_eq!(result, self.naive.ack(position, lease));
            if self.sent[n].is_live {
                assert_eq!(result, AckResult::Done, "{:?}", self.sent[n]);
            }
            if result != AckResult::Settled {
                self.settled(position);
                self.fates.insert(position, Fate::Acknowledged);
            }
        }
    }

    fn settled(&mut self, position: u64) {
        for sent in &mut self.sent {
            sent.is_live &= sent.taken.position != position;
        }
    }

    fn give_back(&mut self, rng: &mut StdRng) {
        let Some(n) = self.pick(rng) else { return };
        let Taken {
            position, lease, ..
        } = self.sent[n].taken;
        let delay = rng
            .random_bool(0.3)
            .then(|| rng.random_range(0..50) * SECOND);
        let terminate = rng.random_bool(0.3);
        let reason = ["", "no such office", "busy"].choose(rng).unwrap();
        let given = GivenBack {
            delay,
            reason: (*reason).into(),
            terminate,
        };
        let time = (self.now, self.clock);
        let result = self
            .outbox
            .nack(position, lease, given, &self.settings, time);
        let expected = self
            .naive
            .nack((position, lease), (delay, terminate, reason), time);
        assert_eq!(result, expected);
        if result == AckResult::Done {
            self.settled(position);
        }
    }

    fn extend(&mut self, rng: &mut StdRng) {
        let Some(n) = self.pick(rng) else { return };
        let Taken {
            position, lease, ..
        } = self.sent[n].taken;
        let until = self.now + rng.random_range(10..100) * SECOND;
        let result = self.outbox.extend(position, lease, until);
        assert_eq!(result, self.naive.extend(position, lease, until));
        if result == AckResult::Done {
            self.sent[n].deadline = until;
        }
    }

    fn wait(&mut self, rng: &mut StdRng) {
        self.now += *[SECOND, 11 * SECOND, 41 * SECOND, 601 * SECOND]
            .choose(rng)
            .unwrap();
        self.clock += 1;
        if rng.random() {
            self.expire();
        }
    }

    fn replay(&mut self, rng: &mut StdRng) {
        let dead: Vec<u64> = self.outbox.dead(0).map(|(at, _)| at).collect();
        let mut positions: Vec<u64> = dead.iter().copied().filter(|_| rng.random()).collect();
        positions.push(rng.random_range(0..MOST_ENTRIES));
        if rng.random_bool(0.2) {
            let dropped = self.outbox.drop_dead(&positions);
            assert_eq!(dropped, self.naive.drop_dead(&positions));
            for position in dead.iter().filter(|at| positions.contains(at)) {
                // Unless it is on its way once more.
                if self.outbox.progress(*position) == Progress::Unknown {
                    self.fates.insert(*position, Fate::Dropped);
                }
            }
        } else {
            let replayed = self.outbox.replay(&positions);
            assert_eq!(replayed, self.naive.replay(&positions));
            for position in dead.iter().filter(|at| positions.contains(at)) {
                let is_new = self
                    .naive
                    .items
                    .iter()
                    .any(|i| i.position == *position && i.attempts == 0);
                if is_new {
                    self.attempts.remove(position);
                }
                self.fates.insert(*position, Fate::Pending);
            }
        }
        self.sync();
    }

    fn come(&mut self, rng: &mut StdRng) {
        self.last_consumer += 1;
        let (messages, bytes) = (rng.random_range(1..8), rng.random_range(1..300));
        self.outbox
            .join(self.last_consumer, Consumer::new(messages, bytes));
        self.naive.join(self.last_consumer, messages, bytes);
    }

    fn go(&mut self, rng: &mut StdRng) {
        let Some((consumer, ..)) = self.naive.consumers.choose(rng).copied() else {
            return;
        };
        let release = rng.random();
        self.outbox.leave(consumer, release, &self.settings);
        self.naive.leave(consumer, release);
        for sent in &mut self.sent {
            let lease = (sent.taken.position, sent.taken.lease);
            let is_out = |item: &naive::Item| {
                item.position == lease.0 && item.out.as_ref().is_some_and(|o| o.number == lease.1)
            };
            if release && sent.consumer == consumer {
                sent.is_live &= self.naive.items.iter().any(is_out);
            }
        }
    }

    fn seek(&mut self, rng: &mut StdRng) {
        if !rng.random_bool(0.3) {
            return;
        }
        let next = rng.random_range(0..=self.log.len()) as u64;
        self.outbox.seek(next);
        self.naive.seek(next);
        self.sent.clear();
        self.attempts.clear();
        // What is not acknowledged counts as dealt with, until it is found again.
        self.fates.retain(|_, fate| *fate != Fate::Pending);
        self.sync();
    }

    fn update(&mut self, rng: &mut StdRng) {
        let filter = match rng.random::<bool>() {
            true => self.filter,
            false => rng.random_range(1..1 << TAGS),
        };
        let rules = rules(rng);
        self.settings = settings_of(&rules);
        let other_filter = std::mem::replace(&mut self.filter, filter) != filter;
        self.outbox.apply(&self.settings, (self.now, self.clock));
        if other_filter {
            // What was dropped is not remembered by an outbox any more.
            for position in &self.outbox.dropped {
                if self.outbox.progress(*position) == Progress::Unknown {
                    self.fates.insert(*position, Fate::Dropped);
                }
            }
            self.outbox.begin_history();
        }
        self.naive.update(rules, other_filter, self.now, self.clock);
        self.sync();
    }

    fn sync(&mut self) {
        self.durable = Durable {
            kept: self.outbox.kept(),
            naive: self.naive.clone(),
            fates: self.fates.clone(),
        };
    }

    /// Ends without a word, and begins with what is on disk.
    fn crash(&mut self, rng: &mut StdRng) {
        let first_lease = self.naive.last_lease + rng.random_range(0..5);
        let Durable { kept, naive, fates } = self.durable.clone();
        self.outbox = Outbox::restore(kept, first_lease, &self.settings, self.now);
        self.outbox.max_dead = naive.rules.max_dead;
        (self.naive, self.fates) = (naive, fates);
        self.naive.restart(first_lease, self.now);
        // What was read ahead has to be found again, by the filter of then.
        let (next, items) = (self.naive.next, &self.naive.items);
        self.fates.retain(|position, fate| {
            let is_kept = items.iter().any(|item| item.position == *position);
            *position < next || *fate != Fate::Pending || is_kept
        });
        for sent in &mut self.sent {
            sent.is_live = false;
        }
        self.come(rng);
    }

    /// Both are the same, and no position is lost.
    fn compare(&self) {
        let kept = self.outbox.kept();
        let expected = Kept {
            passed: kept.passed.clone(),
            ..self.naive.kept()
        };
        assert_eq!(kept, expected);
        assert_eq!(self.outbox.next(), self.naive.next);
        let leases = |item: &naive::Item| Some((item.position, item.out.as_ref()?.number));
        let out: Vec<_> = self.naive.items.iter().filter_map(leases).collect();
        assert_eq!(self.outbox.counts().out, out.len());
        for (position, lease) in out {
            assert_eq!(self.outbox.lease_of(position), Some(lease));
        }
        assert!(kept.dead.len() <= self.naive.rules.max_dead);
        // What lies beyond may have been acknowledged before a move back.
        for (position, fate) in self.fates.range(..self.outbox.next()) {
            let progress = self.outbox.progress(*position);
            let is_there = match progress {
                Progress::Pending | Progress::Delivered => true,
                Progress::Dead => true,
                Progress::Unknown => kept.dropped.contains(position),
                Progress::Acknowledged => false,
            };
            let is_lost = *fate == Fate::Pending && !is_there;
            assert!(
                !is_lost,
                "{position} is pending, and the outbox says {progress:?}"
            );
        }
    }

    /// Everything is delivered and acknowledged in the end.
    fn drain(&mut self) {
        while self.outbox.next() < self.log.len() as u64 {
            self.look_at(self.outbox.next());
        }
        let consumer = self.last_consumer + 1;
        self.outbox
            .join(consumer, Consumer::new(usize::MAX, u64::MAX));
        self.naive.join(consumer, usize::MAX, u64::MAX);
        for _ in 0..10 * MOST_ENTRIES {
            let dead: Vec<u64> = self.outbox.dead(0).map(|(at, _)| at).collect();
            self.outbox.drop_dead(&dead);
            self.naive.drop_dead(&dead);
            self.expire();
            let taken = self
                .outbox
                .take(self.now, &self.settings, consumer, usize::MAX);
            assert_eq!(
                taken.len(),
                self.naive.take(self.now, consumer, usize::MAX).len()
            );
            for taken in taken {
                self.check_order(&taken);
                assert_eq!(
                    self.outbox.ack(taken.position, taken.lease),
                    AckResult::Done
                );
                self.naive.ack(taken.position, taken.lease);
                self.fates.insert(taken.position, Fate::Acknowledged);
            }
            self.now += 100 * SECOND;
        }
        let counts = self.outbox.counts();
        assert_eq!((counts.out, counts.waiting, counts.fresh), (0, 0, 0));
        assert_eq!(self.outbox.consumers[&consumer].messages, 0);
        self.compare();
    }
}
