//! Held against prost's own reading and against prost-reflect, which keeps what it does not know.

use proptest::prelude::*;
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::{DynamicMessage, Value};

use super::*;
use crate::{
    json,
    v1::{
        Amendment, CaseReport, EvidenceReference, Item, LaboratoryFinding, Quantity, Report,
        Statement, Technique, item::Goods, statement,
    },
};

fn statement() -> Statement {
    let finding = LaboratoryFinding {
        laboratory: "Laboratory 7".into(),
        report_number: "1".into(),
        techniques: vec![
            Technique::MassSpectrometry.into(),
            Technique::GasChromatography.into(),
        ],
        ..Default::default()
    };
    let report = CaseReport {
        name: "agencies/us-dea/cases/1".into(),
        title: "Parcel".into(),
        items: vec![
            Item {
                goods: Some(Goods::Substance(Default::default())),
                quantity: Some(Quantity {
                    value: "1".into(),
                    normalized: Some(7),
                    ..Default::default()
                }),
                findings: vec![finding],
                ..Default::default()
            };
            2
        ],
        evidence: vec![EvidenceReference {
            size_bytes: 1 << 40,
            ..Default::default()
        }],
        ..Default::default()
    };
    Statement {
        case: "agencies/us-dea/cases/1".into(),
        make_time: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 5,
        }),
        kind: Some(statement::Kind::Report(Report {
            report: Some(report),
        })),
        ..Default::default()
    }
}

fn refused(bytes: &[u8]) -> WireError {
    check(Root::Statement, bytes).unwrap_err()
}

/// A field with a length.
fn delimited(number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(value.len() as u64, &mut out);
    out.extend_from_slice(value);
    out
}

fn varint(number: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out
}

/// Number of a field of a message.
fn number(message: &str, field: &str) -> u32 {
    let descriptor = json::descriptor(message).unwrap();
    descriptor.get_field_by_name(field).unwrap().number()
}

const STATEMENT: &str = "casebroker.v1.Statement";

#[test]
fn every_message_of_the_contract_that_is_signed_has_a_table() {
    assert!(Table::new(STATEMENT).is_some_and(|table| table.messages.len() > 20));
    assert!(Table::new("casebroker.v1.Entry").is_some());
}

#[test]
fn explicit_defaults_unpacked_lists_and_another_order_are_accepted() {
    let plain = statement().encode_to_vec();
    assert_eq!(check(Root::Statement, &plain), Ok(()));
    // `nanos: 0`, as protobufjs writes it, and the time after all else.
    let time = [varint(1, 1_700_000_000), varint(2, 0)].concat();
    let mut without = statement();
    without.make_time = None;
    let time = delimited(number(STATEMENT, "make_time"), &time);
    let reordered = [without.encode_to_vec(), time].concat();
    assert_eq!(check(Root::Statement, &reordered), Ok(()));
    // Techniques one by one.
    let finding = "casebroker.v1.LaboratoryFinding";
    let techniques = number(finding, "techniques");
    let unpacked = [varint(techniques, 2), varint(techniques, 21)].concat();
    let item = delimited(number("casebroker.v1.Item", "findings"), &unpacked);
    let report = delimited(number("casebroker.v1.CaseReport", "items"), &item);
    let report = delimited(1, &delimited(1, &report));
    let kind = delimited(number(STATEMENT, "report"), &report[2..]);
    assert_eq!(check(Root::Statement, &kind), Ok(()), "{kind:?}");
    let Some(statement::Kind::Report(read)) = Statement::decode(&kind[..]).unwrap().kind else {
        panic!("{kind:?}");
    };
    let read = read.report.unwrap().items[0].findings[0].techniques.clone();
    assert_eq!(read, [2, 21]);
}

