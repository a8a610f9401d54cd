//! `casectl subscription pull`: some deliveries, or all of them into a command or a file.

use std::{path::PathBuf, time::Duration};

use casebroker_client::{Client, Flow};
use casebroker_proto::v1::Delivery;
use clap::{ArgGroup, Args};

use crate::{
    Global, delivery,
    failure::Result,
    output::{Format, Output},
    rows::show,
    span::parse_span,
    stop,
    subscription::{Named, exec, file, parse_subscription},
    table::Column,
    words,
};

/// Longest that the broker waits in one call.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Take deliveries: some of them, or all that come into a command or a file.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("into").args(["exec", "to"])), after_help = "\
Without --ack what is shown is delivered again after the subscription's deadline.

--exec runs the command by the shell for each delivery, with its JSON on standard input and CASEBROKER_POSITION, CASEBROKER_CASE and
CASEBROKER_KIND in the environment. Exit status 0 acknowledges; with any other it is delivered again, and the last line that the
command wrote on standard error is the reason. The command may be run again for a position that it has dealt with: remember it.

--to appends each delivery as a line of JSON and acknowledges once the file is on disk. No position is in the file twice, also after a
crash; one process at a time writes it.

Examples:
  casectl subscription pull fentanyl-west --max 5
  casectl -o jsonl subscription pull fentanyl-west --max 100 --ack --wait 20s
  casectl subscription pull fentanyl-west --exec ./file-case --concurrency 4
  casectl subscription pull fentanyl-west --to west.jsonl
  casectl subscription pull fentanyl-west --to west.jsonl --wait 30s        ends when nothing came for so long")]
pub struct Pull {
    /// Id of the subscription within my agency, or its whole name
    #[arg(value_parser = parse_subscription, value_name = "NAME")]
    name: Named,
    /// Most deliveries, 1 to 1,000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000), conflicts_with = "into")]
    max: u16,
    /// Acknowledge what is shown
    #[arg(long, conflicts_with_all = ["no_ack", "into"])]
    ack: bool,
    /// Do not acknowledge what is shown; so it is without this too
    #[arg(long, conflicts_with = "into")]
    no_ack: bool,
    /// Wait so long for deliveries; with --exec or --to, end when none came for so long
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    wait: Option<Duration>,
    /// Run this command for each delivery
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// Most commands that run at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000), requires = "exec")]
    concurrency: u16,
    /// Append each delivery to this file
    #[arg(long, value_name = "FILE.jsonl")]
    to: Option<PathBuf>,
}

const COLUMNS: [Column; 7] = [
    Column::number("POSITION"),
    Column::whole("RECORDED (UTC)"),
    Column::whole("KIND"),
    Column::flexible("CASE", 14),
    Column::whole("STATUS"),
    Column::number("ATTEMPT"),
    Column::flexible("TITLE", 12),
];

impl Pull {
    /// Whether it runs until it is stopped, and ends well then.
    pub fn is_endless(&self) -> bool {
        self.exec.is_some() || self.to.is_some()
    }
}

/// Runs the command.
pub async fn run(args: Pull, global: &Global, out: &mut Output) -> Result<()> {
    let client = global.connect()?;
    let name = args.name.whole(&client).await?;
    match (args.exec, args.to) {
        (Some(command), _) => {
            out.no_csv()?;
            exec::run(&client, &name, command, args.concurrency, args.wait, out).await
        }
        (None, Some(path)) => {
            out.no_csv()?;
            file::run(&client, &name, &path, args.wait, out).await
        }
        (None, None) => {
            let wait = args.wait.unwrap_or_default();
            some(&client, &name, args.max, wait, args.ack, out).await
        }
    }
}

/// What streams of this command hold: little, since another consumer may be quicker with the rest.
pub fn flow(messages: u16) -> Flow {
    Flow {
        messages,
        durable: true,
        ..Flow::default()
    }
}

/// Ends when somebody asks for it, or when nothing has happened for so long; `active` says since when nothing has, if so.
pub async fn end(wait: Option<Duration>, active: impl Fn() -> Option<std::time::Instant>) {
    let idle = async {
        let Some(wait) = wait else {
            return std::future::pending().await;
        };
        loop {
            let since = active().map_or(Duration::ZERO, |since| since.elapsed());
            match wait.checked_sub(since).filter(|left| !left.is_zero()) {
                Some(left) => tokio::time::sleep(left).await,
                None => return,
            }
        }
    };
    tokio::select! {
        () = idle => {}
        () = stop::asked() => {}
    }
}

async fn some(
    client: &Client,
    name: &str,
    most: u16,
    wait: Duration,
    ack: bool,
    out: &mut Output,
) -> Result<()> {
    let deliveries = client.pull(name, most, wait.min(LONGEST_WAIT)).await?;
    let rows = deliveries.iter().map(row).collect();
    let values = deliveries
        .iter()
        .map(delivery::whole)
        .collect::<Result<Vec<_>>>()?;
    show("deliveries", &COLUMNS, rows, values, out)?;
    // Only what has been handed over is acknowledged.
    out.flush()?;
    if deliveries.is_empty() {
        return Ok(());
    }
    if ack {
        let ids = deliveries.into_iter().map(|d| d.ack_id).collect();
        client.acknowledge(name, ids, true).await?;
    } else if out.format == Format::Table {
        out.note("not acknowledged: delivered again after the subscription's deadline; --ack acknowledges");
    }
    Ok(())
}

fn row(delivery: &Delivery) -> Vec<String> {
    vec![
        delivery.position.to_string(),
        words::minute(delivery.record_time.as_ref()),
        words::statement_kind(delivery.kind),
        words::short_case(&delivery.case),
        delivery::change(delivery),
        delivery.delivery_attempt.to_string(),
        delivery::title(delivery).to_owned(),
    ]
}
