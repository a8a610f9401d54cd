//! Hashes of leaves and nodes, as RFC 6962 section 2.1 defines them (RFC 9162 section 2.1.1 is the same).

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};

/// Length of a hash, in bytes.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 hash of a leaf, of a node or of a whole tree. Text form: standard base64, 44 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; HASH_BYTES]);

/// Root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// Why bytes or text are no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Another number of bytes.
    #[error("a hash has 32 bytes, not {found}")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// Not standard base64 with padding (RFC 4648 section 4), or not its only spelling.
    #[error("a hash is written as 44 characters of standard base64")]
    Base64,
}

/// Hash of a leaf: SHA-256 of the byte 0x00 and the entry. The prefix keeps an entry from passing for a node.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[LEAF_PREFIX]);
    context.update(entry);
    Hash::from_digest(&context.finish())
}

/// Hash of an interior node: SHA-256 of the byte 0x01, the left child's hash and the right child's.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // One call over one buffer: a streaming context costs an allocation, and this is the tree's innermost step.
    let mut input = [NODE_PREFIX; 1 + 2 * HASH_BYTES];
    for (to, from) in input.iter_mut().skip(1).zip(left.0.iter().chain(&right.0)) {
        *to = *from;
    }
    Hash::from_digest(&digest::digest(&digest::SHA256, &input))
}

impl Hash {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// From a digest made by SHA-256 here, so always of the right length.
    fn from_digest(digest: &digest::Digest) -> Self {
        let mut bytes = [0; HASH_BYTES];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl From<[u8; HASH_BYTES]> for Hash {
    fn from(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }
}

impl From<Hash> for [u8; HASH_BYTES] {
    fn from(hash: Hash) -> Self {
        hash.0
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        let found = bytes.len();
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| HashError::Length { found })
    }
}

impl FromStr for Hash {
    type Err = HashError;

    /// Accepts the one spelling that [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, HashError> {
        // Before decoding, so that a long text costs nothing.
        if text.len() != BASE64_CHARACTERS {
            return Err(HashError::Base64);
        }
        let bytes = STANDARD.decode(text).map_err(|_| HashError::Base64)?;
        Self::try_from(bytes.as_slice()).map_err(|_| HashError::Base64)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(&self.0, &STANDARD).fmt(f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;
const BASE64_CHARACTERS: usize = HASH_BYTES.div_ceil(3) * 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sha256(bytes: &[u8]) -> Hash {
        Hash::from_digest(&digest::digest(&digest::SHA256, bytes))
    }

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(sha256(b""), EMPTY_ROOT);
    }

    #[test]
    fn leaf_and_node_hashes_are_those_of_certificate_transparency() {
        // The first leaf and the first node of the reference log that CT implementations test with.
        assert_eq!(
            leaf_hash(b"").to_string(),
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
        );
        let left = leaf_hash(b"left");
        let right = leaf_hash(b"right");
        let joined = [&[1][..], left.as_bytes(), right.as_bytes()].concat();
        assert_eq!(node_hash(&left, &right), sha256(&joined));
        assert_ne!(node_hash(&left, &right), node_hash(&right, &left));
    }

    #[test]
    fn an_entry_shaped_like_a_node_does_not_hash_like_one() {
        let (left, right) = (leaf_hash(b"l"), leaf_hash(b"r"));
        let entry = [left.as_bytes().as_slice(), right.as_bytes()].concat();
        assert_ne!(leaf_hash(&entry), node_hash(&left, &right));
    }

    #[test]
    fn text_in_any_other_spelling_is_refused() {
        let text = EMPTY_ROOT.to_string();
        assert_eq!(text.len(), BASE64_CHARACTERS);
        let url_safe = Hash([0xff; 32]).to_string().replace('/', "_");
        // The last character before the padding carries two bits that mean nothing and must be zero.
        let loose_bits = text.replace("FU=", "FV=");
        assert_ne!(loose_bits, text);
        for bad in [
            "",
            &text[..43],
            &format!("{text}="),
            &format!("{text}\n"),
            &format!(" {}", &text[1..]),
            &url_safe,
            &loose_bits,
            // Right in form, with a byte too few.
            &format!("{}AA==", &text[..40]),
            &text[..40],
        ] {
            assert_eq!(bad.parse::<Hash>(), Err(HashError::Base64), "{bad:?}");
        }
        assert_eq!(
            Hash::try_from(&[0_u8; 31][..]),
            Err(HashError::Length { found: 31 })
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same_hash(bytes: [u8; 32]) {
            let hash = Hash::from_bytes(bytes);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
            prop_assert_eq!(format!("{hash:?}"), hash.to_string());
            prop_assert_eq!(Hash::try_from(&bytes[..]), Ok(hash));
        }

        #[test]
        fn a_text_that_parses_is_the_text_that_is_printed(text in "[A-Za-z0-9+/=]{43}=") {
            if let Ok(hash) = text.parse::<Hash>() {
                prop_assert_eq!(hash.to_string(), text);
            }
        }
    }
}
