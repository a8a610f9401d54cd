//! The members in force: one snapshot at a time, replaced as a whole while everybody goes on reading.

use std::sync::Arc;

use arc_swap::ArcSwap;
use casebroker_proto::{
    names::AgencyName,
    statement::{SignerCertificate, Thumbprint},
};
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

    /// The signing certificate registered for this agency under this thumbprint, unless it is revoked.
    pub fn signer(
        &self,
        agency: &AgencyName,
        thumbprint: &Thumbprint,
    ) -> Option<Arc<SignerCertificate>> {
        let members = self.members.load();
        let signer = members.member(agency)?.signer(thumbprint)?;
        (!signer.revoked).then(|| Arc::clone(&signer.certificate))
    }

    /// Number of members and of their signing certificates.
    pub fn counts(&self) -> (usize, usize) {
        self.members.load().counts()
    }
}
