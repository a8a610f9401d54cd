//! A certificate that is not let in any more ends its connections too, and nobody else's.

use std::{
    fs,
    time::{Duration, Instant},
};

use casebroker_proto::{
    errors::Reason,
    v1::{SubmitStreamRequest, SubmitStreamResponse},
};
use casebroker_tests::{
    Broker, CBP, Caller, DEA, RCMP, Site, caller, cases,
    pki::{Authority, CrlWish, Identity, Principal, Wish, spiffe},
    refused,
    site::replace,
    tls::{Client, greet},
    wait,
};
use rcgen::CrlScope;
use rustls::version::TLS13;
use time::OffsetDateTime;
use tokio::{io::AsyncReadExt as _, net::TcpStream, sync::mpsc, time::timeout};
use tokio_rustls::client::TlsStream;
use tonic::Streaming;

/// What is promised: from the change of the file to the end of the connection.
const PROMISED: Duration = Duration::from_secs(5);

/// A principal with an idle connection, a connection for calls and one with a stream.
struct Live {
    idle: TlsStream<TcpStream>,
    calls: Caller,
    requests: mpsc::Sender<SubmitStreamRequest>,
    answers: Streaming<SubmitStreamResponse>,
    submitted: u32,
    tag: &'static str,
}

impl Live {
    async fn start(broker: &Broker, principal: &Principal, tag: &'static str) -> Self {
        let idle = idle(broker, &principal.identity).await.unwrap();
        let calls = broker.connect(principal).await;
        let streaming = broker.connect(principal).await;
        let (requests, answers) = streaming.stream().await.unwrap();
        let mut live = Self {
            idle,
            calls,
            requests,
            answers,
            submitted: 0,
            tag,
        };
        live.is_served().await;
        live
    }

    fn next(&mut self) -> casebroker_proto::v1::Statement {
        self.submitted += 1;
        cases::reporting_as(
            &self.calls.agency,
            &format!("{}-{}", self.tag, self.submitted),
        )
    }

    /// Both the calls and the stream that was opened at the beginning are answered.
    async fn is_served(&mut self) {
        let statement = self.next();
        self.calls.submit(&statement).await.unwrap();
        let statement = self.next();
        let signed_statement = self.calls.sign(&statement).into();
        let request = SubmitStreamRequest { signed_statement };
        self.requests.send(request).await.unwrap();
        let answer = self.answers.message().await.unwrap().unwrap();
        caller::outcome(answer).unwrap();
        // The idle connection: nothing comes, and it is not closed either.
        let mut byte = [0];
        while let Ok(read) = timeout(Duration::from_millis(1), self.idle.read(&mut byte)).await {
            assert!(read.unwrap() > 0, "the idle connection was closed");
        }
    }

    /// All three connections end within the time promised.
    async fn ends(mut self, since: Instant) {
        let idle = until_closed(&mut self.idle);
        let stream = async {
            // Nothing was asked on it, so whatever comes is its end.
            let end = self.answers.message().await;
            assert!(!matches!(end, Ok(Some(_))), "{end:?}");
        };
        let (calls, agency) = (&self.calls, self.calls.agency.clone());
        let unary = async {
            let mut number = 0;
            loop {
                number += 1;
                let statement = cases::reporting_as(&agency, &format!("{}-u{number}", self.tag));
                if calls.submit(&statement).await.is_err() {
                    return;
                }
            }
        };
        timeout(wait::LONG, async { tokio::join!(idle, stream, unary) })
            .await
            .expect("the connections end");
        let took = since.elapsed();
        casebroker_tests::announce(&format!("closed {took:?} after the change"));
        assert!(took < PROMISED, "{took:?}");
    }
}

async fn until_closed(connection: &mut TlsStream<TcpStream>) {
    let mut buffer = [0; 1024];
    while matches!(connection.read(&mut buffer).await, Ok(1..)) {}
}

