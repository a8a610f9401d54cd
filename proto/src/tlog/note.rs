//! Signed notes, as <https://c2sp.org/signed-note> defines them: a text, an empty line, and lines with signatures.
//!
//! One rule is stricter than the page: where a note carries several lines of one known key, each of them is verified, not
//! only the first. So no line of a known key passes unread.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::key::{NoteSigner, NoteVerifier, is_key_name};

/// Longest note, in bytes, signatures included. Holds 15 post-quantum cosignatures (98 KB) and as much again.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;

/// Most signature lines of a note.
pub const MAX_SIGNATURES: usize = 100;

/// Why a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("the note has {found} bytes, more than {MAX_NOTE_BYTES}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// A control character other than newline.
    #[error("the note contains control character U+{code:04X} at byte {at}")]
    ControlCharacter {
        /// The character's code point.
        code: u32,
        /// Where, in bytes from the start.
        at: usize,
    },
    /// The text does not end in a newline.
    #[error("the note's text does not end with a newline")]
    UnfinishedText,
    /// No empty line with something before it, so no telling text from signatures.
    #[error("no empty line separates the note's text from its signatures")]
    NoSeparator,
    /// The last line does not end.
    #[error("the note does not end with a newline")]
    UnfinishedLine,
    /// A line after the last empty line is no signature line.
    #[error("signature line {line} must be `— <key name> <base64 of a key ID and a signature>`")]
    SignatureLine {
        /// Which signature line, from 1.
        line: usize,
    },
    /// More than [`MAX_SIGNATURES`], or none to sign with.
    #[error("a note has 1 to {MAX_SIGNATURES} signatures, not {found}")]
    SignatureCount {
        /// Signatures found; when reading, where it stopped counting.
        found: usize,
    },
    /// A known key's signature does not verify: the text or the signature was changed.
    #[error("the signature of key {name}+{key_id:08x} is not valid for this text")]
    InvalidSignature {
        /// Name of the key.
        name: String,
        /// ID of the key.
        key_id: u32,
    },
    /// Two different keys were given that signature lines cannot tell apart.
    #[error("two known keys share the name and ID {name}+{key_id:08x}")]
    AmbiguousKey {
        /// Name of the keys.
        name: String,
        /// ID of the keys.
        key_id: u32,
    },
    /// No line is from a known key.
    #[error("no known key signed the note")]
    Unverified,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed to sign")]
    Signing,
}

/// One signature line: who says to have signed, and what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NoteSignature {
    name: String,
    key_id: u32,
    signature: Vec<u8>,
}

impl NoteSignature {
    /// `name` must be a key name; signers have one.
    pub(super) fn new(name: &str, key_id: u32, signature: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            key_id,
            signature: signature.to_vec(),
        }
    }

    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// ID of the key.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The signature, in the form of the key's type: 64 bytes for Ed25519. Never empty.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether name and ID are those of `verifier`. Says nothing about the signature.
    fn claims(&self, verifier: &NoteVerifier) -> bool {
        self.name == verifier.name() && self.key_id == verifier.key_id()
    }

    /// From a line without its newline.
    fn parse(line: &str) -> Option<Self> {
        let (name, blob) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let blob = STANDARD.decode(blob).ok()?;
        let (id, signature) = blob.split_first_chunk()?;
        let whole = is_key_name(name) && !signature.is_empty();
        whole.then(|| Self::new(name, u32::from_be_bytes(*id), signature))
    }
}

impl fmt::Display for NoteSignature {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [&self.key_id.to_be_bytes(), self.signature.as_slice()].concat();
        write!(
            f,
            "{SIGNATURE_PREFIX}{} {}",
            self.name,
            STANDARD.encode(blob)
        )
    }
}

/// A well-formed note. Nothing in it is true until [`SignedNote::verify`] says that a known key signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Signs `text`, which must end with a newline and contain no other control character, with each of the keys.
    pub fn sign(text: &str, signers: &[&NoteSigner]) -> Result<Self, NoteError> {
        check_text(text)?;
        let found = signers.len();
        if found == 0 || found > MAX_SIGNATURES {
            return Err(NoteError::SignatureCount { found });
        }
        let signatures = signers
            .iter()
            .map(|signer| signer.sign(text))
            .collect::<Result<_, _>>()?;
        let note = Self {
            text: text.to_owned(),
            signatures,
        };
        check_length(note.to_string().len())?;
        Ok(note)
    }

    /// What was signed, with its final newline, without the empty line after it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines in their order, of known and unknown keys alike.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Verifies each signature of a known key and gives those in their order; at least one.
    ///
    /// Lines of other keys are ignored, also if they share a name or an ID (but not both) with a known key. One bad signature
    /// of a known key refuses the whole note.
    pub fn verify(&self, known: &[&NoteVerifier]) -> Result<Vec<&NoteSignature>, NoteError> {
        let mut verified = Vec::new();
        for line in &self.signatures {
            let mut claimed = known.iter().filter(|verifier| line.claims(verifier));
            let Some(verifier) = claimed.next() else {
                continue;
            };
            let name = line.name.clone();
            let key_id = line.key_id;
            if claimed.any(|other| other != verifier) {
                return Err(NoteError::AmbiguousKey { name, key_id });
            }
            if !verifier.verifies(&self.text, &line.signature) {
                return Err(NoteError::InvalidSignature { name, key_id });
            }
            verified.push(line);
        }
        if verified.is_empty() {
            return Err(NoteError::Unverified);
        }
        Ok(verified)
    }
}

impl fmt::Display for SignedNote {
    /// The whole note; what was parsed comes out byte for byte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        check_length(note.len())?;
        check_characters(note)?;
        // The text may contain empty lines, signatures cannot: the last one is the separator.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::NoSeparator)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::UnfinishedLine)?;
        let mut signatures = Vec::new();
        for (i, line) in lines.split('\n').enumerate() {
            let found = i + 1;
            if found > MAX_SIGNATURES {
                return Err(NoteError::SignatureCount { found });
            }
            let signature = NoteSignature::parse(line);
            signatures.push(signature.ok_or(NoteError::SignatureLine { line: found })?);
        }
        Ok(Self {
            text: format!("{text}\n"),
            signatures,
        })
    }
}

/// Whether a character may not stand in a note at all, newline aside.
pub(super) fn is_forbidden(character: char) -> bool {
    character < ' '
}

/// Whether a text may be signed: ends with a newline, no other control characters.
pub(super) fn check_text(text: &str) -> Result<(), NoteError> {
    check_length(text.len())?;
    check_characters(text)?;
    if !text.ends_with('\n') {
        return Err(NoteError::UnfinishedText);
    }
    Ok(())
}

/// Em dash and space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

fn check_length(found: usize) -> Result<(), NoteError> {
    if found > MAX_NOTE_BYTES {
        return Err(NoteError::TooLong { found });
    }
    Ok(())
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    match text.match_indices(is_forbidden).find(|(_, c)| *c != "\n") {
        Some((at, found)) => Err(NoteError::ControlCharacter {
            code: found.chars().next().map_or(0, u32::from),
            at,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
