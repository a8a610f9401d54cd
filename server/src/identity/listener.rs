//! The accept loop: bounded connections, bounded handshakes, TLS 1.3 with a client certificate.

use std::{
    fs::Metadata,
    io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::NoServerSessionStorage,
    version::TLS13,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    Caller, CallerDetails, IdentityError,
    opening::Opening,
    registry::{Registry, content},
    verifier::{PrincipalVerifier, read_principal},
};
use crate::config::{Limits, Tls};

/// Accepts connections until stopped.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    handshake_timeout: Duration,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Listener {
    /// Reads the broker's certificate and binds the address.
    pub async fn bind(
        address: SocketAddr,
        tls: &Tls,
        registry: Arc<Registry>,
        limits: &Limits,
    ) -> Result<Self, IdentityError> {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(tls, registry)?));
        let failed = |source| IdentityError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        Ok(Self {
            address: socket.local_addr().map_err(failed)?,
            socket,
            acceptor,
            handshake_timeout: Duration::from_millis(limits.handshake_timeout_ms),
            connections: Arc::new(Semaphore::new(limits.connections)),
            handshakes: Arc::new(Semaphore::new(limits.handshakes)),
        })
    }

    /// The address bound, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `stop`; the receiver yields connections whose handshake is done.
    pub fn run(self, stop: CancellationToken) -> mpsc::Receiver<io::Result<Connection>> {
        // One place: a connection that nobody serves yet waits in its handshake task, which the semaphores bound.
        let (ready, connections) = mpsc::channel(1);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.accept(ready) => {}
            }
        });
        connections
    }

    async fn accept(self, ready: mpsc::Sender<io::Result<Connection>>) {
        loop {
            // The permits are taken first, so that what is too much waits in the system's backlog and costs us nothing.
            let Ok(connection) = Arc::clone(&self.connections).acquire_owned().await else {
                return;
            };
            let Ok(handshake) = Arc::clone(&self.handshakes).acquire_owned().await else {
                return;
            };
            let (stream, peer) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or the peer is gone already. The first needs time to pass.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let (acceptor, limit, ready) =
                (self.acceptor.clone(), self.handshake_timeout, ready.clone());
            tokio::spawn(async move {
                let opening = Opening::within(limit);
                let shaking = shake(acceptor, stream, peer, opening, connection);
                let outcome = timeout(limit, shaking).await;
                drop(handshake);
                match outcome {
                    Ok(Ok(connection)) => drop(ready.send(Ok(connection)).await),
                    Ok(Err(error)) => tracing::info!(%peer, %error, "handshake refused"),
                    Err(_) => tracing::info!(%peer, "handshake took too long"),
                }
            });
        }
    }
}

async fn shake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    opening: Opening,
    permit: OwnedSemaphorePermit,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let session = stream.get_ref().1;
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.ok_or_else(|| io::Error::other("no client certificate"))?;
    let (principal, serial) = read_principal(certificate).map_err(io::Error::other)?;
    let version = session
        .protocol_version()
        .and_then(|v| v.as_str())
        .unwrap_or_default();
    let suite = session
        .negotiated_cipher_suite()
        .and_then(|s| s.suite().as_str());
    let suite = suite.unwrap_or_default().replace("TLS13_", "TLS_");
    let caller = CallerDetails {
        principal_text: principal.to_string(),
        principal,
        serial,
        tls: format!("{} {suite}", version.replace("TLSv1_3", "TLS1.3")),
        peer,
    };
    Ok(Connection {
        stream,
        caller: Caller(Arc::new(caller)),
        opening,
        _permit: permit,
    })
}

/// An open connection of a known caller.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    opening: Opening,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Who is at the other end.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.opening.check(cx)?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.opening.took(buf.filled().len().saturating_sub(before));
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

fn server_config(tls: &Tls, registry: Arc<Registry>) -> Result<ServerConfig, IdentityError> {
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|e| content(&tls.certificate, format!("not PEM certificates: {e}")))?;
    refuse_world_readable(&tls.key)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|e| content(&tls.key, format!("not a PEM private key: {e}")))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = PrincipalVerifier::new(registry, &provider);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not show its certificate again, and so would outlive a revocation.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// A key that anybody on the machine can read is no key.
pub(crate) fn refuse_world_readable(path: &Path) -> Result<(), IdentityError> {
    let metadata: Metadata = std::fs::metadata(path).map_err(|source| IdentityError::Read {
        path: path.into(),
        source,
    })?;
    if metadata.permissions().mode() & 0o007 == 0 {
        return Ok(());
    }
    let problem = format!(
        "this private key can be read by everybody; run `chmod o-rwx {}`",
        path.display()
    );
    Err(content(path, problem))
}
