//! Attacks on the framing of HTTP/2. What the broker does is mostly done by its HTTP/2 library under limits that the broker sets;
//! these tests hold both to it.

use casebroker_tests::Site;

use crate::{
    arena::{Arena, Line},
    breaches,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, Wire, call_headers, frame, setting,
    },
    hpack,
};

const CALLER: &str = "/casebroker.v1.RegistryService/GetCaller";
pub const STREAM: &str = "/casebroker.v1.IntakeService/SubmitStream";

pub async fn run(filters: &[String]) -> Vec<Line> {
    // Fewer resets than by default, so that little is sent.
    let site = Site::new().with("limits.error_resets", 64);
    let arena = Arena::open("http2", filters, site).await;
    resets(&arena).await;
    made_resets(&arena).await;
    headers(&arena).await;
    floods(&arena).await;
    breaches::breaches(&arena).await;
    arena.close().await
}

/// The outcome must begin like this.
#[track_caller]
pub fn expect(did: String, begins: &str) -> String {
    assert!(
        did.starts_with(begins),
        "the broker did {did:?}, not {begins:?}"
    );
    did
}

async fn resets(arena: &Arena) {
    arena
        .attack("rapid reset: a stream opened and reset at once", async {
            let mut wire = Wire::connect(arena).await;
            let times = wire
                .flood(1_000, |n| {
                    // 50 at a time: HEADERS and RST_STREAM with CANCEL.
                    (0..50)
                        .flat_map(|m| {
                            let stream = (n * 50 + m) as u32 * 2 + 1;
                            let block = hpack::encode(&call_headers(CALLER));
                            let open = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
                            [open, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
                        })
                        .collect()
                })
                .await;
            let did = expect(wire.end().await, "GOAWAY ENHANCE_YOUR_CALM");
            format!("{did} after at most {} streams", (times + 1) * 50)
        })
        .await;
    arena
        .attack("resets of streams that never were", async {
            let mut wire = Wire::connect(arena).await;
            wire.send(&frame(RST_STREAM, 0, 99, &8_u32.to_be_bytes()))
                .await
                .unwrap();
            expect(wire.end().await, "GOAWAY PROTOCOL_ERROR")
        })
        .await;
    arena
        .attack("more streams than a connection may have", async {
            let mut wire = Wire::connect(arena).await;
            for _ in 0..300 {
                wire.begin(STREAM).await;
            }
            wire.settled().await.unwrap();
            let refused = wire
                .seen()
                .resets
                .values()
                .filter(|code| **code == "REFUSED_STREAM")
                .count();
            assert_eq!(refused, 300 - 256);
            format!("RST_STREAM REFUSED_STREAM for {refused} of 300")
        })
        .await;
}

/// Streams that the broker resets itself, so that it does the work and the attacker's own resets are not counted.
async fn made_resets(arena: &Arena) {
    let zero = |stream| frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes());
    let overflow = |stream| frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
    let late_data = |stream| {
        [
            frame(DATA, END_STREAM, stream, &[]),
            frame(DATA, 0, stream, b"more"),
        ]
        .concat()
    };
    let itself = |stream: u32| {
        frame(
            PRIORITY,
            0,
            stream,
            &[&stream.to_be_bytes()[..], &[16]].concat(),
        )
    };
    let short = |stream: u32| frame(PRIORITY, 0, stream, &[0; 4]);
    let twice = |stream: u32| {
        let again = hpack::encode(&call_headers(STREAM));
        [
            frame(DATA, END_STREAM, stream, &[]),
            frame(HEADERS, END_HEADERS, stream, &again),
        ]
        .concat()
    };
    let flood = "GOAWAY ENHANCE_YOUR_CALM";
    type Made<'a> = (&'a str, &'a (dyn Fn(u32) -> Vec<u8> + Sync), &'a str);
    let ways: [Made; 6] = [
        (
            "MadeYouReset by WINDOW_UPDATE of 0",
            &zero,
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "MadeYouReset by WINDOW_UPDATE over 2^31 - 1",
            &overflow,
            flood,
        ),
        (
            "MadeYouReset by DATA after END_STREAM",
            &late_data,
            "GOAWAY PROTOCOL_ERROR",
        ),
        ("MadeYouReset by PRIORITY on itself", &itself, flood),
        (
            "MadeYouReset by PRIORITY of 4 bytes",
            &short,
            "GOAWAY PROTOCOL_ERROR",
        ),
        ("MadeYouReset by HEADERS after END_STREAM", &twice, flood),
    ];
    for (name, way, expected) in ways {
        arena
            .attack(name, async {
                let mut wire = Wire::connect(arena).await;
                let times = wire
                    .flood(2_000, |n| {
                        let stream = n as u32 * 2 + 1;
                        let open = frame(
                            HEADERS,
                            END_HEADERS,
                            stream,
                            &hpack::encode(&call_headers(STREAM)),
                        );
                        [open, way(stream)].concat()
                    })
                    .await;
                let did = expect(wire.end().await, expected);
                format!("{did} after at most {} streams", times + 1)
            })
            .await;
    }
}

