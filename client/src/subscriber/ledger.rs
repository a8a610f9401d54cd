//! What a consumer holds of a subscription, and what it has to say about it. No clock and no network of its own.
//!
//! What it promises: a position that is held or acknowledged here is not handed out a second time because a connection broke; its
//! newest ack id takes the place of the older one. Acknowledgements that are asked to be durable are kept until the broker says that they
//! are, and are said again over the next stream. A broker that was killed may know nothing of them: then the position is remembered, and
//! acknowledged when it comes again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use casebroker_proto::v1::{AckOutcome, AckResult, Delivery, Nacked, StreamingPullRequest};
use prost::Message as _;

use super::Nack;

/// An acknowledgement waits at most so long for others.
pub(super) const GATHER_FOR: Duration = Duration::from_millis(50);
/// It is sent at once when there are so many.
pub(super) const GATHERED: usize = 100;
/// How long a position is remembered whose acknowledgement a broker that came back knew nothing of.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Most ids of one kind in a message.
const MOST: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    held: HashMap<u64, Held>,
    /// Bytes of the deliveries that are held.
    bytes: usize,
    acks: Vec<String>,
    nacks: Vec<Nacked>,
    /// When the first of `acks` and `nacks` came.
    since: Option<Instant>,
    /// Acknowledged and not known to be durable, by ack id; and how many ids of a position there are.
    unconfirmed: HashMap<String, Said>,
    acknowledged: HashMap<u64, usize>,
    /// Acknowledged here, and not known to the broker since when.
    remembered: HashMap<u64, Instant>,
    /// Whether outcomes are waited for.
    durable: bool,
    /// Acknowledgements that came after their deadline.
    pub(super) late: u64,
}

/// An acknowledgement that was said.
#[derive(Debug)]
struct Said {
    position: u64,
    /// Over an earlier stream.
    before: bool,
}

#[derive(Debug)]
struct Held {
    /// Empty if the broker does not know it.
    ack_id: String,
    bytes: usize,
    /// When it was first held here.
    since: Instant,
    /// From when its deadline runs.
    extended: Instant,
}

impl Ledger {
    pub(super) fn new(durable: bool) -> Self {
        Self {
            durable,
            ..Self::default()
        }
    }

