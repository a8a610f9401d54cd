//! Why a case does not count: one reason for each case.

use std::{fmt, sync::OnceLock};

use super::{NEWEST, Rule, Scope, rules};
use crate::v1::{Assessment, Case, CaseStatus, RuleOutcome};

/// Why a case does not count: the first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hindrance {
    /// Taken back.
    Retracted,
    /// A dispute is open.
    Disputed,
    /// Others name another country of origin.
    Contested,
    /// A rule of the standard, by its number in [`rules`] of the newest version, counted from 0.
    Rule(u8),
}

impl Hindrance {
    /// Every one, in its order.
    pub fn all() -> impl Iterator<Item = Self> {
        let rules = (0u8..).zip(newest()).map(|(number, _)| Self::Rule(number));
        let states = [Self::Retracted, Self::Disputed, Self::Contested];
        states.into_iter().chain(rules)
    }

    /// The one that this word means.
    pub fn find(word: &str) -> Option<Self> {
        Self::all().find(|hindrance| hindrance.as_str() == word)
    }

    /// The word in filters and answers: `retracted`, `disputed`, `contested`, or the id of the rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retracted => "retracted",
            Self::Disputed => "disputed",
            Self::Contested => "contested",
            Self::Rule(number) => rule(number).map_or("unknown-rule", |rule| rule.id),
        }
    }

    /// The reason in a sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::Retracted => "The owner took the case back.".into(),
            Self::Disputed => "A dispute of the case is open.".into(),
            Self::Contested => "Others name another country of origin.".into(),
            Self::Rule(number) => rule(number).map_or_else(String::new, |rule| {
                format!("This rule of the standard is not met: {}", rule.asks)
            }),
        }
    }
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What keeps a case from counting, or from the next status; none for one that is attributed, not retracted, disputed or contested.
///
/// A reported case lacks the first unmet rule of the case as a whole; if it meets those, the first unmet rule of the item that is
/// nearest to being confirmed: the one whose first unmet rule comes last in the order of the standard, of equal ones the first. A
/// confirmed case lacks the rule of the origin.
pub fn hindrance(assessment: &Assessment, case: &Case) -> Option<Hindrance> {
    if case.retracted {
        Some(Hindrance::Retracted)
    } else if case.disputes.iter().any(|d| d.end_position == 0) {
        Some(Hindrance::Disputed)
    } else if !case.contested_origins.is_empty() {
        Some(Hindrance::Contested)
    } else {
        unmet(assessment).map(Hindrance::Rule)
    }
}

/// Number of the rule that keeps a case from the next status.
fn unmet(assessment: &Assessment) -> Option<u8> {
    match assessment.status() {
        CaseStatus::Attributed => None,
        CaseStatus::Confirmed => first(Scope::Origin),
        CaseStatus::Reported | CaseStatus::Unspecified => unmet_of_case(&assessment.rules)
            .or_else(|| unmet_of_items(&assessment.rules))
            // Goods of no known kind are held against no rule, and nothing confirms them.
            .or_else(|| first(Scope::Substance)),
    }
}

fn unmet_of_case(outcomes: &[RuleOutcome]) -> Option<u8> {
    let unmet = outcomes.iter().filter(|outcome| !outcome.met);
    let of_case = unmet.filter_map(|outcome| of_scope(outcome, &[Scope::Case]));
    of_case.min()
}

fn unmet_of_items(outcomes: &[RuleOutcome]) -> Option<u8> {
    let scopes = [Scope::Substance, Scope::Equipment];
    let mut nearest = None;
    for outcomes in outcomes.chunk_by(|a, b| a.item == b.item) {
        let unmet = outcomes.iter().filter(|outcome| !outcome.met);
        let first = unmet.filter_map(|outcome| of_scope(outcome, &scopes)).min();
        // None, which is less than every number, is an item that lacks nothing: only the case can keep it from being confirmed.
        nearest = nearest.max(first);
    }
    nearest
}

/// Number of the rule of an outcome, if it is of one of these scopes.
fn of_scope(outcome: &RuleOutcome, scopes: &[Scope]) -> Option<u8> {
    let mut numbered = (0u8..).zip(newest());
    numbered
        .find(|(_, rule)| rule.id == outcome.rule && scopes.contains(&rule.scope))
        .map(|(number, _)| number)
}

fn first(scope: Scope) -> Option<u8> {
    let mut numbered = (0u8..).zip(newest());
    numbered
        .find(|(_, rule)| rule.scope == scope)
        .map(|(number, _)| number)
}

fn rule(number: u8) -> Option<&'static Rule> {
    newest().get(usize::from(number))
}

fn newest() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| rules(NEWEST).unwrap_or_default())
}
