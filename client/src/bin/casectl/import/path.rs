//! Field paths of a case report, by the contract's own descriptors.

use casebroker_proto::{catalogue::substances, validation::limits};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map as Object, Value, json};

use crate::{choice::contract, words};

/// Where a field stands, such as `items[0].quantity`.
#[derive(Debug, Clone)]
pub struct FieldPath {
    /// As it was written.
    pub text: String,
    /// What stands there.
    pub leaf: Leaf,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    /// Name in proto JSON.
    name: String,
    /// Number in the list, from 0, if it is one.
    index: Option<usize>,
}

/// What stands at a path.
#[derive(Debug, Clone)]
pub enum Leaf {
    /// Text.
    Text,
    /// An id of the catalogue.
    CatalogueId,
    /// A decimal in the contract's form, as text.
    Decimal,
    /// An integer.
    Integer,
    /// True or false.
    Bool,
    /// Bytes; hexadecimal in maps and cells.
    Bytes,
    /// One of the enum's values.
    Enum(EnumDescriptor),
    /// `google.type.Date`.
    Date,
    /// `google.protobuf.Timestamp`: RFC 3339.
    Time,
    /// A quantity with its unit.
    Quantity,
    /// Several of those.
    List(Box<Leaf>),
}

impl FieldPath {
    /// Reads a path. The error says what is wrong with it and what there is instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let report =
            contract().and_then(|pool| pool.get_message_by_name("casebroker.v1.CaseReport"));
        let mut message = report.ok_or("the program lacks the contract")?;
        let mut steps = Vec::new();
        let mut rest = text.split('.').peekable();
        while let Some(part) = rest.next() {
            let (name, index) = index_of(part)?;
            let field = field_of(&message, name)?;
            if field.is_list() != index.is_some() && (rest.peek().is_some() || index.is_some()) {
                return Err(match field.is_list() {
                    true => format!("`{name}` is a list: write `{name}[0]` for its first element"),
                    false => format!("`{name}` is no list: write it without a number"),
                });
            }
            steps.push(Step {
                name: field.json_name().to_owned(),
                index,
            });
            let leaf = leaf_of(&field);
            if rest.peek().is_none() {
                let Some(leaf) = leaf else {
                    return Err(format!("`{text}` has parts: {}", names(field.kind())));
                };
                let leaf = match field.is_list() && index.is_none() {
                    true => Leaf::List(Box::new(leaf)),
                    false => leaf,
                };
                if text == "name" {
                    return Err("the name is made of [case]: agency and id".into());
                }
                return Ok(Self {
                    text: text.into(),
                    leaf,
                    steps,
                });
            }
            // A quantity and a date have parts too, and may be given by them.
            message = match field.kind() {
                Kind::Message(inner) => inner,
                _ => return Err(format!("`{name}` has no parts")),
            };
        }
        Err("a path is empty".into())
    }

    /// A part of what stands there.
    pub fn part(&self, name: &str) -> Self {
        let mut steps = self.steps.clone();
        steps.push(Step {
            name: name.into(),
            index: None,
        });
        Self {
            text: format!("{}.{name}", self.text),
            leaf: self.leaf.clone(),
            steps,
        }
    }

    /// Puts a value there, with everything around it that is not there yet.
    pub fn set(&self, root: &mut Value, value: Value) {
        let mut at = root;
        for step in &self.steps {
            if !at.is_object() {
                *at = Value::Object(Object::new());
            }
            let Some(object) = at.as_object_mut() else {
                return;
            };
            at = object.entry(&step.name).or_insert(Value::Null);
            let Some(index) = step.index else { continue };
            if !at.is_array() {
                *at = json!([]);
            }
            let Some(list) = at.as_array_mut() else {
                return;
            };
            while list.len() <= index {
                list.push(Value::Null);
            }
            let Some(element) = list.get_mut(index) else {
                return;
            };
            at = element;
        }
        *at = value;
    }
}

