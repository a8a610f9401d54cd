//! A consumer that opens a stream and never reads, beside a broker that has none.

use std::time::Duration;

use anyhow::ensure;
use casebroker_proto::v1::Subscription;
use casebroker_tests::{CBP, RCMP, cases, subscriber::subscription_name};

use crate::{
    drained::to_everything,
    intake::{self, Side, Turn},
    report::figure,
};

/// As many as a stream may hold.
const OUTSTANDING: i32 = 10_000;

/// Measures until the consumer stood still for so long of full intake, by turns of so many statements.
pub async fn measure(time: Duration, statements: usize) -> anyhow::Result<()> {
    let (mut with, mut without) = (
        Side::start(intake::site()).await?,
        Side::start(intake::site()).await?,
    );
    let statement = |number| cases::reporting_as(CBP, &format!("stalled-{number}"));
    // A little first, so that neither pays for what only happens once.
    with.take(statements / 4, &statement).await?;
    without.take(statements / 4, &statement).await?;

    let watcher = with
        .broker
        .connect(&with.site.principal(RCMP, "officer"))
        .await;
    let subscription = Subscription {
        max_unacknowledged: OUTSTANDING,
        ..to_everything(RCMP, "stalled")
    };
    watcher.subscribe(subscription, None).await?;
    let name = subscription_name(RCMP, "stalled");
    let pulling = watcher.pulling(&name, OUTSTANDING).await?;

    let (mut beside, mut alone) = (Turn::default(), Turn::default());
    let mut peaks = [0, 0];
    while beside.took < time {
        beside.add(with.take(statements, &statement).await?);
        alone.add(without.take(statements, &statement).await?);
        for (peak, side) in peaks.iter_mut().zip([&with, &without]) {
            *peak = side.process().resident()?.max(*peak);
        }
    }
    let asker = with
        .broker
        .connect(&with.site.principal(RCMP, "officer"))
        .await;
    let (_, state) = asker.standing(&name).await?;
    ensure!(state.consumers == 1, "the stream has ended");
    drop(pulling);

    let name = format!(
        "intake beside a consumer that stands for {:.0} s",
        time.as_secs_f64()
    );
    let ratio = beside.rate() / alone.rate();
    let text = format!("{ratio:.2} of {:.0}/s", alone.rate());
    figure(&name, &text, ">= 0.9", Some(ratio >= 0.9));
    let [more, less] = peaks;
    let ratio = more as f64 / less as f64;
    let text = format!(
        "{ratio:.2} of {} MiB, after {} statements",
        less >> 20,
        beside.statements
    );
    figure(
        "  memory, resident, highest",
        &text,
        "<= 1.1",
        Some(ratio <= 1.1),
    );
    let text = format!("{} out, {} not yet", state.unacknowledged, state.backlog);
    figure("  deliveries to it", &text, "", None);
    with.broker.stop().await;
    without.broker.stop().await;
    Ok(())
}
