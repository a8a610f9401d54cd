//! What a subscription says, checked and with its defaults filled in: the broker runs it before anything is written, `casectl`
//! before anything is sent. The filter is for [`compile`](crate::filter::compile).

use std::time::Duration;

use crate::{
    errors::Violation,
    names::SubscriptionName,
    v1::{
        DeliveryContent, DeliveryDetail, RetryPolicy, StatementKind, Subscription, statement::Kind,
    },
};

/// Range of `Subscription.ack_deadline`.
pub const ACK_DEADLINE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// Most of `Subscription.max_delivery_attempts`.
pub const MAX_ATTEMPTS: u32 = 100;
/// Most of `Subscription.max_unacknowledged`.
pub const MAX_UNACKNOWLEDGED: usize = 10_000;
/// Range of `Subscription.expire_after`.
pub const EXPIRE_AFTER: (Duration, Duration) =
    (Duration::from_secs(3_600), Duration::from_secs(366 * DAY));
/// Most dead letters of a subscription.
pub const MAX_DEAD_LETTERS: usize = 10_000;
/// Longest wait before another attempt.
pub const MAX_BACKOFF: Duration = Duration::from_secs(3_600);
/// Longest reason of a consumer, in characters.
pub const MAX_REASON: usize = 1_000;

const DAY: u64 = 86_400;
const MAX_MIN_BACKOFF: Duration = Duration::from_secs(600);
const MAX_BACKOFFS: usize = 20;
const MAX_LABELS: usize = 16;
const MAX_LABEL: usize = 200;
const MAX_LABEL_KEY: usize = 63;
const DEFAULT_ACK_DEADLINE: Duration = Duration::from_secs(60);
const DEFAULT_UNACKNOWLEDGED: usize = 1_000;
const DEFAULT_EXPIRE_AFTER: Duration = Duration::from_secs(31 * DAY);

/// A subscription's rules, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub name: SubscriptionName,
    /// Which kinds of statements.
    pub kinds: Kinds,
    /// How long a delivery is a consumer's.
    pub ack_deadline: Duration,
    /// When it is delivered again.
    pub retry: Retry,
    /// Most attempts; `None` for no limit.
    pub max_attempts: Option<u32>,
    /// Whether what is given up is kept.
    pub dead_letter: bool,
    /// Whether each case is delivered in order.
    pub ordered: bool,
    /// Most deliveries that are out.
    pub max_unacknowledged: usize,
    /// How long it lives unused.
    pub expire_after: Duration,
    /// What of the case a delivery holds.
    pub detail: DeliveryDetail,
    /// Whether it holds entry and receipt.
    pub receipt: bool,
}

/// A set of kinds of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u16);

/// When something is delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retry {
    /// At once.
    AtOnce,
    /// After these waits, the last for all that follow; not empty.
    List(Vec<Duration>),
    /// After a wait that doubles.
    Doubling {
        /// After the first attempt.
        least: Duration,
        /// At most.
        most: Duration,
    },
}

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self(u16::MAX);

    /// Whether a kind is in it.
    pub fn has(self, kind: StatementKind) -> bool {
        self.0 >> (kind as u16 & 15) & 1 == 1
    }
}

impl Retry {
    /// The wait after an attempt, counted from 1.
    pub fn wait(&self, attempt: u32) -> Duration {
        let before = attempt.saturating_sub(1);
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::List(waits) => {
                let place = (before as usize).min(waits.len().saturating_sub(1));
                waits.get(place).copied().unwrap_or_default()
            }
            Self::Doubling { least, most } => {
                let factor = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
                least.saturating_mul(factor).min(*most)
            }
        }
    }
}

/// Kind of what a statement says.
pub fn kind_of(kind: &Kind) -> StatementKind {
    match kind {
        Kind::Report(_) => StatementKind::Report,
        Kind::Amendment(_) => StatementKind::Amendment,
        Kind::Corroboration(_) => StatementKind::Corroboration,
        Kind::EvidenceRequest(_) => StatementKind::EvidenceRequest,
        Kind::EvidenceResponse(_) => StatementKind::EvidenceResponse,
        Kind::Dispute(_) => StatementKind::Dispute,
        Kind::Finding(_) => StatementKind::Finding,
        Kind::Release(_) => StatementKind::Release,
        Kind::Retraction(_) => StatementKind::Retraction,
        Kind::OverlapDeclaration(_) => StatementKind::OverlapDeclaration,
    }
}

/// A duration of the contract, if it is one (`google.protobuf.Duration`) and not negative.
pub fn duration(given: &prost_types::Duration) -> Option<Duration> {
    Duration::try_from(*given).ok()
}

