//! The broker's private key, from its file to where signatures are made: refused if others may read it, and no copy of it
//! stays behind in memory. The cryptographic library clears its own (`OPENSSL_free` does).

use std::path::Path;

use rustls::{
    Error, InconsistentKeys,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

use super::{IdentityError, files};

/// Longest key file, bytes.
const MAX_KEY_BYTES: u64 = 64 << 10;

/// A certificate chain, leaf first, with the private key in a PEM file, which must belong to it.
pub(super) fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    path: &Path,
) -> Result<CertifiedKey, IdentityError> {
    files::refuse_world_readable(path)?;
    let pem = Zeroizing::new(files::bytes(path, MAX_KEY_BYTES)?);
    let der = PrivateKeyDer::from_pem_slice(&pem)
        .map(Zeroizing::new)
        .map_err(|e| files::content(path, format!("not a PEM private key: {e}")))?;
    // By reference: the ways that take the key by value drop it without clearing it.
    let key = CertifiedKey::new(chain, any_supported_type(&der)?);
    match key.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(key),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn pair(dir: &Path, mode: u32) -> (Vec<CertificateDer<'static>>, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let pem = made.signing_key.serialize_pem();
        fs::write(dir.join("key"), &pem).unwrap();
        fs::set_permissions(dir.join("key"), fs::Permissions::from_mode(mode)).unwrap();
        (vec![made.cert.der().clone()], pem)
    }

    #[test]
    fn a_key_with_its_certificate_is_loaded_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let (chain, pem) = pair(dir.path(), 0o640);
        let key = certified_key(chain, &dir.path().join("key")).unwrap();
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        // The private number of a P-256 key stands after 36 bytes of framing; as hexadecimal and as a list of numbers.
        let secret = &der.secret_der()[36..44];
        let shown = format!("{key:?} {key:#?}").to_lowercase();
        let numbers = format!("{secret:?}");
        assert!(!shown.contains(&hex::encode(secret)), "{shown}");
        assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
    }

    #[test]
    fn a_key_of_another_certificate_or_for_everybody_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (chain, _) = pair(dir.path(), 0o600);
        let (_, pem) = pair(dir.path(), 0o600);
        let key = dir.path().join("key");
        let error = certified_key(chain.clone(), &key).unwrap_err().to_string();
        assert!(error.contains("do not work together"), "{error}");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o604)).unwrap();
        let error = certified_key(chain, &key).unwrap_err().to_string();
        assert!(error.contains("chmod o-rwx"), "{error}");
        let line = pem.lines().nth(1).unwrap();
        assert!(!error.contains(line));
    }
}
