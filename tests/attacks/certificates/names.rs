//! Certificates that name nobody, or somebody else.

use casebroker_tests::{
    CBP, DEA,
    pki::{Wish, spiffe},
};
use rcgen::{DnType, PKCS_ECDSA_P256_SHA256, SanType};

use super::{leaf, let_in, refused, wish};
use crate::arena::Arena;

pub(super) async fn names(arena: &Arena) {
    let own = spiffe(DEA, "system", "test");
    let at = |from: &str, to: &str| own.replacen(from, to, 1);
    let long = at("/test", &format!("/{}", "a".repeat(10_000)));
    for (name, uris, words) in [
        ("no name", vec![], "no subject alternative name"),
        (
            "two URIs",
            vec![own.clone(), spiffe(DEA, "officer", "test")],
            "more than one URI",
        ),
        (
            "the same URI twice",
            vec![own.clone(), own.clone()],
            "more than one URI",
        ),
        ("a wildcard", vec![at("/test", "/*")], "id `*`"),
        (
            "a wildcard for the agency",
            vec![at("us-dea", "*")],
            "id `*`",
        ),
        (
            "another agency",
            vec![spiffe(CBP, "system", "test")],
            "UnknownIssuer",
        ),
        (
            "an agency that is no member",
            vec![at("us-dea", "us-fbi")],
            "of no member",
        ),
        (
            "another trust domain",
            vec![at("casebroker.example", "other.example")],
            "another trust domain",
        ),
        (
            "a trust domain below",
            vec![at("casebroker.example", "x.casebroker.example")],
            "another trust domain",
        ),
        (
            "another scheme",
            vec![at("spiffe", "https")],
            "must have the form",
        ),
        (
            "a scheme in upper case",
            vec![at("spiffe", "SPIFFE")],
            "must have the form",
        ),
        (
            "a trust domain in upper case",
            vec![at("casebroker", "Casebroker")],
            "must have the form",
        ),
        (
            "an agency in upper case",
            vec![at("us-dea", "US-DEA")],
            "id `US-DEA`",
        ),
        (
            "percent-encoding",
            vec![at("us-dea", "us%2Ddea")],
            "id `us%2Ddea`",
        ),
        (
            "a slash at the end",
            vec![format!("{own}/")],
            "must have the form",
        ),
        ("a query", vec![format!("{own}?x=1")], "id `test?x=1`"),
        ("a fragment", vec![format!("{own}#x")], "id `test#x`"),
        (
            "a port",
            vec![at("casebroker.example", "casebroker.example:443")],
            "must have the form",
        ),
        (
            "user information",
            vec![at("casebroker.example", "us-cbp@casebroker.example")],
            "must have the form",
        ),
        (
            "dots",
            vec![at("/system", "/../us-cbp/system")],
            "must have the form",
        ),
        (
            "an empty segment",
            vec![at("/system", "//system")],
            "must have the form",
        ),
        ("an unknown role", vec![at("system", "root")], "role `root`"),
        ("a name of 10 kB", vec![long], "id `aaaa"),
        ("an empty name", vec![String::new()], "must have the form"),
    ] {
        let wish = Wish { uris, ..wish() };
        refused(arena, name, words, Some(arena.issue(&wish))).await;
    }
    let mut only_dns = leaf(&[]);
    only_dns
        .subject_alt_names
        .push(SanType::DnsName("us-dea.example".try_into().unwrap()));
    refused(
        arena,
        "only a DNS name",
        "names no SPIFFE ID",
        Some(
            arena
                .site
                .authority(DEA)
                .sign(&only_dns, &PKCS_ECDSA_P256_SHA256),
        ),
    )
    .await;
    let mut and_dns = leaf(&[&own]);
    and_dns
        .subject_alt_names
        .push(SanType::DnsName("us-dea.example".try_into().unwrap()));
    let_in(
        arena,
        "one URI and a DNS name (X509-SVID allows it)",
        arena
            .site
            .authority(DEA)
            .sign(&and_dns, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    let mut in_subject = leaf(&[]);
    in_subject
        .distinguished_name
        .push(DnType::CommonName, own.as_str());
    refused(
        arena,
        "the SPIFFE ID in the subject only",
        "no subject alternative name",
        Some(
            arena
                .site
                .authority(DEA)
                .sign(&in_subject, &PKCS_ECDSA_P256_SHA256),
        ),
    )
    .await;
}
