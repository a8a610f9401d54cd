//! What is asked of NATS: a stream in files, and durable pull consumers that acknowledge each message.

use anyhow::{Context as _, anyhow, ensure};
use async_nats::jetstream::{
    self, Context,
    consumer::{
        AckPolicy, Consumer, DeliverPolicy,
        pull::{self, Config},
    },
    stream::{self, StorageType},
};
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::{
    drained::{ACK_DEADLINE, Drained, OUTSTANDING, connections, timed},
    nats::Nats,
};

const STREAM: &str = "STATEMENTS";
/// Of every message.
pub const SUBJECT: &str = "statements";
/// Messages that are published before the first of them is known to be stored.
const AT_ONCE: usize = 256;

/// One connection to the server.
pub async fn connect(nats: &Nats) -> anyhow::Result<Context> {
    Ok(jetstream::new(nats.connect().await?))
}

/// Makes the stream and publishes these.
pub async fn load(context: &Context, messages: &[Bytes]) -> anyhow::Result<()> {
    let config = stream::Config {
        name: STREAM.into(),
        subjects: vec![SUBJECT.into()],
        storage: StorageType::File,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    for messages in messages.chunks(AT_ONCE) {
        let mut stored = Vec::with_capacity(AT_ONCE);
        for message in messages {
            stored.push(context.publish(SUBJECT, message.clone()).await?);
        }
        for stored in stored {
            stored.await?;
        }
    }
    Ok(())
}

/// Delivers the last `each` messages of the stream to so many new consumers.
pub async fn drain(
    nats: &Nats,
    (consumers, each): (usize, u64),
    stream_size: u64,
) -> anyhow::Result<Drained> {
    let mut contexts = Vec::new();
    for _ in 0..connections(consumers) {
        contexts.push(connect(nats).await?);
    }
    let start_sequence = stream_size - each + 1;
    let from = DeliverPolicy::ByStartSequence { start_sequence };
    let mut running = Vec::new();
    for (n, context) in contexts.iter().cycle().take(consumers).enumerate() {
        running.push(consume(
            consumer(context, &format!("drain-{n}"), from).await?,
            each,
        ));
    }
    let messages = consumers as u64 * each;
    let drained = timed(nats.process(), messages, running).await?;
    for n in 0..consumers {
        delete(&contexts[0], &format!("drain-{n}")).await?;
    }
    Ok(drained)
}

/// Makes a durable consumer.
pub async fn consumer(
    context: &Context,
    name: &str,
    from: DeliverPolicy,
) -> anyhow::Result<Consumer<Config>> {
    let config = Config {
        durable_name: Some(name.into()),
        deliver_policy: from,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_DEADLINE,
        max_ack_pending: OUTSTANDING.into(),
        ..Config::default()
    };
    Ok(context.create_consumer_on_stream(config, STREAM).await?)
}

/// Its messages as they come, read ahead as far as the broker's consumers do.
pub async fn messages(consumer: &Consumer<Config>) -> anyhow::Result<pull::Stream> {
    let stream = consumer.stream().max_messages_per_batch(OUTSTANDING.into());
    Ok(stream.messages().await?)
}

/// Ends a consumer.
pub async fn delete(context: &Context, name: &str) -> anyhow::Result<()> {
    context.delete_consumer_from_stream(name, STREAM).await?;
    Ok(())
}

/// Takes and acknowledges so many messages, and waits until the server has the last acknowledgement: they go one after another.
async fn consume(consumer: Consumer<Config>, count: u64) -> anyhow::Result<u64> {
    let mut messages = messages(&consumer).await?;
    let mut bytes = 0;
    for left in (0..count).rev() {
        let message = messages.next().await.context("the stream ended")??;
        bytes += message.payload.len() as u64;
        let info = message.info().map_err(|error| anyhow!(error))?;
        ensure!(info.delivered == 1, "delivered twice");
        let acknowledged = match left {
            0 => message.double_ack().await,
            _ => message.ack().await,
        };
        acknowledged.map_err(|error| anyhow!(error))?;
    }
    Ok(bytes)
}
