//! The bytes of a line, and nothing about files. The fields are described in the room's own text.

use std::{fmt::Write as _, net::SocketAddr};

use aws_lc_rs::digest;
use serde::Deserialize;

use super::{Chain, Hash};

/// Longest line, with its end. What callers send is cut, so nothing longer is ever written.
pub const MAX_LINE_BYTES: usize = 16 << 10;
/// Most characters of `resource`.
const MAX_RESOURCE: usize = 500;
/// Most characters of `method`, which for a method that nobody knows is what the caller sent.
const MAX_METHOD: usize = 200;
/// What the first line of a file begins with.
const HEADER_BEGIN: &str = "{\"record\":\"casebroker access record 1\",\"first\":";
const CRC: &str = ",\"crc\":\"";
const HASH: &str = "\",\"hash\":\"";
const END: &str = "\"}";
/// Bytes from `,"crc"` on.
const TAIL_BYTES: usize = CRC.len() + 8 + HASH.len() + 64 + END.len();
const SEQUENCE: &[u8] = b"{\"seq\":";
const TIME: &[u8] = b",\"time\":\"";
/// Characters of a time.
pub const TIME_CHARS: usize = 27;

/// What one RPC leaves behind, before it has its place in the chain.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// SPIFFE ID.
    pub principal: &'a str,
    /// Serial number of the certificate.
    pub serial: &'a str,
    /// Address of the peer.
    pub peer: Option<SocketAddr>,
    /// Service and method, without the first slash.
    pub method: &'a str,
    /// Resource name or filter.
    pub resource: &'a str,
    /// Purpose code.
    pub purpose: &'a str,
    /// Purpose reference.
    pub reference: &'a str,
    /// Name of the gRPC code.
    pub outcome: &'a str,
    /// Reason of a refusal.
    pub reason: &'a str,
    /// Messages received.
    pub requests: u64,
    /// Messages sent.
    pub answers: u64,
    /// Answers within a stream that refuse a statement.
    pub refused: u64,
    /// Cases returned.
    pub cases: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Duration, microseconds.
    pub duration_us: u64,
}

/// A line read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "the fields are described in the room's own text"
)]
pub struct Line {
    #[serde(rename = "seq")]
    pub sequence: u64,
    pub time: String,
    pub principal: String,
    pub serial: String,
    pub peer: String,
    pub method: String,
    pub resource: String,
    pub purpose: String,
    pub reference: String,
    pub outcome: String,
    pub reason: String,
    pub requests: u64,
    pub answers: u64,
    pub refused: u64,
    pub cases: u64,
    #[serde(rename = "in")]
    pub bytes_in: u64,
    #[serde(rename = "out")]
    pub bytes_out: u64,
    #[serde(rename = "us")]
    pub duration_us: u64,
    pub salt: String,
    pub crc: String,
    pub hash: String,
}

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Names the format.
    pub record: String,
    /// Sequence number of the first line after it.
    pub first: u64,
    /// Last hash of the file before, hexadecimal.
    pub previous: String,
    /// When the file was begun.
    pub opened: String,
    /// CRC-32C.
    pub crc: String,
    /// Its hash.
    pub hash: String,
}

impl Entry<'_> {
    /// The fields from `principal` to `us`, encoded: everything that needs no place in the chain.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        text(&mut out, ",\"principal\":\"", self.principal, usize::MAX);
        text(&mut out, "\",\"serial\":\"", self.serial, usize::MAX);
        out.extend_from_slice(b"\",\"peer\":\"");
        if let Some(peer) = self.peer {
            let mut shown = String::with_capacity(48);
            // Writing to a string cannot fail.
            let _ = write!(shown, "{peer}");
            escape(&mut out, &shown);
        }
        text(&mut out, "\",\"method\":\"", self.method, MAX_METHOD);
        text(&mut out, "\",\"resource\":\"", self.resource, MAX_RESOURCE);
        text(&mut out, "\",\"purpose\":\"", self.purpose, MAX_METHOD);
        text(&mut out, "\",\"reference\":\"", self.reference, MAX_METHOD);
        text(&mut out, "\",\"outcome\":\"", self.outcome, MAX_METHOD);
        text(&mut out, "\",\"reason\":\"", self.reason, MAX_METHOD);
        number(&mut out, "\",\"requests\":", self.requests);
        number(&mut out, ",\"answers\":", self.answers);
        number(&mut out, ",\"refused\":", self.refused);
        number(&mut out, ",\"cases\":", self.cases);
        number(&mut out, ",\"in\":", self.bytes_in);
        number(&mut out, ",\"out\":", self.bytes_out);
        number(&mut out, ",\"us\":", self.duration_us);
        out
    }
}

/// Replaces `out` by the line that follows `chain`, with its end; gives its hash.
pub fn encode_line(
    out: &mut Vec<u8>,
    chain: &Chain,
    time: &[u8; TIME_CHARS],
    fields: &[u8],
    salt: &[u8],
) -> Hash {
    out.clear();
    out.extend_from_slice(SEQUENCE);
    digits(out, chain.sequence.saturating_add(1));
    out.extend_from_slice(TIME);
    out.extend_from_slice(time);
    out.push(b'"');
    out.extend_from_slice(fields);
    out.extend_from_slice(b",\"salt\":\"");
    hexadecimal(out, salt);
    out.push(b'"');
    seal(out, &chain.hash)
}

