//! How soon a statement that is recorded now is delivered.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use async_nats::jetstream::consumer::DeliverPolicy;
use bytes::Bytes;
use casebroker_tests::{Broker, CBP, Caller, Site, subscriber::subscription_name};
use futures_util::StreamExt as _;
use tokio::{task::JoinHandle, time::MissedTickBehavior};

use crate::{
    drained::{OUTSTANDING, delete, officer, to_everything},
    jetstream::{self, SUBJECT},
    nats::Nats,
};

/// The first in so many do not count.
const WARM_UP: usize = 10;

/// Latencies, milliseconds, in order.
pub struct Live {
    after_acknowledgement: Vec<f64>,
    after_sending: Vec<f64>,
}

/// A position, and when its statement was sent and acknowledged.
type Sent = (u64, Instant, Instant);
/// When a position was delivered.
type Seen = HashMap<u64, Instant>;

impl Live {
    fn new(sent: &[Sent], seen: &Seen) -> anyhow::Result<Self> {
        let (mut after_acknowledgement, mut after_sending) = (Vec::new(), Vec::new());
        for (position, sent, acknowledged) in sent.iter().skip(sent.len() / WARM_UP) {
            let seen = *seen.get(position).context("not delivered")?;
            after_sending.push(signed_ms(*sent, seen));
            after_acknowledgement.push(signed_ms(*acknowledged, seen));
        }
        after_acknowledgement.sort_by(f64::total_cmp);
        after_sending.sort_by(f64::total_cmp);
        Ok(Self {
            after_acknowledgement,
            after_sending,
        })
    }

    /// Of the time from the acknowledgement to the delivery.
    pub fn after_acknowledgement(&self, quantile: f64) -> f64 {
        at(&self.after_acknowledgement, quantile)
    }

    /// Of the time from sending the statement to the delivery.
    pub fn after_sending(&self, quantile: f64) -> f64 {
        at(&self.after_sending, quantile)
    }
}

/// Submits these at so many a second while one subscription is drained.
pub async fn broker(
    site: &Site,
    broker: &Broker,
    submitter: &Caller,
    statements: &[Bytes],
    rate: u64,
) -> anyhow::Result<Live> {
    let caller = officer(site, broker, CBP).await?;
    caller.subscribe(to_everything(CBP, "live"), None).await?;
    let name = subscription_name(CBP, "live");
    let mut pulling = caller.pulling(&name, OUTSTANDING.into()).await?;
    let count = statements.len();
    let consumer = tokio::spawn(async move {
        let mut seen = Seen::new();
        while seen.len() < count {
            let response = pulling.next().await?.context("the stream ended")?;
            let now = Instant::now();
            seen.extend(response.deliveries.iter().map(|d| (d.position, now)));
            let ids = response.deliveries.into_iter().map(|d| d.ack_id).collect();
            pulling.ack(ids).await;
        }
        anyhow::Ok(seen)
    });
    let sent = paced(statements, rate, |statement| {
        let submitter = submitter.clone();
        async move { anyhow::Ok(submitter.submit_signed(statement.to_vec()).await?.position) }
    });
    let live = Live::new(&sent.await?, &consumer.await??);
    delete(&caller, name).await?;
    live
}

/// Publishes these at so many a second while one consumer is drained.
pub async fn nats(nats: &Nats, statements: &[Bytes], rate: u64) -> anyhow::Result<Live> {
    let (publisher, context) = (
        jetstream::connect(nats).await?,
        jetstream::connect(nats).await?,
    );
    let consumer = jetstream::consumer(&context, "live", DeliverPolicy::New).await?;
    let mut messages = jetstream::messages(&consumer).await?;
    let count = statements.len();
    let consumer = tokio::spawn(async move {
        let mut seen = Seen::new();
        while seen.len() < count {
            let message = messages.next().await.context("the stream ended")??;
            let info = message.info().map_err(|error| anyhow!(error))?;
            seen.insert(info.stream_sequence, Instant::now());
            message.ack().await.map_err(|error| anyhow!(error))?;
        }
        anyhow::Ok(seen)
    });
    let sent = paced(statements, rate, |statement| {
        let publisher = publisher.clone();
        async move { anyhow::Ok(publisher.publish(SUBJECT, statement).await?.await?.sequence) }
    });
    let live = Live::new(&sent.await?, &consumer.await??);
    jetstream::delete(&context, "live").await?;
    live
}

/// Sends these at so many a second, whether those before are answered or not.
async fn paced<F>(
    statements: &[Bytes],
    rate: u64,
    send: impl Fn(Bytes) -> F,
) -> anyhow::Result<Vec<Sent>>
where
    F: Future<Output = anyhow::Result<u64>> + Send + 'static,
{
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answers: Vec<JoinHandle<anyhow::Result<Sent>>> = Vec::new();
    for statement in statements {
        ticks.tick().await;
        let answer = send(statement.clone());
        answers.push(tokio::spawn(async move {
            let began = Instant::now();
            let position = answer.await?;
            Ok((position, began, Instant::now()))
        }));
    }
    let mut sent = Vec::new();
    for answer in answers {
        sent.push(answer.await??);
    }
    Ok(sent)
}

fn signed_ms(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
        - from.saturating_duration_since(to).as_secs_f64() * 1e3
}

fn at(sorted: &[f64], quantile: f64) -> f64 {
    let place = (sorted.len() as f64 * quantile) as usize;
    sorted
        .get(place.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
