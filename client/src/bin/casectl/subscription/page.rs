//! A subscription as a row and as a page.

use casebroker_client::ClientError;
use casebroker_proto::{
    subscription::{Retry, duration, settings},
    v1::{GetSubscriptionResponse, Subscription, SubscriptionState},
};

use crate::{
    failure::Result,
    filter::{command, flags, understood},
    output::{BAD, FAINT, HEADING, Output},
    span::span,
    table::{Column, clean},
    words,
};

/// Columns of a list.
pub const COLUMNS: [Column; 6] = [
    Column::whole("NAME"),
    Column::flexible("WHICH", 20),
    Column::whole("SEES AS"),
    Column::whole("ORDERED"),
    Column::whole("DEADLINE"),
    Column::whole("CHANGED (UTC)"),
];

/// A row of a list.
pub fn row(subscription: &Subscription) -> Vec<String> {
    let which = understood(&subscription.understood, None).join(" ");
    let which = which.strip_prefix("which: ").unwrap_or(&which);
    let deadline = subscription.ack_deadline.as_ref().and_then(duration);
    vec![
        words::id(&subscription.name).to_owned(),
        if which.is_empty() {
            "every case".into()
        } else {
            which.to_owned()
        },
        subscription.viewer_role.clone(),
        if subscription.ordered { "yes" } else { "no" }.into(),
        deadline.map_or_else(|| "1m".into(), span),
        words::minute(subscription.update_time.as_ref()),
    ]
}

/// Prints the page.
pub fn print(answer: &GetSubscriptionResponse, out: &mut Output) -> Result<()> {
    let missing = ClientError::Answer("no subscription");
    let subscription = answer.subscription.as_ref().ok_or(missing)?;
    let heading = out.paint(HEADING, &subscription.name);
    out.line(heading)?;
    for line in understood(&subscription.understood, out.width) {
        let line = out.paint(FAINT, line);
        out.line(line)?;
    }
    for (label, value) in rules(subscription) {
        field(label, value, out)?;
    }
    if let Some(state) = &answer.state {
        out.line("")?;
        for (label, value) in standing(state) {
            field(label, value, out)?;
        }
        if state.dead_letters > 0 {
            let id = words::id(&subscription.name);
            let text = format!(
                "{}; casectl subscription dead-letters {id}",
                state.dead_letters
            );
            let text = out.paint(BAD, text);
            field("dead letters", text, out)?;
        }
    }
    let filter = subscription.filter.clone().unwrap_or_default();
    let same = [vec!["casectl".into(), "list".into()], flags(&filter)].concat();
    out.line("")?;
    let faint = out.paint(FAINT, "the cases that it selects now:");
    out.line(faint)?;
    command(&same, out.width)
        .into_iter()
        .try_for_each(|line| out.line(format_args!("  {line}")))
}

fn rules(subscription: &Subscription) -> Vec<(&'static str, String)> {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let kinds: Vec<_> = subscription
        .kinds
        .iter()
        .map(|kind| words::statement_kind(*kind))
        .collect();
    let mut rules = vec![
        ("sees as", subscription.viewer_role.clone()),
        (
            "kinds",
            if kinds.is_empty() {
                "all".into()
            } else {
                kinds.join(", ")
            },
        ),
        ("ordered", yes(subscription.ordered)),
    ];
    // A subscription of a newer broker may have rules that this version does not know.
    if let Ok(settings) = settings(subscription) {
        let attempts = settings
            .max_attempts
            .map_or_else(|| "no limit".into(), |n| n.to_string());
        rules.extend([
            ("ack deadline", span(settings.ack_deadline)),
            ("delivered again", retry(&settings.retry)),
            ("most attempts", attempts),
            ("keeps dead letters", yes(settings.dead_letter)),
            ("most out", settings.max_unacknowledged.to_string()),
            ("ends unused after", span(settings.expire_after)),
        ]);
    }
    let mut labels: Vec<_> = subscription.labels.iter().collect();
    labels.sort();
    rules.extend(
        labels
            .into_iter()
            .map(|(key, value)| ("label", clean(&format!("{key}={value}")))),
    );
    rules.push(("made", words::minute(subscription.create_time.as_ref())));
    rules.push(("changed", words::minute(subscription.update_time.as_ref())));
    rules
}

fn retry(retry: &Retry) -> String {
    match retry {
        Retry::AtOnce => "at once".into(),
        Retry::List(waits) => {
            let waits: Vec<_> = waits.iter().copied().map(span).collect();
            format!("after {}", waits.join(", "))
        }
        Retry::Doubling { least, most } => {
            format!("after {}, doubled up to {}", span(*least), span(*most))
        }
    }
}

fn standing(state: &SubscriptionState) -> Vec<(&'static str, String)> {
    let least = if state.backlog_is_least {
        " or more"
    } else {
        ""
    };
    let oldest = match &state.oldest_time {
        Some(time) => words::minute(Some(time)),
        None => "nothing waits".into(),
    };
    vec![
        ("next position", state.next_position.to_string()),
        ("backlog", format!("{}{least}", state.backlog)),
        ("out, not acknowledged", state.unacknowledged.to_string()),
        ("waits for another attempt", state.waiting.to_string()),
        ("oldest, recorded", oldest),
        ("consumers", state.consumers.to_string()),
        ("last used", words::minute(state.last_use_time.as_ref())),
        (
            "since the broker started",
            format!(
                "{} delivered, {} of them again, {} acknowledged",
                state.delivered, state.redelivered, state.acknowledged
            ),
        ),
    ]
}

fn field(label: &str, value: String, out: &mut Output) -> Result<()> {
    let label = out.paint(FAINT, format_args!("{label:28}"));
    out.line(format_args!("{label}{value}"))
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::CaseFilter;

    use super::*;

    #[test]
    fn the_page_says_rules_state_and_what_to_do_about_dead_letters() {
        let mut out = Output::kept(100);
        let answer = GetSubscriptionResponse {
            subscription: Some(Subscription {
                name: "agencies/us-dea/subscriptions/west".into(),
                filter: Some(CaseFilter {
                    origins: vec!["CN".into()],
                    ..Default::default()
                }),
                kinds: vec![1, 4],
                viewer_role: "officer".into(),
                ..Default::default()
            }),
            state: Some(SubscriptionState {
                backlog: 12,
                backlog_is_least: true,
                dead_letters: 3,
                ..Default::default()
            }),
        };
        print(&answer, &mut out).unwrap();
        let text = out.text();
        for line in [
            "kinds                       report, evidence request",
            "ack deadline                1m",
            "delivered again             at once",
            "backlog                     12 or more",
            "dead letters                3; casectl subscription dead-letters west",
            "  casectl list --origin CN",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(row(answer.subscription.as_ref().unwrap())[1], "every case");
    }
}
