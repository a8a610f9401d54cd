//! Who signed: checks a recorded statement's signature and the signing certificate's chain, without a network.
//!
//! The folder has one folder a member, named by its agency id: `anchor.pem`, what its certificates chain to, and
//! `signers/*.pem`, its signing certificates, each with intermediates after it if there are any. One agency's anchor never
//! vouches for another's certificate.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use casebroker_proto::{
    entry::{EntryError, check_entry},
    names::{AgencyName, PrincipalId, SignerId},
    statement::{Content, SignerCertificate, StatementError, Thumbprint, thumbprint},
    v1::{Entry, Statement},
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::profile::{ProfileError, read_certificates};

/// Anchors and signing certificates of the members, as read from a folder.
#[derive(Debug, Default)]
pub struct Members {
    anchors: HashMap<AgencyName, Vec<CertificateDer<'static>>>,
    signers: HashMap<Thumbprint, Vec<CertificateDer<'static>>>,
    /// Trust domain of all members, if it is known.
    trust_domain: Option<Box<str>>,
}

/// A statement whose signature and chain were verified.
#[derive(Debug, Clone)]
pub struct SignedBy {
    /// Whose key signed it.
    pub signer: SignerId,
    /// SHA-256 of the signing certificate.
    pub thumbprint: Thumbprint,
    /// The entry that it is recorded in.
    pub entry: Entry,
    /// What was said.
    pub statement: Statement,
}

