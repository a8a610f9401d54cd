//! The file of receipts that a submission leaves, and from which an interrupted one goes on.
//!
//! Its first line says what was submitted: digest of the input, time of the statements, a random run id. It is written, and
//! synced, before anything is sent. So the request id and the bytes of every statement can be made again exactly, and
//! sending one again after an interruption records nothing twice. Each further line is one receipt.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use casebroker_client::{Prepared, Recorded};
use prost_types::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    failure::{Exit, Failure, Result},
    input::Source,
    words,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What the first line says about its form.
const FORM: &str = "casectl-receipts/1";

/// How a first line of ours begins.
const BEGINNING: &[u8] = b"{\"form\":\"casectl-receipts/";

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    form: String,
    /// Name of the input, for people.
    pub file: String,
    /// SHA-256 of the input, hexadecimal; none for standard input.
    pub sha256: Option<String>,
    /// Key of the log that the receipts are of.
    pub log: String,
    /// Agency that submits, `agencies/{agency}`.
    pub agency: String,
    /// Namespace of the request ids.
    pub run: Uuid,
    /// `make_time` of statements that bring none, RFC 3339.
    pub make_time: String,
}

/// One further line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// Line of the input on which the statement begins.
    pub line: u64,
    /// Case that it is about.
    pub case: String,
    /// Its request id.
    pub request_id: String,
    /// Position in the journal, as a string like every 64-bit integer of proto JSON.
    pub position: String,
    /// When it was recorded, RFC 3339.
    pub record_time: Option<String>,
    /// The Entry's bytes, base64.
    pub entry: String,
    /// C2SP tlog-proof.
    pub receipt: String,
}

/// Lines done by an earlier run, with their positions.
#[derive(Debug, Default)]
pub struct Done(Vec<(u64, u64)>);

