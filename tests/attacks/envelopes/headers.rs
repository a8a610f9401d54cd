//! Headers other than the three, and payloads that are no statement.

use casebroker_proto::errors::Reason;

use super::{
    bad,
    forge::{
        ES256, Forge, alg, bytes, content_type, head, map, print, seal, text, to_be_signed, x5t,
    },
};
use crate::arena::Arena;

pub(super) async fn headers(arena: &Arena, forge: &Forge) {
    use Reason::{InvalidEnvelope, InvalidFields, SignerUnknown};
    let own = print(&x5t(&forge.own));
    let three = [alg(ES256), content_type(), own.clone()];
    let more = |entry: &[u8]| map(&[&three[..], &[entry.to_vec()]].concat());
    let crit = |label: &[u8]| {
        map(&[
            alg(ES256),
            [&[0x02, 0x81][..], label].concat(),
            content_type(),
            own.clone(),
        ])
    };
    let named = |value: Vec<u8>| map(&[alg(ES256), content_type(), print(&value)]);
    bad(
        arena,
        "x5t of another agency's signer",
        SignerUnknown,
        forge.under(&named(x5t(&forge.foreign))),
    )
    .await;
    bad(
        arena,
        "x5t of nobody",
        SignerUnknown,
        forge.under(&named(x5t(&[7; 32]))),
    )
    .await;
    for (name, protected) in [
        ("x5t of 31 bytes", named(x5t(&[7; 31]))),
        (
            "x5t of 33 bytes",
            named(x5t(&[&forge.own[..], &[0]].concat())),
        ),
        (
            "x5t with SHA-1",
            named([&[0x82, 0x2d][..], &bytes(&[7; 20])].concat()),
        ),
        (
            "x5t as text",
            named([&[0x82, 0x2f][..], &text("7777")].concat()),
        ),
        ("no x5t", map(&three[..2])),
        (
            "x5chain in place of x5t",
            map(&[
                alg(ES256),
                content_type(),
                [&[0x18, 33][..], &bytes(&[0x30, 0x00])].concat(),
            ]),
        ),
        ("no content type", map(&[alg(ES256), own.clone()])),
        (
            "another content type",
            map(&[
                alg(ES256),
                [&[0x03][..], &text("text/plain")].concat(),
                own.clone(),
            ]),
        ),
        (
            "content type as a number",
            map(&[alg(ES256), vec![0x03, 0x18, 42], own.clone()]),
        ),
        ("a critical header that is there", crit(&[0x01])),
        ("an unknown critical header", crit(&[0x18, 99])),
        (
            "an empty list of critical headers",
            map(&[alg(ES256), vec![0x02, 0x80], content_type(), own.clone()]),
        ),
        ("one more protected header", more(&[0x18, 99, 0x01])),
        (
            "a key id",
            map(&[
                alg(ES256),
                content_type(),
                [&[0x04][..], &bytes(b"key")].concat(),
                own.clone(),
            ]),
        ),
        (
            "an IV",
            map(&[
                alg(ES256),
                content_type(),
                [&[0x05][..], &bytes(b"iv")].concat(),
                own.clone(),
            ]),
        ),
        (
            "x5t twice",
            map(&[alg(ES256), content_type(), own.clone(), own.clone()]),
        ),
        (
            "alg twice",
            map(&[alg(ES256), alg(ES256), content_type(), own.clone()]),
        ),
        (
            "headers in another order",
            map(&[content_type(), alg(ES256), own.clone()]),
        ),
        (
            "a label in a longer form",
            map(&[
                [&[0x18, 0x01][..], ES256].concat(),
                content_type(),
                own.clone(),
            ]),
        ),
        (
            "alg in a longer form",
            map(&[alg(&[0x38, 0x06]), content_type(), own.clone()]),
        ),
        (
            "a header map without a known end",
            [&[0xbf][..], &three.concat(), &[0xff]].concat(),
        ),
        ("an empty protected header", Vec::new()),
        (
            "bytes behind the header map",
            [&map(&three)[..], &[0xa0]].concat(),
        ),
        (
            "a protected header of 900 kB",
            more(&[&[0x18, 99][..], &bytes(&vec![1; 900_000])].concat()),
        ),
        (
            "400,000 headers",
            [&head(5, 400_000)[..], &[0x18, 0x63].repeat(400_000)].concat(),
        ),
    ] {
        bad(arena, name, InvalidEnvelope, forge.under(&protected)).await;
    }
    let (protected, payload, signature) = forge.parts();
    for (name, unprotected) in [
        ("alg in the unprotected header too", map(&[alg(ES256)])),
        (
            "a key id in the unprotected header",
            vec![0xa1, 0x04, 0x41, 0x01],
        ),
        (
            "x5t in the unprotected header",
            map(std::slice::from_ref(&own)),
        ),
        (
            "a counter signature",
            [
                &[0xa1, 0x07, 0x83][..],
                &bytes(&[]),
                &[0xa0],
                &bytes(&[1; 64]),
            ]
            .concat(),
        ),
        (
            "a counter signature of version 2",
            [
                &[0xa1, 0x0b, 0x83][..],
                &bytes(&[]),
                &[0xa0],
                &bytes(&[1; 64]),
            ]
            .concat(),
        ),
        (
            "an unprotected header without a known end",
            vec![0xbf, 0xff],
        ),
        ("null for the unprotected header", vec![0xf6]),
        (
            "400,000 unprotected headers",
            [&head(5, 400_000)[..], &[0x18, 0x63].repeat(400_000)].concat(),
        ),
    ] {
        bad(
            arena,
            name,
            InvalidEnvelope,
            seal(&protected, &unprotected, &payload, &signature),
        )
        .await;
    }
    let sealed = |payload: &[u8]| {
        let signature = forge.sign(&to_be_signed("Signature1", &protected, &[], payload));
        seal(&protected, &[0xa0], payload, &signature)
    };
    bad(
        arena,
        "a payload that is no statement",
        InvalidEnvelope,
        sealed(&[0xff; 20]),
    )
    .await;
    bad(
        arena,
        "a statement that says nothing",
        InvalidFields,
        sealed(&[]),
    )
    .await;
    bad(
        arena,
        "a signed statement within a signed statement",
        InvalidEnvelope,
        sealed(&forge.under(&protected)),
    )
    .await;
}
