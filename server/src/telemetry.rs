//! Logs, one line an event, to standard error. No secret and no evidence content is ever logged.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging at `info`, or as the variable `CASEBROKER_LOG` says (tracing-subscriber's filter syntax). JSON if asked for.
pub fn start(json: bool) {
    let filter =
        EnvFilter::try_from_env("CASEBROKER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A report of a failed write to standard error would go there too, by a macro that panics if it fails.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start in one process, as in tests, changes nothing.
    let outcome = if json {
        builder.json().try_init()
    } else {
        builder.with_target(false).try_init()
    };
    drop(outcome);
}
