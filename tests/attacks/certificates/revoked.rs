//! Revoked certificates, and revocation lists that are broken or another's. The lists are those of a third member, so that neither
//! the attacker nor the honest one is touched by them.

use casebroker_tests::{
    CBP, DEA,
    pki::{CrlWish, Identity, Wish},
    site::replace,
    tls::{Client, PREFACE},
    wait,
};
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{come, refused};
use crate::arena::Arena;

/// What the broker says of files that it does not take.
const KEPT: &str = "its last good state stays in force";

pub(super) async fn revoked(arena: &Arena) {
    let issue = |role| {
        let wish = Wish::client(CBP, role, "test");
        arena.site.authority(CBP).issue(&wish)
    };
    let (bad, good) = (issue("system"), issue("officer"));
    let path = arena.site.member_file(CBP, "crl.pem");
    let revoked = [&bad];
    let list = arena.site.authority(CBP).crl(&CrlWish::revoking(&revoked));
    arena
        .attack("a certificate that is revoked while it is used", async {
            let client = Client {
                anchor: arena.broker.anchor(),
                identity: Some(&bad),
                versions: &[&TLS13],
            };
            let mut open = client.connect(arena.broker.address).await.unwrap();
            open.write_all(PREFACE).await.unwrap();
            open.read_exact(&mut [0; 9]).await.unwrap();
            replace(&path, &list);
            let mut rest = Vec::new();
            let closed = open.read_to_end(&mut rest);
            let _ = tokio::time::timeout(wait::LONG, closed)
                .await
                .expect("a close");
            "its open connection is closed".into()
        })
        .await;
    // With a filter the attack above does not take place.
    if !path.exists() {
        return;
    }
    refused(arena, "a revoked certificate", "Revoked", Some(bad.clone())).await;
    let cut: String = list.chars().take(list.len() / 2).collect();
    let endless = list.replacen("-----END X509 CRL-----", "", 1);
    for (name, text) in [
        ("a revocation list cut off", cut),
        ("a revocation list without its end", endless),
        (
            "a revocation list of 20,000 sequences within each other",
            as_list(&[0x30, 0x80].repeat(20_000)),
        ),
        (
            "a revocation list of 5 bytes",
            as_list(&[0x30, 0x03, 0x02, 0x01, 0x01]),
        ),
        ("a revocation list of 17 MiB", "x".repeat(17 << 20)),
        ("65 revocation lists", list.repeat(65)),
        ("an empty revocation list", String::new()),
        (
            "an agency's certificate as revocation list",
            good.certificate.clone(),
        ),
    ] {
        broken(arena, name, &text, &bad, &good).await;
    }
    // In order as a list, but none of this agency's: nobody of it is known not to be revoked.
    let another = arena.site.authority(DEA).crl(&CrlWish::revoking(&[]));
    arena
        .attack("a revocation list of another agency", async {
            replace(&path, &another);
            let refused = wait::until_async("the list is in use", || async {
                come(arena, Some(&good)).await.err()
            });
            let alert = refused.await;
            come(arena, Some(&bad)).await.expect_err("still revoked");
            format!("nobody of the agency is let in; the peer reads: {alert}")
        })
        .await;
}

/// DER as the PEM of a list.
fn as_list(der: &[u8]) -> String {
    casebroker_tests::pki::pem(der).replace("CERTIFICATE", "X509 CRL")
}

/// The list that is in use stays in use.
async fn broken(arena: &Arena, name: &str, text: &str, bad: &Identity, good: &Identity) {
    let path = arena.site.member_file(CBP, "crl.pem");
    let logged_before = arena.broker.stderr().len();
    arena
        .attack(name, async {
            replace(&path, text);
            let why = wait::until_async("the broker says that it does not take it", || async {
                let log = arena.broker.stderr();
                let line = log[logged_before..]
                    .lines()
                    .find(|line| line.contains(KEPT))?;
                Some(line.split_once("crl.pem: ")?.1.to_owned())
            })
            .await;
            come(arena, Some(bad)).await.expect_err("still revoked");
            come(arena, Some(good)).await.expect("still let in");
            format!("kept what it had: {why:.100}")
        })
        .await;
}
