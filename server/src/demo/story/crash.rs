//! Step 6: the broker is killed in the middle of a flood, and nothing that it acknowledged is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use casebroker_client::{
    Answers, Client, Prepared, Recorded, VerifiedCheckpoint, Window, is_consistent,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Broker, Stage};
use crate::demo::{
    made_up,
    screen::{count, seconds},
    site::report,
};

/// Synthetic cases sent.
const FLOOD: usize = 4_000;
/// Answers after which the broker is killed.
const KILL_AFTER: usize = 1_500;
/// Receipts fetched at once.
const AT_ONCE: usize = 64;

impl Stage {
    pub(super) async fn crash(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("SIGKILL in the middle of a flood: what was acknowledged is there, once");
        let site = self.site()?;
        let client = site.system("us-cbp")?;
        let size_before = client.checkpoint().await?.checkpoint.size;
        let flood = prepare(&client).await?;
        let (submissions, mut answers) = client.submit_stream(Window::default());
        let pushing = tokio::spawn(async move {
            for prepared in flood {
                submissions.push(prepared).await?;
            }
            anyhow::Ok(())
        });
        self.screen.row(
            "flood",
            format!(
                "{} synthetic cases, marked as such, over one stream of us-cbp",
                count(FLOOD)
            ),
        );

        let mut before = Vec::with_capacity(FLOOD);
        while before.len() < KILL_AFTER {
            before.push(
                next(&mut answers)
                    .await?
                    .context("the stream ended early")?,
            );
            self.screen.progress("acknowledged", count(before.len()));
        }
        let broker = self.broker.take().context("no broker")?;
        let pid = broker.pid();
        broker.kill()?;
        // Answers that were on their way to us are acknowledgements too.
        while let Ok(more) =
            tokio::time::timeout(Duration::from_millis(100), next(&mut answers)).await
        {
            before.push(more?.context("the stream ended early")?);
        }
        ensure!(before.len() < FLOOD, "the flood was over before the kill");
        self.screen.alert(
            "SIGKILL",
            format!(
                "process {pid} is gone after {} acknowledgements",
                count(before.len())
            ),
        );

        let broker = Broker::start(&self.layout).await?;
        ensure!(
            broker.address == site.address,
            "it came back on another address"
        );
        self.screen.row(
            "restart",
            format!(
                "process {}, ready after {}",
                broker.pid(),
                seconds(broker.took)
            ),
        );
        self.broker = Some(broker);

        let mut after = Vec::new();
        while let Some(recorded) = next(&mut answers).await? {
            after.push(recorded);
            self.screen
                .progress("acknowledged", count(before.len() + after.len()));
        }
        pushing.await??;
        let newest = client.checkpoint().await?.checkpoint.size;
        once_each(&before, &after, size_before, newest)?;
        let replayed = after.iter().filter(|r| r.replayed).count();
        self.screen.row(
            "stream",
            format!(
                "the SDK went on by itself with the other {}; what had no answer was sent again under the same request id, \
                 and {} of it had been recorded before the kill",
                count(after.len()),
                count(replayed)
            ),
        );
        let found = find_again(&client, &before).await?;
        let lost = before.len() - found;
        ensure!(lost == 0, "{lost} acknowledged cases are lost");
        self.screen.good(
            "acknowledged",
            format!(
                "{}   found again {}   lost {lost}   duplicates 0",
                count(before.len()),
                count(found)
            ),
        );
        let checkpoints = still_verify(&client, &before).await?;
        self.screen.good(
            "receipts",
            format!(
                "the {} receipts of before the kill, under {} checkpoints, still verify: each is proved to be the beginning of the \
                 log of now, tree size {}",
                count(before.len()),
                count(checkpoints),
                count(newest)
            ),
        );
        Ok(())
    }
}

/// Signs the flood beforehand, so that the stream shows the broker's pace and not ours.
async fn prepare(client: &Client) -> anyhow::Result<Vec<Prepared>> {
    let client = client.clone();
    let flood = tokio::task::spawn_blocking(move || {
        (0..FLOOD)
            .map(|n| client.prepare(report(made_up::synthetic(n))))
            .collect::<Result<Vec<_>, _>>()
    });
    Ok(flood.await??)
}

async fn next(answers: &mut Answers) -> anyhow::Result<Option<Recorded>> {
    match answers.next().await? {
        None => Ok(None),
        Some(outcome) => match outcome.result {
            Ok(recorded) => Ok(Some(recorded)),
            Err(refusal) => bail!("{} was refused: {refusal}", outcome.prepared.case),
        },
    }
}

/// Every statement has a position of its own, and the journal grew by exactly as many.
fn once_each(
    before: &[Recorded],
    after: &[Recorded],
    size_before: u64,
    size_after: u64,
) -> anyhow::Result<()> {
    let positions: BTreeSet<_> = before.iter().chain(after).map(|r| r.position).collect();
    let expected = size_before + FLOOD as u64;
    ensure!(
        positions.len() == FLOOD
            && positions.first() == Some(&size_before)
            && positions.last() == Some(&(expected - 1))
            && size_after == expected,
        "{} statements have {} positions and the log has {size_after} entries, expected {expected}",
        before.len() + after.len(),
        positions.len()
    );
    Ok(())
}

/// How many of the acknowledged entries the broker gives again, byte for byte.
async fn find_again(client: &Client, acknowledged: &[Recorded]) -> anyhow::Result<usize> {
    let same = stream::iter(acknowledged)
        .map(|recorded| async move {
            let seen = client.receipt(recorded.position).await?;
            anyhow::Ok(usize::from(
                seen.verified && seen.response.entry == recorded.entry,
            ))
        })
        .buffer_unordered(AT_ONCE);
    same.try_fold(0, |sum, one| async move { Ok(sum + one) })
        .await
}

/// Verifies every old receipt, and that each checkpoint among them is the beginning of the newest one. Gives how many there are.
async fn still_verify(client: &Client, acknowledged: &[Recorded]) -> anyhow::Result<usize> {
    let trust = client.trust().context("no log key")?;
    let newest = trust.known().context("no checkpoint")?;
    let mut old: BTreeMap<u64, VerifiedCheckpoint> = BTreeMap::new();
    for recorded in acknowledged {
        let seen = trust.verify_receipt(&recorded.receipt, &recorded.entry, recorded.position)?;
        old.insert(seen.checkpoint.size, seen);
    }
    for checkpoint in old.values() {
        let (old_size, new_size) = (checkpoint.checkpoint.size, newest.checkpoint.size);
        let answer = client.consistency(old_size, new_size).await?.response;
        let proof = answer.consistency_proof.context("no consistency proof")?;
        ensure!(
            is_consistent(checkpoint, &newest, &proof),
            "the log of now does not begin with the one of tree size {old_size}"
        );
    }
    Ok(old.len())
}
