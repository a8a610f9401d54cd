//! A member's revocation lists (RFC 5280, section 5): reads `crl.pem`. Of several lists
//! with one issuer and one scope the newest is in force. Lists with different scopes (section 5.2.5) are in force together:
//! a certificate is revoked if any of them names it.

use std::path::Path;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject as _};
use x509_parser::{
    extensions::ParsedExtension,
    num_bigint::BigUint,
    oid_registry::{OID_X509_EXT_ISSUER_DISTRIBUTION_POINT, OID_X509_EXT_REASON_CODE},
    prelude::{CertificateRevocationList, FromDer as _, X509Certificate},
};

use super::{IdentityError, files};

/// Longest `crl.pem`, bytes.
const MAX_BYTES: u64 = 16 << 20;
/// Most lists in it.
const MAX_LISTS: usize = 64;
/// RFC 5280, section 5.2.4.
const DELTA_CRL_INDICATOR: &str = "2.5.29.27";
/// RFC 5280, section 5.3.3.
const CERTIFICATE_ISSUER: &str = "2.5.29.29";

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
    /// Serial numbers of the revoked certificates, sorted, without leading zeros.
    serials: Vec<Box<[u8]>>,
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

    /// Whether the list names this certificate. The scope is not considered: a list that names a certificate revokes it.
    pub(super) fn names(&self, certificate: &X509Certificate<'_>) -> bool {
        let serial = without_zeros(certificate.raw_serial());
        self.is_of_issuer_of(certificate)
            && self
                .serials
                .binary_search_by(|own| (**own).cmp(serial))
                .is_ok()
    }

    /// Whether the certificate's issuer issued this list.
    pub(super) fn is_of_issuer_of(&self, certificate: &X509Certificate<'_>) -> bool {
        self.scope.issuer == certificate.issuer().as_raw()
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
    check_scope(&list).map_err(|problem| explain(&list, problem))?;
    let next_update = list.next_update().ok_or("it has no nextUpdate")?;
    let distribution_point = list
        .extensions()
        .iter()
        .find(|e| e.oid == OID_X509_EXT_ISSUER_DISTRIBUTION_POINT)
        .map(|e| e.value.to_vec());
    let number = number_of(&list);
    let revoked = list.iter_revoked_certificates();
    let mut serials: Vec<Box<[u8]>> = revoked
        .map(|entry| without_zeros(entry.raw_serial()).into())
        .collect();
    serials.sort_unstable();
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
        serials,
        order: number.map(|n| n.to_bytes_be()),
    })
}

fn without_zeros(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial.get(zeros..).unwrap_or_default()
}

fn number_of<'a>(list: &'a CertificateRevocationList<'_>) -> Option<&'a BigUint> {
    let mut extensions = list.extensions().iter();
    extensions.find_map(|e| match e.parsed_extension() {
        ParsedExtension::CRLNumber(number) => Some(number),
        _ => None,
    })
}

/// Names the list and says what to do.
fn explain(list: &CertificateRevocationList<'_>, problem: &str) -> String {
    let number = number_of(list).map_or_else(|| "without a number".into(), ToString::to_string);
    format!(
        "the list of issuer `{}`, number {number}, {problem}; replace it by a full list of that issuer",
        list.issuer()
    )
}

/// Refuses a list that may leave out a revoked certificate for a reason that the broker cannot judge.
fn check_scope(list: &CertificateRevocationList<'_>) -> Result<(), &'static str> {
    let mut seen = Vec::new();
    for extension in list.extensions() {
        if seen.contains(&&extension.oid) {
            return Err("has an extension twice");
        }
        seen.push(&extension.oid);
        match extension.parsed_extension() {
            ParsedExtension::IssuingDistributionPoint(point) => {
                if point.only_contains_attribute_certs {
                    return Err("is of attribute certificates only (onlyContainsAttributeCerts)");
                }
                if point.only_some_reasons.is_some() {
                    return Err("is of some reasons only (onlySomeReasons)");
                }
                if point.indirect_crl {
                    return Err("is an indirect list (indirectCRL)");
                }
                if point.distribution_point.is_none() {
                    return Err("has an issuing distribution point without a name");
                }
            }
            ParsedExtension::CRLNumber(_) | ParsedExtension::AuthorityKeyIdentifier(_) => {}
            _ if extension.oid == OID_X509_EXT_ISSUER_DISTRIBUTION_POINT => {
                return Err("has an issuing distribution point that cannot be read");
            }
            _ if extension.oid.to_id_string() == DELTA_CRL_INDICATOR => {
                return Err("holds changes only (delta CRL)");
            }
            _ if extension.critical => return Err("has an unknown critical extension"),
            _ => {}
        }
    }
    for entry in list.iter_revoked_certificates() {
        for extension in entry.extensions() {
            if extension.oid.to_id_string() == CERTIFICATE_ISSUER {
                return Err("names certificates of another issuer (certificateIssuer)");
            }
            if extension.critical && extension.oid != OID_X509_EXT_REASON_CODE {
                return Err("has an entry with an unknown critical extension");
            }
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
        CrlIssuingDistributionPoint, CrlScope, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
        date_time_ymd,
    };

    use super::*;

    fn scoped_list() -> Vec<u8> {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.key_usages = vec![KeyUsagePurpose::CrlSign];
        let issuer = Issuer::new(authority, KeyPair::generate().unwrap());
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: 104_u64.into(),
            issuing_distribution_point: Some(CrlIssuingDistributionPoint {
                distribution_point: CrlDistributionPoint {
                    uris: vec!["http://crl.example/a".into()],
                },
                scope: Some(CrlScope::UserCertsOnly),
            }),
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&issuer).unwrap().der().to_vec()
    }

    fn replaced(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut windows = der.windows(from.len());
        let at = windows.position(|window| window == from).unwrap();
        [&der[..at], to, &der[at + from.len()..]].concat()
    }

    #[test]
    fn a_list_whose_scope_cannot_be_judged_is_refused_by_name() {
        let good = scoped_list();
        // No anchor is its issuer, so its signature is not looked at here.
        parse(&good, &[]).unwrap();
        let (users_only, point, number) = ([0x81, 1, 0xff], [0x55, 0x1d, 0x1c], [0x55, 0x1d, 0x14]);
        for (from, to, words) in [
            (users_only, [0x85, 1, 0xff], "onlyContainsAttributeCerts"),
            (users_only, [0x84, 1, 0xff], "indirectCRL"),
            (users_only, [0x83, 1, 0x00], "onlySomeReasons"),
            (point, [0x55, 0x1d, 0x63], "unknown critical extension"),
            (number, [0x55, 0x1d, 0x1b], "delta CRL"),
        ] {
            let error = parse(&replaced(&good, &from, &to), &[]).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
            assert!(error.contains("the list of issuer `"), "{error}");
            assert!(error.contains("replace it by a full list"), "{error}");
        }
    }
}
