//! `casectl subscription dead-letters`: what was given up.

use casebroker_client::{Client, ClientError};
use casebroker_proto::{
    json,
    v1::{DeadLetter, DropDeadLettersRequest, ReplayDeadLettersRequest},
};
use clap::{Args, Subcommand};

use crate::{
    Global, asking,
    failure::{Exit, Failure, Result},
    output::{FAINT, GOOD, Output},
    rows::{show, to_values},
    subscription::{Named, parse_subscription},
    table::{Column, clean},
    words,
};

/// List, inspect, replay and drop what was given up.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl subscription dead-letters fentanyl-west
  casectl subscription dead-letters fentanyl-west get 4711
  casectl subscription dead-letters fentanyl-west replay --limit 10
  casectl subscription dead-letters fentanyl-west drop --position 4711")]
pub struct DeadLetters {
    /// Id of the subscription within my agency, or its whole name
    #[arg(value_parser = parse_subscription, value_name = "NAME")]
    name: Named,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, oldest first
    #[command(
        after_help = "Examples:\n  casectl subscription dead-letters fentanyl-west list --limit 10"
    )]
    List {
        /// Most that are listed
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// Show one of them
    #[command(after_help = "Examples:\n  casectl subscription dead-letters fentanyl-west get 4711")]
    Get {
        /// Its position
        position: u64,
    },
    /// Deliver some of them again, oldest first, from the first attempt on
    #[command(after_help = "\
Never all at once without a number: a consumer that was repaired is not to drown.

Examples:
  casectl subscription dead-letters fentanyl-west replay
  casectl subscription dead-letters fentanyl-west replay --position 4711,4720
  casectl subscription dead-letters fentanyl-west replay --before 5000 --limit 1000")]
    Replay {
        /// These alone
        #[arg(long = "position", value_name = "POSITION,...", value_delimiter = ',', conflicts_with_all = ["before", "limit"])]
        positions: Vec<u64>,
        /// Only those before this position
        #[arg(long, value_name = "POSITION")]
        before: Option<u64>,
        /// Most that are replayed, 1 to 1,000
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
    },
    /// Drop some or all of them for good
    #[command(after_help = "\
Examples:
  casectl subscription dead-letters fentanyl-west drop --position 4711
  casectl subscription dead-letters fentanyl-west drop --all --yes")]
    Drop {
        /// These
        #[arg(
            long = "position",
            value_name = "POSITION,...",
            value_delimiter = ',',
            required_unless_present = "all",
            conflicts_with = "all"
        )]
        positions: Vec<u64>,
        /// All of them
        #[arg(long)]
        all: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

const COLUMNS: [Column; 5] = [
    Column::number("POSITION"),
    Column::flexible("CASE", 16),
    Column::number("ATTEMPTS"),
    Column::whole("GIVEN UP (UTC)"),
    Column::flexible("REASON", 16),
];

/// Runs the command.
pub async fn run(args: DeadLetters, global: &Global, out: &mut Output) -> Result<()> {
    let client = global.connect()?;
    let name = args.name.whole(&client).await?;
    match args.command.unwrap_or(Command::List { limit: 100 }) {
        Command::List { limit } => list(&client, &name, limit, out).await,
        Command::Get { position } => get(&client, &name, position, out).await,
        Command::Replay {
            positions,
            before,
            limit,
        } => {
            let positions = match positions.is_empty() {
                true => oldest(&client, &name, before, limit).await?,
                false => positions,
            };
            replay(&client, &name, positions, out).await
        }
        Command::Drop { positions, yes, .. } => {
            drop_them(&client, &name, positions, yes, out).await
        }
    }
}

async fn list(client: &Client, name: &str, limit: u64, out: &mut Output) -> Result<()> {
    let (letters, total) = letters(client, name, |_, n| n < limit).await?;
    let rows = letters.iter().map(row).collect();
    let values = to_values("casebroker.v1.DeadLetter", &letters)?;
    show("dead letters", &COLUMNS, rows, values, out)?;
    let left = total.saturating_sub(i64::try_from(letters.len()).unwrap_or(i64::MAX));
    if left > 0 {
        out.note(format_args!("{left} more; use --limit N"));
    }
    Ok(())
}

