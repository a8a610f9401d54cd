//! Attacks on the envelope of a statement (COSE_Sign1, RFC 9052): made byte by byte, as no library would make them. Each must be
//! refused for the reason that fits, and nothing may be written, which the arena checks against the log.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair,
    },
};
use casebroker_proto::v1::SubmitStreamRequest;
use casebroker_proto::{
    errors::Reason,
    statement::{CONTENT_TYPE, thumbprint},
};
use casebroker_tests::{CBP, DEA, Site, caller::outcome, cases, refused};
use num_bigint::BigUint;
use prost::Message as _;
use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::arena::{Arena, Line};

/// Order of P-256 (SEC 2, section 2.4.2).
const ORDER: &[u8] = b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

pub async fn run(filters: &[String]) -> Vec<Line> {
    let site = Site::new();
    let (p384, _) =
        site.authority(DEA)
            .signer_for(DEA, "p384", (2020, 2100), &PKCS_ECDSA_P384_SHA384);
    let (edwards, _) = site
        .authority(DEA)
        .signer_for(DEA, "edwards", (2020, 2100), &PKCS_ED25519);
    site.register_signer(DEA, "p384", &p384.certificate);
    site.register_signer(DEA, "edwards", &edwards.certificate);
    let (certificate, key) = site.signing_pair(DEA);
    let (foreign, _) = site.signing_pair(CBP);
    let forge = Forge {
        key: key_of(key),
        own: print_of(certificate),
        foreign: print_of(foreign),
        p384: print_of(&p384.certificate),
        edwards: print_of(&edwards.certificate),
        edwards_key: Ed25519KeyPair::from_pkcs8(&pkcs8(&edwards.key)).unwrap(),
        pkcs8: pkcs8(key),
    };
    let arena = Arena::open("envelopes", filters, site).await;
    good(&arena, &forge).await;
    algorithms(&arena, &forge).await;
    signatures(&arena, &forge).await;
    headers(&arena, &forge).await;
    encodings(&arena, &forge).await;
    depths(&arena, &forge).await;
    bits(&arena, &forge).await;
    arena.close().await
}

/// What is needed to make any envelope.
struct Forge {
    key: EcdsaKeyPair,
    edwards_key: Ed25519KeyPair,
    pkcs8: Vec<u8>,
    own: [u8; 32],
    foreign: [u8; 32],
    p384: [u8; 32],
    edwards: [u8; 32],
}

fn pkcs8(pem: &str) -> Vec<u8> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .secret_der()
        .to_vec()
}

fn key_of(pem: &str) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8(pem)).unwrap()
}

