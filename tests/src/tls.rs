//! Connections by hand, for handshakes that no gRPC library would make.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::pki::Identity;

/// How an HTTP/2 client begins (RFC 9113, section 3.4), with empty settings.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// What a client brings.
pub struct Client<'a> {
    /// Anchor of the broker, PEM.
    pub anchor: &'a str,
    /// Its own certificate.
    pub identity: Option<&'a Identity>,
    /// TLS versions that it speaks.
    pub versions: &'a [&'static SupportedProtocolVersion],
}

/// A client with protocols of its own.
pub struct Speaking<'a> {
    client: Client<'a>,
    /// ALPN protocol names (RFC 7301).
    alpn: Vec<Vec<u8>>,
}

impl Speaking<'_> {
    /// Connects and shakes hands.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let mut config = self.client.config(aws_lc_rs::default_provider());
        config.alpn_protocols.clone_from(&self.alpn);
        connect_with(config, address).await
    }
}

impl<'a> Client<'a> {
    /// The same with these protocols in place of HTTP/2's.
    pub fn speaking(self, alpn: &[&[u8]]) -> Speaking<'a> {
        let alpn = alpn.iter().map(|name| name.to_vec()).collect();
        Speaking { client: self, alpn }
    }

    /// Connects and shakes hands.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        connect_with(self.config(aws_lc_rs::default_provider()), address).await
    }

    /// What it brings, as rustls takes it.
    pub fn config(&self, provider: CryptoProvider) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let anchor = CertificateDer::from_pem_slice(self.anchor.as_bytes()).unwrap();
        roots.add(anchor).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                // The leaf, and what follows it.
                let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
                    .collect::<Result<_, _>>()
                    .unwrap();
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    /// Whether the broker lets this client in: it does if it answers the beginning of HTTP/2. With TLS 1.3 a client hears of
    /// its refusal only when it reads.
    pub async fn is_let_in(&self, address: SocketAddr) -> io::Result<()> {
        greet(&mut self.connect(address).await?).await
    }
}

/// Connects with settings of one's own and shakes hands.
pub async fn connect_with(
    config: impl Into<Arc<ClientConfig>>,
    address: SocketAddr,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config.into())
        .connect(name, stream)
        .await
}

/// Begins HTTP/2 and reads how the broker begins it.
pub async fn greet(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    stream.write_all(PREFACE).await?;
    let mut settings = [0; 9];
    stream.read_exact(&mut settings).await?;
    // Type 4: SETTINGS.
    assert_eq!(settings[3], 4, "the broker speaks HTTP/2");
    Ok(())
}
