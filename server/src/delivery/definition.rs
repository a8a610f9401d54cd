//! From what the contract says to what the room works with.

use casebroker_proto::{
    errors::Violation,
    filter::{self, Compiled},
    names::Role,
    subscription::settings,
    v1::{FilterTerm, Subscription},
};

use super::subscribed::Definition;
use crate::{
    policy::{Reach, Viewer},
    projections::{History, text::TextQuery},
};

/// The role that a subscription sees as.
pub fn role_of(subscription: &Subscription) -> Option<Role> {
    let role = subscription.viewer_role.parse().ok();
    role.filter(|role| matches!(role, Role::Officer | Role::System))
}

/// A subscription, checked, with the filter as it was understood; or all that is wrong with it. Groups in it are as they are now.
pub fn define(subscription: &Subscription, known: &History) -> Result<Definition, Vec<Violation>> {
    let filter = subscription.filter.clone().unwrap_or_default();
    let compiled = filter::compile(&filter, "subscription.filter", known);
    let mut violations = Vec::new();
    let mut found = settings(subscription)
        .map_err(|wrong| violations.extend(wrong))
        .ok();
    let compiled = compiled.map_err(|wrong| violations.extend(wrong)).ok();
    let words = filter.text.as_str();
    let words = (!words.trim().is_empty()).then(|| TextQuery::parse(words));
    let words = words.transpose().map_err(|error| {
        violations.push(Violation::new(
            "subscription.filter.text",
            error.to_string(),
        ));
    });
    let role = role_of(subscription);
    if role.is_none() {
        violations.push(Violation::new(
            "subscription.viewer_role",
            "must be `officer` or `system`",
        ));
    }
    if let (Some(settings), Some(Compiled { selection, .. }), Some(Role::System)) =
        (&found, &compiled, role)
        && !selection.agencies.is_empty()
        && !selection.agencies.contains(settings.name.agency())
    {
        let why = "selects nothing: a system sees its own agency's cases alone; have an officer make the subscription";
        violations.push(Violation::new("subscription.filter.agencies", why));
    }
    if let Some(compiled) = &compiled
        && !filter.agencies.is_empty()
        && compiled.selection.agencies.is_empty()
    {
        let why = "selects nothing: the groups have no members now";
        violations.push(Violation::new("subscription.filter.agencies", why));
    }
    match (found.take(), compiled, words, role) {
        (Some(settings), Some(compiled), Ok(words), Some(role)) if violations.is_empty() => {
            let Compiled {
                selection,
                understood,
            } = compiled;
            Ok(Definition {
                subscription: with_understood(subscription, understood),
                viewer: Viewer {
                    agency: settings.name.agency().clone(),
                    reach: match role {
                        Role::Officer => Reach::Audience,
                        _ => Reach::OwnCases,
                    },
                },
                settings,
                selection,
                words,
            })
        }
        _ => Err(violations),
    }
}

fn with_understood(subscription: &Subscription, understood: Vec<FilterTerm>) -> Subscription {
    Subscription {
        understood,
        ..subscription.clone()
    }
}

/// Whether two are the same but for what the broker sets.
pub(super) fn says_the_same(one: &Definition, other: &Definition) -> bool {
    let given = |definition: &Definition| {
        let mut subscription = definition.subscription.clone();
        subscription.create_time = None;
        subscription.update_time = None;
        subscription.etag.clear();
        subscription.understood.clear();
        subscription
    };
    given(one) == given(other)
}