async fn headers(arena: &Arena) {
    arena
        .attack("CONTINUATION flood: 16 KiB each, never the last", async {
            continuations(arena, vec![0; 16_384]).await
        })
        .await;
    arena
        .attack("CONTINUATION flood: empty, never the last", async {
            continuations(arena, Vec::new()).await
        })
        .await;
    arena
        .attack("header bomb: one value of 15 MiB", async {
            let mut value = call_headers(CALLER);
            value.push(("x-bomb".into(), "b".repeat(15 << 20)));
            bomb(arena, &hpack::encode(&value)).await
        })
        .await;
    arena
        .attack("header bomb: 20,000 small headers", async {
            let mut many = call_headers(CALLER);
            many.extend((0..20_000).map(|n| (format!("x-{n}"), "b".into())));
            bomb(arena, &hpack::encode(&many)).await
        })
        .await;
    arena
        .attack(
            "header bomb: 64 MiB by references to one table entry",
            async {
                let mut block = hpack::encode(&call_headers(CALLER));
                // One entry of nearly 4 KiB (with incremental indexing, section 6.2.1), then its index 16,384 times: a byte each.
                block.push(0x40);
                hpack::push_text(&mut block, b"x-bomb");
                hpack::push_text(&mut block, &[b'b'; 4_000]);
                block.extend([0x80 | 62].repeat(16_384));
                bomb(arena, &block).await
            },
        )
        .await;
    arena
        .attack("header block with an index that is in no table", async {
            let mut wire = Wire::connect(arena).await;
            wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x80 | 100]))
                .await
                .unwrap();
            expect(wire.end().await, "GOAWAY PROTOCOL_ERROR")
        })
        .await;
    arena
        .attack("header block with an integer without end", async {
            let mut wire = Wire::connect(arena).await;
            let block = [&[0xff][..], &[0x80; 64]].concat();
            wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block))
                .await
                .unwrap();
            expect(wire.end().await, "GOAWAY PROTOCOL_ERROR")
        })
        .await;
}

async fn continuations(arena: &Arena, part: Vec<u8>) -> String {
    let mut wire = Wire::connect(arena).await;
    let begin = hpack::encode(&call_headers(CALLER));
    wire.send(&frame(HEADERS, END_STREAM, 1, &begin))
        .await
        .unwrap();
    let times = wire
        .flood(20_000, |_| frame(CONTINUATION, 0, 1, &part))
        .await;
    let did = expect(wire.end().await, "GOAWAY ENHANCE_YOUR_CALM");
    format!("{did} after at most {} frames", times + 1)
}

