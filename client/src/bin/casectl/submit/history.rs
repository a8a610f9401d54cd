//! What a receipts file says about earlier runs.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use super::receipts::{End, FORM, Header, Line, TextDigest};
use crate::failure::{Exit, Failure, Result};

/// How a header begins, in full or cut short.
const BEGINNING: &[u8] = b"{\"form\":\"casectl-receipts/";

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

/// Whether a line is a receipt, or at least meant to be one; beginnings and ends of runs prove nothing.
pub fn is_receipt(line: &[u8]) -> bool {
    !line.starts_with(BEGINNING) && serde_json::from_slice::<End>(line).is_err()
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
