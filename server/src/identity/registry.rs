//! The members: one folder each, read at start.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use casebroker_proto::{
    names::AgencyName,
    statement::{SignerCertificate, Thumbprint},
    v1::{self, SigningCertificate},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use serde::Deserialize;

use crate::sequencer::RegistryState;

use super::IdentityError;

/// The members and what they may sign with.
#[derive(Debug)]
pub struct Registry {
    /// Trust domain of every SPIFFE ID.
    pub trust_domain: Box<str>,
    members: HashMap<AgencyName, Member>,
}

/// One member.
#[derive(Debug)]
pub struct Member {
    /// Name for people.
    pub display_name: String,
    /// Its anchors, X.509 DER, sorted.
    anchors: Vec<Vec<u8>>,
    /// Checks chains against this member's anchor and no other.
    pub(super) chains: Arc<dyn ClientCertVerifier>,
    signers: HashMap<Thumbprint, SignerCertificate>,
}

/// `member.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberFile {
    /// Name for people.
    display_name: String,
}

impl Registry {
    /// Reads the members' folder. Every folder in it is a member; its name is the agency's id.
    pub fn load(dir: &Path, trust_domain: &str) -> Result<Self, IdentityError> {
        let mut members = HashMap::new();
        for path in entries(dir)? {
            if !path.is_dir() {
                continue;
            }
            let id = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            let agency = AgencyName::from_id(id).map_err(|e| content(&path, e.to_string()))?;
            let member = Member::load(&path, &agency, trust_domain)?;
            members.insert(agency, member);
        }
        if members.is_empty() {
            return Err(content(
                dir,
                "no member: it must have a folder for at least one agency".into(),
            ));
        }
        Ok(Self {
            trust_domain: trust_domain.into(),
            members,
        })
    }

    /// The member with this name.
    pub fn member(&self, agency: &AgencyName) -> Option<&Member> {
        self.members.get(agency)
    }

    /// The signing certificate registered for this agency under this thumbprint.
    pub fn signer(
        &self,
        agency: &AgencyName,
        thumbprint: &Thumbprint,
    ) -> Option<&SignerCertificate> {
        self.members.get(agency)?.signers.get(thumbprint)
    }

    /// Members and groups in the form in which the log records them.
    pub fn state(&self) -> RegistryState {
        let mut members: Vec<_> = self
            .members
            .iter()
            .map(|(name, member)| {
                let mut signers: Vec<_> = member.signers.values().map(|s| s.der.clone()).collect();
                signers.sort();
                v1::Member {
                    name: name.to_string(),
                    display_name: member.display_name.clone(),
                    anchors: member.anchors.clone(),
                    signing_certificates: signers
                        .into_iter()
                        .map(|certificate| SigningCertificate {
                            certificate,
                            revoked: false,
                        })
                        .collect(),
                }
            })
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        RegistryState {
            members,
            groups: Vec::new(),
        }
    }

    /// Number of members and of their signing certificates.
    pub fn counts(&self) -> (usize, usize) {
        let signers = self.members.values().map(|m| m.signers.len()).sum();
        (self.members.len(), signers)
    }
}

impl Member {
    fn load(dir: &Path, agency: &AgencyName, trust_domain: &str) -> Result<Self, IdentityError> {
        let about = dir.join("member.toml");
        let file: MemberFile = toml::from_str(&read_text(&about)?)
            .map_err(|e| content(&about, e.to_string().trim_end().to_owned()))?;
        let (chains, anchors) = chain_verifier(&dir.join("anchor.pem"))?;
        let mut signers = HashMap::new();
        for path in entries(&dir.join("signers"))? {
            if path.extension().is_none_or(|e| e != "pem") {
                continue;
            }
            let der = CertificateDer::from_pem_file(&path)
                .map_err(|e| content(&path, format!("not a PEM certificate: {e}")))?;
            let signer =
                SignerCertificate::from_der(&der).map_err(|e| content(&path, e.to_string()))?;
            if signer.id.agency != *agency || *signer.id.trust_domain != *trust_domain {
                let expected = format!("spiffe://{trust_domain}/agency/{}/signer/...", agency.id());
                return Err(content(
                    &path,
                    format!("it names {}; expected {expected}", signer.id),
                ));
            }
            check_chain(&*chains, &der, &signer).map_err(|e| {
                content(
                    &path,
                    format!("it does not chain to anchor.pem of its agency: {e}"),
                )
            })?;
            signers.insert(signer.thumbprint, signer);
        }
        Ok(Self {
            display_name: file.display_name,
            anchors,
            chains,
            signers,
        })
    }
}

/// An expired certificate stays registered, so that what it signed can still be shown; whether it may sign now is decided
/// at intake. So its chain is checked at the end of its own validity.
fn check_chain(
    chains: &dyn ClientCertVerifier,
    der: &CertificateDer<'_>,
    signer: &SignerCertificate,
) -> Result<(), rustls::Error> {
    let now = UnixTime::now().as_secs();
    let latest = u64::try_from(signer.not_after).unwrap_or(0);
    let earliest = u64::try_from(signer.not_before).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        now.clamp(earliest, latest.max(earliest)),
    ));
    chains.verify_client_cert(der, &[], at).map(|_| ())
}

type Chains = (Arc<dyn ClientCertVerifier>, Vec<Vec<u8>>);

fn chain_verifier(anchor: &Path) -> Result<Chains, IdentityError> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(anchor)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|e| content(anchor, format!("not a PEM certificate: {e}")))?;
    if certificates.is_empty() {
        return Err(content(anchor, "it holds no certificate".into()));
    }
    let mut anchors: Vec<_> = certificates.iter().map(|c| c.to_vec()).collect();
    anchors.sort();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|e| content(anchor, e.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
        .build()
        .map(|v| (v as Arc<dyn ClientCertVerifier>, anchors))
        .map_err(|e| content(anchor, e.to_string()))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, IdentityError> {
    let read = |source| IdentityError::Read {
        path: dir.into(),
        source,
    };
    let mut paths = fs::read_dir(dir)
        .map_err(read)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(read)?;
    paths.sort();
    Ok(paths)
}

fn read_text(path: &Path) -> Result<String, IdentityError> {
    fs::read_to_string(path).map_err(|source| IdentityError::Read {
        path: path.into(),
        source,
    })
}

pub(super) fn content(path: &Path, problem: String) -> IdentityError {
    IdentityError::Content {
        path: path.into(),
        problem,
    }
}
