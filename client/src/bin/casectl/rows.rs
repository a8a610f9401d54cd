//! A list that is known whole: as a table, as JSON, as CSV.

use casebroker_proto::json;
use serde_json::Value;

use crate::{
    failure::{Failure, Result},
    output::{FAINT, Format, Output},
    table::{Column, Layout},
};

/// Messages of one type as JSON.
pub fn to_values<M: prost::Message>(name: &str, messages: &[M]) -> Result<Vec<Value>> {
    let values = messages.iter().map(|m| json::to_value(name, m));
    let values: std::result::Result<Vec<_>, _> = values.collect();
    Ok(values.map_err(casebroker_client::ClientError::from)?)
}

/// Rows under a heading, or the messages that they are of as JSON: `what` names the list in the document.
pub fn show(
    what: &str,
    columns: &[Column],
    rows: Vec<Vec<String>>,
    values: Vec<Value>,
    out: &mut Output,
) -> Result<()> {
    match out.format {
        Format::Json => out.document(&serde_json::json!({ key(what): values })),
        Format::Jsonl => values.into_iter().try_for_each(|value| out.line(value)),
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(Vec::new());
            let heading = columns
                .iter()
                .map(|c| c.title.to_lowercase().replace(' ', "_"))
                .map(|title| title.replace(['(', ')'], ""));
            let heading: Vec<_> = heading.collect();
            let failed = |e: csv::Error| Failure::file("CSV", &e.into());
            csv.write_record(&heading).map_err(failed)?;
            for row in &rows {
                csv.write_record(row).map_err(failed)?;
            }
            let bytes = csv
                .into_inner()
                .map_err(|e| Failure::file("CSV", e.error()))?;
            out.raw(&String::from_utf8_lossy(&bytes))
        }
        Format::Table if rows.is_empty() => out.line(format_args!("no {what}")),
        Format::Table => {
            let layout = Layout::fit(columns, &rows, out.width);
            let heading = out.paint(FAINT, layout.heading());
            out.line(heading)?;
            rows.iter().try_for_each(|row| out.line(layout.row(row)))
        }
    }
}

/// `dead letters` as the contract's JSON would name the field: `deadLetters`.
fn key(what: &str) -> String {
    let mut upper = false;
    let letters = what.chars().filter_map(|c| match c {
        ' ' => {
            upper = true;
            None
        }
        c if upper => {
            upper = false;
            Some(c.to_ascii_uppercase())
        }
        c => Some(c),
    });
    letters.collect()
}
