//! Attacks with certificates: what proves nothing, names nobody or somebody else, or is of another make. Revoked certificates and
//! malformed revocation lists belong here too, once the broker reads lists.

mod chains;
mod makes;
mod names;

use casebroker_tests::{
    CBP, DEA, Site,
    pki::{Authority, Identity, Wish, spiffe},
    tls::Client,
    wait,
};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustls::version::TLS13;

use crate::{
    arena::{Arena, Line},
    weak,
};

pub async fn run(filters: &[String]) -> Vec<Line> {
    let site = Site::new();
    let (second, _) = site.authority(DEA).signer(DEA, "second", (2020, 2100));
    site.register_signer(DEA, "second", &second.certificate);
    let arena = Arena::open("certificates", filters, site).await;
    proofs(&arena).await;
    names::names(&arena).await;
    chains::chains(&arena, &second).await;
    makes::makes(&arena).await;
    arena.close().await
}

async fn come(arena: &Arena, identity: Option<&Identity>) -> Result<(), String> {
    let client = Client {
        anchor: arena.broker.anchor(),
        identity,
        versions: &[&TLS13],
    };
    client
        .is_let_in(arena.broker.address)
        .await
        .map_err(|e| e.to_string())
}

/// Must be refused, for a reason that the broker logs with these words.
async fn refused(arena: &Arena, name: &str, words: &str, identity: Option<Identity>) {
    refused_as(arena, name, words, || come(arena, identity.as_ref())).await;
}

/// The same for what the client's own library would not show.
async fn refused_raw(arena: &Arena, name: &str, words: &str, identity: Identity) {
    refused_as(arena, name, words, || {
        weak::come_unchecked(arena, &identity)
    })
    .await;
}

async fn refused_as<F: Future<Output = Result<(), String>>>(
    arena: &Arena,
    name: &str,
    words: &str,
    come: impl FnOnce() -> F,
) {
    let logged_before = arena.broker.stderr().len();
    arena
        .attack(name, async {
            let alert = come().await.expect_err("refused");
            let what = format!("the broker logs {words:?}");
            let error = wait::until_async(&what, || async {
                let log = arena.broker.stderr();
                let mut lines = log[logged_before..].lines();
                let line =
                    lines.find(|line| line.contains("handshake refused") && line.contains(words));
                let (_, error) = line?.split_once("error=")?;
                Some(error.to_owned())
            })
            .await;
            format!("handshake refused: {error:.120}; the peer reads: {alert}")
        })
        .await;
}

/// Is as good as any.
async fn let_in(arena: &Arena, name: &str, identity: Identity) {
    arena
        .attack(name, async {
            come(arena, Some(&identity)).await.expect("let in");
            "let in: allowed".into()
        })
        .await;
}

fn wish() -> Wish {
    Wish::client(DEA, "system", "test")
}

async fn proofs(arena: &Arena) {
    let issue = |wish: Wish| Some(arena.issue(&wish));
    refused(arena, "no certificate", "peer sent no certificates", None).await;
    refused(
        arena,
        "expired",
        "xpired",
        issue(Wish {
            years: (2020, 2021),
            ..wish()
        }),
    )
    .await;
    refused(
        arena,
        "not valid yet",
        "not valid yet",
        issue(Wish {
            years: (2090, 2100),
            ..wish()
        }),
    )
    .await;
    let server = Wish {
        usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
        ..wish()
    };
    refused(
        arena,
        "for servers (extended key usage)",
        "xtended",
        issue(server),
    )
    .await;
    refused(
        arena,
        "by an authority that nobody knows",
        "UnknownIssuer",
        Some(Authority::new("stranger").issue(&wish())),
    )
    .await;
    refused(
        arena,
        "by a namesake of the agency's authority",
        "BadSignature",
        Some(Authority::new(DEA).issue(&wish())),
    )
    .await;
    let by_other = arena.site.authority(CBP).issue(&wish());
    refused(
        arena,
        "by the authority of another member",
        "UnknownIssuer",
        Some(by_other),
    )
    .await;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let alone = leaf(&[&spiffe(DEA, "system", "test")])
        .self_signed(&key)
        .unwrap();
    let alone = Identity {
        certificate: alone.pem(),
        key: key.serialize_pem(),
    };
    refused(arena, "self-signed", "UnknownIssuer", Some(alone)).await;
    // The certificate of somebody else, shown by one who lacks its key.
    let good = arena.issue(&wish());
    let stolen = Identity {
        key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .unwrap()
            .serialize_pem(),
        ..good
    };
    refused_raw(
        arena,
        "a certificate without its key",
        "BadSignature",
        stolen,
    )
    .await;
}

fn leaf(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = uris
        .iter()
        .map(|uri| SanType::URI((*uri).try_into().unwrap()))
        .collect();
    params
}