/// The rules of a subscription, or everything that is wrong with it; paths begin with `subscription`.
pub fn settings(subscription: &Subscription) -> Result<Settings, Vec<Violation>> {
    let mut wrong = Wrong(Vec::new());
    let name = subscription.name.parse::<SubscriptionName>();
    if let Err(error) = &name {
        wrong.field("name", error.to_string());
    }
    let kinds = wrong.kinds(&subscription.kinds);
    let ack_deadline = wrong.duration("ack_deadline", subscription.ack_deadline, ACK_DEADLINE);
    let expire_after = wrong.duration("expire_after", subscription.expire_after, EXPIRE_AFTER);
    let retry = wrong.retry(subscription.retry_policy.as_ref());
    let most = MAX_ATTEMPTS as usize;
    let attempts = wrong.number(
        "max_delivery_attempts",
        subscription.max_delivery_attempts,
        most,
    );
    let unacknowledged = wrong.number(
        "max_unacknowledged",
        subscription.max_unacknowledged,
        MAX_UNACKNOWLEDGED,
    );
    wrong.labels(subscription);
    let content = subscription.content.unwrap_or_default();
    let detail = wrong.detail(&content);
    match name {
        Ok(name) if wrong.0.is_empty() => Ok(Settings {
            name,
            kinds,
            ack_deadline: ack_deadline.unwrap_or(DEFAULT_ACK_DEADLINE),
            retry,
            max_attempts: attempts.and_then(|n| u32::try_from(n).ok()),
            dead_letter: subscription.dead_letter,
            ordered: subscription.ordered,
            max_unacknowledged: unacknowledged.unwrap_or(DEFAULT_UNACKNOWLEDGED),
            expire_after: expire_after.unwrap_or(DEFAULT_EXPIRE_AFTER),
            detail,
            receipt: content.receipt,
        }),
        _ => Err(wrong.0),
    }
}

struct Wrong(Vec<Violation>);

impl Wrong {
    fn field(&mut self, field: &str, why: impl Into<String>) {
        let path = format!("subscription.{field}");
        self.0.push(Violation::new(path, why.into()));
    }

    fn duration(
        &mut self,
        field: &str,
        given: Option<prost_types::Duration>,
        (least, most): (Duration, Duration),
    ) -> Option<Duration> {
        let given = given?;
        let known = duration(&given).filter(|d| (least..=most).contains(d));
        if known.is_none() {
            let (least, most) = (least.as_secs(), most.as_secs());
            let rule = format!("is {given}; must be {least}s to {most}s, or unset");
            self.field(field, rule);
        }
        known
    }

    fn number(&mut self, field: &str, given: i32, most: usize) -> Option<usize> {
        match usize::try_from(given) {
            Ok(0) => None,
            Ok(number) if number <= most => Some(number),
            _ => {
                self.field(field, format!("is {given}; must be 0 to {most}"));
                None
            }
        }
    }

    fn kinds(&mut self, given: &[i32]) -> Kinds {
        if given.is_empty() {
            return Kinds::ALL;
        }
        let mut bits = 0;
        for (n, number) in given.iter().enumerate() {
            match StatementKind::try_from(*number) {
                Ok(StatementKind::Unspecified) | Err(_) => {
                    let rule = format!("is {number}; must be one of the kinds of statements");
                    self.field(&format!("kinds[{n}]"), rule);
                }
                Ok(kind) => bits |= 1 << (kind as u16 & 15),
            }
        }
        Kinds(bits)
    }

    fn retry(&mut self, policy: Option<&RetryPolicy>) -> Retry {
        let Some(policy) = policy else {
            return Retry::AtOnce;
        };
        let doubles = policy.min_backoff.is_some() || policy.max_backoff.is_some();
        if !policy.backoff.is_empty() {
            if doubles {
                let rule = "stands beside min_backoff or max_backoff; give either a list or these";
                self.field("retry_policy.backoff", rule);
            }
            if policy.backoff.len() > MAX_BACKOFFS {
                let rule = format!("has {}; at most {MAX_BACKOFFS}", policy.backoff.len());
                self.field("retry_policy.backoff", rule);
            }
            let waits = policy.backoff.iter().take(MAX_BACKOFFS).enumerate();
            let waits = waits.map(|(n, wait)| {
                let field = format!("retry_policy.backoff[{n}]");
                self.duration(&field, Some(*wait), (Duration::ZERO, MAX_BACKOFF))
            });
            return Retry::List(waits.map(Option::unwrap_or_default).collect());
        }
        if !doubles {
            return Retry::AtOnce;
        }
        let field = "retry_policy.min_backoff";
        let least = self.duration(field, policy.min_backoff, (Duration::ZERO, MAX_MIN_BACKOFF));
        let least = least.unwrap_or_default();
        let field = "retry_policy.max_backoff";
        let most = self.duration(field, policy.max_backoff, (least, MAX_BACKOFF));
        let most = most.unwrap_or(MAX_MIN_BACKOFF.max(least));
        Retry::Doubling { least, most }
    }

