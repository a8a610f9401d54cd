//! `casectl amend`, `casectl release` and `casectl retract`: changing one's own case, never by overwriting it.

use std::path::PathBuf;

use casebroker_proto::{
    errors::Reason,
    names::CaseName,
    v1::{self, Amendment, CaseReport, Retraction, Statement, Tlp, statement::Kind},
};
use clap::{ArgGroup, Args};

use crate::{
    Global,
    case::parse_case,
    choice::parse_reader,
    failure::{Exit, Failure, Result},
    input::{Source, decode},
    output::Output,
    stating::{Marking, Shown, current, send, state},
    words,
};

/// Replace the report of one of my agency's cases by a new revision.
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds the whole new revision, not only what changes. If somebody amended the case meanwhile, nothing is recorded and
the exit status is 8.

Examples:
  casectl -o json get us-cbp/2016-0042 | jq .case.report > new.json     then edit it
  casectl amend us-cbp/2016-0042 new.json --reason 'laboratory result: carfentanil'
  casectl amend us-cbp/2016-0042 new.json --expected-revision 1 --reason 'weight corrected'")]
pub struct Amend {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// The new revision: a case in proto JSON. `-` is standard input
    file: PathBuf,
    /// Why
    #[arg(long)]
    reason: String,
    /// Revision that the file was made from [default: the current one]
    #[arg(long, visible_alias = "revision", value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    expected_revision: Option<i32>,
}

/// Take one of my agency's cases back. It stays visible as retracted and counts nowhere.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl retract us-cbp/2016-0042 --reason 'reported twice; see us-cbp/2016-0043'")]
pub struct Retract {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// Why
    #[arg(long)]
    reason: String,
}

/// Show one of my agency's cases to more agencies. The report in force is released, and nothing that was said before.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").args(["to", "tlp"]).required(true).multiple(true)))]
#[command(after_help = "\
Who may see the case now goes on seeing it: what is given is added. To narrow the audience, amend the case.

Examples:
  casectl release us-cbp/2016-0042 --to ca-rcmp --to groups/five-lab-network --reason 'joint operation'
  casectl release us-cbp/2016-0042 --tlp green --reason 'for every member'")]
pub struct Release {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// Agency, or groups/GROUP, to add to the audience; may be given several times
    #[arg(
        long = "to",
        value_name = "AGENCY",
        value_parser = parse_reader
    )]
    to: Vec<String>,
    /// New marking: clear, green, amber, amber-strict, red [default: as it is]; clear and green without --to mean every member
    #[arg(long, value_enum, hide_possible_values = true)]
    tlp: Option<Marking>,
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// Runs `amend`.
pub async fn amend(args: Amend, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let report = read_report(&Source::new(&args.file), &args.case)?;
    let client = global.connect()?;
    let expected_revision = match args.expected_revision {
        Some(revision) => revision,
        None => current(&client, &args.case).await?.revision,
    };
    let kind = Kind::Amendment(Amendment {
        report: Some(report),
        expected_revision,
        reason: args.reason,
    });
    let statement = Statement {
        case: args.case.to_string(),
        kind: Some(kind),
        ..Default::default()
    };
    let what = format!(
        "amended, revision {} now",
        expected_revision.saturating_add(1)
    );
    send(&client, statement, &what, out)
        .await
        .map_err(|failure| outdated(failure, &args.case, expected_revision))
}

/// Runs `retract`.
pub async fn retract(args: Retract, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    // Whoever may see the case may see that it was taken back.
    let case = current(&client, &args.case).await?;
    let kind = Kind::Retraction(Retraction {
        reason: args.reason,
    });
    state(&client, &case, Shown::default(), kind, "retracted", out).await
}

/// Runs `release`.
pub async fn release(args: Release, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    let mut handling = current(&client, &args.case)
        .await?
        .handling
        .unwrap_or_default();
    if args.tlp.is_none() && handling.audience.is_empty() {
        return Err(Failure::new(
            Exit::Conflict,
            format!(
                "every member may see {} already ({})",
                words::short_case(&args.case.to_string()),
                words::handling(Some(&handling))
            ),
            "Nothing was sent. To show it to fewer, amend the case.",
        ));
    }
    if let Some(marking) = args.tlp {
        let tlp = Tlp::from(marking);
        handling.set_tlp(tlp);
        if args.to.is_empty() && matches!(tlp, Tlp::Clear | Tlp::Green) {
            handling.audience.clear();
        }
    }
    for name in args.to {
        if !handling.audience.contains(&name) {
            handling.audience.push(name);
        }
    }
    let what = format!("released: {}", words::handling(Some(&handling)));
    let statement = Statement {
        case: args.case.to_string(),
        kind: Some(Kind::Release(v1::Release {
            handling: Some(handling),
            reason: args.reason,
        })),
        ..Default::default()
    };
    send(&client, statement, &what, out).await
}

/// A conflict of revisions, with what to do about it in the words of the command line.
fn outdated(failure: Failure, case: &CaseName, expected: i32) -> Failure {
    let reason = failure.reason.as_deref().and_then(Reason::find);
    if reason != Some(Reason::RevisionConflict) {
        return failure;
    }
    let short = words::short_case(&case.to_string());
    Failure {
        what: format!("{short} was amended meanwhile: {}", failure.what).into(),
        next: format!(
            "Nothing was recorded. See what changed since revision {expected} (`casectl history {short}`), apply your change to \
             the current revision (`casectl -o json get {short} | jq .case.report`) and amend again."
        )
        .into(),
        ..failure
    }
}

/// The one case in a file, bare or as the report of a statement.
fn read_report(source: &Source, name: &CaseName) -> Result<CaseReport> {
    let invalid = |line: u64, what: &str| {
        Failure::new(
            Exit::Invalid,
            format!("{}:{line}: {what}", source.name()),
            "The file must hold one whole case in proto JSON; `casectl -o json get CASE | jq .case.report` gives the current one.",
        )
    };
    let mut values = source.values()?;
    let mut next = || match values.next() {
        Some(Ok(Ok(raw))) => Ok(Some(raw)),
        Some(Ok(Err(problem))) => Err(invalid(problem.line, &problem.what)),
        Some(Err(e)) => Err(Failure::file(source.name(), &e)),
        None => Ok(None),
    };
    let raw = next()?.ok_or_else(|| invalid(1, "the file holds no case"))?;
    if let Some(second) = next()? {
        return Err(invalid(second.line, "a second case begins here"));
    }
    let parsed = decode(&raw).map_err(|problem| invalid(problem.line, &problem.what))?;
    let report = match parsed.statement.kind {
        Some(Kind::Report(report)) => report.report,
        Some(Kind::Amendment(amendment)) => amendment.report,
        _ => None,
    };
    let report = report.ok_or_else(|| invalid(raw.line, "this is a statement without a case"))?;
    if report.name != name.to_string() {
        let what = format!("this is case {}, not {name}", report.name);
        return Err(invalid(raw.line, &what));
    }
    Ok(report)
}
