//! `casectl submit`: statements from files of any size, signed, sent through one pipeline, their receipts kept.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use casebroker_client::{Client, ClientError, Outcome, ProofFile, Window};
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    Global,
    failure::{Exit, Failure, Result},
    input::Source,
    output::{Format, Output},
    progress::Progress,
    words,
};

mod producer;
pub mod receipts;
mod rejects;
mod report;

use producer::{Event, Producer};
use receipts::Receipts;
use rejects::Rejects;
use report::Report;

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
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65536))]
    window: u32,
}

/// What to do after a statement that is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnError {
    /// Go on with the others.
    Skip,
    /// Send nothing more.
    Stop,
}

const AFTER_HELP: &str = "\
Each statement is answered when it is on the broker's disk under a signed checkpoint. What breaks a rule is reported with its
line and field, is not sent, and goes with what the broker refuses into FILE.rejects.jsonl, which can be mended and submitted.

An interrupted submission goes on with the same command: the receipts file says what was sent under which ids, and nothing is
recorded twice. Keep FILE unchanged until then.

Exit status: 0 all recorded; 3 some invalid or refused (or 4, 5, 8 if that is why for each of them); 6 broker unreachable;
7 a receipt does not verify; 8 FILE was changed since the submission began.

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
    let caller = client.caller().await?;
    if let Some(trust) = client.trust() {
        let expected = trust.verifier().to_string();
        if caller.log_vkey != expected {
            return Err(
                ClientError::from(casebroker_client::ProofFailure::OtherLog {
                    found: caller.log_vkey,
                    expected,
                })
                .into(),
            );
        }
    } else {
        out.note("casectl: receipts are not verified, since the context has no log_vkey");
    }
    let mut report = Report::begin(out)?;
    for file in &args.files {
        let source = Source::new(file);
        let run = Run {
            args: &args,
            client: &client,
            signer: signer.clone(),
            source: &source,
        };
        let end = run
            .submit(&caller.log_vkey, &caller.agency, &mut report, out)
            .await;
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

/// One file's way.
struct Run<'a> {
    args: &'a Submit,
    client: &'a Client,
    signer: Arc<casebroker_proto::statement::Signer>,
    source: &'a Source,
}

impl Run<'_> {
    async fn submit(
        &self,
        log: &str,
        agency: &str,
        report: &mut Report,
        out: &mut Output,
    ) -> Result<()> {
        let path = self
            .args
            .receipts
            .clone()
            .or_else(|| beside(self.source, "receipts.jsonl"));
        if path.is_none() {
            out.note("casectl: receipts of standard input are not kept without --receipts; `casectl log receipt POSITION` gets one later");
        }
        let now = SystemTime::now().into();
        let (mut receipts, done) = Receipts::open(path, self.source, log, agency, now)?;
        let mut rejects = Rejects::new(beside(self.source, "rejects.jsonl"));
        let stop = Arc::new(AtomicBool::new(false));
        let (submissions, mut answers) = self.client.submit_stream(Window {
            count: self.args.window as usize,
            ..Window::default()
        });
        let (events, mut next) = mpsc::channel(256);
        let progress = Progress::new(self.source.name(), self.source.size());
        out.attach(Some(progress.clone()));
        let producer = Producer {
            signer: self.signer.clone(),
            header: receipts.header.clone(),
            done,
            stop: stop.clone(),
            progress: progress.clone(),
            submissions,
            events,
        };
        let values = self.source.values()?;
        let reading = tokio::task::spawn_blocking(move || producer.run(values));

        let mut end = Ok(());
        while let Some(event) = next.recv().await {
            let taken = match event {
                Event::Done { line, position } => report.skipped(self.source, line, position, out),
                Event::Bad {
                    line,
                    failure,
                    text,
                } => self.reject(line, failure, &text, &stop, &mut rejects, report, out),
                Event::Sent { line, text } => match answers.next().await {
                    Ok(Some(Outcome {
                        prepared,
                        result: Ok(recorded),
                    })) => receipts.add(line, &prepared, &recorded).and_then(|()| {
                        self.write_file(&prepared.case, &recorded)?;
                        report.recorded(self.source, line, &prepared, &recorded, out)
                    }),
                    Ok(Some(Outcome {
                        result: Err(refusal),
                        ..
                    })) => self.reject(
                        line,
                        refusal.into(),
                        &text,
                        &stop,
                        &mut rejects,
                        report,
                        out,
                    ),
                    Ok(None) => Err(ClientError::StreamEnded.into()),
                    Err(error) => Err(error.into()),
                },
            };
            if next.is_empty() {
                receipts.flush()?;
            }
            if let Err(failure) = taken {
                end = Err(failure);
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        drop(next);
        let read = if end.is_ok() {
            reading.await
        } else {
            Ok(Ok(()))
        };
        progress.finish();
        out.attach(None);
        receipts.finish()?;
        rejects.finish()?;
        report.file_done(self.source, &receipts, &rejects, out);
        end?;
        // The pipeline's own end: the last checkpoint is compared with those known.
        while answers.next().await?.is_some() {}
        read.map_err(|e| Failure::new(Exit::Failed, e.to_string(), ""))?
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one place where everything about a rejected line comes together"
    )]
    fn reject(
        &self,
        line: u64,
        failure: Failure,
        text: &str,
        stop: &AtomicBool,
        rejects: &mut Rejects,
        report: &mut Report,
        out: &mut Output,
    ) -> Result<()> {
        if self.args.on_error == OnError::Stop {
            stop.store(true, Ordering::Relaxed);
        }
        rejects.add(line, &failure, text)?;
        report.rejected(self.source, line, &failure, out)
    }

    /// The receipt with its entry as a file of its own, if that was asked for.
    fn write_file(&self, case: &str, recorded: &casebroker_client::Recorded) -> Result<()> {
        let Some(dir) = &self.args.receipts_dir else {
            return Ok(());
        };
        let position = recorded.position;
        let name = format!(
            "{}.{position}.tlog-proof",
            words::short_case(case).replace('/', ".")
        );
        let path = dir.join(name);
        let file = ProofFile::new(&recorded.receipt, recorded.entry.clone())
            .map_err(|e| Failure::new(Exit::Unproven, e.to_string(), ""))?;
        write_private(&path, &file.to_string())
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

/// `FILE.suffix` beside a file; nowhere for standard input.
fn beside(source: &Source, suffix: &str) -> Option<PathBuf> {
    match source {
        Source::File(path) => {
            let mut name = path.as_os_str().to_owned();
            name.push(".");
            name.push(suffix);
            Some(name.into())
        }
        Source::Stdin => None,
    }
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
