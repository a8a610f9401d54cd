//! `casectl get` and `casectl history`: one case, and what was said about it.

use casebroker_client::ClientError;
use casebroker_proto::{
    json,
    names::CaseName,
    v1::{StatementDelivery, StatementRecord, statement::Kind},
};
use clap::Args;

use crate::{
    Global, case_page,
    failure::{Failure, Result},
    output::{Format, Output},
    rows::{show, to_values},
    table::Column,
    timeline, words,
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

/// Show every statement about a case, oldest first, and what each changed.
#[derive(Debug, Args)]
#[command(after_help = "\
An amendment is compared field by field with the revision before it. Of the ids shown the beginning is enough for `respond`,
`dispute --end` and `find`; -o json has them whole.

Examples:
  casectl history us-cbp/2016-0042
  casectl history us-cbp/2016-0042 --deliveries      who was told what of my agency's case
  casectl -o jsonl history us-cbp/2016-0042 | jq -r .position")]
pub struct History {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// Show instead which of the agencies that my agency addressed by name got which statements, and acknowledged them
    #[arg(long)]
    deliveries: bool,
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
    if args.deliveries {
        return deliveries(&args.case, global, out).await;
    }
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
        _ => timeline::print(&records, out),
    }
}

/// Runs `history --deliveries`.
async fn deliveries(case: &CaseName, global: &Global, out: &mut Output) -> Result<()> {
    let client = global.connect()?;
    let deliveries = client.list_deliveries(&case.to_string()).await?;
    let columns = [
        Column::number("POSITION"),
        Column::whole("KIND"),
        Column::flexible("AGENCY", 10),
        Column::whole("PROGRESS"),
    ];
    let row = |delivery: &StatementDelivery| {
        vec![
            delivery.position.to_string(),
            words::statement_kind(delivery.kind),
            words::id(&delivery.agency).to_owned(),
            words::progress(delivery.progress),
        ]
    };
    let rows = deliveries.iter().map(row).collect();
    let values = to_values("casebroker.v1.StatementDelivery", &deliveries)?;
    show("deliveries", &columns, rows, values, out)
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
