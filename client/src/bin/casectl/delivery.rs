//! A delivery for people, and as JSON.

use casebroker_client::ClientError;
use casebroker_proto::{
    json,
    v1::{CaseChange, Delivery, statement::Kind},
};
use serde_json::Value;

use crate::{
    failure::Result,
    output::{BAD, GOOD, Output},
    words,
};

/// The delivery as JSON, without the id that only this consumer can use.
pub fn to_json(delivery: &Delivery) -> Result<Value> {
    let delivery = Delivery {
        ack_id: String::new(),
        ..delivery.clone()
    };
    whole(&delivery)
}

/// The delivery as JSON, as it came.
pub fn whole(delivery: &Delivery) -> Result<Value> {
    let value = json::to_value("casebroker.v1.Delivery", delivery);
    Ok(value.map_err(ClientError::from)?)
}

/// Title of the case, as far as the delivery tells it.
pub fn title(delivery: &Delivery) -> &str {
    let statement = delivery.statement.as_ref();
    let kind = statement.and_then(|record| record.statement.as_ref()?.kind.as_ref());
    let reported = match kind {
        Some(Kind::Report(report)) => report.report.as_ref(),
        Some(Kind::Amendment(amendment)) => amendment.report.as_ref(),
        _ => None,
    };
    let standing = || delivery.as_of_case.as_ref()?.report.as_ref();
    reported
        .or_else(standing)
        .map_or("", |report| &report.title)
}

/// Whose statement it is; empty if the delivery holds none.
pub fn agency(delivery: &Delivery) -> &str {
    delivery
        .statement
        .as_ref()
        .map_or("", |record| words::id(&record.agency))
}

/// What became of the case: `new, reported`, `reported → confirmed`, `retracted`.
pub fn change(delivery: &Delivery) -> String {
    let change = delivery.change.unwrap_or_default();
    if change.retracted {
        return "retracted".into();
    }
    let (before, after) = (
        words::status(change.status_before),
        words::status(change.status),
    );
    let mut text = match (before.as_str(), after.as_str()) {
        (_, "") => before.clone(),
        _ if change.appeared => format!("new, {after}"),
        ("", _) => after,
        (before, after) if before == after => after.to_owned(),
        (before, after) => format!("{before} → {after}"),
    };
    if left(&change) {
        text.push_str(", selected no more");
    }
    text
}

/// [`change`] in colour.
pub fn painted(delivery: &Delivery, out: &Output) -> String {
    let (text, facts) = (change(delivery), delivery.change.unwrap_or_default());
    if facts.retracted || left(&facts) {
        return out.paint(BAD, text);
    }
    match facts.appeared || facts.status != facts.status_before {
        true => out.paint(GOOD, text),
        false => text,
    }
}

fn left(change: &CaseChange) -> bool {
    change.selected_before && !change.selected
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::CaseStatus;

    use super::*;

    #[test]
    fn what_became_of_a_case_is_said_in_a_few_words() {
        let said = |appeared, before: CaseStatus, after: CaseStatus, retracted| {
            change(&Delivery {
                change: Some(CaseChange {
                    appeared,
                    selected: true,
                    status_before: before.into(),
                    status: after.into(),
                    retracted,
                    ..Default::default()
                }),
                ..Default::default()
            })
        };
        use CaseStatus::{Confirmed, Reported, Unspecified};
        assert_eq!(said(true, Unspecified, Reported, false), "new, reported");
        assert_eq!(
            said(false, Reported, Confirmed, false),
            "reported → confirmed"
        );
        assert_eq!(said(false, Confirmed, Confirmed, false), "confirmed");
        assert_eq!(said(false, Confirmed, Confirmed, true), "retracted");
        let mut gone = Delivery::default();
        gone.change.get_or_insert_default().selected_before = true;
        gone.change.get_or_insert_default().status_before = Reported.into();
        assert_eq!(change(&gone), "reported, selected no more");
    }

    #[test]
    fn json_tells_nobody_the_ack_id() {
        let delivery = Delivery {
            ack_id: "secret".into(),
            position: 7,
            ..Default::default()
        };
        let value = to_json(&delivery).unwrap();
        assert_eq!(value["position"], "7");
        assert!(value.get("ackId").is_none_or(|id| id == ""));
        assert_eq!(whole(&delivery).unwrap()["ackId"], "secret");
    }
}
