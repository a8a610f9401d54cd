//! What is signed is what is read: the wire form of a message, walked by the contract's own descriptor.
//!
//! Encoders differ: some write default values, some write lists of numbers one by one, some in another order. All of these are read
//! alike and are accepted. Refused is whatever a reader would not see, or could see otherwise: a field that the contract does not have, a
//! singular field or a member of a `oneof` given twice, a number beyond its type, a wire type that is not the field's, a group.
//! (Protocol Buffers, "Encoding": <https://protobuf.dev/programming-guides/encoding/>.)

use std::{collections::HashMap, fmt, sync::OnceLock};

use prost::encoding::{WireType, decode_key, decode_varint};
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

use crate::json;

/// Deepest that messages may lie within each other. The contract's own lie less deep.
const MAX_DEPTH: usize = 32;

/// A message of the contract whose wire form can be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `casebroker.v1.Statement`.
    Statement,
    /// `casebroker.v1.Entry`.
    Entry,
}

/// Why a wire form is refused: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// Path of the field from the message on, such as `report.report.items[1].quantity`; empty for the message itself.
    pub field: String,
    /// What is wrong, and the rule.
    pub problem: String,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.problem),
            field => write!(f, "{field}: {}", self.problem),
        }
    }
}

impl std::error::Error for WireError {}

/// Checks that every byte of a serialized message is read, each field once.
pub fn check(root: Root, bytes: &[u8]) -> Result<(), WireError> {
    static TABLES: OnceLock<Option<[Table; 2]>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        Some([
            Table::new("casebroker.v1.Statement")?,
            Table::new("casebroker.v1.Entry")?,
        ])
    });
    let table = match (tables, root) {
        (Some([statement, _]), Root::Statement) => statement,
        (Some([_, entry]), Root::Entry) => entry,
        // The contract's descriptor is part of the program; a test reads it.
        (None, _) => {
            return Err(WireError {
                field: String::new(),
                problem: "the contract's descriptor cannot be read".into(),
            });
        }
    };
    let mut path = Vec::new();
    table
        .walk(0, bytes, &mut path)
        .map_err(|problem| WireError {
            field: join(path),
            problem,
        })
}

/// The messages that a root reaches, each with its fields by number.
#[derive(Debug)]
struct Table {
    messages: Vec<Vec<Option<Field>>>,
}

/// What the wire form of a field must be.
#[derive(Debug)]
struct Field {
    name: Box<str>,
    kind: Form,
    repeated: bool,
    /// Bit of the field among those of its message that may come once; members of a `oneof` share theirs. Unused if it is repeated.
    once: u64,
}

/// How a value is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Bool,
    /// 32 bits with a sign, as sign-extended to 64.
    Int32,
    Uint32,
    Varint64,
    Fixed32,
    Fixed64,
    Bytes,
    /// Number of the message in the table.
    Message(usize),
}

impl Table {
    fn new(root: &str) -> Option<Self> {
        let root = json::descriptor(root).ok()?;
        let mut table = Self {
            messages: Vec::new(),
        };
        table.add(&root, &mut HashMap::new())?;
        Some(table)
    }

    /// Adds a message and those that it reaches; its number.
    fn add(
        &mut self,
        message: &MessageDescriptor,
        numbers: &mut HashMap<String, usize>,
    ) -> Option<usize> {
        if let Some(number) = numbers.get(message.full_name()) {
            return Some(*number);
        }
        let number = self.messages.len();
        numbers.insert(message.full_name().to_owned(), number);
        self.messages.push(Vec::new());
        let mut fields = Vec::new();
        let mut oneofs: HashMap<String, u64> = HashMap::new();
        let mut next = 0_u32;
        for field in message.fields() {
            let mut new_bit = || {
                let bit = 1_u64.checked_shl(next);
                next += 1;
                bit
            };
            let repeated = field.cardinality() == Cardinality::Repeated;
            let once = match (repeated, field.containing_oneof()) {
                (true, _) => 0,
                (false, None) => new_bit()?,
                (false, Some(oneof)) => {
                    let known = oneofs.get(oneof.name()).copied();
                    let bit = known.or_else(new_bit)?;
                    oneofs.insert(oneof.name().to_owned(), bit);
                    bit
                }
            };
            let at = usize::try_from(field.number()).ok()?;
            if fields.len() <= at {
                fields.resize_with(at + 1, || None);
            }
            *fields.get_mut(at)? = Some(Field {
                name: field.name().into(),
                kind: self.form(&field, numbers)?,
                repeated,
                once,
            });
        }
        *self.messages.get_mut(number)? = fields;
        Some(number)
    }

    /// `None` for what the contract does not use: groups and maps.
    fn form(
        &mut self,
        field: &FieldDescriptor,
        numbers: &mut HashMap<String, usize>,
    ) -> Option<Form> {
        if field.is_group() || field.is_map() {
            return None;
        }
        Some(match field.kind() {
            Kind::Bool => Form::Bool,
            Kind::Int32 | Kind::Enum(_) => Form::Int32,
            Kind::Uint32 | Kind::Sint32 => Form::Uint32,
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 => Form::Varint64,
            Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => Form::Fixed32,
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => Form::Fixed64,
            Kind::String | Kind::Bytes => Form::Bytes,
            Kind::Message(inner) => Form::Message(self.add(&inner, numbers)?),
        })
    }

