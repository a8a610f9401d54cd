//! Bytes that are no message of the contract, or more of one than it should hold.

use casebroker_proto::v1::{CaseFilter, ListCasesRequest};
use prost::Message as _;

use crate::{
    arena::Arena,
    frames::{Wire, message},
    grpc::{CALLER, GET, LIST, text},
    http2::expect,
};

pub async fn fields(arena: &Arena) {
    let name_of = |value: &[u8]| [&[0x0a, value.len() as u8][..], value].concat();
    // Field 15 as a group that is begun again and again, and never ended.
    let nested = vec![0x7b; 10_000];
    let ended = [vec![0x7b; 10_000], vec![0x7c; 10_000]].concat();
    let unknown = [0xf8, 0x01, 0x01].repeat(20_000);
    let agencies = ListCasesRequest {
        filter: Some(CaseFilter {
            agencies: vec![String::new(); 30_000],
            ..Default::default()
        }),
        ..Default::default()
    };
    let overlong = [&[0x10][..], &[0x80; 10], &[1]].concat();
    let eleven = [&[0x10][..], &[0xff; 9], &[0x7f]].concat();
    for (name, path, body, expected) in [
        (
            "10,000 groups within each other, open",
            GET,
            nested,
            "200 grpc 3",
        ),
        (
            "10,000 groups within each other, closed",
            GET,
            ended,
            "200 grpc 3",
        ),
        ("20,000 unknown fields", CALLER, unknown, "200 grpc 0"),
        (
            "30,000 empty agencies in a filter",
            LIST,
            agencies.encode_to_vec(),
            "200 grpc 3",
        ),
        (
            "invalid UTF-8 in a name",
            GET,
            name_of(&[0xff, 0xfe]),
            "200 grpc 3",
        ),
        (
            "a name with NUL",
            GET,
            name_of(b"agencies/us-dea\0/cases/a"),
            "200 grpc 3",
        ),
        ("a varint of 11 bytes", GET, overlong, "200 grpc 3"),
        ("a varint over 64 bits", GET, eleven, "200 grpc 3"),
        ("a field of number 0", GET, vec![0x02, 0x00], "200 grpc 3"),
        ("a field of wire type 7", GET, vec![0x0f], "200 grpc 3"),
        (
            "a length beyond the message",
            GET,
            vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
            "200 grpc 3",
        ),
        (
            "a known field of another wire type",
            GET,
            vec![0x08, 0x01],
            "200 grpc 3",
        ),
    ] {
        arena
            .attack(name, async {
                let mut wire = Wire::connect(arena).await;
                expect(text(wire.call(path, &message(&body)).await), expected)
            })
            .await;
    }
}
