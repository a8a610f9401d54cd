//! What is given up: dead letters, and what is dropped without being one.

use std::time::Duration;

use casebroker_proto::subscription::{MAX_DEAD_LETTERS, Settings};
use tokio::time::Instant;

use super::{Dead, Outbox, Progress, State};

/// Positions of given-up deliveries that are remembered although nobody asked for dead letters.
const MAX_DROPPED: usize = 10_000;
/// Wait before another attempt at what cannot be given up because the dead letters are full.
pub(super) const WAIT_WHEN_FULL: Duration = Duration::from_secs(600);

impl Outbox {
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

    /// How far a selected position came.
    pub fn progress(&self, position: u64) -> Progress {
        match self.open.get(&position) {
            _ if self.dead.contains_key(&position) => Progress::Dead,
            Some(open) if open.attempts > 0 => Progress::Delivered,
            Some(_) => Progress::Pending,
            None if self.place_ahead(position).is_some() => Progress::Pending,
            None if self.dropped.contains(&position) => Progress::Unknown,
            None if self.passed.has(position) => Progress::Acknowledged,
            None if position >= self.next => Progress::Pending,
            None => Progress::Unknown,
        }
    }

    /// Another attempt at what was recalled, at its time; or none any more.
    pub(super) fn again(
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

    pub(super) fn drop_position(&mut self, position: u64) {
        self.dropped.insert(position);
        while self.dropped.len() > MAX_DROPPED {
            self.dropped.pop_first();
        }
    }
}
