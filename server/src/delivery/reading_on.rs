//! How consumers get deliveries, and how a subscription that is behind reads on.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{
    consuming::Joined,
    outbox::Taken,
    registry::{Deliveries, now},
    subscribed::Subscribed,
};

/// Positions that are looked at in one go, before others get their turn.
const SLICE: u64 = 65_536;
/// How long somebody who would not wait waits all the same while it is looked at what was recorded before: "none" would not be true.
const LOOKING: Duration = Duration::from_secs(2);

impl Joined {
    /// What can be delivered, at most so many; waits until then for the first. Empty if there is none by then, or if the
    /// subscription or the broker ends.
    pub async fn take(&self, limit: usize, until: Instant) -> Vec<Taken> {
        let looks_until = until.max(Instant::now() + LOOKING);
        let (deliveries, subscribed) = (&self.deliveries, &self.subscribed);
        if !deliveries.reach(subscribed, until).await {
            return Vec::new();
        }
        loop {
            // Before it is looked: what comes after that wakes it.
            let mut woken = std::pin::pin!(subscribed.wake.notified());
            woken.as_mut().enable();
            if subscribed.has_ended() || deliveries.stopping.is_cancelled() {
                return Vec::new();
            }
            let clock = Instant::now();
            let (taken, more, wakes_at, reads_on, is_filling) = {
                let mut inner = subscribed.lock();
                let definition = subscribed.definition();
                let outbox = &mut inner.outbox;
                outbox.expire(&definition.settings, (clock, now()));
                let taken = outbox.take(clock, &definition.settings, self.id, limit);
                let (more, wakes_at) = (outbox.has_ready(), outbox.wakes_at());
                let reads_on = outbox.is_low() && inner.slot.is_none() && !inner.is_filling;
                inner.is_filling |= reads_on;
                (taken, more, wakes_at, reads_on, inner.is_filling)
            };
            if reads_on {
                tokio::spawn(Arc::clone(deliveries).read_on(Arc::clone(subscribed)));
            }
            if !taken.is_empty() {
                if more {
                    subscribed.wake.notify_one();
                }
                deliveries.used(subscribed);
                return taken;
            }
            let until = if is_filling { looks_until } else { until };
            if clock >= until {
                return Vec::new();
            }
            let wakes_at = wakes_at.map_or(until, |at| at.min(until));
            tokio::select! {
                () = woken => {}
                () = sleep_until(wakes_at) => {}
                () = deliveries.stopping.cancelled() => {}
            }
        }
    }
}

impl Deliveries {
    /// Waits until the table knows everything that the subscription has looked at: after a start it may be built anew, and until then it
    /// cannot tell what is open. False if that is not so by then.
    async fn reach(&self, subscribed: &Subscribed, until: Instant) -> bool {
        let next = subscribed.lock().outbox.next();
        let mut positions = self.given.table.positions();
        let reached = positions.wait_for(|position| *position >= next);
        tokio::select! {
            reached = tokio::time::timeout_at(until, reached) => matches!(reached, Ok(Ok(_))),
            () = self.stopping.cancelled() => false,
        }
    }

    /// Looks at what was recorded before, until there is no room for more or the subscription has caught up. One at a time for a
    /// subscription: its `is_filling` is set.
    async fn read_on(self: Arc<Self>, subscribed: Arc<Subscribed>) {
        let mut looked_at = self.matcher.subscribe();
        loop {
            looked_at.mark_unchanged();
            let position = self.given.table.position();
            {
                let mut inner = subscribed.lock();
                if inner.outbox.is_full() || subscribed.has_ended() || self.stopping.is_cancelled()
                {
                    inner.is_filling = false;
                    return;
                }
            }
            if subscribed.lock().outbox.next() < position {
                if !self.look_on(&subscribed, position).await {
                    subscribed.lock().is_filling = false;
                    return;
                }
                self.used(&subscribed);
                subscribed.wake.notify_one();
                continue;
            }
            if self.matcher.join(&subscribed, &self.make_plan) {
                subscribed.lock().is_filling = false;
                subscribed.wake.notify_one();
                return;
            }
            // The thread that looks at what is new has yet to come here: soon, or after the table is built.
            tokio::select! {
                changed = looked_at.changed() => if changed.is_err() {
                    subscribed.lock().is_filling = false;
                    return;
                },
                () = self.stopping.cancelled() => {}
            }
        }
    }

    /// Looks at a slice; false while the broker ends.
    async fn look_on(self: &Arc<Self>, subscribed: &Arc<Subscribed>, position: u64) -> bool {
        let (deliveries, of) = (Arc::clone(self), Arc::clone(subscribed));
        let looking = self.given.scans.run(move || {
            let definition = of.definition();
            let kinds = definition.settings.kinds;
            let plan = definition.plan(&deliveries.given.table, &deliveries.given.cases);
            let reading = deliveries.given.table.rows().reading();
            let given_up = || deliveries.stopping.is_cancelled() || of.has_ended();
            of.scan(&definition, (position, SLICE), |range, each| {
                let looked = reading.all_news(&plan, kinds, range, &given_up, each);
                looked.ok()
            });
        });
        match looking {
            Some(looking) => looking.await.is_ok(),
            None => false,
        }
    }
}
