//! Header blocks (RFC 7541): written as plain literals, so that a block says exactly what a test wants; read in full, as the
//! broker's answers are Huffman-coded. The reader keeps no dynamic table: [`crate::frames`] allows the broker none.

/// Names and values of a header block.
pub type Headers = Vec<(String, String)>;

/// Code lengths of the 256 bytes (appendix B). The code is canonical: lengths are all there is to know.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Names of the static table (appendix A), index 1 first.
const STATIC: &str = ":authority :method :method :path :path :scheme :scheme :status :status :status :status :status \
    :status :status accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age \
    allow authorization cache-control content-disposition content-encoding content-language content-length \
    content-location content-range content-type cookie date etag expect expires from host if-match if-modified-since \
    if-none-match if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate \
    proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security transfer-encoding \
    user-agent vary via www-authenticate";

/// Values of the statuses in the static table, indices 8 to 14.
const STATUSES: [&str; 7] = ["200", "204", "206", "304", "400", "404", "500"];

/// A block of literals without indexing.
pub fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        push_text(&mut block, name.as_ref());
        push_text(&mut block, value.as_ref());
    }
    block
}

/// A length-prefixed text, not Huffman-coded.
pub fn push_text(block: &mut Vec<u8>, text: &[u8]) {
    push_integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

/// An integer after `first`'s high bits (section 5.1).
pub fn push_integer(block: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        block.push(first | value as u8);
        return;
    }
    block.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        block.push(rest as u8 | 128);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// Reads a block of the broker.
pub fn decode(block: &[u8]) -> Headers {
    let mut at = block;
    let mut headers = Vec::new();
    while let Some(first) = at.first().copied() {
        if first & 0x80 != 0 {
            let index = take_integer(&mut at, 7);
            headers.push((name(index), STATUSES[index - 8].into()));
        } else if first & 0xe0 == 0x20 {
            assert_eq!(take_integer(&mut at, 5), 0, "no dynamic table was allowed");
        } else {
            let prefix = if first & 0x40 == 0 { 4 } else { 6 };
            let name = match take_integer(&mut at, prefix) {
                0 => take_text(&mut at),
                index => name(index),
            };
            headers.push((name, take_text(&mut at)));
        }
    }
    headers
}

fn name(index: usize) -> String {
    let mut names = STATIC.split_whitespace();
    names.nth(index - 1).expect("a static index").into()
}

fn take_integer(at: &mut &[u8], prefix: u32) -> usize {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(take(at)) & most;
    if value < most {
        return value;
    }
    let mut shift = 0;
    loop {
        let byte = take(at);
        value += usize::from(byte & 127) << shift;
        shift += 7;
        if byte & 128 == 0 {
            return value;
        }
    }
}

fn take(at: &mut &[u8]) -> u8 {
    let (first, rest) = at.split_first().expect("a whole header block");
    *at = rest;
    *first
}

fn take_text(at: &mut &[u8]) -> String {
    let coded = at[0] & 0x80 != 0;
    let length = take_integer(at, 7);
    let (text, rest) = at.split_at(length);
    *at = rest;
    let bytes = if coded { uncode(text) } else { text.to_vec() };
    String::from_utf8(bytes).expect("an answer's headers are UTF-8")
}

fn uncode(coded: &[u8]) -> Vec<u8> {
    let mut symbols: Vec<usize> = (0..256).collect();
    symbols.sort_by_key(|s| (LENGTHS[*s], *s));
    let (mut code, mut length) = (0_u32, 0);
    let mut text = Vec::new();
    for bit in coded
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |b| byte >> b & 1))
    {
        (code, length) = (code << 1 | u32::from(bit), length + 1);
        if let Some(symbol) = symbol(&symbols, code, length) {
            text.push(symbol);
            (code, length) = (0, 0);
        }
    }
    text
}

/// The symbol with this code, walking the canonical order.
fn symbol(symbols: &[usize], code: u32, length: u8) -> Option<u8> {
    let (mut next, mut reached) = (0_u32, 0);
    for symbol in symbols {
        next <<= LENGTHS[*symbol] - reached;
        reached = LENGTHS[*symbol];
        if reached > length {
            return None;
        }
        if reached == length && next == code {
            return Some(*symbol as u8);
        }
        next += 1;
    }
    None
}
