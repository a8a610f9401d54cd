//! Rows of a file, one at a time: CSV in bounded memory, a sheet of a workbook.

use std::{
    cell::Cell as Counter,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    rc::Rc,
};

use calamine::{Data, DataRef, Reader as _, Xlsx, XlsxError};
use casebroker_proto::google::r#type::Date;

use super::{dates, map::Source};
use crate::{
    failure::{Exit, Failure, Result},
    progress::Progress,
};

/// Largest workbook, in bytes: its texts are held in memory, and come out of it many times larger than they are in the file.
pub const MAX_WORKBOOK_BYTES: u64 = 64 << 20;
/// Longest row of a CSV file, in bytes. A quotation mark that is never closed would otherwise be a row as long as the file.
pub const MAX_ROW_BYTES: u64 = 1 << 20;
/// Most columns.
pub const MAX_COLUMNS: usize = 1_000;

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
        true => read_workbook(path, source, tell),
        false => {
            let file = File::open(path).map_err(|e| Failure::file(path.display(), &e))?;
            let name = path.display().to_string();
            read_csv(&name, BufReader::new(file), source, progress, tell)
        }
    }
}

/// The same for text.
pub fn read_csv(
    name: &str,
    input: impl Read,
    source: &Source,
    progress: &Progress,
    mut tell: impl FnMut(Event) -> bool,
) -> Result<()> {
    let taken = Rc::new(Counter::new(0));
    let input = Limited {
        input,
        taken: taken.clone(),
    };
    let delimiter = u8::try_from(source.delimiter).map_err(|_| {
        Failure::new(
            Exit::Invalid,
            format!("`{}` cannot stand between cells", source.delimiter),
            "Set `delimiter` in [source] to one such as \",\", \";\" or \"\\t\".",
        )
    })?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let mut width = None;
    loop {
        taken.set(0);
        let more = reader.read_byte_record(&mut record);
        if !more.map_err(|e| unreadable(name, &io::Error::from(e)))? {
            break;
        }
        let at = record.position();
        let line = at.map_or(0, csv::Position::line);
        progress.read(at.map_or(0, csv::Position::byte));
        if line < source.header_line {
            continue;
        }
        let texts = record
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).into_owned());
        let mut row = Row {
            line,
            cells: texts.map(Cell::from).collect(),
        };
        let Some(width) = width else {
            let headings = headings(name, source, line, row)?;
            width = Some(headings.len());
            if !tell(Event::Headings(headings)) {
                return Ok(());
            }
            continue;
        };
        let why = match row.cells.len() {
            _ if record.iter().any(|cell| std::str::from_utf8(cell).is_err()) => {
                Some("it is not UTF-8: save the file as UTF-8".to_owned())
            }
            cells if cells != width && !row.is_blank() => Some(format!(
                "it has {cells} cells, and there are {width} headings"
            )),
            _ => None,
        };
        row.cells
            .resize_with(width.max(row.cells.len()), Cell::default);
        let event = match why {
            Some(why) => Event::Bad { row, why },
            None => Event::Row(row),
        };
        if !tell(event) {
            return Ok(());
        }
    }
    match width {
        Some(_) => Ok(()),
        None => Err(no_headings(name, source)),
    }
}

fn read_workbook(path: &Path, source: &Source, mut tell: impl FnMut(Event) -> bool) -> Result<()> {
    let name = path.display().to_string();
    let failed = |e: io::Error| Failure::file(&name, &e);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > MAX_WORKBOOK_BYTES {
        return Err(Failure::new(
            Exit::Invalid,
            format!("{name} has {size} bytes, and a workbook may have {MAX_WORKBOOK_BYTES}"),
            "Save the sheet as CSV, which may be of any size.",
        ));
    }
    let broken = |e: XlsxError| {
        Failure::new(
            Exit::Invalid,
            format!("{name}: {e}"),
            "Open the workbook and save it again, or save the sheet as CSV.",
        )
    };
    let mut book = Xlsx::new(BufReader::new(file)).map_err(broken)?;
    let sheets = book.sheet_names();
    let sheet = match &source.sheet {
        Some(sheet) => sheets.iter().find(|there| *there == sheet).cloned(),
        None => sheets.first().cloned(),
    };
    let sheet = sheet.ok_or_else(|| {
        let wanted = source.sheet.as_deref().unwrap_or_default();
        Failure::new(
            Exit::Invalid,
            format!("{name} has no sheet `{wanted}`"),
            format!("Set `sheet` in [source] to one of: {}.", sheets.join(", ")),
        )
    })?;
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(broken)?;
    let mut rows = Rows {
        name: &name,
        source,
        width: None,
        row: Row::default(),
        wrong: None,
        tell: &mut tell,
    };
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (row, column) = cell.get_position();
        let line = u64::from(row) + 1;
        if line != rows.row.line && !rows.next(line)? {
            return Ok(());
        }
        if line >= source.header_line {
            rows.put(column as usize, cell.get_value());
        }
    }
    if !rows.next(0)? {
        return Ok(());
    }
    match rows.width {
        Some(_) => Ok(()),
        None => Err(no_headings(&name, source)),
    }
}

