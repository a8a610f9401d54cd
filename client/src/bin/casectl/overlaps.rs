//! `casectl overlaps`: other cases that seem to be the same incident, and what their owners say about it.

use casebroker_client::{Client, ClientError};
use casebroker_proto::{
    json,
    names::CaseName,
    v1::{
        FindOverlapsResponse, Overlap, OverlapBasis, OverlapDeclaration, OverlapState,
        OverlapVerdict, statement::Kind,
    },
};
use clap::Args;

use crate::{
    Global,
    case::parse_case,
    failure::{Failure, Result},
    output::{BAD, FAINT, GOOD, HEADING, Output},
    stating::{Shown, current, only, own_agency, state},
    table::{clean, wrap},
    words,
};

/// Width of the ids and labels on the left.
const LEFT: usize = 10;

/// Show which other cases share something with a case, or say of one whether it is the same incident.
#[derive(Debug, Args)]
#[command(after_help = "\
Where the other case is not for my agency, only its agency and the contact are shown. One incident it is, and counts once, when
both owners have declared `same`, each of its own case.

Examples:
  casectl overlaps us-cbp/2016-0042
  casectl overlaps us-cbp/2016-0042 --declare 3fa1b2c4 same --reason 'one parcel, two reports'
  casectl overlaps us-cbp/2016-0042 --declare 3fa1b2c4 withdrawn
  casectl -o json overlaps us-cbp/2016-0042 | jq -r '.overlaps[].otherAgency'")]
pub struct Overlaps {
    /// Name of the case: agencies/AGENCY/cases/CASE, or AGENCY/CASE
    #[arg(value_parser = parse_case, value_name = "CASE")]
    case: CaseName,
    /// Says of an overlap of my agency's case: same, different, or withdrawn to take back what was said
    #[arg(long, num_args = 2, value_names = ["ID", "VERDICT"])]
    declare: Option<Vec<String>>,
    /// Why
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        requires = "declare"
    )]
    reason: String,
    #[command(flatten)]
    shown: Shown,
}

/// Runs the command.
pub async fn run(args: Overlaps, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let declared = match args.declare.as_deref() {
        Some([id, verdict]) => Some((id.clone(), parse_verdict(verdict)?)),
        _ => None,
    };
    let client = global.connect()?;
    let answer = client.find_overlaps(&args.case.to_string()).await?;
    match declared {
        Some((id, verdict)) => declare(args, &id, verdict, &answer, &client, out).await,
        None if out.is_json() => {
            let value = json::to_value("casebroker.v1.FindOverlapsResponse", &answer)
                .map_err(ClientError::from)?;
            out.document(&value)
        }
        None => {
            let own = own_agency(&client).await?;
            print(&args.case, &answer, &own, out)
        }
    }
}

fn parse_verdict(text: &str) -> Result<OverlapVerdict> {
    match text {
        "same" => Ok(OverlapVerdict::Same),
        "different" => Ok(OverlapVerdict::Different),
        "withdrawn" => Ok(OverlapVerdict::Withdrawn),
        _ => Err(Failure::usage(
            format!("`{text}` is no verdict on an overlap"),
            "Write --declare ID same, different or withdrawn.",
        )),
    }
}

async fn declare(
    args: Overlaps,
    id: &str,
    verdict: OverlapVerdict,
    answer: &FindOverlapsResponse,
    client: &Client,
    out: &mut Output,
) -> Result<()> {
    let case = current(client, &args.case).await?;
    // Beyond those listed, an id must be given whole.
    let is_whole = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let overlap = match only(id, "overlap", &answer.overlaps, |overlap| &overlap.id) {
        Ok(overlap) => overlap.id.clone(),
        Err(_) if answer.truncated && is_whole => id.to_ascii_lowercase(),
        Err(failure) => return Err(failure),
    };
    let what = format!(
        "overlap {}: {}",
        words::short_id(&overlap),
        words::verdict(verdict.into())
    );
    let kind = Kind::OverlapDeclaration(OverlapDeclaration {
        overlap,
        verdict: verdict.into(),
        reason: args.reason,
    });
    state(client, &case, args.shown, kind, &what, out).await
}

