//! `casectl subscription`: what my agency is told by itself.

mod dead_letters;
mod exec;
mod file;
mod name;
mod page;
mod pull;
mod seek;
mod settings;

use casebroker_client::{Client, ClientError, Start};
use casebroker_proto::{
    json,
    v1::{GetSubscriptionResponse, Subscription},
};
use clap::{Args, Subcommand};

use crate::{
    Global, asking,
    failure::Result,
    filter::understood,
    moment::parse_start,
    output::{FAINT, GOOD, Output},
    rows::{show, to_values},
    words,
};

pub use name::{Named, parse_subscription};
use settings::Settings;

/// Make subscriptions, take their deliveries, and look after them.
#[derive(Debug, Subcommand)]
pub enum Subscriptions {
    Create(Box<Create>),
    List(List),
    Get(Get),
    Update(Box<Update>),
    Delete(Delete),
    Pull(pull::Pull),
    Seek(seek::Seek),
    DeadLetters(dead_letters::DeadLetters),
}

/// Make a subscription: statements about the cases that the filter selects are delivered until they are acknowledged.
#[derive(Debug, Args)]
#[command(after_help = "\
The broker delivers at least once: again until it is acknowledged. Made again with the same content it is the one that is there. Its
creator's role decides what it sees: an officer's all that is for the agency, a system's the agency's own cases.

Examples:
  casectl subscription create fentanyl-west --class fentanyl,fentanyl-analogue --destination US
  casectl subscription create all --from beginning --ordered --max-attempts 5 --dead-letter
  casectl subscription create confirmed --status confirmed --kind report,amendment,finding --detail case
  casectl subscription create late --from 2026-11-01 --min-backoff 10s --max-backoff 10m --label desk=west")]
pub struct Create {
    /// Its id within my agency, or its whole name
    #[arg(value_parser = parse_subscription, value_name = "NAME")]
    name: Named,
    /// Where it begins: beginning, now, a position of the log, a date or a time
    #[arg(long = "from", value_name = "START", default_value = "now", value_parser = parse_start)]
    start: Start,
    #[command(flatten)]
    settings: Settings,
}

/// List my agency's subscriptions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl subscription list
  casectl -o json subscription list | jq -r '.subscriptions[].name'")]
pub struct List {}

/// Show a subscription and how it stands: backlog, what is out, oldest, dead letters.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl subscription get fentanyl-west
  casectl -o json subscription get fentanyl-west | jq .state")]
pub struct Get {
    /// Its id within my agency, or its whole name
    #[arg(value_parser = parse_subscription, value_name = "NAME")]
    name: Named,
}

/// Change a subscription: only what is given.
#[derive(Debug, Args)]
#[command(after_help = "\
What is out with consumers is delivered as it was; everything from then on as it is now. Any flag of the filter replaces the whole
filter, and so do labels and backoffs.

Examples:
  casectl subscription update fentanyl-west --class fentanyl --origin CN
  casectl subscription update fentanyl-west --max-attempts 10 --dead-letter=true
  casectl subscription update fentanyl-west --clear filter,kind")]
pub struct Update {
    /// Its id within my agency, or its whole name
    #[arg(value_parser = parse_subscription, value_name = "NAME")]
    name: Named,
    /// Set these back to what they are without being given
    #[arg(long, value_name = "WHAT,...", value_delimiter = ',')]
    clear: Vec<settings::Clear>,
    #[command(flatten)]
    settings: Settings,
}

/// End a subscription, with its dead letters.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl subscription delete fentanyl-west
  casectl subscription delete fentanyl-west --yes        in a script")]
