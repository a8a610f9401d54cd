//! Certificates of another make: huge ones, other keys, and what is no certificate.

use casebroker_tests::{
    DEA,
    pki::{Identity, pem, spiffe},
};
use rcgen::{
    CustomExtension, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
    PKCS_ED25519, SanType, SignatureAlgorithm,
};

use super::{leaf, let_in, refused_as, refused_raw, wish};
use crate::{arena::Arena, weak};

pub(super) async fn makes(arena: &Arena) {
    let own = spiffe(DEA, "system", "test");
    let authority = arena.site.authority(DEA);
    let mut huge = leaf(&[&own]);
    huge.custom_extensions
        .push(CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 4, 1, 55555, 1],
            vec![4; 60_000],
        ));
    let_in(
        arena,
        "a certificate of 60 kB (under TLS's 64 KiB)",
        authority.sign(&huge, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    huge.custom_extensions
        .push(CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 4, 1, 55555, 2],
            vec![4; 60_000],
        ));
    refused_raw(
        arena,
        "a certificate of 120 kB",
        "HandshakePayloadTooLarge",
        authority.sign(&huge, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    let mut many = leaf(&[&own]);
    many.subject_alt_names
        .extend((0..2_000).map(|n| SanType::DnsName(format!("a{n}.example").try_into().unwrap())));
    let_in(
        arena,
        "2,000 DNS names besides the URI",
        authority.sign(&many, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    let mut critical = leaf(&[&own]);
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 3], vec![5, 0]);
    unknown.set_criticality(true);
    critical.custom_extensions.push(unknown);
    refused_raw(
        arena,
        "an unknown critical extension",
        "nsupportedCriticalExtension",
        authority.sign(&critical, &PKCS_ECDSA_P256_SHA256),
    )
    .await;
    for (name, algorithm) in [
        ("P-384", &PKCS_ECDSA_P384_SHA384),
        ("Ed25519", &PKCS_ED25519),
        ("P-521", &PKCS_ECDSA_P521_SHA512),
    ] {
        let algorithm: &'static SignatureAlgorithm = algorithm;
        let_in(
            arena,
            &format!("a key of {name}"),
            authority.sign(&leaf(&[&own]), algorithm),
        )
        .await;
    }
    let public = weak::rsa_1024_public();
    let certificate = leaf(&[&own])
        .signed_by(&public, authority.issuer())
        .unwrap();
    refused_as(arena, "a key of RSA-1024", "BadSignature", || {
        weak::come_with_rsa_1024(arena, certificate.der())
    })
    .await;
    // Not a certificate at all, and one with bytes behind it.
    let good = authority.issue(&wish());
    let text = pem(&[0x30, 0x03, 0x02, 0x01, 0x01]);
    refused_raw(
        arena,
        "five bytes of ASN.1",
        "UnexpectedTag",
        Identity {
            certificate: text,
            ..good.clone()
        },
    )
    .await;
    let nested = [0x30, 0x80].repeat(20_000);
    refused_raw(
        arena,
        "20,000 sequences within each other",
        "IndefiniteLength",
        Identity {
            certificate: pem(&nested),
            ..good
        },
    )
    .await;
}
