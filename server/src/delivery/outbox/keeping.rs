//! What of an outbox outlives a restart.

use super::{Kept, KeptOpen, Outbox, Passed};

impl Outbox {
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

    /// What outlives a restart. What was read ahead is found again, so it is left out: what is kept is as large as what
    /// consumers hold.
    pub fn kept(&self) -> Kept {
        let next = self
            .ahead
            .front()
            .map_or(self.next, |(position, _)| *position);
        let open = self.open.iter();
        let dead = self.dead.iter();
        Kept {
            next,
            open: open
                .map(|(position, open)| KeptOpen {
                    position: *position,
                    case: open.case,
                    attempts: open.attempts,
                })
                .collect(),
            dead: dead.map(|(at, dead)| (*at, dead.clone())).collect(),
            dropped: self.dropped.iter().copied().collect(),
            passed: self.passed.ranges(next),
            moved_at: self.moved_at,
        }
    }
}
