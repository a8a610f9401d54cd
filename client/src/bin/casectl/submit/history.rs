//! The lines of a receipts file, and what they say about earlier runs.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::failure::{Exit, Failure, Result};

/// How a header begins, in full or cut short.
const BEGINNING: &[u8] = b"{\"form\":\"casectl-receipts/";

/// What a header says about the file's form.
pub const FORM: &str = "casectl-receipts/1";

/// Begins a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// [`FORM`].
    pub form: String,
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

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// Line of the input on which the statement begins.
    pub line: u64,
    /// SHA-256 of its text, hexadecimal.
    pub sha256: String,
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

/// Ends a run: every statement of it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// Always true.
    pub all_answered: bool,
}

/// SHA-256 of a statement's text: by it the statement is known again.
pub type TextDigest = [u8; 32];

/// Digest of a statement's text.
pub fn text_digest(text: &str) -> TextDigest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    out
}

/// Statements that have their receipt, by their text, with their positions.
#[derive(Debug, Default)]
pub struct Done(Vec<(TextDigest, u64)>);

impl Done {
    /// Position of the statement with this text, if it has its receipt already.
    pub fn position(&self, text: &TextDigest) -> Option<u64> {
        let at = self.0.binary_search_by_key(text, |(text, _)| *text).ok()?;
        self.0.get(at).map(|(_, position)| *position)
    }
}

/// Everything in the file.
#[derive(Debug, Default)]
pub struct History {
    /// The newest run's header; none in a new file.
    pub header: Option<Header>,
    /// The newest run ended with every statement answered.
    pub ended: bool,
    /// Receipts of all runs.
    pub done: Done,
    /// Length of the part that is whole, in bytes.
    pub whole: u64,
}

/// Reads the file. What is no receipts file is refused, before anything in it is changed.
pub fn read(path: &Path, file: &mut File) -> Result<History> {
    let failed = |e: io::Error| Failure::file(path.display(), &e);
    let mut reader = BufReader::new(file);
    let mut history = History::default();
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            break;
        }
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
            // Half a line, from an interruption, is cut off; half a first line too if it is ours: nothing was sent then.
            if history.header.is_none()
                && !line.starts_with(BEGINNING)
                && !BEGINNING.starts_with(&line)
            {
                return Err(damaged());
            }
            break;
        }
        take(&mut history, &line).ok_or_else(damaged)?;
        history.whole += line.len() as u64;
    }
    history.done.0.sort_unstable();
    Ok(history)
}

/// What a line of the file is, by how it begins.
#[derive(Debug)]
pub enum LineKind {
    /// The header of a run; `None` if it cannot be read.
    Header(Option<Box<Header>>),
    /// The end of a run.
    End,
    /// A receipt, or anything else.
    Receipt,
}

/// What a line is.
pub fn line_kind(line: &[u8]) -> LineKind {
    if line.starts_with(BEGINNING) {
        return LineKind::Header(serde_json::from_slice(line).ok().map(Box::new));
    }
    match serde_json::from_slice::<End>(line) {
        Ok(_) => LineKind::End,
        Err(_) => LineKind::Receipt,
    }
}

/// Takes one whole line; none if it is not one of ours.
fn take(history: &mut History, line: &[u8]) -> Option<()> {
    if line.starts_with(BEGINNING) {
        let header: Header = serde_json::from_slice(line).ok()?;
        history.header = Some(header).filter(|header| header.form == FORM);
        history.ended = false;
        return history.header.as_ref().map(|_| ());
    }
    history.header.as_ref()?;
    if let Ok(End { all_answered }) = serde_json::from_slice(line) {
        history.ended = all_answered;
        return Some(());
    }
    let found: Line = serde_json::from_slice(line).ok()?;
    let mut text = TextDigest::default();
    hex::decode_to_slice(&found.sha256, &mut text).ok()?;
    history.done.0.push((text, found.position.parse().ok()?));
    history.ended = false;
    Some(())
}
