//! Load that knows what it was promised.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use casebroker_proto::v1::{RecordedStatement, Statement, SubmitStreamRequest};
use tokio::task::JoinHandle;
use tonic::Status;

use crate::{Caller, caller::outcome, cases};

/// A stream of submissions that goes on until its requests or the broker end.
pub struct Load {
    task: JoinHandle<Outcome>,
}

/// What became of a load.
#[derive(Debug)]
pub struct Outcome {
    /// Everything that was to be sent, in order.
    pub statements: Vec<Statement>,
    /// What was acknowledged: the answers to the first of them.
    pub acknowledged: Vec<RecordedStatement>,
    /// How the stream ended; `None` if every request was answered.
    pub ended: Option<Status>,
}

impl Outcome {
    /// Names of the cases that were acknowledged.
    pub fn acknowledged_names(&self) -> impl Iterator<Item = &str> {
        let acknowledged = self.statements.iter().take(self.acknowledged.len());
        acknowledged.map(|statement| statement.case.as_str())
    }
}

/// Starts to send `count` new cases, named after `prefix`, and counts the acknowledgements in `acknowledged`.
pub fn start(caller: &Caller, prefix: &str, count: usize, acknowledged: &Arc<AtomicUsize>) -> Load {
    let statements: Vec<_> = (0..count)
        .map(|n| cases::reporting_as(&caller.agency, &format!("{prefix}-{n}")))
        .collect();
    let (caller, counter) = (caller.clone(), Arc::clone(acknowledged));
    let task = tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        let ended = send(&caller, &statements, &mut acknowledged, &counter).await;
        Outcome {
            statements,
            acknowledged,
            ended: ended.err(),
        }
    });
    Load { task }
}

impl Load {
    /// Waits for the end.
    pub async fn finish(self) -> Outcome {
        self.task.await.unwrap()
    }
}

async fn send(
    caller: &Caller,
    statements: &[Statement],
    acknowledged: &mut Vec<RecordedStatement>,
    counter: &AtomicUsize,
) -> Result<(), Status> {
    let (requests, mut answers) = caller.stream().await?;
    let signed: Vec<_> = statements.iter().map(|s| caller.sign(s)).collect();
    let feed = tokio::spawn(async move {
        for signed_statement in signed {
            let request = SubmitStreamRequest {
                signed_statement: signed_statement.into(),
            };
            if requests.send(request).await.is_err() {
                return;
            }
        }
    });
    while let Some(answer) = answers.message().await? {
        acknowledged.push(outcome(answer)?);
        counter.fetch_add(1, Ordering::Relaxed);
    }
    feed.await.unwrap();
    assert_eq!(acknowledged.len(), statements.len(), "one answer a request");
    Ok(())
}
