//! `casectl errors`: what each reason for a refusal means and what to do about it.

use casebroker_proto::errors::{Reason, to_markdown};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    failure::{Exit, Failure, Result},
    output::{FAINT, HEADING, Output},
    table::{Column, Layout, wrap},
};

/// Explain a reason for which the broker refuses something; without one, list them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl errors
  casectl errors CASE_NOT_FOUND
  casectl errors --markdown > docs/errors.md")]
pub struct Errors {
    /// Reason as it stands in the error, such as CASE_NOT_FOUND
    reason: Option<String>,
    /// Print the whole list as Markdown
    #[arg(long, conflicts_with = "reason")]
    markdown: bool,
}

/// Runs the command.
pub fn run(args: Errors, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    if args.markdown {
        return out.raw(&to_markdown());
    }
    let Some(id) = args.reason else {
        return list(out);
    };
    let reason = Reason::find(&id).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("there is no reason `{id}`"),
            "`casectl errors` lists them.",
        )
    })?;
    if out.is_json() {
        return out.document(&as_json(reason));
    }
    let e = reason.explain();
    let heading = out.paint(HEADING, e.id);
    out.line(format_args!("{heading}  {}", e.code.as_str()))?;
    let width = out.width.unwrap_or(100).min(100);
    for line in wrap(e.meaning, width) {
        out.line(line)?;
    }
    for cause in e.causes {
        for (i, line) in wrap(cause, width.saturating_sub(2)).iter().enumerate() {
            out.line(format_args!("{} {line}", if i == 0 { "-" } else { " " }))?;
        }
    }
    for line in wrap(e.action, width) {
        out.line(line)?;
    }
    Ok(())
}

fn list(out: &mut Output) -> Result<()> {
    if out.is_json() {
        let all: Vec<_> = Reason::ALL.iter().map(|r| as_json(*r)).collect();
        return out.document(&json!({ "reasons": all }));
    }
    let rows: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| {
            let e = reason.explain();
            vec![
                e.id.to_owned(),
                e.code.as_str().to_owned(),
                e.meaning.to_owned(),
            ]
        })
        .collect();
    let columns = [
        Column::whole("REASON"),
        Column::whole("STATUS"),
        Column::flexible("MEANING", 20),
    ];
    let layout = Layout::fit(&columns, &rows, out.width);
    let heading = out.paint(FAINT, layout.heading());
    out.line(heading)?;
    for row in &rows {
        out.line(layout.row(row))?;
    }
    Ok(())
}

fn as_json(reason: Reason) -> Value {
    let e = reason.explain();
    json!({
        "reason": e.id,
        "code": e.code.as_str(),
        "meaning": e.meaning,
        "causes": e.causes,
        "action": e.action,
    })
}