impl Done {
    /// Position of the statement on a line, if it has its receipt already.
    pub fn position(&self, line: u64) -> Option<u64> {
        let at = self.0.binary_search_by_key(&line, |(line, _)| *line).ok()?;
        self.0.get(at).map(|(_, position)| *position)
    }
}

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
        let mut header = Header {
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
        let (found, done, whole) = read(&path, &mut file)?;
        // What an interruption left half written is cut off.
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::Start(whole)).map_err(failed)?;
        match found {
            Some(found) => {
                found.check_same(&header, &path)?;
                header = found;
            }
            None => {
                let text = serde_json::to_string(&header).map_err(|e| failed(e.into()))?;
                writeln!(file, "{text}").map_err(failed)?;
                file.sync_all().map_err(failed)?;
            }
        }
        let receipts = Self {
            path: Some(path),
            header,
            file: Some(BufWriter::new(file)),
        };
        Ok((receipts, done))
    }

    /// Adds a receipt.
    pub fn add(&mut self, line: u64, prepared: &Prepared, recorded: &Recorded) -> Result<()> {
        let (Some(file), Some(path)) = (&mut self.file, &self.path) else {
            return Ok(());
        };
        let line = Line {
            line,
            case: prepared.case.clone(),
            request_id: prepared.request_id.clone(),
            position: recorded.position.to_string(),
            record_time: recorded.record_time.as_ref().map(words::rfc3339),
            entry: STANDARD.encode(&recorded.entry),
            receipt: recorded.receipt.clone(),
        };
        serde_json::to_writer(&mut *file, &line)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(|e| Failure::file(path.display(), &e))
    }

    /// Hands what was added to the operating system.
    pub fn flush(&mut self) -> Result<()> {
        self.with_file(|file| file.flush())
    }

    /// Makes all of it durable.
    pub fn finish(&mut self) -> Result<()> {
        self.with_file(|file| {
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

    /// Request id of the statement on a line: the same whenever this file's submission goes on, another in any other run.
    pub fn request_id(&self, line: u64, text: &str) -> String {
        let content = digest::digest(&digest::SHA256, text.as_bytes());
        let name = [&line.to_be_bytes()[..], content.as_ref()].concat();
        Uuid::new_v5(&self.run, &name).to_string()
    }

    /// Refuses to go on with something else than what was begun.
    fn check_same(&self, now: &Self, path: &Path) -> Result<()> {
        let path = path.display();
        let refuse = |what: String, next: String| Err(Failure::new(Exit::Conflict, what, next));
        let (Some(before), Some(after)) = (&self.sha256, &now.sha256) else {
            return refuse(
                format!(
                    "{path} exists, and a submission from standard input cannot go on where another stopped"
                ),
                "Give another file to --receipts.".into(),
            );
        };
        if before != after {
            return refuse(
                format!(
                    "{} has changed since the submission recorded in {path} began",
                    now.file
                ),
                format!(
                    "Restore the file to finish that submission, or move {path} away to begin a new one: every line then gets \
                     a new request id, and cases recorded already are refused as CASE_EXISTS."
                ),
            );
        }
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
        Ok(())
    }
}

/// What is in the file: header, lines done, and length of the part that is whole.
fn read(path: &Path, file: &mut File) -> Result<(Option<Header>, Done, u64)> {
    let failed = |e: io::Error| Failure::file(path.display(), &e);
    let mut reader = BufReader::new(file);
    let (mut header, mut done, mut whole, mut number) = (None, Vec::new(), 0, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(failed)?;
        number += 1;
        let damaged = || {
            Failure::new(
                Exit::Conflict,
                format!(
                    "{}:{number}: this is no line of a receipts file",
                    path.display()
                ),
                "Give another file to --receipts, or move this one away.",
            )
        };
        if line.last() != Some(&b'\n') {
            // Half a line of receipts is cut off; half a first line too, if it is ours: nothing was sent yet then.
            if header.is_none() && !line.is_empty() && !line.starts_with(BEGINNING) {
                return Err(damaged());
            }
            break;
        }
        if header.is_none() {
            let found: Header = serde_json::from_slice(&line).map_err(|_| damaged())?;
            if found.form != FORM {
                return Err(damaged());
            }
            header = Some(found);
        } else {
            let found: Line = serde_json::from_slice(&line).map_err(|_| damaged())?;
            done.push((found.line, found.position.parse().map_err(|_| damaged())?));
        }
        whole += line.len() as u64;
    }
    done.sort_unstable();
    Ok((header, Done(done), whole))
}

/// SHA-256 of a file, hexadecimal.
fn sha256(source: &Source) -> Result<Option<String>> {
    if *source == Source::Stdin {
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
        Receipts::open(
            Some(dir.join("out")),
            &source,
            "log+1+k",
            agency,
            Timestamp {
                seconds: 1_467_000_000,
                nanos: 5,
            },
        )
    }

    fn add(receipts: &mut Receipts, line: u64, position: u64) {
        let prepared = Prepared {
            case: "agencies/us-dea/cases/1".into(),
            request_id: receipts.header.request_id(line, "{}"),
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
        receipts.add(line, &prepared, &recorded).unwrap();
        receipts.finish().unwrap();
    }

    #[test]
    fn an_interrupted_submission_goes_on_with_the_same_ids_and_time() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in.jsonl"), "{}\n{}\n{}\n").unwrap();
        let (mut first, done) = open(dir.path(), "agencies/us-dea").unwrap();
        assert_eq!(done.position(2), None);
        add(&mut first, 2, 77);
        // Killed while writing.
        let out = dir.path().join("out");
        let whole = fs::read(&out).unwrap();
        fs::write(&out, [&whole[..], b"{\"line\":3,"].concat()).unwrap();

        let (mut second, done) = open(dir.path(), "agencies/us-dea").unwrap();
        assert_eq!(
            (done.position(1), done.position(2), done.position(3)),
            (None, Some(77), None)
        );
        assert_eq!(second.header, first.header);
        assert_eq!(
            second.header.make_time(),
            Some(Timestamp {
                seconds: 1_467_000_000,
                nanos: 5
            })
        );
        assert_eq!(
            second.header.request_id(1, "{}"),
            first.header.request_id(1, "{}")
        );
        assert_ne!(
            second.header.request_id(1, "{}"),
            second.header.request_id(3, "{}")
        );
        add(&mut second, 1, 78);
        assert!(fs::read(&out).unwrap().starts_with(&whole));
        let (_, done) = open(dir.path(), "agencies/us-dea").unwrap();
        assert_eq!((done.position(1), done.position(2)), (Some(78), Some(77)));
    }

    #[test]
    fn another_input_log_or_agency_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("in.jsonl");
        fs::write(&input, "{}").unwrap();
        open(dir.path(), "agencies/us-dea").unwrap();
        let failure = open(dir.path(), "agencies/us-cbp").unwrap_err();
        assert!(failure.exit == Exit::Conflict && failure.what.contains("us-dea"));
        fs::write(&input, "{ }").unwrap();
        let failure = open(dir.path(), "agencies/us-dea").unwrap_err();
        assert!(failure.exit == Exit::Conflict && failure.what.contains("changed"));
        assert!(failure.next.contains("move"));
    }

    #[test]
    fn a_file_that_is_something_else_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in.jsonl"), "{}").unwrap();
        let out = dir.path().join("out");
        fs::write(&out, "precious\n").unwrap();
        assert!(open(dir.path(), "agencies/us-dea").is_err());
        assert_eq!(fs::read_to_string(&out).unwrap(), "precious\n");
        fs::write(&out, "precious without an end of line").unwrap();
        assert!(open(dir.path(), "agencies/us-dea").is_err());
        assert_eq!(
            fs::read_to_string(&out).unwrap(),
            "precious without an end of line"
        );
    }
}