fn print_of(pem: &str) -> [u8; 32] {
    thumbprint(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
}

/// Head of a CBOR item with the shortest length (RFC 8949, section 3).
fn head(major: u8, length: usize) -> Vec<u8> {
    let major = major << 5;
    match length {
        0..24 => vec![major | length as u8],
        24..256 => vec![major | 24, length as u8],
        256..65_536 => [&[major | 25][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[major | 26][..], &(length as u32).to_be_bytes()].concat(),
    }
}

fn bytes(content: &[u8]) -> Vec<u8> {
    [&head(2, content.len())[..], content].concat()
}

fn text(content: &str) -> Vec<u8> {
    [&head(3, content.len())[..], content.as_bytes()].concat()
}

const ES256: &[u8] = &[0x26];

/// `[-16, print]`: SHA-256.
fn x5t(print: &[u8]) -> Vec<u8> {
    [&[0x82, 0x2f][..], &bytes(print)].concat()
}

/// A header map of these entries, each already encoded.
fn map(entries: &[Vec<u8>]) -> Vec<u8> {
    [&head(5, entries.len())[..], &entries.concat()].concat()
}

fn alg(value: &[u8]) -> Vec<u8> {
    [&[0x01][..], value].concat()
}

fn content_type() -> Vec<u8> {
    [&[0x03][..], &text(CONTENT_TYPE)].concat()
}

fn print(value: &[u8]) -> Vec<u8> {
    [&[0x18, 34][..], value].concat()
}

/// An envelope of these parts; the header map inside its byte string.
fn seal(protected: &[u8], unprotected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
    [
        &[0xd2, 0x84][..],
        &bytes(protected),
        unprotected,
        &bytes(payload),
        &bytes(signature),
    ]
    .concat()
}

/// What is signed (RFC 9052, section 4.4).
fn to_be_signed(context: &str, protected: &[u8], aad: &[u8], payload: &[u8]) -> Vec<u8> {
    [
        &[0x84][..],
        &text(context),
        &bytes(protected),
        &bytes(aad),
        &bytes(payload),
    ]
    .concat()
}

impl Forge {
    /// A new statement, serialized.
    fn payload(&self) -> Vec<u8> {
        cases::reporting_as(DEA, &format!("e{}", uuid::Uuid::new_v4().simple())).encode_to_vec()
    }

    /// The right protected header.
    fn protected(&self) -> Vec<u8> {
        map(&[alg(ES256), content_type(), print(&x5t(&self.own))])
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key
            .sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    }

    /// Signed in order, whatever the protected header says.
    fn under(&self, protected: &[u8]) -> Vec<u8> {
        let payload = self.payload();
        let signature = self.sign(&to_be_signed("Signature1", protected, &[], &payload));
        seal(protected, &[0xa0], &payload, &signature)
    }

    /// The right envelope's parts: protected header, payload, signature.
    fn parts(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let (protected, payload) = (self.protected(), self.payload());
        let signature = self.sign(&to_be_signed("Signature1", &protected, &[], &payload));
        (protected, payload, signature)
    }

    /// The right parts, with another signature made of the right one.
    fn resigned(&self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        let (protected, payload, signature) = self.parts();
        seal(&protected, &[0xa0], &payload, &change(signature))
    }
}

/// One envelope that must be refused for this reason, alone and within a stream.
async fn bad(arena: &Arena, name: &str, reason: Reason, envelope: Vec<u8>) {
    arena
        .attack(name, async {
            refused(arena.caller.submit_signed(envelope.clone()).await, reason);
            let all = arena.caller.submit_all(vec![envelope]).await.unwrap();
            let [streamed] = all.try_into().expect("one answer");
            refused(streamed, reason);
            reason.to_string()
        })
        .await;
}

async fn good(arena: &Arena, forge: &Forge) {
    arena
        .attack("an envelope by hand in the one right form", async {
            arena
                .caller
                .submit_signed(forge.under(&forge.protected()))
                .await
                .expect("recorded");
            arena.recorded(1);
            "recorded: what is refused below is refused for its one fault".into()
        })
        .await;
    arena
        .attack(
            "the other signature of the same statement (s and n - s)",
            async {
                let (protected, payload, signature) = forge.parts();
                let first = arena
                    .caller
                    .submit_signed(seal(&protected, &[0xa0], &payload, &signature))
                    .await
                    .unwrap();
                let order = BigUint::parse_bytes(ORDER, 16).unwrap();
                let other = (order - BigUint::from_bytes_be(&signature[32..])).to_bytes_be();
                let other = [&signature[..32], &vec![0; 32 - other.len()], &other].concat();
                let second = arena
                    .caller
                    .submit_signed(seal(&protected, &[0xa0], &payload, &other))
                    .await
                    .unwrap();
                assert!(
                    second.replayed
                        && second.position == first.position
                        && second.entry == first.entry
                );
                arena.recorded(1);
                "verifies, and is the same statement: answered with the first receipt".into()
            },
        )
        .await;
}

async fn algorithms(arena: &Arena, forge: &Forge) {
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

async fn signatures(arena: &Arena, forge: &Forge) {
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
fn longer_payload(envelope: &[u8], protected: &[u8]) -> Vec<u8> {
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

async fn headers(arena: &Arena, forge: &Forge) {
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

async fn encodings(arena: &Arena, forge: &Forge) {
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
async fn depths(arena: &Arena, forge: &Forge) {
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

async fn bits(arena: &Arena, forge: &Forge) {
    arena
        .attack("one bit changed, at each byte", async {
            let right = forge.under(&forge.protected());
            let (requests, mut answers) = arena.caller.stream().await.unwrap();
            let count = right.len();
            let feed = tokio::spawn(async move {
                for at in 0..right.len() {
                    let mut changed = right.clone();
                    changed[at] ^= 1 << (at % 8);
                    let request = SubmitStreamRequest {
                        signed_statement: changed.into(),
                    };
                    requests.send(request).await.unwrap();
                }
            });
            let mut answered = 0;
            while let Some(answer) = answers.message().await.unwrap() {
                let status = outcome(answer).expect_err("refused");
                assert!(
                    [
                        Reason::InvalidEnvelope,
                        Reason::SignatureInvalid,
                        Reason::SignerUnknown
                    ]
                    .iter()
                    .any(|r| status.message().ends_with(r.explain().action)),
                    "{status:?}"
                );
                answered += 1;
            }
            feed.await.unwrap();
            assert_eq!(answered, count);
            format!("each of {count} refused")
        })
        .await;
}
