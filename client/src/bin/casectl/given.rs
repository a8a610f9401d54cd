//! What a command is given in files: evidence references as `casectl evidence hash` prints them, and whole messages.

use std::path::{Path, PathBuf};

use casebroker_proto::{
    json::{self, JsonError},
    v1::{EvidenceReference, Statement},
};
use prost::Message;

use crate::{
    failure::{Exit, Failure, Result},
    input::{RawValue, Source},
};

/// Most references that a statement takes.
const MOST_REFERENCES: usize = 500;

/// Evidence references from files; each holds one, a list, or one a line.
pub fn evidence(files: &[PathBuf]) -> Result<Vec<EvidenceReference>> {
    let mut references: Vec<EvidenceReference> = Vec::new();
    for file in files {
        let source = Source::new(file);
        let before = references.len();
        for value in source.values()? {
            let raw = value
                .map_err(|e| Failure::file(source.name(), &e))?
                .map_err(|problem| no_reference(&source, problem.line, &problem.what))?;
            let reference: EvidenceReference =
                json::from_str("casebroker.v1.EvidenceReference", &raw.text)
                    .map_err(|e| no_reference(&source, raw.line, &what(&e)))?;
            if reference.kind == 0 || reference.custodian.is_empty() {
                return Err(no_reference(
                    &source,
                    raw.line,
                    "kind and custodian must be filled in",
                ));
            }
            if references.len() == MOST_REFERENCES {
                let most = format!("more than {MOST_REFERENCES} references");
                return Err(no_reference(&source, raw.line, &most));
            }
            references.push(reference);
        }
        if references.len() == before {
            return Err(no_reference(&source, 1, "holds no evidence reference"));
        }
    }
    Ok(references)
}

/// The one message of this type in a file. Lines that begin with `//` are left out. A whole statement, which has a handling and
/// perhaps a request id of its own, is not taken: it would be sent as another one than it says.
pub fn message<T: Message + Default>(file: &Path, name: &str) -> Result<T> {
    let source = Source::new(file);
    let short = name.rsplit('.').next().unwrap_or(name);
    let invalid = |line: u64, what: &str| {
        let kind = short.to_ascii_lowercase();
        Failure::new(
            Exit::Invalid,
            format!("{}:{line}: {what}", source.name()),
            format!(
                "The file must hold one {short} in proto JSON, such as `casectl -o json template {kind} | jq .{kind}` gives."
            ),
        )
    };
    let mut raws: Vec<RawValue> = Vec::new();
    for value in source.values()?.take(2) {
        let raw = value.map_err(|e| Failure::file(source.name(), &e))?;
        raws.push(raw.map_err(|problem| invalid(problem.line, &problem.what))?);
    }
    let raw = match raws.as_slice() {
        [raw] => raw,
        [] => return Err(invalid(1, "holds nothing")),
        [_, second, ..] => return Err(invalid(second.line, "a second value begins here")),
    };
    json::from_str::<T>(name, &raw.text).map_err(|error| {
        if json::from_str::<Statement>("casebroker.v1.Statement", &raw.text).is_ok() {
            return Failure::new(
                Exit::Invalid,
                format!("{}:{}: this is a whole statement", source.name(), raw.line),
                format!("Send it with `casectl submit {}`.", source.name()),
            );
        }
        invalid(raw.line, &what(&error))
    })
}

fn no_reference(source: &Source, line: u64, what: &str) -> Failure {
    Failure::new(
        Exit::Invalid,
        format!("{}:{line}: {what}", source.name()),
        "Evidence is given as `casectl evidence hash --kind lab-report --custodian NAME FILE > FILE.json` prints it.",
    )
}

fn what(error: &JsonError) -> String {
    match error {
        JsonError::Input { path, message } if path == "." => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::{Corroboration, EvidenceKind};

    use super::*;

    const REFERENCE: &str = r#"{"id":"lab","kind":"EVIDENCE_KIND_LAB_REPORT","custodian":"Evidence room","sizeBytes":"3"}"#;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("given.json");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn evidence_is_one_reference_or_a_list() {
        for (text, count) in [
            (REFERENCE.to_owned(), 1),
            (format!("[{REFERENCE},\n{REFERENCE}]"), 2),
            (format!("{REFERENCE}\n{REFERENCE}\n"), 2),
        ] {
            let (_dir, path) = file(&text);
            let references = evidence(&[path]).unwrap();
            assert_eq!(references.len(), count);
            assert_eq!(references[0].kind(), EvidenceKind::LabReport);
        }
    }

    #[test]
    fn a_reference_that_is_not_filled_in_is_named_by_file_and_line() {
        let text = format!("[{REFERENCE},\n{{\"id\":\"x\"}}]");
        let (_dir, path) = file(&text);
        let failure = evidence(&[path]).unwrap_err();
        assert_eq!(failure.exit, Exit::Invalid);
        assert!(
            failure.what.contains("given.json:2: kind and custodian"),
            "{}",
            failure.what
        );
        let (_dir, path) = file("[]");
        assert!(evidence(&[path]).is_err());
    }

    #[test]
    fn a_message_stands_alone_and_a_whole_statement_is_left_to_submit() {
        let read = |text: &str| {
            let (_dir, path) = file(text);
            message::<Corroboration>(&path, "casebroker.v1.Corroboration")
        };
        assert_eq!(read("// ours\n{\"note\": \"x\"}").unwrap().note, "x");
        let statement = "{\"case\":\"agencies/a/cases/1\",\"corroboration\":{\"note\":\"y\"}}";
        let failure = read(statement).unwrap_err();
        assert!(failure.next.contains("casectl submit"), "{}", failure.next);
        for bad in ["{\"nota\":1}", "", "{} {}"] {
            let failure = read(bad).unwrap_err();
            assert_eq!(failure.exit, Exit::Invalid, "{bad}");
            assert!(failure.next.contains("template corroboration"), "{bad}");
        }
    }
}
