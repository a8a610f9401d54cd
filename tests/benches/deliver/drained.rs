//! Recorded statements to many subscriptions at once, each drained by one consumer.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use casebroker_proto::{
    MAX_MESSAGE_BYTES,
    encoded::StreamingPullResponse,
    v1::{DeleteSubscriptionRequest, StreamingPullRequest, Subscription},
};
use casebroker_tests::{
    Broker, CBP, Caller, DEA, RCMP, Site,
    subscriber::{position, subscription, subscription_name},
};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::{process::Process, stream};

/// Most deliveries that a consumer holds unacknowledged, here and there.
pub const OUTSTANDING: u16 = 1_000;
/// Longer than any run, so that nothing is delivered twice.
pub const ACK_DEADLINE: Duration = Duration::from_secs(600);
/// Consumers of one run share so many connections.
const CONNECTIONS: usize = 4;

/// What was delivered and acknowledged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drained {
    pub messages: u64,
    /// Of the statements.
    pub bytes: u64,
    pub took: Duration,
    /// Of the server.
    pub cpu: Duration,
}

impl Drained {
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.took += other.took;
        self.cpu += other.cpu;
    }

    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }

    /// The server's processor time a message, microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.messages as f64
    }
}

/// Runs consumers that are ready to open their streams, and gives what they took together; each answers the bytes that it got.
pub async fn timed<F>(server: Process, messages: u64, consumers: Vec<F>) -> anyhow::Result<Drained>
where
    F: Future<Output = anyhow::Result<u64>> + Send + 'static,
{
    let (began, cpu) = (Instant::now(), server.cpu()?);
    let consumers: Vec<_> = consumers.into_iter().map(tokio::spawn).collect();
    let mut drained = Drained::default();
    for consumer in consumers {
        drained.bytes += consumer.await??;
    }
    drained.messages = messages;
    drained.took = began.elapsed();
    drained.cpu = server.cpu()? - cpu;
    Ok(drained)
}

/// As many connections as so many consumers share.
pub fn connections(consumers: usize) -> usize {
    consumers.min(CONNECTIONS)
}

/// An officer on a connection with windows for full speed.
pub async fn officer(site: &Site, broker: &Broker, agency: &str) -> anyhow::Result<Caller> {
    let principal = site.principal(agency, "officer");
    let channel = stream::connect(broker.address, broker.anchor(), &principal.identity, 1).await?;
    Ok(Caller {
        channel: channel.into_iter().next().context("no connection")?,
        signer: principal.signer,
        agency: agency.into(),
    })
}

/// A subscription to everything, for one consumer that holds as much as it is let.
pub fn to_everything(agency: &str, id: &str) -> Subscription {
    Subscription {
        ack_deadline: ACK_DEADLINE.try_into().ok(),
        ..subscription(agency, id)
    }
}

/// Delivers the last `each` statements of the log to so many new subscriptions, with a limit of attempts (0 for none).
pub async fn drain(
    site: &Site,
    broker: &Broker,
    (subscriptions, each): (usize, u64),
    log_size: u64,
    max_delivery_attempts: i32,
) -> anyhow::Result<Drained> {
    let mut callers = Vec::new();
    for agency in [CBP, RCMP, DEA]
        .iter()
        .cycle()
        .take(connections(subscriptions))
    {
        callers.push(officer(site, broker, agency).await?);
    }
    let ours: Vec<_> = callers
        .iter()
        .cycle()
        .take(subscriptions)
        .enumerate()
        .map(|(n, caller)| (caller.clone(), format!("drain-{n}")))
        .collect();
    try_join_all(ours.iter().map(|(caller, id)| {
        let of = Subscription {
            max_delivery_attempts,
            ..to_everything(&caller.agency, id)
        };
        caller.subscribe(of, position(log_size - each))
    }))
    .await?;
    let consumers = ours.iter().map(|(caller, id)| {
        let name = subscription_name(&caller.agency, id);
        consume(caller.clone(), name, each)
    });
    let messages = subscriptions as u64 * each;
    let drained = timed(Process(broker.pid()), messages, consumers.collect()).await?;
    for (caller, id) in &ours {
        delete(caller, subscription_name(&caller.agency, id)).await?;
    }
    Ok(drained)
}

/// Ends a subscription.
pub async fn delete(caller: &Caller, name: String) -> anyhow::Result<()> {
    let request = DeleteSubscriptionRequest { name };
    caller.subscriptions().delete_subscription(request).await?;
    Ok(())
}

/// Takes so many deliveries, acknowledging each message of them at once, and waits until all of it is durable.
async fn consume(caller: Caller, name: String, count: u64) -> anyhow::Result<u64> {
    let (requests, outgoing) = mpsc::channel(256);
    let first = StreamingPullRequest {
        subscription: name,
        max_outstanding_messages: OUTSTANDING.into(),
        ..StreamingPullRequest::default()
    };
    requests.send(first).await?;
    let mut responses = open(&caller, outgoing).await?;
    let (mut left, mut bytes) = (count, 0);
    while left > 0 {
        let response = responses.message().await?.context("the stream ended")?;
        let deliveries = response.deliveries;
        ensure!(
            deliveries.iter().all(|d| d.delivery_attempt == 1),
            "delivered twice"
        );
        left -= deliveries.len() as u64;
        let statements = deliveries.iter().filter_map(|d| d.statement.as_ref());
        bytes += statements.map(|record| record.len() as u64).sum::<u64>();
        let request = StreamingPullRequest {
            ack_ids: deliveries.into_iter().map(|d| d.ack_id).collect(),
            durable: left == 0,
            ..StreamingPullRequest::default()
        };
        requests.send(request).await?;
    }
    let answer = responses.message().await?.context("the stream ended")?;
    if answer.outcomes.is_empty() {
        bail!("more was delivered than was recorded");
    }
    Ok(bytes)
}

/// A stream whose statements are left as they are encoded: what NATS delivers is not looked into here either.
async fn open(
    caller: &Caller,
    requests: mpsc::Receiver<StreamingPullRequest>,
) -> anyhow::Result<Streaming<StreamingPullResponse>> {
    let mut grpc =
        Grpc::new(caller.channel.clone()).max_decoding_message_size(4 * MAX_MESSAGE_BYTES);
    grpc.ready().await?;
    let path = PathAndQuery::from_static("/casebroker.v1.SubscriptionService/StreamingPull");
    let requests = Request::new(ReceiverStream::new(requests));
    let codec = ProstCodec::<StreamingPullRequest, StreamingPullResponse>::default();
    Ok(grpc.streaming(requests, path, codec).await?.into_inner())
}
