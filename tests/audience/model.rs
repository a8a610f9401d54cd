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
}

impl Scope {
    /// The scope of a caller. The role decides which methods it may call, which is the same at every broker, and nothing else.
    pub fn of(agency: &'static str, _role: &'static str) -> Self {
        Self { agency }
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
                Some(("agencies", id)) => agencies.insert(id.to_owned()),
                _ => panic!("the model knows no `{name}` in an audience"),
            };
        }
        Self {
            everybody: open && handling.audience.is_empty(),
            agencies,
        }
    }
}

/// What a recorded statement does to who sees its case.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A report or an amendment: the newest decides who sees the case.
    Revision(Marking),
    /// Shown to everybody who sees the case.
    Retraction,
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
    let sees = |told: &Told| match &told.effect {
        Effect::Retraction => true,
        Effect::Revision(marking) => {
            scope.agency == owner
                || scope.agency == told.maker
                || marking.everybody
                || marking.agencies.contains(scope.agency)
        }
    };
    let newest = told
        .iter()
        .rev()
        .find(|told| matches!(told.effect, Effect::Revision(_)));
    match newest {
        Some(newest) if sees(newest) => told.iter().map(sees).collect(),
        _ => vec![false; told.len()],
    }
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
        let sees = |agency, n: usize| visible(Scope { agency }, "owner", &history[..n]);
        assert_eq!(sees("owner", 4), [true; 4]);
        assert_eq!(sees("a", 4), [true; 4]);
        assert_eq!(sees("b", 1), [true]);
        assert_eq!(sees("b", 2), [false; 2], "narrowed, so withdrawn");
        assert_eq!(sees("b", 4), [true, false, true, true]);
        assert_eq!(sees("c", 4), [false; 4]);
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
            let seen = visible(Scope { agency: "a" }, "owner", &[told(tlp, &[])]);
            assert_eq!(seen, [everybody], "{tlp:?}");
        }
    }
}
