//! `casectl template`: an example statement to fill in, with comments that `validate` and `submit` leave out.

use clap::{Args, ValueEnum};

use crate::{failure::Result, output::Output};

/// Print a commented example of a statement, to fill in and submit.
#[derive(Debug, Args)]
#[command(after_help = "\
The `//` lines are comments; `validate` and `submit` leave them out. With -o json they are left out here. Request id and time
may be left out: `submit` makes them.

Examples:
  casectl template > case.json
  casectl template retraction
  casectl validate case.json          names what is still to be filled in")]
pub struct Template {
    /// Kind of statement
    #[arg(default_value = "report")]
    kind: Kind,
}

/// The kinds of statement.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Report,
    Amendment,
    Corroboration,
    EvidenceRequest,
    EvidenceResponse,
    Dispute,
    Finding,
    Release,
    Retraction,
    OverlapDeclaration,
}

impl Kind {
    fn text(self) -> String {
        let report = include_str!("templates/report.json");
        match self {
            Self::Report => report.to_owned(),
            Self::Amendment => {
                // The new revision is a whole case, one level deeper.
                let case: Vec<_> = report
                    .lines()
                    .filter(|line| !line.starts_with("//"))
                    .collect();
                let case = case.join("\n    ");
                include_str!("templates/amendment.json").replace("\"CASE\"", &case)
            }
            Self::Corroboration => include_str!("templates/corroboration.json").to_owned(),
            Self::EvidenceRequest => include_str!("templates/evidence_request.json").to_owned(),
            Self::EvidenceResponse => include_str!("templates/evidence_response.json").to_owned(),
            Self::Dispute => include_str!("templates/dispute.json").to_owned(),
            Self::Finding => include_str!("templates/finding.json").to_owned(),
            Self::Release => include_str!("templates/release.json").to_owned(),
            Self::Retraction => include_str!("templates/retraction.json").to_owned(),
            Self::OverlapDeclaration => {
                include_str!("templates/overlap_declaration.json").to_owned()
            }
        }
    }
}

/// Runs the command.
pub fn run(args: Template, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let text = args.kind.text();
    if !out.is_json() {
        return out.raw(&text);
    }
    let plain: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let value = serde_json::from_str(&plain.join("\n"))
        .map_err(|e| crate::failure::Failure::file("template", &e.into()))?;
    out.document(&value)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::input::{Values, decode};

    #[test]
    fn every_template_is_read_and_only_its_placeholders_are_wrong() {
        for kind in Kind::value_variants() {
            let text = kind.text();
            let values: Vec<_> = Values::new(text.as_bytes(), false).collect();
            assert_eq!(values.len(), 1, "{kind:?}");
            let raw = values.into_iter().next().unwrap().unwrap().unwrap();
            let parsed = decode(&raw).unwrap_or_else(|p| panic!("{kind:?}: {p:?}"));
            let now = SystemTime::now();
            let mut statement = parsed.statement.clone();
            statement.request_id = uuid::Uuid::new_v4().to_string();
            statement.make_time = Some(now.into());
            let found = parsed.localise(casebroker_client::check(&statement, now));
            for violation in &found {
                let field = violation.field.rsplit('.').next().unwrap_or_default();
                assert!(
                    [
                        "name",
                        "case",
                        "value",
                        "addressee",
                        "evidence_request",
                        "own_case",
                        "overlap",
                        "requester"
                    ]
                    .contains(&field)
                        || field.starts_with("audience"),
                    "{kind:?}: {violation:?}"
                );
            }
        }
    }
}
