//! The file of receipts that a submission leaves, and from which an interrupted one goes on.
//!
//! It begins with a header: digest of the input, time of the statements, a random run id. That is written, and synced,
//! before anything is sent. The request id of a statement follows from run id and text, so id and bytes can be made again
//! exactly, and sending a statement again after an interruption records nothing twice. Then comes a line for each receipt,
//! and at the end one that says that no answer is outstanding. Only then may the input change: a new run begins in the same
//! file, and what has its receipt, by its text, is not sent again.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casebroker_client::{Prepared, Recorded};
use prost_types::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::history::{self, Done, End, FORM, Header, Line, TextDigest, text_digest};
use crate::{
    failure::{Exit, Failure, Result},
    input::Source,
    words,
};

/// The file, open for more receipts; or nothing kept, for standard input.
#[derive(Debug)]
pub struct Receipts {
    /// Where they are, if they are kept.
    pub path: Option<PathBuf>,
    /// What is being submitted.
    pub header: Header,
    file: Option<BufWriter<File>>,
}

impl Receipts {
    /// Opens the receipts of a submission, or begins them. `log` and `agency` are where and as whom it goes.
    pub fn open(
        path: Option<PathBuf>,
        source: &Source,
        log: &str,
        agency: &str,
        now: Timestamp,
    ) -> Result<(Self, Done)> {
        let header = Header {
            form: FORM.into(),
            file: source.name(),
            sha256: sha256(source)?,
            log: log.into(),
            agency: agency.into(),
            run: Uuid::new_v4(),
            make_time: words::rfc3339(&now),
        };
        let Some(path) = path else {
            let none = Self {
                path: None,
                header,
                file: None,
            };
            return Ok((none, Done::default()));
        };
        let failed = |e: io::Error| Failure::file(path.display(), &e);
        let mut file = open_private(&path).map_err(failed)?;
        let before = history::read(&path, &mut file)?;
        // What an interruption left half written is cut off.
        file.set_len(before.whole).map_err(failed)?;
        file.seek(SeekFrom::Start(before.whole)).map_err(failed)?;
        let goes_on = match &before.header {
            Some(found) => found.goes_on(&header, before.ended, &path)?,
            None => false,
        };
        let header = match before.header.filter(|_| goes_on) {
            Some(found) => found,
            None => {
                write_line(&mut file, &header).map_err(failed)?;
                file.sync_all().map_err(failed)?;
                header
            }
        };
        let receipts = Self {
            path: Some(path),
            header,
            file: Some(BufWriter::new(file)),
        };
        Ok((receipts, before.done))
    }

    /// Adds a receipt for the statement with this text.
    pub fn add(
        &mut self,
        line: u64,
        text: &str,
        prepared: &Prepared,
        recorded: &Recorded,
    ) -> Result<()> {
        let line = Line {
            line,
            sha256: hex::encode(text_digest(text)),
            case: prepared.case.clone(),
            request_id: prepared.request_id.clone(),
            position: recorded.position.to_string(),
            record_time: recorded.record_time.as_ref().map(words::rfc3339),
            entry: STANDARD.encode(&recorded.entry),
            receipt: recorded.receipt.clone(),
        };
        self.with_file(|file| write_line(file, &line))
    }

    /// Hands what was added to the operating system.
    pub fn flush(&mut self) -> Result<()> {
        self.with_file(BufWriter::flush)
    }

    /// Makes all of it durable; `all_answered` if every statement sent was answered.
    pub fn finish(&mut self, all_answered: bool) -> Result<()> {
        self.with_file(|file| {
            if all_answered {
                write_line(file, &End { all_answered })?;
            }
            file.flush()?;
            file.get_ref().sync_all()
        })
    }

    fn with_file(
        &mut self,
        act: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<()> {
        match (&mut self.file, &self.path) {
            (Some(file), Some(path)) => act(file).map_err(|e| Failure::file(path.display(), &e)),
            _ => Ok(()),
        }
    }
}

impl Header {
    /// `make_time` for statements that bring none.
    pub fn make_time(&self) -> Option<Timestamp> {
        self.make_time.parse().ok()
    }

    /// Request id of the statement with this text: the same whenever this run goes on, another in any other run. Equal
    /// statements have equal ids, so one that stands in a file twice is recorded once.
    pub fn request_id(&self, text: &TextDigest) -> String {
        Uuid::new_v5(&self.run, text).to_string()
    }

