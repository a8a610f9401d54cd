//! Statements that were not recorded, as a file that can be mended and submitted: each on a line, above it why, as comments
//! that `submit` and `validate` leave out.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::receipts::open_private;
use crate::{
    failure::{Exit, Failure, Result},
    table::clean,
};

/// The file; it is made with the first statement that goes into it.
#[derive(Debug)]
pub struct Rejects {
    /// Path without its extension.
    stem: Option<PathBuf>,
    file: Option<(PathBuf, BufWriter<File>)>,
}

impl Rejects {
    /// For a path without its extension `.jsonl`; none keeps nothing.
    pub fn new(stem: Option<PathBuf>) -> Self {
        Self { stem, file: None }
    }

    /// Where it is, if something was put into it.
    pub fn path(&self) -> Option<&PathBuf> {
        self.file.as_ref().map(|(path, _)| path)
    }

    /// Adds one, with why.
    pub fn add(&mut self, line: u64, why: &Failure, text: &str) -> Result<()> {
        let Some(stem) = &self.stem else {
            return Ok(());
        };
        let (path, file) = match &mut self.file {
            Some(file) => file,
            None => {
                let (path, file) = create(stem)?;
                self.file.insert((path, BufWriter::new(file)))
            }
        };
        write(file, line, why, text).map_err(|e| Failure::file(path.display(), &e))
    }

    /// Hands all of it to the operating system.
    pub fn finish(&mut self) -> Result<()> {
        match &mut self.file {
            Some((path, file)) => file.flush().map_err(|e| Failure::file(path.display(), &e)),
            None => Ok(()),
        }
    }
}

/// Makes a file that was not there: an earlier one may be half mended.
fn create(stem: &Path) -> Result<(PathBuf, File)> {
    for number in 1..1000 {
        let mut name = stem.as_os_str().to_owned();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        name.push(".jsonl");
        let path = PathBuf::from(name);
        if !path.exists() {
            let file = open_private(&path).map_err(|e| Failure::file(path.display(), &e))?;
            return Ok((path, file));
        }
    }
    Err(Failure::new(
        Exit::Conflict,
        format!("there are 999 files {}*.jsonl", stem.display()),
        "Remove those that are mended and submitted.",
    ))
}

fn write(out: &mut impl io::Write, line: u64, why: &Failure, text: &str) -> io::Result<()> {
    let reason = why
        .reason
        .as_deref()
        .map(|r| format!(" [{r}]"))
        .unwrap_or_default();
    writeln!(out, "// line {line}: {}{reason}", clean(&why.what))?;
    for violation in &why.violations {
        let description = clean(&violation.description);
        writeln!(out, "// {}: {description}", clean(&violation.field))?;
    }
    // On one line if it is JSON, so that a break in one costs only itself; as it is if it is not.
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => writeln!(out, "{value}"),
        Err(_) => writeln!(out, "{}", text.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use casebroker_proto::errors::Violation;

    use super::*;
    use crate::input::Values;

    #[test]
    fn an_earlier_file_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let why = Failure::new(Exit::Invalid, "broken", "");
        for name in ["a.rejects.jsonl", "a.rejects-2.jsonl"] {
            let mut rejects = Rejects::new(Some(dir.path().join("a.rejects")));
            assert_eq!(rejects.path(), None);
            rejects.add(1, &why, "{}").unwrap();
            rejects.finish().unwrap();
            assert_eq!(rejects.path(), Some(&dir.path().join(name)));
        }
    }

    #[test]
    fn what_was_rejected_can_be_read_again_as_input() {
        let mut why = Failure::new(Exit::Invalid, "broken\nrule", "");
        why.violations
            .push(Violation::new("title", "must not be\nempty"));
        let mut out = Vec::new();
        write(&mut out, 3, &why, "{\n \"title\": \"\" }").unwrap();
        write(&mut out, 9, &why, "{\"title\":\"x\"}").unwrap();
        let values: Vec<_> = Values::new(&out[..], true)
            .map(|item| item.unwrap().unwrap().text)
            .collect();
        assert_eq!(values, ["{\"title\":\"\"}", "{\"title\":\"x\"}"]);
    }
}
