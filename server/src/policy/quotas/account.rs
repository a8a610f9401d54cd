//! What one principal, or one agency, has left.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::bucket::{Bucket, Time, units};
use crate::config;

/// Bytes are counted in units of so many: a unit's time must be well above a nanosecond.
const BYTES_PER_UNIT: u32 = 16;
/// Bytes that may always come at once: a frame of HTTP/2 (RFC 9113, SETTINGS_MAX_FRAME_SIZE).
const MIN_BURST_BYTES: u32 = 16 << 10;

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meter {
    /// Calls, and statements of streams.
    Requests,
    /// Bytes of requests.
    Bytes,
    /// New connections.
    Connections,
}

/// Something that is held for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A call in work.
    Call,
    /// An open stream.
    Stream,
    /// An open connection.
    Connection,
}

/// What one principal, or one agency, has left.
#[derive(Debug)]
pub(super) struct Account {
    requests: Bucket,
    bytes: Bucket,
    arrivals: Bucket,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    /// Statements in the sequencer's queue; only agencies' are used.
    pub(super) queue: Arc<Semaphore>,
    /// Reading calls; only agencies' are used.
    pub(super) readers: Arc<Semaphore>,
    /// Statements being checked; only agencies' are used.
    pub(super) checks: Arc<Semaphore>,
    /// Calls that read much; only agencies' are used.
    pub(super) scans: Arc<Semaphore>,
}

impl Account {
    pub(super) fn new(quota: &config::Quota, config: &config::Quotas, time: &Time) -> Self {
        let wait = config.wait();
        let bucket = |per_second: u32, least: u32| {
            let burst = units(per_second, config.burst()).max(least);
            Bucket::new(per_second, burst, wait, time)
        };
        let places = |count: usize| Arc::new(Semaphore::new(count));
        Self {
            requests: bucket(quota.requests_per_s, 1),
            bytes: bucket(
                quota.bytes_per_s / BYTES_PER_UNIT,
                MIN_BURST_BYTES / BYTES_PER_UNIT,
            ),
            // Whoever starts up opens several at once.
            arrivals: bucket(quota.connections_per_s, quota.connections_per_s),
            calls: places(quota.calls),
            streams: places(quota.streams),
            connections: places(quota.connections),
            queue: places(config.agency_queue_entries),
            readers: places(config.agency_readers),
            checks: places(config.agency_checks()),
            scans: places(config.agency_scans),
        }
    }

    /// Most requests that can be taken in one go.
    pub(super) fn request_burst(&self) -> u32 {
        self.requests.burst()
    }

    pub(super) fn take(&self, meter: Meter, count: u32) -> Result<Duration, Duration> {
        match meter {
            Meter::Requests => self.requests.take(count),
            Meter::Bytes => self.bytes.take(count.div_ceil(BYTES_PER_UNIT)),
            Meter::Connections => self.arrivals.take(count),
        }
    }

    pub(super) fn places(&self, held: Held) -> Arc<Semaphore> {
        Arc::clone(match held {
            Held::Call => &self.calls,
            Held::Stream => &self.streams,
            Held::Connection => &self.connections,
        })
    }
}
