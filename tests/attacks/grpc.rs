//! Attacks on gRPC and protobuf: well-framed calls whose contents are not what a client library would send.

use casebroker_proto::v1::{GetCaseRequest, SubmitRequest};
use casebroker_tests::Site;
use prost::Message as _;

use crate::{
    answers::Answer,
    arena::{Arena, Line},
    frames::{DATA, Wire, call_headers, frame, message},
    http2::{expect, served},
    protobuf,
};

pub const CALLER: &str = "/casebroker.v1.RegistryService/GetCaller";
pub const GET: &str = "/casebroker.v1.CaseService/GetCase";
pub const LIST: &str = "/casebroker.v1.CaseService/ListCases";
const SUBMIT: &str = "/casebroker.v1.IntakeService/Submit";
const STREAM: &str = "/casebroker.v1.IntakeService/SubmitStream";

pub async fn run(filters: &[String]) -> Vec<Line> {
    let site = Site::new().with("limits.call_timeout_s", 4);
    let arena = Arena::open("grpc", filters, site).await;
    paths(&arena).await;
    heads(&arena).await;
    lengths(&arena).await;
    compressed(&arena).await;
    protobuf::fields(&arena).await;
    metadata(&arena).await;
    never_ended(&arena).await;
    arena.close().await
}

pub fn text(outcome: Result<Answer, String>) -> String {
    outcome.map_or_else(|cut| cut, |answer| answer.text())
}

/// One call with other headers than usual: those of the same name are replaced, those with an empty value left out.
async fn call_changed(arena: &Arena, path: &str, changes: &[(&str, &str)], body: &[u8]) -> String {
    let mut wire = Wire::connect(arena).await;
    let mut headers = call_headers(path);
    for (name, value) in changes {
        let at = headers.iter().position(|(n, _)| n == name);
        headers.retain(|(n, _)| n != name);
        if !value.is_empty() {
            let changed = ((*name).to_owned(), (*value).to_owned());
            headers.insert(at.unwrap_or(headers.len()), changed);
        }
    }
    text(wire.call_with(&headers, body).await)
}

async fn paths(arena: &Arena) {
    let long = format!("/{}", "a".repeat(12_000));
    let longer = format!("/{}", "a".repeat(16_200));
    for (name, path, expected) in [
        (
            "a path without its leading slash",
            &CALLER[1..],
            "RST_STREAM PROTOCOL_ERROR",
        ),
        ("a path of 12 kB", &long, "200 grpc 12"),
        ("a path of 16 kB, over the header limit", &longer, "431"),
        (
            "a path with dots and an empty segment",
            "/casebroker.v1.RegistryService//../GetCaller",
            "200 grpc 12",
        ),
        (
            "a path in percent-encoding",
            "/casebroker.v1.RegistryService/Get%43aller",
            "200 grpc 12",
        ),
        (
            "a path with a query",
            "/casebroker.v1.RegistryService/GetCaller?x=1",
            "200 grpc 0",
        ),
        (
            "a method that is not in the contract",
            "/casebroker.v1.RegistryService/SetCaller",
            "200 grpc 12",
        ),
        ("a path of the asterisk", "*", "200 grpc 12"),
        (
            "a whole URL as path",
            "https://other.example/casebroker.v1.RegistryService/GetCaller",
            "RST_STREAM PROTOCOL_ERROR",
        ),
    ] {
        arena
            .attack(name, async {
                expect(call_changed(arena, path, &[], &[0; 5]).await, expected)
            })
            .await;
    }
    arena
        .attack("an empty path", async {
            let mut wire = Wire::connect(arena).await;
            let mut headers = call_headers("");
            headers[2].1.clear();
            expect(
                text(wire.call_with(&headers, &[0; 5]).await),
                "RST_STREAM PROTOCOL_ERROR",
            )
        })
        .await;
}

