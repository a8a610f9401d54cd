//! Certificates, right and wrong ones.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casebroker_proto::statement::Signer;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, RevokedCertParams,
    SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Trust domain of every site.
pub const TRUST_DOMAIN: &str = "casebroker.example";

/// An authority: of one agency, of the broker, or of nobody that the broker knows.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM: the anchor.
    pub pem: String,
}

/// A certificate with its key, PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Certificate.
    pub certificate: String,
    /// PKCS#8 key.
    pub key: String,
}

/// What a certificate is asked to say; begin with [`Wish::client`] and change what shall be wrong.
#[derive(Debug, Clone)]
pub struct Wish {
    /// URIs among the subject alternative names.
    pub uris: Vec<String>,
    /// Validity, years; from the first day of the one to the first day of the other.
    pub years: (i32, i32),
    /// Last second of validity, if it is not that of `years`.
    pub until: Option<OffsetDateTime>,
    /// Extended key usages.
    pub usages: Vec<ExtendedKeyUsagePurpose>,
}

/// What a revocation list is asked to say.
#[derive(Debug, Clone)]
pub struct CrlWish<'a> {
    /// Revoked certificates.
    pub revoked: &'a [&'a Identity],
    /// Its number.
    pub number: u64,
    /// When the next one is due.
    pub next_update: OffsetDateTime,
    /// URI of its issuing distribution point, and which certificates it covers.
    pub point: Option<(&'a str, Option<CrlScope>)>,
}

impl<'a> CrlWish<'a> {
    /// A good list that names these.
    pub fn revoking(revoked: &'a [&'a Identity]) -> Self {
        Self {
            revoked,
            number: 1,
            next_update: date_time_ymd(2100, 1, 1),
            point: None,
        }
    }
}

/// Somebody who calls: a certificate, and the key that the agency signs statements with.
#[derive(Clone)]
pub struct Principal {
    /// Agency's id.
    pub agency: String,
    /// For the connection.
    pub identity: Identity,
    /// For statements.
    pub signer: Arc<Signer>,
}

impl Wish {
    /// A good certificate of a caller.
    pub fn client(agency: &str, role: &str, name: &str) -> Self {
        Self {
            uris: vec![spiffe(agency, role, name)],
            years: (2020, 2100),
            until: None,
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
        }
    }
}

/// `spiffe://<trust domain>/agency/<agency>/<role>/<name>`.
pub fn spiffe(agency: &str, role: &str, name: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/agency/{agency}/{role}/{name}")
}

impl Authority {
    /// A new one, that signs certificates and no authorities.
    pub fn new(name: &str) -> Self {
        Self::with(name, BasicConstraints::Constrained(0))
    }

    /// A new one that may sign authorities, of any depth.
    pub fn unconstrained(name: &str) -> Self {
        Self::with(name, BasicConstraints::Unconstrained)
    }

    fn with(name: &str, constraints: BasicConstraints) -> Self {
        let key = new_key(&PKCS_ECDSA_P256_SHA256);
        let mut params = params(name, (2020, 2100));
        params.is_ca = IsCa::Ca(constraints);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// What signs in its name, for certificates that no wish can describe.
    pub fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// A certificate as wished.
    pub fn issue(&self, wish: &Wish) -> Identity {
        self.issue_for(wish, &PKCS_ECDSA_P256_SHA256)
    }

    fn issue_for(&self, wish: &Wish, algorithm: &'static SignatureAlgorithm) -> Identity {
        let mut params = params("for tests", wish.years);
        params.not_after = wish.until.unwrap_or(params.not_after);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages.clone_from(&wish.usages);
        params.subject_alt_names = wish
            .uris
            .iter()
            .map(|uri| SanType::URI(uri.as_str().try_into().unwrap()))
            .collect();
        self.sign(&params, algorithm)
    }

    /// A revocation list as wished, PEM.
    pub fn crl(&self, wish: &CrlWish<'_>) -> String {
        let revoked = wish.revoked.iter().map(|identity| RevokedCertParams {
            serial_number: serial_of(&identity.certificate),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: wish.next_update,
            crl_number: wish.number.into(),
            issuing_distribution_point: wish.point.map(|(uri, scope)| {
                let distribution_point = CrlDistributionPoint {
                    uris: vec![uri.into()],
                };
                CrlIssuingDistributionPoint {
                    distribution_point,
                    scope,
                }
            }),
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// The broker's own certificate.
    pub fn server(&self) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2100, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params, &PKCS_ECDSA_P256_SHA256)
    }

    /// A signing certificate with its key.
    pub fn signer(&self, agency: &str, name: &str, years: (i32, i32)) -> (Identity, Signer) {
        self.signer_for(agency, name, years, &PKCS_ECDSA_P256_SHA256)
    }

    /// The same for another algorithm.
    pub fn signer_for(
        &self,
        agency: &str,
        name: &str,
        years: (i32, i32),
        algorithm: &'static SignatureAlgorithm,
    ) -> (Identity, Signer) {
        let wish = Wish {
            uris: vec![spiffe(agency, "signer", name)],
            years,
            until: None,
            usages: vec![],
        };
        let mut params = params("for tests", wish.years);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.subject_alt_names = vec![SanType::URI(wish.uris[0].as_str().try_into().unwrap())];
        let key = new_key(algorithm);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let signer = Signer::new(key.serialized_der(), certificate.der()).unwrap();
        let identity = Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        };
        (identity, signer)
    }

    /// Signs a certificate that says exactly this, for a new key.
    pub fn sign(
        &self,
        params: &CertificateParams,
        algorithm: &'static SignatureAlgorithm,
    ) -> Identity {
        let key = new_key(algorithm);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn serial_of(pem: &str) -> SerialNumber {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    SerialNumber::from_slice(certificate.raw_serial())
}

/// A certificate's DER form as PEM (RFC 7468).
pub fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

fn new_key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

fn params(name: &str, years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params
}
