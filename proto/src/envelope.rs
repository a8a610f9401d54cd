//! The outer form of an envelope, byte by byte, before any CBOR parser sees it.
//!
//! An envelope has one form only (see [`crate::statement`]), so there is nothing to be lenient about. A general parser builds a
//! tree of whatever it is given: it would follow counter signatures within counter signatures (RFC 9052, section 4) down to the
//! end of the stack, and spend 32 bytes of memory on a byte of input. After this it is given three byte strings of known length.

/// Longest protected header: alg, content type and x5t take 102 bytes.
const MAX_PROTECTED_BYTES: usize = 256;
/// Longest signature: ES384 takes 96 bytes.
const MAX_SIGNATURE_BYTES: usize = 256;

/// Major type of byte strings (RFC 8949, section 3.1), in the high three bits.
const BYTES: u8 = 2 << 5;
/// CBOR null.
const NULL: u8 = 0xf6;

/// Checks that `bytes` are tag 18, an array of four: a short byte string, an empty map, a byte string and a short byte string, each
/// with the shortest head, and nothing after them. Answers the payload, or what is wrong.
pub(crate) fn check_form(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let rest = bytes
        .strip_prefix(&[0xd2])
        .ok_or("not a COSE_Sign1 with CBOR tag 18")?;
    let rest = rest
        .strip_prefix(&[0x84])
        .ok_or("not an array of four in its shortest encoding")?;
    let (_, rest) = take_bytes(rest, MAX_PROTECTED_BYTES).map_err(|wrong| match wrong {
        Wrong::Long => "the protected header must have alg, content type and x5t only",
        Wrong::Form => "the protected header must be a byte string in its shortest encoding",
    })?;
    let rest = rest
        .strip_prefix(&[0xa0])
        .ok_or("the unprotected header must be empty")?;
    if rest.first() == Some(&NULL) {
        return Err("the payload must be in the envelope");
    }
    let (payload, rest) = take_bytes(rest, usize::MAX)
        .map_err(|_| "the payload must be a byte string in its shortest encoding")?;
    let (_, rest) = take_bytes(rest, MAX_SIGNATURE_BYTES).map_err(|wrong| match wrong {
        Wrong::Long => "the signature is longer than any of ES256, ES384 or EdDSA",
        Wrong::Form => "the signature must be a byte string in its shortest encoding",
    })?;
    if rest.is_empty() {
        Ok(payload)
    } else {
        Err("bytes follow the envelope")
    }
}

/// What is wrong with a byte string.
enum Wrong {
    Form,
    Long,
}

/// A byte string with the shortest head (RFC 8949, section 4.2.1), and what follows it.
fn take_bytes(at: &[u8], longest: usize) -> Result<(&[u8], &[u8]), Wrong> {
    let (first, rest) = at.split_first().ok_or(Wrong::Form)?;
    let (size, least) = match first.checked_sub(BYTES) {
        Some(length @ 0..=23) => return take(rest, usize::from(length), longest),
        Some(24) => (1, 24),
        Some(25) => (2, 1 << 8),
        Some(26) => (4, 1 << 16),
        _ => return Err(Wrong::Form),
    };
    let (length, rest) = rest.split_at_checked(size).ok_or(Wrong::Form)?;
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    if length < least {
        return Err(Wrong::Form);
    }
    take(rest, length, longest)
}

fn take(rest: &[u8], length: usize, longest: usize) -> Result<(&[u8], &[u8]), Wrong> {
    if length > longest {
        return Err(Wrong::Long);
    }
    rest.split_at_checked(length).ok_or(Wrong::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_form_passes() {
        let form = [0xd2, 0x84, 0x41, 0, 0xa0, 0x42, 7, 8, 0x40];
        assert_eq!(check_form(&form), Ok(&[7, 8][..]));
        for (bad, words) in [
            (&b""[..], "tag 18"),
            (&[0xd2, 0x9f], "array of four"),
            (&[0xd2, 0x84, 0x58, 1, 0, 0xa0, 0x40, 0x40], "shortest"),
            (
                &[0xd2, 0x84, 0x5f, 0xff, 0xa0, 0x40, 0x40],
                "protected header",
            ),
            (&[0xd2, 0x84, 0x59, 1, 1], "only"),
            (&[0xd2, 0x84, 0x5a, 0xff, 0xff, 0xff, 0xff], "only"),
            (
                &[0xd2, 0x84, 0x41, 0, 0xa1, 0, 0, 0x40, 0x40],
                "unprotected",
            ),
            (&[0xd2, 0x84, 0x41, 0, 0xa0, 0xf6, 0x40], "in the envelope"),
            (
                &[0xd2, 0x84, 0x41, 0, 0xa0, 0x5a, 0xff, 0xff, 0xff, 0xff],
                "payload",
            ),
            (&[0xd2, 0x84, 0x41, 0, 0xa0, 0x40, 0x60], "signature"),
            (&[0xd2, 0x84, 0x41, 0, 0xa0, 0x40, 0x40, 0], "follow"),
        ] {
            let wrong = check_form(bad).unwrap_err();
            assert!(wrong.contains(words), "{bad:02x?}: {wrong}");
        }
    }

    #[test]
    fn headers_within_headers_are_never_followed() {
        // A protected header with a counter signature whose protected header has a counter signature, and so on.
        let mut header = vec![0xa0];
        for _ in 0..10_000 {
            let mut outer = vec![0xa1, 0x07, 0x83, 0x5a];
            outer.extend_from_slice(&(header.len() as u32).to_be_bytes());
            outer.extend_from_slice(&header);
            outer.extend_from_slice(&[0xa0, 0x40]);
            header = outer;
        }
        let mut envelope = vec![0xd2, 0x84, 0x5a];
        envelope.extend_from_slice(&(header.len() as u32).to_be_bytes());
        envelope.extend_from_slice(&header);
        envelope.extend_from_slice(&[0xa0, 0x40, 0x40]);
        assert!(crate::statement::Envelope::parse(&envelope).is_err());
    }
}
