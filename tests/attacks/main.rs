//! Attacks on a real broker over real TLS, by strangers and by members. Of each attack: the broker stays up, its memory stays
//! bounded, an honest member is served meanwhile, the log holds what was acknowledged and nothing else, and the answer is the one
//! asserted. README.md beside this file lists them with their sources.
//!
//! The harness is its own, so that attacks on one broker follow each other, each with its memory before and after, and so that a
//! table ends the run. An argument runs the attacks whose name contains it.

mod answers;
mod arena;
mod breaches;
mod certificates;
mod crowds;
mod envelopes;
mod frames;
mod grpc;
mod hpack;
mod http2;
mod protobuf;
mod slow;
mod statements;
mod weak;

use std::{process::ExitCode, time::Instant};

use arena::Line;
use casebroker_tests::announce;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // What cargo's own harness would understand, such as --list, does not concern attacks.
    if arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let filters: Vec<String> = arguments
        .into_iter()
        .filter(|a| !a.starts_with('-'))
        .collect();
    let begin = Instant::now();
    let lines = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run(&filters));
    table(&lines, begin);
    if lines.iter().all(|line| line.passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn run(filters: &[String]) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(http2::run(filters).await);
    lines.extend(grpc::run(filters).await);
    lines.extend(slow::run(filters).await);
    lines.extend(certificates::run(filters).await);
    lines.extend(envelopes::run(filters).await);
    lines.extend(statements::run(filters).await);
    lines
}

/// One row a subject.
fn table(lines: &[Line], begin: Instant) {
    announce(&format!(
        "{:<14}{:>8}{:>8}{:>14}{:>12}{:>12}{:>16}",
        "subject", "attacks", "failed", "RSS, MiB", "most growth", "served", "slowest, ms"
    ));
    let mut rest = lines;
    while let Some(first) = rest.first() {
        let end = rest
            .iter()
            .position(|l| l.subject != first.subject)
            .unwrap_or(rest.len());
        let (rows, after) = rest.split_at(end);
        rest = after;
        announce(&format!(
            "{:<14}{:>8}{:>8}{:>14}{:>12}{:>12}{:>16}",
            first.subject,
            rows.len(),
            rows.iter().filter(|l| !l.passed).count(),
            format!("{} → {}", first.before, rows.last().unwrap().after),
            rows.iter()
                .map(|l| l.peak.saturating_sub(l.before))
                .max()
                .unwrap(),
            rows.iter().map(|l| l.served).sum::<u64>(),
            rows.iter().map(|l| l.slowest.as_millis()).max().unwrap(),
        ));
    }
    let failed = lines.iter().filter(|l| !l.passed).count();
    announce(&format!(
        "{} attacks, {failed} failed, in {} s",
        lines.len(),
        begin.elapsed().as_secs()
    ));
}
