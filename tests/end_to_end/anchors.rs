//! What an anchor's own certificate constrains is enforced as OpenSSL enforces it.

use std::{fs, process::Command};

use casebroker_tests::{
    CBP, DEA, Site,
    pki::{Identity, spiffe},
    site::replace,
    tls::Client,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::version::TLS13;

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}

/// The anchor, and a client's chain below it with so many intermediates.
fn chain(anchor: CertificateParams, intermediates: usize) -> (String, Identity) {
    let key = KeyPair::generate().unwrap();
    let pem = anchor.self_signed(&key).unwrap().pem();
    let mut issuer = Issuer::new(anchor, key);
    let mut above = String::new();
    for number in 0..intermediates {
        let params = authority(&format!("intermediate {number}"));
        let key = KeyPair::generate().unwrap();
        above = params.signed_by(&key, &issuer).unwrap().pem() + &above;
        issuer = Issuer::new(params, key);
    }
    let mut leaf = CertificateParams::new(Vec::new()).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "client");
    let uri = spiffe(DEA, "system", "test");
    leaf.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap())];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf.not_before = date_time_ymd(2020, 1, 1);
    leaf.not_after = date_time_ymd(2100, 1, 1);
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap().pem();
    let identity = Identity {
        certificate: leaf + &above,
        key: key.serialize_pem(),
    };
    (pem, identity)
}

fn openssl_accepts(site: &Site, anchor: &str, identity: &Identity) -> bool {
    let file = |name: &str, text: &str| {
        let path = site.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let output = Command::new("openssl")
        .args(["verify", "-purpose", "sslclient", "-no-CApath", "-CAfile"])
        .arg(file("openssl-anchor.pem", anchor))
        .arg("-untrusted")
        .arg(file("openssl-chain.pem", &identity.certificate))
        .arg(file("openssl-leaf.pem", &identity.certificate))
        .output()
        .expect("the test needs openssl");
    output.status.success()
}

#[tokio::test]
async fn constraints_of_an_anchor_are_enforced_as_openssl_enforces_them() {
    let limited = |length: u8| {
        let mut params = authority("anchor");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        params
    };
    let mut expired = authority("anchor");
    expired.not_after = date_time_ymd(2024, 1, 1);
    let mut future = authority("anchor");
    future.not_before = date_time_ymd(2090, 1, 1);
    let mut no_signing = authority("anchor");
    no_signing.key_usages = vec![KeyUsagePurpose::CrlSign];
    let mut other_purpose = authority("anchor");
    other_purpose.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let mut no_authority = authority("anchor");
    no_authority.is_ca = IsCa::ExplicitNoCa;
    let cases = [
        ("no limit", authority("anchor"), 2, true),
        ("path length 0, no intermediate", limited(0), 0, true),
        ("path length 0, one intermediate", limited(0), 1, false),
        ("path length 1, one intermediate", limited(1), 1, true),
        ("path length 1, two intermediates", limited(1), 2, false),
        ("expired", expired, 0, false),
        ("not valid yet", future, 0, false),
        ("no keyCertSign", no_signing, 0, false),
        ("for code signing", other_purpose, 0, false),
        ("no authority", no_authority, 0, false),
    ];
    for (name, anchor, intermediates, accepted) in cases {
        let site = Site::new();
        let (pem, identity) = chain(anchor, intermediates);
        assert_eq!(openssl_accepts(&site, &pem, &identity), accepted, "{name}");
        replace(&site.member_file(DEA, "anchor.pem"), &pem);
        let broker = site.start();
        let client = Client {
            anchor: broker.anchor(),
            identity: Some(&identity),
            versions: &[&TLS13],
        };
        let let_in = client.is_let_in(broker.address).await.is_ok();
        assert_eq!(let_in, accepted, "{name}");
        // No other member is concerned.
        broker.connect(&site.principal(CBP, "system")).await;
    }
}
