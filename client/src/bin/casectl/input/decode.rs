//! From a value's text to a statement, with what is wrong by line and field.

use std::fmt;

use casebroker_proto::{
    errors::Violation,
    json::{self, JsonError},
    v1::{CaseReport, Report, Statement, statement::Kind},
};
use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{Problem, RawValue};

/// A statement as the file gives it.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The statement; request id and time as in the file, so perhaps empty.
    pub statement: Statement,
    /// The file holds the case alone, and field paths are to be given from there.
    pub bare: bool,
}

impl Parsed {
    /// A violation's path as the file's reader knows it.
    pub fn localise(&self, mut violations: Vec<Violation>) -> Vec<Violation> {
        if self.bare {
            for violation in &mut violations {
                let field = match violation.field.strip_prefix("report.report") {
                    Some(rest) => rest.trim_start_matches('.').to_owned(),
                    None if violation.field == "case" => "name".into(),
                    None => continue,
                };
                violation.field = field;
            }
            // The name stands in the statement too, where it is wrong for the same reason.
            let mut seen_name = false;
            violations.retain(|v| v.field != "name" || !std::mem::replace(&mut seen_name, true));
        }
        violations
    }
}

/// Reads a statement, or a bare case, which becomes a report.
pub fn decode(raw: &RawValue) -> Result<Parsed, Problem> {
    let keys = TopKeys::of(&raw.text);
    let bare = keys.name && !keys.case;
    let decoded = if bare {
        json::from_str::<CaseReport>("casebroker.v1.CaseReport", &raw.text).map(|report| {
            Statement {
                case: report.name.clone(),
                kind: Some(Kind::Report(Report {
                    report: Some(report),
                })),
                ..Default::default()
            }
        })
    } else {
        json::from_str::<Statement>("casebroker.v1.Statement", &raw.text)
    };
    match decoded {
        Ok(statement) => Ok(Parsed { statement, bare }),
        Err(error) => Err(problem(raw, &error)),
    }
}

/// The parser counts lines within the value; here they are made those of the file.
fn problem(raw: &RawValue, error: &JsonError) -> Problem {
    let (path, message) = match error {
        JsonError::Input { path, message } => (path.as_str(), message.as_str()),
        JsonError::Type(_) => ("", "the program lacks the message type"),
    };
    let (what, line) = match split_position(message) {
        Some((what, within)) => (what, raw.line + within.saturating_sub(1)),
        None => (message, raw.line),
    };
    Problem {
        line,
        what: match path {
            "" | "." => what.to_owned(),
            path => format!("{path}: {what}"),
        },
        text: raw.text.clone(),
    }
}

/// Splits `what at line 2 column 33`.
fn split_position(message: &str) -> Option<(&str, u64)> {
    let (what, position) = message.rsplit_once(" at line ")?;
    let (line, _) = position.split_once(" column ")?;
    Some((what, line.parse().ok()?))
}

/// Which of two telling keys the outermost object has: a statement has `case`, a case has `name`.
#[derive(Debug, Default, Clone, Copy)]
struct TopKeys {
    case: bool,
    name: bool,
}

impl TopKeys {
    fn of(text: &str) -> Self {
        // Whatever is broken here is broken for the real parser too, which then says where.
        serde_json::Deserializer::from_str(text)
            .deserialize_map(Self::default())
            .unwrap_or_default()
    }
}

impl<'de> Visitor<'de> for TopKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.case |= key == "case";
            self.name |= key == "name";
            map.next_value::<IgnoredAny>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawValue {
        RawValue {
            line: 10,
            text: text.into(),
        }
    }

    #[test]
    fn a_bare_case_becomes_a_report_and_a_statement_stays_one() {
        let bare = decode(&raw(r#"{"name":"agencies/us-dea/cases/1"}"#)).unwrap();
        assert!(bare.bare && matches!(bare.statement.kind, Some(Kind::Report(_))));
        assert_eq!(bare.statement.case, "agencies/us-dea/cases/1");
        let statement = decode(&raw(
            r#"{"case":"agencies/us-dea/cases/1","retraction":{"reason":"x"}}"#,
        ));
        assert!(!statement.unwrap().bare);
    }

    #[test]
    fn a_problem_is_given_by_line_of_the_file_and_field() {
        let problem =
            decode(&raw("{\"name\":\"x\",\n\"place\":{\n\"contry\":\"US\"}}")).unwrap_err();
        assert_eq!(problem.line, 12);
        assert!(
            problem.what.starts_with("place")
                && problem.what.contains("contry")
                && !problem.what.contains("line"),
            "{}",
            problem.what
        );
    }

    #[test]
    fn paths_of_a_bare_case_begin_at_the_case() {
        let parsed = decode(&raw(r#"{"name":"x"}"#)).unwrap();
        let found = parsed.localise(vec![
            Violation::new("case", "wrong"),
            Violation::new("report.report.name", "wrong"),
            Violation::new("report.report.items[0].form", "wrong"),
        ]);
        let fields: Vec<_> = found.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["name", "items[0].form"]);
    }
}
