//! `casectl submit`: statements from files of any size, signed, sent through one pipeline, their receipts kept.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use casebroker_client::{Client, ClientError, ProofFailure};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::{
    Global,
    failure::{Failure, Result},
    input::Source,
    output::{Format, Output},
    patience,
};

pub mod history;
mod producer;
pub mod receipts;
mod rejects;
mod report;
mod run;

use report::Report;
use run::Submitter;

/// Most statements under way at once, if nothing is said.
const DEFAULT_WINDOW: u32 = 512;

/// Submit statements from files: validate, sign, send, keep the receipts.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Submit {
    /// Files of JSON or JSONL: statements in proto JSON, or cases, each of which becomes a report. `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to keep the receipts of one FILE [default: FILE.receipts.jsonl; nowhere for standard input]
    #[arg(long, value_name = "FILE")]
    receipts: Option<PathBuf>,
    /// Also write each receipt with its entry as a file of its own, AGENCY.CASE.POSITION.tlog-proof, into this folder
    #[arg(long, value_name = "DIR")]
    receipts_dir: Option<PathBuf>,
    /// What to do after a statement that is invalid or refused
    #[arg(long, value_name = "WHAT", default_value = "skip")]
    on_error: OnError,
    /// Most statements under way at once
    #[arg(long, value_name = "N", default_value_t = DEFAULT_WINDOW, value_parser = clap::value_parser!(u32).range(1..=65536))]
    window: u32,
}

impl Submit {
    /// One file, everything else as it is by default.
    pub fn of_file(file: PathBuf) -> Self {
        Self {
            files: vec![file],
            receipts: None,
            receipts_dir: None,
            on_error: OnError::Skip,
            window: DEFAULT_WINDOW,
        }
    }
}

/// What to do after a statement that is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnError {
    /// Go on with the others.
    Skip,
    /// Send nothing more; what is under way is finished.
    Stop,
}

const AFTER_HELP: &str = "\
Each statement is answered when it is on the broker's disk under a signed checkpoint. What breaks a rule is reported with its
line and field, is not sent, and goes with what the broker refuses into FILE.rejects.jsonl (or -2, -3 ...), which can be mended and submitted.

An interrupted submission goes on with the same command: the receipts file says what was sent under which ids, and nothing is
recorded twice. Keep FILE unchanged until then. Once a submission has ended FILE may change; what has its receipt is skipped.

Exit status: 0 all recorded; 3 some invalid or refused (or 4, 5, 8 if that is why for each of them); 6 broker unreachable;
7 a receipt does not verify; 8 FILE was changed in the middle of a submission.

Examples:
  casectl submit case.json
  casectl submit backfill.jsonl --receipts receipts/backfill.jsonl
  export-cases | casectl submit - --receipts today.receipts.jsonl
  casectl -o json submit one.json";

/// Runs the command.
pub async fn run(args: Submit, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    if args.receipts.is_some() && args.files.len() > 1 {
        return Err(Failure::usage(
            "--receipts is for one FILE",
            "Submit the files one by one, or leave it out: each then gets FILE.receipts.jsonl.",
        ));
    }
    if let Some(dir) = &args.receipts_dir {
        fs::create_dir_all(dir).map_err(|e| Failure::file(dir.display(), &e))?;
    }
    let profile = global.profile()?;
    let signer = Arc::new(profile.signer()?.ok_or(ClientError::NoSigner)?);
    let client = Client::connect(&profile)?;
    patience::watch(&client);
    let caller = client.caller().await?;
    if let Some(trust) = client.trust() {
        let expected = trust.verifier().to_string();
        if caller.log_vkey != expected {
            return Err(ClientError::from(ProofFailure::OtherLog {
                found: caller.log_vkey,
                expected,
            })
            .into());
        }
        // A log that shrank or forked is to be found before it is given anything.
        client.checkpoint().await?;
    } else {
        out.note("casectl: receipts are not verified, since the context has no log_vkey");
    }
    let submitter = Submitter {
        args: &args,
        client: &client,
        signer,
        caller: &caller,
    };
    let mut report = Report::begin(out)?;
    for file in &args.files {
        let source = Source::new(file);
        let end = submitter.file(&source, &mut report, out).await;
        // A document that was begun is ended whatever happens.
        if let Err(failure) = end {
            report.end(out)?;
            return Err(failure);
        }
        if report.worst().is_some() && args.on_error == OnError::Stop {
            break;
        }
    }
    report.end(out)?;
    match report.worst() {
        Some(exit) => Err(Failure::quiet(exit)),
        None => Ok(()),
    }
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let failed = |e: io::Error| Failure::file(path.display(), &e);
    let mut file = receipts::open_private(path).map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Replaces a file whole, so that an interruption leaves the old one or the new one.
pub fn replace_file(path: &Path, text: &str) -> Result<()> {
    let failed = |e: io::Error| Failure::file(path.display(), &e);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut new =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    new.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Whether results are to be listed one by one as they come.
fn one_by_one(format: Format) -> bool {
    matches!(format, Format::Json | Format::Jsonl)
}

/// The part of a result that every kind has.
fn result_json(source: &Source, line: u64) -> serde_json::Map<String, serde_json::Value> {
    let mut map = serde_json::Map::new();
    map.insert("file".into(), json!(source.name()));
    map.insert("line".into(), json!(line));
    map
}
