//! Who calls whom, with which files: all that is needed to talk to one broker as one principal.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use casebroker_proto::{
    purpose::Purpose,
    statement::{Signer, StatementError},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};

/// One principal at one broker.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Profile {
    /// Address of the broker, `https://host:port`.
    pub endpoint: String,
    /// Certificates (PEM) that the broker's own must chain to. The system's are never used.
    pub ca: PathBuf,
    /// Client certificate chain, PEM, the principal's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Certificate that statements are signed under, PEM. Needed to submit only.
    pub signing_certificate: Option<PathBuf>,
    /// Its private key, PKCS#8 in PEM.
    pub signing_key: Option<PathBuf>,
    /// Public key of the broker's log, a C2SP vkey. Without it no receipt and no checkpoint is verified.
    pub log_vkey: Option<String>,
    /// Folder of the members' anchors and signing certificates, to check signatures with. See [`crate::Members`].
    pub members: Option<PathBuf>,
    /// Folder where the newest verified checkpoint of each log is kept, so that a log that shrinks or forks is noticed
    /// also by the next process. Without it only this process remembers.
    pub state_dir: Option<PathBuf>,
    /// Why cases are read; goes into the broker's access record. The broker may require it of officers.
    pub purpose: Option<Purpose>,
    /// Deadlines and retries.
    pub timing: Timing,
}

/// Deadlines and retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Longest time to connect, handshake included.
    pub connect_timeout: Duration,
    /// Longest time for one attempt of a call; for a stream, longest silence while an answer is due.
    pub call_timeout: Duration,
    /// Most attempts of a call, the first included; for a stream, most in a row without an answer.
    pub attempts: u32,
    /// Longest time for all attempts and the waits between them.
    pub total: Duration,
    /// First wait; doubles each time, up to [`Timing::longest_wait`], with a random part taken off.
    pub first_wait: Duration,
    /// Longest wait between attempts.
    pub longest_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            attempts: 6,
            total: Duration::from_secs(60),
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The endpoint is no https URL.
    #[error("endpoint `{0}` must be https://host:port")]
    Endpoint(String),
    /// A file cannot be read.
    #[error("{what} {}: {source}", .path.display())]
    Read {
        /// What it is for.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{what} {}: {why}", .path.display())]
    Content {
        /// What it is for.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// One of signing certificate and key is there without the other.
    #[error("signing_certificate and signing_key must be given together")]
    HalfSigner,
    /// The log's key is no vkey.
    #[error("log_vkey: {0}")]
    LogKey(String),
}

impl Profile {
    /// A principal at a broker; everything else can be set on the value.
    pub fn new(
        endpoint: impl Into<String>,
        ca: impl Into<PathBuf>,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        Self {
            endpoint: endpoint.into(),
            ca: ca.into(),
            certificate: certificate.into(),
            key: key.into(),
            signing_certificate: None,
            signing_key: None,
            log_vkey: None,
            members: None,
            state_dir: None,
            purpose: None,
            timing: Timing::default(),
        }
    }

    /// What is unwise about the files, one sentence each: private keys that others can read.
    pub fn warnings(&self) -> Vec<String> {
        [Some(&self.key), self.signing_key.as_ref()]
            .into_iter()
            .flatten()
            .filter(|path| readable_by_others(path))
            .map(|path| {
                let path = path.display();
                format!("private key {path} can be read by every user of this machine; run: chmod 600 {path}")
            })
            .collect()
    }

    /// The signing key with its certificate, if the profile names them.
    pub fn signer(&self) -> Result<Option<Signer>, ProfileError> {
        let (certificate, key) = match (&self.signing_certificate, &self.signing_key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            _ => return Err(ProfileError::HalfSigner),
        };
        let der = read_certificate("signing certificate", certificate)?;
        let pkcs8 = read_pkcs8("signing key", key)?;
        Signer::new(pkcs8.secret_pkcs8_der(), &der)
            .map(Some)
            .map_err(|e| {
                let (what, path) = match e {
                    StatementError::Key(_) => ("signing key", key),
                    _ => ("signing certificate", certificate),
                };
                content(what, path, e)
            })
    }

    /// The client certificate, X.509 DER.
    pub fn certificate_der(&self) -> Result<Vec<u8>, ProfileError> {
        Ok(read_certificate("client certificate", &self.certificate)?.to_vec())
    }

    /// Reads what TLS needs: CA certificates, own chain and key, all PEM as in the files.
    pub(crate) fn tls_files(&self) -> Result<TlsFiles, ProfileError> {
        // Parsed here, though TLS takes PEM, because TLS would answer with an error that names no file.
        read_certificate("CA certificate", &self.ca)?;
        read_certificate("client certificate", &self.certificate)?;
        let key = read("client key", &self.key)?;
        PrivateKeyDer::from_pem_slice(&key).map_err(|e| content("client key", &self.key, e))?;
        Ok(TlsFiles {
            ca: read("CA certificate", &self.ca)?,
            certificate: read("client certificate", &self.certificate)?,
            key,
        })
    }
}

/// PEM texts for TLS. Its `Debug` form shows no secret.
pub(crate) struct TlsFiles {
    pub(crate) ca: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

/// All certificates of a PEM file, DER; at least one.
pub(crate) fn read_certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ProfileError> {
    let found = CertificateDer::pem_slice_iter(&read(what, path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| content(what, path, e))?;
    if found.is_empty() {
        return Err(content(what, path, "it holds no PEM certificate"));
    }
    Ok(found)
}

fn read_certificate(
    what: &'static str,
    path: &Path,
) -> Result<CertificateDer<'static>, ProfileError> {
    let mut found = read_certificates(what, path)?;
    Ok(found.swap_remove(0))
}

fn read_pkcs8(
    what: &'static str,
    path: &Path,
) -> Result<PrivatePkcs8KeyDer<'static>, ProfileError> {
    match PrivateKeyDer::from_pem_slice(&read(what, path)?) {
        Ok(PrivateKeyDer::Pkcs8(key)) => Ok(key),
        Ok(_) => Err(content(
            what,
            path,
            "it must be PKCS#8; convert it with: openssl pkcs8 -topk8 -nocrypt",
        )),
        Err(e) => Err(content(what, path, e)),
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, ProfileError> {
    fs::read(path).map_err(|source| ProfileError::Read {
        what,
        path: path.into(),
        source,
    })
}

fn content(what: &'static str, path: &Path, why: impl fmt::Display) -> ProfileError {
    ProfileError::Content {
        what,
        path: path.into(),
        why: why.to_string(),
    }
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_wrong_file_is_named_with_its_purpose() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.pem");
        let mut profile = Profile::new("https://localhost:1", &file, &file, &file);
        let error = profile.tls_files().unwrap_err().to_string();
        assert!(
            error.starts_with("CA certificate") && error.contains("x.pem"),
            "{error}"
        );
        fs::write(&file, "hello").unwrap();
        let error = profile.tls_files().unwrap_err().to_string();
        assert!(error.contains("no PEM certificate"), "{error}");
        profile.signing_key = Some(file);
        assert!(matches!(profile.signer(), Err(ProfileError::HalfSigner)));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_everybody_can_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("k");
        fs::write(&key, "").unwrap();
        let profile = Profile::new("https://localhost:1", "ca", "cert", &key);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(profile.warnings().is_empty());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(profile.warnings().concat().contains("chmod 600"));
    }
}
