//! `casectl forward` to a server that is slow to be satisfied.

use std::{
    convert::Infallible,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use casebroker_tests::wait;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Desks, names};

const SECRET: &[u8; 32] = b"a secret of exactly 32 bytes ...";

/// A request that came.
#[derive(Debug, Clone)]
struct Came {
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Came {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or_else(|| panic!("no {name}: {self:?}"), |(_, value)| value)
    }

    /// Checks the signature as Standard Webhooks says a target must.
    fn verify(&self) {
        let (id, time) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = [format!("{id}.{time}.").as_bytes(), &self.body].concat();
        let signature = self
            .header("webhook-signature")
            .strip_prefix("v1,")
            .unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
        hmac::verify(&key, &signed, &STANDARD.decode(signature).unwrap()).unwrap();
    }
}

/// A server that answers the n-th request with what `answers` says.
#[derive(Clone)]
struct Hook {
    came: Arc<Mutex<Vec<Came>>>,
    answers: fn(usize, &Came) -> u16,
}

impl Hook {
    fn new(answers: fn(usize, &Came) -> u16) -> Self {
        Self {
            came: Arc::default(),
            answers,
        }
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// Serves over TLS with a certificate of the broker's authority, for `localhost`.
    async fn serve(&self, desks: &Desks) -> SocketAddr {
        let identity = desks.site.broker_authority().server();
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hook = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, hook) = (acceptor.clone(), hook.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| hook.clone().answer(request));
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        address
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        assert_eq!(
            (request.method().as_str(), request.uri().path()),
            ("POST", "/hook")
        );
        let headers = request.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let headers = headers.collect();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let came = Came { headers, body };
        let mut all = self.came.lock().unwrap();
        let status = (self.answers)(all.len(), &came);
        all.push(came);
        let answer = Response::builder().status(status);
        Ok(answer.body(Full::from("busy")).unwrap())
    }
}

fn write_secret(desks: &Desks) {
    let text = format!("whsec_{}\n", STANDARD.encode(SECRET));
    desks.dea.write("hook.secret", &text);
    let own = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(desks.dea.path("hook.secret"), own).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_gets_every_delivery_signed_until_it_is_satisfied() {
    let desks = Desks::new();
    write_secret(&desks);
    desks.dea.expect(
        0,
        &["subscription", "create", "west", "--from", "beginning"],
    );
    desks.report(&names("sent", 10));
    // Every third request is refused.
    let hook = Hook::new(|n, _| if n % 3 == 0 { 503 } else { 204 });
    let url = format!("https://localhost:{}/hook", hook.serve(&desks).await.port());
    let forward = desks.dea.start(&[
        "forward",
        "west",
        "--to",
        &url,
        "--to-ca",
        "ca.pem",
        "--secret-file",
        "hook.secret",
        "--retry-delay",
        "50ms",
    ]);
    let satisfied = || {
        let came = hook.came();
        let good = came.iter().enumerate().filter(|(n, _)| n % 3 != 0);
        let mut ids: Vec<_> = good
            .map(|(_, came)| came.header("ce-id").to_owned())
            .collect();
        ids.sort();
        ids.dedup();
        (ids.len() == 10).then_some(())
    };
    wait::until_async("the target has all", || async { satisfied() }).await;
    let ended = tokio::task::spawn_blocking(|| forward.interrupt())
        .await
        .unwrap();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stderr.contains("10 forwarded"), "{ended:#?}");
    assert!(
        ended.stderr.contains("was not taken: 503 busy"),
        "{ended:#?}"
    );
    for came in hook.came() {
        came.verify();
        let data: Value = serde_json::from_slice(&came.body).unwrap();
        let id = format!(
            "casebroker.example/log/{}",
            data["position"].as_str().unwrap()
        );
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-id", &id),
            ("webhook-id", &id),
            ("ce-source", "casebroker.example/log"),
            ("ce-type", "casebroker.statement.v1.report"),
            ("ce-subject", data["case"].as_str().unwrap()),
            ("content-type", "application/json"),
        ] {
            assert_eq!(came.header(name), value, "{name}");
        }
        let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
        let recorded = time(data["recordTime"].as_str().unwrap());
        assert_eq!(time(came.header("ce-time")), recorded);
    }
    let got = desks
        .dea
        .expect(0, &["-o", "json", "subscription", "get", "west"])
        .json();
    assert_eq!(got["state"]["unacknowledged"].as_str().unwrap_or("0"), "0");
    assert_eq!(got["state"]["backlog"].as_str().unwrap_or("0"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_gone_ends_it_and_one_that_is_not_trusted_gets_nothing() {
    let desks = Desks::new();
    desks.dea.expect(
        0,
        &["subscription", "create", "west", "--from", "beginning"],
    );
    desks.report(&names("sent", 3));
    let hook = Hook::new(|_, _| 410);
    let url = format!("https://localhost:{}/hook", hook.serve(&desks).await.port());
    let dea = desks.dea.clone();
    let anchor = desks.site.authority("us-cbp").pem.clone();
    dea.write("other.pem", &anchor);
    // An authority that did not issue the target's certificate.
    let refused = dea.start(&[
        "forward",
        "west",
        "--to",
        &url,
        "--to-ca",
        "other.pem",
        "--retry-delay",
        "50ms",
    ]);
    let told = || async {
        let got = desks
            .dea
            .expect(0, &["-o", "json", "subscription", "get", "west"])
            .json();
        let again = got["state"]["redelivered"]
            .as_str()
            .unwrap_or("0")
            .parse::<u64>()
            .unwrap();
        (again > 0).then_some(())
    };
    wait::until_async("it was tried again", told).await;
    let ended = tokio::task::spawn_blocking(|| refused.interrupt())
        .await
        .unwrap();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(hook.came().is_empty());

    let gone = dea.start(&[
        "forward",
        "west",
        "--to",
        &url,
        "--to-ca",
        "ca.pem",
        "--mode",
        "structured",
    ]);
    let ended = tokio::task::spawn_blocking(|| gone.end()).await.unwrap();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("410 Gone"), "{ended:#?}");
    let came = hook.came();
    let event: Value = serde_json::from_slice(&came[0].body).unwrap();
    assert_eq!(
        came[0].header("content-type"),
        "application/cloudevents+json; charset=UTF-8"
    );
    assert_eq!(event["type"], "casebroker.statement.v1.report");
    assert_eq!(event["data"]["case"], event["subject"]);
    desks
        .dea
        .expect(2, &["forward", "west", "--to", "http://10.0.0.1/hook"]);
}
