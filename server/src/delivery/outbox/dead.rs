//! What is given up: dead letters, and what is dropped without being one.

use std::time::Duration;

use casebroker_proto::subscription::{MAX_REASON, Settings};
use tokio::time::Instant;

use super::{Dead, Outbox, Progress, State};

/// Positions of given-up deliveries that are remembered although nobody asked for dead letters.
const MAX_DROPPED: usize = 10_000;
/// Reason of a dead letter whose last attempt was not answered.
pub(super) const UNANSWERED: &str =
    "the outcome at the consumer is not known: no answer came before the ack deadline";
/// Reason of a dead letter whose last attempt was under way when the broker ended.
pub(super) const UNANSWERED_OVER_RESTART: &str = "the outcome at the consumer is not known: the broker was restarted, and no answer came before the ack deadline";
/// Wait before it is tried again to give up what cannot be, because the dead letters are full.
pub(super) const WAIT_WHEN_FULL: Duration = Duration::from_secs(600);

impl Outbox {
    /// Delivers dead letters again; those of these that there are. Answers how many. One that is on its way already, as the subscription
    /// was moved back, only stops being a dead letter.
    pub fn replay(&mut self, positions: &[u64]) -> usize {
        let mut replayed = 0;
        for position in positions.iter().copied() {
            let Some(dead) = self.dead.remove(&position) else {
                continue;
            };
            replayed += 1;
            if position >= self.next {
                self.replays.insert(position, dead.case);
            } else if !self.open.contains_key(&position) && self.place_ahead(position).is_none() {
                self.put_in_order(position, dead.case);
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
            Some(open) if open.attempts > 0 => Progress::Delivered,
            Some(_) => Progress::Pending,
            None if self.place_ahead(position).is_some() => Progress::Pending,
            None if self.replays.contains_key(&position) => Progress::Pending,
            None if self.dead.contains_key(&position) => Progress::Dead,
            None if self.dropped.contains(&position) => Progress::Unknown,
            None if self.passed.has(position) => Progress::Acknowledged,
            None if position >= self.next => Progress::Pending,
            None => Progress::Unknown,
        }
    }

    /// Another attempt at what was recalled, at its time; or none any more. What has no attempt left and cannot be given up waits without
    /// one.
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
        if terminate || open.is_used_up(settings) {
            if !settings.dead_letter {
                self.settle(position);
                self.drop_position(position);
                return;
            }
            if self.dead.len() < self.max_dead || self.dead.contains_key(&position) {
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
        let due = (!wait.is_zero()).then(|| now + wait);
        open.state = State::Blocked { due };
        self.unblock(position);
    }

    /// Notes why a delivery will be given up whose consumer did not answer, if that was the last attempt.
    pub(super) fn note_unanswered(&mut self, position: u64, settings: &Settings, why: &str) {
        let Some(open) = self.open.get_mut(&position) else {
            return;
        };
        if !open.is_used_up(settings) {
            return;
        }
        open.reason = match &*open.reason {
            "" => why.into(),
            before => {
                let both = format!("{why}; an earlier attempt was given back with: {before}");
                both.chars().take(MAX_REASON).collect()
            }
        };
    }

    pub(super) fn drop_position(&mut self, position: u64) {
        self.dropped.insert(position);
        while self.dropped.len() > MAX_DROPPED {
            self.dropped.pop_first();
        }
    }
}
