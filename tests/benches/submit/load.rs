//! The load: pre-signed statements sent by unary calls or a stream, with the latency of each.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use casebroker_proto::v1::{
    SubmitRequest, SubmitStreamRequest, intake_service_client::IntakeServiceClient,
    submit_stream_response::Result as StreamResult,
};
use casebroker_tests::pki;
use hdrhistogram::Histogram;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// What one run showed.
pub struct Outcome {
    /// Statements a second.
    pub rate: f64,
    /// Latencies, microseconds.
    pub latency: Histogram<u64>,
}

/// How the statements are sent.
#[derive(Clone, Copy)]
pub enum Shape {
    /// Unary calls, so many in flight over so many connections.
    Unary {
        in_flight: usize,
        connections: usize,
    },
    /// A stream on each of so many connections, so many unanswered on each.
    Stream {
        in_flight: usize,
        connections: usize,
    },
}

/// Connections to one server with one identity.
pub async fn connect(
    address: SocketAddr,
    anchor: &str,
    identity: &pki::Identity,
    count: usize,
) -> anyhow::Result<Vec<Channel>> {
    let tls = ClientTlsConfig::new()
        .domain_name("localhost")
        .ca_certificate(Certificate::from_pem(anchor))
        .identity(Identity::from_pem(&identity.certificate, &identity.key));
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?
        .tls_config(tls)?
        .tcp_nodelay(true)
        .initial_connection_window_size(8 << 20)
        .initial_stream_window_size(4 << 20);
    let mut channels = Vec::new();
    for _ in 0..count {
        channels.push(endpoint.connect().await?);
    }
    Ok(channels)
}

/// Sends every statement once and waits for every answer. A refusal ends the run: a benchmark of errors says nothing.
pub async fn run(
    channels: &[Channel],
    shape: Shape,
    statements: &[Bytes],
) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let latency = match shape {
        Shape::Unary { in_flight, .. } => unary(channels, in_flight, statements).await?,
        Shape::Stream { in_flight, .. } => stream(channels, in_flight, statements).await?,
    };
    let rate = statements.len() as f64 / began.elapsed().as_secs_f64();
    Ok(Outcome { rate, latency })
}

async fn unary(
    channels: &[Channel],
    in_flight: usize,
    statements: &[Bytes],
) -> anyhow::Result<Histogram<u64>> {
    let next = Arc::new(AtomicUsize::new(0));
    let statements: Arc<[Bytes]> = statements.into();
    let workers: Vec<_> = (0..in_flight)
        .map(|worker| {
            let channel = channels[worker % channels.len()].clone();
            let (next, statements) = (Arc::clone(&next), Arc::clone(&statements));
            tokio::spawn(async move {
                let mut client = IntakeServiceClient::new(channel);
                let mut latency = histogram();
                while let Some(statement) = statements.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let request = SubmitRequest {
                        signed_statement: statement.clone(),
                        known_tree_size: 0,
                    };
                    let sent = Instant::now();
                    client.submit(request).await?;
                    record(&mut latency, sent.elapsed());
                }
                anyhow::Ok(latency)
            })
        })
        .collect();
    gather(workers).await
}

async fn stream(
    channels: &[Channel],
    in_flight: usize,
    statements: &[Bytes],
) -> anyhow::Result<Histogram<u64>> {
    let share = statements.len().div_ceil(channels.len());
    let workers: Vec<_> = channels
        .iter()
        .zip(statements.chunks(share))
        .map(|(channel, part)| tokio::spawn(one_stream(channel.clone(), in_flight, part.to_vec())))
        .collect();
    gather(workers).await
}

async fn one_stream(
    channel: Channel,
    in_flight: usize,
    statements: Vec<Bytes>,
) -> anyhow::Result<Histogram<u64>> {
    let (requests, receiver) = mpsc::channel(in_flight);
    let (times, mut sent_times) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(in_flight));
    let total = statements.len();
    let feeder_room = Arc::clone(&room);
    let feeder = tokio::spawn(async move {
        for signed_statement in statements {
            feeder_room.acquire().await?.forget();
            times.send(Instant::now())?;
            requests
                .send(SubmitStreamRequest { signed_statement })
                .await?;
        }
        anyhow::Ok(())
    });
    let mut answers = IntakeServiceClient::new(channel)
        .submit_stream(ReceiverStream::new(receiver))
        .await?
        .into_inner();
    let mut latency = histogram();
    let mut count = 0;
    while let Some(answer) = answers.message().await? {
        match answer.result {
            Some(StreamResult::Recorded(_)) => {}
            other => bail!("refused: {other:?}"),
        }
        let sent = sent_times.recv().await.context("an answer to nothing")?;
        record(&mut latency, sent.elapsed());
        room.add_permits(1);
        count += 1;
    }
    feeder.await??;
    anyhow::ensure!(count == total, "{count} answers to {total} requests");
    Ok(latency)
}

async fn gather(
    workers: Vec<tokio::task::JoinHandle<anyhow::Result<Histogram<u64>>>>,
) -> anyhow::Result<Histogram<u64>> {
    let mut all = histogram();
    for worker in workers {
        all.add(worker.await??)?;
    }
    Ok(all)
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are constants")
}

fn record(latency: &mut Histogram<u64>, elapsed: Duration) {
    latency.saturating_record(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
}