fn print(
    case: &CaseName,
    answer: &FindOverlapsResponse,
    own: &str,
    out: &mut Output,
) -> Result<()> {
    if answer.overlaps.is_empty() {
        return out.line("no overlaps");
    }
    for (i, overlap) in answer.overlaps.iter().enumerate() {
        if i > 0 {
            out.line("")?;
        }
        one(case, overlap, own, out)?;
    }
    if answer.truncated {
        out.note("there are more than are shown");
    }
    Ok(())
}

fn one(case: &CaseName, overlap: &Overlap, own: &str, out: &mut Output) -> Result<()> {
    let with = match overlap.other_case.as_str() {
        "" => format!(
            "a case of {} that is not for my agency",
            words::id(&overlap.other_agency)
        ),
        name => words::short_case(name),
    };
    let state = words::overlap_state(overlap.state);
    let state = match overlap.state() {
        OverlapState::Open => out.paint(BAD, &state),
        OverlapState::SameIncident => out.paint(GOOD, &state),
        _ => state,
    };
    let id = clean(words::short_id(&overlap.id));
    let id = out.paint(HEADING, format!("{id:LEFT$}"));
    out.line(format_args!("{id}{}: {state}", clean(&with)))?;
    for (i, found) in overlap.matches.iter().enumerate() {
        let label = if i == 0 { "shares" } else { "" };
        let basis = words::overlap_basis(found.basis);
        let value = match (found.basis(), found.value.get(..12)) {
            // `-o json` has it whole.
            (OverlapBasis::EvidenceDigest, Some(beginning)) => format!("{beginning}…"),
            _ => found.value.clone(),
        };
        field(label, &format!("{basis} {value}"), out)?;
    }
    let contact = match overlap.other_contact.as_str() {
        "" => words::NOT_KNOWN,
        contact => contact,
    };
    let contact = format!("{}: {contact}", words::id(&overlap.other_agency));
    field("contact", &contact, out)?;
    let owner = case.agency().id();
    let said = |verdict: i32| match words::verdict(verdict).as_str() {
        "" => "nothing yet".to_owned(),
        word => word.to_owned(),
    };
    let verdicts = format!(
        "{owner}: {}; {}: {}",
        said(overlap.own_verdict),
        words::id(&overlap.other_agency),
        said(overlap.other_verdict)
    );
    field("said", &verdicts, out)?;
    field("next", &next(case, overlap, own), out)
}

/// What to do next, in words.
fn next(case: &CaseName, overlap: &Overlap, own: &str) -> String {
    let id = words::short_id(&overlap.id);
    let short = words::short_case(&case.to_string());
    let other = words::id(&overlap.other_agency);
    let declare = format!("casectl overlaps {short} --declare {id}");
    let is_ours = case.agency().to_string() == own;
    match (overlap.state(), overlap.own_verdict()) {
        (OverlapState::Retracted, _) => "nothing: one of the two cases was retracted".into(),
        _ if !is_ours => format!("{} and {other} are to say what it is", case.agency().id()),
        (OverlapState::SameIncident, _) => {
            format!("nothing: both count once; to take that back: {declare} withdrawn")
        }
        (OverlapState::Different, OverlapVerdict::Different) => {
            format!("nothing: both count; to take that back: {declare} withdrawn")
        }
        (OverlapState::Different, _) => {
            format!(
                "{other} says that they are two incidents; if you see it otherwise, contact {other}"
            )
        }
        (_, OverlapVerdict::Same) => {
            format!("{other} is to say the same of its case; contact {other}")
        }
        _ => format!("compare with {other}, then: {declare} same, or different"),
    }
}