async fn idle(broker: &Broker, identity: &Identity) -> std::io::Result<TlsStream<TcpStream>> {
    let client = Client {
        anchor: broker.anchor(),
        identity: Some(identity),
        versions: &[&TLS13],
    };
    let mut connection = client.connect(broker.address).await?;
    greet(&mut connection).await?;
    Ok(connection)
}

fn put_crl(site: &Site, agency: &str, wish: &CrlWish<'_>) {
    let crl = site.authority(agency).crl(wish);
    replace(&site.member_file(agency, "crl.pem"), &crl);
}

fn in_seconds(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::seconds(seconds)
}

fn identity(site: &Site, name: &str) -> Identity {
    site.authority(DEA)
        .issue(&Wish::client(DEA, "system", name))
}

#[tokio::test]
async fn a_revoked_certificate_ends_its_connections_within_5_s_and_no_others() {
    let site = Site::new();
    let broker = site.start();
    let (bad, colleague) = (
        site.principal(DEA, "system"),
        site.principal(DEA, "officer"),
    );
    let stranger = site.principal(CBP, "system");
    let live = Live::start(&broker, &bad, "bad").await;
    let mut colleague = Live::start(&broker, &colleague, "colleague").await;
    let mut stranger = Live::start(&broker, &stranger, "stranger").await;

    let since = Instant::now();
    put_crl(&site, DEA, &CrlWish::revoking(&[&bad.identity]));
    live.ends(since).await;
    let principal = spiffe(DEA, "system", "test");
    broker.wait_logged(&["connection closed", &principal, "Revoked"]);
    colleague.is_served().await;
    stranger.is_served().await;

    assert!(idle(&broker, &bad.identity).await.is_err());
    broker.wait_logged(&["handshake refused", "Revoked"]);
    assert_eq!(broker.count_logged(&["connection closed"]), 3);
}

#[tokio::test]
async fn the_connections_of_a_removed_member_end_within_5_s() {
    let site = Site::new();
    let broker = site.start();
    let live = Live::start(&broker, &site.principal(RCMP, "system"), "gone").await;
    let mut other = Live::start(&broker, &site.principal(DEA, "system"), "other").await;
    let since = Instant::now();
    fs::rename(site.member_file(RCMP, ""), site.path().join("removed")).unwrap();
    live.ends(since).await;
    broker.wait_logged(&["connection closed", RCMP, "of no member"]);
    other.is_served().await;
}

