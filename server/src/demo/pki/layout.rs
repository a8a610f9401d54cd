//! Where each file of the development PKI lies. Everything is under one directory, so that it can be moved or deleted whole.

use std::path::{Path, PathBuf};

/// Paths below `DIR`.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    /// Where `pki/` is; beside it while it is being made.
    pki: PathBuf,
}

impl Layout {
    /// Of a finished PKI.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.into(),
            pki: root.join("pki"),
        }
    }

    /// Of a PKI that is still being made in another place.
    pub(super) fn under_construction(root: &Path, pki: &Path) -> Self {
        Self {
            root: root.into(),
            pki: pki.into(),
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Configuration of the broker.
    pub fn broker_config(&self) -> PathBuf {
        self.root.join("broker.toml")
    }

    /// Contexts of `casectl`.
    pub fn casectl_config(&self) -> PathBuf {
        self.root.join("casectl.toml")
    }

    /// What the broker keeps: journal, state.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Keys and certificates.
    pub fn pki(&self) -> &Path {
        &self.pki
    }

    /// A file of the broker, such as `log.vkey`.
    pub fn broker_file(&self, file: &str) -> PathBuf {
        self.pki.join("broker").join(file)
    }

    /// Public part of every agency: what the broker reads.
    pub fn members(&self) -> PathBuf {
        self.pki.join("members")
    }

    /// Public part of one agency.
    pub fn member(&self, agency: &str) -> PathBuf {
        self.members().join(agency)
    }

    /// Registered signing certificate.
    pub fn registered_signer(&self, agency: &str, name: &str) -> PathBuf {
        self.member(agency)
            .join("signers")
            .join(format!("{name}.pem"))
    }

    /// What only the agency itself would hold.
    pub fn agency(&self, agency: &str) -> PathBuf {
        self.pki.join("agencies").join(agency)
    }

    /// Certificate and key of a principal or signer; `stem` such as `system-feed` or `signer-2026a`.
    pub fn agency_pair(&self, agency: &str, stem: &str) -> (PathBuf, PathBuf) {
        let dir = self.agency(agency);
        (
            dir.join(format!("{stem}.pem")),
            dir.join(format!("{stem}.key")),
        )
    }
}
