//! One file's way through a submission.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use casebroker_client::{
    Answers, Client, ClientError, Outcome, Prepared, ProofFile, Recorded, Window,
};
use casebroker_proto::{statement::Signer, v1::GetCallerResponse};
use tokio::sync::mpsc;

use super::{
    OnError, Submit,
    producer::{Event, Producer},
    receipts::Receipts,
    rejects::Rejects,
    report::Report,
    write_private,
};
use crate::{
    failure::{Exit, Failure, Result},
    input::{RawValue, Source},
    output::Output,
    progress::Progress,
    words,
};

/// What every file of a submission has in common.
pub struct Submitter<'a> {
    /// The command line.
    pub args: &'a Submit,
    /// Where it goes.
    pub client: &'a Client,
    /// Who signs.
    pub signer: Arc<Signer>,
    /// As whom and where, as the broker says.
    pub caller: &'a GetCallerResponse,
}

/// One file under way.
struct Run<'a> {
    args: &'a Submit,
    source: &'a Source,
    receipts: Receipts,
    rejects: Rejects,
    /// Set when nothing more is to be sent.
    stop: Arc<AtomicBool>,
    report: &'a mut Report,
}

impl Submitter<'_> {
    /// Submits one file.
    pub async fn file(&self, source: &Source, report: &mut Report, out: &mut Output) -> Result<()> {
        let path = self
            .args
            .receipts
            .clone()
            .or_else(|| beside(source, "receipts.jsonl"));
        if path.is_none() {
            out.note("casectl: receipts of what is read from a pipe are not kept without --receipts; `casectl log receipt POSITION` gets one later");
        }
        let values = source.values()?;
        let (log, agency) = (&self.caller.log_vkey, &self.caller.agency);
        let (receipts, done) = Receipts::open(path, source, log, agency, SystemTime::now().into())?;
        let (submissions, answers) = self.client.submit_stream(Window {
            count: self.args.window as usize,
            ..Window::default()
        });
        let (events, next) = mpsc::channel(256);
        let progress = Progress::new(source.name(), source.size());
        let stop = Arc::new(AtomicBool::new(false));
        let producer = Producer {
            signer: self.signer.clone(),
            header: receipts.header.clone(),
            done,
            stop: stop.clone(),
            stop_on_bad: self.args.on_error == OnError::Stop,
            progress: progress.clone(),
            submissions,
            events,
        };
        let reading = tokio::task::spawn_blocking(move || producer.run(values));
        let mut run = Run {
            args: self.args,
            source,
            receipts,
            rejects: Rejects::new(beside(source, "rejects")),
            stop,
            report,
        };
        out.attach(Some(progress.clone()));
        let end = run.follow(next, answers, out).await;
        progress.finish();
        out.attach(None);
        run.finish(end)?;
        reading
            .await
            .map_err(|e| Failure::new(Exit::Failed, e.to_string(), ""))?
    }
}

impl Run<'_> {
    /// Takes what becomes of each statement, in the file's order, to the end.
    async fn follow(
        &mut self,
        mut next: mpsc::Receiver<Event>,
        mut answers: Answers,
        out: &mut Output,
    ) -> Result<()> {
        while let Some(event) = next.recv().await {
            self.take(event, &mut answers, out).await?;
            if next.is_empty() {
                self.receipts.flush()?;
                out.flush()?;
            }
        }
        // The pipeline's own end: the last checkpoint is compared with those known.
        while answers.next().await?.is_some() {}
        Ok(())
    }

    async fn take(&mut self, event: Event, answers: &mut Answers, out: &mut Output) -> Result<()> {
        match event {
            Event::Done { line, position } => self.report.skipped(self.source, line, position, out),
            Event::Bad {
                line,
                failure,
                text,
            } => self.reject(line, &failure, &text, out),
            Event::Sent { line, text } => {
                let outcome = answers.next().await?.ok_or(ClientError::StreamEnded)?;
                let Outcome { prepared, result } = outcome;
                match result {
                    Ok(recorded) => self.recorded(line, &text, &prepared, &recorded, out),
                    Err(refusal) => self.reject(line, &refusal.into(), &text, out),
                }
            }
        }
    }

    fn recorded(
        &mut self,
        line: u64,
        text: &str,
        prepared: &Prepared,
        recorded: &Recorded,
        out: &mut Output,
    ) -> Result<()> {
        self.receipts.add(line, text, prepared, recorded)?;
        if let Some(dir) = &self.args.receipts_dir {
            write_proof(dir, &prepared.case, recorded)?;
        }
        self.report
            .recorded(self.source, line, prepared, recorded, out)
    }

    fn reject(&mut self, line: u64, failure: &Failure, text: &str, out: &mut Output) -> Result<()> {
        if self.args.on_error == OnError::Stop {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.rejects.add(line, failure, text)?;
        let raw = RawValue {
            line,
            text: text.to_owned(),
        };
        self.report.rejected(self.source, &raw, failure, out)
    }

    /// Closes the files, whatever happened.
    fn finish(mut self, end: Result<()>) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.receipts.finish(end.is_ok())?;
        self.rejects.finish()?;
        self.report.file_done(&self.receipts, &self.rejects);
        // A reader of our output that goes away must not make half a submission look like a whole one.
        end.map_err(|failure| match failure.exit {
            Exit::Done => Failure::new(
                Exit::Failed,
                "standard output was closed, and the submission stopped",
                "Run the same command again to go on; nothing is recorded twice.",
            ),
            _ => failure,
        })
    }
}

/// A receipt with its entry as a file of its own.
fn write_proof(dir: &Path, case: &str, recorded: &Recorded) -> Result<()> {
    let name = words::short_case(case).replace('/', ".");
    let path = dir.join(format!("{name}.{}.tlog-proof", recorded.position));
    let file = ProofFile::new(&recorded.receipt, recorded.entry.clone())
        .map_err(|e| Failure::new(Exit::Unproven, e.to_string(), "Do not rely on this answer."))?;
    write_private(&path, &file.to_string())
}

/// `FILE.suffix` beside a file; nowhere for what is read from a pipe.
fn beside(source: &Source, suffix: &str) -> Option<PathBuf> {
    match source {
        Source::File(path) if !source.is_stream() => {
            let mut name = path.as_os_str().to_owned();
            name.push(".");
            name.push(suffix);
            Some(name.into())
        }
        _ => None,
    }
}
