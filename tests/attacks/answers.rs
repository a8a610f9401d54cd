//! What the broker answers, frame by frame.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, ReadHalf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{
    frames::{
        ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
        WINDOW_UPDATE,
    },
    hpack::{self, Headers},
};

/// Names of the error codes (section 7).
const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// What the broker has sent so far.
#[derive(Default)]
pub struct Seen {
    /// Debug text and code of GOAWAY.
    pub goaway: Option<String>,
    /// Code of RST_STREAM by stream.
    pub resets: HashMap<u32, &'static str>,
    /// Header blocks by stream: headers, then trailers.
    pub headers: HashMap<u32, Headers>,
    /// Bytes of DATA by stream.
    pub data: HashMap<u32, Vec<u8>>,
    /// Streams that ended in order.
    pub ended: Vec<u32>,
    /// Bytes granted beyond the 65,535 that every window begins with, by stream; 0 is the connection.
    pub granted: HashMap<u32, usize>,
    /// The broker's INITIAL_WINDOW_SIZE.
    pub initial_window: usize,
    /// PINGs acknowledged.
    pub pongs: usize,
    /// The broker's SETTINGS have come.
    pub settings: bool,
    /// SETTINGS acknowledged.
    pub settings_acks: usize,
    /// The connection is over, and how.
    pub closed: Option<String>,
}

/// An answer to a call.
#[derive(Debug, Clone)]
pub struct Answer(pub Headers);

pub fn ending(seen: &Seen) -> Option<String> {
    let closed = seen.closed.as_ref()?;
    Some(seen.goaway.clone().unwrap_or_else(|| closed.clone()))
}

pub async fn read(mut reader: ReadHalf<TlsStream<TcpStream>>, seen: Arc<Mutex<Seen>>) {
    loop {
        match next(&mut reader).await {
            Ok((kind, flags, stream, payload)) => {
                note(&mut seen.lock().unwrap(), kind, flags, stream, &payload)
            }
            Err(error) => {
                seen.lock().unwrap().closed = Some(format!("closed: {}", error.kind()));
                return;
            }
        }
    }
}

pub async fn next(
    reader: &mut ReadHalf<TlsStream<TcpStream>>,
) -> io::Result<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload).await?;
    Ok((head[3], head[4], stream, payload))
}

pub fn note(seen: &mut Seen, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let code = |at: usize| {
        let code = u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        CODES.get(code as usize).copied().unwrap_or("unknown")
    };
    match kind {
        DATA => seen
            .data
            .entry(stream)
            .or_default()
            .extend_from_slice(payload),
        HEADERS => {
            assert_ne!(flags & END_HEADERS, 0, "answers fit one frame");
            seen.headers
                .entry(stream)
                .or_default()
                .extend(hpack::decode(payload));
        }
        RST_STREAM => drop(seen.resets.insert(stream, code(0))),
        SETTINGS if flags & ACK != 0 => seen.settings_acks += 1,
        SETTINGS => {
            seen.settings = true;
            for setting in payload.chunks(6).filter(|s| s[1] == 4) {
                seen.initial_window = u32::from_be_bytes(setting[2..].try_into().unwrap()) as usize;
            }
        }
        WINDOW_UPDATE => {
            let more = u32::from_be_bytes(payload.try_into().unwrap()) as usize;
            *seen.granted.entry(stream).or_default() += more;
        }
        PING if flags & ACK != 0 => seen.pongs += 1,
        GOAWAY => {
            let debug = String::from_utf8_lossy(&payload[8..]).into_owned();
            let text = format!("GOAWAY {} {debug}", code(4));
            // A graceful one may come first; the one that says why counts.
            seen.goaway = Some(text.trim_end().to_owned());
        }
        _ => {}
    }
    if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
        seen.ended.push(stream);
    }
}
impl Answer {
    /// The value of a header or trailer.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value)
    }

    /// HTTP status, gRPC status and reason in one text, such as `200 grpc 3 INVALID_ENVELOPE`.
    pub fn text(&self) -> String {
        let mut text = self.get(":status").to_owned();
        if !self.get("grpc-status").is_empty() {
            text.push_str(" grpc ");
            text.push_str(self.get("grpc-status"));
        }
        text
    }
}
