//! A delivery as a CloudEvent, version 1.0, in the two modes of its HTTP binding.

use casebroker_proto::v1::{Delivery, StatementKind};
use serde_json::{Value, json};

use crate::{delivery, failure::Result, words};

/// A CloudEvent.
#[derive(Debug)]
pub struct Event {
    /// The same for every attempt: what the target remembers.
    pub id: String,
    source: String,
    kind: String,
    subject: String,
    time: String,
    data: Value,
}

impl Event {
    /// Of a delivery; `source` is the log that it comes from.
    pub fn of(source: &str, delivery: &Delivery) -> Result<Self> {
        let kind = StatementKind::try_from(delivery.kind).unwrap_or_default();
        let kind = words::plain(kind.as_str_name(), StatementKind::default().as_str_name());
        let time = delivery.record_time.as_ref();
        Ok(Self {
            id: format!("{source}/{}", delivery.position),
            source: source.to_owned(),
            kind: format!("casebroker.statement.v1.{}", kind.replace(' ', "_")),
            subject: delivery.case.clone(),
            time: time.map(words::rfc3339).unwrap_or_default(),
            data: delivery::to_json(delivery)?,
        })
    }

    /// Attributes as headers, and the delivery as body.
    pub fn binary(&self) -> (Vec<(&'static str, String)>, String) {
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", self.id.clone()),
            ("ce-source", self.source.clone()),
            ("ce-type", self.kind.clone()),
            ("ce-subject", self.subject.clone()),
            ("ce-time", self.time.clone()),
        ];
        (headers, self.data.to_string())
    }

    /// Everything in one document.
    pub fn structured(&self) -> (Vec<(&'static str, String)>, String) {
        let document = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.kind,
            "subject": self.subject,
            "time": self.time,
            "datacontenttype": "application/json",
            "data": self.data,
        });
        let headers = vec![(
            "content-type",
            "application/cloudevents+json; charset=UTF-8".to_owned(),
        )];
        (headers, document.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let delivery = Delivery {
            ack_id: "secret".into(),
            position: 7,
            case: "agencies/us-dea/cases/1".into(),
            kind: StatementKind::EvidenceRequest.into(),
            record_time: Some(prost_types::Timestamp {
                seconds: 1_467_000_000,
                nanos: 0,
            }),
            ..Default::default()
        };
        Event::of("casebroker.example/log", &delivery).unwrap()
    }

    #[test]
    fn both_modes_say_the_same() {
        let event = event();
        let (headers, body) = event.binary();
        let (_, document) = event.structured();
        let document: Value = serde_json::from_str(&document).unwrap();
        for (name, value) in &headers[1..] {
            assert_eq!(document[name.trim_start_matches("ce-")], *value, "{name}");
        }
        assert_eq!(
            document["data"],
            serde_json::from_str::<Value>(&body).unwrap()
        );
        assert_eq!(document["id"], "casebroker.example/log/7");
        assert_eq!(document["type"], "casebroker.statement.v1.evidence_request");
        assert_eq!(document["time"], "2016-06-27T04:00:00Z");
        assert!(!body.contains("secret"));
    }
}
