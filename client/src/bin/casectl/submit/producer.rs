//! Reads, checks and signs statements in a thread of its own, and puts them into the pipeline in order.

use std::{
    io::BufRead,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use casebroker_client::{ClientError, Prepared, Submissions, prepare};
use casebroker_proto::statement::Signer;
use tokio::{runtime::Handle, sync::mpsc};

use super::history::{Done, Header, text_digest};
use crate::{
    failure::{Exit, Failure, Result},
    input::{RawValue, Values, decode},
    progress::Progress,
    validate::NO_STATEMENT,
};

/// What became of one value of the input, in the input's order.
#[derive(Debug)]
pub enum Event {
    /// It has its receipt from an earlier run.
    Done { line: u64, position: u64 },
    /// It is no statement, or one that breaks a rule.
    Bad {
        line: u64,
        failure: Failure,
        text: String,
    },
    /// It went into the pipeline; the next answer is its.
    Sent { line: u64, text: String },
}

/// Everything that the thread needs.
#[derive(Debug)]
pub struct Producer {
    pub signer: Arc<Signer>,
    pub header: Header,
    pub done: Done,
    /// Set when nothing more is to be sent.
    pub stop: Arc<AtomicBool>,
    /// Whether to set it after a statement that breaks a rule.
    pub stop_on_bad: bool,
    pub progress: Progress,
    pub submissions: Submissions,
    pub events: mpsc::Sender<Event>,
}

impl Producer {
    /// Runs to the input's end. A failure is one to read; everything else goes into the events.
    pub fn run(self, mut values: Values<impl BufRead>) -> Result<()> {
        let mut any = false;
        while !self.stop.load(Ordering::Relaxed) {
            let Some(item) = values.next() else {
                if !any {
                    return Err(empty(&self.header.file));
                }
                break;
            };
            any = true;
            self.progress.read(values.offset());
            let item = item.map_err(|e| Failure::file(&self.header.file, &e))?;
            let heard = match item {
                Ok(raw) => self.take(raw),
                Err(problem) => self.tell(Event::Bad {
                    line: problem.line,
                    failure: malformed(problem.what),
                    text: problem.text,
                }),
            };
            if !heard {
                break;
            }
        }
        Ok(())
    }

    /// False when nobody listens any more.
    fn take(&self, raw: RawValue) -> bool {
        let line = raw.line;
        if let Some(position) = self.done.position(&text_digest(&raw.text)) {
            return self.tell(Event::Done { line, position });
        }
        match self.sign(&raw) {
            Ok(prepared) => {
                let text = raw.text;
                self.tell(Event::Sent { line, text })
                    && Handle::current()
                        .block_on(self.submissions.push(prepared))
                        .is_ok()
            }
            Err(wrong) => {
                let (line, failure) = *wrong;
                let text = raw.text;
                self.tell(Event::Bad {
                    line,
                    failure,
                    text,
                })
            }
        }
    }

    /// The statement as it goes out, or what is wrong and on which line.
    fn sign(&self, raw: &RawValue) -> std::result::Result<Prepared, Box<(u64, Failure)>> {
        let parsed =
            decode(raw).map_err(|problem| Box::new((problem.line, malformed(problem.what))))?;
        let mut statement = parsed.statement.clone();
        if statement.request_id.is_empty() {
            statement.request_id = self.header.request_id(&text_digest(&raw.text));
        }
        if statement.make_time.is_none() {
            statement.make_time = self.header.make_time();
        }
        prepare(statement, &self.signer).map_err(|error| {
            let error = match error {
                ClientError::Invalid(violations) => {
                    ClientError::Invalid(parsed.localise(violations))
                }
                other => other,
            };
            Box::new((raw.line, error.into()))
        })
    }

    fn tell(&self, event: Event) -> bool {
        if self.stop_on_bad && matches!(event, Event::Bad { .. }) {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.events.blocking_send(event).is_ok()
    }
}

fn empty(file: &str) -> Failure {
    Failure::new(
        Exit::Invalid,
        format!("{file}: {NO_STATEMENT}"),
        "Nothing was sent. `casectl template` prints a statement to begin with.",
    )
}

fn malformed(what: String) -> Failure {
    Failure::new(
        Exit::Invalid,
        what,
        "Mend the line; `casectl template` shows the form.",
    )
}
