//! How TLS is spoken, and with which certificate: TLS 1.3 only, one of two policies, and a certificate that can be replaced
//! while connections go on.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    CipherSuite, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::TLS13,
};

use super::{
    IdentityError, Registry, files, private_key::certified_key, verifier::PrincipalVerifier,
};
use crate::config::{Tls, TlsPolicy};

/// The broker's own certificate and key, read and found to belong together.
#[derive(Clone)]
pub struct ServerIdentity(Arc<CertifiedKey>);

impl ServerIdentity {
    /// Reads the files; the key must be readable by few and belong to the certificate.
    pub fn load(tls: &Tls) -> Result<Self, IdentityError> {
        let chain = files::certificates(&tls.certificate)?;
        let key = certified_key(chain, &tls.key)?;
        Ok(Self(Arc::new(key)))
    }
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerIdentity").finish_non_exhaustive()
    }
}

/// The certificate that new connections are shown; those that are open already keep theirs.
pub struct ServerCertificate(ArcSwap<CertifiedKey>);

impl ServerCertificate {
    pub(super) fn new(identity: ServerIdentity) -> Self {
        Self(ArcSwap::new(identity.0))
    }

    /// Shows this one from now on.
    pub fn replace(&self, identity: ServerIdentity) {
        self.0.store(identity.0);
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerCertificate").finish_non_exhaustive()
    }
}

pub(super) fn server_config(
    policy: TlsPolicy,
    certificate: Arc<ServerCertificate>,
    registry: Arc<Registry>,
) -> Result<ServerConfig, IdentityError> {
    let provider = Arc::new(provider(policy));
    let verifier = PrincipalVerifier::new(registry, &provider);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not show its certificate again, and so would outlive a revocation.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

fn provider(policy: TlsPolicy) -> CryptoProvider {
    let all = aws_lc_rs::default_provider();
    match policy {
        // The hybrid X25519MLKEM768 stands first.
        TlsPolicy::Default => all,
        TlsPolicy::FipsLeaning => CryptoProvider {
            cipher_suites: all
                .cipher_suites
                .iter()
                .filter(|suite| is_aes_gcm(suite.suite()))
                .copied()
                .collect(),
            kx_groups: vec![
                aws_lc_rs::kx_group::SECP256R1,
                aws_lc_rs::kx_group::SECP384R1,
            ],
            ..all
        },
    }
}

fn is_aes_gcm(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256 | CipherSuite::TLS13_AES_256_GCM_SHA384
    )
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_hybrid_group_is_preferred() {
        let first = provider(TlsPolicy::Default).kx_groups[0].name();
        assert_eq!(first, NamedGroup::X25519MLKEM768);
    }

    #[test]
    fn the_fips_leaning_policy_has_nothing_but_nist_curves_and_aes_gcm() {
        let provider = provider(TlsPolicy::FipsLeaning);
        let groups: Vec<_> = provider.kx_groups.iter().map(|g| g.name()).collect();
        assert_eq!(groups, [NamedGroup::secp256r1, NamedGroup::secp384r1]);
        let suites: Vec<_> = provider.cipher_suites.iter().map(|s| s.suite()).collect();
        assert_eq!(
            suites,
            [
                CipherSuite::TLS13_AES_256_GCM_SHA384,
                CipherSuite::TLS13_AES_128_GCM_SHA256
            ]
        );
    }
}
