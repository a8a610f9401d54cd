//! The members as their folders say at one moment: never changed, only replaced as a whole.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use casebroker_proto::{
    names::AgencyName,
    statement::{SignerCertificate, Thumbprint},
};
use rustls::pki_types::{CertificateDer, UnixTime};
use serde::Deserialize;

use super::{
    Crl, Group, IdentityError, files,
    groups::{self, check_contact, check_display_name},
    trust::Trust,
    verifier::{read_principal, refused},
};
use crate::config::{Config, ExpiredCrl};

/// Most members.
const MAX_MEMBERS: usize = 1_000;
/// Most signing certificates of one member.
const MAX_SIGNERS: usize = 100;
/// Longest `member.toml`, bytes.
const MAX_MEMBER_FILE_BYTES: u64 = 64 << 10;

/// Every member, its certificates, and the groups.
#[derive(Debug)]
pub struct Members {
    trust_domain: Box<str>,
    members: BTreeMap<AgencyName, Member>,
    groups: BTreeMap<String, Group>,
}

/// One member.
#[derive(Debug)]
pub struct Member {
    display_name: String,
    contact: String,
    trust: Arc<Trust>,
    signers: BTreeMap<Thumbprint, RegisteredSigner>,
}

/// A signing certificate of a member. It stays registered when it expires or is revoked, so that what it signed before can
/// still be shown and verified.
#[derive(Debug, Clone)]
pub struct RegisteredSigner {
    /// The certificate: DER, thumbprint, validity, whom it signs for.
    pub certificate: Arc<SignerCertificate>,
    /// Whether a revocation list of its agency names it. Then it signs nothing any more.
    pub revoked: bool,
}

/// `member.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberFile {
    /// Name for people.
    display_name: String,
    /// How other members reach it.
    #[serde(default)]
    contact: String,
}

impl Members {
    /// Reads the members' folder. Every folder in it is a member; its name is the agency's id.
    pub fn load(config: &Config) -> Result<Self, IdentityError> {
        let (dir, trust_domain) = (&config.members_dir, &*config.trust_domain);
        let mut members = BTreeMap::new();
        // Room for `groups.toml` and what an editor leaves beside it.
        for path in files::entries(dir, MAX_MEMBERS + 100)? {
            if !path.is_dir() {
                continue;
            }
            let id = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            let agency =
                AgencyName::from_id(id).map_err(|e| files::content(&path, e.to_string()))?;
            let member = Member::load(&path, &agency, trust_domain, config.identity.expired_crl)?;
            members.insert(agency, member);
        }
        if !(1..=MAX_MEMBERS).contains(&members.len()) {
            let problem = format!(
                "{} members; it must have a folder for at least one agency, and for at most {MAX_MEMBERS}",
                members.len()
            );
            return Err(files::content(dir, problem));
        }
        let groups = groups::read(&dir.join("groups.toml"), |agency| {
            members.contains_key(agency)
        })?;
        Ok(Self {
            trust_domain: trust_domain.into(),
            members,
            groups,
        })
    }

    /// Trust domain of every SPIFFE ID.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The members' names, sorted.
    pub fn agencies(&self) -> impl Iterator<Item = &AgencyName> {
        self.members.keys()
    }

    /// The member with this name.
    pub fn member(&self, agency: &AgencyName) -> Option<&Member> {
        self.members.get(agency)
    }

    /// The groups, sorted by id.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// The group with this id.
    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    /// Number of members and of their signing certificates.
    pub fn counts(&self) -> (usize, usize) {
        let signers = self.members.values().map(|m| m.signers.len()).sum();
        (self.members.len(), signers)
    }