    /// Whether a run that was begun so goes on now, or a new one begins. Refuses where neither is safe.
    fn goes_on(&self, now: &Self, ended: bool, path: &Path) -> Result<bool> {
        let path = path.display();
        let refuse = |what: String, next: String| Err(Failure::new(Exit::Conflict, what, next));
        if self.log != now.log {
            return refuse(
                format!("{path} holds receipts of another log, {}", self.log),
                format!(
                    "Use the context of that broker, or give another file to --receipts; here the log is {}.",
                    now.log
                ),
            );
        }
        if self.agency != now.agency {
            return refuse(
                format!(
                    "{path} was begun as {}, and this context is of {}",
                    self.agency, now.agency
                ),
                "Use a context of that agency, or give another file to --receipts.".into(),
            );
        }
        if self.sha256 == now.sha256 && self.sha256.is_some() {
            return Ok(true);
        }
        if ended {
            return Ok(false);
        }
        if now.sha256.is_none() {
            return refuse(
                format!(
                    "{path} belongs to a submission that was interrupted, and {} cannot go on with it: it can be read once only",
                    now.file
                ),
                "Give another file to --receipts.".into(),
            );
        }
        refuse(
            format!(
                "{} has changed since the submission recorded in {path} was interrupted",
                now.file
            ),
            format!(
                "Restore the file and submit it to finish; then it may change. Or move {path} away to begin anew: every \
                 statement then gets a new request id, and cases recorded already are refused as CASE_EXISTS."
            ),
        )
    }
}

fn write_line(out: &mut impl io::Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    out.write_all(&text)
}

/// SHA-256 of a file, hexadecimal; none for what can be read once only.
fn sha256(source: &Source) -> Result<Option<String>> {
    if source.is_stream() {
        return Ok(None);
    }
    let mut context = digest::Context::new(&digest::SHA256);
    let mut reader = BufReader::with_capacity(1 << 20, source.open()?);
    loop {
        let chunk = reader
            .fill_buf()
            .map_err(|e| Failure::file(source.name(), &e))?;
        if chunk.is_empty() {
            return Ok(Some(hex::encode(context.finish())));
        }
        context.update(chunk);
        let length = chunk.len();
        reader.consume(length);
    }
}

/// Opens or creates a file that only its owner may read: receipts hold whole statements.
pub fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(dir: &Path, agency: &str) -> Result<(Receipts, Done)> {
        let source = Source::File(dir.join("in.jsonl"));
        let now = Timestamp {
            seconds: 1_467_000_000,
            nanos: 5,
        };
        Receipts::open(Some(dir.join("out")), &source, "log+1+k", agency, now)
    }

    fn add(receipts: &mut Receipts, text: &str, position: u64, ended: bool) {
        let prepared = Prepared {
            case: "agencies/us-dea/cases/1".into(),
            request_id: receipts.header.request_id(&text_digest(text)),
            signed: vec![1].into(),
        };
        let recorded = Recorded {
            position,
            record_time: None,
            entry: vec![2].into(),
            receipt: "r".into(),
            replayed: false,
            verified: true,
        };
        receipts.add(1, text, &prepared, &recorded).unwrap();
        receipts.finish(ended).unwrap();
    }

    fn positions(done: &Done, texts: [&str; 3]) -> [Option<u64>; 3] {
        texts.map(|text| done.position(&text_digest(text)))
    }

    #[test]
    fn an_interrupted_submission_goes_on_with_the_same_ids_and_time() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in.jsonl"), "a\nb\nc\n").unwrap();
        let (mut first, done) = open(dir.path(), "agencies/us-dea").unwrap();
        assert_eq!(positions(&done, ["a", "b", "c"]), [None; 3]);
        add(&mut first, "b", 77, false);
        // Killed while writing.
        let out = dir.path().join("out");
        let whole = fs::read(&out).unwrap();
        fs::write(&out, [&whole[..], b"{\"line\":3,"].concat()).unwrap();

        let (mut second, done) = open(dir.path(), "agencies/us-dea").unwrap();
        assert_eq!(positions(&done, ["a", "b", "c"]), [None, Some(77), None]);
        assert_eq!(second.header, first.header);
        let time = Timestamp {
            seconds: 1_467_000_000,
            nanos: 5,
        };
        assert_eq!(second.header.make_time(), Some(time));
        let [a, c] = ["a", "c"].map(|text| second.header.request_id(&text_digest(text)));
        assert_ne!(a, c);
        add(&mut second, "a", 78, true);
        assert!(fs::read(&out).unwrap().starts_with(&whole));
        let (_, done) = open(dir.path(), "agencies/us-dea").unwrap();
        assert_eq!(
            positions(&done, ["a", "b", "c"]),
            [Some(78), Some(77), None]
        );
    }

    #[test]
    fn a_changed_input_is_refused_while_answers_are_outstanding_and_a_new_run_after() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("in.jsonl");
        fs::write(&input, "a\nb").unwrap();
        let (mut first, _) = open(dir.path(), "agencies/us-dea").unwrap();
        add(&mut first, "a", 5, false);
        fs::write(&input, "a\nB").unwrap();
        let failure = open(dir.path(), "agencies/us-dea").unwrap_err();
        assert!(failure.exit == Exit::Conflict && failure.what.contains("changed"));
        assert!(failure.next.contains("move"));

        fs::write(&input, "a\nb").unwrap();
        let (mut second, _) = open(dir.path(), "agencies/us-dea").unwrap();
        second.finish(true).unwrap();
        fs::write(&input, "a\nB").unwrap();
        let (third, done) = open(dir.path(), "agencies/us-dea").unwrap();
        assert_ne!(third.header.run, first.header.run);
        assert_eq!(positions(&done, ["a", "b", "B"]), [Some(5), None, None]);
        // The new run is the one that is open now.
        fs::write(&input, "a\nb").unwrap();
        assert!(open(dir.path(), "agencies/us-dea").is_err());
    }

    #[test]
    fn another_agency_or_log_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in.jsonl"), "a").unwrap();
        let (mut first, _) = open(dir.path(), "agencies/us-dea").unwrap();
        first.finish(true).unwrap();
        let failure = open(dir.path(), "agencies/us-cbp").unwrap_err();
        assert!(failure.exit == Exit::Conflict && failure.what.contains("us-dea"));
    }

    #[test]
    fn a_file_that_is_something_else_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in.jsonl"), "{}").unwrap();
        let out = dir.path().join("out");
        for precious in ["precious\n", "precious without an end of line"] {
            fs::write(&out, precious).unwrap();
            assert!(open(dir.path(), "agencies/us-dea").is_err());
            assert_eq!(fs::read_to_string(&out).unwrap(), precious);
        }
        // Half a header is ours, and nothing was sent under it.
        fs::write(&out, "{\"form\":\"casectl-receipts/1\",\"fi").unwrap();
        assert!(open(dir.path(), "agencies/us-dea").is_ok());
    }
}
