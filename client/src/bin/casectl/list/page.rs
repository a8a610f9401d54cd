//! Pages of a listing, written as they come.

use casebroker_client::ClientError;
use casebroker_proto::{
    json,
    v1::{Case, FilterTerm, ListCasesResponse},
};
use serde_json::{Value, json};

use super::row::{CSV_HEADING, HEADING, NARROW, cells, fields, marks};
use crate::{
    failure::{Failure, Result},
    filter::understood,
    output::{BAD, FAINT, Format, Output},
    table::{Column, Layout, cut},
    words,
};

/// The case's name is what every other command wants, so it is cut last.
const WIDE: [Column; 7] = [
    Column::flexible(HEADING[0], 30),
    Column::whole(HEADING[1]),
    Column::flexible(HEADING[2], 20),
    Column::whole(HEADING[3]),
    Column::whole(HEADING[4]),
    Column::flexible(HEADING[5], 16),
    Column::flexible(HEADING[6], 20),
];

/// Two lines a case: goods and title stand on the second one.
const TIGHT: [Column; 5] = [
    Column::flexible(HEADING[0], 20),
    Column::whole(HEADING[1]),
    Column::flexible(HEADING[2], 10),
    Column::whole(HEADING[3]),
    Column::whole(HEADING[4]),
];

/// What is known of the whole listing.
#[derive(Debug, Default)]
pub struct End {
    /// Every page is of this position.
    pub as_of: u64,
    /// Size of the log.
    pub tree_size: u64,
    /// Cases on all pages.
    pub total: i64,
    /// There are more than were shown.
    pub more: bool,
    /// The filter as the broker understood it.
    pub understood: Vec<FilterTerm>,
}

impl End {
    /// From a page; all say the same.
    pub fn take(&mut self, page: &ListCasesResponse) {
        self.as_of = page.as_of_position;
        self.tree_size = self.tree_size.max(page.tree_size);
        self.total = page.total_size;
        if !page.understood.is_empty() {
            self.understood.clone_from(&page.understood);
        }
    }
}

/// Writes pages as they come.
#[derive(Debug)]
pub struct Listing {
    layout: Option<Layout>,
    csv: Option<csv::Writer<Vec<u8>>>,
    written: u64,
}

impl Listing {
    /// For a form of output.
    pub fn new(out: &Output) -> Self {
        Self {
            layout: None,
            csv: (out.format == Format::Csv).then(|| csv::Writer::from_writer(Vec::new())),
            written: 0,
        }
    }

    /// Cases written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes one page.
    pub fn page(&mut self, cases: &[Case], terms: &[FilterTerm], out: &mut Output) -> Result<()> {
        match out.format {
            Format::Json | Format::Jsonl => self.page_json(cases, out),
            Format::Csv => self.page_csv(cases, out),
            Format::Table => self.page_table(cases, terms, out),
        }
    }

    fn page_json(&mut self, cases: &[Case], out: &mut Output) -> Result<()> {
        for case in cases {
            let value = json::to_value("casebroker.v1.Case", case).map_err(ClientError::from)?;
            if out.format == Format::Jsonl {
                out.line(value)?;
            } else {
                out.raw(if self.written == 0 {
                    "{\n  \"cases\": [\n"
                } else {
                    ",\n"
                })?;
                out.raw(&indented(&format!("{value:#}"), "    "))?;
            }
            self.written += 1;
        }
        Ok(())
    }

    fn page_table(&mut self, cases: &[Case], terms: &[FilterTerm], out: &mut Output) -> Result<()> {
        let tight = out.width.filter(|width| *width < NARROW);
        let rows: Vec<_> = cases.iter().map(cells).collect();
        if self.layout.is_none() && !rows.is_empty() {
            for line in understood(terms, out.width) {
                let line = out.paint(FAINT, line);
                out.line(line)?;
            }
            // The first page decides the widths; later rows are cut to them.
            let columns: &[Column] = if tight.is_some() { &TIGHT } else { &WIDE };
            let layout = Layout::fit(columns, &rows, out.width);
            let heading = out.paint(FAINT, layout.heading());
            out.line(heading)?;
            self.layout = Some(layout);
        }
        let Some(layout) = &self.layout else {
            return Ok(());
        };
        for (case, row) in cases.iter().zip(&rows) {
            let line = layout.row(row);
            let line = match marks(case).is_empty() {
                true => line,
                false => out.paint(BAD, line),
            };
            out.line(line)?;
            if let Some(width) = tight {
                below(row, width, out)?;
            }
        }
        self.written += rows.len() as u64;
        Ok(())
    }