#[test]
fn what_a_reader_would_not_see_is_refused_with_its_path() {
    let plain = statement().encode_to_vec();
    let unknown = [plain.clone(), varint(900, 1)].concat();
    assert!(refused(&unknown).problem.contains("field 900"));
    let case = delimited(number(STATEMENT, "case"), b"agencies/us-dea/cases/2");
    let twice = refused(&[plain.clone(), case].concat());
    assert_eq!(twice.field, "case");
    // Two members of the oneof.
    let amendment = Statement {
        kind: Some(statement::Kind::Amendment(Amendment::default())),
        ..Default::default()
    };
    let both = refused(&[plain.clone(), amendment.encode_to_vec()].concat());
    assert_eq!(both.field, "amendment");
    // An element of a list, deep within.
    let item = [
        delimited(number("casebroker.v1.Item", "description"), b"first"),
        delimited(
            number("casebroker.v1.Item", "quantity"),
            &varint(2, u64::from(u32::MAX) + 2),
        ),
    ]
    .concat();
    let items = number("casebroker.v1.CaseReport", "items");
    let report = [delimited(items, b""), delimited(items, &item)].concat();
    let kind = delimited(number(STATEMENT, "report"), &delimited(1, &report));
    let beyond = refused(&kind);
    assert_eq!(beyond.field, "report.report.items[1].quantity.unit");
    assert!(
        beyond.problem.contains("beyond the field's type"),
        "{beyond}"
    );
    // A number where a text belongs, a cut value, a group.
    assert!(
        refused(&varint(number(STATEMENT, "case"), 1))
            .problem
            .contains("wire type")
    );
    assert!(check(Root::Statement, &plain[..plain.len() - 1]).is_err());
    let mut group = Vec::new();
    encode_key(number(STATEMENT, "case"), WireType::StartGroup, &mut group);
    encode_key(number(STATEMENT, "case"), WireType::EndGroup, &mut group);
    assert!(check(Root::Statement, &group).is_err());
}

#[test]
fn an_unknown_field_paid_for_by_an_unpacked_list_is_refused() {
    // One element unpacked is a byte shorter than prost's packed form: lengths alone do not tell.
    let techniques = number("casebroker.v1.LaboratoryFinding", "techniques");
    let short = varint(techniques, 2);
    assert_eq!(short.len() + 1, delimited(techniques, &[2]).len());
    let finding = [short, vec![0xf8, 0x01, 0x01]].concat();
    let item = delimited(number("casebroker.v1.Item", "findings"), &finding);
    let report = delimited(number("casebroker.v1.CaseReport", "items"), &item);
    let kind = delimited(number(STATEMENT, "report"), &delimited(1, &report));
    assert_eq!(refused(&kind).field, "report.report.items[0].findings[0]");
}

/// Whether prost-reflect keeps a field that it does not know, at any depth.
fn has_unknown(message: &DynamicMessage) -> bool {
    let of_value = |value: &Value| match value {
        Value::Message(inner) => has_unknown(inner),
        Value::List(list) => list
            .iter()
            .any(|value| matches!(value, Value::Message(inner) if has_unknown(inner))),
        _ => false,
    };
    message.unknown_fields().next().is_some() || message.fields().any(|(_, value)| of_value(value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is accepted holds no unknown field, is read by prost, and reads the same once it is encoded anew.
    #[test]
    fn what_is_accepted_is_read_whole(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4),
    ) {
        let mut bytes = statement().encode_to_vec();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let Ok(read) = Statement::decode(&bytes[..]) else {
            return Ok(());
        };
        if check(Root::Statement, &bytes).is_err() {
            return Ok(());
        }
        let descriptor = json::descriptor(STATEMENT).unwrap();
        let dynamic = DynamicMessage::decode(descriptor, &bytes[..]).unwrap();
        prop_assert!(!has_unknown(&dynamic));
        let again = read.encode_to_vec();
        prop_assert_eq!(check(Root::Statement, &again), Ok(()));
        prop_assert_eq!(&dynamic.transcode_to::<Statement>().unwrap(), &read);
        prop_assert_eq!(Statement::decode(&again[..]).unwrap(), read);
    }
}
