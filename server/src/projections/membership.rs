//! Who was a member, with which keys, and who was in which group, at each position: folded from the registry's updates in
//! the journal.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;
use casebroker_proto::{
    filter::Known,
    names::{AgencyName, GroupName},
    statement::{Thumbprint, thumbprint},
    v1::{Group, Member, RegistryChange, RegistryUpdate, registry_change::Change},
};

use crate::policy::Groups;

/// The registry's history, shared. Reading takes no lock; updates are rare and replace it whole.
#[derive(Debug, Default)]
pub struct Membership(ArcSwap<History>);

/// The registry as recorded, at every position.
#[derive(Debug, Clone, Default)]
pub struct History {
    members: BTreeMap<String, Versions<Member>>,
    groups: BTreeMap<String, Versions<Group>>,
    certificates: HashMap<Thumbprint, Arc<[u8]>>,
    updates: Vec<u64>,
}

/// What something was from each position on, oldest first; `None` from where it was removed.
type Versions<T> = Vec<(u64, Option<Arc<T>>)>;

impl Membership {
    /// The history as of now.
    pub fn now(&self) -> Arc<History> {
        self.0.load_full()
    }

    /// Takes in updates recorded at these positions, which are beyond all before.
    pub fn apply<'a>(&self, updates: impl IntoIterator<Item = (u64, &'a RegistryUpdate)>) {
        let mut history = History::clone(&self.0.load());
        for (position, update) in updates {
            history.apply(position, update);
        }
        self.0.store(Arc::new(history));
    }
}

impl History {
    /// The member with this name, as it is now.
    pub fn member(&self, agency: &AgencyName) -> Option<&Member> {
        now(self.members.get(&agency.to_string())?)
    }

    /// The member with this name as it is or last was.
    pub fn ever_member(&self, agency: &AgencyName) -> Option<&Member> {
        let versions = self.members.get(&agency.to_string())?;
        versions
            .iter()
            .rev()
            .find_map(|(_, version)| version.as_deref())
    }

    /// Members of a group as it is now; `None` if there is no such group.
    pub fn members_of(&self, group: &str) -> Option<&[String]> {
        now(self.groups.get(group)?).map(|group| group.members.as_slice())
    }

    /// Members after this name, by name; an empty one begins with the first.
    pub fn members_after(&self, name: &str) -> impl Iterator<Item = &Member> {
        let rest = self.members.range::<str, _>(after(name));
        rest.filter_map(|(_, versions)| now(versions))
    }

    /// Groups after this name, by name; an empty one begins with the first.
    pub fn groups_after(&self, name: &str) -> impl Iterator<Item = &Group> {
        let rest = self.groups.range::<str, _>(after(name));
        rest.filter_map(|(_, versions)| now(versions))
    }

    /// Whether there is a group with this name, `groups/{group}`, now.
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.get(name).is_some_and(|v| now(v).is_some())
    }

    /// A signing certificate (X.509 DER) that was ever registered.
    pub fn certificate(&self, thumbprint: &Thumbprint) -> Option<&[u8]> {
        self.certificates.get(thumbprint).map(AsRef::as_ref)
    }

    /// Positions of all updates, oldest first.
    pub fn updates(&self) -> &[u64] {
        &self.updates
    }

    /// What has to be recorded so that members and groups are exactly these.
    pub fn difference(&self, members: &[Member], groups: &[Group]) -> Vec<RegistryChange> {
        let mut changes = Vec::new();
        for member in members {
            let known = self.members.get(&member.name).and_then(|v| now(v));
            if known != Some(member) {
                changes.push(Change::Member(member.clone()));
            }
        }
        let gone = self.members_after("").map(|m| &m.name);
        let gone = gone.filter(|name| !members.iter().any(|m| m.name == **name));
        changes.extend(gone.cloned().map(Change::RemovedMember));
        for group in groups {
            let known = self.groups.get(&group.name).and_then(|v| now(v));
            if known != Some(group) {
                changes.push(Change::Group(group.clone()));
            }
        }
        let gone = self.groups_after("").map(|g| &g.name);
        let gone = gone.filter(|name| !groups.iter().any(|g| g.name == **name));
        changes.extend(gone.cloned().map(Change::RemovedGroup));
        let changes = changes.into_iter();
        let wrapped = changes.map(|change| RegistryChange {
            change: Some(change),
        });
        wrapped.collect()
    }

    fn apply(&mut self, position: u64, update: &RegistryUpdate) {
        self.updates.push(position);
        for change in &update.changes {
            match &change.change {
                Some(Change::Member(member)) => {
                    for signing in &member.signing_certificates {
                        let der = &signing.certificate;
                        let key = thumbprint(der);
                        self.certificates
                            .entry(key)
                            .or_insert_with(|| der.as_slice().into());
                    }
                    push(&mut self.members, &member.name, position, Some(member));
                }
                Some(Change::Group(group)) => {
                    push(&mut self.groups, &group.name, position, Some(group));
                }
                Some(Change::RemovedMember(name)) => {
                    push(&mut self.members, name, position, None);
                }
                Some(Change::RemovedGroup(name)) => push(&mut self.groups, name, position, None),
                None => {}
            }
        }
    }
}

