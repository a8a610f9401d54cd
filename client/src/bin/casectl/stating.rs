//! Stating something about a case: who may see it, sending it, and saying that it was recorded.

use casebroker_client::{Client, ClientError, Recorded};
use casebroker_proto::{
    names::CaseName,
    v1::{Case, Handling, Statement, Tlp, statement::Kind},
};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::{
    choice::parse_reader,
    failure::{Exit, Failure, Result},
    output::{GOOD, Output},
    table::clean,
    words,
};

/// A marking on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Marking {
    Clear,
    Green,
    Amber,
    AmberStrict,
    Red,
}

/// Who may see a statement about a case.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Who may see it [default: whoever may see the case]")]
pub struct Shown {
    /// Agency, or groups/GROUP, that may see it, in place of the case's audience; may be given several times
    #[arg(long = "to", value_name = "AGENCY", value_parser = parse_reader)]
    to: Vec<String>,
    /// Its marking, in place of the case's: clear, green, amber, amber-strict, red
    #[arg(long, value_enum, hide_possible_values = true)]
    tlp: Option<Marking>,
}

impl From<Marking> for Tlp {
    fn from(marking: Marking) -> Self {
        match marking {
            Marking::Clear => Self::Clear,
            Marking::Green => Self::Green,
            Marking::Amber => Self::Amber,
            Marking::AmberStrict => Self::AmberStrict,
            Marking::Red => Self::Red,
        }
    }
}

impl Shown {
    /// The case's handling in force, with what the command line says over it.
    pub fn handling(self, case: &Case) -> Option<Handling> {
        let mut handling = case.handling.clone()?;
        if let Some(marking) = self.tlp {
            handling.set_tlp(marking.into());
        }
        if !self.to.is_empty() {
            handling.audience = self.to;
            handling.audience.dedup();
        }
        Some(handling)
    }
}

/// The case as it stands.
pub async fn current(client: &Client, name: &CaseName) -> Result<Case> {
    let answer = client.get_case(&name.to_string()).await?;
    answer
        .case
        .ok_or_else(|| ClientError::Answer("no case").into())
}

/// This agency, `agencies/{agency}`, by the certificate that the broker sees.
pub async fn own_agency(client: &Client) -> Result<String> {
    Ok(client.caller().await?.agency)
}

/// Says something about a case to whoever may see the case, unless the command line says otherwise.
pub async fn state(
    client: &Client,
    case: &Case,
    shown: Shown,
    kind: Kind,
    what: &str,
    out: &mut Output,
) -> Result<()> {
    let statement = Statement {
        case: case.name.clone(),
        handling: shown.handling(case),
        kind: Some(kind),
        ..Default::default()
    };
    send(client, statement, what, out).await
}

/// Sends a statement and says that it was recorded.
pub async fn send(
    client: &Client,
    statement: Statement,
    what: &str,
    out: &mut Output,
) -> Result<()> {
    let prepared = client.prepare(statement)?;
    let recorded = client.send(&prepared).await?;
    tell(&prepared.case, what, &prepared.request_id, &recorded, out)
}

fn tell(
    case: &str,
    what: &str,
    request_id: &str,
    recorded: &Recorded,
    out: &mut Output,
) -> Result<()> {
    if out.is_json() {
        return out.document(&json!({
            "case": case,
            "requestId": request_id,
            "position": recorded.position.to_string(),
            "recordTime": recorded.record_time.as_ref().map(words::rfc3339),
            "replayed": recorded.replayed,
            "verified": recorded.verified,
            "receipt": recorded.receipt,
        }));
    }
    let what = out.paint(GOOD, what);
    out.line(format_args!(
        "{} {what} (position {}, request {})",
        words::short_case(case),
        recorded.position,
        words::short_id(request_id)
    ))
}

/// The one of some ids that is meant: the whole id, or a beginning of it that no other has.
pub fn only<'a, T>(
    given: &str,
    what: &str,
    among: &'a [T],
    id: impl Fn(&T) -> &str,
) -> Result<&'a T> {
    let given = given.to_ascii_lowercase();
    let found: Vec<_> = among
        .iter()
        .filter(|one| id(one).starts_with(&given) && !given.is_empty())
        .collect();
    let mut whole = found.iter().filter(|one| id(one) == given);
    if let (Some(one), None) = (whole.next(), whole.next()) {
        return Ok(one);
    }
    let list = |some: &[&T]| {
        let ids: Vec<_> = some.iter().map(|one| clean(id(one))).collect();
        ids.join(", ")
    };
    match found.as_slice() {
        [one] => Ok(one),
        [] if among.is_empty() => Err(Failure::new(
            Exit::NotFound,
            format!("there is no {what} on this case"),
            "`casectl get CASE` shows what there is.",
        )),
        [] => Err(Failure::new(
            Exit::NotFound,
            format!("no {what} has the id `{given}`"),
            format!("There are: {}.", list(&among.iter().collect::<Vec<_>>())),
        )),
        several => Err(Failure::usage(
            format!("`{given}` is the beginning of {} ids", several.len()),
            format!("Give one of: {}.", list(several)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_shown_to_whoever_may_see_the_case_unless_told_otherwise() {
        let case = Case {
            handling: Some(Handling {
                tlp: Tlp::Amber.into(),
                audience: vec!["agencies/us-cbp".into(), "groups/labs".into()],
                caveats: vec!["not in court".into()],
                no_deconfliction: true,
            }),
            ..Default::default()
        };
        assert_eq!(Shown::default().handling(&case), case.handling);
        let shown = Shown {
            to: vec!["agencies/us-cbp".into()],
            tlp: Some(Marking::Red),
        };
        let handling = shown.handling(&case).unwrap();
        assert_eq!(handling.audience, ["agencies/us-cbp"]);
        assert_eq!(handling.tlp(), Tlp::Red);
        assert_eq!(handling.caveats, ["not in court"]);
    }

    #[test]
    fn an_id_is_found_by_its_beginning_if_no_other_begins_so() {
        let ids = ["1b9d6bcd-1".to_owned(), "1b9d0000-2".to_owned()];
        let find = |given| only(given, "request", &ids, |id| id.as_str());
        assert_eq!(find("1B9D6").unwrap(), &ids[0]);
        assert_eq!(find("1b9d").unwrap_err().exit, Exit::Usage);
        assert_eq!(find("").unwrap_err().exit, Exit::NotFound);
        let missing = find("77").unwrap_err();
        assert!(missing.exit == Exit::NotFound && missing.next.contains("1b9d0000-2"));
    }

    #[test]
    fn a_whole_id_is_taken_also_where_it_begins_another() {
        let ids = ["aa".to_owned(), "aab".to_owned()];
        assert_eq!(only("aa", "request", &ids, |id| id.as_str()).unwrap(), "aa");
    }
}
