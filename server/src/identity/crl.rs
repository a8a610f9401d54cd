//! A member's revocation lists (RFC 5280, section 5): reads `crl.pem` and keeps, of each issuer, the newest.

use std::path::Path;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject as _};
use x509_parser::{
    extensions::ParsedExtension,
    oid_registry::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT,
    prelude::{CertificateRevocationList, FromDer as _, X509Certificate},
};

use super::{IdentityError, files};

/// Longest `crl.pem`, bytes.
const MAX_BYTES: u64 = 16 << 20;
/// Most lists in it.
const MAX_LISTS: usize = 64;

/// One revocation list in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    /// X.509 DER.
    pub der: Vec<u8>,
    /// Name of its issuer, for people.
    pub issuer: String,
    /// CRL number (RFC 5280, section 5.2.3), decimal.
    pub number: Option<String>,
    /// When it was issued, seconds since the Unix epoch.
    pub this_update: i64,
    /// When the next one is due, seconds since the Unix epoch; from then on it is expired.
    pub next_update: i64,
    /// Number of revoked certificates in it.
    pub revoked: usize,
    scope: Scope,
    /// CRL number, big-endian without leading zeros.
    order: Option<Vec<u8>>,
}

/// What a list speaks for: an issuer, and of its certificates those of one distribution point, if it names one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    issuer: Vec<u8>,
    distribution_point: Option<Vec<u8>>,
}

impl Crl {
    /// The number, or `without a number`.
    pub fn number_text(&self) -> &str {
        self.number.as_deref().unwrap_or("without a number")
    }

    /// By number if both have one, else by the time of issue.
    fn is_newer_than(&self, other: &Self) -> bool {
        let by_time = self.this_update.cmp(&other.this_update);
        let order = match (&self.order, &other.order) {
            (Some(own), Some(others)) => {
                (own.len(), own).cmp(&(others.len(), others)).then(by_time)
            }
            _ => by_time,
        };
        order.is_gt()
    }
}

/// Reads the lists; none if there is no such file. A list whose issuer is one of the anchors must bear that anchor's
/// signature; one of an intermediate authority is checked when a certificate below it comes.
pub(super) fn read(path: &Path, anchors: &[CertificateDer<'_>]) -> Result<Vec<Crl>, IdentityError> {
    if !path.try_exists().map_err(|e| files::unreadable(path, e))? {
        return Ok(Vec::new());
    }
    let pem = files::bytes(path, MAX_BYTES)?;
    let mut newest: Vec<Crl> = Vec::new();
    let mut seen = 0_usize;
    for list in CertificateRevocationListDer::pem_slice_iter(&pem) {
        seen += 1;
        if seen > MAX_LISTS {
            let problem = format!("it holds more than {MAX_LISTS} revocation lists");
            return Err(files::content(path, problem));
        }
        let crl = list
            .map_err(|e| format!("not PEM: {e}"))
            .and_then(|der| parse(&der, anchors))
            .map_err(|e| files::content(path, format!("revocation list {seen}: {e}")))?;
        match newest.iter_mut().find(|other| other.scope == crl.scope) {
            None => newest.push(crl),
            Some(other) if crl.is_newer_than(other) => *other = crl,
            Some(_) => {}
        }
    }
    if newest.is_empty() {
        let problem = "it holds no revocation list; delete the file if the agency has none";
        return Err(files::content(path, problem.into()));
    }
    newest.sort_by(|a, b| (&a.issuer, &a.der).cmp(&(&b.issuer, &b.der)));
    Ok(newest)
}

fn parse(der: &[u8], anchors: &[CertificateDer<'_>]) -> Result<Crl, String> {
    let (rest, list) = CertificateRevocationList::from_der(der)
        .map_err(|e| format!("not a revocation list: {e}"))?;
    if !rest.is_empty() {
        return Err("bytes follow it".into());
    }
    check_signature(&list, anchors)?;
    let next_update = list.next_update().ok_or("it has no nextUpdate")?;
    let distribution_point = list
        .extensions()
        .iter()
        .find(|e| e.oid == OID_X509_EXT_ISSUER_DISTRIBUTION_POINT)
        .map(|e| e.value.to_vec());
    let number = list
        .extensions()
        .iter()
        .find_map(|e| match e.parsed_extension() {
            ParsedExtension::CRLNumber(number) => Some(number),
            _ => None,
        });
    Ok(Crl {
        der: der.to_vec(),
        issuer: list.issuer().to_string(),
        number: number.map(ToString::to_string),
        this_update: list.last_update().timestamp(),
        next_update: next_update.timestamp(),
        revoked: list.iter_revoked_certificates().count(),
        scope: Scope {
            issuer: list.issuer().as_raw().to_vec(),
            distribution_point,
        },
        order: number.map(|n| n.to_bytes_be()),
    })
}

/// A forged list with a high number would hide the real one, so it must not even be looked at.
fn check_signature(
    list: &CertificateRevocationList<'_>,
    anchors: &[CertificateDer<'_>],
) -> Result<(), String> {
    let mut named = false;
    for anchor in anchors {
        let (_, anchor) = X509Certificate::from_der(anchor).map_err(|e| e.to_string())?;
        if anchor.subject().as_raw() != list.issuer().as_raw() {
            continue;
        }
        named = true;
        if list.verify_signature(anchor.public_key()).is_ok() {
            return Ok(());
        }
    }
    match named {
        true => Err(format!(
            "it bears the name `{}` of an anchor, but not its signature",
            list.issuer()
        )),
        false => Ok(()),
    }
}
