//! Leases lapse by themselves, whether or not a consumer asks for deliveries.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::registry::{Deliveries, now};

/// How often it is looked for leases that are over: so much later than its deadline a lease may still show as out.
const EVERY: Duration = Duration::from_millis(500);

impl Deliveries {
    /// Takes back what consumers did not answer in time, until the broker stops.
    pub(super) async fn lapse(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            for subscribed in self.all() {
                let time = (Instant::now(), now());
                let mut inner = subscribed.lock();
                if inner.outbox.wakes_at().is_none_or(|at| at > time.0) {
                    continue;
                }
                inner.outbox.expire(&subscribed.definition().settings, time);
                drop(inner);
                self.note_moved(&subscribed);
                subscribed.wake.notify_one();
            }
        }
    }
}
