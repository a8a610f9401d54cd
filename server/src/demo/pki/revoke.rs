//! Revocation lists of the development PKI: one an agency, `crl.pem` beside its anchor.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use casebroker_proto::names::check_id;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject as _};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use super::{Layout, authority::Authority, files};

/// Days until the next list is due.
const CRL_DAYS: i64 = 30;

/// Arguments of `casebroker pki revoke`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["name", "serial"])))]
pub struct RevokeArgs {
    /// Directory that `pki init` made
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Agency, such as us-cbp
    #[arg(long, value_name = "ID")]
    pub agency: String,
    /// system, officer, auditor, operator or signer
    #[arg(long, requires = "name")]
    pub role: Option<String>,
    /// Name of the workload, officer or signing key
    #[arg(long, requires = "role")]
    pub name: Option<String>,
    /// Serial number of the certificate, hexadecimal, as the broker's log has it
    #[arg(long, value_name = "HEX")]
    pub serial: Option<String>,
}

/// What `revoke_certificate` did.
#[derive(Debug)]
pub struct Revoked {
    /// The list.
    pub crl: PathBuf,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// Number of the list.
    pub number: u64,
    /// Number of certificates that it names.
    pub count: usize,
    /// When the next list is due.
    pub next_update: OffsetDateTime,
}

/// Adds a certificate to its agency's list and makes the list anew, good for another 30 days; one that is on it already stays.
pub fn revoke_certificate(args: &RevokeArgs) -> anyhow::Result<Revoked> {
    let layout = Layout::new(&args.dir);
    let agency = args.agency.as_str();
    check_id(agency).context("--agency")?;
    let anchor = layout.member(agency).join("anchor.pem");
    ensure!(
        anchor.exists(),
        "{} holds no agency {agency}: there is no {}",
        args.dir.display(),
        anchor.display()
    );
    let serial = match (&args.serial, &args.role, &args.name) {
        (Some(hex), _, _) => parse_serial(hex)?,
        (None, Some(role), Some(name)) => {
            check_id(role).context("--role")?;
            check_id(name).context("--name")?;
            serial_of(&layout.agency_pair(agency, &format!("{role}-{name}")).0)?
        }
        _ => return Err(anyhow!("give --role and --name, or --serial")),
    };
    let authority = Authority::load(&anchor, &layout.agency(agency).join("ca.key"))?;
    let crl = layout.member(agency).join("crl.pem");
    let (last, mut revoked_certs) = read(&crl)?;
    let now = OffsetDateTime::now_utc();
    if !revoked_certs
        .iter()
        .any(|r| r.serial_number.as_ref() == serial)
    {
        revoked_certs.push(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        });
    }
    let number = last + 1;
    let params = CertificateRevocationListParams {
        this_update: now,
        next_update: now + Duration::days(CRL_DAYS),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    files::replace_public(&crl, &authority.sign_crl(&params)?)?;
    Ok(Revoked {
        crl,
        serial: hex::encode(serial),
        number,
        count: params.revoked_certs.len(),
        next_update: params.next_update,
    })
}

/// Number and entries of the list so far; none yet is number 0.
fn read(path: &Path) -> anyhow::Result<(u64, Vec<RevokedCertParams>)> {
    if !path.exists() {
        return Ok((0, Vec::new()));
    }
    let bad = || format!("{} holds no revocation list", path.display());
    let der = CertificateRevocationListDer::from_pem_file(path).with_context(bad)?;
    let (_, list) = CertificateRevocationList::from_der(&der).with_context(bad)?;
    let number = list
        .crl_number()
        .and_then(|n| u64::try_from(n.clone()).ok())
        .with_context(|| format!("{} has no number that we gave", path.display()))?;
    let entries = list.iter_revoked_certificates().map(|entry| {
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from_slice(entry.raw_serial()),
            revocation_time: entry.revocation_date.to_datetime(),
            reason_code: None,
            invalidity_date: None,
        })
    });
    Ok((number, entries.collect::<anyhow::Result<_>>()?))
}

fn serial_of(certificate: &Path) -> anyhow::Result<Vec<u8>> {
    let der = CertificateDer::from_pem_file(certificate).with_context(|| {
        format!(
            "there is no certificate {}; give its --serial",
            certificate.display()
        )
    })?;
    let (_, certificate) = X509Certificate::from_der(&der)?;
    Ok(certificate.raw_serial().to_vec())
}

fn parse_serial(text: &str) -> anyhow::Result<Vec<u8>> {
    let serial = hex::decode(text).context("--serial is not hexadecimal")?;
    ensure!(
        (1..=20).contains(&serial.len()),
        "--serial has {} bytes; a serial number has 1 to 20",
        serial.len()
    );
    Ok(serial)
}