#[tokio::test]
async fn connections_under_an_anchor_that_was_replaced_end_within_5_s() {
    let site = Site::new();
    let broker = site.start();
    let live = Live::start(&broker, &site.principal(DEA, "system"), "old").await;
    // The agency begins anew: another anchor, and signing certificates under it.
    let (folder, fresh) = (site.member_file(DEA, ""), site.path().join("fresh"));
    let authority = Authority::new("begun anew");
    let (signer, _) = authority.signer(DEA, "2027a", (2020, 2100));
    replace(&fresh.join("anchor.pem"), &authority.pem);
    replace(&fresh.join("member.toml"), "display_name = \"anew\"\n");
    replace(&fresh.join("signers/2027a.pem"), &signer.certificate);
    let since = Instant::now();
    fs::rename(&folder, site.path().join("removed")).unwrap();
    fs::rename(&fresh, &folder).unwrap();
    live.ends(since).await;
    let fresh = authority.issue(&Wish::client(DEA, "system", "test"));
    wait::until_async("the new anchor is in force", async || {
        idle(&broker, &fresh).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_change_that_the_system_does_not_tell_of_is_noticed_too() {
    // A link above the folder is set to another copy, as container platforms do.
    let site = Site::new().with("members_dir", "\"current/members\"");
    let link = |to: &str| {
        let draft = site.path().join("draft");
        std::os::unix::fs::symlink(to, &draft).unwrap();
        fs::rename(draft, site.path().join("current")).unwrap();
    };
    let copied = std::process::Command::new("cp")
        .args(["-R", "pki", "copy"])
        .current_dir(site.path())
        .status();
    assert!(copied.unwrap().success());
    link("pki");
    let broker = site.start();
    let bad = site.principal(DEA, "system");
    let live = Live::start(&broker, &bad, "bad").await;
    let crl = site
        .authority(DEA)
        .crl(&CrlWish::revoking(&[&bad.identity]));
    replace(&site.path().join("copy/members/us-dea/crl.pem"), &crl);
    let since = Instant::now();
    link("copy");
    live.ends(since).await;
}

#[tokio::test]
async fn a_connection_does_not_outlive_its_certificate() {
    let site = Site::new();
    let broker = site.start();
    let until = in_seconds(3);
    let wish = Wish {
        until: Some(until),
        ..Wish::client(DEA, "system", "brief")
    };
    let identity = site.authority(DEA).issue(&wish);
    let mut connection = idle(&broker, &identity).await.unwrap();
    until_closed(&mut connection).await;
    let late = OffsetDateTime::now_utc() - until;
    // The last second belongs to the validity.
    assert!(late > time::Duration::ZERO, "closed {late} after the end");
    assert!(
        late < time::Duration::seconds(5),
        "closed {late} after the end"
    );
    broker.wait_logged(&["connection closed", "brief", "xpired"]);
    assert!(idle(&broker, &identity).await.is_err());
}

#[tokio::test]
async fn an_expired_list_refuses_its_agency_and_no_other() {
    let site = Site::new();
    let past = CrlWish {
        next_update: in_seconds(-3600),
        ..CrlWish::revoking(&[])
    };
    put_crl(&site, DEA, &past);
    let broker = site.start();
    broker.wait_logged(&["ERROR", "revocation list is expired", DEA]);
    assert!(idle(&broker, &identity(&site, "test")).await.is_err());
    broker.wait_logged(&["handshake refused", "revocation list expired"]);
    broker.connect(&site.principal(CBP, "system")).await;
    // A newer one is all it takes.
    put_crl(&site, DEA, &CrlWish::revoking(&[]));
    wait::until_async("the newer list is in force", async || {
        idle(&broker, &identity(&site, "test")).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_connection_does_not_outlive_the_list_that_lets_it_in() {
    let site = Site::new();
    let until = in_seconds(4);
    let brief = CrlWish {
        next_update: until,
        ..CrlWish::revoking(&[])
    };
    put_crl(&site, DEA, &brief);
    let broker = site.start();
    let mut connection = idle(&broker, &identity(&site, "test")).await.unwrap();
    let mut other = idle(
        &broker,
        &site.authority(CBP).issue(&Wish::client(CBP, "system", "t")),
    )
    .await
    .unwrap();
    until_closed(&mut connection).await;
    let late = OffsetDateTime::now_utc() - until;
    assert!(
        late > time::Duration::seconds(-1),
        "closed {late} after the end"
    );
    assert!(
        late < time::Duration::seconds(5),
        "closed {late} after the end"
    );
    broker.wait_logged(&["connection closed", "revocation list expired"]);
    let mut byte = [0];
    while let Ok(read) = timeout(Duration::from_millis(1), other.read(&mut byte)).await {
        assert!(read.unwrap() > 0, "the other agency's connection lives on");
    }
}

#[tokio::test]
async fn an_expired_list_is_used_all_the_same_if_so_configured() {
    let site = Site::new().with("identity.expired_crl", "\"warn\"");
    let bad = identity(&site, "bad");
    let listed = [&bad];
    let past = CrlWish {
        next_update: in_seconds(-3600),
        ..CrlWish::revoking(&listed)
    };
    put_crl(&site, DEA, &past);
    let broker = site.start();
    broker.wait_logged(&["WARN", "revocation list is expired", DEA]);
    idle(&broker, &identity(&site, "test")).await.unwrap();
    assert!(idle(&broker, &bad).await.is_err());
    broker.wait_logged(&["handshake refused", "Revoked"]);
}

#[tokio::test]
async fn of_several_lists_of_one_issuer_the_one_with_the_highest_number_counts() {
    let site = Site::new();
    let (old, new) = (identity(&site, "old"), identity(&site, "new"));
    let authority = site.authority(DEA);
    // 255 and 256: the order is that of numbers, not of bytes.
    let list = |number, revoked: &Identity| {
        authority.crl(&CrlWish {
            number,
            ..CrlWish::revoking(&[revoked])
        })
    };
    let (low, high) = (list(255, &old), list(256, &new));
    for text in [format!("{low}{high}"), format!("{high}{low}")] {
        replace(&site.member_file(DEA, "crl.pem"), &text);
        let broker = site.start();
        idle(&broker, &old).await.unwrap();
        assert!(idle(&broker, &new).await.is_err());
        broker.wait_logged(&["handshake refused", "Revoked"]);
    }
}

#[test]
fn a_list_that_its_anchor_did_not_sign_refuses_a_strict_start() {
    let site = Site::new().with("identity.strict", true);
    // The same name, another key.
    let forged = Authority::new(DEA).crl(&CrlWish::revoking(&[]));
    replace(&site.member_file(DEA, "crl.pem"), &forged);
    let refusal = site.start_refused();
    for words in ["us-dea/crl.pem", "but not its signature"] {
        assert!(refusal.stderr.contains(words), "{refusal}");
    }
}

/// Distribution point of a list, and for which certificates it speaks.
type Point = (&'static str, Option<CrlScope>);

/// Every pair of lists of one issuer of which one names the certificate, and the other, of another scope, names none.
fn pairs_of_scopes() -> [[Option<Point>; 2]; 5] {
    let (a, b) = ("http://crl.example/a", "http://crl.example/b");
    [
        [None, Some((a, None))],
        [None, Some((a, Some(CrlScope::UserCertsOnly)))],
        [None, Some((a, Some(CrlScope::CaCertsOnly)))],
        [Some((a, None)), Some((b, None))],
        [Some((a, None)), None],
    ]
}

#[tokio::test]
async fn a_certificate_or_signer_that_any_list_in_force_names_is_refused_in_any_order() {
    for points in pairs_of_scopes() {
        let site = Site::new();
        let (bad, good) = (identity(&site, "bad"), identity(&site, "good"));
        let system = site.principal(DEA, "system");
        let (certificate, key) = site.signing_pair(DEA);
        let signer = Identity {
            certificate: certificate.into(),
            key: key.into(),
        };
        let listed = [&bad, &signer];
        let [naming, silent] = points;
        let naming = site.authority(DEA).crl(&CrlWish {
            number: 105,
            point: naming,
            ..CrlWish::revoking(&listed)
        });
        let silent = site.authority(DEA).crl(&CrlWish {
            number: 104,
            point: silent,
            ..CrlWish::revoking(&[])
        });
        for text in [format!("{naming}{silent}"), format!("{silent}{naming}")] {
            replace(&site.member_file(DEA, "crl.pem"), &text);
            let broker = site.start();
            assert!(idle(&broker, &bad).await.is_err(), "{points:?}");
            idle(&broker, &good).await.unwrap();
            let caller = broker.connect(&system).await;
            let error = caller.submit(&cases::reporting_as(DEA, "x-1")).await;
            refused(error, Reason::SignerUnknown);
        }
    }
}

#[tokio::test]
async fn a_list_of_another_scope_beside_the_one_that_revokes_lets_no_open_connection_live() {
    for points in pairs_of_scopes() {
        let site = Site::new();
        let broker = site.start();
        let bad = site.principal(DEA, "system");
        let live = Live::start(&broker, &bad, "bad").await;
        let listed = [&bad.identity];
        let [naming, silent] = points;
        let naming = site.authority(DEA).crl(&CrlWish {
            number: 105,
            point: naming,
            ..CrlWish::revoking(&listed)
        });
        let silent = site.authority(DEA).crl(&CrlWish {
            number: 104,
            point: silent,
            ..CrlWish::revoking(&[])
        });
        let since = Instant::now();
        replace(
            &site.member_file(DEA, "crl.pem"),
            &format!("{silent}{naming}"),
        );
        live.ends(since).await;
    }
}
