//! A sheet of a workbook (Office Open XML, ECMA-376).

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use calamine::{Data, DataRef, Reader as _, Xlsx, XlsxError};

use super::{Cell, Event, MAX_COLUMNS, MAX_WORKBOOK_BYTES, Row, headings, no_headings};
use crate::{
    failure::{Exit, Failure, Result},
    import::{dates, map::Source},
};

/// Reads a sheet to its end, or until `tell` says that nobody listens any more.
pub fn read(path: &Path, source: &Source, mut tell: impl FnMut(Event) -> bool) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A workbook with one sheet, `Seizures`, of cells as the format writes them.
    fn workbook(sheet: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.xlsx");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        let types = "http://schemas.openxmlformats.org/package/2006";
        let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        for (name, text) in [
            (
                "[Content_Types].xml",
                format!("<Types xmlns=\"{types}/content-types\"/>"),
            ),
            (
                "_rels/.rels",
                format!(
                    "<Relationships xmlns=\"{types}/relationships\"><Relationship Id=\"r1\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!(
                    "<Relationships xmlns=\"{types}/relationships\"><Relationship Id=\"r1\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"r2\" Type=\"{office}/styles\" Target=\"styles.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/workbook.xml",
                format!(
                    "<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets><sheet name=\"Seizures\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
                ),
            ),
            (
                "xl/styles.xml",
                format!(
                    "<styleSheet xmlns=\"{main}\"><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"
                ),
            ),
            (
                "xl/worksheets/sheet1.xml",
                format!("<worksheet xmlns=\"{main}\"><sheetData>{sheet}</sheetData></worksheet>"),
            ),
        ] {
            zip.start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        (dir, path)
    }

    const SHEET: &str = r#"<row r="2"><c r="A2" t="inlineStr"><is><t>Date</t></is></c><c r="B2" t="inlineStr"><is><t>Grams</t></is></c></row>
        <row r="3"><c r="A3" s="1"><v>42548</v></c><c r="B3"><v>0.1</v></c></row>
        <row r="5"><c r="A5"><v>42548</v></c></row>
        <row r="6"><c r="B6" t="e"><v>#N/A</v></c></row>
        <row r="7"><c r="C7"><v>1</v></c></row>"#;

    fn read_book(path: &Path, source: &Source) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        read(path, source, |event| {
            events.push(event);
            true
        })?;
        Ok(events)
    }

    #[test]
    fn a_workbook_gives_rows_dates_and_numbers_as_they_are() {
        let (_dir, path) = workbook(SHEET);
        let source = Source {
            header_line: 2,
            sheet: Some("Seizures".into()),
            ..Source::default()
        };
        let events = read_book(&path, &source).unwrap();
        assert_eq!(
            events[0],
            Event::Headings(vec!["Date".into(), "Grams".into()])
        );
        let Event::Row(row) = &events[1] else {
            panic!("a row: {events:?}")
        };
        assert_eq!((row.line, row.cells[0].text.as_str()), (3, "2016-06-27"));
        assert_eq!(row.cells[0].date, dates::existing(2016, 6, 27));
        assert_eq!(row.cells[1].text, "0.1");
        let Event::Row(row) = &events[2] else {
            panic!("a row: {events:?}")
        };
        assert_eq!(
            (row.line, row.cells[0].date, row.cells[1].text.as_str()),
            (5, None, "")
        );
        assert!(
            matches!(&events[3], Event::Bad { row, why } if row.line == 6 && why.contains("#N/A"))
        );
        assert!(
            matches!(&events[4], Event::Bad { row, why } if row.line == 7 && why.contains("beyond"))
        );
        assert_eq!(events.len(), 5);
    }

    #[test]
    fn a_sheet_that_is_not_there_and_what_is_no_workbook_are_told() {
        let (dir, path) = workbook(SHEET);
        let source = Source {
            sheet: Some("Totals".into()),
            ..Source::default()
        };
        let failure = read_book(&path, &source).unwrap_err();
        assert!(failure.next.contains("Seizures"), "{}", failure.next);
        let other = dir.path().join("y.xlsx");
        std::fs::write(&other, "A,B").unwrap();
        assert_eq!(read_book(&other, &source).unwrap_err().exit, Exit::Invalid);
    }
}
