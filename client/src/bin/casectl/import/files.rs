//! What an import writes: the statements, and the rows that became none. Both are written aside and renamed once they are whole, so
//! that an interruption leaves what was there before.

use std::{
    ffi::OsString,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use casebroker_client::ClientError;
use casebroker_proto::{
    errors::Violation,
    json,
    v1::{Statement, statement::Kind},
};
use tempfile::NamedTempFile;

use super::rows::Row;
use crate::failure::{Failure, Result};

/// A file that takes the place of another once it is whole.
#[derive(Debug)]
struct Aside {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Aside {
    fn new(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
            .map_err(|e| Failure::file(path.display(), &e))?;
        Ok(Self {
            path: path.into(),
            file: BufWriter::new(file),
        })
    }

    fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.file, "{text}").map_err(|e| Failure::file(self.path.display(), &e))
    }

    fn put_in_place(self) -> Result<PathBuf> {
        let failed = |e: &io::Error| Failure::file(self.path.display(), e);
        let file = self.file.into_inner().map_err(|e| failed(e.error()))?;
        file.as_file().sync_all().map_err(|e| failed(&e))?;
        file.persist(&self.path).map_err(|e| failed(&e.error))?;
        Ok(self.path)
    }
}

/// The statements, one a line.
#[derive(Debug)]
pub struct Statements {
    file: Aside,
    bare: bool,
}

impl Statements {
    /// `bare` writes the cases alone, without request ids.
    pub fn new(path: &Path, bare: bool) -> Result<Self> {
        Ok(Self {
            file: Aside::new(path)?,
            bare,
        })
    }

    /// Adds one.
    pub fn add(&mut self, statement: &Statement) -> Result<()> {
        self.file.line(&line(statement, self.bare)?)
    }

    /// Puts the file in its place.
    pub fn finish(self) -> Result<PathBuf> {
        self.file.put_in_place()
    }
}

/// A statement as `submit` takes it.
pub fn line(statement: &Statement, bare: bool) -> Result<String> {
    let value = match (&statement.kind, bare) {
        (Some(Kind::Report(report)), true) => {
            let report = report.report.clone().unwrap_or_default();
            json::to_value("casebroker.v1.CaseReport", &report)
        }
        _ => json::to_value("casebroker.v1.Statement", statement),
    };
    Ok(value.map_err(ClientError::from)?.to_string())
}

/// The rows that became nothing, as they were, each with its line and why.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    headings: Vec<String>,
    file: Option<Aside>,
    delimiter: u8,
}

impl Rejects {
    /// Nothing is written before the first row that was rejected.
    pub fn new(path: PathBuf, headings: Vec<String>, delimiter: char) -> Self {
        Self {
            path,
            headings,
            file: None,
            delimiter: u8::try_from(delimiter).unwrap_or(b','),
        }
    }

    /// Adds a row.
    pub fn add(&mut self, row: &Row, why: &[Violation]) -> Result<()> {
        let mut cells = vec![row.line.to_string(), reasons(why)];
        cells.extend(row.cells.iter().map(|cell| cell.text.clone()));
        self.record(&cells)
    }

    /// Puts the file in its place. Where no row was rejected, one that an earlier run left is emptied down to its headings: it would
    /// be taken for this run's.
    pub fn finish(mut self) -> Result<Option<PathBuf>> {
        if self.file.is_none() && self.path.exists() {
            self.begin()?;
            self.file.take().map(Aside::put_in_place).transpose()?;
            return Ok(None);
        }
        self.file.take().map(Aside::put_in_place).transpose()
    }

    fn begin(&mut self) -> Result<&mut Aside> {
        let text = record(
            ["line", "reason"]
                .into_iter()
                .chain(self.headings.iter().map(String::as_str)),
            self.delimiter,
        );
        let file = self.file.insert(Aside::new(&self.path)?);
        file.line(&text)?;
        Ok(file)
    }

    fn record(&mut self, cells: &[String]) -> Result<()> {
        let text = record(cells.iter().map(String::as_str), self.delimiter);
        match &mut self.file {
            Some(file) => file.line(&text),
            None => self.begin()?.line(&text),
        }
    }
}

/// Everything that is wrong with a row, in one line.
pub fn reasons(why: &[Violation]) -> String {
    let each = why
        .iter()
        .map(|Violation { field, description }| match field.as_str() {
            "" => description.clone(),
            field => format!("{field} {description}"),
        });
    each.collect::<Vec<_>>().join("; ")
}

/// `FILE.suffix` beside a file.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(".");
    name.push(suffix);
    name.into()
}

/// One line of CSV, without its end.
fn record<'a>(cells: impl Iterator<Item = &'a str>, delimiter: u8) -> String {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(cells);
    let bytes = writer.into_inner().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, cells: &[&str]) -> Row {
        Row {
            line,
            cells: cells.iter().map(|c| (*c).to_owned().into()).collect(),
        }
    }

    #[test]
    fn rejected_rows_are_kept_as_they_were_with_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.rejected.csv");
        let mut rejects = Rejects::new(path.clone(), vec!["A".into(), "B".into()], ',');
        let why = [
            Violation::new("title", "is required"),
            Violation::new("", "more, too"),
        ];
        rejects
            .add(&row(7, &["a,\"b\"", "line\nbreak"]), &why)
            .unwrap();
        assert!(!path.exists(), "written aside");
        assert_eq!(rejects.finish().unwrap(), Some(path.clone()));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "line,reason,A,B\n7,\"title is required; more, too\",\"a,\"\"b\"\"\",\"line\nbreak\"\n"
        );
        let none = Rejects::new(path.clone(), vec!["A".into()], ';');
        assert_eq!(none.finish().unwrap(), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line;reason;A\n");
    }

    #[test]
    fn without_rejects_no_file_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert_eq!(
            Rejects::new(path.clone(), vec![], ',').finish().unwrap(),
            None
        );
        assert!(!path.exists());
    }
}
