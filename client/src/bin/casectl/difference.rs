//! What differs between two messages of the contract, by the paths of their fields, after the contract's descriptors.

use std::borrow::Cow;

use casebroker_proto::{google::r#type::Date, v1::Digest};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};
use prost_types::Timestamp;

use crate::{choice::contract, words};

/// Longest value shown whole, in characters.
const WHOLE: usize = 160;
/// Characters shown around what differs in two long values.
const AROUND: usize = 20;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Path of the field as field violations and disputes write it, such as `items[0].quantity.value`. An index is that in the
    /// new message, or that in the old one of what is no more.
    pub path: String,
    /// What it was; none if there was nothing.
    pub old: Option<String>,
    /// What it is; none if there is nothing.
    pub new: Option<String>,
}

/// Computed by the broker from the fields beside it: that it is there in one and not in the other says nothing.
const COMPUTED: &str = "casebroker.v1.Quantity.normalized";

/// Every field in which two messages of type `name` (such as `casebroker.v1.CaseReport`) differ, in the order of the contract.
pub fn between<T: Message>(name: &str, old: &T, new: &T) -> Vec<Change> {
    let Some(descriptor) = contract().and_then(|pool| pool.get_message_by_name(name)) else {
        return Vec::new();
    };
    let dynamic = |message: &T| {
        let mut dynamic = DynamicMessage::new(descriptor.clone());
        dynamic.transcode_from(message).ok().map(|()| dynamic)
    };
    let mut changes = Vec::new();
    if let (Some(old), Some(new)) = (dynamic(old), dynamic(new)) {
        messages("", &old, &new, &mut changes);
    }
    changes
}

fn messages(at: &str, old: &DynamicMessage, new: &DynamicMessage, changes: &mut Vec<Change>) {
    for field in new.descriptor().fields() {
        let path = match at {
            "" => field.name().to_owned(),
            at => format!("{at}.{}", field.name()),
        };
        let (old, new) = (set(old, &field), set(new, &field));
        if old == new || field.full_name() == COMPUTED {
            continue;
        }
        if field.is_list() {
            lists(&path, &field, &items(old), &items(new), changes);
        } else {
            values(path, &field, old.as_deref(), new.as_deref(), changes);
        }
    }
}

fn set<'a>(message: &'a DynamicMessage, field: &FieldDescriptor) -> Option<Cow<'a, Value>> {
    message.has_field(field).then(|| message.get_field(field))
}

fn items(value: Option<Cow<'_, Value>>) -> Vec<Value> {
    match value.map(Cow::into_owned) {
        Some(Value::List(list)) => list,
        _ => Vec::new(),
    }
}

/// What is equal at both ends is left out, and the rest compared one by one: so one element more or less anywhere is one change.
fn lists(
    path: &str,
    field: &FieldDescriptor,
    old: &[Value],
    new: &[Value],
    changes: &mut Vec<Change>,
) {
    let equal = |(a, b): &(&Value, &Value)| a == b;
    let front = old.iter().zip(new).take_while(equal).count();
    let (old, new) = (
        old.get(front..).unwrap_or_default(),
        new.get(front..).unwrap_or_default(),
    );
    let back = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(equal)
        .count();
    let (old, new) = (
        old.get(..old.len() - back).unwrap_or_default(),
        new.get(..new.len() - back).unwrap_or_default(),
    );
    for i in 0..old.len().max(new.len()) {
        let path = format!("{path}[{}]", front + i);
        values(path, field, old.get(i), new.get(i), changes);
    }
}

fn values(
    path: String,
    field: &FieldDescriptor,
    old: Option<&Value>,
    new: Option<&Value>,
    changes: &mut Vec<Change>,
) {
    if let (Some(Value::Message(old)), Some(Value::Message(new))) = (old, new)
        && as_one(old).is_none()
        && as_one(new).is_none()
    {
        return messages(&path, old, new, changes);
    }
    if old == new {
        return;
    }
    let text = |value: &Value| text(field, value);
    let (old, new) = match (old.map(text), new.map(text)) {
        (Some(old), Some(new)) => {
            let (old, new) = shortened(&old, &new);
            (Some(old), Some(new))
        }
        (old, new) => (old.map(|t| head(&t)), new.map(|t| head(&t))),
    };
    changes.push(Change { path, old, new });
}

