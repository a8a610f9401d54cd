//! Attacks that take their time, or everybody's room: silent and dripping peers, answers that nobody takes, connections without
//! number, and peers that are gone amid everything.

use std::time::{Duration, Instant};

use casebroker_proto::v1::SubmitStreamRequest;
use casebroker_tests::{
    Site, cases,
    tls::{Client, PREFACE, Speaking},
    wait,
};
use futures_util::future::join_all;
use prost::Message as _;
use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    arena::{Arena, Line},
    crowds,
    frames::{HEADERS, PING, Wire, call_headers, frame, message, setting},
    hpack,
};

pub const LIST: &str = "/casebroker.v1.CaseService/ListCases";
pub const SUBMIT: &str = "/casebroker.v1.IntakeService/Submit";
pub const STREAM: &str = "/casebroker.v1.IntakeService/SubmitStream";

/// Connections that the arena's broker takes; few, so that the attack needs few.
pub const CONNECTIONS: usize = 120;

pub async fn run(filters: &[String]) -> Vec<Line> {
    let site = Site::new()
        .with("limits.handshakes", 16)
        .with("limits.handshake_timeout_ms", 700)
        .with("limits.keepalive_interval_s", 1)
        .with("limits.keepalive_timeout_s", 3)
        .with("limits.call_timeout_s", 8);
    let arena = Arena::open("slow", filters, site).await;
    beginnings(&arena).await;
    other_protocols(&arena).await;
    unread(&arena).await;
    crowds::idle(&arena).await;
    crowds::gone(&arena).await;
    let mut lines = arena.close().await;
    // Connections that are kept alive, so that none makes room for another by itself.
    let site = Site::new().with("limits.connections", CONNECTIONS);
    let arena = Arena::open("crowds", filters, site).await;
    crowds::crowds(&arena).await;
    crowds::listings(&arena).await;
    lines.extend(arena.close().await);
    lines
}

/// Waits until the broker closes a socket; answers how.
async fn closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let begin = Instant::now();
    let mut bytes = Vec::new();
    let outcome = timeout(wait::LONG, stream.read_to_end(&mut bytes))
        .await
        .expect("a close");
    let how = outcome.map_or_else(|e| format!("closed: {}", e.kind()), |_| "closed".into());
    format!("{how} after {} ms", begin.elapsed().as_millis())
}

