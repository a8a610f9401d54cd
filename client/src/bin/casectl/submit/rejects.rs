//! Statements that were not recorded, as a file that can be mended and submitted: each on a line, above it why, as comments
//! that `submit` and `validate` leave out.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::PathBuf,
};

use super::receipts::open_private;
use crate::{
    failure::{Failure, Result},
    table::clean,
};

/// The file; it is made with the first statement that goes into it.
#[derive(Debug)]
pub struct Rejects {
    path: Option<PathBuf>,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    /// For a path; none keeps nothing.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: None }
    }

    /// Where it is, if something was put into it.
    pub fn path(&self) -> Option<&PathBuf> {
        self.file.as_ref().and(self.path.as_ref())
    }

    /// Adds one, with why.
    pub fn add(&mut self, line: u64, why: &Failure, text: &str) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let failed = |e: io::Error| Failure::file(path.display(), &e);
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = open_private(path).map_err(failed)?;
                file.set_len(0).map_err(failed)?;
                self.file.insert(BufWriter::new(file))
            }
        };
        write(file, line, why, text).map_err(failed)
    }

    /// Hands all of it to the operating system.
    pub fn finish(&mut self) -> Result<()> {
        match (&mut self.file, &self.path) {
            (Some(file), Some(path)) => file.flush().map_err(|e| Failure::file(path.display(), &e)),
            _ => Ok(()),
        }
    }
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
    use crate::{failure::Exit, input::Values};

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
