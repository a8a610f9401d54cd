//! The command line of the broker.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context as _;
use casebroker_server::{
    broker::Broker,
    check,
    config::{self, Config},
    core_dumps, demo,
    journal::JournalError,
    telemetry,
    vital::EXIT_IO,
};
use clap::{CommandFactory as _, Parser, Subcommand};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Interagency message broker for confirmed cases: agencies submit with evidence hashes, others query and prove.
#[derive(Parser)]
#[command(
    name = "casebroker",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  casebroker demo                        the whole story on real public cases, then keeps serving
  casebroker pki init --dir /tmp/cb      a development PKI with configuration for broker and casectl
  casebroker serve --config /tmp/cb/broker.toml
  casebroker check --data /tmp/cb/data --config /tmp/cb/broker.toml
"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the broker until SIGTERM or Ctrl-C.
    Serve(ServeArgs),
    /// Tell the whole story on real public cases.
    Demo(demo::Args),
    /// Make a development PKI: anchors, certificates, keys. Never for production.
    #[command(subcommand)]
    Pki(PkiCommand),
    /// Verify journal, tree, checkpoints, state and access record on disk; exit status 0 or 1.
    Check(check::Args),
    /// Work with configurations.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
}

#[derive(clap::Args)]
struct ServeArgs {
    /// Configuration file (TOML); `casebroker config example` prints one.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Write the address that is served, as `IP:PORT`, to this file once the broker is ready.
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
    /// Log one JSON object a line.
    #[arg(long)]
    log_json: bool,
    /// End when the process with this id, which must be the one that started this, ends.
    #[arg(long, value_name = "PID", hide = true)]
    exit_with_parent: Option<i32>,
}

#[derive(Subcommand)]
enum PkiCommand {
    /// Make a PKI for a set of agencies, with configuration for broker and casectl.
    Init(demo::pki::InitArgs),
    /// Issue one more certificate, or register one more signer.
    Issue(demo::pki::IssueArgs),
    /// Revoke a certificate: adds it to its agency's revocation list, or renews the list.
    Revoke(demo::pki::RevokeArgs),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print the commented example: every option, its default and its range.
    Example,
    /// Check a configuration file without starting anything.
    Check {
        /// The file.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            telemetry::last_words(&format!("casebroker: {}\n", words(&error)));
            match error.downcast_ref::<JournalError>() {
                Some(JournalError::Fatal { .. } | JournalError::Full { .. }) => EXIT_IO.into(),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// An error with its causes, each said once: most name their cause in their own words already.
fn words(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let done = match cli.command {
        Command::Check(args) => {
            return Ok(match check::run(&args)? {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            });
        }
        Command::Serve(args) => serve(args),
        Command::Demo(args) => demo::run(args),
        Command::Pki(PkiCommand::Init(args)) => demo::pki::init(&args),
        Command::Pki(PkiCommand::Issue(args)) => demo::pki::issue(&args),
        Command::Pki(PkiCommand::Revoke(args)) => demo::pki::revoke(&args),
        Command::Config(ConfigCommand::Example) => print(config::EXAMPLE),
        Command::Config(ConfigCommand::Check { file }) => {
            Config::load(&file)?;
            print(&format!(
                "{}: every option is in its range\n",
                file.display()
            ))
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "casebroker", &mut io::stdout());
            Ok(())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Checking a signature takes as long as dozens of usual tasks: look for what arrived more often than each 61 tasks,
        // or a busy agency's checks keep others' calls from being read.
        .event_interval(8)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve_until_told(args));
    telemetry::flush();
    // Dropping it would wait for a call that is stuck on the disk, and a stop has a limit.
    runtime.shutdown_background();
    outcome
}

async fn serve_until_told(args: ServeArgs) -> anyhow::Result<()> {
    // First of all: as process 1 of a container a signal without a handler is lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stopping, is_starting) = (CancellationToken::new(), Arc::new(AtomicBool::new(true)));
    let stop = stopping.clone().cancelled_owned();
    let starts = Arc::clone(&is_starting);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if starts.load(Ordering::SeqCst) {
            // The start may read a large journal for minutes, and it is as safe to end as by a kill.
            telemetry::last_words("casebroker: told to stop before it served\n");
            std::process::exit(0);
        }
        stopping.cancel();
    });
    telemetry::start(args.log_json);
    if let Some(parent) = args.exit_with_parent {
        exit_with(parent)?;
    }
    // Before any key is read.
    core_dumps::forbid()
        .context("core dumps cannot be forbidden; is a system call filter too narrow?")?;
    let config = Config::load(&args.config)?;
    config.check_paths(&args.config)?;
    let broker = Broker::open(config).await?;
    is_starting.store(false, Ordering::SeqCst);
    broker.serve(args.address_file, stop).await
}

/// The system tells us to stop when the process that started us is gone, however it went.
fn exit_with(parent: i32) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have gone before we said so.
    let is_there = getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent);
    anyhow::ensure!(is_there, "process {parent}, which started this, has ended");
    Ok(())
}

fn print(text: &str) -> anyhow::Result<()> {
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let cause = || io::Error::from(io::ErrorKind::NotFound);
        let outer = format!("a.pem: {}; check the path", cause());
        let outer = anyhow::Error::new(cause()).context(outer);
        assert_eq!(words(&outer), "a.pem: entity not found; check the path");
        let other = anyhow::Error::new(cause()).context("a.pem");
        assert_eq!(words(&other), "a.pem: entity not found");
    }
}
