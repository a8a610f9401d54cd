//! `casectl validate`: everything that `submit` checks, without sending, and which status a report would get.

use std::{collections::BTreeMap, path::PathBuf, time::SystemTime};

use casebroker_client::check;
use casebroker_proto::{errors::Violation, v1::CaseStatus};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    failure::{Exit, Failure, Result},
    input::{RawValue, Source, decode, line_of},
    judgement::{Judgement, status_word},
    output::{BAD, Format, GOOD, Output},
};

/// Check statements in files as `submit` would, without sending anything, and tell which status a report would get and why.
#[derive(Debug, Args)]
#[command(after_help = "\
Every broken rule is listed at once, as FILE:LINE: field: what is wrong; the line is the field's own, or that of what lacks it. No broker and no context is needed. What only the
broker knows is not checked: whether the case exists, and its revision.

A report or amendment that is valid is held against the confirmation standard, rule by rule, as the broker will: what is met, what is
missing, and under which control its substances were. A status is never a reason to refuse: most cases begin as reported.
Findings sent by themselves are on the broker and not looked at here.

Exit status: 0 all valid, 3 some not.

Examples:
  casectl validate case.json
  casectl validate --brief backfill.jsonl
  export-cases | casectl validate -
  casectl -o json validate case.json | jq '.assessments[].assessment.rules[] | select(.met | not)'
  casectl -o jsonl validate --brief backfill.jsonl | jq -r .field | sort | uniq -c")]
pub struct Validate {
    /// Files of JSON or JSONL: statements in proto JSON, or cases. `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Leave out the rules of each case: only what is not valid, and how many would get which status
    #[arg(long)]
    brief: bool,
}

/// What is wrong with an empty file.
pub const NO_STATEMENT: &str = "the file holds no statement at all";

/// Counts, and whether the JSON document has an element yet.
#[derive(Default)]
struct Tally {
    brief: bool,
    valid: u64,
    invalid: u64,
    any: bool,
    /// How many would be reported, confirmed, attributed.
    statuses: BTreeMap<CaseStatus, u64>,
    /// Judgements of the one JSON document: they follow the violations, which are written as they are found.
    judgements: Vec<Value>,
}

/// Runs the command.
pub fn run(args: Validate, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    if out.format == Format::Json {
        out.raw("{\n  \"violations\": [")?;
    }
    let mut tally = Tally {
        brief: args.brief,
        ..Tally::default()
    };
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
            Ok(raw) => checked(&raw),
            Err(problem) => Err(vec![(problem.line, Violation::new("", problem.what))]),
        };
        match found {
            Ok((line, judgement)) => {
                tally.valid += 1;
                if let Some(judgement) = judgement {
                    tell_status(source, line, &judgement, tally, out)?;
                }
            }
            Err(found) => {
                tally.invalid += 1;
                for (line, violation) in found {
                    tell(source, line, &violation, tally, out)?;
                }
            }
        }
    }
    if any {
        return Ok(());
    }
    // Nothing that is wrong is not the same as something that is right.
    tally.invalid += 1;
    tell(source, 1, &Violation::new("", NO_STATEMENT), tally, out)
}

/// Where a value begins and what the standard says of it, or what is wrong with it.
type Checked = std::result::Result<(u64, Option<Judgement>), Vec<(u64, Violation)>>;

fn checked(raw: &RawValue) -> Checked {
    let parsed = match decode(raw) {
        Ok(parsed) => parsed,
        Err(problem) => return Err(vec![(problem.line, Violation::new("", problem.what))]),
    };
    let now = SystemTime::now();
    let mut statement = parsed.statement.clone();
    // What `submit` fills in is not missing.
    if statement.request_id.is_empty() {
        statement.request_id = uuid::Uuid::nil().to_string();
    }
    statement.make_time.get_or_insert_with(|| now.into());
    let violations = parsed.localise(check(&statement, now));
    if violations.is_empty() {
        return Ok((raw.line, Judgement::of(&statement)));
    }
    Err(violations
        .into_iter()
        .map(|violation| (line_of(raw, &violation.field), violation))
        .collect())
}

fn tell_status(
    source: &Source,
    line: u64,
    judgement: &Judgement,
    tally: &mut Tally,
    out: &mut Output,
) -> Result<()> {
    *tally.statuses.entry(judgement.status()).or_default() += 1;
    if tally.brief {
        return Ok(());
    }
    let file = source.name();
    match out.format {
        Format::Json => {
            tally.judgements.push(judgement.to_json(&file, line)?);
            Ok(())
        }
        Format::Jsonl => out.line(judgement.to_json(&file, line)?),
        _ => judgement.print(&file, line, out),
    }
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
            let statuses = tally.statuses.iter();
            let statuses: BTreeMap<_, _> = statuses.map(|(s, n)| (status_word(*s), n)).collect();
            let mut rest = json!({
                "valid": tally.valid,
                "invalid": tally.invalid,
                "statuses": statuses,
            });
            if let Some(rest) = rest.as_object_mut().filter(|_| !tally.brief) {
                rest.insert("assessments".into(), json!(tally.judgements));
            }
            let text = format!("{rest:#}");
            out.raw(if tally.any { "\n  ],\n" } else { "],\n" })?;
            out.line(text.strip_prefix("{\n").unwrap_or(&text))
        }
        Format::Jsonl => Ok(()),
        _ => {
            let mut text = out.paint(GOOD, format_args!("{} valid", tally.valid));
            if tally.invalid > 0 {
                let invalid = out.paint(BAD, format_args!("{} not valid", tally.invalid));
                text = format!("{text}, {invalid}");
            }
            let statuses = tally.statuses.iter();
            let statuses: Vec<_> = statuses
                .map(|(status, many)| format!("{many} {}", status_word(*status)))
                .collect();
            if !statuses.is_empty() {
                text = format!("{text}; by the standard {}", statuses.join(", "));
            }
            out.line(text)
        }
    }
}