/// What a filter may name.
impl Known for History {
    fn member(&self, agency: &AgencyName) -> Option<String> {
        let member = self.ever_member(agency);
        member.map(|member| member.display_name.clone())
    }

    fn group(&self, group: &GroupName) -> Option<Vec<AgencyName>> {
        let members = self.members_of(&group.to_string())?.iter();
        Some(members.filter_map(|name| name.parse().ok()).collect())
    }

    fn names(&self) -> Vec<String> {
        let members = self.members_after("").map(|member| member.name.clone());
        members
            .chain(self.groups_after("").map(|group| group.name.clone()))
            .collect()
    }
}

impl Groups for History {
    fn members_at(&self, group: &str, position: u64) -> &[String] {
        let Some(versions) = self.groups.get(group) else {
            return &[];
        };
        let before = versions.partition_point(|(from, _)| *from < position);
        let version = before.checked_sub(1).and_then(|n| versions.get(n));
        match version {
            Some((_, Some(group))) => &group.members,
            _ => &[],
        }
    }
}

fn after(name: &str) -> (std::ops::Bound<&str>, std::ops::Bound<&str>) {
    (std::ops::Bound::Excluded(name), std::ops::Bound::Unbounded)
}

fn now<T>(versions: &Versions<T>) -> Option<&T> {
    versions.last().and_then(|(_, version)| version.as_deref())
}

fn push<T: Clone>(
    map: &mut BTreeMap<String, Versions<T>>,
    name: &str,
    position: u64,
    version: Option<&T>,
) {
    let version = version.map(|v| Arc::new(v.clone()));
    map.entry(name.to_owned())
        .or_default()
        .push((position, version));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, display: &str) -> Member {
        Member {
            name: format!("agencies/{id}"),
            display_name: display.into(),
            ..Default::default()
        }
    }

    fn group(members: &[&str]) -> Group {
        Group {
            name: "groups/labs".into(),
            display_name: String::new(),
            members: members.iter().map(|m| format!("agencies/{m}")).collect(),
        }
    }

    #[test]
    fn applying_the_difference_leaves_none() {
        let membership = Membership::default();
        let worlds = [
            (
                vec![member("a", "A"), member("b", "B")],
                vec![group(&["a"])],
            ),
            (
                vec![member("a", "A"), member("b", "B")],
                vec![group(&["a", "b"])],
            ),
            (vec![member("b", "other"), member("c", "C")], vec![]),
            (
                vec![member("a", "A"), member("c", "C")],
                vec![group(&["c"])],
            ),
        ];
        for (position, (members, groups)) in worlds.iter().enumerate() {
            let changes = membership.now().difference(members, groups);
            assert!(!changes.is_empty());
            let update = RegistryUpdate { changes };
            membership.apply([(position as u64, &update)]);
            let now = membership.now();
            assert_eq!(now.difference(members, groups), vec![]);
            assert_eq!(now.members_after("").cloned().collect::<Vec<_>>(), *members);
            assert_eq!(now.groups_after("").cloned().collect::<Vec<_>>(), *groups);
        }
        assert_eq!(membership.now().updates(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_group_is_known_as_it_was_at_each_position() {
        let membership = Membership::default();
        for (position, change) in [
            (3, Change::Group(group(&["a"]))),
            (5, Change::Group(group(&["a", "b"]))),
            (9, Change::RemovedGroup("groups/labs".into())),
        ] {
            let changes = vec![RegistryChange {
                change: Some(change),
            }];
            membership.apply([(position, &RegistryUpdate { changes })]);
        }
        let history = membership.now();
        let counts = [(3, 0), (4, 1), (5, 1), (6, 2), (9, 2), (10, 0)];
        for (position, count) in counts {
            let members = history.members_at("groups/labs", position);
            assert_eq!(members.len(), count, "at {position}");
        }
        assert!(!history.has_group("groups/labs"));
        assert!(history.members_at("groups/other", 100).is_empty());
    }
}
