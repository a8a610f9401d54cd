//! The client certificate's verifier: rustls-webpki checks chain, validity, usage and path length against one agency's
//! anchor and revocation lists; `Members` adds which agency's these are.

use std::{fmt, sync::Arc};

use casebroker_proto::{names::PrincipalId, statement::single_uri};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::registry::Registry;

/// Accepts a certificate if the members in force at the handshake let it in.
pub(super) struct PrincipalVerifier {
    registry: Arc<Registry>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PrincipalVerifier {
    pub(super) fn new(registry: Arc<Registry>, provider: &CryptoProvider) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self {
            registry,
            algorithms,
        }
    }
}

/// Principal and serial number (lower-case hexadecimal) of a certificate that the verifier accepted.
pub(super) fn read_principal(der: &CertificateDer<'_>) -> Result<(PrincipalId, String), String> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|e| e.to_string())?;
    if !rest.is_empty() {
        return Err("bytes follow the certificate".into());
    }
    let uri = single_uri(&certificate).map_err(|e| e.to_string())?;
    let principal = uri
        .parse()
        .map_err(|e: casebroker_proto::names::NameError| e.to_string())?;
    Ok((principal, hex::encode(certificate.raw_serial())))
}

impl ClientCertVerifier for PrincipalVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Naming the anchors would tell a stranger who the members are.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.registry
            .current()
            .check_connection(end_entity, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not offered".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for PrincipalVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrincipalVerifier").finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

pub(super) fn refused(why: String) -> Error {
    CertificateError::Other(OtherError(Arc::new(Refused(why)))).into()
}