async fn get(client: &Client, name: &str, position: u64, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let (letters, _) = letters(client, name, |letter, _| letter.position <= position).await?;
    let letter = letters
        .into_iter()
        .find(|letter| letter.position == position);
    let id = words::id(name);
    let letter = letter.ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("{id} has no dead letter at position {position}"),
            format!("`casectl subscription dead-letters {id}` lists them."),
        )
    })?;
    if out.is_json() {
        let value = json::to_value("casebroker.v1.DeadLetter", &letter);
        return out.document(&value.map_err(ClientError::from)?);
    }
    let case = match letter.case.as_str() {
        "" => "not for my agency any more".to_owned(),
        case => words::short_case(case),
    };
    let reason = match letter.reason.as_str() {
        "" => "no consumer gave one".to_owned(),
        reason => clean(reason),
    };
    for (label, value) in [
        ("position", letter.position.to_string()),
        ("case", case),
        ("attempts", letter.delivery_attempts.to_string()),
        ("given up", words::minute(letter.dead_time.as_ref())),
        ("reason", reason),
    ] {
        let label = out.paint(FAINT, format_args!("{label:10}"));
        out.line(format_args!("{label}{value}"))?;
    }
    Ok(())
}

/// Positions of the oldest ones. They are named in the replay, so that a call which is repeated after a broken connection replays no
/// others.
async fn oldest(client: &Client, name: &str, before: Option<u64>, limit: u64) -> Result<Vec<u64>> {
    let before = before.unwrap_or(u64::MAX);
    let wanted = |letter: &DeadLetter, n| n < limit && letter.position < before;
    let (letters, _) = letters(client, name, wanted).await?;
    Ok(letters.iter().map(|letter| letter.position).collect())
}

async fn replay(client: &Client, name: &str, positions: Vec<u64>, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let id = words::id(name);
    if positions.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("{id} has no such dead letters"),
            format!("`casectl subscription dead-letters {id}` lists them."),
        ));
    }
    let request = ReplayDeadLettersRequest {
        subscription: name.to_owned(),
        limit: i32::try_from(positions.len()).unwrap_or(i32::MAX),
        positions,
        before_position: 0,
    };
    let answer = client.replay_dead_letters(request).await?;
    if out.is_json() {
        let value = json::to_value("casebroker.v1.ReplayDeadLettersResponse", &answer);
        return out.document(&value.map_err(ClientError::from)?);
    }
    let replayed = out.paint(GOOD, format_args!("{} delivered again", answer.replayed));
    out.line(format_args!(
        "{replayed}, {} dead letters left",
        answer.left
    ))
}

async fn drop_them(
    client: &Client,
    name: &str,
    positions: Vec<u64>,
    yes: bool,
    out: &mut Output,
) -> Result<()> {
    out.no_csv()?;
    let expected = match positions.is_empty() {
        true => letters(client, name, |_, _| false).await?.1,
        false => 0,
    };
    if !yes {
        let many = match positions.len() {
            0 => format!("all {expected}"),
            n => n.to_string(),
        };
        asking::confirm(&format!(
            "Drop {many} dead letters of {} for good?",
            words::id(name)
        ))?;
    }
    let request = DropDeadLettersRequest {
        subscription: name.to_owned(),
        positions,
        expected,
    };
    let answer = client.drop_dead_letters(request).await?;
    if out.is_json() {
        let value = json::to_value("casebroker.v1.DropDeadLettersResponse", &answer);
        return out.document(&value.map_err(ClientError::from)?);
    }
    out.line(format_args!("{} dropped", answer.dropped))
}

/// Dead letters from the oldest on, as long as they are wanted by what they are and how many there were before; and how many there are
/// in all.
async fn letters(
    client: &Client,
    name: &str,
    wanted: impl Fn(&DeadLetter, u64) -> bool,
) -> Result<(Vec<DeadLetter>, i64)> {
    let mut pages = client.list_dead_letters(name, 1_000);
    let (mut letters, mut total) = (Vec::new(), 0);
    while let Some(page) = pages.next_page().await? {
        total = page.total_size;
        for letter in page.dead_letters {
            if !wanted(&letter, letters.len() as u64) {
                return Ok((letters, total));
            }
            letters.push(letter);
        }
    }
    Ok((letters, total))
}

fn row(letter: &DeadLetter) -> Vec<String> {
    vec![
        letter.position.to_string(),
        words::short_case(&letter.case),
        letter.delivery_attempts.to_string(),
        words::minute(letter.dead_time.as_ref()),
        letter.reason.clone(),
    ]
}
