//! Ack ids: which attempt at which delivery of which subscription, opaque to whoever holds one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// What an ack id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckId {
    /// The subscription's number.
    pub subscription: u64,
    /// Position of the statement.
    pub position: u64,
    /// Number of the attempt.
    pub lease: u64,
}

/// Bytes of the three numbers and of their checksum.
const BYTES: usize = 28;

impl AckId {
    /// As text.
    pub fn seal(&self) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        for number in [self.subscription, self.position, self.lease] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// From text; `None` if it is none.
    pub fn open(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (numbers, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(numbers) != u32::from_be_bytes(*crc) {
            return None;
        }
        let (numbers, rest) = numbers.as_chunks::<8>();
        match (numbers, rest) {
            ([subscription, position, lease], []) => Some(Self {
                subscription: u64::from_be_bytes(*subscription),
                position: u64::from_be_bytes(*position),
                lease: u64::from_be_bytes(*lease),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_id_comes_back_as_it_was_and_a_changed_one_is_none() {
        let id = AckId {
            subscription: u64::MAX,
            position: 7,
            lease: 1_700_000_000_000_001,
        };
        let text = id.seal();
        assert_eq!(AckId::open(&text), Some(id));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(AckId::open(&changed), None, "{changed}");
        }
        assert_eq!(AckId::open(""), None);
        assert_eq!(AckId::open(&text[1..]), None);
    }
}
