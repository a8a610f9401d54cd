//! A rate with a waiting line: a token bucket (GCRA, by the governor crate) that also says when a turn comes.

use std::{
    fmt,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// Time since some beginning; tests set it.
#[derive(Clone)]
pub struct Time(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Time {
    /// The system's monotonic clock.
    pub fn real() -> Self {
        let begin = Instant::now();
        Self(Arc::new(move || begin.elapsed()))
    }

    /// A clock that shows what `now` says; it must never go back.
    pub fn shown_by(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl Clock for Time {
    type Instant = Duration;

    fn now(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&self.now()).finish()
    }
}

/// So many units a second, some at once, and some ahead of time for those who wait.
///
/// The limiter's capacity is the burst and what comes in while somebody may wait. Whoever gets the second part has its
/// turn fixed, first come first served, and is told how long to wait for it.
#[derive(Debug)]
pub(super) struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, Time, StateInformationMiddleware>,
    time: Time,
    /// Time that one unit takes to come in.
    period: Duration,
    burst: u32,
    ahead: u32,
}

impl Bucket {
    pub(super) fn new(per_second: u32, burst: u32, wait: Duration, time: &Time) -> Self {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let ahead = units(per_second.get(), wait);
        let capacity = burst.saturating_add(ahead);
        let quota = Quota::per_second(per_second).allow_burst(capacity);
        Self {
            limiter: RateLimiter::new(quota, InMemoryState::default(), time.clone()),
            time: time.clone(),
            period: quota.replenish_interval(),
            burst: burst.get(),
            ahead,
        }
    }

    /// Most that can be taken in one go.
    pub(super) fn burst(&self) -> u32 {
        self.burst
    }

    /// Takes `count` (at least 1, at most [`Bucket::burst`]). Ok: how long to wait for them. Err: none were taken, and so
    /// long it is until as many could be had without a wait.
    pub(super) fn take(&self, count: u32) -> Result<Duration, Duration> {
        let count = NonZeroU32::new(count.min(self.burst)).unwrap_or(NonZeroU32::MIN);
        match self.limiter.check_n(count) {
            Ok(Ok(left)) => {
                let borrowed = self.ahead.saturating_sub(left.remaining_burst_capacity());
                Ok(self.period * borrowed)
            }
            Ok(Err(not_until)) => {
                let until = not_until.wait_time_from(self.time.now());
                Err(until + self.period * self.ahead)
            }
            // The capacity is never less than the burst.
            Err(_) => Err(self.period * count.get()),
        }
    }
}

/// Units that come in within a time, rounded down.
pub(super) fn units(per_second: u32, within: Duration) -> u32 {
    let units = u128::from(per_second) * within.as_millis() / 1_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn clock() -> (Arc<AtomicU64>, Time) {
        let now = Arc::new(AtomicU64::new(0));
        let shown = Arc::clone(&now);
        let time = Time::shown_by(move || Duration::from_nanos(shown.load(Ordering::Relaxed)));
        (now, time)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_is_free_then_turns_come_one_by_one_then_it_is_full() {
        let (now, time) = clock();
        let bucket = Bucket::new(100, 5, 30 * MS, &time);
        for _ in 0..5 {
            assert_eq!(bucket.take(1), Ok(Duration::ZERO));
        }
        for turn in 1..=3 {
            assert_eq!(bucket.take(1), Ok(10 * MS * turn), "turn {turn}");
        }
        // One more fits after 10 ms, and without a wait after 40.
        assert_eq!(bucket.take(1), Err(40 * MS));
        assert_eq!(bucket.take(1), Err(40 * MS), "a refusal takes nothing");
        now.store(10_000_000, Ordering::Relaxed);
        assert_eq!(bucket.take(1), Ok(30 * MS));
    }

    #[test]
    fn after_the_time_told_it_is_served_at_once() {
        let (now, time) = clock();
        let bucket = Bucket::new(10, 2, 200 * MS, &time);
        let mut told = None;
        while told.is_none() {
            told = bucket.take(2).err();
        }
        let told = u64::try_from(told.unwrap().as_nanos()).unwrap();
        now.store(told, Ordering::Relaxed);
        assert_eq!(bucket.take(2), Ok(Duration::ZERO));
    }

    #[test]
    fn a_rate_too_slow_to_wait_for_is_refused_at_once() {
        let (now, time) = clock();
        let bucket = Bucket::new(1, 1, 250 * MS, &time);
        assert_eq!(bucket.take(1), Ok(Duration::ZERO));
        assert_eq!(bucket.take(1), Err(1_000 * MS));
        now.store(1_000_000_000, Ordering::Relaxed);
        assert_eq!(bucket.take(1), Ok(Duration::ZERO));
    }

    proptest! {
        /// Whatever comes when, nobody is served more than the burst and what the rate brought in.
        #[test]
        fn no_more_is_served_by_any_time_than_burst_and_rate_allow(
            rate in 1_u32..10_000,
            burst in 1_u32..100,
            wait_ms in 0_u64..500,
            arrivals in prop::collection::vec((0_u64..50_000_000, 1_u32..100), 1..200),
        ) {
            let (now, time) = clock();
            let bucket = Bucket::new(rate, burst, Duration::from_millis(wait_ms), &time);
            let mut served: Vec<(Duration, u64)> = Vec::new();
            for (pause, count) in arrivals {
                let at = now.fetch_add(pause, Ordering::Relaxed) + pause;
                let count = count.min(burst);
                if let Ok(wait) = bucket.take(count) {
                    prop_assert!(wait <= Duration::from_millis(wait_ms));
                    served.push((Duration::from_nanos(at) + wait, count.into()));
                }
            }
            served.sort();
            let mut total = 0;
            for (at, count) in served {
                total += count;
                // A period is cut to whole nanoseconds, which makes the rate a little higher.
                let period = (1_000_000_000 / u64::from(rate)).max(1);
                let brought = at.as_nanos() / u128::from(period);
                prop_assert!(u128::from(total) <= u128::from(burst) + brought + 1, "{total} by {at:?}");
            }
        }
    }
}
