//! What is wrong with one member's files is that member's alone.

use std::{fs, os::unix::fs::symlink};

use casebroker_proto::errors::Reason;
use casebroker_tests::{
    Broker, CBP, DEA, Site, cases,
    pki::{CrlWish, Identity, Wish},
    refused,
    site::replace,
    tls::Client,
    wait,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use rustls::version::TLS13;

/// What is wrong with us-cbp's files.
const FAULTS: [&str; 6] = [
    "expired intermediate",
    "broken signer",
    "broken anchor",
    "broken list",
    "broken member.toml",
    "no folder behind the link",
];

fn damage(site: &Site, fault: &str) {
    let file = |name: &str| site.member_file(CBP, name);
    match fault {
        "expired intermediate" => replace(&file("signers/2026a.pem"), &under_expired(site)),
        "broken signer" => replace(&file("signers/2026a.pem"), "no certificate"),
        "broken anchor" => replace(&file("anchor.pem"), "no certificate"),
        "broken list" => replace(&file("crl.pem"), "no list"),
        "broken member.toml" => replace(&file("member.toml"), "colour = 1\n"),
        _ => {
            fs::rename(file(""), site.path().join("away")).unwrap();
            symlink("nowhere", site.path().join("pki/members").join(CBP)).unwrap();
        }
    }
}

/// A signing certificate of us-cbp whose intermediate authority ended in 2024.
fn under_expired(site: &Site) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "ended");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2024, 1, 1);
    let root = site.authority(CBP).issuer();
    let key = KeyPair::generate().unwrap();
    let intermediate = params.signed_by(&key, root).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let mut leaf = CertificateParams::new(Vec::new()).unwrap();
    let uri = casebroker_tests::pki::spiffe(CBP, "signer", "2026a");
    leaf.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap())];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.not_before = date_time_ymd(2020, 1, 1);
    leaf.not_after = date_time_ymd(2100, 1, 1);
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap().pem();
    format!("{leaf}{intermediate}")
}

async fn is_let_in(broker: &Broker, identity: &Identity) -> bool {
    let client = Client {
        anchor: broker.anchor(),
        identity: Some(identity),
        versions: &[&TLS13],
    };
    client.is_let_in(broker.address).await.is_ok()
}

/// Revokes an officer of us-dea and waits until it is refused.
async fn revocation_is_in_force(site: &Site, broker: &Broker) {
    let authority = site.authority(DEA);
    let officer = authority.issue(&Wish::client(DEA, "officer", "revoked"));
    assert!(is_let_in(broker, &officer).await);
    let list = authority.crl(&CrlWish::revoking(&[&officer]));
    replace(&site.member_file(DEA, "crl.pem"), &list);
    wait::until_async("the revoked officer is refused", async || {
        (!is_let_in(broker, &officer).await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_fault_of_one_member_delays_no_revocation_of_another_in_a_running_broker() {
    for fault in FAULTS {
        let site = Site::new();
        let broker = site.start();
        damage(&site, fault);
        broker.wait_logged(&["ERROR", CBP]);
        revocation_is_in_force(&site, &broker).await;
        // Its connections go on, by what was read before.
        let cbp = site.principal(CBP, "system");
        assert!(is_let_in(&broker, &cbp.identity).await, "{fault}");
        drop(broker);
    }
}

#[tokio::test]
async fn the_fault_of_one_member_refuses_no_start_and_shuts_out_that_member_alone() {
    for fault in FAULTS {
        let site = Site::new();
        damage(&site, fault);
        let broker = site.start();
        broker.wait_logged(&["ERROR", CBP]);
        let dea = broker.connect(&site.principal(DEA, "system")).await;
        dea.submit(&cases::reporting_as(DEA, "x-1")).await.unwrap();
        let cbp = site.principal(CBP, "system");
        let only_signer = fault == "expired intermediate" || fault == "broken signer";
        assert_eq!(
            is_let_in(&broker, &cbp.identity).await,
            only_signer,
            "{fault}"
        );
        if only_signer {
            let cbp = broker.connect(&cbp).await;
            let outcome = cbp.submit(&cases::reporting_as(CBP, "x-1")).await;
            refused(outcome, Reason::SignerUnknown);
        }
        revocation_is_in_force(&site, &broker).await;
        drop(broker);
    }
}

#[test]
fn a_strict_broker_refuses_to_start_with_one_member_at_fault() {
    let site = Site::new().with("identity.strict", true);
    damage(&site, "broken anchor");
    let refusal = site.start_refused();
    assert!(refusal.stderr.contains("us-cbp/anchor.pem"), "{refusal}");
}

#[tokio::test]
async fn folders_that_a_volume_puts_beside_the_members_are_left_alone() {
    let site = Site::new().with("identity.strict", true);
    for name in ["..2026_12_01", ".hidden", "lost+found"] {
        fs::create_dir(site.path().join("pki/members").join(name)).unwrap();
    }
    let broker = site.start();
    broker.connect(&site.principal(DEA, "system")).await;
}
