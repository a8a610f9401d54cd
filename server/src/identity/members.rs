//! The members as their folders say at one moment: never changed, only replaced as a whole.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use casebroker_proto::{
    names::AgencyName,
    statement::{SignerCertificate, Thumbprint},
};
use rustls::pki_types::{CertificateDer, UnixTime};
use serde::Deserialize;

use super::{
    Crl, Fault, Group, IdentityError, files,
    groups::{self, check_contact, check_display_name},
    trust::Trust,
    verifier::{read_principal, refused},
};
use crate::config::Config;

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
    faults: Vec<Fault>,
}

/// One member.
#[derive(Debug, Clone)]
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
    /// Last second in which the certificates above it are valid, seconds since the Unix epoch. Then it signs nothing.
    pub chain_ends: i64,
    /// Name of its file.
    file: Box<str>,
    intermediates: Vec<CertificateDer<'static>>,
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
    /// Reads the members' folder. Every folder in it is a member; its name is the agency's id. Names that begin with a dot and
    /// `lost+found` are left alone. What is wrong with one member is a fault of that member, or, with `identity.strict`, an
    /// error.
    pub fn load(config: &Config) -> Result<Self, IdentityError> {
        let (dir, trust_domain) = (&config.members_dir, &*config.trust_domain);
        let mut members = BTreeMap::new();
        let mut faults = Vec::new();
        // Room for `groups.toml` and what an editor leaves beside it.
        for path in files::entries(dir, MAX_MEMBERS + 100)? {
            let id = path.file_name().and_then(|n| n.to_str());
            let id = id.unwrap_or_default();
            if id.starts_with('.') || id == "lost+found" {
                continue;
            }
            // A folder that cannot be looked at is at fault, and not removed.
            let metadata = std::fs::metadata(&path);
            if metadata.as_ref().is_ok_and(|m| !m.is_dir()) {
                continue;
            }
            let agency = match AgencyName::from_id(id) {
                Ok(agency) => agency,
                Err(e) => {
                    let error = files::content(&path, e.to_string());
                    faults.push(Fault::of(None, error));
                    continue;
                }
            };
            let found = metadata.map_err(|e| files::unreadable(&path, e));
            match found.and_then(|_| Member::load(&path, &agency, config, &mut faults)) {
                Ok(member) => drop(members.insert(agency, member)),
                Err(error) => faults.push(Fault::of(Some(agency), error)),
            }
        }
        if config.identity.strict && !faults.is_empty() {
            return Err(faults.swap_remove(0).error);
        }
        let at_fault = faults.iter().filter(|f| f.is_of_member()).count();
        if !(1..=MAX_MEMBERS).contains(&(members.len() + at_fault)) {
            let problem = format!(
                "{} members; it must have a folder for at least one agency, and for at most {MAX_MEMBERS}",
                members.len()
            );
            return Err(files::content(dir, problem));
        }
        let groups = groups::read(&dir.join("groups.toml"), |agency| {
            // A member at fault stays in its groups: it must not miss what is recorded for them.
            members.contains_key(agency) || faults.iter().any(|f| f.shuts_out(agency))
        })?;
        Ok(Self {
            trust_domain: trust_domain.into(),
            members,
            groups,
            faults,
        })
    }

    /// What could not be read.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Writes what could not be read to the log.
    pub fn log_faults(&self) {
        self.faults.iter().for_each(Fault::log);
    }

    /// The agencies whose files could not be read. What the log says of them stays.
    pub fn unread(&self) -> impl Iterator<Item = &AgencyName> {
        let whole = self.faults.iter().filter(|fault| fault.is_of_member());
        whole.filter_map(|fault| fault.agency.as_ref())
    }

    /// Takes what could not be read from `before`. What is revoked there stays revoked, and what the lists that could be read
    /// name is revoked.
    pub fn keep_last_good(&mut self, before: &Self) {
        for fault in &self.faults {
            let Some(agency) = &fault.agency else {
                continue;
            };
            let Some(old) = before.members.get(agency) else {
                continue;
            };
            match (&fault.signer_file, self.members.get_mut(agency)) {
                (Some(file), Some(member)) if member.trust.anchors == old.trust.anchors => {
                    member.keep_signer(file, old);
                }
                // Under other anchors than before, one signer at fault puts all of it in doubt.
                _ => drop(self.members.insert(agency.clone(), old.clone())),
            }
        }
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

    /// Its revocation lists in force, the newest of each issuer and scope, sorted by issuer.
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
        config: &Config,
        faults: &mut Vec<Fault>,
    ) -> Result<Self, IdentityError> {
        let about = dir.join("member.toml");
        let file: MemberFile = toml::from_str(&files::text(&about, MAX_MEMBER_FILE_BYTES)?)
            .map_err(|e| files::content(&about, e.to_string().trim_end().to_owned()))?;
        check_display_name(&file.display_name).map_err(|e| files::content(&about, e))?;
        check_contact(&file.contact).map_err(|e| files::content(&about, e))?;
        let trust = Trust::load(dir, config.identity.expired_crl)?;
        let mut signers = BTreeMap::new();
        for path in files::entries(&dir.join("signers"), MAX_SIGNERS)? {
            if path.extension().is_none_or(|e| e != "pem") {
                continue;
            }
            match load_signer(&path, agency, &config.trust_domain, &trust) {
                Ok(signer) => drop(signers.insert(signer.certificate.thumbprint, signer)),
                Err(error) => faults.push(Fault {
                    agency: Some(agency.clone()),
                    signer_file: Some(file_name(&path)),
                    error,
                }),
            }
        }
        Ok(Self {
            display_name: file.display_name,
            contact: file.contact,
            trust: Arc::new(trust),
            signers,
        })
    }

    /// Takes the signer that was read from this file before.
    fn keep_signer(&mut self, file: &str, old: &Self) {
        for (thumbprint, signer) in old.signers.iter().filter(|(_, s)| *s.file == *file) {
            let der = CertificateDer::from(signer.certificate.der.as_slice());
            let named = self.trust.is_named(&der, &signer.intermediates);
            let mut signer = signer.clone();
            signer.revoked |= named.unwrap_or(true);
            self.signers.entry(*thumbprint).or_insert(signer);
        }
    }
}

fn file_name(path: &Path) -> Box<str> {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into()
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
    let chain_ends = trust
        .chain_ends(intermediates)
        .map_err(|e| wrong(e.to_string()))?;
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    if chain_ends < now {
        let (agency, file) = (agency.id(), path.display());
        tracing::error!(
            agency,
            %file,
            "a certificate above this signing certificate is expired: it signs nothing until the agency renews the chain"
        );
    }
    Ok(RegisteredSigner {
        certificate: Arc::new(certificate),
        revoked,
        chain_ends,
        file: file_name(path),
        intermediates: intermediates.to_vec(),
    })
}
