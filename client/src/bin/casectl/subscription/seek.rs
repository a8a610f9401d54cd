//! `casectl subscription seek`: moving a subscription, after saying what that brings.

use casebroker_client::{Client, ClientError, Start};
use casebroker_proto::{
    json,
    v1::{SeekResponse, Subscription},
};
use clap::Args;

use crate::{
    Global, asking,
    failure::Result,
    moment::parse_start,
    output::{GOOD, Output},
    span::wire,
    subscription::{Named, parse_subscription, standing},
    words,
};

/// So many are brought without a question.
const UNASKED: i64 = 1_000;

/// Move a subscription forth or back; what was delivered before is delivered again from there on.
#[derive(Debug, Args)]
#[command(after_help = "\
Says how many statements that brings, and asks if there are more than 1,000. What is out with consumers is not theirs any more.

Examples:
  casectl subscription seek fentanyl-west --to 2026-11-01
  casectl subscription seek fentanyl-west --to now               leave the backlog out
  casectl subscription seek fentanyl-west --to beginning --yes   all of history again")]
pub struct Seek {
    /// Its id within my agency, or its whole name
    #[arg(value_parser = parse_subscription, value_name = "NAME")]
    name: Named,
    /// Where to: beginning, now, a position of the log, a date or a time
    #[arg(long, value_name = "START", value_parser = parse_start)]
    to: Start,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub async fn run(args: Seek, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    let name = args.name.whole(&client).await?;
    let subscription = standing(&client, &name)
        .await?
        .subscription
        .unwrap_or_default();
    if !args.yes && args.to != Start::Now {
        let (from, backlog, least) = backlog_at(&client, subscription, args.to).await?;
        let more = if least { " or more" } else { "" };
        let text = format!("{backlog}{more} statements from position {from} on");
        if backlog > UNASKED || least {
            asking::confirm(&format!("This brings {text}. Move {}?", words::id(&name)))?;
        } else {
            out.note(format_args!("this brings {text}"));
        }
    }
    let answer = client.seek(&name, args.to).await?;
    if out.is_json() {
        let value = json::to_value("casebroker.v1.SeekResponse", &answer);
        return out.document(&value.map_err(ClientError::from)?);
    }
    let SeekResponse {
        next_position,
        backlog,
        backlog_is_least,
    } = answer;
    let moved = out.paint(GOOD, "moved");
    let more = if backlog_is_least { " or more" } else { "" };
    out.line(format_args!(
        "{} {moved} to position {next_position}; {backlog}{more} statements from there",
        words::id(&name)
    ))
}

/// The position, how many statements the same filter selects from there on, and whether that is the least. The contract counts only for
/// a subscription, so one is made for it that lives as long as the question.
async fn backlog_at(client: &Client, like: Subscription, to: Start) -> Result<(u64, i64, bool)> {
    let agency = like
        .name
        .split("/subscriptions/")
        .next()
        .unwrap_or_default();
    let probe = Subscription {
        name: format!(
            "{agency}/subscriptions/seek-{}",
            uuid::Uuid::new_v4().simple()
        ),
        filter: like.filter,
        kinds: like.kinds,
        expire_after: Some(wire(std::time::Duration::from_secs(3_600))),
        ..Default::default()
    };
    let name = probe.name.clone();
    let made = client.create_subscription(probe, to).await?;
    let counted = standing(client, &name).await;
    client.delete_subscription(&name).await?;
    let state = counted?.state.unwrap_or_default();
    Ok((made.start_position, state.backlog, state.backlog_is_least))
}