fn field(label: &str, text: &str, out: &mut Output) -> Result<()> {
    let width = out.width.unwrap_or(100).min(100);
    for (i, line) in wrap(text, width.saturating_sub(2 * LEFT))
        .iter()
        .enumerate()
    {
        let label = if i == 0 { label } else { "" };
        let label = out.paint(FAINT, format!("{label:LEFT$}"));
        out.line(format_args!("{:LEFT$}{label}{line}", ""))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::OverlapMatch;

    use super::*;
    use crate::failure::Exit;

    fn overlap(state: OverlapState, own: OverlapVerdict) -> Overlap {
        Overlap {
            id: "3fa1b2c4d5e6f7081920a1b2c3d4e5f6".into(),
            case: "agencies/us-cbp/cases/2016-0042".into(),
            other_case: String::new(),
            other_agency: "agencies/us-dea".into(),
            other_contact: "Liaison desk, desk@dea.example".into(),
            matches: vec![
                OverlapMatch {
                    basis: OverlapBasis::TrackingNumber.into(),
                    value: "CP42CN\u{1b}[2J".into(),
                },
                OverlapMatch {
                    basis: OverlapBasis::EvidenceDigest.into(),
                    value: "ab".repeat(32),
                },
                OverlapMatch {
                    basis: OverlapBasis::Circumstances.into(),
                    value: "2016-06-27, CA-BC, carfentanil, 1.0 kg".into(),
                },
            ],
            state: state.into(),
            own_verdict: own.into(),
            other_verdict: 0,
        }
    }

    #[test]
    fn an_overlap_says_with_whom_what_is_shared_and_what_to_do() {
        let case: CaseName = "agencies/us-cbp/cases/2016-0042".parse().unwrap();
        let mut out = Output::kept(80);
        let answer = FindOverlapsResponse {
            overlaps: vec![overlap(OverlapState::Open, OverlapVerdict::Unspecified)],
            ..Default::default()
        };
        print(&case, &answer, "agencies/us-cbp", &mut out).unwrap();
        assert_eq!(
            out.text(),
            "3fa1b2c4  a case of us-dea that is not for my agency: open\n\
             \u{20}         shares    tracking number CP42CN\u{fffd}[2J\n\
             \u{20}                   evidence digest abababababab…\n\
             \u{20}                   circumstances 2016-06-27, CA-BC, carfentanil, 1.0 kg\n\
             \u{20}         contact   us-dea: Liaison desk, desk@dea.example\n\
             \u{20}         said      us-cbp: nothing yet; us-dea: nothing yet\n\
             \u{20}         next      compare with us-dea, then: casectl overlaps us-cbp/2016-0042\n\
             \u{20}                   --declare 3fa1b2c4 same, or different\n"
        );
    }

    #[test]
    fn what_to_do_next_follows_from_what_was_said() {
        let case: CaseName = "agencies/us-cbp/cases/1".parse().unwrap();
        let said = |state, own_verdict, own| next(&case, &overlap(state, own_verdict), own);
        let ours = "agencies/us-cbp";
        for (state, verdict, own, expected) in [
            (
                OverlapState::Open,
                OverlapVerdict::Same,
                ours,
                "us-dea is to say the same",
            ),
            (
                OverlapState::Open,
                OverlapVerdict::Withdrawn,
                ours,
                "compare with us-dea",
            ),
            (
                OverlapState::SameIncident,
                OverlapVerdict::Same,
                ours,
                "both count once",
            ),
            (
                OverlapState::Different,
                OverlapVerdict::Different,
                ours,
                "both count;",
            ),
            (
                OverlapState::Different,
                OverlapVerdict::Unspecified,
                ours,
                "us-dea says",
            ),
            (
                OverlapState::Retracted,
                OverlapVerdict::Same,
                ours,
                "was retracted",
            ),
            (
                OverlapState::Open,
                OverlapVerdict::Same,
                "agencies/ca-rcmp",
                "us-cbp and us-dea",
            ),
        ] {
            let text = said(state, verdict, own);
            assert!(text.contains(expected), "{state:?} {verdict:?}: {text}");
        }
    }

    #[test]
    fn a_verdict_is_one_of_three_words() {
        assert_eq!(parse_verdict("same").unwrap(), OverlapVerdict::Same);
        assert_eq!(parse_verdict("SAME").unwrap_err().exit, Exit::Usage);
    }
}