    /// How many deliveries are held, and of how many bytes.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.held.len(), self.bytes)
    }

    /// Takes a delivery in. Gives it back if it is to be handed out: one that is held or acknowledged here already is not.
    pub(super) fn take(&mut self, delivery: Delivery, now: Instant) -> Option<Delivery> {
        let position = delivery.position;
        if let Some(held) = self.held.get_mut(&position) {
            held.ack_id = delivery.ack_id;
            held.extended = now;
            return None;
        }
        if self.acknowledged.contains_key(&position) || self.remembered.contains_key(&position) {
            self.say_ack(position, delivery.ack_id, now);
            return None;
        }
        let bytes = delivery.encoded_len();
        self.bytes += bytes;
        let held = Held {
            ack_id: delivery.ack_id.clone(),
            bytes,
            since: now,
            extended: now,
        };
        self.held.insert(position, held);
        Some(delivery)
    }

    /// A position is dealt with.
    pub(super) fn ack(&mut self, position: u64, now: Instant) {
        if let Some(held) = self.release(position) {
            self.say_ack(position, held.ack_id, now);
        }
    }

    /// A position is given back.
    pub(super) fn nack(&mut self, position: u64, nack: &Nack, now: Instant) {
        let held = self.release(position);
        if let Some(held) = held.filter(|held| !held.ack_id.is_empty()) {
            self.nacks.push(nack.of(held.ack_id));
            self.since.get_or_insert(now);
        }
    }

    /// Everything that is held is given back.
    pub(super) fn nack_all(&mut self, nack: &Nack, now: Instant) {
        let positions: Vec<_> = self.held.keys().copied().collect();
        for position in positions {
            self.nack(position, nack, now);
        }
    }

    fn release(&mut self, position: u64) -> Option<Held> {
        let held = self.held.remove(&position)?;
        self.bytes = self.bytes.saturating_sub(held.bytes);
        Some(held)
    }

    fn say_ack(&mut self, position: u64, ack_id: String, now: Instant) {
        if ack_id.is_empty() {
            if self.durable {
                self.remembered.insert(position, now);
            }
            return;
        }
        let said = Said {
            position,
            before: false,
        };
        if self.durable && self.unconfirmed.insert(ack_id.clone(), said).is_none() {
            *self.acknowledged.entry(position).or_default() += 1;
        }
        self.acks.push(ack_id);
        self.since.get_or_insert(now);
    }

    /// When what is to be said must be sent at the latest; `now` or before if at once.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let full = self.acks.len() + self.nacks.len() >= GATHERED;
        self.since.map(|since| match full {
            true => now,
            false => since + GATHER_FOR,
        })
    }

    /// Takes the next message out; none if there is nothing to say.
    pub(super) fn message(&mut self, now: Instant) -> Option<StreamingPullRequest> {
        let ack_ids = head(&mut self.acks);
        let nacks = head(&mut self.nacks);
        let more = !self.acks.is_empty() || !self.nacks.is_empty();
        self.since = more.then_some(now);
        let nothing = ack_ids.is_empty() && nacks.is_empty();
        (!nothing).then(|| StreamingPullRequest {
            durable: self.durable && !ack_ids.is_empty(),
            ack_ids,
            nacks,
            ..Default::default()
        })
    }

    /// Extends those whose deadline runs for `half` already and that have been held for less than `longest`; none if there are none.
    pub(super) fn extend(
        &mut self,
        now: Instant,
        half: Duration,
        longest: Duration,
    ) -> Option<StreamingPullRequest> {
        self.remembered
            .retain(|_, since| now.duration_since(*since) < REMEMBERED);
        let due = |held: &&mut Held| {
            !held.ack_id.is_empty()
                && now.duration_since(held.extended) >= half
                && now.duration_since(held.since) < longest
        };
        let held = self.held.values_mut().filter(due).take(MOST);
        let extended = held.map(|held| {
            held.extended = now;
            held.ack_id.clone()
        });
        let extend_ack_ids: Vec<_> = extended.collect();
        (!extend_ack_ids.is_empty()).then(|| StreamingPullRequest {
            extend_ack_ids,
            ..Default::default()
        })
    }

    /// What the broker says became of an ack id. A late one that is waited for is said again: it may be the extension before that was
    /// late, and an acknowledgement that counted is then answered as settled.
    pub(super) fn outcome(&mut self, outcome: &AckOutcome, now: Instant) {
        if outcome.result() == AckResult::Late {
            self.late += 1;
            if self.unconfirmed.contains_key(&outcome.ack_id) {
                self.acks.push(outcome.ack_id.clone());
                self.since.get_or_insert(now);
            }
            return;
        }
        let Some(Said { position, before }) = self.unconfirmed.remove(&outcome.ack_id) else {
            return;
        };
        match outcome.result() {
            // Of this stream it means dealt with, or moved; of an earlier one also that a broker that was killed has not read so far again.
            AckResult::Settled if before => drop(self.remembered.insert(position, now)),
            _ => drop(self.remembered.remove(&position)),
        }
        if let Some(count) = self.acknowledged.get_mut(&position) {
            *count -= 1;
            if *count == 0 {
                self.acknowledged.remove(&position);
            }
        }
    }

    /// How many acknowledgements are not known to be durable.
    pub(super) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    /// A stream broke: what is not known to be durable is said again.
    pub(super) fn again(&mut self, now: Instant) {
        if self.durable {
            self.acks = self.unconfirmed.keys().cloned().collect();
        }
        let nothing = self.acks.is_empty() && self.nacks.is_empty();
        self.since = (!nothing).then_some(now);
        self.unconfirmed
            .values_mut()
            .for_each(|said| said.before = true);
        // Deadlines of what is held ran on meanwhile: extend them first.
        for held in self.held.values_mut() {
            held.extended = held.since;
        }
    }

    /// The broker does not know ids of an earlier stream: nothing is said with them any more. What they are of is held and remembered
    /// all the same.
    pub(super) fn forget(&mut self, now: Instant) {
        self.acks.clear();
        self.nacks.clear();
        self.since = None;
        self.acknowledged.clear();
        let unconfirmed = self
            .unconfirmed
            .drain()
            .map(|(_, said)| (said.position, now));
        self.remembered.extend(unconfirmed);
        for held in self.held.values_mut() {
            held.ack_id.clear();
        }
    }
}

/// The first [`MOST`], taken out.
fn head<T>(list: &mut Vec<T>) -> Vec<T> {
    let rest = list.split_off(list.len().min(MOST));
    std::mem::replace(list, rest)
}

#[cfg(test)]
mod tests;
