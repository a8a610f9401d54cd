//! Keys that sign and verify notes: Ed25519, signature type 0x01 of <https://c2sp.org/signed-note>.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    digest,
    encoding::AsBigEndian,
    error::Unspecified,
    rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::note::{self, NoteError, NoteSignature};

/// Length of an Ed25519 public key or seed, in bytes.
pub const KEY_BYTES: usize = 32;

/// Why a key was refused. Says nothing of what was read, since that may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name breaks the rule for key names.
    #[error("a key name must not be empty nor contain spaces, control characters or '+'")]
    Name,
    /// The text has another form.
    #[error("the key must have the form `{expected}`")]
    Form {
        /// The form expected.
        expected: &'static str,
    },
    /// A signature type other than Ed25519.
    #[error("signature type {0:#04x} is not supported, only 0x01 (Ed25519)")]
    Type(u8),
    /// Key ID and key do not belong together: one of them was changed.
    #[error("the key says that its ID is {found:08x}, but it is {computed:08x}")]
    Id {
        /// As the text says.
        found: u32,
        /// From name and public key.
        computed: u32,
    },
    /// The cryptographic library failed.
    #[error("the cryptographic library refused the operation")]
    Crypto,
}

impl From<Unspecified> for KeyError {
    fn from(_: Unspecified) -> Self {
        Self::Crypto
    }
}

/// A public key with its name: whose signatures count. Text form, the "vkey":
/// `<name>+<key ID, 8 hex digits>+<base64 of 0x01 and the public key>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NoteVerifier {
    name: String,
    key_id: u32,
    public_key: [u8; KEY_BYTES],
}

impl NoteVerifier {
    /// From a name and an Ed25519 public key (RFC 8032 encoding).
    pub fn new(name: &str, public_key: [u8; KEY_BYTES]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        Ok(Self {
            name: name.to_owned(),
            key_id: key_id(name, &public_key),
            public_key,
        })
    }

    /// Name of the key, as it stands in signature lines. For a log it should be the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// ID of the key: an identifier, short and easily collided with, never a proof.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The public key (RFC 8032 encoding).
    pub fn public_key(&self) -> &[u8; KEY_BYTES] {
        &self.public_key
    }

    /// Whether `signature` is this key's over `text`.
    pub(super) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(text.as_bytes(), signature)
            .is_ok()
    }

    fn check_id(&self, found: u32) -> Result<(), KeyError> {
        let computed = self.key_id;
        if found == computed {
            Ok(())
        } else {
            Err(KeyError::Id { found, computed })
        }
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join_key(&self.name, self.key_id, &self.public_key))
    }
}

impl FromStr for NoteVerifier {
    type Err = KeyError;

    /// Accepts the one spelling that [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, found, key) = split_key(text, VERIFIER_FORM)?;
        let verifier = Self::new(name, *key)?;
        verifier.check_id(found)?;
        Ok(verifier)
    }
}

/// A private key with its name. Shows its secret only through [`NoteSigner::private_key_text`].
pub struct NoteSigner {
    verifier: NoteVerifier,
    pair: Ed25519KeyPair,
}

