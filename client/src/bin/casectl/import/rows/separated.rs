//! Text with a character between the cells of a line (RFC 4180).

use std::{
    cell::Cell as Counter,
    io::{self, Read},
    rc::Rc,
};

use super::{Cell, Event, MAX_ROW_BYTES, Row, headings, no_headings};
use crate::{
    failure::{Exit, Failure, Result},
    import::map::Source,
    progress::Progress,
};

/// Reads text to its end, or until `tell` says that nobody listens any more. `name` is for messages.
pub fn read_separated(
    name: &str,
    input: impl Read,
    source: &Source,
    progress: &Progress,
    mut tell: impl FnMut(Event) -> bool,
) -> Result<()> {
    let (taken, ended) = (Rc::new(Counter::new(0)), Rc::new(Counter::new(false)));
    let input = Limited {
        input,
        taken: taken.clone(),
        ended: ended.clone(),
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
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let mut width = None;
    loop {
        taken.set(0);
        let more = reader.read_byte_record(&mut record);
        if !more.map_err(|e| unreadable(name, e))? {
            break;
        }
        progress.read(reader.position().byte());
        let line = first_line(&record, reader.position().line(), ended.get());
        let mut row = Row {
            line,
            cells: cells(&record),
        };
        // Of a line that is blank, a carriage return may be left.
        if line < source.header_line || row.cells.len() == 1 && width != Some(1) && row.is_blank() {
            continue;
        }
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

/// On which line a record begins that ends before line `next`, or with the file. The reader's own count is of where it began to look.
fn first_line(record: &csv::ByteRecord, next: u64, ends_the_file: bool) -> u64 {
    let breaks = record.as_slice().iter().filter(|byte| **byte == b'\n');
    let within = breaks.count() as u64 + u64::from(!ends_the_file);
    next.saturating_sub(within)
}

/// The cells of a record; the last may have the carriage return of the line's end.
fn cells(record: &csv::ByteRecord) -> Vec<Cell> {
    let mut cells: Vec<Cell> = record
        .iter()
        .map(|cell| String::from_utf8_lossy(cell).into_owned().into())
        .collect();
    if let Some(last) = cells.last_mut() {
        last.text.truncate(last.text.trim_end_matches('\r').len());
    }
    cells
}

fn unreadable(name: &str, error: csv::Error) -> Failure {
    let shown = error.to_string();
    let error = match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        _ => io::Error::other(shown),
    };
    match error.kind() {
        io::ErrorKind::FileTooLarge => Failure::new(
            Exit::Invalid,
            format!("{name}: a row is longer than {MAX_ROW_BYTES} bytes"),
            "Look for a quotation mark that is never closed, and check `delimiter` in [source].",
        ),
        _ => Failure::file(name, &error),
    }
}

/// Input that ends with an error when one row takes too much of it.
struct Limited<R> {
    input: R,
    /// Bytes since the row began; what is read ahead counts for the row before.
    taken: Rc<Counter<u64>>,
    /// There is no more. A record that comes after that was not ended by a line break.
    ended: Rc<Counter<bool>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.ended.set(count == 0 && !buffer.is_empty());
        let taken = self.taken.get() + count as u64;
        self.taken.set(taken);
        match taken > MAX_ROW_BYTES {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, source: &Source) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        let progress = Progress::new(String::new(), None);
        read_separated("x.csv", text.as_bytes(), source, &progress, |event| {
            events.push(event);
            true
        })?;
        Ok(events)
    }

    fn texts(events: &[Event]) -> Vec<(u64, Vec<&str>)> {
        let rows = events.iter().filter_map(|event| match event {
            Event::Headings(_) => None,
            Event::Row(row) | Event::Bad { row, .. } => Some(row),
        });
        rows.map(|row| {
            (
                row.line,
                row.cells.iter().map(|c| c.text.as_str()).collect(),
            )
        })
        .collect()
    }

    #[test]
    fn rows_have_the_lines_that_an_editor_shows() {
        for end in ["\n", "\r\n"] {
            let text = ["A,B", "1,\"x", "y\"", "", "2,z", "", "", "3,w"].join(end);
            for text in [text.clone(), text + end] {
                let events = read(&text, &Source::default()).unwrap();
                assert_eq!(events[0], Event::Headings(vec!["A".into(), "B".into()]));
                let broken = format!("x{end}y");
                let expected = [
                    (2, vec!["1", &broken]),
                    (5, vec!["2", "z"]),
                    (8, vec!["3", "w"]),
                ];
                assert_eq!(texts(&events), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn what_stands_above_the_headings_is_left_out() {
        let source = Source {
            header_line: 3,
            delimiter: ';',
            ..Source::default()
        };
        let events = read("\u{feff}Seizures 2016\n\nA;B\n1;2\n", &source).unwrap();
        assert_eq!(texts(&events), [(4, vec!["1", "2"])]);
        let failure = read("A;B\n1;2\n", &source).unwrap_err();
        assert!(failure.what.contains("line 3") && failure.exit == Exit::Invalid);
        assert!(read("", &Source::default()).is_err());
    }

    #[test]
    fn a_row_that_cannot_be_read_costs_only_itself() {
        let events = read("A,B\n1\n1,2,3\n1,2\n", &Source::default()).unwrap();
        let bad = |event: &Event| matches!(event, Event::Bad { .. });
        assert_eq!(
            events.iter().map(bad).collect::<Vec<_>>(),
            [false, true, true, false]
        );
        let mut events = Vec::new();
        let progress = Progress::new(String::new(), None);
        let latin = b"A\nM\xe9xico\nok\n";
        read_separated(
            "x.csv",
            &latin[..],
            &Source::default(),
            &progress,
            |event| {
                events.push(event);
                true
            },
        )
        .unwrap();
        assert!(matches!(&events[1], Event::Bad { why, .. } if why.contains("UTF-8")));
        assert!(matches!(&events[2], Event::Row(_)));
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_ends_in_bounded_memory() {
        let endless = io::repeat(b'x');
        let input = (&b"A,B\n1,\""[..]).chain(endless);
        let progress = Progress::new(String::new(), None);
        let end = read_separated("x.csv", input, &Source::default(), &progress, |_| true);
        let failure = end.unwrap_err();
        assert!(failure.what.contains("longer than"), "{}", failure.what);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end_with_lines_that_rise(text in "[a,\"\n\r ;]{0,60}") {
            let breaks = text.matches('\n').count() as u64;
            if let Ok(events) = read(&text, &Source::default()) {
                let lines: Vec<_> = texts(&events).iter().map(|(line, _)| *line).collect();
                prop_assert!(lines.iter().all(|line| (1..=breaks + 1).contains(line)), "{lines:?}");
                prop_assert!(lines.windows(2).all(|pair| pair[0] < pair[1]), "{lines:?}");
            }
        }
    }
}
