//! The content of a subscription, one flag for each field.

use std::time::Duration;

use casebroker_proto::{
    subscription,
    v1::{CaseFilter, RetryPolicy, Subscription},
};
use clap::{Args, ValueEnum};

use crate::{
    choice::choice,
    failure::{Exit, Failure, Result},
    filter::Selection,
    span::{parse_span, wire},
};

/// What a subscription is to be.
#[derive(Debug, Args)]
pub struct Settings {
    /// Kinds of statements: report, amendment, finding, retraction and so on [default: all]
    #[arg(long = "kind", value_name = "KIND,...", value_delimiter = ',', hide_possible_values = true,
        value_parser = choice("casebroker.v1.StatementKind"))]
    kinds: Vec<i32>,
    /// How long a delivery is a consumer's before it is delivered again, 10s to 10m [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    ack_deadline: Option<Duration>,
    /// Most attempts at a delivery, 1 to 100; 0 for no limit [default: 0]
    #[arg(long, value_name = "N")]
    max_attempts: Option<i32>,
    /// Keep what is given up among the dead letters
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    dead_letter: Option<bool>,
    /// Deliver the statements of one case one at a time and in order
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    ordered: Option<bool>,
    /// Most deliveries that are out over all consumers, 1 to 10,000 [default: 1,000]
    #[arg(long, value_name = "N")]
    max_unacknowledged: Option<i32>,
    /// Waits after the first attempt, the second and so on, the last for all that follow: 1s,10s,1m
    #[arg(long, value_name = "TIME,...", value_delimiter = ',', value_parser = parse_span, conflicts_with_all = ["min_backoff", "max_backoff"])]
    backoff: Vec<Duration>,
    /// Wait after the first attempt, doubled with each
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    min_backoff: Option<Duration>,
    /// The longest wait
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    max_backoff: Option<Duration>,
    /// End it when nobody has used it for so long, 1h to 366d [default: 31d]
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    expire_after: Option<Duration>,
    /// Label; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// What a delivery holds: statement, case (as it stands with it, besides), change (only what changed) [default: statement]
    #[arg(long, value_name = "DETAIL", hide_possible_values = true, value_parser = choice("casebroker.v1.DeliveryDetail"))]
    detail: Option<i32>,
    /// Bring the recorded entry and its receipt along, so that each delivery can be verified
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    receipts: Option<bool>,
    #[command(flatten)]
    which: Selection,
}

/// What can be set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Clear {
    Filter,
    Kind,
    AckDeadline,
    Backoff,
    MaxAttempts,
    MaxUnacknowledged,
    ExpireAfter,
    Label,
    Detail,
}

/// Sets these back; gives the fields that changes.
pub fn clear(what: &[Clear], subscription: &mut Subscription) -> Vec<&'static str> {
    let set_back = |what: &Clear| match what {
        Clear::Filter => {
            subscription.filter = None;
            "filter"
        }
        Clear::Kind => {
            subscription.kinds.clear();
            "kinds"
        }
        Clear::AckDeadline => {
            subscription.ack_deadline = None;
            "ack_deadline"
        }
        Clear::Backoff => {
            subscription.retry_policy = None;
            "retry_policy"
        }
        Clear::MaxAttempts => {
            subscription.max_delivery_attempts = 0;
            "max_delivery_attempts"
        }
        Clear::MaxUnacknowledged => {
            subscription.max_unacknowledged = 0;
            "max_unacknowledged"
        }
        Clear::ExpireAfter => {
            subscription.expire_after = None;
            "expire_after"
        }
        Clear::Label => {
            subscription.labels.clear();
            "labels"
        }
        Clear::Detail => {
            subscription.content = None;
            "content"
        }
    };
    what.iter().map(set_back).collect()
}

impl Settings {
    /// Writes what was given over a subscription; gives the fields that it changes.
    pub fn apply(&self, subscription: &mut Subscription) -> Result<Vec<&'static str>> {
        let mut changed = Vec::new();
        let filter = self.which.read()?;
        if filter != CaseFilter::default() {
            subscription.filter = Some(filter);
            changed.push("filter");
        }
        if !self.kinds.is_empty() {
            subscription.kinds.clone_from(&self.kinds);
            changed.push("kinds");
        }
        if let Some(deadline) = self.ack_deadline {
            subscription.ack_deadline = Some(wire(deadline));
            changed.push("ack_deadline");
        }
        if let Some(attempts) = self.max_attempts {
            subscription.max_delivery_attempts = attempts;
            changed.push("max_delivery_attempts");
        }
        if let Some(dead_letter) = self.dead_letter {
            subscription.dead_letter = dead_letter;
            changed.push("dead_letter");
        }
        if let Some(ordered) = self.ordered {
            subscription.ordered = ordered;
            changed.push("ordered");
        }
        if let Some(most) = self.max_unacknowledged {
            subscription.max_unacknowledged = most;
            changed.push("max_unacknowledged");
        }
        if let Some(policy) = self.retry_policy() {
            subscription.retry_policy = Some(policy);
            changed.push("retry_policy");
        }
        if let Some(unused) = self.expire_after {
            subscription.expire_after = Some(wire(unused));
            changed.push("expire_after");
        }
        if !self.labels.is_empty() {
            subscription.labels = self.labels.iter().cloned().collect();
            changed.push("labels");
        }
        if self.detail.is_some() || self.receipts.is_some() {
            let content = subscription.content.get_or_insert_default();
            content.detail = self.detail.unwrap_or(content.detail);
            content.receipt = self.receipts.unwrap_or(content.receipt);
            changed.push("content");
        }
        Ok(changed)
    }

    fn retry_policy(&self) -> Option<RetryPolicy> {
        let policy = RetryPolicy {
            backoff: self.backoff.iter().copied().map(wire).collect(),
            min_backoff: self.min_backoff.map(wire),
            max_backoff: self.max_backoff.map(wire),
        };
        (policy != RetryPolicy::default()).then_some(policy)
    }
}

