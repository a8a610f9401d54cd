//! `casectl dispute`: an objection to something in a case, or the end of one.

use std::path::PathBuf;

use casebroker_proto::{
    names::CaseName,
    v1::{self, Case, CaseDispute, statement::Kind},
};
use clap::{ArgGroup, Args};

use crate::{
    Global,
    case::parse_case,
    failure::{Exit, Failure, Result},
    given,
    output::Output,
    stating::{Shown, current, only, own_agency, state},
    words,
};

/// Object to something in a case, or end an objection of my agency.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["fields", "end"]).required(true)))]
#[command(after_help = "\
A field is named by its path in the report, as `casectl history` and error messages name it: route.origin, items[0].quantity.
A disputed case is counted apart until the dispute is ended by the agency that opened it.

Examples:
  casectl dispute us-cbp/2016-0042 --field route.origin --reason 'The address does not exist; handed in elsewhere.'
  casectl dispute us-cbp/2016-0042 --field 'items[0].substance' --reason 'Not fentanyl.' --evidence report.json
  casectl dispute us-cbp/2016-0042 --end 1b9d6bcd --reason 'The amendment settles it.'")]
pub struct Dispute {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// Field of the report that is disputed; may be given several times
    #[arg(long = "field", value_name = "PATH")]
    fields: Vec<String>,
    /// Ends my agency's dispute with this request id, or its beginning
    #[arg(long, value_name = "ID")]
    end: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// File with evidence references; may be given several times
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

/// Runs the command.
pub async fn run(args: Dispute, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let evidence = given::evidence(&args.evidence)?;
    let client = global.connect()?;
    let case = current(&client, &args.case).await?;
    let (resolves, what) = match &args.end {
        None => (String::new(), "disputed".to_owned()),
        Some(id) => {
            let ended = own_open(&case, &own_agency(&client).await?, id)?;
            let what = format!("dispute {} ended", words::short_id(&ended.request_id));
            (ended.request_id, what)
        }
    };
    let kind = Kind::Dispute(v1::Dispute {
        fields: args.fields,
        reason: args.reason,
        evidence,
        resolves,
    });
    state(&client, &case, args.shown, kind, &what, out).await
}

/// The agency's own dispute with this id, which must be open.
fn own_open(case: &Case, own: &str, id: &str) -> Result<CaseDispute> {
    let ours: Vec<_> = case
        .disputes
        .iter()
        .filter(|dispute| dispute.agency == own)
        .cloned()
        .collect();
    let found = only(id, "dispute of my agency", &ours, |d| &d.request_id)?;
    if found.end_position > 0 {
        return Err(Failure::new(
            Exit::Conflict,
            format!(
                "dispute {} was ended at position {}",
                words::short_id(id),
                found.end_position
            ),
            "Nothing was sent. Open a new dispute if something is still wrong.",
        ));
    }
    Ok(found.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_dispute_of_ones_own_is_ended() {
        let dispute = |id: &str, agency: &str, end_position| CaseDispute {
            request_id: id.into(),
            agency: agency.into(),
            end_position,
            ..Default::default()
        };
        let case = Case {
            disputes: vec![
                dispute("aa11", "agencies/cn-nncc", 0),
                dispute("bb22", "agencies/us-dea", 0),
                dispute("cc33", "agencies/cn-nncc", 9),
            ],
            ..Default::default()
        };
        let end = |id| own_open(&case, "agencies/cn-nncc", id);
        assert_eq!(end("aa").unwrap().request_id, "aa11");
        assert_eq!(end("bb22").unwrap_err().exit, Exit::NotFound);
        assert_eq!(end("cc33").unwrap_err().exit, Exit::Conflict);
    }
}