    /// Whether a certificate names a principal of a member and opens a connection at this time: its chain ends at an anchor
    /// of that member, and no certificate in it is expired or revoked.
    pub(super) fn check_connection(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<(), rustls::Error> {
        let (principal, _) = read_principal(end_entity).map_err(refused)?;
        if principal.trust_domain != self.trust_domain {
            return Err(refused(format!("`{principal}` is of another trust domain")));
        }
        self.trust(&principal.agency)
            .ok_or_else(|| refused(format!("`{principal}` is of no member")))?
            .check_connection(end_entity, intermediates, at)
    }

    pub(super) fn trust(&self, agency: &AgencyName) -> Option<&Arc<Trust>> {
        self.members.get(agency).map(|member| &member.trust)
    }

    /// Takes over, as the same object, what is the same in `before`; so one comparison of addresses tells a connection that
    /// nothing has changed for it.
    pub(super) fn share_unchanged(&mut self, before: &Self) {
        for (agency, member) in &mut self.members {
            match before.trust(agency) {
                Some(trust) if *trust == member.trust => member.trust = Arc::clone(trust),
                _ => {}
            }
        }
    }

    /// Says which revocation lists are past their time. Certificates are then refused, or not, as the configuration says.
    pub fn log_expired_crls(&self) {
        for (agency, member) in &self.members {
            for crl in member.trust.expired_crls() {
                let (agency, number, issuer) = (agency.id(), crl.number_text(), &crl.issuer);
                match member.trust.refuses_expired() {
                    true => tracing::error!(
                        agency,
                        number,
                        issuer,
                        "the revocation list is expired: certificates of this agency are refused until it hands over a newer one"
                    ),
                    false => tracing::warn!(
                        agency,
                        number,
                        issuer,
                        "the revocation list is expired; it is used all the same (identity.expired_crl = \"warn\")"
                    ),
                }
            }
        }
    }
}

impl Member {
    /// Name for people.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// How other members reach it; may be empty.
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// X.509 DER of its anchors, in the order of the file.
    pub fn anchors(&self) -> impl Iterator<Item = &[u8]> {
        self.trust.anchors.iter().map(AsRef::as_ref)
    }

    /// Its revocation lists in force, one an issuer, sorted by issuer.
    pub fn crls(&self) -> &[Crl] {
        &self.trust.crls
    }

    /// Its signing certificates, sorted by thumbprint.
    pub fn signers(&self) -> impl Iterator<Item = &RegisteredSigner> {
        self.signers.values()
    }

    /// The signing certificate with this thumbprint.
    pub fn signer(&self, thumbprint: &Thumbprint) -> Option<&RegisteredSigner> {
        self.signers.get(thumbprint)
    }

    fn load(
        dir: &Path,
        agency: &AgencyName,
        trust_domain: &str,
        expired_crl: ExpiredCrl,
    ) -> Result<Self, IdentityError> {
        let about = dir.join("member.toml");
        let file: MemberFile = toml::from_str(&files::text(&about, MAX_MEMBER_FILE_BYTES)?)
            .map_err(|e| files::content(&about, e.to_string().trim_end().to_owned()))?;
        check_display_name(&file.display_name).map_err(|e| files::content(&about, e))?;
        check_contact(&file.contact).map_err(|e| files::content(&about, e))?;
        let trust = Trust::load(dir, expired_crl)?;
        let mut signers = BTreeMap::new();
        for path in files::entries(&dir.join("signers"), MAX_SIGNERS)? {
            if path.extension().is_none_or(|e| e != "pem") {
                continue;
            }
            let signer = load_signer(&path, agency, trust_domain, &trust)?;
            signers.insert(signer.certificate.thumbprint, signer);
        }
        Ok(Self {
            display_name: file.display_name,
            contact: file.contact,
            trust: Arc::new(trust),
            signers,
        })
    }
}

fn load_signer(
    path: &Path,
    agency: &AgencyName,
    trust_domain: &str,
    trust: &Trust,
) -> Result<RegisteredSigner, IdentityError> {
    let wrong = |problem: String| files::content(path, problem);
    let chain = files::certificates(path)?;
    let (der, intermediates) = chain
        .split_first()
        .ok_or_else(|| wrong("it holds no certificate".into()))?;
    let certificate = SignerCertificate::from_der(der).map_err(|e| wrong(e.to_string()))?;
    if certificate.id.agency != *agency || *certificate.id.trust_domain != *trust_domain {
        return Err(wrong(format!(
            "it names {}; expected spiffe://{trust_domain}/agency/{}/signer/...",
            certificate.id,
            agency.id()
        )));
    }
    let revoked = trust
        .check_signer(&certificate, intermediates)
        .map_err(|e| {
            wrong(format!(
                "it does not chain to anchor.pem of its agency: {e}"
            ))
        })?;
    Ok(RegisteredSigner {
        certificate: Arc::new(certificate),
        revoked,
    })
}
