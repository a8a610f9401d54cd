//! `casebroker check`: is what is on disk what was written?
//!
//! What it is for: an operator, an auditor or a court looking at a data directory without starting anything. What it promises:
//! every entry, group, checkpoint and line of the access record is read; whatever differs is named with its file and place; the
//! exit status says whether anything did. What it never does: change a byte, take a lock for longer than asking takes, or
//! need the broker to be stopped: of a running one it leaves out what is being written.

mod journal;
mod parts;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use casebroker_proto::tlog::NoteVerifier;

use crate::{config::Config, journal::segments::Segments, transparency::Identity};
use report::Report;

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  casebroker check --data /var/lib/casebroker
  casebroker check --data data --vkey 'casebroker.example/log+12345678+AQ...'
  casebroker check --config broker.toml -o json")]
pub struct Args {
    /// Data directory [default: `data_dir` of the configuration].
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    data: Option<PathBuf>,
    /// Configuration: tells the log's origin and key, and where checkpoint and access record are kept.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Public key of the log (C2SP vkey), to verify checkpoints without the configuration's private key.
    #[arg(long, value_name = "VKEY")]
    vkey: Option<String>,
    /// Form of the output: `table` is for people and may change, `json` is one document.
    #[arg(short, long, value_enum, default_value = "table")]
    output: report::Format,
}

/// What is looked at, and with what.
#[derive(Debug)]
struct Subject {
    data: PathBuf,
    checkpoint_dir: PathBuf,
    access_dir: PathBuf,
    /// The places of checkpoint and access record are known, not guessed from the data directory.
    configured: bool,
    origin: Option<String>,
    verifier: Option<NoteVerifier>,
    /// Who holds the journal: a broker runs.
    holder: Option<String>,
}

/// Runs the command; true if everything checks out.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let subject = Subject::of(args)?;
    let mut report = Report {
        data: subject.data.clone(),
        holder: subject.holder.clone(),
        parts: Vec::new(),
    };
    // Before the journal: a running broker only adds to it, so it must reach what was kept by now.
    let kept = journal::kept(&subject)?;
    let checked = journal::check(&subject, kept.as_ref());
    let entries = checked.entries;
    report.parts.extend(checked.parts);
    report.parts.push(parts::state(&subject, entries));
    report.parts.push(parts::deliveries(&subject));
    report.parts.push(parts::access(&subject));
    report.print(args.output)?;
    Ok(report.holds())
}

impl Subject {
    fn of(args: &Args) -> anyhow::Result<Self> {
        let config = args.config.as_deref().map(Config::load).transpose()?;
        let data = match (&args.data, &config) {
            (Some(data), _) => data.clone(),
            (None, Some(config)) => config.data_dir.clone(),
            (None, None) => bail!("give --data DIR or --config FILE"),
        };
        if !data.is_dir() {
            bail!("{}: there is no such folder", data.display());
        }
        let verifier = match (&args.vkey, &config) {
            (Some(vkey), _) => Some(vkey.parse().context("--vkey")?),
            (None, Some(config)) => {
                Some(Identity::load(&config.log.origin, &config.log.key)?.verifier)
            }
            (None, None) => None,
        };
        // Where --data names a copy, what is configured inside the original's folder is looked for in the copy.
        let moved = |path: &Path| match &config {
            Some(config) => match path.strip_prefix(&config.data_dir) {
                Ok(inside) => data.join(inside),
                Err(_) => path.to_owned(),
            },
            None => path.to_owned(),
        };
        let (checkpoint_dir, access_dir) = match &config {
            Some(config) => (moved(config.checkpoint_dir()), moved(&config.access_dir())),
            None => (data.clone(), data.join("access")),
        };
        let journal = data.join("journal");
        Ok(Self {
            checkpoint_dir,
            access_dir,
            configured: config.is_some(),
            origin: config.map(|config| config.log.origin),
            verifier,
            holder: Segments::holder(&journal)?,
            data,
        })
    }

    fn is_live(&self) -> bool {
        self.holder.is_some()
    }
}
