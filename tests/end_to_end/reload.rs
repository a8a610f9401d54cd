//! Files that change take effect without a restart; broken ones change nothing.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use casebroker_proto::{errors::Reason, v1::SubmitStreamRequest};
use casebroker_tests::{
    Broker, CBP, DEA, Site, caller, cases,
    pki::{Authority, CrlWish, Wish},
    refused,
    site::replace,
    tls::{Client, greet},
    wait,
};
use rustls::version::TLS13;
use tonic::Code;

const READ_AGAIN: &str = "members and certificate read again";
const REFUSED: &str = "reload refused; what was read before stays in force";

/// Does something to the files and waits until they were read again.
fn reading_again(broker: &Broker, change: impl FnOnce()) {
    let before = broker.count_logged(&[READ_AGAIN]);
    change();
    wait::until("the files are read again", || {
        (broker.count_logged(&[READ_AGAIN]) > before).then_some(())
    });
}

/// Does something to the files and waits until they were refused for a reason with these words.
fn refusing(broker: &Broker, words: &str, change: impl FnOnce()) {
    // All of it is refused, or what one member's file says.
    let count = || broker.count_logged(&["ERROR", words]);
    let before = count();
    change();
    wait::until("the files are refused", || (count() > before).then_some(()));
}

/// The certificate that the broker shows.
async fn shown(broker: &Broker, site: &Site) -> Vec<u8> {
    let identity = site
        .authority(DEA)
        .issue(&Wish::client(DEA, "system", "test"));
    let client = Client {
        anchor: broker.anchor(),
        identity: Some(&identity),
        versions: &[&TLS13],
    };
    let mut connection = client.connect(broker.address).await.unwrap();
    greet(&mut connection).await.unwrap();
    let chain = connection.get_ref().1.peer_certificates().unwrap();
    chain[0].to_vec()
}

#[tokio::test]
async fn a_reload_with_a_broken_file_changes_nothing_and_says_so() {
    let site = Site::new();
    let crl = |wish: &CrlWish<'_>| site.authority(DEA).crl(wish);
    replace(
        &site.member_file(DEA, "crl.pem"),
        &crl(&CrlWish::revoking(&[])),
    );
    let groups = site.path().join("pki/members/groups.toml");
    let group = "[groups.two]\nmembers = [\"us-dea\", \"us-cbp\"]\n";
    replace(&groups, group);
    let broker = site.start();
    let dea = site.principal(DEA, "system");
    let live = broker.connect(&dea).await;
    let certificate = shown(&broker, &site).await;

    let cut = |text: &str| text[..text.len() / 2].to_owned();
    let foreign = site.authority(CBP).signer(DEA, "2026a", (2020, 2100)).0;
    let another = site.broker_authority().server();
    let member = |file: &str| site.member_file(DEA, file);
    let signer = site.signing_pair(DEA).0;
    let forged = Authority::new(DEA).crl(&CrlWish::revoking(&[]));
    let broken: Vec<(PathBuf, String, &str)> = vec![
        (
            member("anchor.pem"),
            cut(&site.authority(DEA).pem),
            "us-dea/anchor.pem",
        ),
        (
            member("anchor.pem"),
            site.authority(CBP).pem.clone(),
            "it does not chain to anchor.pem",
        ),
        (
            member("crl.pem"),
            cut(&crl(&CrlWish::revoking(&[&dea.identity]))),
            "us-dea/crl.pem",
        ),
        (member("crl.pem"), String::new(), "holds no revocation list"),
        (member("crl.pem"), forged, "but not its signature"),
        (
            member("signers/2026a.pem"),
            cut(signer),
            "signers/2026a.pem",
        ),
        (
            member("signers/2026a.pem"),
            foreign.certificate,
            "it does not chain to anchor.pem",
        ),
        (
            member("member.toml"),
            "display_name = 1\n".into(),
            "us-dea/member.toml",
        ),
        (
            member("member.toml"),
            "display_name = \"x\"\ncolour = 1\n".into(),
            "unknown field",
        ),
        (
            member("member.toml"),
            "display_name = \"x\"\ncontact = \"a\\nb\"\n".into(),
            "`contact` must have",
        ),
        (
            groups.clone(),
            "[groups.two]\nmembers = [\"us-fbi\"]\n".into(),
            "`us-fbi` is not a member",
        ),
        (
            groups.clone(),
            "[groups.Two]\nmembers = [\"us-dea\"]\n".into(),
            "groups.toml",
        ),
        (groups, "[groups.two]\n".into(), "groups.toml"),
        (
            site.path().join("pki/server.pem"),
            another.certificate,
            "do not work together",
        ),
        (
            site.path().join("pki/server.key"),
            "no key".into(),
            "pki/server.key",
        ),
    ];
    for (number, (path, text, words)) in broken.into_iter().enumerate() {
        let good = fs::read_to_string(&path).unwrap();
        refusing(&broker, words, || fs::write(&path, &text).unwrap());
        live.submit(&cases::reporting_as(DEA, &format!("live-{number}")))
            .await
            .unwrap();
        let anew = broker.connect(&dea).await;
        anew.submit(&cases::reporting_as(DEA, &format!("anew-{number}")))
            .await
            .unwrap();
        assert_eq!(shown(&broker, &site).await, certificate);
        reading_again(&broker, || fs::write(&path, &good).unwrap());
    }
    let failures = format!("failures={}", broker.count_logged(&[REFUSED]));
    broker.wait_logged(&["ERROR", REFUSED, &failures]);
}

