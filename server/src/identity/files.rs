//! Reading small files: bounded, and with errors that name the file.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::IdentityError;

/// Longest file of certificates, bytes.
pub(super) const MAX_CERTIFICATES_BYTES: u64 = 256 << 10;

/// What a folder holds, in the order of names; refuses if it is more than `limit`.
pub(super) fn entries(dir: &Path, limit: usize) -> Result<Vec<PathBuf>, IdentityError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| unreadable(dir, e))? {
        if paths.len() == limit {
            return Err(content(dir, format!("it holds more than {limit} entries")));
        }
        paths.push(entry.map_err(|e| unreadable(dir, e))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// A file's bytes; refuses what is no ordinary file, or longer than `limit`.
pub(super) fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, IdentityError> {
    let failed = |e| unreadable(path, e);
    // Looked at first: to open a pipe would wait for somebody to write into it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(content(path, "it is not an ordinary file".into()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(content(path, format!("it is longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// A file's text.
pub(super) fn text(path: &Path, limit: u64) -> Result<String, IdentityError> {
    String::from_utf8(bytes(path, limit)?).map_err(|_| content(path, "it is not UTF-8".into()))
}

/// The certificates in a PEM file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let pem = bytes(path, MAX_CERTIFICATES_BYTES)?;
    let found = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| content(path, format!("not PEM certificates: {e}")))?;
    if found.is_empty() {
        return Err(content(path, "it holds no certificate".into()));
    }
    Ok(found)
}

/// A key that anybody on the machine can read is no key.
pub(crate) fn refuse_world_readable(path: &Path) -> Result<(), IdentityError> {
    let metadata: Metadata = fs::metadata(path).map_err(|e| unreadable(path, e))?;
    if metadata.permissions().mode() & 0o007 == 0 {
        return Ok(());
    }
    let problem = format!(
        "this private key can be read by everybody; run `chmod o-rwx {}`",
        path.display()
    );
    Err(content(path, problem))
}

pub(super) fn unreadable(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Read {
        path: path.into(),
        source,
    }
}

pub(super) fn content(path: &Path, problem: String) -> IdentityError {
    IdentityError::Content {
        path: path.into(),
        problem,
    }
}