/// Replaces `out` by the first line of a file that follows `chain`; gives its hash.
pub fn encode_header(out: &mut Vec<u8>, chain: &Chain, time: &[u8; TIME_CHARS]) -> Hash {
    out.clear();
    out.extend_from_slice(HEADER_BEGIN.as_bytes());
    digits(out, chain.sequence.saturating_add(1));
    out.extend_from_slice(b",\"previous\":\"");
    hexadecimal(out, &chain.hash);
    out.extend_from_slice(b"\",\"opened\":\"");
    out.extend_from_slice(time);
    out.push(b'"');
    seal(out, &chain.hash)
}

fn seal(out: &mut Vec<u8>, previous: &Hash) -> Hash {
    let hash = chain_hash(previous, out);
    let crc = crc32c::crc32c(out);
    out.extend_from_slice(CRC.as_bytes());
    hexadecimal(out, &crc.to_be_bytes());
    out.extend_from_slice(HASH.as_bytes());
    hexadecimal(out, &hash);
    out.extend_from_slice(END.as_bytes());
    out.push(b'\n');
    hash
}

/// SHA-256 over the hash before and a line up to its checksum.
pub fn chain_hash(previous: &Hash, body: &[u8]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(previous);
    context.update(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// A line taken apart as far as the chain needs it.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    /// Up to the checksum.
    pub body: &'a [u8],
    /// The hash that it states.
    pub hash: Hash,
}

/// Takes a line, without its end, apart and checks its CRC.
pub fn open(line: &[u8]) -> Result<Sealed<'_>, &'static str> {
    let (sealed, crc) = split(line).ok_or("it does not have the form of a line")?;
    match crc == crc32c::crc32c(sealed.body).to_be_bytes() {
        true => Ok(sealed),
        false => Err("its checksum is wrong"),
    }
}

/// The same without checking; the CRC stands beside.
pub fn split(line: &[u8]) -> Option<(Sealed<'_>, [u8; 4])> {
    let (body, tail) = line.split_at_checked(line.len().checked_sub(TAIL_BYTES)?)?;
    let tail = tail.strip_prefix(CRC.as_bytes())?;
    let (crc, rest) = tail.strip_suffix(END.as_bytes())?.split_at_checked(8)?;
    let mut stated = [0; 4];
    unhex(crc, &mut stated)?;
    let mut hash = [0; 32];
    unhex(rest.strip_prefix(HASH.as_bytes())?, &mut hash)?;
    Some((Sealed { body, hash }, stated))
}

/// Sequence number of a line, from its beginning.
pub fn sequence(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(SEQUENCE)?;
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// Time of a line, from its beginning. Times compare as text.
pub fn time(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(SEQUENCE)?;
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    rest.get(end..)?.strip_prefix(TIME)?.get(..TIME_CHARS)
}

/// Reads the first line of a file.
pub fn parse_header(line: &[u8]) -> Option<Header> {
    line.starts_with(HEADER_BEGIN.as_bytes())
        .then(|| serde_json::from_slice(line).ok())
        .flatten()
}

impl Line {
    /// Reads a line whose checksum is right.
    pub fn parse(line: &[u8]) -> Result<Self, &'static str> {
        open(line)?;
        serde_json::from_slice(line).map_err(|_| "it does not have the fields of a line")
    }
}

/// Reads lower-case hexadecimal of exactly the length of `into`.
pub fn unhex(text: &[u8], into: &mut [u8]) -> Option<()> {
    let lower = text.iter().all(|b| !b.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, into).is_ok()).then_some(())
}

fn text(out: &mut Vec<u8>, before: &str, value: &str, most: usize) {
    out.extend_from_slice(before.as_bytes());
    match value.char_indices().nth(most) {
        None => escape(out, value),
        Some((end, _)) => {
            escape(out, value.get(..end).unwrap_or_default());
            out.extend_from_slice(b"...");
        }
    }
}

/// JSON text in printable ASCII: nothing that a caller sent can begin a line or reach a terminal.
fn escape(out: &mut Vec<u8>, value: &str) {
    let plain = |b: &u8| (b' '..=b'~').contains(b) && *b != b'"' && *b != b'\\';
    if value.as_bytes().iter().all(plain) {
        out.extend_from_slice(value.as_bytes());
        return;
    }
    for c in value.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            ' '..='~' => out.extend(u8::try_from(c)),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(b"\\u");
                    hexadecimal(out, &unit.to_be_bytes());
                }
            }
        }
    }
}

fn number(out: &mut Vec<u8>, before: &str, value: u64) {
    out.extend_from_slice(before.as_bytes());
    digits(out, value);
}

fn digits(out: &mut Vec<u8>, mut value: u64) {
    let begin = out.len();
    loop {
        out.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if let Some(written) = out.get_mut(begin..) {
        written.reverse();
    }
}

fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    let digit = |nibble: u8| match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    };
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
}
