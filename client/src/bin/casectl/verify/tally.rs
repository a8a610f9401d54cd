//! What `casectl verify` says of each receipt, and the counts at its end.

use serde_json::json;

use super::Verdict;
use crate::{
    failure::Result,
    output::{BAD, FAINT, Format, GOOD, Output},
    table::clean,
    words,
};

/// Counts, and the JSON document.
pub struct Tally {
    verified: u64,
    /// Receipts of which something does not hold.
    pub failed: u64,
    ended: bool,
}

impl Tally {
    /// Begins; the JSON document is opened.
    pub fn begin(out: &mut Output) -> Result<Self> {
        if out.format == Format::Json {
            out.raw("{\n  \"receipts\": [")?;
        }
        Ok(Self {
            verified: 0,
            failed: 0,
            ended: false,
        })
    }

    /// One receipt is through.
    pub fn tell(&mut self, place: &str, mut verdict: Verdict, out: &mut Output) -> Result<()> {
        let first = self.verified + self.failed == 0;
        if verdict.failed.is_empty() {
            self.verified += 1;
        } else {
            self.failed += 1;
        }
        if out.is_json() {
            verdict.put("file", json!(place));
            verdict.put("verified", json!(verdict.failed.is_empty()));
            verdict.put("failures", json!(verdict.failed));
            return match out.format {
                Format::Json => out.raw(&format!(
                    "{}\n    {}",
                    if first { "" } else { "," },
                    verdict.value
                )),
                _ => out.line(verdict.value),
            };
        }
        let word = match verdict.failed.is_empty() {
            true => out.paint(GOOD, "verified"),
            false => out.paint(BAD, "NOT VERIFIED"),
        };
        if verdict.brief && verdict.failed.is_empty() {
            let case = clean(&words::short_case(&verdict.case));
            let summary = clean(&verdict.summary);
            return out.line(format_args!(
                "{word}  {case} at position {}: {summary}",
                verdict.position
            ));
        }
        let case = match verdict.case.as_str() {
            // An update of the registry is about no case.
            "" if !verdict.summary.is_empty() => format!("entry at position {}", verdict.position),
            "" => "no entry that can be read".into(),
            case => format!(
                "{} at position {}",
                clean(&words::short_case(case)),
                verdict.position
            ),
        };
        out.line(format_args!("{word}  {place}: {case}"))?;
        for failed in &verdict.failed {
            let failed = out.paint(BAD, failed);
            out.line(format_args!("  {failed}"))?;
        }
        for line in &verdict.lines {
            let line = out.paint(FAINT, line);
            out.line(format_args!("  {line}"))?;
        }
        Ok(())
    }

    /// The counts, and evidence files that no statement names; the JSON document is closed.
    pub fn end(&mut self, unmatched: &[(String, String)], out: &mut Output) -> Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        match out.format {
            Format::Json => {
                let files: Vec<_> = unmatched.iter().map(|(file, _)| file).collect();
                let why = unmatched
                    .iter()
                    .map(|(file, why)| json!({"file": file, "why": why}));
                let counts = json!({
                    "verified": self.verified,
                    "failed": self.failed,
                    "evidenceNotNamed": files,
                    "evidenceFailures": why.collect::<Vec<_>>(),
                });
                let text = format!("{counts:#}");
                out.raw(if self.verified + self.failed > 0 {
                    "\n  ],\n"
                } else {
                    "],\n"
                })?;
                out.line(text.strip_prefix("{\n").unwrap_or(&text))
            }
            Format::Jsonl => {
                for (file, why) in unmatched {
                    out.note(format_args!("{file}: {why}"));
                }
                Ok(())
            }
            _ => {
                for (file, why) in unmatched {
                    let word = out.paint(BAD, "NOT VERIFIED");
                    out.line(format_args!("{word}  {file}: {why}"))?;
                }
                if self.verified + self.failed > 1 {
                    out.line(format_args!(
                        "{} verified, {} not",
                        self.verified, self.failed
                    ))?;
                }
                Ok(())
            }
        }
    }
}
