//! How many messages a serialized statement holds, counted before it is decoded: an empty message takes two bytes on the wire and
//! some hundred in memory, so a statement of 1 MiB could otherwise take a third of a gigabyte.

use prost::{
    bytes::Buf as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_reflect::{Kind, MessageDescriptor};

use crate::json;

/// Most messages within a statement. A case that uses every list of the contract in earnest has a few thousand.
pub const MAX_MESSAGES: usize = 20_000;

/// Fewest bytes that a message takes: its key and its length.
const FEWEST_BYTES: usize = 2;

/// Deepest that messages may lie within each other. The contract's own lie less deep.
const DEEPEST: u32 = 32;

/// Checks that a serialized `casebroker.v1.Statement` holds at most [`MAX_MESSAGES`] messages. Bytes that are no statement pass:
/// decoding says better what is wrong with them.
pub(crate) fn check_messages(payload: &[u8]) -> Result<(), String> {
    // Nearly every statement is too small to break the rule.
    if payload.len() / FEWEST_BYTES <= MAX_MESSAGES {
        return Ok(());
    }
    let descriptor =
        json::descriptor("casebroker.v1.Statement").map_err(|error| error.to_string())?;
    let mut left = MAX_MESSAGES;
    match count(payload, &descriptor, DEEPEST, &mut left) {
        Some(()) | None if left > 0 => Ok(()),
        _ => Err(format!("it holds more than {MAX_MESSAGES} messages")),
    }
}

/// Takes each message from `left`; `None` where that is used up or the bytes are no message.
fn count(
    mut bytes: &[u8],
    descriptor: &MessageDescriptor,
    deeper: u32,
    left: &mut usize,
) -> Option<()> {
    while bytes.has_remaining() {
        let (number, wire) = decode_key(&mut bytes).ok()?;
        let field = descriptor.get_field(number);
        match (wire, field.map(|field| field.kind())) {
            (WireType::LengthDelimited, Some(Kind::Message(inner))) => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let (message, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                *left = left.saturating_sub(1);
                if *left == 0 {
                    return None;
                }
                count(message, &inner, deeper.checked_sub(1)?, left)?;
            }
            _ => skip_field(wire, number, &mut bytes, DecodeContext::default()).ok()?,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{CaseReport, Item, Report, Statement, statement};
    use prost::Message as _;

    fn with_items(items: usize) -> Vec<u8> {
        let report = CaseReport {
            items: vec![Item::default(); items],
            ..Default::default()
        };
        let report = Report {
            report: Some(report),
        };
        let kind = Some(statement::Kind::Report(report));
        Statement {
            kind,
            ..Default::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn messages_within_messages_are_counted() {
        // The report, the case report and the items; one less than the limit is left for none.
        assert_eq!(check_messages(&with_items(MAX_MESSAGES - 3)), Ok(()));
        assert!(check_messages(&with_items(MAX_MESSAGES)).is_err());
        assert!(check_messages(&with_items(10 * MAX_MESSAGES)).is_err());
    }

    #[test]
    fn what_is_no_message_is_left_to_the_decoder() {
        assert_eq!(check_messages(&vec![0xff; 100_000]), Ok(()));
        // A text of many bytes that would also be messages.
        let text = Statement {
            case: "\n\0".repeat(50_000),
            ..Default::default()
        };
        assert_eq!(check_messages(&text.encode_to_vec()), Ok(()));
    }
}
