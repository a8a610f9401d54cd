//! The accept loop: bounded connections, bounded handshakes, TLS 1.3 with a client certificate.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
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
    Caller, CallerDetails, IdentityError, ServerCertificate, ServerIdentity,
    guard::{Before, Guard},
    opening::Opening,
    registry::Registry,
    tls::server_config,
    verifier::read_principal,
};
use crate::config::{Limits, Tls};

/// Accepts connections until stopped.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    certificate: Arc<ServerCertificate>,
    registry: Arc<Registry>,
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
        let certificate = Arc::new(ServerCertificate::new(ServerIdentity::load(tls)?));
        let config = server_config(tls.policy, Arc::clone(&certificate), Arc::clone(&registry))?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let failed = |source| IdentityError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        Ok(Self {
            address: socket.local_addr().map_err(failed)?,
            socket,
            acceptor,
            certificate,
            registry,
            handshake_timeout: Duration::from_millis(limits.handshake_timeout_ms),
            connections: Arc::new(Semaphore::new(limits.connections)),
            handshakes: Arc::new(Semaphore::new(limits.handshakes)),
        })
    }

    /// The address bound, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that is shown, for whoever replaces it.
    pub fn certificate(&self) -> Arc<ServerCertificate> {
        Arc::clone(&self.certificate)
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
            let before = Before::handshake(&self.registry);
            tokio::spawn(async move {
                let opening = Opening::within(limit);
                let shaking = shake(acceptor, stream, peer, before, opening, connection);
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
    before: Before,
    opening: Opening,
    permit: OwnedSemaphorePermit,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let session = stream.get_ref().1;
    let chain = session.peer_certificates().unwrap_or_default();
    let certificate = chain
        .first()
        .ok_or_else(|| io::Error::other("no client certificate"))?;
    let (principal, serial) = read_principal(certificate).map_err(io::Error::other)?;
    let version = session
        .protocol_version()
        .and_then(|v| v.as_str())
        .unwrap_or_default();
    let suite = session
        .negotiated_cipher_suite()
        .and_then(|s| s.suite().as_str());
    let suite = suite.unwrap_or_default().replace("TLS13_", "TLS_");
    let group = session
        .negotiated_key_exchange_group()
        .and_then(|group| group.name().as_str());
    let caller = CallerDetails {
        principal_text: principal.to_string(),
        principal,
        serial,
        tls: format!("{} {suite}", version.replace("TLSv1_3", "TLS1.3")),
        tls_group: group.unwrap_or_default(),
        peer,
    };
    let caller = Caller(Arc::new(caller));
    let chain = chain.iter().map(|c| c.clone().into_owned()).collect();
    let guard = Guard::start(before, &caller, chain);
    Ok(Connection {
        stream,
        caller,
        guard,
        opening,
        _permit: permit,
    })
}

/// An open connection of a known caller.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    guard: Guard,
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
        self.guard.check(cx)?;
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
        self.guard.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.guard.check(cx)?;
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
        self.guard.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
