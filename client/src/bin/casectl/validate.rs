//! `casectl validate`: everything that `submit` checks, without sending.

use std::{path::PathBuf, time::SystemTime};

use casebroker_client::check;
use casebroker_proto::errors::Violation;
use clap::Args;
use serde_json::{Value, json};

use crate::{
    failure::{Exit, Failure, Result},
    input::{RawValue, Source, decode, line_of},
    output::{BAD, Format, GOOD, Output},
};

/// Check statements in files as `submit` would, without sending anything.
#[derive(Debug, Args)]
#[command(after_help = "\
Every broken rule is listed at once, as FILE:LINE: field: what is wrong; the line is the field's own, or that of what lacks it. No broker and no context is needed. What only the
broker knows is not checked: whether the case exists, and its revision.

Exit status: 0 all valid, 3 some not.

Examples:
  casectl validate case.json
  casectl validate backfill.jsonl
  export-cases | casectl validate -
  casectl -o jsonl validate backfill.jsonl | jq -r .field | sort | uniq -c")]
pub struct Validate {
    /// Files of JSON or JSONL: statements in proto JSON, or cases. `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What is wrong with an empty file.
pub const NO_STATEMENT: &str = "the file holds no statement at all";

/// Counts, and whether the JSON document has an element yet.
#[derive(Default)]
struct Tally {
    valid: u64,
    invalid: u64,
    any: bool,
}

/// Runs the command.
pub fn run(args: Validate, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    if out.format == Format::Json {
        out.raw("{\n  \"violations\": [")?;
    }
    let mut tally = Tally::default();
    for file in &args.files {
        let source = Source::new(file);
        let checked = check_file(&source, &mut tally, out);
        if checked.is_err() {
            end(&tally, out)?;
        }
        checked?;
    }
    end(&tally, out)?;
    match tally.invalid {
        0 => Ok(()),
        _ => Err(Failure::quiet(Exit::Invalid)),
    }
}

fn check_file(source: &Source, tally: &mut Tally, out: &mut Output) -> Result<()> {
    let mut any = false;
    for item in source.values()? {
        any = true;
        let item = item.map_err(|e| Failure::file(source.name(), &e))?;
        let found = match item {
            Ok(raw) => violations(&raw),
            Err(problem) => vec![(problem.line, Violation::new("", problem.what))],
        };
        if found.is_empty() {
            tally.valid += 1;
        } else {
            tally.invalid += 1;
        }
        for (line, violation) in found {
            tell(source, line, &violation, tally, out)?;
        }
    }
    if any {
        return Ok(());
    }
    // Nothing that is wrong is not the same as something that is right.
    tally.invalid += 1;
    tell(source, 1, &Violation::new("", NO_STATEMENT), tally, out)
}

/// What is wrong with one value, each with its line.
fn violations(raw: &RawValue) -> Vec<(u64, Violation)> {
    let parsed = match decode(raw) {
        Ok(parsed) => parsed,
        Err(problem) => return vec![(problem.line, Violation::new("", problem.what))],
    };
    let now = SystemTime::now();
    let mut statement = parsed.statement.clone();
    // What `submit` fills in is not missing.
    if statement.request_id.is_empty() {
        statement.request_id = uuid::Uuid::nil().to_string();
    }
    statement.make_time.get_or_insert_with(|| now.into());
    parsed
        .localise(check(&statement, now))
        .into_iter()
        .map(|violation| (line_of(raw, &violation.field), violation))
        .collect()
}

fn tell(
    source: &Source,
    line: u64,
    violation: &Violation,
    tally: &mut Tally,
    out: &mut Output,
) -> Result<()> {
    let Violation { field, description } = violation;
    let value =
        json!({"file": source.name(), "line": line, "field": field, "description": description});
    match out.format {
        Format::Json => {
            let comma = if std::mem::replace(&mut tally.any, true) {
                ","
            } else {
                ""
            };
            out.raw(&format!("{comma}\n    {value}"))
        }
        Format::Jsonl => out.line(value),
        _ => {
            let place = format!("{}:{line}:", source.name());
            let separator = if field.is_empty() { "" } else { ": " };
            out.line(format_args!("{place} {field}{separator}{description}"))
        }
    }
}

fn end(tally: &Tally, out: &mut Output) -> Result<()> {
    match out.format {
        Format::Json => {
            let counts: Value = json!({"valid": tally.valid, "invalid": tally.invalid});
            let text = format!("{counts:#}");
            out.raw(if tally.any { "\n  ],\n" } else { "],\n" })?;
            out.line(text.strip_prefix("{\n").unwrap_or(&text))
        }
        Format::Jsonl => Ok(()),
        _ => {
            let mut text = out.paint(GOOD, format_args!("{} valid", tally.valid));
            if tally.invalid > 0 {
                text = format!(
                    "{text}, {}",
                    out.paint(BAD, format_args!("{} not valid", tally.invalid))
                );
            }
            out.line(text)
        }
    }
}
