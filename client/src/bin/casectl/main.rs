//! `casectl`: the liaison officer's command line. The command line only; each command has a file of its own.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

mod access;
mod asking;
mod case;
mod case_page;
mod catalogue;
mod change;
mod cheat;
mod choice;
mod completions;
mod config;
mod context;
mod corroborate;
mod count;
mod delivery;
mod difference;
mod dispute;
mod errors;
mod evidence;
mod failure;
mod filter;
mod find;
mod forward;
mod given;
mod import;
mod input;
mod judgement;
mod list;
mod log;
mod moment;
mod output;
mod overlaps;
mod patience;
mod progress;
mod registry;
mod requests;
mod rows;
mod span;
mod stating;
mod stop;
mod submit;
mod subscription;
mod table;
mod template;
mod timeline;
mod trend;
mod validate;
mod verify;
mod watch;
mod whoami;
mod words;
mod worklist;

use failure::{Exit, Failure, Result};
use output::{Color, Format, Output};

/// Share confirmed narcotics cases with other agencies, and prove what was shared.
#[derive(Debug, Parser)]
#[command(name = "casectl", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which broker, as whom, and how to show it")]
pub struct Global {
    /// Context of the configuration file [default: its `current`]
    #[arg(
        long,
        global = true,
        env = "CASECTL_CONTEXT",
        hide_env_values = true,
        value_name = "NAME"
    )]
    context: Option<String>,
    /// Configuration file [default: $XDG_CONFIG_HOME/casectl/config.toml]
    #[arg(
        long,
        global = true,
        env = "CASECTL_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    config: Option<PathBuf>,
    /// Address of the broker, https://host:port
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// Certificates that the broker's must chain to, PEM
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client certificate chain, PEM
    #[arg(long, global = true, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, global = true, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Most attempts of a call when the broker cannot be reached or is full [default: 6]
    #[arg(long, global = true, env = "CASECTL_ATTEMPTS", hide_env_values = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    attempts: Option<u32>,
    /// Why I read cases: investigation, prosecution, mutual-legal-assistance, intelligence, statistics, audit, testing
    #[arg(
        long,
        global = true,
        env = "CASECTL_PURPOSE",
        hide_env_values = true,
        value_name = "CODE"
    )]
    purpose: Option<String>,
    /// Case number or legal basis of the purpose; goes into the broker's access record
    #[arg(
        long,
        global = true,
        env = "CASECTL_PURPOSE_REFERENCE",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    purpose_reference: Option<String>,
    /// Form of the output [default: table]
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        hide_possible_values = true,
        help = "Form of the output: table, json, jsonl, csv [default: table]"
    )]
    output: Option<Format>,
    /// When to use colour: auto, always, never [default: auto]
    #[arg(long, global = true, value_name = "WHEN", hide_possible_values = true)]
    color: Option<Color>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Context(context::Context),
    Whoami(whoami::Whoami),
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    Template(template::Template),
    Validate(validate::Validate),
    Import(Box<import::Import>),
    Submit(submit::Submit),
    Get(case::Get),
    List(Box<list::List>),
    Count(Box<count::Count>),
    Trend(Box<trend::Trend>),
    History(case::History),
    Amend(change::Amend),
    Retract(change::Retract),
    Release(change::Release),
    Corroborate(corroborate::Corroborate),
    RequestEvidence(requests::RequestEvidence),
    Respond(requests::Respond),
    Dispute(dispute::Dispute),
    Find(Box<find::Find>),
    Overlaps(overlaps::Overlaps),
    #[command(visible_alias = "tasks")]
    Worklist(worklist::Worklist),
    #[command(subcommand)]
    Subscription(subscription::Subscriptions),
    Watch(Box<watch::Watch>),
    Forward(Box<forward::Forward>),
    #[command(subcommand)]
    Registry(registry::Registry),
    #[command(subcommand)]
    Access(access::Access),
    #[command(subcommand)]
    Log(log::Log),
    Verify(verify::Verify),
    Errors(errors::Errors),
    Catalogue(catalogue::Catalogue),
    Cheat(cheat::Cheat),
    Completions(completions::Completions),
}

const AFTER_HELP: &str = "\
Exit status:
  0 done                       5 permission denied or not authenticated
  1 failed                     6 broker unreachable (after retries)
  2 wrong command line         7 a proof or signature does not verify
  3 invalid input              8 in conflict with what is recorded
  4 not found, or not for you

Examples:
  casectl whoami
  casectl template > case.json         then fill it in
  casectl validate case.json
  casectl submit case.json
  casectl get agencies/us-cbp/cases/2016-0042
  casectl list --origin China --from 2017
  casectl count --status attributed --by origin,year
  casectl worklist                     who wants what from my agency
  casectl watch --class fentanyl       what happens, as it happens
  casectl verify case.json.receipts.jsonl

`casectl cheat` shows more; `casectl COMMAND --help` shows a command's options and examples.";

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return ExitCode::from(misread(&error) as u8);
        }
    };
    let format = cli.global.output.unwrap_or(Format::Table);
    let mut out = Output::new(format, cli.global.color.unwrap_or(Color::Auto));
    let end = run(cli, &mut out).and_then(|()| out.flush());
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Says what is wrong with the command line, in the form asked for as far as that can be read; or prints the help that was.
fn misread(error: &clap::Error) -> Exit {
    let arguments = std::env::args().skip(1);
    match asked_for(arguments).filter(|_| error.use_stderr()) {
        Some(format) => {
            let text = error.to_string();
            let what = text.lines().next().unwrap_or_default();
            let what = what.strip_prefix("error: ").unwrap_or(what);
            let next = "`casectl COMMAND --help` shows what a command takes, with examples.";
            Output::new(format, Color::Never).failure(&Failure::usage(what, next));
        }
        // Printing may fail when nobody reads; help that was asked for is no failure.
        None => drop(error.print()),
    }
    match error.use_stderr() {
        true => Exit::Usage,
        false => Exit::Done,
    }
}