#[tokio::test]
async fn a_key_that_became_readable_by_everybody_is_not_taken() {
    let site = Site::new();
    let broker = site.start();
    let key = site.path().join("pki/server.key");
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    broker.wait_logged(&[REFUSED, "chmod o-rwx"]);
    reading_again(&broker, || mode(0o600));
}

#[tokio::test]
async fn sighup_reads_the_files_again_and_ends_nothing() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let (requests, mut answers) = dea.stream().await.unwrap();
    for number in 0..3 {
        reading_again(&broker, || broker.hang_up());
        let signed_statement = dea
            .sign(&cases::reporting_as(DEA, &format!("c{number}")))
            .into();
        let request = SubmitStreamRequest { signed_statement };
        requests.send(request).await.unwrap();
        caller::outcome(answers.message().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(broker.count_logged(&[READ_AGAIN, "cause=Asked"]), 3);
}

#[tokio::test]
async fn a_new_server_certificate_is_shown_to_new_connections_while_old_ones_go_on() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let (requests, mut answers) = dea.stream().await.unwrap();
    let before = shown(&broker, &site).await;
    let fresh = site.broker_authority().server();
    reading_again(&broker, || {
        let (certificate, key) = (
            site.path().join("pki/server.pem"),
            site.path().join("pki/server.key"),
        );
        // One by rename, the other in place; between them the two do not fit.
        replace(&certificate, &fresh.certificate);
        fs::write(&key, &fresh.key).unwrap();
    });
    wait::until_async("the new certificate is shown", async || {
        (shown(&broker, &site).await != before).then_some(())
    })
    .await;
    let signed_statement = dea.sign(&cases::reporting_as(DEA, "a")).into();
    let request = SubmitStreamRequest { signed_statement };
    requests.send(request).await.unwrap();
    caller::outcome(answers.message().await.unwrap().unwrap()).unwrap();
    assert_eq!(broker.count_logged(&["connection closed"]), 0);
}

#[tokio::test]
async fn a_signing_key_is_rolled_over_without_a_restart_and_the_old_one_revoked() {
    let site = Site::new();
    let broker = site.start();
    let old = broker.connect(&site.principal(DEA, "system")).await;
    let (certificate, signer) = site.authority(DEA).signer(DEA, "2026b", (2020, 2100));
    let mut new = old.clone();
    new.signer = Arc::new(signer);
    // Not registered yet.
    let early = new.submit(&cases::reporting_as(DEA, "early")).await;
    refused(early, Reason::SignerUnknown);

    reading_again(&broker, || {
        site.register_signer(DEA, "2026b", &certificate.certificate);
    });
    // Both sign.
    new.submit(&cases::reporting_as(DEA, "new-1"))
        .await
        .unwrap();
    let kept = old
        .submit(&cases::reporting_as(DEA, "old-1"))
        .await
        .unwrap();

    let (pem, key) = site.signing_pair(DEA);
    let retired = casebroker_tests::pki::Identity {
        certificate: pem.into(),
        key: key.into(),
    };
    let crl = site.authority(DEA).crl(&CrlWish::revoking(&[&retired]));
    reading_again(&broker, || replace(&site.member_file(DEA, "crl.pem"), &crl));
    let refusal = old.submit(&cases::reporting_as(DEA, "old-2")).await;
    assert_eq!(refusal.as_ref().unwrap_err().code(), Code::PermissionDenied);
    refused(refusal, Reason::SignerUnknown);
    new.submit(&cases::reporting_as(DEA, "new-2"))
        .await
        .unwrap();
    // What the old key signed stays, with its certificate.
    let receipt = old.receipt(kept.position).await.unwrap();
    assert!(!receipt.signing_certificate.is_empty());
}

#[tokio::test]
async fn a_new_member_is_let_in_without_a_restart() {
    let site = Site::new();
    let broker = site.start();
    let authority = Authority::new("us-fbi");
    let member = |file: &str| site.member_file("us-fbi", file);
    let (signer, _) = authority.signer("us-fbi", "2026a", (2020, 2100));
    reading_again(&broker, || {
        // Written one after the other; read once all of them are there.
        replace(&member("signers/2026a.pem"), &signer.certificate);
        replace(&member("anchor.pem"), &authority.pem);
        replace(&member("member.toml"), "display_name = \"another\"\n");
    });
    let identity = authority.issue(&Wish::client("us-fbi", "system", "test"));
    let client = Client {
        anchor: broker.anchor(),
        identity: Some(&identity),
        versions: &[&TLS13],
    };
    client.is_let_in(broker.address).await.unwrap();
}
