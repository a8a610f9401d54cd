//! `SubscriptionService`: where a subscription begins, and how it stands.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use casebroker_proto::v1::{StartPoint, SubscriptionState, start_point::At};
use prost_types::Timestamp;
use time::OffsetDateTime;
use tonic::Status;

use super::{Rooms, status, subscriptions::timestamp};
use crate::{delivery::Subscribed, identity::Caller};

/// Statements that are looked at to count what waits.
const MOST_COUNTED: u64 = 5_000_000;

impl Rooms {
    /// The position that a start point means; `None` means now.
    pub(super) async fn start_position(
        &self,
        caller: &Caller,
        field: &'static str,
        start: Option<StartPoint>,
    ) -> Result<u64, Status> {
        let size = self.cases.as_of(0)?;
        match start.and_then(|start| start.at) {
            None | Some(At::Now(true)) => Ok(size),
            Some(At::Beginning(true)) => Ok(0),
            Some(At::Now(false) | At::Beginning(false)) => Err(status::invalid_field(
                field,
                "is false; leave it out or say true",
            )),
            Some(At::Position(position)) if position <= size => Ok(position),
            Some(At::Position(position)) => {
                let rule = format!(
                    "is {position}, and the log has {size} entries; it may be {size} at most"
                );
                Err(status::invalid_field(&format!("{field}.position"), rule))
            }
            Some(At::Time(time)) => {
                if time.seconds > OffsetDateTime::now_utc().unix_timestamp() {
                    let rule = "is in the future; leave it out to begin now";
                    return Err(status::invalid_field(&format!("{field}.time"), rule));
                }
                let before = just_before(time);
                let found = move |rooms: &Self| Ok(rooms.cases.position_at(before)?);
                self.read(caller.clone(), found).await
            }
        }
    }

    pub(super) async fn state(
        &self,
        caller: &Caller,
        subscribed: Arc<Subscribed>,
    ) -> Result<SubscriptionState, Status> {
        // What has just been recorded counts, unless the table is being built.
        let wait = Duration::from_millis(self.limits_of_table.wait_ms);
        let is_whole = self.table.reach(self.cases.as_of(0)?, wait).await;
        let next_position = self.deliveries.next(&subscribed);
        let of = Arc::clone(&subscribed);
        let (backlog, backlog_is_least) = self.backlog(caller, of, next_position).await?;
        let (counts, consumers) = {
            let inner = subscribed.lock();
            (inner.outbox.counts(), inner.outbox.consumers())
        };
        let oldest_time = match counts.oldest {
            None => None,
            Some(oldest) => {
                let time = move |rooms: &Self| Ok(rooms.cases.time_before(oldest + 1)?);
                Some(timestamp(self.read(caller.clone(), time).await?))
            }
        };
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let count = |counter: &AtomicU64| {
            let count = counter.load(Ordering::Relaxed);
            i64::try_from(count).unwrap_or(i64::MAX)
        };
        Ok(SubscriptionState {
            next_position,
            unacknowledged: number(counts.out),
            waiting: number(counts.waiting),
            backlog: backlog.saturating_add(number(counts.fresh)),
            backlog_is_least: backlog_is_least || !is_whole,
            oldest_time,
            dead_letters: number(counts.dead),
            consumers: i32::try_from(consumers).unwrap_or(i32::MAX),
            last_use_time: Some(Timestamp {
                seconds: subscribed.last_use(),
                nanos: 0,
            }),
            delivered: count(&subscribed.tally.delivered),
            redelivered: count(&subscribed.tally.redelivered),
            acknowledged: count(&subscribed.tally.acknowledged),
        })
    }

    /// How many statements a subscription selects from a position on, as far as they may be seen now; and whether that is only a part.
    pub(super) async fn backlog(
        &self,
        caller: &Caller,
        subscribed: Arc<Subscribed>,
        from: u64,
    ) -> Result<(i64, bool), Status> {
        let _share = self.quotas.scan(&caller.principal.agency).await;
        self.scan(move |rooms| {
            let plan = rooms.deliveries.plan(&subscribed);
            let kinds = subscribed.definition().settings.kinds;
            let reading = rooms.table.rows().reading();
            let end = rooms.table.position().max(from);
            let to = end.min(from + MOST_COUNTED);
            let mut count = 0_i64;
            let stops = || rooms.stopping.is_cancelled() || subscribed.has_ended();
            let looked = reading.all_news(&plan, kinds, from..to, &stops, |news| {
                count += i64::from(reading.is_seen_now(&plan, news.case));
                true
            });
            Ok((count, looked.is_err() || to < end))
        })
        .await
    }
}

fn just_before(time: Timestamp) -> Timestamp {
    match time.nanos {
        0 => Timestamp {
            seconds: time.seconds.saturating_sub(1),
            nanos: 999_999_999,
        },
        nanos => Timestamp {
            seconds: time.seconds,
            nanos: nanos - 1,
        },
    }
}