/// Why a signature cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The folder cannot be read.
    #[error("members folder {}: {source}", .path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file in it cannot be used.
    #[error(transparent)]
    File(#[from] ProfileError),
    /// The signing certificate is not among the members'.
    #[error("the signing certificate with SHA-256 {0} is not in the members folder")]
    UnknownSigner(String),
    /// The agency that the certificate names has no anchor.
    #[error("there is no anchor.pem for {0} in the members folder")]
    NoAnchor(AgencyName),
    /// The certificate does not chain to the agency's anchor, or was not valid when the statement was recorded.
    #[error("the signing certificate of {agency} does not chain to that agency's anchor: {why}")]
    Chain {
        /// Agency that the certificate names.
        agency: AgencyName,
        /// What is wrong.
        why: String,
    },
    /// Envelope or signature.
    #[error("the statement's signature: {0}")]
    Statement(#[from] StatementError),
    /// The entry is none that a broker records.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The certificate is of another trust domain than the log's members.
    #[error("the signing certificate is of the trust domain {found}; the members' is {expected}")]
    Domain {
        /// As the certificate says.
        found: Box<str>,
        /// The members'.
        expected: Box<str>,
    },
    /// Signer and submitter are of two trust domains.
    #[error("the statement was signed in the trust domain {signer} and submitted from {principal}")]
    OtherDomain {
        /// Trust domain of the signing certificate.
        signer: Box<str>,
        /// Trust domain of who submitted it, as recorded.
        principal: Box<str>,
    },
    /// The caller that submitted the statement belongs to another agency than the signer.
    #[error("the statement was signed for {signer} and submitted by {principal}")]
    OtherAgency {
        /// Agency of the signing certificate.
        signer: AgencyName,
        /// Who submitted it, as recorded.
        principal: String,
    },
}

impl Members {
    /// Reads every member's folder.
    pub fn load(folder: &Path) -> Result<Self, MemberError> {
        let mut members = Self::default();
        for path in list(folder)? {
            let agency = path
                .file_name()
                .and_then(|name| AgencyName::from_id(name.to_str()?).ok());
            // Whatever else somebody keeps there is no member.
            let (Some(agency), true) = (agency, path.is_dir()) else {
                continue;
            };
            members.load_member(agency, &path)?;
        }
        Ok(members)
    }

    /// Believes signing certificates of this trust domain alone.
    pub fn with_trust_domain(mut self, trust_domain: Box<str>) -> Self {
        self.trust_domain = Some(trust_domain);
        self
    }

    /// Verifies the statement in an entry (its bytes as recorded): signature, chain to the agency's anchor at the time it
    /// was recorded, and that signer and submitter are of one agency. Says nothing about the log: that is the receipt's.
    pub fn verify(&self, entry: &[u8]) -> Result<SignedBy, MemberError> {
        let (entry, content) = check_entry(entry)?;
        let Content::Statement(content) = content else {
            return Err(MemberError::Statement(StatementError::NoStatement));
        };
        let (envelope, _) = *content;
        let chain = self
            .signers
            .get(envelope.thumbprint())
            .and_then(|chain| chain.split_first());
        let Some((certificate, intermediates)) = chain else {
            return Err(MemberError::UnknownSigner(hex::encode(
                envelope.thumbprint(),
            )));
        };
        let certificate = SignerCertificate::from_der(certificate)?;
        let statement = envelope.verify(&certificate)?;
        if let Some(expected) = &self.trust_domain
            && *expected != certificate.id.trust_domain
        {
            return Err(MemberError::Domain {
                found: certificate.id.trust_domain,
                expected: expected.clone(),
            });
        }
        let agency = certificate.id.agency.clone();
        let recorded = entry.record_time.as_ref().map_or(0, |time| time.seconds);
        self.check_chain(&agency, &certificate.der, intermediates, recorded)?;
        match entry.principal.parse::<PrincipalId>() {
            Ok(principal) if principal.trust_domain != certificate.id.trust_domain => {
                Err(MemberError::OtherDomain {
                    signer: certificate.id.trust_domain,
                    principal: principal.trust_domain,
                })
            }
            Ok(principal) if principal.agency == agency => Ok(SignedBy {
                signer: certificate.id,
                thumbprint: certificate.thumbprint,
                entry,
                statement,
            }),
            _ => Err(MemberError::OtherAgency {
                signer: agency,
                principal: entry.principal,
            }),
        }
    }

    fn load_member(&mut self, agency: AgencyName, folder: &Path) -> Result<(), MemberError> {
        let anchor = folder.join("anchor.pem");
        if anchor.exists() {
            let anchors = read_certificates("anchor", &anchor)?;
            self.anchors.insert(agency, anchors);
        }
        let signers = folder.join("signers");
        if !signers.exists() {
            return Ok(());
        }
        for path in list(&signers)? {
            if path.extension().is_some_and(|extension| extension == "pem") {
                let chain = read_certificates("signing certificate", &path)?;
                if let Some(own) = chain.first() {
                    self.signers.insert(thumbprint(own), chain);
                }
            }
        }
        Ok(())
    }

    fn check_chain(
        &self,
        agency: &AgencyName,
        certificate: &[u8],
        intermediates: &[CertificateDer<'_>],
        at: i64,
    ) -> Result<(), MemberError> {
        let refused = |e: webpki::Error| MemberError::Chain {
            agency: agency.clone(),
            why: e.to_string(),
        };
        let anchors = self
            .anchors
            .get(agency)
            .ok_or_else(|| MemberError::NoAnchor(agency.clone()))?
            .iter()
            .map(webpki::anchor_from_trusted_cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(refused)?;
        let der = CertificateDer::from(certificate);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or(0)));
        webpki::EndEntityCert::try_from(&der)
            .and_then(|end| {
                end.verify_for_usage(
                    webpki::ALL_VERIFICATION_ALGS,
                    &anchors,
                    intermediates,
                    at,
                    AnyPurpose,
                    None,
                    None,
                )
                .map(|_| ())
            })
            .map_err(refused)
    }
}

/// What a signing certificate may sign is said by its SPIFFE ID, not by an extended key usage made for TLS.
#[derive(Debug)]
struct AnyPurpose;

impl webpki::ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: webpki::KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// Paths in a folder, sorted, so that what is reported first is always the same.
fn list(folder: &Path) -> Result<Vec<PathBuf>, MemberError> {
    let failed = |source| MemberError::Folder {
        path: folder.into(),
        source,
    };
    let mut paths = fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use casebroker_proto::{
        statement::Signer,
        v1::{Retraction, statement::Kind},
    };
    use prost::Message as _;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

    use super::*;

    struct Agency {
        issuer: Issuer<'static, KeyPair>,
        anchor: String,
    }

    fn agency() -> Agency {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let anchor = params.self_signed(&key).unwrap().pem();
        Agency {
            issuer: Issuer::new(params, key),
            anchor,
        }
    }

    /// A signer for `id` under an agency's anchor: signing half and certificate.
    fn signer(agency: &Agency, id: &str) -> (Signer, String) {
        let key = KeyPair::generate().unwrap();
        let uri = format!("spiffe://casebroker.example/agency/{id}/signer/2026a");
        let mut params = CertificateParams::default();
        params
            .subject_alt_names
            .push(SanType::URI(uri.as_str().try_into().unwrap()));
        let certificate = params.signed_by(&key, &agency.issuer).unwrap();
        let signer = Signer::new(key.serialized_der(), certificate.der()).unwrap();
        (signer, certificate.pem())
    }

    fn entry(signer: &Signer, principal: &str) -> Vec<u8> {
        let statement = Statement {
            case: "agencies/us-dea/cases/1".into(),
            kind: Some(Kind::Retraction(Retraction::default())),
            ..Default::default()
        };
        Entry {
            record_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            principal: format!("spiffe://casebroker.example/agency/{principal}/system/feed"),
            salt: vec![0; 16].into(),
            signed_statement: signer.sign(&statement).unwrap().into(),
            ..Default::default()
        }
        .encode_to_vec()
    }

    fn write(folder: &Path, id: &str, anchor: &str, certificates: &[&str]) {
        let member = folder.join(id);
        fs::create_dir_all(member.join("signers")).unwrap();
        fs::write(member.join("anchor.pem"), anchor).unwrap();
        for (i, certificate) in certificates.iter().enumerate() {
            fs::write(member.join(format!("signers/{i}.pem")), certificate).unwrap();
        }
    }

    #[test]
    fn a_registered_signer_under_its_own_agencys_anchor_is_believed_and_nobody_else() {
        let (dea, cbp, folder) = (agency(), agency(), tempfile::tempdir().unwrap());
        let (good, good_pem) = signer(&dea, "us-dea");
        let (stranger, _) = signer(&dea, "us-dea");
        // An anchor that makes a certificate in another agency's name.
        let (impostor, impostor_pem) = signer(&cbp, "us-dea");
        write(folder.path(), "us-dea", &dea.anchor, &[&good_pem]);
        write(folder.path(), "us-cbp", &cbp.anchor, &[&impostor_pem]);
        let members = Members::load(folder.path()).unwrap();

        let signed = members.verify(&entry(&good, "us-dea")).unwrap();
        assert_eq!(signed.signer.agency.id(), "us-dea");
        assert!(matches!(
            members.verify(&entry(&stranger, "us-dea")),
            Err(MemberError::UnknownSigner(_))
        ));
        assert!(matches!(
            members.verify(&entry(&impostor, "us-dea")),
            Err(MemberError::Chain { .. })
        ));
        assert!(matches!(
            members.verify(&entry(&good, "us-cbp")),
            Err(MemberError::Entry(_))
        ));
        let elsewhere = members.with_trust_domain("other.example".into());
        assert!(matches!(
            elsewhere.verify(&entry(&good, "us-dea")),
            Err(MemberError::Domain { .. })
        ));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Members::load(Path::new("/nowhere/members")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/members"));
    }
}
