//! `casectl cheat`: short pages of lines to copy.

use clap::Args;

use crate::{
    failure::{Exit, Failure, Result},
    output::Output,
};

/// Print a short page of commands to copy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl cheat
  casectl cheat submit")]
pub struct Cheat {
    /// Topic; without one, the first page and a list of the others
    topic: Option<String>,
}

const PAGES: [(&str, &str, &str); 10] = [
    (
        "start",
        "who am I, first case, first proof",
        include_str!("cheat/start.txt"),
    ),
    (
        "contexts",
        "the configuration file",
        include_str!("cheat/contexts.txt"),
    ),
    (
        "submit",
        "files, resuming, what goes wrong",
        include_str!("cheat/submit.txt"),
    ),
    (
        "read",
        "get, list, history, other formats",
        include_str!("cheat/read.txt"),
    ),
    (
        "count",
        "which cases, how many, why not more, before and after a date",
        include_str!("cheat/count.txt"),
    ),
    (
        "answer",
        "worklist, requests and answers, disputes, findings, overlaps",
        include_str!("cheat/answer.txt"),
    ),
    (
        "deliver",
        "watch, subscriptions, gateways, dead letters",
        include_str!("cheat/deliver.txt"),
    ),
    (
        "registry",
        "members and keys, groups, showing a case to more agencies",
        include_str!("cheat/registry.txt"),
    ),
    (
        "prove",
        "receipts, checkpoints, verifying offline",
        include_str!("cheat/prove.txt"),
    ),
    (
        "scripts",
        "JSON, exit statuses, environment",
        include_str!("cheat/scripts.txt"),
    ),
];

/// Runs the command.
pub fn run(args: Cheat, out: &mut Output) -> Result<()> {
    let wanted = args.topic.as_deref().unwrap_or("start");
    let page = PAGES.iter().find(|(topic, _, _)| *topic == wanted);
    let Some((_, _, text)) = page else {
        let topics: Vec<_> = PAGES.iter().map(|(topic, _, _)| *topic).collect();
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no topic `{wanted}`"),
            format!("Topics: {}.", topics.join(", ")),
        ));
    };
    out.raw(text)?;
    if args.topic.is_none() {
        out.line("\nMore: casectl cheat TOPIC")?;
        for (topic, about, _) in PAGES.iter().skip(1) {
            out.line(format_args!("  {topic:10} {about}"))?;
        }
    }
    Ok(())
}
