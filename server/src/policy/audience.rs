//! Who may see what: the one function that decides, and how audiences compare.

use std::collections::BTreeSet;

use casebroker_proto::{
    names::AgencyName,
    v1::{Handling, Tlp},
};

/// Which members a group had when something was recorded.
pub trait Groups {
    /// Members, `agencies/{agency}`, of `groups/{group}` as far as anything before this position says; empty if there was no
    /// such group.
    fn members_at(&self, group: &str, position: u64) -> &[String];
}

/// Who reads, and how far its role reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Agency of the caller.
    pub agency: AgencyName,
    /// What of it the role may see.
    pub reach: Reach,
}

/// How far a role sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Cases that its own agency owns.
    OwnCases,
    /// Whatever its agency may see.
    Audience,
}

impl Viewer {
    /// The agency's widest view.
    pub fn of(agency: &AgencyName) -> Self {
        Self {
            agency: agency.clone(),
            reach: Reach::Audience,
        }
    }
}

/// What decides who may see a statement.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Agency that made the statement.
    pub maker: &'a AgencyName,
    /// Agency that owns its case.
    pub owner: &'a AgencyName,
    /// Its marking and audience.
    pub handling: &'a Handling,
    /// Where it was recorded; decides what its groups mean.
    pub position: u64,
}

/// Whether a viewer may see a statement: the one function that decides.
///
/// The agency that made the statement and the owner of its case always may. Else the audience decides; an empty audience
/// means every member, under TLP:GREEN and TLP:CLEAR only. A viewer whose reach is its own cases sees nothing of others'.
pub fn may_see(viewer: &Viewer, subject: Subject<'_>, groups: &dyn Groups) -> bool {
    let agency = &viewer.agency;
    if agency == subject.owner {
        return true;
    }
    if viewer.reach == Reach::OwnCases {
        return false;
    }
    if agency == subject.maker {
        return true;
    }
    let Subject {
        handling, position, ..
    } = subject;
    if handling.audience.is_empty() {
        return means_everybody(handling);
    }
    let is_caller = |name: &String| name.strip_prefix("agencies/") == Some(agency.id());
    handling
        .audience
        .iter()
        .any(|name| is_caller(name) || groups.members_at(name, position).iter().any(is_caller))
}

/// Whether everybody who may see `inner` may see `outer`: audiences with their groups resolved.
pub fn is_within(inner: Subject<'_>, outer: Subject<'_>, groups: &dyn Groups) -> bool {
    match (readers(inner, groups), readers(outer, groups)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.is_subset(&outer),
    }
}

/// Names of all who may see it, whatever their reach; `None` means every member. The same as asking [`may_see`] for each.
pub fn readers(subject: Subject<'_>, groups: &dyn Groups) -> Option<BTreeSet<String>> {
    let handling = subject.handling;
    if handling.audience.is_empty() && means_everybody(handling) {
        return None;
    }
    let mut readers: BTreeSet<String> = handling
        .audience
        .iter()
        .flat_map(|name| match name.starts_with("groups/") {
            true => groups.members_at(name, subject.position).to_vec(),
            false => vec![name.clone()],
        })
        .collect();
    readers.insert(subject.owner.to_string());
    readers.insert(subject.maker.to_string());
    Some(readers)
}

