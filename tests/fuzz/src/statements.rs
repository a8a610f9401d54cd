//! Statements and reports, as protobuf and as JSON, and every rule that they are checked by.

use std::fmt::Debug;

use casebroker_proto::{
    json,
    v1::{CaseReport, Statement},
    validation::{Clock, check_report, check_statement, effective_handling, limits},
};
use prost::Message;

use crate::actors::{reports, statements};

const STATEMENT: &str = "casebroker.v1.Statement";
const REPORT: &str = "casebroker.v1.CaseReport";
const NOW: Clock = Clock { now: 1_790_000_000 };

/// Takes the bytes for a statement and for a report, in both encodings.
pub fn run(data: &[u8]) -> bool {
    let mut accepted = false;
    for statement in [
        from_protobuf::<Statement>(STATEMENT, data),
        from_json::<Statement>(STATEMENT, data),
    ]
    .into_iter()
    .flatten()
    {
        accepted = true;
        checked(|| check_statement(&statement, NOW));
        let _ = effective_handling(&statement);
    }
    for report in [
        from_protobuf::<CaseReport>(REPORT, data),
        from_json::<CaseReport>(REPORT, data),
    ]
    .into_iter()
    .flatten()
    {
        accepted = true;
        checked(|| check_report(&report, NOW));
    }
    accepted
}

/// A check answers the same twice, and within its bounds.
fn checked(check: impl Fn() -> Vec<casebroker_proto::errors::Violation>) {
    let violations = check();
    assert!(violations.len() <= limits::VIOLATIONS + 1);
    for violation in &violations {
        // A rule in words and one value cut short; the path is made of names and indexes of ours.
        assert!(violation.description.len() <= 2_000, "{violation:?}");
        assert!(violation.field.len() <= 500, "{violation:?}");
    }
    let texts = |found: &[casebroker_proto::errors::Violation]| format!("{found:?}");
    assert_eq!(texts(&violations), texts(&check()));
}

/// Decodes protobuf. What is encoded again means the same, and its JSON, if it has one, reads back as the same.
pub(crate) fn from_protobuf<T>(name: &str, data: &[u8]) -> Option<T>
where
    T: Message + Default + PartialEq + Debug,
{
    let message = T::decode(data).ok()?;
    let again = T::decode(message.encode_to_vec().as_slice());
    assert_eq!(again.as_ref(), Ok(&message));
    survives_json(name, &message);
    assert!(json::set_fields(name, &message).is_ok());
    Some(message)
}

/// Reads JSON; what is accepted comes back from its own JSON and from protobuf.
pub(crate) fn from_json<T>(name: &str, data: &[u8]) -> Option<T>
where
    T: Message + Default + PartialEq + Debug,
{
    let text = std::str::from_utf8(data).ok()?;
    let message: T = json::from_str(name, text).ok()?;
    assert!(
        survives_json(name, &message),
        "accepted as JSON, but has none"
    );
    let again = T::decode(message.encode_to_vec().as_slice());
    assert_eq!(again.as_ref(), Ok(&message));
    Some(message)
}

/// True if the message has a JSON form, which then must read back as the same message.
fn survives_json<T>(name: &str, message: &T) -> bool
where
    T: Message + Default + PartialEq + Debug,
{
    // Times and dates outside their range have none.
    let Ok(value) = json::to_value(name, message) else {
        return false;
    };
    let again: T = json::from_str(name, &value.to_string()).expect("what was written is read");
    assert_eq!(&again, message);
    true
}

/// Statements and reports in both encodings.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (i, report) in reports().iter().take(2).enumerate() {
        let text = json::to_value(REPORT, report).unwrap().to_string();
        seeds.push((format!("report-{i}.json"), text.into_bytes()));
        for (kind, statement) in ["report", "retraction"].iter().zip(statements(report)) {
            let text = json::to_value(STATEMENT, &statement).unwrap().to_string();
            seeds.push((format!("{kind}-{i}.statement.json"), text.into_bytes()));
            seeds.push((
                format!("{kind}-{i}.statement.pb"),
                statement.encode_to_vec(),
            ));
        }
    }
    seeds
}
