//! Who may see what, written from the rules alone and apart from the broker's code: "Decisions worth knowing" in
//! ARCHITECTURE.md and the comments of `Handling` in the contract.
//!
//! A new rule has its place here: groups of agencies in [`Marking::of`], roles that see less than their agency in
//! [`Scope::of`], a kind of statement that shows a case to more in [`Effect`] and [`visible`].

use std::collections::BTreeSet;

use casebroker_proto::v1::{Handling, Tlp};

/// What decides what a caller sees: callers of one scope see the same. Each has a broker of its own that got nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Agency's id.
    pub agency: &'static str,
    /// Sees its own agency's cases and no others.
    pub own_only: bool,
}

/// Groups that an audience may name, with their members.
pub const GROUPS: [(&str, &[&str]); 2] = [
    ("groups/two-labs", &["us-cbp", "gb-nca"]),
    ("groups/pacific", &["au-afp", "cn-nncc", "us-dea"]),
];

impl Scope {
    /// The scope of a caller: an officer sees what its agency may see, any other role its own agency's cases.
    pub fn of(agency: &'static str, role: &'static str) -> Self {
        Self {
            agency,
            own_only: role != "officer",
        }
    }
}

/// Handling as it counted when its statement was recorded.
#[derive(Debug, Clone)]
pub struct Marking {
    everybody: bool,
    agencies: BTreeSet<String>,
}

impl Marking {
    /// Resolves a handling at the time of recording.
    pub fn of(handling: &Handling) -> Self {
        let open = matches!(handling.tlp(), Tlp::Clear | Tlp::Green);
        let mut agencies = BTreeSet::new();
        for name in &handling.audience {
            match name.split_once('/') {
                Some(("agencies", id)) => {
                    agencies.insert(id.to_owned());
                }
                _ => {
                    let group = GROUPS.iter().find(|(group, _)| group == name);
                    let (_, members) = group.expect("a group that the model knows");
                    agencies.extend(members.iter().map(|id| (*id).to_owned()));
                }
            };
        }
        Self {
            everybody: open && handling.audience.is_empty(),
            agencies,
        }
    }
}

impl Marking {
    /// Whether it names an agency, or everybody.
    pub fn includes(&self, agency: &str) -> bool {
        self.everybody || self.agencies.contains(agency)
    }

    /// Whether a statement so marked is for nobody whom the case is not for.
    pub fn is_within(&self, maker: &str, case: &Self, owner: &str) -> bool {
        let mut named = self.agencies.iter().map(String::as_str).chain([maker]);
        case.everybody || !self.everybody && named.all(|a| a == owner || case.includes(a))
    }
}

impl Told {
    /// Whether it is for an agency, whoever may see the case.
    pub fn is_for(&self, agency: &str, owner: &str) -> bool {
        match &self.effect {
            Effect::Retraction => true,
            Effect::Revision(marking) | Effect::Release(marking) | Effect::Remark(marking) => {
                agency == owner || agency == self.maker || marking.includes(agency)
            }
        }
    }
}

/// What a recorded statement does to who sees its case.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A report or an amendment: the newest decides who sees the case.
    Revision(Marking),
    /// From then on this decides who sees the case; it shows the revision in force, and none before, to those it adds.
    Release(Marking),
    /// Shown to everybody who sees the case.
    Retraction,
    /// Anything else that is said of a case: for those whom it is marked for, as far as they see the case.
    Remark(Marking),
}

/// A statement of a case, as far as the rules look at it.
#[derive(Debug, Clone)]
pub struct Told {
    /// Agency that made it.
    pub maker: &'static str,
    /// What it does.
    pub effect: Effect,
}

/// Which of a case's statements, oldest first, a scope sees: one answer each.
pub fn visible(scope: Scope, owner: &str, told: &[Told]) -> Vec<bool> {
    let reaches = scope.agency == owner || !scope.own_only;
    let sees = |told: &Told| {
        matches!(told.effect, Effect::Retraction) || reaches && told.is_for(scope.agency, owner)
    };
    let decides = |told: &&Told| matches!(told.effect, Effect::Revision(_) | Effect::Release(_));
    let deciding = told.iter().rev().find(decides);
    if !deciding.is_some_and(sees) {
        return vec![false; told.len()];
    }
    (0..told.len())
        .map(|n| {
            let is_revision = |told: &&Told| matches!(told.effect, Effect::Revision(_));
            let until_next = told[n + 1..].iter().take_while(|told| !is_revision(told));
            let mut releases = until_next.filter(|told| matches!(told.effect, Effect::Release(_)));
            sees(&told[n]) || is_revision(&&told[n]) && releases.any(sees)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tlp: Tlp, audience: &[&str]) -> Told {
        let handling = casebroker_tests::cases::handling(tlp, audience);
        Told {
            maker: "owner",
            effect: Effect::Revision(Marking::of(&handling)),
        }
    }

    #[test]
    fn the_newest_revision_decides_and_each_statement_keeps_its_own_audience() {
        let retraction = Told {
            maker: "owner",
            effect: Effect::Retraction,
        };
        let history = [
            told(Tlp::Green, &[]),
            told(Tlp::Red, &["a"]),
            told(Tlp::Amber, &["a", "b"]),
            retraction,
        ];
        let sees = |agency, n: usize| visible(Scope::of(agency, "officer"), "owner", &history[..n]);
        assert_eq!(sees("owner", 4), [true; 4]);
        assert_eq!(sees("a", 4), [true; 4]);
        assert_eq!(sees("b", 1), [true]);
        assert_eq!(sees("b", 2), [false; 2], "narrowed, so withdrawn");
        assert_eq!(sees("b", 4), [true, false, true, true]);
        assert_eq!(sees("c", 4), [false; 4]);
    }

    #[test]
    fn a_release_shows_the_newest_revision_and_roles_but_officers_see_their_own_cases() {
        let release = Told {
            maker: "owner",
            effect: Effect::Release(Marking::of(&casebroker_tests::cases::handling(
                Tlp::Amber,
                &["a", "b"],
            ))),
        };
        let history = [told(Tlp::Red, &["a"]), told(Tlp::Red, &["a"]), release];
        let sees = |agency, role| visible(Scope::of(agency, role), "owner", &history);
        assert_eq!(sees("b", "officer"), [false, true, true]);
        assert_eq!(sees("b", "system"), [false; 3]);
        assert_eq!(sees("owner", "system"), [true; 3]);
    }

    #[test]
    fn an_empty_audience_is_everybody_under_green_and_clear_only() {
        for (tlp, everybody) in [
            (Tlp::Clear, true),
            (Tlp::Green, true),
            (Tlp::Amber, false),
            (Tlp::AmberStrict, false),
            (Tlp::Red, false),
        ] {
            let seen = visible(Scope::of("a", "officer"), "owner", &[told(tlp, &[])]);
            assert_eq!(seen, [everybody], "{tlp:?}");
        }
    }
}
