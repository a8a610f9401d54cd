//! Who calls whom, with which files: all that is needed to talk to one broker as one principal.

use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use casebroker_proto::{
    purpose::Purpose,
    statement::{Signer, StatementError},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

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
    /// also by the next process, and its reads see what this one wrote; without the log's key, how far it wrote at this
    /// address. Without it only this process remembers.
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
    /// A private key that anybody on the machine can read or replace.
    #[error("{what} {path} is open to every user of this machine; run: chmod o-rwx {path}", path = .path.display())]
    Exposed {
        /// What it is for.
        what: &'static str,
        /// Which file.
        path: PathBuf,
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

    /// The signing key with its certificate, if the profile names them.
    pub fn signer(&self) -> Result<Option<Signer>, ProfileError> {
        let (certificate, key) = match (&self.signing_certificate, &self.signing_key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            _ => return Err(ProfileError::HalfSigner),
        };
        let der = read_certificate("signing certificate", certificate)?;
        let private = read_private_key("signing key", key)?;
        let PrivateKeyDer::Pkcs8(pkcs8) = &*private else {
            let why = "it must be PKCS#8; convert it with: openssl pkcs8 -topk8 -nocrypt";
            return Err(content("signing key", key, why));
        };
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
        read_private_key("client key", &self.key)?;
        let key = read_secret("client key", &self.key)?;
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
    /// Cleared when dropped.
    pub(crate) key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

/// All certificates of a PEM file, DER; at least one. `what` says in an error what they are for.
pub fn read_certificates(
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

fn read_private_key(
    what: &'static str,
    path: &Path,
) -> Result<Zeroizing<PrivateKeyDer<'static>>, ProfileError> {
    PrivateKeyDer::from_pem_slice(&read_secret(what, path)?)
        .map(Zeroizing::new)
        .map_err(|e| content(what, path, e))
}

/// A file that not everybody may read. Its bytes are cleared when they are dropped. `what` says in an error what it is.
pub fn read_secret(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, ProfileError> {
    let failed = |source| ProfileError::Read {
        what,
        path: path.into(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    // Of the file that is open, so that what is looked at is what is read.
    let metadata = file.metadata().map_err(failed)?;
    if is_exposed(&metadata) {
        return Err(ProfileError::Exposed {
            what,
            path: path.into(),
        });
    }
    // With room from the start: a buffer that grows leaves its former bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
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

/// The group may read a key: that is how several services share one.
#[cfg(unix)]
fn is_exposed(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o007 != 0
}

#[cfg(not(unix))]
fn is_exposed(_: &Metadata) -> bool {
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
    fn a_key_that_everybody_can_read_is_refused_and_one_for_the_group_is_not() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        fs::write(&certificate, pair.cert.pem()).unwrap();
        fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        let mut profile = Profile::new("https://localhost:1", &certificate, &certificate, &key);
        (profile.signing_certificate, profile.signing_key) = (Some(certificate), Some(key.clone()));
        for (mode, exposed) in [(0o644, true), (0o604, true), (0o602, true), (0o640, false)] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let for_tls = profile.tls_files().err();
            let is = |e: &ProfileError| matches!(e, ProfileError::Exposed { .. });
            assert_eq!(for_tls.as_ref().is_some_and(is), exposed, "{mode:o}");
            assert_eq!(for_tls.is_some(), exposed, "{mode:o}");
            assert_eq!(profile.signer().err().as_ref().is_some_and(is), exposed);
            if let Some(error) = for_tls {
                let text = error.to_string();
                let command = format!("chmod o-rwx {}", key.display());
                assert!(text.ends_with(&command), "{text}");
            }
        }
    }

    #[test]
    fn no_debug_form_shows_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        fs::write(&certificate, pair.cert.pem()).unwrap();
        let pem = pair.signing_key.serialize_pem();
        fs::write(&key, &pem).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut profile = Profile::new("https://localhost:1", &certificate, &certificate, &key);
        (profile.signing_certificate, profile.signing_key) = (Some(certificate), Some(key));
        let files = profile.tls_files().unwrap();
        assert_eq!(*files.key, pem.as_bytes());
        let shown = format!("{profile:?} {files:?} {profile:#?} {files:#?}");
        // As text, and as the numbers of a byte string.
        let line = pem.lines().nth(1).unwrap();
        let numbers = format!("{:?}", &line.as_bytes()[..8]);
        assert!(!shown.contains(line), "{shown}");
        assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
    }
}