    /// Walks a message. On an error `path` leads to the field, innermost first.
    fn walk(&self, message: usize, bytes: &[u8], path: &mut Vec<String>) -> Result<(), String> {
        self.walk_at(message, bytes, path, MAX_DEPTH)
    }

    fn walk_at(
        &self,
        message: usize,
        mut bytes: &[u8],
        path: &mut Vec<String>,
        depth: usize,
    ) -> Result<(), String> {
        let fields = self.messages.get(message).map_or(&[][..], Vec::as_slice);
        let mut seen = 0_u64;
        // Number of each repeated field's next element, for the path of an error alone.
        let whole = bytes;
        while !bytes.is_empty() {
            let at = whole.len() - bytes.len();
            let (number, wire) = decode_key(&mut bytes).map_err(|_| "no field begins here")?;
            let field = fields.get(number as usize).and_then(Option::as_ref);
            let Some(field) = field else {
                return Err(format!(
                    "field {number} is not of this version of the contract; leave it out, or ask for a newer broker"
                ));
            };
            let result = self.field(field, wire, &mut bytes, &mut seen, path, depth);
            if let Err(problem) = result {
                let index = index_of(number, whole.get(..at).unwrap_or_default());
                path.push(match field.repeated {
                    true => format!("{}[{index}]", field.name),
                    false => field.name.to_string(),
                });
                return Err(problem);
            }
        }
        Ok(())
    }

    fn field(
        &self,
        field: &Field,
        wire: WireType,
        bytes: &mut &[u8],
        seen: &mut u64,
        path: &mut Vec<String>,
        depth: usize,
    ) -> Result<(), String> {
        if !field.repeated {
            if *seen & field.once != 0 {
                return Err(
                    "is given twice, or beside another member of its oneof; give it once".into(),
                );
            }
            *seen |= field.once;
        }
        match (field.kind, wire) {
            (Form::Message(inner), WireType::LengthDelimited) => {
                let deeper = depth
                    .checked_sub(1)
                    .ok_or_else(|| format!("lies more than {MAX_DEPTH} messages deep"))?;
                self.walk_at(inner, take(bytes)?, path, deeper)
            }
            (Form::Bytes, WireType::LengthDelimited) => take(bytes).map(|_| ()),
            // A packed list.
            (form, WireType::LengthDelimited) if field.repeated && !form.is_message_or_bytes() => {
                let mut packed = take(bytes)?;
                while !packed.is_empty() {
                    form.number(form.wire(), &mut packed)?;
                }
                Ok(())
            }
            (form, wire) => form.number(wire, bytes),
        }
    }
}

impl Form {
    fn is_message_or_bytes(self) -> bool {
        matches!(self, Self::Message(_) | Self::Bytes)
    }

    fn wire(self) -> WireType {
        match self {
            Self::Bool | Self::Int32 | Self::Uint32 | Self::Varint64 => WireType::Varint,
            Self::Fixed32 => WireType::ThirtyTwoBit,
            Self::Fixed64 => WireType::SixtyFourBit,
            Self::Bytes | Self::Message(_) => WireType::LengthDelimited,
        }
    }

    /// Reads a number.
    fn number(self, wire: WireType, bytes: &mut &[u8]) -> Result<(), String> {
        if wire != self.wire() {
            return Err(format!(
                "has wire type {}; that of the field is {}",
                wire as u8,
                self.wire() as u8
            ));
        }
        let length = match self {
            Self::Fixed32 => 4,
            Self::Fixed64 => 8,
            _ => {
                let value =
                    decode_varint(bytes).map_err(|_| "is cut short, or longer than 64 bits")?;
                // A reader would take the lower bits alone.
                let fits = match self {
                    Self::Bool => value <= 1,
                    Self::Int32 => i32::try_from(value.cast_signed()).is_ok(),
                    Self::Uint32 => u32::try_from(value).is_ok(),
                    _ => true,
                };
                return match fits {
                    true => Ok(()),
                    false => Err(format!("is {value} on the wire, beyond the field's type")),
                };
            }
        };
        match bytes.split_at_checked(length) {
            Some((_, rest)) => {
                *bytes = rest;
                Ok(())
            }
            None => Err("is cut short".into()),
        }
    }
}

/// The bytes of a length-delimited value.
fn take<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let length = decode_varint(bytes).map_err(|_| "its length cannot be read")?;
    let value = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length));
    let (value, rest) = value.ok_or("is longer than the message that holds it")?;
    *bytes = rest;
    Ok(value)
}

/// How often a field stands in bytes that were walked already.
fn index_of(number: u32, mut before: &[u8]) -> usize {
    let mut index = 0;
    while let Ok((found, wire)) = decode_key(&mut before) {
        index += usize::from(found == number);
        let context = prost::encoding::DecodeContext::default();
        if prost::encoding::skip_field(wire, found, &mut before, context).is_err() {
            break;
        }
    }
    index
}

/// A path from its parts, innermost first.
fn join(mut parts: Vec<String>) -> String {
    parts.reverse();
    parts.join(".")
}

#[cfg(test)]
mod tests;
