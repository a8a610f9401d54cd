//! A fake broker over real TLS, and a principal that may connect to it.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use casebroker_client::Profile;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    service::Routes,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

/// A certificate under an issuer, with its key, PEM.
fn issue(issuer: &Issuer<'_, KeyPair>, name: SanType) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names.push(name);
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Serves on a free port until the runtime ends. The principal's files are in the folder: `ca.pem`, `own.pem`, `own.key`, of which
/// the latter two also sign.
pub async fn serve(folder: &Path, services: Routes) -> Profile {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let (server, server_key) = issue(&issuer, SanType::IpAddress([127, 0, 0, 1].into()));
    let uri = "spiffe://casebroker.example/agency/us-dea/signer/2026a";
    let (own, own_key) = issue(&issuer, SanType::URI(uri.try_into().unwrap()));
    for (name, text) in [
        ("ca.pem", &ca_pem),
        ("own.pem", &own),
        ("own.key", &own_key),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(server, server_key))
        .client_ca_root(Certificate::from_pem(ca_pem));
    let service = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_routes(services);
    tokio::spawn(service.serve_with_incoming(TcpListenerStream::new(listener)));

    let file = |name: &str| folder.join(name);
    let mut profile = Profile::new(
        format!("https://{address}"),
        file("ca.pem"),
        file("own.pem"),
        file("own.key"),
    );
    profile.signing_certificate = Some(file("own.pem"));
    profile.signing_key = Some(file("own.key"));
    profile.timing.first_wait = Duration::from_millis(2);
    profile
}
