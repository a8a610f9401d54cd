//! Algorithms and signatures that are not those of the key.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use casebroker_proto::errors::Reason;
use num_bigint::BigUint;

use super::{
    ORDER, bad,
    forge::{ES256, Forge, alg, bytes, content_type, map, print, seal, to_be_signed, x5t},
};
use crate::arena::Arena;

pub(super) async fn algorithms(arena: &Arena, forge: &Forge) {
    use Reason::{InvalidEnvelope, SignatureInvalid};
    let with =
        |alg_value: &[u8], own: &[u8]| map(&[alg(alg_value), content_type(), print(&x5t(own))]);
    for (name, value) in [
        ("alg HS256, the certificate as secret", &[0x05][..]),
        ("alg 0", &[0x00]),
        ("alg none", b"\x64none"),
        ("alg -1", &[0x20]),
        ("alg ES512", &[0x38, 35]),
        ("alg PS256", &[0x38, 36]),
        ("alg ESP256 (-9)", &[0x28]),
        ("alg as text ES256", b"\x65ES256"),
        ("alg null", &[0xf6]),
        (
            "alg of 64 bits",
            &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("alg as a list", &[0x81, 0x26]),
    ] {
        bad(
            arena,
            name,
            InvalidEnvelope,
            forge.under(&with(value, &forge.own)),
        )
        .await;
    }
    bad(
        arena,
        "no alg",
        InvalidEnvelope,
        forge.under(&map(&[content_type(), print(&x5t(&forge.own))])),
    )
    .await;
    bad(
        arena,
        "ES384 for a key of P-256",
        InvalidEnvelope,
        forge.under(&with(&[0x38, 34], &forge.own)),
    )
    .await;
    bad(
        arena,
        "EdDSA for a key of P-256",
        InvalidEnvelope,
        forge.under(&with(&[0x27], &forge.own)),
    )
    .await;
    bad(
        arena,
        "ES256 for a key of Ed25519",
        InvalidEnvelope,
        forge.under(&with(ES256, &forge.edwards)),
    )
    .await;
    bad(
        arena,
        "ES256 for a key of P-384",
        InvalidEnvelope,
        forge.under(&with(ES256, &forge.p384)),
    )
    .await;
    bad(
        arena,
        "EdDSA signed by P-256",
        SignatureInvalid,
        forge.under(&with(&[0x27], &forge.edwards)),
    )
    .await;
    let (protected, payload) = (forge.protected(), forge.payload());
    let edwards = forge
        .edwards_key
        .sign(&to_be_signed("Signature1", &protected, &[], &payload));
    bad(
        arena,
        "ES256 signed by Ed25519",
        SignatureInvalid,
        seal(&protected, &[0xa0], &payload, edwards.as_ref()),
    )
    .await;
}

pub(super) async fn signatures(arena: &Arena, forge: &Forge) {
    use Reason::{InvalidEnvelope, SignatureInvalid};
    let order = BigUint::parse_bytes(ORDER, 16).unwrap().to_bytes_be();
    let asn1 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &forge.pkcs8).unwrap();
    let (protected, payload) = (forge.protected(), forge.payload());
    let signed = to_be_signed("Signature1", &protected, &[], &payload);
    let der = asn1
        .sign(&SystemRandom::new(), &signed)
        .unwrap()
        .as_ref()
        .to_vec();
    bad(
        arena,
        "a signature in DER",
        SignatureInvalid,
        seal(&protected, &[0xa0], &payload, &der),
    )
    .await;
    for (name, envelope) in [
        ("no signature", forge.resigned(|_| Vec::new())),
        ("a signature of zeros", forge.resigned(|_| vec![0; 64])),
        ("a signature of ones", forge.resigned(|_| vec![0xff; 64])),
        (
            "a signature of 63 bytes",
            forge.resigned(|s| s[..63].to_vec()),
        ),
        (
            "a signature of 65 bytes",
            forge.resigned(|s| [&s[..], &[0]].concat()),
        ),
        (
            "a signature of 65 bytes, a zero first",
            forge.resigned(|s| [&[0], &s[..]].concat()),
        ),
        ("r = 0", forge.resigned(|s| [&[0; 32], &s[32..]].concat())),
        ("s = 0", forge.resigned(|s| [&s[..32], &[0; 32]].concat())),
        ("r = n", forge.resigned(|s| [&order[..], &s[32..]].concat())),
        ("s = n", forge.resigned(|s| [&s[..32], &order[..]].concat())),
        (
            "r and s exchanged",
            forge.resigned(|s| [&s[32..], &s[..32]].concat()),
        ),
    ] {
        bad(arena, name, SignatureInvalid, envelope).await;
    }
    bad(
        arena,
        "a signature of 300 bytes",
        InvalidEnvelope,
        forge.resigned(|_| vec![1; 300]),
    )
    .await;
    bad(
        arena,
        "a signature of 900 kB",
        InvalidEnvelope,
        forge.resigned(|_| vec![1; 900_000]),
    )
    .await;
    let with = |context, aad: &[u8]| {
        let signature = forge.sign(&to_be_signed(context, &protected, aad, &payload));
        seal(&protected, &[0xa0], &payload, &signature)
    };
    bad(
        arena,
        "external additional data signed",
        SignatureInvalid,
        with("Signature1", b"aad"),
    )
    .await;
    bad(
        arena,
        "signed for another structure (COSE_Sign)",
        SignatureInvalid,
        with("Signature", &[]),
    )
    .await;
    bad(
        arena,
        "signed as a counter signature",
        SignatureInvalid,
        with("CounterSignature", &[]),
    )
    .await;
    let signature = forge.sign(&payload);
    bad(
        arena,
        "the payload signed alone",
        SignatureInvalid,
        seal(&protected, &[0xa0], &payload, &signature),
    )
    .await;
    let (_, _, signature) = forge.parts();
    bad(
        arena,
        "the payload exchanged after signing",
        SignatureInvalid,
        seal(&protected, &[0xa0], &forge.payload(), &signature),
    )
    .await;
    let own = forge.under(&forge.protected());
    bad(
        arena,
        "the same with one more byte of payload",
        SignatureInvalid,
        longer_payload(&own, &protected),
    )
    .await;
}

/// The envelope with a field that says nothing at the payload's end.
pub(super) fn longer_payload(envelope: &[u8], protected: &[u8]) -> Vec<u8> {
    let begin = 2 + bytes(protected).len() + 1;
    let length = usize::from(u16::from_be_bytes([
        envelope[begin + 1],
        envelope[begin + 2],
    ]));
    let payload = &envelope[begin + 3..begin + 3 + length];
    let longer = [payload, &[0x22, 0x00]].concat();
    seal(
        protected,
        &[0xa0],
        &longer,
        &envelope[envelope.len() - 64..],
    )
}
