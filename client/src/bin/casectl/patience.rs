//! Says on a terminal that a broker has not answered yet, so that nobody takes waiting for hanging.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use casebroker_client::{Client, Waiting};

/// How long to say nothing.
const SILENCE: Duration = Duration::from_secs(2);
/// How often to look.
const LOOK: Duration = Duration::from_millis(200);

/// Watches a client's calls in the background. On standard error, and only if that is a terminal: scripts want errors there.
pub fn watch(client: &Client) {
    if !io::stderr().is_terminal() {
        return;
    }
    let client = client.clone();
    tokio::spawn(async move {
        let mut told = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let waiting = client.waiting();
            let attempt = waiting.map(|waiting| waiting.attempt);
            if attempt.is_none() || attempt == told {
                continue;
            }
            if let Some(text) = waiting.and_then(|w| note(client.endpoint(), w, w.since.elapsed()))
            {
                told = attempt;
                // Nobody reading it is no failure.
                let _ = writeln!(io::stderr(), "casectl: {text}");
            }
        }
    });
}

fn note(endpoint: &str, waiting: Waiting, after: Duration) -> Option<String> {
    let Waiting {
        attempt, attempts, ..
    } = waiting;
    (after >= SILENCE)
        .then(|| format!("no answer yet from {endpoint}, attempt {attempt} of {attempts}"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_note_comes_after_two_seconds_and_counts_attempts() {
        let waiting = Waiting {
            attempt: 2,
            attempts: 6,
            since: Instant::now(),
        };
        let said = |ms| note("https://b:7443", waiting, Duration::from_millis(ms));
        assert_eq!(said(1_999), None);
        let text = "no answer yet from https://b:7443, attempt 2 of 6";
        assert_eq!(said(2_000).as_deref(), Some(text));
    }
}
