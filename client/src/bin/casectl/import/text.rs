//! Text with cells in it, and ids of cases made of it.

use aws_lc_rs::digest::{SHA256, digest};
use casebroker_proto::google::r#type::Date;

use super::plan::{Columns, View};
use crate::words;

/// Longest id of a case.
const MAX_ID: usize = 63;
/// Hexadecimal digits that stand for the rest of what is too long.
const DIGEST_DIGITS: usize = 12;

/// Text with cells in it: `{Column}`, or one of the words that begin with `@`.
#[derive(Debug, Clone)]
pub struct Template {
    /// As it was written.
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    /// A cell.
    Cell(usize),
    /// `{@line}`: the row's line in the file.
    Line,
    /// `{@date}`: the incident date, as far as it is known.
    Date,
    /// `{@digest}`: twelve hexadecimal digits that depend on every cell of the row.
    Digest,
}

impl Template {
    /// Reads a template; its columns are noted in `columns`.
    pub fn parse(text: &str, columns: &mut Columns) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let (name, after) = after
                    .split_once('}')
                    .ok_or("`{` without `}`; write `{{` for the brace itself")?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(match name {
                    "@line" => Part::Line,
                    "@date" => Part::Date,
                    "@digest" => Part::Digest,
                    name if name.starts_with('@') => {
                        return Err(format!("`{{{name}}}` is unknown: there are {{@line}}, {{@date}}, {{@digest}} and columns"));
                    }
                    name => Part::Cell(columns.take(name)),
                });
                rest = after;
            } else if c == '}' {
                return Err("`}` without `{`; write `}}` for the brace itself".into());
            } else {
                literal.push(c);
                rest = rest.strip_prefix(c).unwrap_or_default();
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self {
            text: text.into(),
            parts,
        })
    }

    /// Whether every row has the same text.
    pub fn is_constant(&self) -> bool {
        self.parts
            .iter()
            .all(|part| matches!(part, Part::Literal(_)))
    }

    /// The text for a row.
    pub fn fill(&self, view: &View<'_>, date: Option<&Date>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Cell(column) => text.push_str(view.text(*column)),
                Part::Line => text.push_str(&view.row.line.to_string()),
                Part::Date => text.push_str(&words::date(date)),
                Part::Digest => {
                    text.push_str(&short_digest(view.row.cells.iter().map(|c| c.text.trim())))
                }
            }
        }
        text.trim().to_owned()
    }
}

/// A text as the id of a case: lower case, every run of other characters one hyphen. What is too long, or has letters that an id cannot
/// have, ends in digits that depend on all of the text, so that two texts do not become one.
pub fn case_id(text: &str) -> String {
    let mut id = String::new();
    for c in text.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.truncate(id.trim_end_matches('-').len());
    let lost = text.chars().any(|c| c.is_alphanumeric() && !c.is_ascii());
    if id.len() <= MAX_ID && !lost {
        return id;
    }
    id.truncate(MAX_ID - DIGEST_DIGITS - 1);
    id.truncate(id.trim_end_matches('-').len());
    let digits = short_digest([text]);
    match id.is_empty() {
        true => digits,
        false => format!("{id}-{digits}"),
    }
}

fn short_digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut bytes = Vec::new();
    for text in texts {
        // With its length, so that no two lists of texts are the same bytes.
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let mut digits = hex::encode(digest(&SHA256, &bytes));
    digits.truncate(DIGEST_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use casebroker_proto::names::check_id;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_made_of_what_a_row_says() {
        assert_eq!(case_id("LAB/2016 No. 42"), "lab-2016-no-42");
        assert_eq!(case_id("  --a--  "), "a");
        let long = case_id(&"field office ".repeat(10));
        assert!(
            long.len() <= MAX_ID && long.starts_with("field-office-"),
            "{long}"
        );
        assert_ne!(case_id(&"a".repeat(64)), case_id(&"a".repeat(65)));
        assert_ne!(case_id("案件一"), case_id("案件二"));
        assert_eq!(case_id("---"), "");
    }

    #[test]
    fn a_template_that_cannot_be_read_says_why() {
        for (bad, says) in [
            ("{A", "without `}`"),
            ("A}", "without `{`"),
            ("{@row}", "@line"),
        ] {
            let error = Template::parse(bad, &mut Columns::default()).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
        let mut columns = Columns::default();
        let template = Template::parse("{{x}} {A}-{B}-{A}", &mut columns).unwrap();
        assert!(!template.is_constant());
        assert_eq!(columns.names(), ["A", "B"]);
    }

    proptest! {
        #[test]
        fn every_id_is_one_that_the_contract_takes(text in "\\PC{0,90}") {
            let id = case_id(&text);
            prop_assert!(id.is_empty() || check_id(&id).is_ok(), "{id}");
        }
    }
}