/// Sends a header block in as many frames as it takes; the connection must end or the call be refused.
async fn bomb(arena: &Arena, block: &[u8]) -> String {
    let mut wire = Wire::connect(arena).await;
    let stream = wire.stream();
    let mut parts = block.chunks(16_384).peekable();
    let mut kind = HEADERS;
    while let Some(part) = parts.next() {
        let last = if parts.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        let flags = if kind == HEADERS {
            END_STREAM | last
        } else {
            last
        };
        if wire.send(&frame(kind, flags, stream, part)).await.is_err() {
            break;
        }
        kind = CONTINUATION;
    }
    match wire.end_of(stream).await {
        Ok(answer) => expect(answer.text(), "431"),
        Err(cut) => expect(cut, "GOAWAY ENHANCE_YOUR_CALM"),
    }
}

async fn floods(arena: &Arena) {
    arena
        .attack("empty DATA flood", async {
            let mut wire = Wire::connect(arena).await;
            let stream = wire.begin(STREAM).await;
            let times = wire
                .flood(10_000, |_| frame(DATA, 0, stream, &[]).repeat(100))
                .await;
            let did = expect(wire.end().await, "GOAWAY ENHANCE_YOUR_CALM");
            format!("{did} after at most {} frames", (times + 1) * 100)
        })
        .await;
    arena
        .attack("one-byte DATA that nobody reads yet", async {
            // No window for answers, so that the stream is not read on.
            let mut wire = Wire::with_settings(arena, &setting(4, 0)).await;
            let stream = wire.begin(STREAM).await;
            // Statements without an envelope, until nothing more is granted; then bytes of a next one.
            let refused = [0, 0, 0, 0, 0].repeat(2_000);
            wire.send(&frame(DATA, 0, stream, &refused)).await.unwrap();
            let times = wire
                .flood(600, |_| frame(DATA, 0, stream, &[0]).repeat(1_000))
                .await;
            let did = expect(wire.end().await, "GOAWAY");
            format!("{did} after at most {} frames", (times + 1) * 1_000)
        })
        .await;
    arena
        .attack("SETTINGS flood: 100,000", async {
            let mut wire = Wire::connect(arena).await;
            wire.flood(1_000, |n| {
                let change = setting(3 + (n % 2) as u16, 65_535 - n as u32);
                frame(SETTINGS, 0, 0, &change).repeat(100)
            })
            .await;
            wire.until("all are acknowledged", |seen| {
                (seen.settings_acks == 100_001).then_some(())
            })
            .await;
            served(&mut wire, "all acknowledged, nothing kept").await
        })
        .await;
    arena
        .attack("PING flood: 200,000", async {
            let mut wire = Wire::connect(arena).await;
            wire.flood(200, |_| frame(PING, 0, 0, b"flooding").repeat(1_000))
                .await;
            wire.until("all are answered", |seen| {
                (seen.pongs == 200_000).then_some(())
            })
            .await;
            served(&mut wire, "all answered, nothing kept").await
        })
        .await;
    arena
        .attack(
            "PRIORITY flood: 200,000 on streams that never were",
            async {
                let mut wire = Wire::connect(arena).await;
                wire.flood(200, |n| {
                    (0..1_000)
                        .flat_map(|m| {
                            frame(
                                PRIORITY,
                                0,
                                (n * 1_000 + m) as u32 * 2 + 1_001,
                                &[0, 0, 0, 0, 16],
                            )
                        })
                        .collect()
                })
                .await;
                served(&mut wire, "ignored").await
            },
        )
        .await;
    arena
        .attack("WINDOW_UPDATE flood: 200,000", async {
            let mut wire = Wire::connect(arena).await;
            let more = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
            wire.flood(200, |_| more.repeat(1_000)).await;
            served(&mut wire, "counted, nothing kept").await
        })
        .await;
    arena
        .attack("frames of unknown type: 200,000", async {
            let mut wire = Wire::connect(arena).await;
            wire.flood(200, |_| frame(0xbb, 0xff, 0, b"whatever").repeat(1_000))
                .await;
            served(&mut wire, "ignored").await
        })
        .await;
}

/// The connection is served on.
pub async fn served(wire: &mut Wire, did: &str) -> String {
    let answer = wire.call(CALLER, &[0; 5]).await.expect("an answer");
    assert_eq!(answer.text(), "200 grpc 0");
    format!("{did}; served on")
}
