//! `casectl get` and `casectl history`: one case, and what was said about it.

use casebroker_client::ClientError;
use casebroker_proto::{
    json,
    names::CaseName,
    v1::{StatementRecord, statement::Kind},
};
use clap::Args;

use crate::{
    Global, case_page,
    failure::{Failure, Result},
    output::{FAINT, Format, Output},
    table::{Column, Layout},
    words,
};

/// Show one case as it stands.
#[derive(Debug, Args)]
#[command(after_help = "\
What the agency did not report is shown as not known. A case that does not exist and one that is not for your agency look the
same (exit status 4).

Examples:
  casectl get agencies/us-cbp/cases/2016-0042
  casectl get us-cbp/2016-0042
  casectl -o json get us-cbp/2016-0042 | jq .case.report.route")]
pub struct Get {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
}

/// Show every statement about a case, oldest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl history us-cbp/2016-0042
  casectl -o jsonl history us-cbp/2016-0042 | jq -r .position")]
pub struct History {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
}

/// Runs `get`.
pub async fn get(args: Get, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let answer = global.connect()?.get_case(&args.case.to_string()).await?;
    if out.is_json() {
        let value =
            json::to_value("casebroker.v1.GetCaseResponse", &answer).map_err(ClientError::from)?;
        return out.document(&value);
    }
    let case = answer.case.ok_or(ClientError::Answer("no case"))?;
    case_page::print(&case, out)
}

/// Runs `history`.
pub async fn history(args: History, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    let mut pages = client.list_statements(&args.case.to_string());
    let mut records = Vec::new();
    let mut as_of = 0;
    while let Some(page) = pages.next_page().await? {
        as_of = page.as_of_position;
        records.extend(page.statements);
    }
    match out.format {
        Format::Jsonl => {
            for record in &records {
                let value = to_json(record)?;
                out.line(value)?;
            }
            Ok(())
        }
        Format::Json => {
            let statements = records.iter().map(to_json).collect::<Result<Vec<_>>>()?;
            out.document(
                &serde_json::json!({"statements": statements, "asOfPosition": as_of.to_string()}),
            )
        }
        _ => table(&records, out),
    }
}

/// A case's name in full or as AGENCY/CASE.
pub fn parse_case(text: &str) -> std::result::Result<CaseName, String> {
    match text.split_once('/') {
        Some((agency, case)) if !case.contains('/') => {
            CaseName::from_ids(agency, case).map_err(|e| e.to_string())
        }
        _ => text
            .parse()
            .map_err(|e: casebroker_proto::names::NameError| {
                format!("{e}, or `{{agency}}/{{case}}`")
            }),
    }
}

/// Kind of a statement, in a word or two.
pub fn kind_word(kind: Option<&Kind>) -> &'static str {
    match kind {
        Some(Kind::Report(_)) => "report",
        Some(Kind::Amendment(_)) => "amendment",
        Some(Kind::Corroboration(_)) => "corroboration",
        Some(Kind::EvidenceRequest(_)) => "evidence request",
        Some(Kind::EvidenceResponse(_)) => "evidence response",
        Some(Kind::Dispute(_)) => "dispute",
        Some(Kind::Finding(_)) => "finding",
        Some(Kind::Release(_)) => "release",
        Some(Kind::Retraction(_)) => "retraction",
        Some(Kind::OverlapDeclaration(_)) => "overlap declaration",
        None => "unknown kind",
    }
}

fn to_json(record: &StatementRecord) -> Result<serde_json::Value> {
    json::to_value("casebroker.v1.StatementRecord", record)
        .map_err(|e| Failure::from(ClientError::from(e)))
}

fn table(records: &[StatementRecord], out: &mut Output) -> Result<()> {
    let rows: Vec<_> = records.iter().map(row).collect();
    let columns = [
        Column::number("POSITION"),
        Column::whole("RECORDED (UTC)"),
        Column::whole("AGENCY"),
        Column::whole("STATEMENT"),
        Column::flexible("WHAT", 16),
    ];
    let layout = Layout::fit(&columns, &rows, out.width);
    let heading = out.paint(FAINT, layout.heading());
    out.line(heading)?;
    for row in &rows {
        out.line(layout.row(row))?;
    }
    Ok(())
}

fn row(record: &StatementRecord) -> Vec<String> {
    let kind = record.statement.as_ref().and_then(|s| s.kind.as_ref());
    let what = match kind {
        Some(Kind::Report(r)) => r
            .report
            .as_ref()
            .map(|r| r.title.clone())
            .unwrap_or_default(),
        Some(Kind::Amendment(a)) => {
            format!("replaces revision {}: {}", a.expected_revision, a.reason)
        }
        Some(Kind::Corroboration(c)) => c.note.clone(),
        Some(Kind::EvidenceRequest(e)) => e.question.clone(),
        Some(Kind::EvidenceResponse(e)) => e.note.clone(),
        Some(Kind::Dispute(d)) => d.reason.clone(),
        Some(Kind::Finding(f)) => format!("{} findings", f.findings.len()),
        Some(Kind::Release(r)) => words::handling(r.handling.as_ref()),
        Some(Kind::Retraction(r)) => r.reason.clone(),
        Some(Kind::OverlapDeclaration(d)) => d.reason.clone(),
        None => String::new(),
    };
    vec![
        record.position.to_string(),
        words::minute(record.record_time.as_ref()),
        words::id(&record.agency).to_owned(),
        kind_word(kind).to_owned(),
        what,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_named_in_full_or_in_short() {
        let full = parse_case("agencies/us-dea/cases/1").unwrap();
        assert_eq!(parse_case("us-dea/1").unwrap(), full);
        for bad in [
            "us-dea",
            "us-dea/",
            "us-dea/1/2",
            "US-DEA/1",
            "agencies/us-dea",
        ] {
            assert!(
                parse_case(bad).is_err() || bad == "agencies/us-dea",
                "{bad}"
            );
        }
    }
}
