//! One trust anchor with what its certificate constrains. rustls-webpki takes of an anchor its name, key and name
//! constraints only; OpenSSL also honours validity, path length and usages, and so does this.

use std::sync::Arc;

use rustls::{
    CertificateError, Error, RootCertStore,
    pki_types::{CertificateDer, UnixTime},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::verifier::refused;

/// A trust anchor and its constraints (RFC 5280, section 4.2.1).
#[derive(Debug)]
pub(super) struct Anchor {
    chains: Arc<dyn ClientCertVerifier>,
    /// First second of its validity, seconds since the Unix epoch.
    pub(super) not_before: i64,
    /// Last second of its validity, seconds since the Unix epoch.
    pub(super) not_after: i64,
    /// Most intermediates below it that are not self-issued.
    path_length: Option<usize>,
}

impl Anchor {
    /// Refuses a certificate that says of itself that it is no anchor for client certificates.
    pub(super) fn new(der: &CertificateDer<'static>) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|e| e.to_string())?;
        let unreadable = |e| format!("its extensions cannot be read: {e}");
        let name = certificate.subject();
        let basic = certificate.basic_constraints().map_err(unreadable)?;
        if basic.as_ref().is_some_and(|basic| !basic.value.ca) {
            return Err(format!(
                "`{name}` is no certificate authority (basicConstraints); use the agency's CA certificate"
            ));
        }
        let usage = certificate.key_usage().map_err(unreadable)?;
        if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(format!(
                "`{name}` may not sign certificates (keyUsage without keyCertSign); use the agency's CA certificate"
            ));
        }
        let purpose = certificate.extended_key_usage().map_err(unreadable)?;
        if purpose.is_some_and(|purpose| !purpose.value.client_auth && !purpose.value.any) {
            return Err(format!(
                "`{name}` is not for client certificates (extendedKeyUsage without clientAuth); use another CA certificate"
            ));
        }
        let path_length = basic.and_then(|basic| basic.value.path_len_constraint);
        let mut roots = RootCertStore::empty();
        roots.add(der.clone()).map_err(|e| e.to_string())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|e| e.to_string())?;
        let validity = certificate.validity();
        Ok(Self {
            chains,
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            path_length: path_length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)),
        })
    }

    /// The intermediates that a path below this anchor may use. A self-issued one does not count (RFC 5280, section 6.1.4).
    pub(super) fn within_path_length<'a>(
        &self,
        intermediates: &[CertificateDer<'a>],
    ) -> Result<Vec<CertificateDer<'a>>, Error> {
        let Some(most) = self.path_length else {
            return Ok(intermediates.to_vec());
        };
        let (own, others): (Vec<_>, Vec<_>) =
            intermediates.iter().cloned().partition(is_self_issued);
        if others.len() <= most {
            return Ok(intermediates.to_vec());
        }
        if most == 0 {
            return Ok(own);
        }
        Err(refused(format!(
            "{} intermediates are shown, and the anchor's path length is {most}; show only those of the chain",
            others.len()
        )))
    }

    /// Whether the chain ends at this anchor, and the anchor is valid at this time.
    pub(super) fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<(), Error> {
        self.chains
            .verify_client_cert(end_entity, intermediates, at)?;
        let at = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        if at < self.not_before {
            return Err(CertificateError::NotValidYet.into());
        }
        if at > self.not_after {
            return Err(CertificateError::Expired.into());
        }
        Ok(())
    }
}

fn is_self_issued(der: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| {
        certificate.subject().as_raw() == certificate.issuer().as_raw()
    })
}
