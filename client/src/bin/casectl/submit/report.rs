//! What a submission tells: counts for people, every result for programs, in constant memory.

use casebroker_client::{Prepared, Recorded};
use serde_json::{Value, json};

use super::{one_by_one, receipts::Receipts, rejects::Rejects, result_json};
use crate::{
    failure::{Exit, Failure, Result},
    input::{RawValue, Source, line_of},
    output::{BAD, Format, GOOD, Output},
    words,
};

/// Most results that are listed for people.
const LISTED: u64 = 20;

/// Counts over all files.
#[derive(Debug, Default)]
pub struct Report {
    recorded: u64,
    replayed: u64,
    skipped: u64,
    rejected: u64,
    /// Exit status of the rejected ones: that of all if they agree, else that for invalid input.
    worst: Option<Exit>,
    any: bool,
    ended: bool,
    receipts: Vec<String>,
    rejects: Vec<String>,
}

impl Report {
    /// Begins; the JSON document is opened.
    pub fn begin(out: &mut Output) -> Result<Self> {
        if out.format == Format::Json {
            out.raw("{\n  \"results\": [")?;
        }
        Ok(Self::default())
    }

    /// Exit status that the rejected statements give, if there were any.
    pub fn worst(&self) -> Option<Exit> {
        self.worst
    }

    /// A statement was recorded, or had been before under the same request id.
    pub fn recorded(
        &mut self,
        source: &Source,
        line: u64,
        prepared: &Prepared,
        recorded: &Recorded,
        out: &mut Output,
    ) -> Result<()> {
        self.recorded += 1;
        self.replayed += u64::from(recorded.replayed);
        if one_by_one(out.format) {
            let mut map = result_json(source, line);
            let time = recorded.record_time.as_ref().map(words::rfc3339);
            map.insert("case".into(), json!(prepared.case));
            map.insert("requestId".into(), json!(prepared.request_id));
            map.insert("position".into(), json!(recorded.position.to_string()));
            map.insert("recordTime".into(), json!(time));
            map.insert("replayed".into(), json!(recorded.replayed));
            map.insert("verified".into(), json!(recorded.verified));
            return self.result(Value::Object(map), out);
        }
        if self.recorded <= LISTED {
            let case = words::short_case(&prepared.case);
            let again = if recorded.replayed {
                " (recorded before)"
            } else {
                ""
            };
            out.line(format_args!(
                "{case}  position {}{again}",
                recorded.position
            ))?;
        } else if self.recorded == LISTED + 1 {
            out.line("...")?;
        }
        Ok(())
    }

    /// A statement has its receipt from an earlier run.
    pub fn skipped(
        &mut self,
        source: &Source,
        line: u64,
        position: u64,
        out: &mut Output,
    ) -> Result<()> {
        self.skipped += 1;
        if one_by_one(out.format) {
            let mut map = result_json(source, line);
            map.insert("position".into(), json!(position.to_string()));
            map.insert("skipped".into(), json!(true));
            return self.result(Value::Object(map), out);
        }
        Ok(())
    }

    /// A statement is invalid or was refused.
    pub fn rejected(
        &mut self,
        source: &Source,
        raw: &RawValue,
        failure: &Failure,
        out: &mut Output,
    ) -> Result<()> {
        let line = raw.line;
        self.rejected += 1;
        self.worst = Some(match self.worst {
            None => failure.exit,
            Some(worst) if worst == failure.exit => worst,
            Some(_) => Exit::Invalid,
        });
        if one_by_one(out.format) {
            let mut map = result_json(source, line);
            map.insert("error".into(), with_lines(failure.to_json(), raw));
            return self.result(Value::Object(map), out);
        }
        if self.rejected <= LISTED {
            let reason = failure
                .reason
                .as_deref()
                .map(|r| format!(" [{r}]"))
                .unwrap_or_default();
            out.note(format_args!(
                "{}:{line}: {}{reason}",
                source.name(),
                failure.what
            ));
            for violation in &failure.violations {
                let own_line = line_of(raw, &violation.field);
                let place = match own_line == line {
                    true => String::new(),
                    false => format!(" (line {own_line})"),
                };
                out.note(format_args!(
                    "  {}{place}: {}",
                    violation.field, violation.description
                ));
            }
            if failure.violations.is_empty() && !failure.next.is_empty() {
                out.note(format_args!("  {}", failure.next));
            }
        } else if self.rejected == LISTED + 1 {
            out.note("further statements that are not recorded are in the rejects file");
        }
        Ok(())
    }

    /// One file is through, or as far as it came.
    pub fn file_done(&mut self, receipts: &Receipts, rejects: &Rejects) {
        self.receipts
            .extend(receipts.path.as_ref().map(|p| p.display().to_string()));
        self.rejects
            .extend(rejects.path().map(|p| p.display().to_string()));
    }

    /// The summary; the JSON document is closed.
    pub fn end(&mut self, out: &mut Output) -> Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let summary = json!({
            "recorded": self.recorded,
            "replayed": self.replayed,
            "skipped": self.skipped,
            "rejected": self.rejected,
            "receipts": self.receipts,
            "rejects": self.rejects,
        });
        match out.format {
            Format::Json => {
                let text = format!("{summary:#}");
                let rest = text.strip_prefix("{\n").unwrap_or(&text);
                out.raw(if self.any { "\n  ],\n" } else { "],\n" })?;
                out.line(rest)
            }
            // Lines are results; who wants counts counts them.
            Format::Jsonl => Ok(()),
            _ => self.summary(out),
        }
    }

    fn summary(&self, out: &mut Output) -> Result<()> {
        let mut parts = vec![out.paint(GOOD, format_args!("{} recorded", self.recorded))];
        if self.replayed > 0 {
            parts.push(format!("{} of them before", self.replayed));
        }
        if self.skipped > 0 {
            parts.push(format!("{} skipped (receipts are there)", self.skipped));
        }
        if self.rejected > 0 {
            parts.push(out.paint(BAD, format_args!("{} not recorded", self.rejected)));
        }
        out.line(parts.join(", "))?;
        for path in &self.receipts {
            out.line(format_args!("receipts: {path}"))?;
        }
        for path in &self.rejects {
            out.line(format_args!("to mend and submit: {path}"))?;
        }
        Ok(())
    }

    fn result(&mut self, value: Value, out: &mut Output) -> Result<()> {
        if out.format == Format::Jsonl {
            return out.line(value);
        }
        let comma = if std::mem::replace(&mut self.any, true) {
            ","
        } else {
            ""
        };
        out.raw(&format!("{comma}\n    {value}"))
    }
}

/// A refusal whose violations also say on which line of the file each field stands.
fn with_lines(mut refusal: Value, raw: &RawValue) -> Value {
    let violations = refusal.get_mut("violations").and_then(Value::as_array_mut);
    for violation in violations.into_iter().flatten() {
        let field = violation.get("field").and_then(Value::as_str);
        let line = line_of(raw, field.unwrap_or_default());
        if let Some(map) = violation.as_object_mut() {
            map.insert("line".into(), json!(line));
        }
    }
    refusal
}