async fn heads(arena: &Arena) {
    for (name, change, expected) in [
        (
            "content-type text/plain",
            ("content-type", "text/plain"),
            "415",
        ),
        (
            "content-type application/grpc-web",
            ("content-type", "application/grpc-web"),
            "415",
        ),
        ("no content-type", ("content-type", ""), "415"),
        ("no te", ("te", ""), "200 grpc 0"),
        (
            "te other than trailers",
            ("te", "gzip"),
            "RST_STREAM PROTOCOL_ERROR",
        ),
        ("method GET", (":method", "GET"), "405"),
        (
            "method CONNECT",
            (":method", "CONNECT"),
            "RST_STREAM PROTOCOL_ERROR",
        ),
        ("scheme http", (":scheme", "http"), "200 grpc 0"),
        ("no method", (":method", ""), "RST_STREAM PROTOCOL_ERROR"),
        (
            "a header of HTTP/1",
            ("connection", "close"),
            "RST_STREAM PROTOCOL_ERROR",
        ),
        (
            "transfer-encoding chunked",
            ("transfer-encoding", "chunked"),
            "RST_STREAM PROTOCOL_ERROR",
        ),
        (
            "a header name in upper case",
            ("X-Upper", "1"),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "an unknown pseudo-header",
            (":upper", "1"),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a content-length that is not the body's",
            ("content-length", "77"),
            "RST_STREAM PROTOCOL_ERROR",
        ),
        (
            "a newline in a value",
            ("x-two", "1\r\nx-three: 2"),
            "GOAWAY",
        ),
    ] {
        arena
            .attack(name, async {
                expect(
                    call_changed(arena, CALLER, &[change], &[0; 5]).await,
                    expected,
                )
            })
            .await;
    }
}

async fn lengths(arena: &Arena) {
    let claimed = |length: u32, body: &[u8]| [&[0][..], &length.to_be_bytes(), body].concat();
    let request = SubmitRequest {
        signed_statement: vec![1; 64].into(),
        known_tree_size: 0,
    }
    .encode_to_vec();
    let large = SubmitRequest {
        signed_statement: vec![1; 1 << 20].into(),
        known_tree_size: 0,
    }
    .encode_to_vec();
    let almost = SubmitRequest {
        signed_statement: vec![1; (1 << 20) - 100].into(),
        known_tree_size: 0,
    }
    .encode_to_vec();
    let query = GetCaseRequest {
        name: "a".repeat(70_000),
        min_position: 0,
    }
    .encode_to_vec();
    for (name, path, body, expected) in [
        (
            "a length of 4 GiB claimed",
            SUBMIT,
            claimed(u32::MAX, &request),
            "200 grpc 3",
        ),
        (
            "a length of 4 GiB claimed in a stream",
            STREAM,
            claimed(u32::MAX, &request),
            "200 grpc 3",
        ),
        (
            "a length longer than the body",
            SUBMIT,
            claimed(100_000, &request),
            "200 grpc 3",
        ),
        (
            "a length shorter than the body",
            SUBMIT,
            claimed(10, &request),
            "200 grpc",
        ),
        ("a prefix cut off", SUBMIT, vec![0, 0, 0], "200 grpc 3"),
        ("no message at all", SUBMIT, vec![], "200 grpc 3"),
        (
            "two messages in a call of one",
            CALLER,
            [0; 10].to_vec(),
            "200 grpc",
        ),
        (
            "a message over 1 MiB",
            SUBMIT,
            message(&large),
            "200 grpc 3",
        ),
        (
            "a statement over its limit in a message within it",
            SUBMIT,
            message(&almost),
            "200 grpc 3",
        ),
        ("a query over 64 KiB", GET, message(&query), "200 grpc 3"),
    ] {
        arena
            .attack(name, async {
                let mut wire = Wire::connect(arena).await;
                expect(text(wire.call(path, &body).await), expected)
            })
            .await;
    }
}

async fn compressed(arena: &Arena) {
    let bomb = bomb(60_000);
    let mut flagged = message(&bomb);
    flagged[0] = 1;
    let mut odd = message(&[]);
    odd[0] = 0x7f;
    let none: &[(&str, &str)] = &[];
    for (name, changes, body, expected) in [
        (
            "the compressed flag without an encoding",
            none,
            &flagged,
            "200 grpc 3",
        ),
        (
            "a gzip bomb of 9 MiB",
            &[("grpc-encoding", "gzip")],
            &flagged,
            "200 grpc 12",
        ),
        (
            "a gzip bomb under an unknown encoding",
            &[("grpc-encoding", "zip")],
            &flagged,
            "200 grpc 12",
        ),
        ("an unknown flag", none, &odd, "200 grpc 3"),
    ] {
        arena
            .attack_growing(name, 4, async {
                expect(call_changed(arena, SUBMIT, changes, body).await, expected)
            })
            .await;
    }
}

