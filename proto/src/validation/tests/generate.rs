//! Statements made up from the descriptor: every field, with values that are right, nearly right or wild.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, Value};

use super::Statement;

/// The statement of this seed.
pub(super) fn statement(seed: u64) -> Statement {
    let root = crate::json::descriptor("casebroker.v1.Statement").unwrap();
    let message = Random(seed).message(&root);
    message.transcode_to().unwrap()
}

const TEXTS: [&str; 24] = [
    "",
    " ",
    "a",
    "US",
    "UK",
    "CN-HB",
    "carfentanil",
    "carfentanyl",
    "59708-52-0",
    "59708-52-1",
    "1.2",
    "30000",
    "-1",
    "101",
    "agencies/us-dea",
    "agencies/us-dea/cases/1",
    "2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11",
    "YDSDEBIZUNNPOB-UHFFFAOYSA-N",
    "application/pdf",
    "https://example.org/%20",
    "route.origin",
    "a\u{202e}b",
    "two\nlines",
    "\u{0}",
];

const NUMBERS: [i64; 14] = [
    0,
    1,
    2,
    3,
    5,
    9,
    15,
    99,
    -1,
    2016,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
];

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn message(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        for field in descriptor.fields() {
            // Of a oneof the last one set remains, so each has a chance of its own.
            if self.below(4) == 0 && field.containing_oneof().is_none() {
                continue;
            }
            if field.containing_oneof().is_some() && self.below(3) != 0 {
                continue;
            }
            let value = if field.is_list() {
                let n = [0, 1, 1, 2, 3][self.below(5)];
                Value::List((0..n).map(|_| self.value(&field)).collect())
            } else {
                self.value(&field)
            };
            message.set_field(&field, value);
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor) -> Value {
        let number = NUMBERS[self.below(NUMBERS.len())];
        match field.kind() {
            FieldKind::Message(m) => Value::Message(self.message(&m)),
            FieldKind::String => Value::String(match self.below(12) {
                0 => "é".repeat([100, 101, 201, 1_001, 20_001][self.below(5)]),
                _ => TEXTS[self.below(TEXTS.len())].into(),
            }),
            FieldKind::Bytes => Value::Bytes(vec![0; [0, 31, 32, 48, 64][self.below(5)]].into()),
            FieldKind::Enum(_) => Value::EnumNumber(number as i32),
            FieldKind::Int32 => Value::I32(number as i32),
            FieldKind::Int64 => Value::I64(number),
            FieldKind::Bool => Value::Bool(number > 0),
            other => panic!("the contract has no {other:?} in statements"),
        }
    }
}
