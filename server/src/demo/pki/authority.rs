//! Certificates of the development PKI: ECDSA P-256, one authority an agency and one for the broker.

use std::path::Path;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    SanType,
};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::files;

/// Days that an authority's own certificate is valid.
const AUTHORITY_DAYS: u32 = 3650;

/// From when and for how long a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    /// Length in days.
    pub days: u32,
    /// Begin, in days from now; negative for the past.
    pub not_before_days: i32,
}

/// Makes certificates in the name of one agency, or of the broker.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

impl Authority {
    /// A new authority.
    pub(super) fn generate(name: &str) -> anyhow::Result<Self> {
        let key = new_key()?;
        let mut params = params(name, valid_from_now(AUTHORITY_DAYS))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority whose files `save` wrote.
    pub(super) fn load(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let certificate_pem = read(certificate)?;
        let key = KeyPair::from_pem(&Zeroizing::new(read(key)?))
            .with_context(|| format!("no private key in {}", key.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)
            .with_context(|| format!("no certificate in {}", certificate.display()))?;
        Ok(Self {
            issuer,
            certificate_pem,
        })
    }

    /// Writes certificate and key to new files.
    pub(super) fn save(&self, certificate: &Path, key: &Path) -> anyhow::Result<()> {
        files::write_public(certificate, &self.certificate_pem)?;
        files::write_secret(key, &Zeroizing::new(self.issuer.key().serialize_pem()))
    }

    /// A certificate for TLS clients whose only name is the SPIFFE ID.
    pub(super) fn client(&self, spiffe_id: &str, validity: Validity) -> anyhow::Result<Leaf> {
        let mut params = leaf_params(spiffe_id, validity)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![uri(spiffe_id)?];
        self.sign(&params)
    }

    /// A certificate for signing statements. Without client authentication in it, it opens no connection.
    pub(super) fn signer(&self, spiffe_id: &str, validity: Validity) -> anyhow::Result<Leaf> {
        let mut params = leaf_params(spiffe_id, validity)?;
        params.subject_alt_names = vec![uri(spiffe_id)?];
        self.sign(&params)
    }

    /// A certificate for the broker's listener on this machine.
    pub(super) fn server(&self, days: u32) -> anyhow::Result<Leaf> {
        let names = ["localhost", "127.0.0.1", "::1"];
        let mut params = CertificateParams::new(names.map(String::from))?;
        params.distinguished_name = Default::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "casebroker (development)");
        (params.not_before, params.not_after) = valid_from_now(days);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        self.sign(&params)
    }

    /// A revocation list, PEM.
    pub(super) fn sign_crl(
        &self,
        params: &CertificateRevocationListParams,
    ) -> anyhow::Result<String> {
        Ok(params.signed_by(&self.issuer)?.pem()?)
    }

    fn sign(&self, params: &CertificateParams) -> anyhow::Result<Leaf> {
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Leaf { certificate, key })
    }
}

/// A certificate with its key.
pub(super) struct Leaf {
    certificate: Certificate,
    key: KeyPair,
}

impl Leaf {
    /// The certificate, PEM.
    pub(super) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes certificate and key to new files.
    pub(super) fn save(&self, certificate: &Path, key: &Path) -> anyhow::Result<()> {
        files::write_public(certificate, &self.certificate_pem())?;
        files::write_secret(key, &Zeroizing::new(self.key.serialize_pem()))
    }
}

fn new_key() -> anyhow::Result<KeyPair> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

fn leaf_params(spiffe_id: &str, validity: Validity) -> anyhow::Result<CertificateParams> {
    let (mut from, _) = valid_from_now(0);
    from += Duration::days(validity.not_before_days.into());
    let until = from + Duration::days(validity.days.into());
    // The common name is for people who look at the file; only the SPIFFE ID counts.
    let name = spiffe_id.rsplit("/agency/").next().unwrap_or(spiffe_id);
    let mut params = params(name, (from, until))?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(
    name: &str,
    (from, until): (OffsetDateTime, OffsetDateTime),
) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (from, until);
    Ok(params)
}

/// From an hour ago, so that a clock a little behind ours accepts the certificate at once.
fn valid_from_now(days: u32) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (
        now - Duration::hours(1),
        now + Duration::days(i64::from(days)),
    )
}

fn uri(spiffe_id: &str) -> anyhow::Result<SanType> {
    Ok(SanType::URI(spiffe_id.try_into()?))
}
