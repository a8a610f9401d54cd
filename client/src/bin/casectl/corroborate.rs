//! `casectl corroborate`: what an agency holds of somebody else's case.

use std::path::PathBuf;

use casebroker_proto::{
    names::CaseName,
    v1::{Attribution, Corroboration, EvidenceReference, Location, Route, statement::Kind},
};
use clap::{ArgGroup, Args};

use crate::{
    Global,
    case::parse_case,
    choice::choice,
    failure::Result,
    given,
    output::Output,
    stating::{Shown, current, state},
};

/// Add what my agency holds to somebody else's case. It changes nothing in that case and stands beside it.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["note", "file"]).required(true)))]
#[command(after_help = "\
Evidence is what `casectl evidence hash` prints. A country of origin other than the report's stands beside it: the case is then
contested. Findings, or more of the route, go into a file.

Examples:
  casectl evidence hash --kind financial-record --custodian 'Unit 4' payments.pdf > payments.json
  casectl corroborate us-cbp/2016-0042 --note 'The sender was paid from our country.' --evidence payments.json
  casectl corroborate us-cbp/2016-0042 --note 'Made elsewhere.' --origin MX --basis financial-trail \\
      --evidence payments.json --evidence-id payments
  casectl -o json template corroboration | jq .corroboration > ours.json     then edit it
  casectl corroborate us-cbp/2016-0042 -f ours.json")]
pub struct Corroborate {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// What my agency knows of the incident
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// My agency's own case about the same incident
    #[arg(long, value_name = "CASE", value_parser = parse_case)]
    own_case: Option<CaseName>,
    /// File with evidence references; may be given several times
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    /// Country of origin by what my agency holds, such as CN
    #[arg(long, value_name = "COUNTRY", requires = "basis")]
    origin: Option<String>,
    /// On what the origin rests, such as shipping-document
    #[arg(long, requires = "origin", value_parser = choice("casebroker.v1.AttributionBasis"))]
    basis: Option<i32>,
    /// Id of evidence given here that shows the origin; may be given several times
    #[arg(long = "evidence-id", value_name = "ID", requires = "origin")]
    evidence_ids: Vec<String>,
    /// A whole corroboration in proto JSON. `-` is standard input
    #[arg(
        short,
        long,
        conflicts_with_all = ["own_case", "evidence", "origin"]
    )]
    file: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

/// Runs the command.
pub async fn run(args: Corroborate, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let corroboration = match &args.file {
        Some(file) => given::message(file, "casebroker.v1.Corroboration")?,
        None => from_options(&args, given::evidence(&args.evidence)?),
    };
    let client = global.connect()?;
    let case = current(&client, &args.case).await?;
    let kind = Kind::Corroboration(corroboration);
    state(&client, &case, args.shown, kind, "corroborated", out).await
}

fn from_options(args: &Corroborate, evidence: Vec<EvidenceReference>) -> Corroboration {
    let origin = args.origin.as_ref().map(|country| Location {
        country: country.clone(),
        attributions: vec![Attribution {
            basis: args.basis.unwrap_or_default(),
            evidence_ids: args.evidence_ids.clone(),
            note: String::new(),
        }],
        ..Default::default()
    });
    Corroboration {
        note: args.note.clone().unwrap_or_default(),
        own_case: args
            .own_case
            .as_ref()
            .map(CaseName::to_string)
            .unwrap_or_default(),
        evidence,
        findings: Vec::new(),
        route: origin.map(|origin| Route {
            origin: Some(origin),
            ..Default::default()
        }),
    }
}
