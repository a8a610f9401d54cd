//! HTTP/2 by hand (RFC 9113) over a TLS connection: what a client library would never send. Everything that the broker answers
//! is read all the time and kept, so that a flood is never held up by an unread answer unless the attack wants it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use casebroker_tests::{
    tls::{Client, PREFACE},
    wait,
};
use rustls::version::TLS13;
use tokio::{
    io::{AsyncWriteExt as _, WriteHalf},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use crate::{
    answers::{Answer, Seen, ending, read},
    arena::Arena,
    hpack,
};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A connection whose frames are written by hand.
pub struct Wire {
    writer: WriteHalf<TlsStream<TcpStream>>,
    seen: Arc<Mutex<Seen>>,
    reader: JoinHandle<()>,
    next_stream: u32,
    /// Bytes of bodies sent under flow control.
    poured: usize,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// One setting (section 6.5.1).
pub fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A gRPC message with its prefix.
pub fn message(body: &[u8]) -> Vec<u8> {
    [&[0][..], &(body.len() as u32).to_be_bytes(), body].concat()
}

/// Headers of a call as a well-behaved client sends them.
pub fn call_headers(path: &str) -> Vec<(String, String)> {
    [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

impl Wire {
    /// Connects as the attacker and shakes hands; nothing of HTTP/2 is sent yet.
    pub async fn bare(arena: &Arena) -> TlsStream<TcpStream> {
        let client = Client {
            anchor: arena.broker.anchor(),
            identity: Some(&arena.attacker.identity),
            versions: &[&TLS13],
        };
        client.connect(arena.broker.address).await.unwrap()
    }

    /// Connects and begins HTTP/2 with these settings more.
    pub async fn with_settings(arena: &Arena, settings: &[u8]) -> Self {
        let (reader, writer) = tokio::io::split(Self::bare(arena).await);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let reader = tokio::spawn(read(reader, Arc::clone(&seen)));
        let mut wire = Self {
            writer,
            seen,
            reader,
            next_stream: 1,
            poured: 0,
        };
        // The preface without its own SETTINGS frame; HEADER_TABLE_SIZE 0 for the reader of header blocks.
        let begin = &PREFACE[..PREFACE.len() - 9];
        let settings = [&setting(1, 0), settings].concat();
        wire.send(&[begin, &frame(SETTINGS, 0, 0, &settings)].concat())
            .await
            .unwrap();
        // The broker's windows count only once its settings are acknowledged.
        wire.until("the broker's settings come", |seen| {
            seen.settings.then_some(())
        })
        .await;
        wire.send(&frame(SETTINGS, ACK, 0, &[])).await.unwrap();
        wire
    }

    /// Connects and begins HTTP/2.
    pub async fn connect(arena: &Arena) -> Self {
        Self::with_settings(arena, &[]).await
    }

    /// Writes bytes, at most 10 s long: a broker that no longer reads is also an answer.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        let in_time = timeout(Duration::from_secs(10), write).await;
        in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends the same bytes again and again until the broker ends the connection; at most `times`. Answers how often.
    pub async fn flood(&mut self, times: usize, mut bytes: impl FnMut(usize) -> Vec<u8>) -> usize {
        for n in 0..times {
            if self.send(&bytes(n)).await.is_err() || self.seen().closed.is_some() {
                return n;
            }
        }
        times
    }

    /// The next stream of the client's.
    pub fn stream(&mut self) -> u32 {
        self.next_stream += 2;
        self.next_stream - 2
    }

    /// Opens a stream with these headers; its body follows.
    pub async fn open<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        headers: &[(N, V)],
        flags: u8,
    ) -> u32 {
        let stream = self.stream();
        let block = hpack::encode(headers);
        let frame = frame(HEADERS, END_HEADERS | flags, stream, &block);
        self.send(&frame).await.unwrap();
        stream
    }

    /// Opens a call and leaves it open.
    pub async fn begin(&mut self, path: &str) -> u32 {
        self.open(&call_headers(path), 0).await
    }

    /// A whole call with this body, prefix included; waits for its end.
    pub async fn call(&mut self, path: &str, body: &[u8]) -> Result<Answer, String> {
        self.call_with(&call_headers(path), body).await
    }

    /// The same with other headers.
    pub async fn call_with<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        headers: &[(N, V)],
        body: &[u8],
    ) -> Result<Answer, String> {
        let stream = self.open(headers, 0).await;
        // The broker may answer before it has read everything.
        if self.pour(stream, body).await == body.len() {
            let _ = self.send(&frame(DATA, END_STREAM, stream, &[])).await;
        }
        self.end_of(stream).await
    }

    /// Sends a body on a stream as flow control allows, until the broker grants nothing more for 1 s or the stream is over.
    /// Answers how many bytes were sent.
    pub async fn pour(&mut self, stream: u32, body: &[u8]) -> usize {
        let mut sent = 0;
        while sent < body.len() {
            let room = self
                .until_granted(stream, sent)
                .await
                .min(body.len() - sent)
                .min(16_384);
            if room == 0
                || self
                    .send(&frame(DATA, 0, stream, &body[sent..sent + room]))
                    .await
                    .is_err()
            {
                break;
            }
            sent += room;
            self.poured += room;
        }
        sent
    }

    async fn until_granted(&self, stream: u32, sent: usize) -> usize {
        let granted = || {
            let seen = self.seen();
            let more = |stream| seen.granted.get(&stream).copied().unwrap_or_default();
            let of_stream = (seen.initial_window + more(stream)).saturating_sub(sent);
            of_stream.min((65_535 + more(0)).saturating_sub(self.poured))
        };
        let wait = wait::until_async("more is granted", || async {
            Some(granted()).filter(|room| *room > 0)
        });
        timeout(Duration::from_secs(1), wait).await.unwrap_or(0)
    }

    /// How a stream ends: an answer, or how it was cut.
    pub async fn end_of(&self, stream: u32) -> Result<Answer, String> {
        self.until("the stream ends", |seen| {
            if seen.ended.contains(&stream) {
                return Some(Ok(Answer(seen.headers[&stream].clone())));
            }
            if let Some(code) = seen.resets.get(&stream) {
                return Some(Err(format!("RST_STREAM {code}")));
            }
            ending(seen).map(Err)
        })
        .await
    }

    /// How the connection ends: GOAWAY with its code, or the error of the socket.
    pub async fn end(&self) -> String {
        self.until("the connection ends", |seen| {
            seen.closed.is_some().then(|| ending(seen)).flatten()
        })
        .await
    }

    /// Waits until the broker has sent something.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&Seen) -> Option<T>) -> T {
        wait::until_async(what, || async { look(&self.seen()) }).await
    }

    /// Waits until everything sent before has been read, or the connection ended: a PING is answered in order.
    pub async fn settled(&mut self) -> Result<(), String> {
        let before = self.seen().pongs;
        let _ = self.send(&frame(PING, 0, 0, b"settled!")).await;
        self.until("a ping is answered", |seen| {
            if seen.pongs > before {
                return Some(Ok(()));
            }
            ending(seen).map(Err)
        })
        .await
    }

    /// What the broker has sent so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}