/// A value in words.
fn text(field: &FieldDescriptor, value: &Value) -> String {
    match value {
        Value::String(text) => format!("“{text}”"),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::I32(n) => n.to_string(),
        Value::I64(n) => n.to_string(),
        Value::U32(n) => n.to_string(),
        Value::U64(n) => n.to_string(),
        Value::F32(n) => n.to_string(),
        Value::F64(n) => n.to_string(),
        Value::Bytes(bytes) => hex::encode(bytes),
        Value::EnumNumber(number) => enum_word(field, *number),
        Value::Message(message) => as_one(message).unwrap_or_else(|| all_of(message)),
        Value::List(list) => {
            let texts: Vec<_> = list.iter().map(|value| text(field, value)).collect();
            texts.join(", ")
        }
        // The contract has no maps.
        Value::Map(map) => format!("{} entries", map.len()),
    }
}

fn enum_word(field: &FieldDescriptor, number: i32) -> String {
    let Kind::Enum(descriptor) = field.kind() else {
        return number.to_string();
    };
    match descriptor.get_value(number) {
        Some(value) if number != 0 => words::plain(value.name(), descriptor.default_value().name()),
        Some(_) => words::NOT_KNOWN.into(),
        None => number.to_string(),
    }
}

/// Messages that people read as one value.
fn as_one(message: &DynamicMessage) -> Option<String> {
    match message.descriptor().full_name() {
        "google.type.Date" => message
            .transcode_to::<Date>()
            .ok()
            .map(|date| words::date(Some(&date))),
        "google.protobuf.Timestamp" => message
            .transcode_to::<Timestamp>()
            .ok()
            .map(|time| words::rfc3339(&time)),
        "casebroker.v1.Digest" => message
            .transcode_to::<Digest>()
            .ok()
            .map(|digest| words::short_digest(Some(&digest))),
        _ => None,
    }
}

/// A whole message that is new or no more, on one line.
fn all_of(message: &DynamicMessage) -> String {
    let fields: Vec<_> = message
        .fields()
        .map(|(field, value)| {
            let text = text(&field, value);
            match value {
                Value::Message(inner) if as_one(inner).is_none() => {
                    format!("{} ({text})", field.name())
                }
                Value::List(list) if matches!(list.first(), Some(Value::Message(_))) => {
                    format!("{} ({text})", field.name())
                }
                _ => format!("{} {text}", field.name()),
            }
        })
        .collect();
    fields.join(", ")
}

/// Two long texts, each with what differs and a little around it.
fn shortened(old: &str, new: &str) -> (String, String) {
    let (old, new): (Vec<_>, Vec<_>) = (old.chars().collect(), new.chars().collect());
    if old.len() <= WHOLE && new.len() <= WHOLE {
        return (old.into_iter().collect(), new.into_iter().collect());
    }
    let equal = |(a, b): &(&char, &char)| a == b;
    let front = old.iter().zip(&new).take_while(equal).count();
    let shorter = old.len().min(new.len());
    let back = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(equal)
        .count()
        .min(shorter - front);
    let from = front.saturating_sub(AROUND);
    let part = |text: &[char]| {
        let until = (text.len() - back + AROUND).min(text.len());
        let middle: String = text.iter().take(until).skip(from).collect();
        let lead = if from > 0 { "…" } else { "" };
        let tail = if until < text.len() { "…" } else { "" };
        format!("{lead}{}{tail}", head(&middle))
    };
    (part(&old), part(&new))
}

