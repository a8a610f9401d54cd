//! What one member's certificates are checked against: its anchors and its revocation lists, by rustls-webpki.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use casebroker_proto::statement::SignerCertificate;
use rustls::{
    CertificateError, Error, RootCertStore,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    IdentityError,
    crl::{self, Crl},
    files,
};
use crate::config::ExpiredCrl;

/// Most anchors of one member.
const MAX_ANCHORS: usize = 16;

/// Anchors and revocation lists of one member.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) anchors: Vec<CertificateDer<'static>>,
    pub(super) crls: Vec<Crl>,
    expired_crl: ExpiredCrl,
    /// For connections: chain, validity, usage and revocation, where nothing may be unknown.
    connections: Arc<dyn ClientCertVerifier>,
    /// The chain alone.
    chains: Arc<dyn ClientCertVerifier>,
    /// The chain, and what a list of any age names.
    listed: Arc<dyn ClientCertVerifier>,
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.anchors == other.anchors
            && self.crls == other.crls
            && self.expired_crl == other.expired_crl
    }
}

impl Trust {
    /// Reads `anchor.pem` and, if there is one, `crl.pem`.
    pub(super) fn load(dir: &Path, expired_crl: ExpiredCrl) -> Result<Self, IdentityError> {
        let (anchor, list) = (dir.join("anchor.pem"), dir.join("crl.pem"));
        let anchors = files::certificates(&anchor)?;
        if anchors.len() > MAX_ANCHORS {
            let problem = format!("it holds more than {MAX_ANCHORS} certificates");
            return Err(files::content(&anchor, problem));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &anchors {
            roots
                .add(certificate.clone())
                .map_err(|e| files::content(&anchor, e.to_string()))?;
        }
        let crls = crl::read(&list, &anchors)?;
        let builder = || {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider)
        };
        let with_crls = || {
            let lists = crls.iter();
            builder().with_crls(lists.map(|c| CertificateRevocationListDer::from(c.der.clone())))
        };
        // Every certificate of a chain must be known not to be revoked, once the member has handed over any list.
        let strict = match expired_crl {
            ExpiredCrl::Error => with_crls().enforce_revocation_expiration(),
            ExpiredCrl::Warn => with_crls(),
        };
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |e: rustls::server::VerifierBuilderError| files::content(&path, e.to_string())
        };
        let chains = builder().build().map_err(refused(&anchor))?;
        let connections = strict.build().map_err(refused(&list))?;
        let listed = with_crls().allow_unknown_revocation_status().build();
        let listed = listed.map_err(refused(&list))?;
        Ok(Self {
            anchors,
            expired_crl,
            connections,
            chains,
            listed,
            crls,
        })
    }

    /// Whether a certificate opens a connection at this time.
    pub(super) fn check_connection(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<(), Error> {
        self.connections
            .verify_client_cert(end_entity, intermediates, at)
            .map(drop)
    }

    /// Checks a signing certificate's chain, and answers whether it is revoked. An expired one stays registered, so that
    /// what it signed can still be shown; whether it may sign now is decided at intake. So its chain is checked at the end
    /// of its own validity.
    pub(super) fn check_signer(
        &self,
        signer: &SignerCertificate,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<bool, Error> {
        let der = CertificateDer::from(signer.der.as_slice());
        let latest = u64::try_from(signer.not_after).unwrap_or(0);
        let earliest = u64::try_from(signer.not_before).unwrap_or(0);
        let now = UnixTime::now().as_secs();
        let at = now.clamp(earliest, latest.max(earliest));
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
        self.chains.verify_client_cert(&der, intermediates, at)?;
        match self.listed.verify_client_cert(&der, intermediates, at) {
            Ok(_) => Ok(false),
            Err(Error::InvalidCertificate(CertificateError::Revoked)) => Ok(true),
            Err(other) => Err(other),
        }
    }

    /// The lists that are past their nextUpdate.
    pub(super) fn expired_crls(&self) -> impl Iterator<Item = &Crl> {
        let now = UnixTime::now().as_secs();
        self.crls
            .iter()
            .filter(move |crl| u64::try_from(crl.next_update).unwrap_or(0) <= now)
    }

    /// Whether an expired list refuses connections.
    pub(super) fn refuses_expired(&self) -> bool {
        self.expired_crl == ExpiredCrl::Error
    }

    /// The next time after `now` at which a list expires and so refuses connections.
    pub(super) fn next_expiry(&self, now: SystemTime) -> Option<SystemTime> {
        if !self.refuses_expired() {
            return None;
        }
        let times = self.crls.iter().map(|crl| moment(crl.next_update));
        times.filter(|time| *time > now).min()
    }
}

/// A time of a certificate as the clock has it.
pub(super) fn moment(unix_seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_seconds).unwrap_or(0))
}
