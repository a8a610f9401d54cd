//! What of an outbox outlives a restart.

use casebroker_proto::subscription::Settings;
use tokio::time::Instant;

use super::{Kept, KeptOpen, Outbox, Passed, State, dead::UNANSWERED_OVER_RESTART};

impl Outbox {
    /// As it was kept. Attempts are numbered from `first_lease` on, or from where the subscription was moved if the clock went back.
    ///
    /// What was out is ready again. What has no attempt left is not: its consumer may still answer, and has until the ack deadline for it.
    pub fn restore(kept: Kept, first_lease: u64, settings: &Settings, now: Instant) -> Self {
        let first_lease = first_lease.max(kept.moved_at);
        let mut outbox = Self::new(kept.next, first_lease, settings.ordered);
        outbox.dead = kept.dead.into_iter().collect();
        outbox.dropped = kept.dropped.into_iter().collect();
        outbox.passed = Passed::restore(kept.passed, kept.next);
        outbox.moved_at = kept.moved_at;
        for open in kept.open {
            if open.position >= kept.next {
                outbox.replays.insert(open.position, open.case);
                continue;
            }
            outbox.put(open.position, open.case, open.attempts);
            outbox.await_late_answer(open.position, settings, now);
        }
        outbox
    }

    fn await_late_answer(&mut self, position: u64, settings: &Settings, now: Instant) {
        let is_used_up = self
            .open
            .get(&position)
            .map(|open| open.is_used_up(settings));
        if is_used_up == Some(true) {
            self.note_unanswered(position, settings, UNANSWERED_OVER_RESTART);
            self.recall(position);
            if let Some(open) = self.open.get_mut(&position) {
                let due = Some(now + settings.ack_deadline);
                open.state = State::Blocked { due };
            }
            self.unblock(position);
        }
    }

    /// What outlives a restart. What was read ahead is found again, so it is left out: what is kept is as large as what
    /// consumers hold.
    pub fn kept(&self) -> Kept {
        let next = self
            .ahead
            .front()
            .map_or(self.next, |(position, _)| *position);
        let open = self.open.iter().map(|(position, open)| KeptOpen {
            position: *position,
            case: open.case,
            attempts: open.attempts,
        });
        let replays = self.replays.iter().map(|(position, case)| KeptOpen {
            position: *position,
            case: *case,
            attempts: 0,
        });
        let dead = self.dead.iter();
        Kept {
            next,
            open: open.chain(replays).collect(),
            dead: dead.map(|(at, dead)| (*at, dead.clone())).collect(),
            dropped: self.dropped.iter().copied().collect(),
            passed: self.passed.ranges(next),
            moved_at: self.moved_at,
        }
    }
}
