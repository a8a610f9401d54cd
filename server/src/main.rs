//! The command line of the broker.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use casebroker_server::{
    broker::Broker,
    config::{self, Config},
    demo,
    journal::JournalError,
    telemetry,
    vital::EXIT_IO,
};
use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

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
}

#[derive(Subcommand)]
enum PkiCommand {
    /// Make a PKI for a set of agencies, with configuration for broker and casectl.
    Init(demo::pki::InitArgs),
    /// Issue one more certificate, or register one more signer.
    Issue(demo::pki::IssueArgs),
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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed, and the standard macro would panic then.
            let _ = writeln!(io::stderr(), "casebroker: {error:#}");
            match error.downcast_ref::<JournalError>() {
                Some(JournalError::Fatal { .. } | JournalError::Full { .. }) => EXIT_IO.into(),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(args) => serve(args),
        Command::Demo(args) => demo::run(args),
        Command::Pki(PkiCommand::Init(args)) => demo::pki::init(&args),
        Command::Pki(PkiCommand::Issue(args)) => demo::pki::issue(&args),
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
    }
}

fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve_until_told(args));
    // Dropping it would wait for a call that is stuck on the disk, and a stop has a limit.
    runtime.shutdown_background();
    outcome
}

async fn serve_until_told(args: ServeArgs) -> anyhow::Result<()> {
    telemetry::start(args.log_json);
    let broker = Broker::open(Config::load(&args.config)?).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    broker.serve(args.address_file, stop).await
}

fn print(text: &str) -> anyhow::Result<()> {
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(())
}
