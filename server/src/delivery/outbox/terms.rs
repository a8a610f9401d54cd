//! What an outbox is told and tells.

use std::time::Duration;

/// What a consumer may hold and holds.
#[derive(Debug, Clone, Copy)]
pub struct Consumer {
    /// Most deliveries that it holds.
    pub max_messages: usize,
    /// Most bytes of them; one delivery is always let through.
    pub max_bytes: u64,
    pub(super) messages: usize,
    pub(super) bytes: u64,
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

impl Kept {
    /// Forgets what is said of positions that a log of this size does not have, so that what is recorded there is delivered. Whether
    /// there was anything.
    pub fn set_back(&mut self, log_size: u64) -> bool {
        let before = self.clone();
        self.next = self.next.min(log_size);
        self.open.retain(|open| open.position < log_size);
        self.dead.retain(|(position, _)| *position < log_size);
        self.dropped.retain(|position| *position < log_size);
        self.passed.retain(|(from, _)| *from < log_size);
        for (_, to) in &mut self.passed {
            *to = (*to).min(log_size);
        }
        *self != before
    }
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

    pub(super) fn takes_more(&self) -> bool {
        self.messages == 0 || (self.messages < self.max_messages && self.bytes < self.max_bytes)
    }
}
