//! Frames that RFC 9113 forbids, one each.

use crate::{
    arena::Arena,
    frames::{
        CONTINUATION, DATA, END_HEADERS, HEADERS, PING, SETTINGS, WINDOW_UPDATE, Wire,
        call_headers, frame, setting,
    },
    hpack,
    http2::{STREAM, expect},
};

pub async fn breaches(arena: &Arena) {
    let open = frame(
        HEADERS,
        END_HEADERS,
        3,
        &hpack::encode(&call_headers(STREAM)),
    );
    let older = frame(
        HEADERS,
        END_HEADERS,
        1,
        &hpack::encode(&call_headers(STREAM)),
    );
    let even = frame(
        HEADERS,
        END_HEADERS,
        2,
        &hpack::encode(&call_headers(STREAM)),
    );
    let protocol = "GOAWAY PROTOCOL_ERROR";
    for (name, bytes, expected) in [
        (
            "WINDOW_UPDATE of the connection over 2^31 - 1",
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
            "GOAWAY FLOW_CONTROL_ERROR",
        ),
        (
            "WINDOW_UPDATE of the connection of 0",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            protocol,
        ),
        (
            "INITIAL_WINDOW_SIZE over 2^31 - 1",
            frame(SETTINGS, 0, 0, &setting(4, u32::MAX)),
            protocol,
        ),
        (
            "SETTINGS of 5 bytes",
            frame(SETTINGS, 0, 0, &[0; 5]),
            protocol,
        ),
        (
            "a frame of 16 MiB",
            frame(DATA, 0, 1, &[])[..3]
                .iter()
                .map(|_| 0xff)
                .chain([DATA, 0, 0, 0, 0, 1])
                .collect(),
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        ("DATA on stream 0", frame(DATA, 0, 0, b"data"), protocol),
        (
            "DATA on a stream that never was",
            frame(DATA, 0, 5, b"data"),
            protocol,
        ),
        ("HEADERS on an even stream", even, protocol),
        (
            "HEADERS on an older stream",
            [open.clone(), older].concat(),
            protocol,
        ),
        (
            "CONTINUATION of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &[]),
            protocol,
        ),
        (
            "another frame amid a header block",
            [frame(HEADERS, 0, 1, &[]), frame(PING, 0, 0, &[0; 8])].concat(),
            protocol,
        ),
        (
            "PUSH_PROMISE by a client",
            [open, frame(5, END_HEADERS, 3, &[0, 0, 0, 2])].concat(),
            protocol,
        ),
        (
            "padding longer than its frame",
            frame(DATA, 8, 1, &[200, 0, 0]),
            protocol,
        ),
    ] {
        arena
            .attack(name, async {
                let mut wire = Wire::connect(arena).await;
                let _ = wire.send(&bytes).await;
                expect(wire.end().await, expected)
            })
            .await;
    }
}