/// Rows of a sheet while their cells come in.
struct Rows<'a, F> {
    name: &'a str,
    source: &'a Source,
    width: Option<usize>,
    row: Row,
    /// What is wrong with a cell of the row.
    wrong: Option<String>,
    tell: &'a mut F,
}

impl<F: FnMut(Event) -> bool> Rows<'_, F> {
    fn put(&mut self, column: usize, value: &DataRef<'_>) {
        if matches!(value, DataRef::Empty) {
            return;
        }
        if column >= MAX_COLUMNS {
            self.wrong = Some(format!("it has more than {MAX_COLUMNS} columns"));
            return;
        }
        if let DataRef::Error(error) = value {
            self.wrong = Some(format!("its column {} holds the error {error}", column + 1));
        }
        if self.row.cells.len() <= column {
            self.row.cells.resize_with(column + 1, Cell::default);
        }
        if let Some(cell) = self.row.cells.get_mut(column) {
            *cell = read_cell(value);
        }
    }

    /// The row is complete, and the next one begins. False when nobody listens any more.
    fn next(&mut self, line: u64) -> Result<bool> {
        let next = Row {
            line,
            cells: Vec::new(),
        };
        let mut row = std::mem::replace(&mut self.row, next);
        let wrong = self.wrong.take();
        if row.cells.is_empty() {
            return Ok(true);
        }
        let Some(width) = self.width else {
            let headings = headings(self.name, self.source, row.line, row)?;
            self.width = Some(headings.len());
            return Ok((self.tell)(Event::Headings(headings)));
        };
        let beyond = row.cells.get(width..).unwrap_or_default();
        let beyond = beyond.iter().any(|cell| !cell.text.trim().is_empty());
        let why =
            wrong.or_else(|| beyond.then(|| format!("it has a cell beyond the {width} headings")));
        if !beyond {
            row.cells.resize_with(width, Cell::default);
        }
        Ok((self.tell)(match why {
            Some(why) => Event::Bad { row, why },
            None => Event::Row(row),
        }))
    }
}

fn read_cell(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::DateTime(serial) if serial.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = serial.to_ymd_hms_milli();
            let date = dates::existing(year.into(), month.into(), day.into());
            let mut text = format!("{year:04}-{month:02}-{day:02}");
            if (hour, minute, second) != (0, 0, 0) {
                text.push_str(&format!("T{hour:02}:{minute:02}:{second:02}"));
            }
            Cell { text, date }
        }
        DataRef::DateTimeIso(text) => {
            let format = dates::DateFormat::parse("%Y-%m-%d%*").ok();
            Cell {
                text: text.clone(),
                date: format.and_then(|format| format.read(text)),
            }
        }
        other => Data::from(other.clone()).to_string().into(),
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

fn unreadable(name: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Failure::new(
            Exit::Invalid,
            format!("{name}: a row is longer than {MAX_ROW_BYTES} bytes"),
            "Look for a quotation mark that is never closed, and check `delimiter` in [source].",
        ),
        _ => Failure::file(name, error),
    }
}

/// Input that ends with an error when one row takes too much of it.
struct Limited<R> {
    input: R,
    /// Bytes since the row began; what is read ahead counts for the row before.
    taken: Rc<Counter<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let taken = self.taken.get() + count as u64;
        self.taken.set(taken);
        match taken > MAX_ROW_BYTES {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(count),
        }
    }
}
