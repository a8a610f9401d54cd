//! What is out with consumers: taken, acknowledged, given back, and taken back when its time is over.

use std::time::Duration;

use casebroker_proto::{subscription::Settings, v1::AckResult};
use tokio::time::Instant;

use super::{Consumer, ConsumerId, GivenBack, Open, Outbox, State, Taken, dead::UNANSWERED};

impl Outbox {
    /// A consumer comes.
    pub fn join(&mut self, id: ConsumerId, consumer: Consumer) {
        self.consumers.insert(id, consumer);
    }

    /// A consumer goes; what it holds is ready again if `release`, else out until its deadline. What has no attempt left stays out until
    /// its deadline either way: nobody else may get it, and the consumer may come back and answer.
    pub fn leave(&mut self, id: ConsumerId, release: bool, settings: &Settings) {
        if release {
            let is_its = |open: &Open| {
                matches!(open.state, State::Out { consumer, .. } if consumer == id)
                    && !open.is_used_up(settings)
            };
            let its = self.open.iter().filter(|(_, open)| is_its(open));
            for position in its.map(|(at, _)| *at).collect::<Vec<_>>() {
                self.recall(position);
                self.unblock(position);
            }
        }
        self.consumers.remove(&id);
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
            let holds = self.consumers.get(&consumer);
            if !holds.is_some_and(Consumer::takes_more) {
                break;
            }
            let Some(position) = self.next_ready() else {
                break;
            };
            let Some(open) = self.open.get_mut(&position) else {
                continue;
            };
            if let Some(holds) = self.consumers.get_mut(&consumer) {
                holds.messages += 1;
            }
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
            if self.ordered {
                *self.out_of_case.entry(open.case).or_default() += 1;
            }
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
    pub fn untake(&mut self, taken: &Taken, settings: &Settings, time: (Instant, i64)) {
        if self.lease_of(taken.position) != Some(taken.lease) {
            return;
        }
        self.recall(taken.position);
        let Some(open) = self.open.get_mut(&taken.position) else {
            return;
        };
        open.attempts = open.attempts.saturating_sub(1);
        // The limit may have been lowered since it was taken.
        if open.is_used_up(settings) {
            self.again(taken.position, Some(Duration::ZERO), false, settings, time);
        } else {
            self.unblock(taken.position);
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
        if lease <= self.moved_at {
            return AckResult::Settled;
        }
        // It was delivered before a restart that found it again. What lies before it is opened, or the next restart would find it once more.
        if let Some(case) = self.case_ahead(position) {
            self.put_in_order(position, case);
            self.ahead.pop_front();
        }
        if !self.open.contains_key(&position) {
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
        let is_ahead = self.place_ahead(position).is_some();
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
            None if !is_ahead => AckResult::Settled,
            _ => AckResult::Late,
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
        let is_open = self.open.contains_key(&position) || self.place_ahead(position).is_some();
        if lease <= self.moved_at || !is_open {
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
            self.note_unanswered(position, settings, UNANSWERED);
            self.recall(position);
            self.again(position, None, false, settings, (now, clock));
        }
        while let Some((due, position)) = self.later.first().copied()
            && due <= now
        {
            self.later.remove(&(due, position));
            let Some(open) = self.open.get_mut(&position) else {
                continue;
            };
            open.state = State::Blocked { due: None };
            if open.is_used_up(settings) {
                self.again(
                    position,
                    Some(Duration::ZERO),
                    false,
                    settings,
                    (now, clock),
                );
            } else {
                self.unblock(position);
            }
        }
    }

    /// Takes the lowest position that is ready.
    fn next_ready(&mut self) -> Option<u64> {
        loop {
            match self.ready.pop_first() {
                Some(position) => return Some(position),
                // It may be blocked by another one of its case.
                None => self.open_next().then_some(())?,
            }
        }
    }
}
