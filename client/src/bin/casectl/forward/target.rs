//! Where deliveries are sent: a URL, over connections that are kept while they are good.

use std::{
    fmt,
    net::IpAddr,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use casebroker_client::read_certificates;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_LENGTH, HOST, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    failure::{Exit, Failure, Result},
    table::clean,
};

/// Most of an answer that is read; a connection whose answer is longer is left.
const ANSWER: usize = 64 * 1024;
/// Most characters of an answer that a reason quotes.
const QUOTED: usize = 200;

/// Where to send.
pub struct Target {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    /// Connections that are free.
    free: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.uri).finish()
    }
}

/// What the target answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Beginning of its body.
    pub said: String,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

impl Target {
    /// Checks the URL and reads the certificates; nothing is sent yet.
    pub fn new(url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Self> {
        let wrong = |what: &str| {
            Failure::usage(
                format!("--to {url}: {what}"),
                "Give an https URL, such as https://cases.example/hook.",
            )
        };
        let uri: Uri = url.parse().map_err(|_| wrong("this is no URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("this is no URL"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a URL with a password is not taken"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (tls, usual) = match uri.scheme_str() {
            Some("https") => (
                Some(tls(&host, ca).map_err(|what| match what {
                    Ok(what) => wrong(&what),
                    Err(failure) => failure,
                })?),
                443,
            ),
            Some("http") if is_here(&host) => (None, 80),
            Some("http") => return Err(wrong("plain http goes to this machine only")),
            _ => return Err(wrong("this is no https URL")),
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(usual),
            host,
            uri,
            tls,
            timeout,
            free: Mutex::default(),
        })
    }

    /// Posts a body; the error says why there is no answer.
    pub async fn post(
        &self,
        headers: &[(&'static str, String)],
        body: String,
    ) -> std::result::Result<Answer, String> {
        match timeout(self.timeout, self.exchange(headers, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", self.timeout.as_secs_f32())),
        }
    }

    async fn exchange(
        &self,
        headers: &[(&'static str, String)],
        body: String,
    ) -> std::result::Result<Answer, String> {
        let request = self.request(headers, body)?;
        let mut connection = self.connection().await?;
        let response = connection.send_request(request).await;
        let response = response.map_err(|e| in_words(&e))?;
        let (answer, is_whole) = read(response).await;
        if is_whole && connection.ready().await.is_ok() {
            self.free
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        Ok(answer)
    }

    fn request(
        &self,
        headers: &[(&'static str, String)],
        body: String,
    ) -> std::result::Result<Request<Full<Bytes>>, String> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        let mut request = Request::post(path)
            .header(HOST, authority)
            .header(USER_AGENT, concat!("casectl/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_LENGTH, body.len());
        for (name, value) in headers {
            let value =
                HeaderValue::from_str(value).map_err(|_| format!("{name} cannot be sent"))?;
            request = request.header(*name, value);
        }
        request.body(Full::from(body)).map_err(|e| e.to_string())
    }

    /// One that is free and still good, or a new one.
    async fn connection(&self) -> std::result::Result<SendRequest<Full<Bytes>>, String> {
        while let Some(kept) = self.take() {
            if kept.is_ready() {
                return Ok(kept);
            }
        }
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|e| format!("{}:{}: {e}", self.host, self.port))?;
        let _ = stream.set_nodelay(true);
        let stream = match &self.tls {
            None => Wire::Plain(stream),
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), stream).await;
                Wire::Tls(Box::new(
                    secured.map_err(|e| format!("{}: {e}", self.host))?,
                ))
            }
        };
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|e| in_words(&e))?;
        // Its end shows at the sender.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn take(&self) -> Option<SendRequest<Full<Bytes>>> {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }
}

/// The answer, and whether it was read to its end.
async fn read(response: Response<Incoming>) -> (Answer, bool) {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = Limited::new(response.into_body(), ANSWER)
        .collect()
        .await
        .ok();
    let is_whole = body.is_some();
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let text = clean(&String::from_utf8_lossy(&body));
    let said = match text.trim() {
        "" => status.canonical_reason().unwrap_or_default().to_owned(),
        text => text.chars().take(QUOTED).collect(),
    };
    let answer = Answer {
        status: status.as_u16(),
        said,
        retry_after: retry_after.map(Duration::from_secs),
    };
    (answer, is_whole)
}

/// What TLS needs; the error is what is wrong with the URL or a failure of its own.
fn tls(
    host: &str,
    ca: Option<&Path>,
) -> std::result::Result<(TlsConnector, ServerName<'static>), std::result::Result<String, Failure>>
{
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| Ok("this is no host".to_owned()))?;
    let ca = ca.ok_or_else(|| {
        Err(Failure::usage(
            "nothing says whose certificate to trust",
            "Give --to-ca FILE: the certificates (PEM) that the target's must chain to, such as /etc/ssl/certs/ca-certificates.crt.",
        ))
    })?;
    let mut roots = RootCertStore::empty();
    let certificates = read_certificates("CA certificate", ca);
    let (added, _) = roots.add_parsable_certificates(certificates.map_err(|e| Err(e.into()))?);
    if added == 0 {
        return Err(Err(Failure::new(
            Exit::Invalid,
            format!("{}: no certificate in it can be used", ca.display()),
            "Give the certificate of the authority that issued the target's.",
        )));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Ok(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The innermost cause.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A connection, secured or not.
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_machine_only_and_https_needs_a_trust_anchor() {
        let limit = Duration::from_secs(1);
        for good in [
            "http://127.0.0.1:8080/x?y=1",
            "http://localhost/",
            "http://[::1]:1/",
        ] {
            Target::new(good, None, limit).unwrap();
        }
        for (bad, why) in [
            ("http://10.0.0.1/", "this machine only"),
            ("http://cases.example/", "this machine only"),
            ("http://localhost.cases.example/", "this machine only"),
            ("ftp://localhost/", "no https URL"),
            ("/hook", "no URL"),
            ("http://me:secret@localhost/", "password"),
            ("https://cases.example/", "whose certificate"),
        ] {
            let failure = Target::new(bad, None, limit).unwrap_err();
            assert!(failure.what.contains(why), "{bad}: {}", failure.what);
            assert_eq!(failure.exit, Exit::Usage);
        }
    }
}