/// A gzip stream (RFC 1952) of so many bytes that inflates to 158 times as much: one fixed-code block (RFC 1951, section 3.2.6) of a
/// zero and then copies of it, 258 bytes each in 13 bits.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let copy = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
    let head = [1, 1, 0].into_iter().chain([0, 0, 1, 1, 0, 0, 0, 0]);
    let mut bits = head.chain(copy.into_iter().cycle());
    out.extend(
        (10..bytes).map(|_| (0..8).fold(0_u8, |byte, at| byte | bits.next().unwrap() << at)),
    );
    out
}

async fn metadata(arena: &Arena) {
    let huge = "m".repeat(15_000);
    for (name, change, expected) in [
        (
            "grpc-timeout 99999999H",
            ("grpc-timeout", "99999999H"),
            "200 grpc 0",
        ),
        ("grpc-timeout 1n", ("grpc-timeout", "1n"), "200 grpc"),
        ("grpc-timeout -1S", ("grpc-timeout", "-1S"), "200 grpc 0"),
        (
            "grpc-timeout of 20 digits",
            ("grpc-timeout", "99999999999999999999S"),
            "200 grpc 0",
        ),
        (
            "grpc-timeout without a unit",
            ("grpc-timeout", "5"),
            "200 grpc 0",
        ),
        ("15 kB of metadata", ("x-huge", huge.as_str()), "200 grpc 0"),
        (
            "binary metadata that is not base64",
            ("x-bin", "!!!"),
            "200 grpc 0",
        ),
        (
            "a caller in metadata",
            (
                "x-spiffe-id",
                "spiffe://casebroker.example/agency/us-cbp/system/x",
            ),
            "200 grpc 0",
        ),
    ] {
        arena
            .attack(name, async {
                expect(
                    call_changed(arena, CALLER, &[change], &[0; 5]).await,
                    expected,
                )
            })
            .await;
    }
}

async fn never_ended(arena: &Arena) {
    arena
        .attack("256 calls whose requests never end", async {
            let mut wire = Wire::connect(arena).await;
            let mut streams = Vec::new();
            for _ in 0..256 {
                let stream = wire.begin(SUBMIT).await;
                wire.send(&frame(DATA, 0, stream, &[0, 0, 0, 1, 0]))
                    .await
                    .unwrap();
                streams.push(stream);
            }
            let mut outcomes = Vec::new();
            for stream in streams {
                outcomes.push(text(wire.end_of(stream).await));
            }
            outcomes.dedup();
            assert_eq!(outcomes.len(), 1, "{outcomes:?}");
            let did = expect(outcomes.remove(0), "200 grpc");
            served(&mut wire, &format!("{did} to each after call_timeout_s")).await
        })
        .await;
    arena
        .attack("a slow body: a byte now and then", async {
            let mut wire = Wire::connect(arena).await;
            let stream = wire.begin(SUBMIT).await;
            let drip = async {
                // The pace of the attack, not a wait for anything.
                while wire.send(&frame(DATA, 0, stream, &[0])).await.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    if wire.seen().ended.contains(&stream)
                        || wire.seen().resets.contains_key(&stream)
                    {
                        break;
                    }
                }
            };
            drip.await;
            expect(text(wire.end_of(stream).await), "200 grpc")
        })
        .await;
    arena
        .attack("256 calls with a whole message, never half-closed", async {
            let mut wire = Wire::connect(arena).await;
            let mut streams = Vec::new();
            for _ in 0..256 {
                let stream = wire.begin(CALLER).await;
                wire.send(&frame(DATA, 0, stream, &[0; 5])).await.unwrap();
                streams.push(stream);
            }
            let mut outcomes = Vec::new();
            for stream in streams {
                outcomes.push(text(wire.end_of(stream).await));
            }
            outcomes.dedup();
            assert_eq!(outcomes.len(), 1, "{outcomes:?}");
            let did = expect(outcomes.remove(0), "200 grpc 4");
            served(&mut wire, &format!("{did} to each after call_timeout_s")).await
        })
        .await;
}
