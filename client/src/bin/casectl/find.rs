//! `casectl find`: a laboratory result that arrives after the report.

use std::path::PathBuf;

use casebroker_proto::{
    google::r#type::Date,
    names::CaseName,
    v1::{
        Case, EvidenceReference, Finding, FindingResult, ItemFinding, LaboratoryFinding,
        SubstanceIdentity, statement::Kind,
    },
};
use clap::{ArgGroup, Args};

use crate::{
    Global,
    case::parse_case,
    choice::{choice, parse_date, parse_substance},
    failure::Result,
    given,
    output::Output,
    requests::asked,
    stating::{Shown, current, own_agency, state},
};

/// Add a laboratory result to a case of my agency, or to one whose owner asked my agency for it.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("given").args(["item", "file"]).required(true)),
    group(ArgGroup::new("result").args(["identified", "not_detected", "inconclusive"]))
)]
#[command(after_help = "\
A case is confirmed by a finding with enough techniques whose laboratory report is listed as evidence: `casectl get CASE` says
what is missing. The finding rests on all evidence given here. More than one finding goes into a file.

Examples:
  casectl evidence hash --kind lab-report --custodian 'Drug Analysis Service' report.pdf > report.json
  casectl find ca-rcmp/2016-0627 --item 1 --laboratory 'Drug Analysis Service' --accreditation iso-17025 \\
      --report-number 2016-1234 --technique mass-spectrometry --technique gas-chromatography \\
      --identified carfentanil --evidence report.json
  casectl find us-cbp/2019-0815 --item 1 --laboratory 'Navy laboratory' --accreditation none --report-number 7 \\
      --technique infrared-spectroscopy --technique gas-chromatography --not-detected fentanyl --evidence report.json
  casectl -o json template finding | jq .finding > finding.json     then edit it
  casectl find ca-rcmp/2016-0627 -f finding.json")]
pub struct Find {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// Number of the item, counted from 1
    #[arg(long, value_name = "N", requires_all = ["laboratory", "accreditation", "report_number", "techniques", "result"],
        value_parser = clap::value_parser!(i32).range(1..))]
    item: Option<i32>,
    /// Name of the laboratory
    #[arg(long, value_name = "NAME", requires = "item")]
    laboratory: Option<String>,
    /// Its accreditation
    #[arg(long, requires = "item", value_parser = choice("casebroker.v1.Accreditation"))]
    accreditation: Option<i32>,
    /// Number of its report
    #[arg(long, value_name = "NUMBER", requires = "item")]
    report_number: Option<String>,
    /// Date of its report: YYYY-MM-DD, YYYY-MM or YYYY
    #[arg(long, value_name = "DATE", requires = "item", value_parser = parse_date)]
    report_date: Option<Date>,
    /// Technique used; may be given several times
    #[arg(long = "technique", value_name = "TECHNIQUE", requires = "item", value_parser = choice("casebroker.v1.Technique"))]
    techniques: Vec<i32>,
    /// Identified: a catalogue id, CAS number, InChIKey or name
    #[arg(long, value_name = "SUBSTANCE", requires = "item", value_parser = parse_substance)]
    identified: Option<SubstanceIdentity>,
    /// Looked for and not found
    #[arg(long, value_name = "SUBSTANCE", requires = "item", value_parser = parse_substance)]
    not_detected: Option<SubstanceIdentity>,
    /// Neither
    #[arg(long, requires = "item")]
    inconclusive: bool,
    /// Purity found, percent by mass, such as 87.5
    #[arg(long, value_name = "PERCENT", requires = "item")]
    purity: Option<String>,
    /// File with evidence references: the laboratory's report; may be given several times
    #[arg(long, value_name = "FILE", requires = "item")]
    evidence: Vec<PathBuf>,
    /// Id of the owner's request that this answers, or its beginning; only for a case of another agency
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// A whole finding in proto JSON. `-` is standard input
    #[arg(short, long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

/// Runs the command.
pub async fn run(args: Find, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let mut finding = match &args.file {
        Some(file) => given::message(file, "casebroker.v1.Finding")?,
        None => from_options(&args, given::evidence(&args.evidence)?),
    };
    let client = global.connect()?;
    let case = current(&client, &args.case).await?;
    let own = own_agency(&client).await?;
    if let Some(request) = answered(&case, &own, args.request.as_deref(), &finding)? {
        finding.evidence_request = request;
    }
    let what = match finding.findings.len() {
        1 => "finding added".to_owned(),
        many => format!("{many} findings added"),
    };
    let kind = Kind::Finding(finding);
    state(&client, &case, args.shown, kind, &what, out).await
}

/// Id of the owner's request that the finding answers, unless the finding is the owner's or names one itself.
fn answered(
    case: &Case,
    own: &str,
    given: Option<&str>,
    finding: &Finding,
) -> Result<Option<String>> {
    let is_owners = case.owner == own;
    if given.is_none() && (is_owners || !finding.evidence_request.is_empty()) {
        return Ok(None);
    }
    let request = asked(case, own, given, Some(&case.owner))?;
    Ok(Some(request.request_id))
}

fn from_options(args: &Find, evidence: Vec<EvidenceReference>) -> Finding {
    let (result, substance) = match (&args.identified, &args.not_detected) {
        (Some(substance), _) => (FindingResult::Identified, Some(substance)),
        (None, Some(substance)) => (FindingResult::NotDetected, Some(substance)),
        (None, None) => (FindingResult::Inconclusive, None),
    };
    let finding = LaboratoryFinding {
        laboratory: args.laboratory.clone().unwrap_or_default(),
        accreditation: args.accreditation.unwrap_or_default(),
        report_number: args.report_number.clone().unwrap_or_default(),
        report_date: args.report_date,
        techniques: args.techniques.clone(),
        result: result.into(),
        substance: substance.cloned(),
        purity_percent: args.purity.clone().unwrap_or_default(),
        evidence_ids: evidence.iter().map(|e| e.id.clone()).collect(),
    };
    Finding {
        findings: vec![ItemFinding {
            item: args.item.unwrap_or_default(),
            finding: Some(finding),
        }],
        evidence,
        evidence_request: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::{CaseEvidenceRequest, EvidenceRequestState};

    use super::*;

    #[test]
    fn the_owner_needs_no_request_and_a_laboratory_answers_the_owners() {
        let request = |id: &str, requester: &str| CaseEvidenceRequest {
            request_id: id.into(),
            requester: requester.into(),
            addressee: "agencies/lab".into(),
            state: EvidenceRequestState::Open.into(),
            ..Default::default()
        };
        let case = Case {
            owner: "agencies/us-dea".into(),
            evidence_requests: vec![
                request("aa", "agencies/us-cbp"),
                request("bb", "agencies/us-dea"),
            ],
            ..Default::default()
        };
        let none = Finding::default();
        let own = |agency| answered(&case, agency, None, &none);
        assert_eq!(own("agencies/us-dea").unwrap(), None);
        assert_eq!(own("agencies/lab").unwrap(), Some("bb".into()));
        assert!(own("agencies/us-cbp").is_err());
        let names_one = Finding {
            evidence_request: "cc".into(),
            ..Default::default()
        };
        assert_eq!(
            answered(&case, "agencies/lab", None, &names_one).unwrap(),
            None
        );
    }
}