    fn labels(&mut self, subscription: &Subscription) {
        let labels = &subscription.labels;
        if labels.len() > MAX_LABELS {
            self.field(
                "labels",
                format!("has {}; at most {MAX_LABELS}", labels.len()),
            );
            return;
        }
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        for (key, value) in labels {
            if key.is_empty() || key.len() > MAX_LABEL_KEY || !key.bytes().all(fits) {
                let key: String = key.chars().take(80).collect();
                let rule =
                    format!("key `{key}` must be 1 to {MAX_LABEL_KEY} of a-z, 0-9, '-', '_'");
                self.field("labels", rule);
            } else if value.chars().count() > MAX_LABEL {
                let rule = format!("must have at most {MAX_LABEL} characters");
                self.field(&format!("labels.{key}"), rule);
            }
        }
    }

    fn detail(&mut self, content: &DeliveryContent) -> DeliveryDetail {
        match DeliveryDetail::try_from(content.detail) {
            Ok(DeliveryDetail::Unspecified) => DeliveryDetail::Statement,
            Ok(detail) => {
                if content.receipt && detail == DeliveryDetail::Change {
                    let rule = "brings the statement, which `content.detail` leaves out; choose another detail";
                    self.field("content.receipt", rule);
                }
                detail
            }
            Err(_) => {
                let rule = format!("is {}; must be one of the contract's", content.detail);
                self.field("content.detail", rule);
                DeliveryDetail::Statement
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    fn named() -> Subscription {
        Subscription {
            name: "agencies/ca-rcmp/subscriptions/fentanyl-west".into(),
            ..Subscription::default()
        }
    }

    #[test]
    fn a_name_alone_makes_a_subscription_with_the_documented_defaults() {
        let settings = settings(&named()).unwrap();
        assert_eq!(settings.ack_deadline.as_secs(), 60);
        assert_eq!(settings.max_unacknowledged, 1_000);
        assert_eq!(settings.max_attempts, None);
        assert_eq!(settings.expire_after.as_secs(), 31 * DAY);
        assert_eq!(settings.detail, DeliveryDetail::Statement);
        assert!(settings.kinds.has(StatementKind::Retraction));
        assert_eq!(settings.retry.wait(7), Duration::ZERO);
    }

    #[test]
    fn everything_out_of_range_is_named_at_once() {
        let mut subscription = Subscription {
            name: "fentanyl-west".into(),
            kinds: vec![0, 3, 99],
            ack_deadline: seconds(9),
            expire_after: seconds(-1),
            max_delivery_attempts: 101,
            max_unacknowledged: -1,
            retry_policy: Some(RetryPolicy {
                backoff: vec![prost_types::Duration {
                    seconds: 3_601,
                    nanos: 0,
                }],
                min_backoff: seconds(1),
                max_backoff: None,
            }),
            content: Some(DeliveryContent {
                detail: 9,
                receipt: false,
            }),
            ..Subscription::default()
        };
        subscription.labels.insert("Key".into(), "value".into());
        let violations = settings(&subscription).unwrap_err();
        let mut paths: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        paths.sort_unstable();
        let expected = [
            "ack_deadline",
            "content.detail",
            "expire_after",
            "kinds[0]",
            "kinds[2]",
            "labels",
            "max_delivery_attempts",
            "max_unacknowledged",
            "name",
            "retry_policy.backoff",
            "retry_policy.backoff[0]",
        ];
        assert_eq!(paths, expected.map(|field| format!("subscription.{field}")));
    }

    #[test]
    fn waits_follow_the_list_or_double_up_to_the_greatest() {
        let list = Retry::List([1, 5].map(Duration::from_secs).to_vec());
        let doubling = Retry::Doubling {
            least: Duration::from_secs(2),
            most: Duration::from_secs(9),
        };
        let waits = |retry: &Retry| [1, 2, 3, 4, 99].map(|n| retry.wait(n).as_secs());
        assert_eq!(waits(&list), [1, 5, 5, 5, 5]);
        assert_eq!(waits(&doubling), [2, 4, 8, 9, 9]);
    }
}
