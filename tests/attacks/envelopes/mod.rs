//! Attacks on the envelope of a statement (COSE_Sign1, RFC 9052): made byte by byte, as no library would make them. Each must be
//! refused for the reason that fits, and nothing may be written, which the arena checks against the log.

mod encodings;
mod forge;
mod headers;
mod signatures;

use aws_lc_rs::signature::Ed25519KeyPair;
use casebroker_proto::{errors::Reason, v1::SubmitStreamRequest};
use casebroker_tests::{CBP, DEA, Site, caller::outcome, refused};
use num_bigint::BigUint;
use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

use crate::arena::{Arena, Line};
use forge::{Forge, key_of, pkcs8, print_of, seal};

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
    signatures::algorithms(&arena, &forge).await;
    signatures::signatures(&arena, &forge).await;
    headers::headers(&arena, &forge).await;
    encodings::encodings(&arena, &forge).await;
    encodings::depths(&arena, &forge).await;
    bits(&arena, &forge).await;
    arena.close().await
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
