//! What one member's certificates are checked against: its anchors and its revocation lists, by rustls-webpki.

use std::{
    cell::Cell,
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

use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{
    IdentityError,
    anchor::Anchor,
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
    /// Each anchor with its constraints, for the chain alone.
    chains: Vec<Anchor>,
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
        let chains = anchors
            .iter()
            .map(Anchor::new)
            .collect::<Result<_, _>>()
            .map_err(|problem| files::content(&anchor, problem))?;
        let connections = strict.build().map_err(refused(&list))?;
        Ok(Self {
            anchors,
            expired_crl,
            connections,
            chains,
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
        if self.is_named(end_entity, intermediates)? {
            return Err(CertificateError::Revoked.into());
        }
        if self.refuses_expired()
            && let Some(next_update) = self.expired_list(end_entity, intermediates, at)?
        {
            let expired = CertificateError::ExpiredRevocationListContext {
                time: at,
                next_update,
            };
            return Err(expired.into());
        }
        self.with_some_anchor(intermediates, |anchor, intermediates| {
            anchor.check(end_entity, intermediates, at)?;
            self.connections
                .verify_client_cert(end_entity, intermediates, at)
                .map(drop)
        })
    }

    /// Whether any list in force names a certificate of the chain, whatever the list's scope and age (RFC 5280, 5.2.5).
    pub(super) fn is_named(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<bool, Error> {
        self.any_list(end_entity, intermediates, |crl, certificate| {
            crl.names(certificate)
        })
    }

    /// When a list of an issuer of the chain, of any scope, was due anew, if that is over.
    fn expired_list(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<Option<UnixTime>, Error> {
        let due = Cell::new(None);
        self.any_list(end_entity, intermediates, |crl, certificate| {
            let next_update = u64::try_from(crl.next_update).unwrap_or(0);
            let is_over = crl.is_of_issuer_of(certificate) && next_update <= at.as_secs();
            if is_over {
                let next_update = Duration::from_secs(next_update);
                due.set(Some(UnixTime::since_unix_epoch(next_update)));
            }
            is_over
        })?;
        Ok(due.get())
    }

    fn any_list(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        holds: impl Fn(&Crl, &X509Certificate<'_>) -> bool,
    ) -> Result<bool, Error> {
        for der in std::iter::once(end_entity).chain(intermediates) {
            let (_, certificate) =
                X509Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
            if self.crls.iter().any(|crl| holds(crl, &certificate)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ok if the check passes under one anchor; else the error of the last.
    fn with_some_anchor(
        &self,
        intermediates: &[CertificateDer<'_>],
        check: impl Fn(&Anchor, &[CertificateDer<'_>]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Some clients send the anchor, too. It is no intermediate.
        let below: Vec<_> = intermediates
            .iter()
            .filter(|der| self.anchors.iter().all(|a| a.as_ref() != der.as_ref()))
            .cloned()
            .collect();
        let mut outcome = Err(CertificateError::UnknownIssuer.into());
        for anchor in &self.chains {
            outcome = anchor
                .within_path_length(&below)
                .and_then(|within| check(anchor, &within));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Checks a signing certificate's chain, and answers whether it is revoked. An expired one, or one under an expired
    /// intermediate, stays registered, so that what it signed can still be shown. Whether it may sign now is decided at
    /// intake and by [`RegisteredSigner::chain_ends`](super::RegisteredSigner). So its chain is checked at a time of its validity.
    pub(super) fn check_signer(
        &self,
        signer: &SignerCertificate,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<bool, Error> {
        let der = CertificateDer::from(signer.der.as_slice());
        let (mut first, mut last) = (signer.not_before, signer.not_after);
        for intermediate in intermediates {
            let (from, until) = validity(intermediate)?;
            first = first.max(from);
            last = last.min(until);
        }
        let now = UnixTime::now().as_secs();
        self.with_some_anchor(intermediates, |anchor, intermediates| {
            let first = u64::try_from(first.max(anchor.not_before)).unwrap_or(0);
            let last = u64::try_from(last.min(anchor.not_after)).unwrap_or(0);
            let at = now.clamp(first, last.max(first));
            let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
            anchor.check(&der, intermediates, at)
        })?;
        self.is_named(&der, intermediates)
    }

    /// Last second in which every intermediate and some anchor are valid, seconds since the Unix epoch.
    pub(super) fn chain_ends(&self, intermediates: &[CertificateDer<'_>]) -> Result<i64, Error> {
        let anchors = self.chains.iter().map(|anchor| anchor.not_after);
        let mut last = anchors.max().unwrap_or(0);
        for intermediate in intermediates {
            last = last.min(validity(intermediate)?.1);
        }
        Ok(last)
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

    /// The next time after `now` at which a list or an anchor expires and so refuses connections.
    pub(super) fn next_expiry(&self, now: SystemTime) -> Option<SystemTime> {
        let anchors = self.chains.iter();
        let anchors = anchors.map(|anchor| moment(anchor.not_after.saturating_add(1)));
        let lists = self.crls.iter().filter(|_| self.refuses_expired());
        let times = lists.map(|crl| moment(crl.next_update)).chain(anchors);
        times.filter(|time| *time > now).min()
    }
}

/// First and last second of a certificate's validity.
fn validity(der: &CertificateDer<'_>) -> Result<(i64, i64), Error> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.validity();
    Ok((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

/// A time of a certificate as the clock has it.
pub(super) fn moment(unix_seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_seconds).unwrap_or(0))
}