/// Takes out the elements of lists that nothing was put into.
pub fn compact(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.retain(|element| !element.is_null());
            list.iter_mut().for_each(compact);
        }
        Value::Object(object) => object.values_mut().for_each(compact),
        _ => {}
    }
}

impl Leaf {
    /// A text as a JSON value of this kind; the error says what is wrong with it.
    pub fn value(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::Text | Self::Time | Self::Decimal => Ok(json!(text)),
            Self::CatalogueId => match substances::by_id(text) {
                Some(_) => Ok(json!(text)),
                None => Err(match substances::suggest(text) {
                    Some(s) => format!(
                        "`{text}` is no id of the catalogue; did you mean `{}`?",
                        s.id
                    ),
                    None => format!(
                        "`{text}` is no id of the catalogue (`casectl catalogue` lists them)"
                    ),
                }),
            },
            Self::Integer => match text.parse::<i64>() {
                Ok(number) => Ok(json!(number)),
                Err(_) => Err(format!("`{text}` is no whole number")),
            },
            Self::Bool => match text.to_lowercase().as_str() {
                "true" | "yes" | "1" => Ok(json!(true)),
                "false" | "no" | "0" => Ok(json!(false)),
                _ => Err(format!("`{text}` is neither true nor false")),
            },
            Self::Bytes => match hex::decode(text) {
                Ok(bytes) => {
                    use base64::{Engine as _, engine::general_purpose::STANDARD};
                    Ok(json!(STANDARD.encode(bytes)))
                }
                Err(_) => Err(format!("`{text}` is not hexadecimal")),
            },
            Self::Enum(descriptor) => match enum_value(descriptor, text) {
                Some(name) => Ok(json!(name)),
                None => Err(format!(
                    "`{text}` is not one of {}",
                    enum_words(descriptor).join(", ")
                )),
            },
            Self::Date => crate::choice::parse_date(text).map(|date| super::dates::value(&date)),
            Self::Quantity => Err("is a quantity: write { column = ..., unit = ... }".into()),
            Self::List(_) => Err("is a list: write [\"...\"]".into()),
        }
    }

    /// In a word, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::CatalogueId => "id of the catalogue".into(),
            Self::Decimal => "decimal".into(),
            Self::Integer => "whole number".into(),
            Self::Bool => "true or false".into(),
            Self::Bytes => "hexadecimal bytes".into(),
            Self::Enum(_) => "word of the contract".into(),
            Self::Date => "date".into(),
            Self::Time => "time".into(),
            Self::Quantity => "quantity".into(),
            Self::List(inner) => format!("list of {}", inner.describe()),
        }
    }
}

/// `items[0]` as name and number.
fn index_of(part: &str) -> Result<(&str, Option<usize>), String> {
    let Some((name, rest)) = part.split_once('[') else {
        return Ok((part, None));
    };
    let index = rest.strip_suffix(']').and_then(|n| n.parse::<usize>().ok());
    match index.filter(|index| *index < limits::EVIDENCE) {
        Some(index) => Ok((name, Some(index))),
        None => Err(format!(
            "`{part}` is not a name with a number, such as `items[0]`"
        )),
    }
}

