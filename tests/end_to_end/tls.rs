//! What is negotiated, and that no session is taken up again.

use std::sync::Arc;

use casebroker_proto::v1::GetCallerRequest;
use casebroker_tests::{
    Broker, DEA, Site,
    casectl::Casectl,
    pki::{Identity, Wish},
    tls::{Client, connect_with, greet},
};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup,
    crypto::{CryptoProvider, aws_lc_rs, aws_lc_rs::kx_group},
    version::TLS13,
};

fn identity(site: &Site) -> Identity {
    site.authority(DEA)
        .issue(&Wish::client(DEA, "system", "test"))
}

fn config(broker: &Broker, identity: &Identity, provider: CryptoProvider) -> ClientConfig {
    let client = Client {
        anchor: broker.anchor(),
        identity: Some(identity),
        versions: &[&TLS13],
    };
    client.config(provider)
}

/// Group and suite as the broker tells them.
async fn negotiated(site: &Site, broker: &Broker) -> (String, String) {
    let caller = broker.connect(&site.principal(DEA, "system")).await;
    let answer = caller.registry().get_caller(GetCallerRequest {}).await;
    let answer = answer.unwrap().into_inner();
    (answer.tls_group, answer.tls)
}

#[tokio::test]
async fn the_hybrid_key_exchange_is_preferred_and_the_caller_is_told() {
    let site = Site::new();
    let broker = site.start();
    let (group, tls) = negotiated(&site, &broker).await;
    assert_eq!(group, "X25519MLKEM768");
    assert!(tls.starts_with("TLS1.3 TLS_"), "{tls}");

    let casectl = Casectl::new(&site, &broker, DEA, "system");
    let (text, json) = tokio::task::spawn_blocking(move || {
        let text = casectl.expect(0, &["whoami"]).stdout;
        let json = casectl.expect(0, &["-o", "json", "whoami"]).json();
        (text, json)
    })
    .await
    .unwrap();
    let shown = format!("TLS1.3 X25519MLKEM768 {}", &tls["TLS1.3 ".len()..]);
    assert!(text.contains(&shown), "{text}");
    assert_eq!(json["caller"]["tlsGroup"], "X25519MLKEM768");
}

#[tokio::test]
async fn the_fips_leaning_policy_takes_nist_curves_with_aes_gcm_and_nothing_else() {
    let site = Site::new().with("tls.policy", "\"fips-leaning\"");
    let broker = site.start();
    let (group, tls) = negotiated(&site, &broker).await;
    assert_eq!(group, "secp256r1");
    assert!(tls.contains("_GCM_"), "{tls}");

    let identity = identity(&site);
    let all = aws_lc_rs::default_provider;
    let only_384 = CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::SECP384R1],
        ..all()
    };
    let config_384 = config(&broker, &identity, only_384);
    let mut stream = connect_with(config_384, broker.address).await.unwrap();
    greet(&mut stream).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::secp384r1);

    let without_nist = CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519],
        ..all()
    };
    let without_aes = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        ..all()
    };
    for provider in [without_nist, without_aes] {
        let config = config(&broker, &identity, provider);
        let refused = connect_with(config, broker.address).await.unwrap_err();
        assert!(
            refused.to_string().contains("HandshakeFailure"),
            "{refused}"
        );
    }
    // The same clients are welcome under the other policy.
    let site = Site::new();
    let broker = site.start();
    let identity = self::identity(&site);
    let x25519 = CryptoProvider {
        kx_groups: vec![kx_group::X25519],
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        ..all()
    };
    let x25519 = config(&broker, &identity, x25519);
    greet(&mut connect_with(x25519, broker.address).await.unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn sessions_are_not_resumed() {
    let site = Site::new();
    let broker = site.start();
    // One memory of sessions for both connections.
    let config = Arc::new(config(
        &broker,
        &identity(&site),
        aws_lc_rs::default_provider(),
    ));
    for _ in 0..2 {
        let mut stream = connect_with(Arc::clone(&config), broker.address)
            .await
            .unwrap();
        // Tickets would come before the first answer.
        greet(&mut stream).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.tls13_tickets_received(), 0);
        assert_ne!(session.handshake_kind(), Some(HandshakeKind::Resumed));
    }
}