impl NoteSigner {
    /// A new key of this name, from the system's randomness.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(seed.as_mut_slice())?;
        Self::from_seed(name, &seed)
    }

    /// From a name and an Ed25519 seed, the private key of RFC 8032.
    pub fn from_seed(name: &str, seed: &[u8; KEY_BYTES]) -> Result<Self, KeyError> {
        // "Unchecked" is about a public key given beside the seed; here it is computed.
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Crypto)?;
        let public_key = pair.public_key().as_ref();
        let public_key = public_key.try_into().map_err(|_| KeyError::Crypto)?;
        Ok(Self {
            verifier: NoteVerifier::new(name, public_key)?,
            pair,
        })
    }

    /// From the text that [`NoteSigner::private_key_text`] gives, and no other spelling. Errors repeat nothing of it.
    pub fn from_private_key_text(text: &str) -> Result<Self, KeyError> {
        let expected = SIGNER_FORM;
        let rest = text
            .strip_prefix(PRIVATE_KEY)
            .ok_or(KeyError::Form { expected })?;
        let (name, found, seed) = split_key(rest, expected)?;
        let signer = Self::from_seed(name, &seed)?;
        signer.verifier.check_id(found)?;
        Ok(signer)
    }

    /// THE SECRET, in the text form of Go's `golang.org/x/mod/sumdb/note`:
    /// `PRIVATE+KEY+<name>+<key ID, 8 hex digits>+<base64 of 0x01 and the seed>`. Its memory is cleared when it is dropped.
    pub fn private_key_text(&self) -> Result<Zeroizing<String>, KeyError> {
        let seed = self.pair.seed()?.as_be_bytes()?;
        let key = join_key(self.name(), self.key_id(), seed.as_ref());
        // Of the full length from the start: a string that grows leaves its former bytes behind.
        let mut text = Zeroizing::new(String::with_capacity(PRIVATE_KEY.len() + key.len()));
        text.push_str(PRIVATE_KEY);
        text.push_str(&key);
        Ok(text)
    }

    /// The public half.
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// Name of the key.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// ID of the key.
    pub fn key_id(&self) -> u32 {
        self.verifier.key_id()
    }

    /// Signs a note's text as it is, final newline included.
    pub(super) fn sign(&self, text: &str) -> Result<NoteSignature, NoteError> {
        let signature = self
            .pair
            .try_sign(text.as_bytes())
            .map_err(|_| NoteError::Signing)?;
        Ok(NoteSignature::new(
            self.name(),
            self.key_id(),
            signature.as_ref(),
        ))
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// Whether a text may stand as key name: not empty, without Unicode spaces and `+`, and, as it is written into notes, without
/// control characters.
pub(super) fn is_key_name(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(|c| c == '+' || note::is_forbidden(c) || char::is_whitespace(c))
}

const ED25519_TYPE: u8 = 0x01;
const PRIVATE_KEY: &str = "PRIVATE+KEY+";
const VERIFIER_FORM: &str = "<name>+<8 lowercase hex digits>+<base64 of 33 bytes>";
const SIGNER_FORM: &str = "PRIVATE+KEY+<name>+<8 lowercase hex digits>+<base64 of 33 bytes>";

/// First four bytes of SHA-256 over the name, a newline, the signature type and the public key.
fn key_id(name: &str, public_key: &[u8; KEY_BYTES]) -> u32 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(name.as_bytes());
    context.update(&[b'\n', ED25519_TYPE]);
    context.update(public_key);
    let digest = context.finish();
    let first = digest.as_ref().iter().take(4);
    first.fold(0, |id, byte| id << 8 | u32::from(*byte))
}

/// The text of a key, cleared when dropped, since it may be the private one.
fn join_key(name: &str, key_id: u32, key: &[u8]) -> Zeroizing<String> {
    let typed = Zeroizing::new([&[ED25519_TYPE], key].concat());
    let mut text = format!("{name}+{key_id:08x}+");
    // A third more than the bytes and a rest; nothing secret is in the text yet if this moves it.
    text.reserve_exact(typed.len().div_ceil(3) * 4);
    STANDARD.encode_string(&*typed, &mut text);
    Zeroizing::new(text)
}

/// Name, key ID and key of `<name>+<key ID>+<base64>`. The base64 may contain `+`, the name may not. The key may be the
/// private one, so no copy of it stays behind.
fn split_key<'a>(
    text: &'a str,
    expected: &'static str,
) -> Result<(&'a str, u32, Zeroizing<[u8; KEY_BYTES]>), KeyError> {
    let form = || KeyError::Form { expected };
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(form());
    };
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if id.len() != 8 || !id.bytes().all(is_digit) {
        return Err(form());
    }
    let id = u32::from_str_radix(id, 16).map_err(|_| form())?;
    let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| form())?);
    match key.split_first() {
        Some((&ED25519_TYPE, key)) => {
            let key = <[u8; KEY_BYTES]>::try_from(key).map_err(|_| form())?;
            Ok((name, id, Zeroizing::new(key)))
        }
        Some((other, _)) => Err(KeyError::Type(*other)),
        None => Err(form()),
    }
}

#[cfg(test)]
mod tests;