pub struct Delete {
    /// Its id within my agency, or its whole name
    #[arg(value_parser = parse_subscription, value_name = "NAME")]
    name: Named,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Subscriptions {
    /// Whether it runs until it is stopped, and ends well then.
    pub fn stops_itself(&self) -> bool {
        matches!(self, Self::Pull(pull) if pull.is_endless())
    }
}

/// Runs the command.
pub async fn run(command: Subscriptions, global: &Global, out: &mut Output) -> Result<()> {
    match command {
        Subscriptions::Create(args) => create(*args, global, out).await,
        Subscriptions::List(_) => list(global, out).await,
        Subscriptions::Get(args) => get(args, global, out).await,
        Subscriptions::Update(args) => update(*args, global, out).await,
        Subscriptions::Delete(args) => delete(args, global, out).await,
        Subscriptions::Pull(args) => pull::run(args, global, out).await,
        Subscriptions::Seek(args) => seek::run(args, global, out).await,
        Subscriptions::DeadLetters(args) => dead_letters::run(args, global, out).await,
    }
}

async fn create(args: Create, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    let mut subscription = Subscription {
        name: args.name.whole(&client).await?,
        ..Default::default()
    };
    args.settings.apply(&mut subscription)?;
    settings::check(&subscription)?;
    let answer = client.create_subscription(subscription, args.start).await?;
    if out.is_json() {
        let value = json::to_value("casebroker.v1.CreateSubscriptionResponse", &answer);
        return out.document(&value.map_err(ClientError::from)?);
    }
    let made = answer.subscription.unwrap_or_default();
    for line in understood(&made.understood, out.width) {
        let line = out.paint(FAINT, line);
        out.line(line)?;
    }
    let made = out.paint(GOOD, format_args!("{} delivers", words::id(&made.name)));
    out.line(format_args!(
        "{made} from position {} on",
        answer.start_position
    ))
}

async fn list(global: &Global, out: &mut Output) -> Result<()> {
    let client = global.connect()?;
    let mut pages = client.list_subscriptions(1_000);
    let mut subscriptions = Vec::new();
    while let Some(page) = pages.next_page().await? {
        subscriptions.extend(page.subscriptions);
    }
    let rows = subscriptions.iter().map(page::row).collect();
    let values = to_values("casebroker.v1.Subscription", &subscriptions)?;
    show("subscriptions", &page::COLUMNS, rows, values, out)
}

async fn get(args: Get, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    let name = args.name.whole(&client).await?;
    let answer = client.get_subscription(&name).await?;
    if out.is_json() {
        let value = json::to_value("casebroker.v1.GetSubscriptionResponse", &answer);
        return out.document(&value.map_err(ClientError::from)?);
    }
    page::print(&answer, out)
}

async fn update(args: Update, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    let name = args.name.whole(&client).await?;
    let mut subscription = standing(&client, &name)
        .await?
        .subscription
        .unwrap_or_default();
    let mut paths = settings::clear(&args.clear, &mut subscription);
    paths.extend(args.settings.apply(&mut subscription)?);
    paths.sort_unstable();
    paths.dedup();
    if paths.is_empty() {
        return Err(crate::failure::Failure::usage(
            "nothing is to be changed",
            "Give what is to be changed, such as --ack-deadline 2m; `casectl subscription update --help` has all.",
        ));
    }
    settings::check(&subscription)?;
    let changed = client.update_subscription(subscription, &paths).await?;
    if out.is_json() {
        let value = json::to_value("casebroker.v1.Subscription", &changed);
        return out.document(&value.map_err(ClientError::from)?);
    }
    let what = out.paint(GOOD, "changed");
    out.line(format_args!(
        "{} {what}: {}",
        words::id(&name),
        paths.join(", ")
    ))
}

async fn delete(args: Delete, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    let name = args.name.whole(&client).await?;
    if !args.yes {
        let state = standing(&client, &name).await?.state.unwrap_or_default();
        asking::confirm(&format!(
            "{} has a backlog of {}{} and {} dead letters. End it for good?",
            words::id(&name),
            state.backlog,
            if state.backlog_is_least {
                " or more"
            } else {
                ""
            },
            state.dead_letters
        ))?;
    }
    client.delete_subscription(&name).await?;
    if out.is_json() {
        return out.document(&serde_json::json!({ "deleted": name }));
    }
    out.line(format_args!("{} is no more", words::id(&name)))
}

async fn standing(client: &Client, name: &str) -> Result<GetSubscriptionResponse> {
    Ok(client.get_subscription(name).await?)
}
