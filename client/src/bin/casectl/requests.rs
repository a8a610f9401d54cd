//! `casectl request-evidence` and `casectl respond`: a question for evidence, and its answer.

use std::path::PathBuf;

use casebroker_proto::{
    google::r#type::Date,
    names::CaseName,
    v1::{
        Case, CaseEvidenceRequest, EvidenceRequest, EvidenceRequestState, EvidenceResponse,
        EvidenceResponseKind, statement::Kind,
    },
};
use clap::{ArgGroup, Args};

use crate::{
    Global,
    case::parse_case,
    choice::{choice, parse_agency, parse_date},
    failure::{Exit, Failure, Result},
    given,
    output::Output,
    stating::{Shown, current, only, own_agency, state},
    table::clean,
    words,
};

/// Ask an agency for evidence in a case.
#[derive(Debug, Args)]
#[command(after_help = "\
The agency asked finds the request in its worklist, and so do we until it is answered.

Examples:
  casectl request-evidence ca-rcmp/2016-0627 --from ca-rcmp --question 'The laboratory report, for court.' \\
      --kind lab-report --due 2026-12-24
  casectl request-evidence us-cbp/2016-0042 --from cn-nncc --question 'Who sent the parcel?' --kind shipping-document")]
pub struct RequestEvidence {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// Agency asked
    #[arg(long, value_name = "AGENCY", value_parser = parse_agency)]
    from: String,
    /// What is asked for, and why
    #[arg(long, value_name = "TEXT")]
    question: String,
    /// Kind of evidence asked for; may be given several times
    #[arg(long = "kind", value_parser = choice("casebroker.v1.EvidenceKind"))]
    kinds: Vec<i32>,
    /// Answer wanted by: YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    due: Option<Date>,
    #[command(flatten)]
    shown: Shown,
}

/// Answer a request for evidence.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("answer").args(["provided", "partial", "declined"]).required(true)))]
#[command(after_help = "\
Without --request it is the only request on the case that waits for my agency. Of a request id its beginning is enough.

Examples:
  casectl evidence hash --kind lab-report --custodian 'Drug Analysis Service' report.pdf > report.json
  casectl respond ca-rcmp/2016-0627 --provided --note 'Handed over in Ottawa.' --evidence report.json
  casectl respond ca-rcmp/2016-0627 --request 1b9d6bcd --declined --note 'Before a court; ask again in March.'")]
pub struct Respond {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// Id of the request, or its beginning
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Agency that asked; needed only if two agencies used the same id
    #[arg(long, value_name = "AGENCY", value_parser = parse_agency)]
    requester: Option<String>,
    /// The evidence is provided
    #[arg(long)]
    provided: bool,
    /// Some of it is
    #[arg(long)]
    partial: bool,
    /// It is not, for the reason in the note
    #[arg(long)]
    declined: bool,
    /// Answer in words
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// File with evidence references; may be given several times
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

/// Runs `request-evidence`.
pub async fn request(args: RequestEvidence, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    let case = current(&client, &args.case).await?;
    let what = format!("{} asked", words::id(&args.from));
    let kind = Kind::EvidenceRequest(EvidenceRequest {
        addressee: args.from,
        question: args.question,
        kinds: args.kinds,
        due_date: args.due,
    });
    state(&client, &case, args.shown, kind, &what, out).await
}

/// Runs `respond`.
pub async fn respond(args: Respond, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let evidence = given::evidence(&args.evidence)?;
    let client = global.connect()?;
    let case = current(&client, &args.case).await?;
    let own = own_agency(&client).await?;
    let request = asked(
        &case,
        &own,
        args.request.as_deref(),
        args.requester.as_deref(),
    )?;
    let kind = match (args.provided, args.partial) {
        (true, _) => EvidenceResponseKind::Provided,
        (_, true) => EvidenceResponseKind::Partial,
        _ => EvidenceResponseKind::Declined,
    };
    let what = format!(
        "{} answered: {}",
        words::id(&request.requester),
        words::answer(kind.into())
    );
    let response = Kind::EvidenceResponse(EvidenceResponse {
        evidence_request: request.request_id,
        kind: kind.into(),
        note: args.note,
        evidence,
        requester: request.requester,
    });
    state(&client, &case, args.shown, response, &what, out).await
}

/// The request meant: by its id, or the only one that waits for `own`.
pub fn asked(
    case: &Case,
    own: &str,
    id: Option<&str>,
    requester: Option<&str>,
) -> Result<CaseEvidenceRequest> {
    let to_us: Vec<_> = case
        .evidence_requests
        .iter()
        .filter(|request| request.addressee == own)
        .filter(|request| requester.is_none_or(|agency| request.requester == agency))
        .cloned()
        .collect();
    let what = "request for evidence to my agency";
    if let Some(id) = id {
        let found = only(id, what, &to_us, |request| &request.request_id)?;
        return Ok(found.clone());
    }
    let open: Vec<_> = to_us
        .into_iter()
        .filter(|request| {
            matches!(
                request.state(),
                EvidenceRequestState::Open | EvidenceRequestState::Overdue
            )
        })
        .collect();
    match open.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new(
            Exit::NotFound,
            format!("no open {what} on this case"),
            "`casectl worklist` shows what waits for my agency; to answer once more, give --request ID.",
        )),
        several => {
            let ids: Vec<_> = several
                .iter()
                .map(|r| clean(&format!("{} ({})", r.request_id, words::id(&r.requester))))
                .collect();
            Err(Failure::usage(
                format!("{} requests on this case wait for my agency", ids.len()),
                format!("Give --request with one of: {}.", ids.join(", ")),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "agencies/ca-rcmp";

    fn request(id: &str, requester: &str, state: EvidenceRequestState) -> CaseEvidenceRequest {
        CaseEvidenceRequest {
            request_id: id.into(),
            requester: format!("agencies/{requester}"),
            addressee: US.into(),
            state: state.into(),
            ..Default::default()
        }
    }

    fn case(requests: Vec<CaseEvidenceRequest>) -> Case {
        Case {
            evidence_requests: requests,
            ..Default::default()
        }
    }

    #[test]
    fn the_only_open_request_needs_no_id() {
        let mut others = request("cc", "us-dea", EvidenceRequestState::Open);
        others.addressee = "agencies/us-cbp".into();
        let case = case(vec![
            request("aa", "us-dea", EvidenceRequestState::Answered),
            request("bb", "us-dea", EvidenceRequestState::Overdue),
            others,
        ]);
        assert_eq!(asked(&case, US, None, None).unwrap().request_id, "bb");
        // One that was answered can be answered again, by its id.
        assert_eq!(asked(&case, US, Some("a"), None).unwrap().request_id, "aa");
        assert!(asked(&case, US, Some("cc"), None).is_err());
    }

    #[test]
    fn several_open_requests_are_listed_and_none_is_chosen() {
        let case = case(vec![
            request("aa", "us-dea", EvidenceRequestState::Open),
            request("aa", "us-cbp", EvidenceRequestState::Open),
        ]);
        let failure = asked(&case, US, None, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(
            failure.next.contains("aa (us-dea), aa (us-cbp)"),
            "{}",
            failure.next
        );
        let failure = asked(&case, US, Some("aa"), None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        let found = asked(&case, US, Some("aa"), Some("agencies/us-cbp")).unwrap();
        assert_eq!(found.requester, "agencies/us-cbp");
        let failure = asked(&Case::default(), US, None, None).unwrap_err();
        assert_eq!(failure.exit, Exit::NotFound);
    }
}
