//! Why cases do not count, and the command that lists those of each reason: an argument becomes a worklist.

use casebroker_proto::v1::{CaseFilter, CountCasesResponse, Obstacle};

use super::Asked;
use crate::{
    failure::{Failure, Result},
    filter::{command, flags},
    output::{FAINT, HEADING, Output},
    table::{clean, wrap},
    words,
};

/// Prints each reason with its cases.
pub fn table(asked: &Asked, answer: &CountCasesResponse, out: &mut Output) -> Result<()> {
    let counted = answer.total.as_ref().and_then(|t| t.counted.as_ref());
    let counted = counted.map_or(0, |tally| tally.cases);
    let others: i64 = answer.obstacles.iter().map(|o| o.cases).sum();
    out.line("")?;
    if answer.obstacles.is_empty() {
        return out.line("every case that the rest of the filter selects counts");
    }
    let heading = format!(
        "why {} of {} cases do not count",
        number(others),
        number(others + counted)
    );
    let heading = out.paint(HEADING, heading);
    out.line(heading)?;
    let digits = answer
        .obstacles
        .iter()
        .map(|o| number(o.cases).len())
        .max()
        .unwrap_or(0);
    for obstacle in &answer.obstacles {
        reason(asked, answer, obstacle, digits, out)?;
    }
    out.line("")
}

fn reason(
    asked: &Asked,
    answer: &CountCasesResponse,
    obstacle: &Obstacle,
    digits: usize,
    out: &mut Output,
) -> Result<()> {
    let cases = format!("{:>digits$}", number(obstacle.cases));
    let name = clean(&obstacle.reason);
    let name = out.paint(HEADING, name);
    out.line(format_args!("{cases}  {name}"))?;
    let left = digits + 2;
    let width = out.width.unwrap_or(usize::MAX).saturating_sub(left);
    for line in wrap(&obstacle.message, width) {
        out.line(format_args!("{:left$}{line}", ""))?;
    }
    let words = list(asked, answer, &obstacle.reason);
    for line in command(&words, out.width.map(|w| w.saturating_sub(left))) {
        out.line(format_args!("{:left$}{line}", ""))?;
    }
    if !obstacle.examples.is_empty() {
        let names: Vec<_> = obstacle
            .examples
            .iter()
            .map(|name| words::short_case(name))
            .collect();
        for line in wrap(&format!("such as {}", names.join(", ")), width) {
            let line = out.paint(FAINT, line);
            out.line(format_args!("{:left$}{line}", ""))?;
        }
    }
    Ok(())
}

/// The command that lists the cases of a reason: this filter with the reason in place of its statuses, at the same record.
pub fn list(asked: &Asked, answer: &CountCasesResponse, reason: &str) -> Vec<String> {
    let mut words = vec!["casectl".to_owned()];
    words.extend(asked.global.given());
    words.push("list".into());
    words.extend(flags(&CaseFilter {
        statuses: Vec::new(),
        obstacles: vec![reason.to_owned()],
        ..asked.filter.clone()
    }));
    if asked.is_past {
        words.extend(["--as-of".into(), answer.as_of_position.to_string()]);
    }
    words
}

/// One row a reason, and one for what counts.
pub fn csv(answer: &CountCasesResponse, out: &mut Output) -> Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Failure::file("CSV", &e.into());
    csv.write_record(["reason", "cases", "message", "examples"])
        .map_err(failed)?;
    let counted = answer.total.as_ref().and_then(|t| t.counted.as_ref());
    let counted = counted.map_or(0, |tally| tally.cases).to_string();
    csv.write_record(["counted", &counted, "", ""])
        .map_err(failed)?;
    for obstacle in &answer.obstacles {
        let Obstacle {
            reason,
            message,
            cases,
            examples,
        } = obstacle;
        csv.write_record([reason, &cases.to_string(), message, &examples.join(" ")])
            .map_err(failed)?;
    }
    let bytes = csv
        .into_inner()
        .map_err(|e| Failure::file("CSV", e.error()))?;
    out.raw(&String::from_utf8_lossy(&bytes))
}

fn number(value: i64) -> String {
    words::grouped(&value.to_string())
}
