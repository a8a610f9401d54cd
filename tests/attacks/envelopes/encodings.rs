//! Other bytes with the same meaning, other structures, and what goes deeper than any parser should follow.

use casebroker_proto::errors::Reason;
use casebroker_tests::refused;

use super::{
    bad,
    forge::{Forge, bytes, head, seal, to_be_signed},
};
use crate::arena::Arena;

pub(super) async fn encodings(arena: &Arena, forge: &Forge) {
    use Reason::{InvalidEnvelope, InvalidFields};
    let (protected, payload, signature) = forge.parts();
    let right = seal(&protected, &[0xa0], &payload, &signature);
    let (p, s) = (bytes(&protected), bytes(&signature));
    let inner = [&p[..], &[0xa0], &bytes(&payload), &s].concat();
    let long = [
        &[0x5b, 0, 0, 0, 0][..],
        &(payload.len() as u32).to_be_bytes(),
        &payload,
    ]
    .concat();
    let detached = to_be_signed("Signature1", &protected, &[], &payload);
    let detached = bytes(&forge.sign(&detached));
    let multi = [
        &[0xd8, 98, 0x84][..],
        &bytes(&[]),
        &[0xa0],
        &bytes(&payload),
        &[0x81, 0x83],
        &p,
        &[0xa0],
        &s,
    ]
    .concat();
    for (name, envelope) in [
        ("no tag", right[1..].to_vec()),
        ("tag 17 (COSE_Mac0)", [&[0xd1], &right[1..]].concat()),
        ("tag 16 (COSE_Encrypt0)", [&[0xd0], &right[1..]].concat()),
        (
            "tag 98 around a COSE_Sign1",
            [&[0xd8, 98], &right[1..]].concat(),
        ),
        ("a COSE_Sign with one signer", multi),
        ("tag 18 twice", [&[0xd2], &right[..]].concat()),
        (
            "tag 18 in a longer form",
            [&[0xd8, 18], &right[1..]].concat(),
        ),
        (
            "tag 55799 (self-described CBOR) around it",
            [&[0xd9, 0xd9, 0xf7], &right[..]].concat(),
        ),
        ("tag 61 (CWT) around it", [&[0xd8, 61], &right[..]].concat()),
        (
            "a detached payload",
            [&[0xd2, 0x84][..], &p, &[0xa0, 0xf6], &detached].concat(),
        ),
        (
            "undefined for the payload",
            [&[0xd2, 0x84][..], &p, &[0xa0, 0xf7], &s].concat(),
        ),
        (
            "the payload as text",
            [
                &[0xd2, 0x84][..],
                &p,
                &[0xa0],
                &head(3, payload.len()),
                &payload,
                &s,
            ]
            .concat(),
        ),
        (
            "an array of no known length",
            [&[0xd2, 0x9f][..], &inner, &[0xff]].concat(),
        ),
        (
            "an array of five",
            [&[0xd2, 0x85][..], &inner, &[0x00]].concat(),
        ),
        (
            "an array of three",
            [&[0xd2, 0x83][..], &p, &[0xa0], &bytes(&payload)].concat(),
        ),
        (
            "an array length in a longer form",
            [&[0xd2, 0x98, 0x04][..], &inner].concat(),
        ),
        (
            "a payload in pieces",
            [
                &[0xd2, 0x84][..],
                &p,
                &[0xa0, 0x5f],
                &bytes(&payload),
                &[0xff],
                &s,
            ]
            .concat(),
        ),
        (
            "a payload length in a longer form",
            [&[0xd2, 0x84][..], &p, &[0xa0], &long, &s].concat(),
        ),
        (
            "a signature length in a longer form",
            [&right[..right.len() - 66], &[0x59, 0, 64], &signature].concat(),
        ),
        (
            "the protected header as a map",
            [&[0xd2, 0x84][..], &protected, &[0xa0], &bytes(&payload), &s].concat(),
        ),
        ("bytes behind it", [&right[..], &[0x00]].concat()),
        ("two envelopes in one", right.repeat(2)),
        (
            "a payload of 2^63 bytes claimed",
            [
                &[0xd2, 0x84][..],
                &p,
                &[0xa0, 0x5b, 0x7f],
                &[0xff; 7],
                &payload,
            ]
            .concat(),
        ),
        (
            "an array of 2^60 claimed",
            vec![0xd2, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("990 kB of zeros", vec![0; 990_000]),
        ("JSON", br#"{"protected":"e30"}"#.to_vec()),
    ] {
        bad(arena, name, InvalidEnvelope, envelope).await;
    }
    bad(arena, "no envelope", InvalidFields, Vec::new()).await;
    bad(
        arena,
        "an envelope over its limit",
        InvalidFields,
        vec![0xd2; 1_020_000],
    )
    .await;
    arena
        .attack("an envelope cut off at each byte", async {
            let cut = (1..right.len())
                .map(|length| right[..length].to_vec())
                .collect();
            let all = arena.caller.submit_all(cut).await.unwrap();
            let count = all.len();
            for refusal in all {
                refused(refusal, InvalidEnvelope);
            }
            format!("INVALID_ENVELOPE for each of {count}")
        })
        .await;
}

/// What would overflow the stack or the memory of a parser that follows what it is given.
pub(super) async fn depths(arena: &Arena, forge: &Forge) {
    let (_, payload, signature) = forge.parts();
    let nested = |levels: usize, open: &[u8], close: &[u8]| {
        [open.repeat(levels), vec![0x00], close.repeat(levels)].concat()
    };
    let whole = nested(10_000, &[0x81], &[]);
    let maps = nested(10_000, &[0xa1, 0x00], &[]);
    let tags = nested(10_000, &[0xd2], &[]);
    let endless = nested(10_000, &[0x9f], &[0xff]);
    let mut counter = vec![0xa0];
    for _ in 0..10_000 {
        // A counter signature (label 7) whose protected header has a counter signature.
        counter = [&[0xa1, 0x07, 0x83][..], &bytes(&counter), &[0xa0, 0x40]].concat();
    }
    let mut unprotected = vec![0xa0];
    for _ in 0..60 {
        unprotected = [&[0xa1, 0x07, 0x83, 0x40][..], &unprotected, &[0x40]].concat();
    }
    for (name, envelope) in [
        ("10,000 arrays within each other", whole.clone()),
        (
            "10,000 arrays in the unprotected header",
            seal(
                &forge.protected(),
                &[&[0xa1, 0x18, 99][..], &whole].concat(),
                &payload,
                &signature,
            ),
        ),
        (
            "10,000 arrays in the protected header",
            forge.under(&[&[0xa1, 0x18, 99][..], &whole].concat()),
        ),
        ("10,000 maps within each other", maps),
        ("10,000 tags within each other", tags),
        ("10,000 arrays without a known end", endless),
        (
            "10,000 counter signatures within each other, protected",
            forge.under(&counter),
        ),
        (
            "60 counter signatures within each other, unprotected",
            seal(&forge.protected(), &unprotected, &payload, &signature),
        ),
        (
            "900,000 items of one byte",
            seal(
                &forge.protected(),
                &[&[0xa1, 0x18, 99][..], &head(4, 900_000), &vec![0; 900_000]].concat(),
                &payload,
                &signature,
            ),
        ),
    ] {
        bad(arena, name, Reason::InvalidEnvelope, envelope).await;
    }
}