fn means_everybody(handling: &Handling) -> bool {
    matches!(handling.tlp(), Tlp::Green | Tlp::Clear)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `groups/labs` has one member until position 10, then two.
    struct Labs;

    impl Groups for Labs {
        fn members_at(&self, group: &str, position: u64) -> &[String] {
            static MEMBERS: std::sync::LazyLock<[String; 2]> = std::sync::LazyLock::new(|| {
                ["agencies/ca-rcmp".into(), "agencies/nz-police".into()]
            });
            match (group, position) {
                ("groups/labs", 0..10) => &MEMBERS[..1],
                ("groups/labs", _) => &MEMBERS[..],
                _ => &[],
            }
        }
    }

    fn agency(id: &str) -> AgencyName {
        AgencyName::from_id(id).unwrap()
    }

    fn handling(tlp: Tlp, audience: &[&str]) -> Handling {
        Handling {
            tlp: tlp.into(),
            audience: audience.iter().map(|a| (*a).to_owned()).collect(),
            ..Default::default()
        }
    }

    fn sees_at(position: u64, viewer: &Viewer, tlp: Tlp, audience: &[&str]) -> bool {
        let subject = Subject {
            maker: &agency("us-dea"),
            owner: &agency("us-cbp"),
            handling: &handling(tlp, audience),
            position,
        };
        may_see(viewer, subject, &Labs)
    }

    fn sees(caller: &str, tlp: Tlp, audience: &[&str]) -> bool {
        sees_at(0, &Viewer::of(&agency(caller)), tlp, audience)
    }

    #[test]
    fn maker_and_owner_always_see() {
        assert!(sees("us-dea", Tlp::Red, &["agencies/ca-rcmp"]));
        assert!(sees("us-cbp", Tlp::Red, &["agencies/ca-rcmp"]));
    }

    #[test]
    fn an_empty_audience_means_everybody_only_under_green_and_clear() {
        for tlp in [Tlp::Clear, Tlp::Green] {
            assert!(sees("cn-nncc", tlp, &[]));
        }
        for tlp in [Tlp::Unspecified, Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
            assert!(!sees("cn-nncc", tlp, &[]));
        }
    }

    #[test]
    fn a_named_audience_is_exact() {
        assert!(sees("ca-rcmp", Tlp::Red, &["agencies/ca-rcmp"]));
        for audience in [
            "agencies/ca-rcm",
            "ca-rcmp",
            "agencies/ca-rcmp2",
            "groups/ca-rcmp",
            "",
        ] {
            assert!(!sees("ca-rcmp", Tlp::Green, &[audience]), "{audience}");
        }
    }

    #[test]
    fn a_group_is_who_was_in_it_when_the_statement_was_recorded() {
        let police = Viewer::of(&agency("nz-police"));
        for (position, expected) in [(9, false), (10, true)] {
            let sees = sees_at(position, &police, Tlp::Amber, &["groups/labs"]);
            assert_eq!(sees, expected, "position {position}");
        }
    }

    #[test]
    fn a_reach_of_own_cases_ends_at_them() {
        let reaching = |id: &str| Viewer {
            agency: agency(id),
            reach: Reach::OwnCases,
        };
        assert!(sees_at(
            0,
            &reaching("us-cbp"),
            Tlp::Red,
            &["agencies/ca-rcmp"]
        ));
        assert!(!sees_at(
            0,
            &reaching("us-dea"),
            Tlp::Red,
            &["agencies/ca-rcmp"]
        ));
        assert!(!sees_at(0, &reaching("ca-rcmp"), Tlp::Clear, &[]));
    }

    #[test]
    fn audiences_compare_by_who_is_in_them() {
        use Tlp::{Amber, Clear, Green, Red};
        let within = |inner: (u64, Tlp, &[&str]), outer: (u64, Tlp, &[&str])| {
            let (owner, maker) = (agency("us-cbp"), agency("us-cbp"));
            let (a, b) = (handling(inner.1, inner.2), handling(outer.1, outer.2));
            let subject = |handling, position| Subject {
                maker: &maker,
                owner: &owner,
                handling,
                position,
            };
            is_within(subject(&a, inner.0), subject(&b, outer.0), &Labs)
        };
        let rcmp: &[&str] = &["agencies/ca-rcmp"];
        let both: &[&str] = &["agencies/ca-rcmp", "agencies/nz-police"];
        let labs: &[&str] = &["groups/labs"];
        assert!(within((0, Red, rcmp), (0, Red, both)));
        assert!(!within((0, Red, both), (0, Red, rcmp)));
        assert!(within((0, Red, both), (0, Green, &[])));
        assert!(!within((0, Clear, &[]), (0, Green, both)));
        // Naming the owner adds nobody.
        assert!(within(
            (0, Amber, &["agencies/us-cbp", "agencies/ca-rcmp"]),
            (0, Amber, rcmp)
        ));
        assert!(within((0, Amber, labs), (0, Amber, rcmp)));
        assert!(!within((10, Amber, labs), (0, Amber, labs)));
        assert!(within((0, Amber, both), (10, Amber, labs)));
    }
}
