//! A filter from a file: proto JSON of `CaseFilter`, or the same in TOML.

use std::{io::Read as _, path::Path};

use casebroker_proto::{
    json::{self, JsonError},
    v1::CaseFilter,
};
use serde_json::{Map, Value, json};

use crate::{
    failure::{self, Exit, Failure},
    input::Source,
};

/// Largest file, in bytes: a filter with as much as each field takes is far smaller.
const MOST_BYTES: u64 = 1024 * 1024;

/// Reads a filter. What begins with `{` is JSON; lines that begin with `//` are left out of it.
pub fn read(path: &Path) -> failure::Result<CaseFilter> {
    let source = Source::new(path);
    let mut text = String::new();
    let taken = source
        .open()?
        .take(MOST_BYTES + 1)
        .read_to_string(&mut text);
    let bytes = taken.map_err(|e| Failure::file(source.name(), &e))?;
    if bytes as u64 > MOST_BYTES {
        return Err(invalid(&source.name(), "is larger than 1 MiB"));
    }
    parse(&text).map_err(|what| invalid(&source.name(), &what))
}

fn invalid(name: &str, what: &str) -> Failure {
    Failure::new(
        Exit::Invalid,
        format!("{name}: {what}"),
        "A filter is the proto JSON of CaseFilter, or the same in TOML, such as: origins = [\"CN\"]; `casectl cheat count` shows one.",
    )
}

fn parse(text: &str) -> Result<CaseFilter, String> {
    // Comments become empty lines, so that the lines of messages are those of the file.
    let lines = text
        .lines()
        .map(|line| match line.trim_start().starts_with("//") {
            true => "",
            false => line,
        });
    let without = lines.collect::<Vec<_>>().join("\n");
    if without.trim_start().starts_with('{') {
        return message(&without);
    }
    let table: toml::Table = toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(at).filter(|b| *b == b'\n').count();
        format!("line {line}: {}", e.message().trim().replace('\n', " "))
    })?;
    let value = from_toml(toml::Value::Table(table))?;
    message(&value.to_string()).map_err(|what| {
        // Line and column are those of the JSON that it was turned into: nobody sees that.
        what.split(" at line ").next().unwrap_or(&what).to_owned()
    })
}

fn message(text: &str) -> Result<CaseFilter, String> {
    json::from_str("casebroker.v1.CaseFilter", text).map_err(|e| match e {
        JsonError::Input { path, message } if path == "." => message,
        other => other.to_string(),
    })
}

/// TOML has dates and times of its own: a date becomes a `google.type.Date`, a time with its offset a timestamp.
fn from_toml(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Array(list) => {
            let list = list.into_iter().map(from_toml);
            list.collect::<Result<Vec<_>, _>>()?.into()
        }
        toml::Value::Table(table) => {
            let pairs = table
                .into_iter()
                .map(|(key, value)| Ok((key, from_toml(value)?)));
            pairs.collect::<Result<Map<_, _>, String>>()?.into()
        }
        toml::Value::Datetime(moment) => match (moment.date, moment.time, moment.offset) {
            (Some(date), None, None) => {
                json!({"year": date.year, "month": date.month, "day": date.day})
            }
            (Some(_), Some(_), Some(_)) => moment.to_string().into(),
            _ => {
                return Err(format!(
                    "the time {moment} needs its date and offset, such as 2026-11-25T08:30:00Z"
                ));
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use casebroker_proto::{google::r#type::Date, v1::CaseStatus};
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn json_and_toml_say_the_same() {
        let json = r#"// ours
            {"origins": ["CN"], "statuses": ["CASE_STATUS_ATTRIBUTED"], "incidentStartDate": {"year": 2017, "month": 3, "day": 1},
             "recordStartTime": "1970-01-02T00:00:00Z", "minMassMicrograms": "7"}"#;
        let toml = "origins = [\"CN\"] # comment\nstatuses = [\"CASE_STATUS_ATTRIBUTED\"]\nincidentStartDate = 2017-03-01\n\
                    recordStartTime = 1970-01-02T00:00:00Z\nmin_mass_micrograms = 7\n";
        let filter = parse(json).unwrap();
        assert_eq!(filter, parse(toml).unwrap());
        assert_eq!(filter.statuses, [CaseStatus::Attributed as i32]);
        let date = Date {
            year: 2017,
            month: 3,
            day: 1,
        };
        assert_eq!(filter.incident_start_date, Some(date));
        let day = Timestamp {
            seconds: 86_400,
            nanos: 0,
        };
        assert_eq!(filter.record_start_time, Some(day));
        assert_eq!(filter.min_mass_micrograms, 7);
    }

    #[test]
    fn a_mistake_is_named_with_its_field_or_line() {
        let error = parse("{\n\"origin\": [\"CN\"]}").unwrap_err();
        assert!(
            error.contains("origin") && error.contains("line 2"),
            "{error}"
        );
        let error = parse("origin = [\"CN\"]").unwrap_err();
        assert!(
            error.contains("origin") && !error.contains("line"),
            "{error}"
        );
        let error = parse("a = 1\nb = = 2").unwrap_err();
        assert!(error.starts_with("line 2"), "{error}");
        let error = parse("recordStartTime = 1970-01-02T00:00:00").unwrap_err();
        assert!(error.contains("offset"), "{error}");
    }
}
