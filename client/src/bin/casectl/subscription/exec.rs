//! `casectl subscription pull --exec`: a command for each delivery.

use std::{
    io::Write as _,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use casebroker_client::{Client, Nack};
use casebroker_proto::v1::Delivery;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};

use super::pull::{end, flow};
use crate::{delivery, failure::Result, output::Output, words};

/// How much of what a command writes on standard error is looked at for its last line.
const TAIL: usize = 8 * 1024;
/// How long to wait for the end of standard error after the command has ended: something that it started may hold it open.
const REST: Duration = Duration::from_secs(1);
/// How long commands may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Since when no command runs; none while one does.
#[derive(Debug, Clone)]
struct Activity(Arc<Mutex<(usize, Instant)>>);

impl Activity {
    fn note(&self, change: isize) {
        let mut activity = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *activity = (activity.0.saturating_add_signed(change), Instant::now());
    }

    fn idle_since(&self) -> Option<Instant> {
        let (running, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (running == 0).then_some(since)
    }
}

/// Runs the command for each delivery until somebody asks for the end.
pub async fn run(
    client: &Client,
    name: &str,
    command: String,
    concurrency: u16,
    wait: Option<Duration>,
    out: &mut Output,
) -> Result<()> {
    let activity = Activity(Arc::new(Mutex::new((0, Instant::now()))));
    let command = Arc::<str>::from(command);
    let seen = activity.clone();
    let handled = client
        .subscriber(name)
        .concurrency(concurrency.into())
        // One more for each, so that none waits while the next delivery is on its way.
        .flow(flow(concurrency.saturating_mul(2)))
        .drain(DRAIN)
        .run(end(wait, move || seen.idle_since()), move |delivery| {
            let (command, activity) = (Arc::clone(&command), activity.clone());
            async move {
                activity.note(1);
                let result = handle(&command, &delivery).await;
                activity.note(-1);
                result
            }
        })
        .await?;
    out.note(format_args!(
        "{} acknowledged, {} given back",
        handled.acknowledged,
        handled.given_back + handled.panicked + handled.unfinished
    ));
    Ok(())
}

async fn handle(command: &str, delivery: &Delivery) -> std::result::Result<(), Nack> {
    let json = delivery::to_json(delivery).map_err(|failure| Nack::because(failure.what))?;
    let kind = words::statement_kind(delivery.kind).replace(' ', "-");
    let mut process = Command::new("sh");
    process
        .args(["-c", command])
        .env("CASEBROKER_POSITION", delivery.position.to_string())
        .env("CASEBROKER_CASE", &delivery.case)
        .env("CASEBROKER_KIND", kind)
        .env("CASEBROKER_ATTEMPT", delivery.delivery_attempt.to_string())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // Ctrl-C on the terminal is for us: commands under way are let end.
    #[cfg(unix)]
    process.process_group(0);
    let mut process = process
        .spawn()
        .map_err(|e| Nack::because(format!("the command cannot be started: {e}")))?;
    let input = process.stdin.take();
    let feed = async move {
        if let Some(mut input) = input {
            // A command that does not read its input is no failure.
            let _ = input.write_all(format!("{json}\n").as_bytes()).await;
        }
    };
    let tail = Arc::new(Mutex::new(Vec::new()));
    let listening = process
        .stderr
        .take()
        .map(|errors| tokio::spawn(listen(errors, Arc::clone(&tail))));
    let (status, ()) = tokio::join!(process.wait(), feed);
    if let Some(mut listening) = listening
        && timeout(REST, &mut listening).await.is_err()
    {
        listening.abort();
    }
    let said = last_line(&tail.lock().unwrap_or_else(PoisonError::into_inner));
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Nack::because(said.unwrap_or_else(|| ended(status)))),
        Err(error) => Err(Nack::because(format!(
            "the command cannot be waited for: {error}"
        ))),
    }
}

/// Passes on what a command writes on standard error, and keeps the end of it.
async fn listen(mut errors: impl AsyncRead + Unpin, tail: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 4 * 1024];
    while let Ok(read @ 1..) = errors.read(&mut buffer).await {
        let new = buffer.get(..read).unwrap_or_default();
        // Nobody reading it is no failure.
        let _ = std::io::stderr().write_all(new);
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(new);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
}

fn last_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty());
    line.map(crate::table::clean)
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("the command ended with status {code}"),
        None => format!("the command ended: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery() -> Delivery {
        Delivery {
            position: 7,
            case: "agencies/us-dea/cases/1".into(),
            kind: 4,
            delivery_attempt: 1,
            ..Default::default()
        }
    }

    async fn reason(command: &str) -> Option<String> {
        let result = handle(command, &delivery()).await;
        result.err().map(|nack| nack.of("").reason)
    }

    #[tokio::test]
    async fn status_zero_acknowledges_and_the_last_line_of_another_is_the_reason() {
        assert_eq!(reason("cat > /dev/null").await, None);
        assert_eq!(reason("true").await, None);
        let said = reason("echo first >&2; echo 'no room' >&2; echo >&2; exit 3").await;
        assert_eq!(said.as_deref(), Some("no room"));
        let silent = reason("exit 3").await;
        assert_eq!(silent.as_deref(), Some("the command ended with status 3"));
        assert!(reason("/nowhere/at/all 2>/dev/null").await.is_some());
    }

    #[tokio::test]
    async fn a_command_is_told_what_it_is_for() {
        let checks = "test \"$CASEBROKER_POSITION $CASEBROKER_CASE $CASEBROKER_KIND\" = \
                      '7 agencies/us-dea/cases/1 evidence-request' && grep -q '\"position\":\"7\"'";
        assert_eq!(reason(checks).await, None);
    }

    #[tokio::test]
    async fn something_left_behind_by_a_command_holds_nothing_up() {
        assert_eq!(reason("sleep 30 & echo done >&2; exit 0").await, None);
    }
}