/// Refuses here what the broker would refuse, before anything is sent.
pub fn check(subscription: &Subscription) -> Result<()> {
    let violations = match subscription::settings(subscription) {
        Ok(_) => return Ok(()),
        Err(violations) => violations,
    };
    let many = match violations.len() {
        1 => "a rule".into(),
        n => format!("{n} rules"),
    };
    Err(Failure {
        reason: Some("INVALID_FIELDS".into()),
        violations,
        ..Failure::new(
            Exit::Invalid,
            format!("the subscription breaks {many}"),
            "Mend every field named; nothing was sent.",
        )
    })
}

fn parse_label(text: &str) -> std::result::Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is no label; write KEY=VALUE"))
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::{DeliveryDetail, StatementKind};
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[arg(long, value_delimiter = ',')]
        clear: Vec<Clear>,
        #[command(flatten)]
        settings: Settings,
    }

    fn named() -> Subscription {
        Subscription {
            name: "agencies/us-dea/subscriptions/west".into(),
            ..Default::default()
        }
    }

    #[test]
    fn each_flag_fills_its_field_and_says_which() {
        let line = "x --origin CN --incident-from 2017 --kind report,evidence-request --ack-deadline 2m --max-attempts 5 \
                    --dead-letter --ordered --max-unacknowledged 50 --min-backoff 1s --max-backoff 1m --expire-after 2d \
                    --label desk=west --detail case --receipts";
        let line = Line::parse_from(line.split_whitespace());
        let mut made = named();
        let changed = line.settings.apply(&mut made).unwrap();
        check(&made).unwrap();
        assert_eq!(changed.len(), 11, "{changed:?}");
        assert_eq!(made.filter.as_ref().unwrap().origins, ["CN"]);
        let kinds = [StatementKind::Report, StatementKind::EvidenceRequest];
        assert_eq!(made.kinds, kinds.map(|kind| kind as i32));
        assert_eq!(made.ack_deadline.unwrap().seconds, 120);
        assert!(made.dead_letter && made.ordered);
        assert_eq!(made.labels["desk"], "west");
        let content = made.content.unwrap();
        assert!(content.detail() == DeliveryDetail::Case && content.receipt);
        assert_eq!(made.retry_policy.unwrap().max_backoff.unwrap().seconds, 60);
    }

    #[test]
    fn what_is_not_given_is_not_changed_and_a_field_can_be_set_back() {
        let line = Line::parse_from([
            "x",
            "--receipts",
            "--dead-letter=false",
            "--clear",
            "filter,kind",
        ]);
        let mut standing = named();
        standing.dead_letter = true;
        standing.filter = Some(CaseFilter::default());
        standing.kinds.push(1);
        standing.content.get_or_insert_default().detail = DeliveryDetail::Case.into();
        let mut paths = clear(&line.clear, &mut standing);
        paths.extend(line.settings.apply(&mut standing).unwrap());
        assert_eq!(paths, ["filter", "kinds", "dead_letter", "content"]);
        let content = standing.content.unwrap();
        assert!(content.detail() == DeliveryDetail::Case && content.receipt);
        assert!(!standing.dead_letter && standing.kinds.is_empty() && standing.filter.is_none());
    }

    #[test]
    fn what_the_broker_would_refuse_is_refused_here_by_field() {
        let line = Line::parse_from(["x", "--ack-deadline", "5s", "--max-attempts", "500"]);
        let mut made = named();
        line.settings.apply(&mut made).unwrap();
        let failure = check(&made).unwrap_err();
        let fields: Vec<_> = failure
            .violations
            .iter()
            .map(|v| v.field.as_str())
            .collect();
        assert_eq!(failure.exit, Exit::Invalid);
        assert_eq!(
            fields,
            [
                "subscription.ack_deadline",
                "subscription.max_delivery_attempts"
            ]
        );
    }
}