/// `json` or `jsonl`, if a command line that cannot be read asks for one.
fn asked_for(arguments: impl Iterator<Item = String>) -> Option<Format> {
    let mut is_next = false;
    for argument in arguments {
        let value = match argument.as_str() {
            text if is_next => Some(text),
            "-o" | "--output" => {
                is_next = true;
                continue;
            }
            text => text.strip_prefix("--output=").or_else(|| {
                let value = text.strip_prefix("-o")?;
                Some(value.strip_prefix('=').unwrap_or(value))
            }),
        };
        is_next = false;
        match value {
            Some("json") => return Some(Format::Json),
            Some("jsonl") => return Some(Format::Jsonl),
            _ => {}
        }
    }
    None
}

fn run(cli: Cli, out: &mut Output) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::file("runtime", &e))?;
    let stops_itself = cli.command.stops_itself();
    let end = runtime.block_on(async {
        tokio::select! {
            end = command(cli, out) => end,
            () = interrupted(stops_itself) => Err(Failure::new(
                Exit::Interrupted,
                "interrupted",
                "Run the same command again to go on; nothing is recorded twice.",
            )),
        }
    });
    // A thread that waits for input must not hold up the end.
    runtime.shutdown_background();
    end
}

/// Waits for Ctrl-C; for the second one, if the command ends by itself after the first.
async fn interrupted(stops_itself: bool) {
    if stops_itself {
        drop(tokio::signal::ctrl_c().await);
    }
    drop(tokio::signal::ctrl_c().await);
}

impl Command {
    /// Whether it runs until it is stopped, and ends well then.
    fn stops_itself(&self) -> bool {
        match self {
            Self::Watch(_) | Self::Forward(_) => true,
            Self::Subscription(command) => command.stops_itself(),
            _ => false,
        }
    }
}

async fn command(cli: Cli, out: &mut Output) -> Result<()> {
    let global = &cli.global;
    match cli.command {
        Command::Context(args) => context::run(args, global, out),
        Command::Whoami(args) => whoami::run(args, global, out).await,
        Command::Evidence(args) => evidence::run(args, out),
        Command::Template(args) => template::run(args, out),
        Command::Validate(args) => validate::run(args, out),
        Command::Import(args) => import::run(*args, global, out).await,
        Command::Submit(args) => submit::run(args, global, out).await,
        Command::Get(args) => case::get(args, global, out).await,
        Command::List(args) => list::run(*args, global, out).await,
        Command::Count(args) => count::run(*args, global, out).await,
        Command::Trend(args) => trend::run(*args, global, out).await,
        Command::History(args) => case::history(args, global, out).await,
        Command::Amend(args) => change::amend(args, global, out).await,
        Command::Retract(args) => change::retract(args, global, out).await,
        Command::Release(args) => change::release(args, global, out).await,
        Command::Corroborate(args) => corroborate::run(args, global, out).await,
        Command::RequestEvidence(args) => requests::request(args, global, out).await,
        Command::Respond(args) => requests::respond(args, global, out).await,
        Command::Dispute(args) => dispute::run(args, global, out).await,
        Command::Find(args) => find::run(*args, global, out).await,
        Command::Overlaps(args) => overlaps::run(args, global, out).await,
        Command::Worklist(args) => worklist::run(args, global, out).await,
        Command::Subscription(command) => subscription::run(command, global, out).await,
        Command::Watch(args) => watch::run(*args, global, out).await,
        Command::Forward(args) => forward::run(*args, global, out).await,
        Command::Registry(command) => registry::run(command, global, out).await,
        Command::Access(args) => access::run(args, global, out).await,
        Command::Log(args) => log::run(args, global, out).await,
        Command::Verify(args) => verify::run(args, global, out),
        Command::Errors(args) => errors::run(args, out),
        Command::Catalogue(args) => catalogue::run(args, out),
        Command::Cheat(args) => cheat::run(args, out),
        Command::Completions(args) => completions::run(args, Cli::command(), out),
    }
}

impl Global {
    /// A client for the chosen context; says so if it takes long to answer.
    fn connect(&self) -> Result<casebroker_client::Client> {
        let client = casebroker_client::Client::connect(&self.profile()?)?;
        patience::watch(&client);
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_form_asked_for_is_found_in_a_command_line_that_cannot_be_read() {
        let asked = |line: &str| asked_for(line.split(' ').map(str::to_owned));
        for json in [
            "-o json get x",
            "get x -ojson",
            "get --output=json",
            "--output json x",
        ] {
            assert_eq!(asked(json), Some(Format::Json), "{json}");
        }
        assert_eq!(asked("-o jsonl get"), Some(Format::Jsonl));
        for other in ["get json", "-o csv get json", "get x", "-o"] {
            assert_eq!(asked(other), None, "{other}");
        }
    }

    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let help = sub.get_after_help().map(ToString::to_string);
                assert!(
                    sub.has_subcommands() || help.is_some_and(|h| h.contains("casectl")),
                    "{} has no examples",
                    sub.get_name()
                );
                check(sub);
            }
        }
        check(&Cli::command());
    }
}