    fn page_csv(&mut self, cases: &[Case], out: &mut Output) -> Result<()> {
        let Some(csv) = &mut self.csv else {
            return Ok(());
        };
        let failed = |e: csv::Error| Failure::file("CSV", &e.into());
        if self.written == 0 && !cases.is_empty() {
            csv.write_record(CSV_HEADING).map_err(failed)?;
        }
        for case in cases {
            csv.write_record(fields(case)).map_err(failed)?;
            self.written += 1;
        }
        csv.flush().map_err(|e| Failure::file("CSV", &e))?;
        let written = std::mem::replace(csv, csv::Writer::from_writer(Vec::new()));
        let bytes = written
            .into_inner()
            .map_err(|e| Failure::file("CSV", e.error()))?;
        out.raw(&String::from_utf8_lossy(&bytes))
    }

    /// Ends the output.
    pub fn end(self, end: &End, out: &mut Output) -> Result<()> {
        match out.format {
            Format::Json => {
                let begun = match self.written {
                    0 => "{\n  \"cases\": [",
                    _ => "\n  ",
                };
                out.raw(begun)?;
                out.raw("]")?;
                for (key, value) in facts(end)? {
                    out.raw(&format!(
                        ",\n  \"{key}\": {}",
                        indented(&format!("{value:#}"), "  ").trim_start()
                    ))?;
                }
                out.line("\n}")
            }
            Format::Csv if self.written == 0 => out.line(CSV_HEADING.join(",")),
            Format::Jsonl | Format::Csv => Ok(()),
            Format::Table => self.end_table(end, out),
        }
    }

    fn end_table(self, end: &End, out: &mut Output) -> Result<()> {
        if self.written == 0 {
            for line in understood(&end.understood, out.width) {
                let line = out.paint(FAINT, line);
                out.line(line)?;
            }
            out.line("no cases")?;
        }
        let (written, total) = (self.written.to_string(), end.total.to_string());
        let line = format!(
            "{} of {}, as of position {} of {}",
            words::grouped(&written),
            words::grouped(&total),
            end.as_of,
            end.tree_size
        );
        let line = out.paint(FAINT, line);
        out.line(line)?;
        if end.more {
            out.note("there are more; use --all or --limit N");
        }
        Ok(())
    }
}

/// Goods and title of a case on a line below it, if there is anything to say.
fn below(row: &[String], width: usize, out: &mut Output) -> Result<()> {
    let mut parts: Vec<_> = row.iter().skip(TIGHT.len()).map(String::as_str).collect();
    parts.retain(|part| !part.is_empty());
    let [first, ..] = parts.as_slice() else {
        return Ok(());
    };
    let width = width.saturating_sub(2);
    // A long list of goods leaves the title its half.
    let text = match parts.get(1) {
        Some(title) => format!("{} | {title}", cut(first, width / 2)),
        None => (*first).to_owned(),
    };
    out.line(format_args!("  {}", cut(&text, width)))
}

/// What follows the cases in the JSON document.
fn facts(end: &End) -> Result<Vec<(&'static str, Value)>> {
    let terms = end.understood.iter();
    let terms = terms.map(|term| json::to_value("casebroker.v1.FilterTerm", term));
    let terms: Vec<_> = terms
        .collect::<std::result::Result<_, _>>()
        .map_err(ClientError::from)?;
    Ok(vec![
        ("totalSize", end.total.to_string().into()),
        ("asOfPosition", end.as_of.to_string().into()),
        ("treeSize", end.tree_size.to_string().into()),
        ("understood", json!(terms)),
        ("more", end.more.into()),
    ])
}

fn indented(text: &str, by: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("{by}{line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
