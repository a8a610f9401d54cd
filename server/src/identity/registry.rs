//! The members in force: one snapshot at a time, replaced as a whole while everybody goes on reading.

use std::sync::Arc;

use arc_swap::ArcSwap;
use casebroker_proto::{
    names::AgencyName,
    statement::{SignerCertificate, Thumbprint},
};
use rustls::pki_types::UnixTime;
use tokio::sync::watch;

use super::Members;

/// Who the members are now.
#[derive(Debug)]
pub struct Registry {
    members: ArcSwap<Members>,
    /// Counts the replacements; live connections wait for it.
    generation: watch::Sender<u64>,
}

impl Registry {
    /// A registry that begins with these members.
    pub fn new(members: Members) -> Self {
        Self {
            members: ArcSwap::from_pointee(members),
            generation: watch::Sender::new(0),
        }
    }

    /// The members in force now. Whoever decides several things about one matter keeps the answer for all of them.
    pub fn current(&self) -> Arc<Members> {
        self.members.load_full()
    }

    /// Puts other members in force. Connections that these would not let in are closed.
    pub fn replace(&self, mut members: Members) {
        members.share_unchanged(&self.members.load());
        self.members.store(Arc::new(members));
        // Only after it is in force: whoever is woken must see it.
        self.generation.send_modify(|n| *n += 1);
    }

    /// Number of replacements so far, to wait for the next.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Whether this agency is a member.
    pub fn is_member(&self, agency: &AgencyName) -> bool {
        self.members.load().member(agency).is_some()
    }

    /// The signing certificate registered for this agency under this thumbprint, unless it is revoked or a
    /// certificate above it is expired.
    pub fn signer(
        &self,
        agency: &AgencyName,
        thumbprint: &Thumbprint,
    ) -> Option<Arc<SignerCertificate>> {
        let members = self.members.load();
        let signer = members.member(agency)?.signer(thumbprint)?;
        let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
        (!signer.revoked && now <= signer.chain_ends).then(|| Arc::clone(&signer.certificate))
    }

    /// Number of members and of their signing certificates.
    pub fn counts(&self) -> (usize, usize) {
        self.members.load().counts()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{config::Config, demo::pki};

    fn made(dir: &Path) -> Config {
        let layout = pki::create(&pki::InitArgs {
            dir: dir.into(),
            agencies: vec!["us-cbp".into(), "cn-nncc".into()],
            trust_domain: "casebroker.example".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
        });
        Config::load(&layout.unwrap().broker_config()).unwrap()
    }

    fn revoke(dir: &Path, role: &str, name: &str) {
        pki::revoke_certificate(&pki::RevokeArgs {
            dir: dir.into(),
            agency: "us-cbp".into(),
            role: Some(role.into()),
            name: Some(name.into()),
            serial: None,
        })
        .unwrap();
    }

    #[test]
    fn what_did_not_change_stays_the_same_object_and_waiters_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let config = made(dir.path());
        let registry = Registry::new(Members::load(&config).unwrap());
        let mut generation = registry.generation();
        let [cbp, nncc] = ["us-cbp", "cn-nncc"].map(|id| AgencyName::from_id(id).unwrap());
        let before = registry.current();
        registry.replace(Members::load(&config).unwrap());
        let same = registry.current();
        assert!(!Arc::ptr_eq(&before, &same));
        for agency in [&cbp, &nncc] {
            let trusts = [&before, &same].map(|m| m.trust(agency).unwrap());
            assert!(Arc::ptr_eq(trusts[0], trusts[1]));
        }
        assert!(generation.has_changed().unwrap());
        assert_eq!(*generation.borrow_and_update(), 1);

        revoke(dir.path(), "officer", "liaison");
        registry.replace(Members::load(&config).unwrap());
        let changed = registry.current();
        let is_same =
            |agency| Arc::ptr_eq(same.trust(agency).unwrap(), changed.trust(agency).unwrap());
        assert!(is_same(&nncc) && !is_same(&cbp));
    }

    #[test]
    fn a_revoked_signer_is_found_but_signs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let config = made(dir.path());
        let registry = Registry::new(Members::load(&config).unwrap());
        let cbp = AgencyName::from_id("us-cbp").unwrap();
        let thumbprint = {
            let members = registry.current();
            let ids: Vec<_> = members.agencies().map(AgencyName::id).collect();
            assert_eq!(ids, ["cn-nncc", "us-cbp"]);
            let member = members.member(&cbp).unwrap();
            assert!(member.crls().is_empty());
            let signer = member.signers().next().unwrap();
            assert!(!signer.revoked);
            signer.certificate.thumbprint
        };
        assert!(registry.signer(&cbp, &thumbprint).is_some());

        revoke(dir.path(), "signer", "2026a");
        registry.replace(Members::load(&config).unwrap());
        assert!(registry.signer(&cbp, &thumbprint).is_none());
        let members = registry.current();
        let member = members.member(&cbp).unwrap();
        assert!(member.signers().all(|s| s.revoked));
        assert_eq!(member.anchors().count(), 1);
        let [crl] = member.crls() else {
            panic!("one list: {:?}", member.crls())
        };
        assert_eq!((crl.number.as_deref(), crl.revoked), (Some("1"), 1));
    }
}