async fn beginnings(arena: &Arena) {
    let connect = || async { TcpStream::connect(arena.broker.address).await.unwrap() };
    arena
        .attack("40 silent connections, 16 handshakes at once", async {
            let mut silent = join_all((0..40).map(|_| connect())).await;
            let all = join_all(silent.iter_mut().map(closed)).await;
            assert!(all.iter().all(|did| did.starts_with("closed")), "{all:?}");
            format!("all closed, the last {}", all[39])
        })
        .await;
    arena
        .attack("a ClientHello byte by byte", async {
            let mut stream = connect().await;
            let begin = Instant::now();
            // The beginning of a record that says it is 16 KiB long.
            for byte in [22, 3, 1, 0x40, 0].into_iter().chain(std::iter::repeat(1)) {
                let pause = timeout(Duration::from_millis(20), stream.read(&mut [0])).await;
                if pause.is_ok() || stream.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
            assert!(begin.elapsed() < Duration::from_secs(20));
            format!("closed after {} ms", begin.elapsed().as_millis())
        })
        .await;
    arena
        .attack("a handshake, and then no preface", async {
            let mut stream = Wire::bare(arena).await;
            closed(&mut stream).await
        })
        .await;
    arena
        .attack("half a preface", async {
            let mut stream = Wire::bare(arena).await;
            stream.write_all(&PREFACE[..12]).await.unwrap();
            closed(&mut stream).await
        })
        .await;
    arena
        .attack("a preface, and then no SETTINGS and no pong", async {
            let mut stream = Wire::bare(arena).await;
            stream
                .write_all(&PREFACE[..PREFACE.len() - 9])
                .await
                .unwrap();
            closed(&mut stream).await
        })
        .await;
    arena
        .attack("half a header block, and then nothing", async {
            let mut wire = Wire::connect(arena).await;
            wire.send(&frame(HEADERS, 0, 1, &hpack::encode(&call_headers(LIST))))
                .await
                .unwrap();
            wire.end().await
        })
        .await;
}

async fn other_protocols(arena: &Arena) {
    let plain = |bytes: &'static [u8]| async move {
        let mut stream = TcpStream::connect(arena.broker.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(wait::LONG, stream.read_to_end(&mut answer))
            .await
            .expect("a close");
        // At most an alert: record type 21.
        assert!(
            answer.is_empty() || (answer[0] == 21 && answer.len() == 7),
            "{answer:?}"
        );
        if answer.is_empty() {
            "closed".to_owned()
        } else {
            format!("TLS alert {}, closed", answer[6])
        }
    };
    arena
        .attack(
            "HTTP/1.1 in clear text",
            plain(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        )
        .await;
    arena.attack("HTTP/2 in clear text", plain(PREFACE)).await;
    arena
        .attack(
            "a TLS record of type 0 and 64 KiB of zeros",
            plain(&[0; 65_536]),
        )
        .await;
    arena
        .attack("TLS 1.2 only", async {
            let refused = speaking(arena, &[b"h2"], &[&TLS12])
                .connect(arena.broker.address)
                .await
                .unwrap_err()
                .to_string();
            assert!(refused.contains("ProtocolVersion"), "{refused}");
            refused
        })
        .await;
    arena
        .attack("ALPN http/1.1 only", async {
            let refused = speaking(arena, &[b"http/1.1"], &[&TLS13])
                .connect(arena.broker.address)
                .await
                .unwrap_err()
                .to_string();
            assert!(refused.contains("NoApplicationProtocol"), "{refused}");
            refused
        })
        .await;
    arena
        .attack("no ALPN, then HTTP/1.1", async {
            let mut stream = speaking(arena, &[], &[&TLS13])
                .connect(arena.broker.address)
                .await
                .unwrap();
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await
                .unwrap();
            let mut answer = Vec::new();
            let _ = timeout(wait::LONG, stream.read_to_end(&mut answer))
                .await
                .expect("a close");
            assert!(!answer.windows(5).any(|w| w == b"HTTP/"), "{answer:?}");
            "no HTTP/1.1 answered, closed".into()
        })
        .await;
}

/// The attacker with these protocols and versions.
fn speaking<'a>(
    arena: &'a Arena,
    alpn: &[&[u8]],
    versions: &'a [&'static SupportedProtocolVersion],
) -> Speaking<'a> {
    let client = Client {
        anchor: arena.broker.anchor(),
        identity: Some(&arena.attacker.identity),
        versions,
    };
    client.speaking(alpn)
}

/// A statement of about 400 kB that is recorded once; replays of it answer as much.
pub async fn large(arena: &Arena, case: &str) -> Vec<u8> {
    let mut report = cases::report(&arena.caller.agency, case);
    let mut item = report.items[0].clone();
    item.description = "\u{1F4E6}".repeat(500);
    report.items.extend(std::iter::repeat_n(item, 190));
    let signed = arena.caller.sign(&cases::reporting(report));
    arena.caller.submit_signed(signed.clone()).await.unwrap();
    arena.recorded(1);
    signed
}

async fn unread(arena: &Arena) {
    arena
        .attack_growing("answers of a stream that nobody takes", 96, async {
            let signed = large(arena, "unread-stream").await;
            let mut wire = Wire::with_settings(arena, &setting(4, 0)).await;
            let request = message(
                &SubmitStreamRequest {
                    signed_statement: signed.into(),
                }
                .encode_to_vec(),
            );
            let body = request.repeat(100);
            let mut poured = 0;
            for _ in 0..4 {
                let stream = wire.begin(STREAM).await;
                poured += wire.pour(stream, &body).await;
            }
            let all = 4 * body.len();
            assert!(poured < all / 2, "the broker read {poured} of {all} bytes");
            format!(
                "reads no further: took {} of {} MiB",
                poured >> 20,
                all >> 20
            )
        })
        .await;
    arena
        .attack("PINGs without end, answers never read", async {
            let mut stream = Wire::bare(arena).await;
            stream.write_all(PREFACE).await.unwrap();
            let pings = frame(PING, 0, 0, b"flooding").repeat(1_000);
            let mut sent = 0;
            while let Ok(Ok(())) = timeout(Duration::from_secs(1), stream.write_all(&pings)).await {
                sent += 1_000;
                assert!(sent < 5_000_000, "the broker reads on without end");
            }
            // What was sent before the close is still there to read; a closed connection ends with an error or the end.
            let how = closed(&mut stream).await;
            format!("stops reading after about {sent}, {how}")
        })
        .await;
}
