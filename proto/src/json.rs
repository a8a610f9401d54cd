//! Proto JSON (protobuf.dev, "ProtoJSON Format") of the contract's messages, by their descriptors.

use std::sync::OnceLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::de::DeserializeSeed as _;

/// Why a JSON text is not a message of the contract.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text does not fit the message.
    #[error("{path}: {message}")]
    Input {
        /// Field path in the text, such as `report.items[0].quantity`; `.` for the whole.
        path: String,
        /// What is wrong, with line and column within the text.
        message: String,
    },
    /// The contract lacks the message: a mistake in the program, not in the input.
    #[error("message type {0} is not in the contract")]
    Type(String),
}

/// Reads one message of type `T`, full name `name` (such as `casebroker.v1.Statement`). Unknown fields are errors.
pub fn from_str<T: Message + Default>(name: &str, text: &str) -> Result<T, JsonError> {
    let descriptor = descriptor(name)?;
    let mut de = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let input = |path: String, e: &dyn std::fmt::Display| JsonError::Input {
        path,
        message: e.to_string(),
    };
    let message =
        match descriptor.deserialize(serde_path_to_error::Deserializer::new(&mut de, &mut track)) {
            Ok(message) => message,
            Err(e) => return Err(input(track.path().to_string(), &e)),
        };
    de.end().map_err(|e| input(".".into(), &e))?;
    message.transcode_to().map_err(|e| input(".".into(), &e))
}

/// Writes one message of type `T`, full name `name`, as a JSON value: lowerCamelCase names, 64-bit integers as strings,
/// default values left out.
pub fn to_value<T: Message>(name: &str, message: &T) -> Result<serde_json::Value, JsonError> {
    let mut dynamic = DynamicMessage::new(descriptor(name)?);
    let input = |e: &dyn std::fmt::Display| JsonError::Input {
        path: ".".into(),
        message: e.to_string(),
    };
    dynamic.transcode_from(message).map_err(|e| input(&e))?;
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .map_err(|e| input(&e))
}

/// Names (as in the proto file) of the fields of a message that are set, in the order of their numbers.
pub fn set_fields<T: Message>(name: &str, message: &T) -> Result<Vec<String>, JsonError> {
    let mut dynamic = DynamicMessage::new(descriptor(name)?);
    dynamic
        .transcode_from(message)
        .map_err(|e| JsonError::Input {
            path: ".".into(),
            message: e.to_string(),
        })?;
    Ok(dynamic
        .fields()
        .map(|(field, _)| field.name().to_owned())
        .collect())
}

pub(crate) fn descriptor(name: &str) -> Result<MessageDescriptor, JsonError> {
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).ok())
        .as_ref()
        .and_then(|pool| pool.get_message_by_name(name))
        .ok_or_else(|| JsonError::Type(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{CaseReport, Statement};

    #[test]
    fn a_report_round_trips_through_json() {
        let text = r#"{"name":"agencies/us-dea/cases/1","incidentDate":{"year":2016},"evidence":[{"id":"a","sizeBytes":"12","digest":{"algorithm":"DIGEST_ALGORITHM_SHA256","value":"AAAA"}}]}"#;
        let report: CaseReport = from_str("casebroker.v1.CaseReport", text).unwrap();
        assert_eq!(report.evidence[0].size_bytes, 12);
        let value = to_value("casebroker.v1.CaseReport", &report).unwrap();
        assert_eq!(
            value,
            serde_json::from_str::<serde_json::Value>(text).unwrap()
        );
    }

    #[test]
    fn errors_name_the_field_path_and_the_line() {
        let text = "{\"case\":\"x\",\n\"report\":{\"report\":{\"place\":{\"contry\":\"US\"}}}}";
        let error = from_str::<Statement>("casebroker.v1.Statement", text).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("report.report.place"), "{message}");
        assert!(
            message.contains("contry") && message.contains("line 2"),
            "{message}"
        );
    }

    #[test]
    fn text_after_the_message_is_an_error() {
        assert!(from_str::<Statement>("casebroker.v1.Statement", "{} {}").is_err());
    }
}