fn field_of(message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, String> {
    message
        .get_field_by_name(name)
        .or_else(|| message.get_field_by_json_name(name))
        .ok_or_else(|| {
            let there: Vec<_> = message.fields().map(|f| f.name().to_owned()).collect();
            format!(
                "there is no `{name}` in {}; it has {}",
                message.name(),
                there.join(", ")
            )
        })
}

/// What stands at a field; none if it only has parts.
fn leaf_of(field: &FieldDescriptor) -> Option<Leaf> {
    Some(match field.kind() {
        Kind::String if field.name() == "purity_percent" => Leaf::Decimal,
        Kind::String if field.full_name() == "casebroker.v1.Quantity.value" => Leaf::Decimal,
        Kind::String if field.name() == "catalogue_id" => Leaf::CatalogueId,
        Kind::String => Leaf::Text,
        Kind::Bool => Leaf::Bool,
        Kind::Bytes => Leaf::Bytes,
        Kind::Enum(descriptor) => Leaf::Enum(descriptor),
        Kind::Message(message) => match message.full_name() {
            "google.type.Date" => Leaf::Date,
            "google.protobuf.Timestamp" => Leaf::Time,
            "casebroker.v1.Quantity" => Leaf::Quantity,
            _ => return None,
        },
        _ => Leaf::Integer,
    })
}

fn names(kind: Kind) -> String {
    match kind {
        Kind::Message(message) => {
            let names: Vec<_> = message.fields().map(|f| f.name().to_owned()).collect();
            names.join(", ")
        }
        _ => String::new(),
    }
}

/// A value's full name by its word, `land-border`, `land border`, `LAND_BORDER` or `PLACE_KIND_LAND_BORDER`.
pub fn enum_value(descriptor: &EnumDescriptor, text: &str) -> Option<String> {
    let key = |text: &str| text.trim().to_uppercase().replace([' ', '-'], "_");
    let wanted = key(text);
    let unspecified = descriptor.default_value();
    let mut given = descriptor.values().filter(|value| value.number() != 0);
    let found = given.find(|value| {
        value.name() == wanted || key(&words::plain(value.name(), unspecified.name())) == wanted
    });
    found.map(|value| value.name().to_owned())
}

fn enum_words(descriptor: &EnumDescriptor) -> Vec<String> {
    let unspecified = descriptor.default_value();
    let given = descriptor.values().filter(|value| value.number() != 0);
    given
        .map(|value| words::plain(value.name(), unspecified.name()).replace(' ', "-"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_contract() {
        for good in [
            "title",
            "incident_date",
            "incident_date.year",
            "place.country",
            "items[0].quantity",
            "items[1].quantity.value",
            "items[0].substance.name",
            "items[0].findings[0].techniques",
            "route.origin.attributions[0].basis",
            "handling.audience",
            "handling.caveats[0]",
            "evidence[0].digest.value",
            "evidence[0].collect_time",
        ] {
            assert!(
                FieldPath::parse(good).is_ok(),
                "{good}: {:?}",
                FieldPath::parse(good)
            );
        }
        for (bad, says) in [
            ("titel", "title"),
            ("place", "country"),
            ("items.quantity", "items[0]"),
            ("items[0]", "quantity"),
            ("items[x].form", "items[0]"),
            ("title[0]", "no list"),
            ("title.x", "no parts"),
            ("name", "[case]"),
            ("", "no ``"),
        ] {
            let error = FieldPath::parse(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn enum_values_are_taken_by_word_and_by_name() {
        let Leaf::Enum(place) = FieldPath::parse("place.kind").unwrap().leaf else {
            panic!("an enum");
        };
        for word in [
            "land-border",
            "Land border",
            "LAND_BORDER",
            "PLACE_KIND_LAND_BORDER",
        ] {
            assert_eq!(
                enum_value(&place, word).as_deref(),
                Some("PLACE_KIND_LAND_BORDER")
            );
        }
        assert_eq!(enum_value(&place, "unspecified"), None);
        assert_eq!(enum_value(&place, "border"), None);
    }

    #[test]
    fn values_are_put_where_they_belong_and_gaps_close() {
        let mut root = Value::Null;
        let put = |root: &mut Value, path: &str, value: Value| {
            FieldPath::parse(path).unwrap().set(root, value)
        };
        put(&mut root, "items[2].form", json!("B"));
        put(&mut root, "items[0].form", json!("A"));
        put(&mut root, "incident_date_kind", json!("X"));
        compact(&mut root);
        assert_eq!(
            root,
            json!({"items": [{"form": "A"}, {"form": "B"}], "incidentDateKind": "X"})
        );
    }
}
