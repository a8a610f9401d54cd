//! Rows of a file, one at a time: CSV in bounded memory, a sheet of a workbook.

use std::{fs::File, io::BufReader, path::Path};

use casebroker_proto::google::r#type::Date;

use super::map::Source;
use crate::{
    failure::{Exit, Failure, Result},
    progress::Progress,
};

mod separated;
mod workbook;

pub use separated::read_separated;

/// Largest workbook, in bytes: its texts are held in memory, and come out of it many times larger than they are in the file.
const MAX_WORKBOOK_BYTES: u64 = 64 << 20;
/// Longest row of a CSV file, in bytes. A quotation mark that is never closed would otherwise be a row as long as the file.
const MAX_ROW_BYTES: u64 = 1 << 20;
/// Most columns.
const MAX_COLUMNS: usize = 1_000;

/// One cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// As it is written; a date of a workbook as `2016-06-27`.
    pub text: String,
    /// The date, if a workbook says that it is one.
    pub date: Option<Date>,
}

/// One row below the headings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file, or row of the sheet, from 1.
    pub line: u64,
    /// As many as there are headings.
    pub cells: Vec<Cell>,
}

/// What comes next in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The headings; first, and once.
    Headings(Vec<String>),
    /// A row.
    Row(Row),
    /// A row that cannot be read, and why.
    Bad {
        /// As far as it could be read.
        row: Row,
        /// Why.
        why: String,
    },
}

impl Row {
    /// Nothing stands in it.
    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.text.trim().is_empty())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, date: None }
    }
}

/// Whether a file is a workbook, by its name.
pub fn is_workbook(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("xlsx"))
}

/// Reads a file to its end, or until `tell` says that nobody listens any more.
pub fn read(
    path: &Path,
    source: &Source,
    progress: &Progress,
    tell: impl FnMut(Event) -> bool,
) -> Result<()> {
    match is_workbook(path) {
        true => workbook::read(path, source, tell),
        false => {
            let file = File::open(path).map_err(|e| Failure::file(path.display(), &e))?;
            let name = path.display().to_string();
            read_separated(&name, BufReader::new(file), source, progress, tell)
        }
    }
}

/// The headings, which must be there and tell columns apart.
fn headings(name: &str, source: &Source, line: u64, row: Row) -> Result<Vec<String>> {
    if line != source.header_line || row.is_blank() {
        return Err(no_headings(name, source));
    }
    if row.cells.len() > MAX_COLUMNS {
        return Err(Failure::new(
            Exit::Invalid,
            format!("{name}:{line}: there are more than {MAX_COLUMNS} columns"),
            "Leave out columns that are not needed.",
        ));
    }
    let mut headings: Vec<String> = row
        .cells
        .into_iter()
        .map(|cell| cell.text.trim().trim_start_matches('\u{feff}').to_owned())
        .collect();
    // What a spreadsheet leaves behind on the right.
    while headings.last().is_some_and(String::is_empty) && is_workbook(Path::new(name)) {
        headings.pop();
    }
    Ok(headings)
}

fn no_headings(name: &str, source: &Source) -> Failure {
    Failure::new(
        Exit::Invalid,
        format!("{name}: line {} holds no headings", source.header_line),
        "Set `header_line` in [source] to the line of the headings, counted from 1.",
    )
}