/// The beginning of a text that is too long to be shown.
fn head(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.by_ref().take(2 * WHOLE).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::{
        CaseReport, EvidenceReference, Item, ItemForm, Location, Quantity, Route,
        SubstanceIdentity, Unit, item::Goods,
    };

    use super::*;

    fn diff(old: &CaseReport, new: &CaseReport) -> Vec<String> {
        between("casebroker.v1.CaseReport", old, new)
            .into_iter()
            .map(|c| {
                let side = |text: Option<String>| text.unwrap_or_else(|| "-".into());
                format!("{}: {} → {}", c.path, side(c.old), side(c.new))
            })
            .collect()
    }

    fn item(name: &str, value: &str) -> Item {
        Item {
            goods: Some(Goods::Substance(SubstanceIdentity {
                name: name.into(),
                ..Default::default()
            })),
            quantity: Some(Quantity {
                value: value.into(),
                unit: Unit::Kilogram.into(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn evidence(id: &str) -> EvidenceReference {
        EvidenceReference {
            id: id.into(),
            ..Default::default()
        }
    }

    #[test]
    fn equal_messages_have_no_difference() {
        let report = CaseReport {
            items: vec![item("heroin", "1")],
            ..Default::default()
        };
        assert!(diff(&report, &report).is_empty());
    }

    #[test]
    fn each_field_that_changed_is_named_by_its_path() {
        let old = CaseReport {
            title: "Parcel".into(),
            incident_date: Some(Date {
                year: 2016,
                month: 6,
                day: 0,
            }),
            items: vec![item("heroin", "1.0")],
            ..Default::default()
        };
        let mut new = old.clone();
        new.title = "Parcel with carfentanil".into();
        new.incident_date = Some(Date {
            year: 2016,
            month: 6,
            day: 27,
        });
        new.route = Some(Route {
            origin: Some(Location {
                country: "CN".into(),
                ..Default::default()
            }),
            ..Default::default()
        });
        new.items = vec![item("carfentanil", "1.2")];
        new.items[0].form = ItemForm::Powder.into();
        assert_eq!(
            diff(&old, &new),
            [
                "title: “Parcel” → “Parcel with carfentanil”",
                "incident_date: 2016-06 → 2016-06-27",
                "route: - → origin (country “CN”)",
                "items[0].substance.name: “heroin” → “carfentanil”",
                "items[0].quantity.value: “1.0” → “1.2”",
                "items[0].form: - → powder",
            ]
        );
    }

    #[test]
    fn an_element_more_or_less_anywhere_in_a_list_is_one_change() {
        let report = |ids: &[&str]| CaseReport {
            evidence: ids.iter().map(|id| evidence(id)).collect(),
            ..Default::default()
        };
        assert_eq!(
            diff(&report(&["a", "c"]), &report(&["a", "b", "c"])),
            ["evidence[1]: - → id “b”"]
        );
        assert_eq!(
            diff(&report(&["a", "b", "c"]), &report(&["b", "c"])),
            ["evidence[0]: id “a” → -"]
        );
        assert_eq!(
            diff(&report(&["a", "b", "c"]), &report(&["a", "x", "c"])),
            ["evidence[1].id: “b” → “x”"]
        );
    }

    #[test]
    fn substance_and_precursor_are_told_apart() {
        let old = CaseReport {
            items: vec![item("NPP", "1")],
            ..Default::default()
        };
        let mut new = old.clone();
        let Some(Goods::Substance(substance)) = new.items[0].goods.take() else {
            panic!("a substance")
        };
        new.items[0].goods = Some(Goods::Precursor(substance));
        assert_eq!(
            diff(&old, &new),
            [
                "items[0].substance: name “NPP” → -",
                "items[0].precursor: - → name “NPP”"
            ]
        );
    }

    #[test]
    fn what_the_broker_computes_is_no_difference() {
        let old = CaseReport {
            items: vec![item("heroin", "1")],
            ..Default::default()
        };
        let mut new = old.clone();
        new.items[0].quantity.as_mut().unwrap().normalized = Some(1_000_000_000);
        assert!(diff(&old, &new).is_empty());
    }

    #[test]
    fn of_long_texts_only_what_differs_is_shown() {
        let text = |middle: &str| CaseReport {
            narrative: format!("{}{middle}{}", "芬太尼".repeat(100), "z".repeat(300)),
            ..Default::default()
        };
        let changes = diff(&text("one kilogram"), &text("two kilograms"));
        let [change] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        assert!(change.contains("one kilogram") && change.contains("two kilograms"));
        assert!(change.chars().count() < 160, "{change}");
    }
}
