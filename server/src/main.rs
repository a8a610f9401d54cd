//! The command line of the broker.

use std::{path::PathBuf, process::ExitCode};

use casebroker_server::{
    broker::Broker,
    check,
    config::{self, Config},
    demo, telemetry,
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
        Ok(code) => code,
        Err(error) => {
            eprintln!("casebroker: {error:#}");
            ExitCode::FAILURE
        }
    }
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
        Command::Config(ConfigCommand::Example) => print(config::EXAMPLE),
        Command::Config(ConfigCommand::Check { file }) => {
            Config::load(&file)?;
            print(&format!(
                "{}: every option is in its range\n",
                file.display()
            ))
        }
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "casebroker",
                &mut std::io::stdout(),
            );
            Ok(())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn serve(args: ServeArgs) -> anyhow::Result<()> {
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
    use std::io::Write as _;
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(())
}
