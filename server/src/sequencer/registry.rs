//! Updates of the registry on their way into the journal.

use std::fmt;

use casebroker_proto::{
    names::AgencyName,
    v1::{
        Entry, Group, Member, RegistryChange, RegistryUpdate, SigningCertificate, registry_change,
    },
};
use prost::Message as _;
use tokio::sync::oneshot;

use super::{
    draft::{Draft, salt},
    tail::Tail,
};
use crate::{identity::Members, state::Change};

/// Most bytes of changes in one entry; more go into several.
const ENTRY_BYTES: usize = 256 * 1024;

/// Members and groups as they are now, sorted by name.
#[derive(Debug, Clone, Default)]
pub struct RegistryState {
    /// Members.
    pub members: Vec<Member>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Names of members whose files could not be read. What is recorded of them stays.
    pub unread: Vec<String>,
}

impl From<&Members> for RegistryState {
    fn from(members: &Members) -> Self {
        let of = |agency: &AgencyName| {
            let member = members.member(agency)?;
            let mut anchors: Vec<_> = member.anchors().map(<[u8]>::to_vec).collect();
            anchors.sort();
            let mut signers: Vec<_> = member
                .signers()
                .map(|signer| SigningCertificate {
                    certificate: signer.certificate.der.clone(),
                    revoked: signer.revoked,
                })
                .collect();
            signers.sort_by(|a, b| a.certificate.cmp(&b.certificate));
            Some(Member {
                name: agency.to_string(),
                display_name: member.display_name().into(),
                anchors,
                signing_certificates: signers,
                contact: member.contact().into(),
            })
        };
        let groups = members.groups().map(|group| Group {
            name: format!("groups/{}", group.id),
            display_name: group.display_name.clone(),
            members: group.members.iter().map(ToString::to_string).collect(),
        });
        Self {
            members: members.agencies().filter_map(of).collect(),
            groups: groups.collect(),
            unread: members.unread().map(ToString::to_string).collect(),
        }
    }
}

/// A registry to be recorded and put in force.
pub(super) struct Update {
    now: RegistryState,
    install: Box<dyn FnOnce() + Send>,
    done: oneshot::Sender<()>,
}

impl Update {
    pub(super) fn new(
        now: RegistryState,
        install: Box<dyn FnOnce() + Send>,
        done: oneshot::Sender<()>,
    ) -> Self {
        Self { now, install, done }
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update").finish_non_exhaustive()
    }
}

impl Tail {
    /// Records what differs, then puts it in force.
    pub(super) fn update_registry(&mut self, update: Update) {
        let Update { now, install, done } = update;
        let known = self.given.membership.now();
        let mut changes = known.difference(&now.members, &now.groups);
        // A member whose files cannot be read was not removed.
        changes.retain(|change| match &change.change {
            Some(registry_change::Change::RemovedMember(name)) => !now.unread.contains(name),
            _ => true,
        });
        if !changes.is_empty() {
            self.record_changes(changes);
        }
        install();
        // Whoever asked may be gone; it is in force all the same.
        let _ = done.send(());
    }

    fn record_changes(&mut self, changes: Vec<RegistryChange>) {
        let first_position = self.given.frontier.size();
        let record_time = self.now();
        let updates = split(changes);
        let mut draft = Draft::default();
        for (position, update) in (first_position..).zip(&updates) {
            let entry = Entry {
                record_time: Some(record_time),
                salt: salt(),
                registry_update: Some(update.clone()),
                ..Default::default()
            };
            draft.entries.push(entry.encode_to_vec().into());
            draft.changes.push(Change::Registry(position));
        }
        self.make_durable(first_position, &draft);
        self.given
            .membership
            .apply((first_position..).zip(&updates));
        tracing::info!(
            first_position,
            entries = updates.len(),
            "the registry changed; recorded"
        );
    }
}

/// In pieces that fit an entry, in order.
fn split(changes: Vec<RegistryChange>) -> Vec<RegistryUpdate> {
    let mut updates: Vec<RegistryUpdate> = Vec::new();
    let mut bytes = usize::MAX;
    for change in changes {
        let more = change.encoded_len() + 8;
        match updates.last_mut() {
            Some(last) if bytes + more <= ENTRY_BYTES => last.changes.push(change),
            _ => {
                bytes = 0;
                let changes = vec![change];
                updates.push(RegistryUpdate { changes });
            }
        }
        bytes += more;
    }
    updates
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::registry_change::Change;

    use super::*;

    #[test]
    fn changes_are_split_in_order_and_each_piece_fits() {
        let changes: Vec<_> = (0..100)
            .map(|n| RegistryChange {
                change: Some(Change::RemovedGroup(format!("{n}{}", "x".repeat(9_000)))),
            })
            .collect();
        let updates = split(changes.clone());
        assert!(updates.len() > 1);
        assert!(updates.iter().all(|u| u.encoded_len() <= ENTRY_BYTES));
        let all: Vec<_> = updates.into_iter().flat_map(|u| u.changes).collect();
        assert_eq!(all, changes);
        assert!(split(Vec::new()).is_empty());
    }
}
