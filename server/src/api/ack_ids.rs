//! What consumers name their deliveries by, as requests have it: checked, and answered.

use casebroker_proto::{
    errors::Violation,
    subscription::{MAX_BACKOFF, MAX_REASON, duration},
    v1::{AckOutcome, AckResult, Nacked},
};
use tonic::Status;

use super::status;
use crate::delivery::{AckId, GivenBack, Subscribed};

/// Most ids in a request.
const MAX_IDS: usize = 1_000;

/// The ack ids of a request, all of this subscription.
pub(super) fn ack_ids(
    subscribed: &Subscribed,
    field: &str,
    texts: &[String],
    least: usize,
) -> Result<Vec<AckId>, Status> {
    if texts.len() < least || texts.len() > MAX_IDS {
        let rule = format!("has {}; must have {least} to {MAX_IDS}", texts.len());
        return Err(status::invalid_field(field, rule));
    }
    let path = |n: usize| format!("{field}[{n}]");
    known(subscribed, texts.iter().map(String::as_str), path)
}

/// How deliveries are given back, each with its id; all of this subscription.
pub(super) fn nacks(
    subscribed: &Subscribed,
    nacks: Vec<Nacked>,
    least: usize,
) -> Result<Vec<(AckId, GivenBack)>, Status> {
    if nacks.len() < least || nacks.len() > MAX_IDS {
        let rule = format!("has {}; must have {least} to {MAX_IDS}", nacks.len());
        return Err(status::invalid_field("nacks", rule));
    }
    let texts = nacks.iter().map(|nack| nack.ack_id.as_str());
    let ids = known(subscribed, texts, |n| format!("nacks[{n}].ack_id"))?;
    let mut given = Vec::with_capacity(nacks.len());
    for (n, nack) in nacks.into_iter().enumerate() {
        let delay = match nack.delay.as_ref().map(duration) {
            None => None,
            Some(Some(delay)) if delay <= MAX_BACKOFF => Some(delay),
            Some(_) => {
                let rule = format!("must be 0s to {}s", MAX_BACKOFF.as_secs());
                return Err(status::invalid_field(&format!("nacks[{n}].delay"), rule));
            }
        };
        if nack.reason.chars().count() > MAX_REASON {
            let rule = format!("has more than {MAX_REASON} characters");
            return Err(status::invalid_field(&format!("nacks[{n}].reason"), rule));
        }
        given.push(GivenBack {
            delay,
            reason: nack.reason,
            terminate: nack.terminate,
        });
    }
    Ok(ids.into_iter().zip(given).collect())
}

/// What became of each.
pub(super) fn outcomes(ids: Vec<String>, results: Vec<AckResult>) -> Vec<AckOutcome> {
    let pairs = ids.into_iter().zip(results);
    let outcomes = pairs.map(|(ack_id, result)| AckOutcome {
        ack_id,
        result: result.into(),
    });
    outcomes.collect()
}

fn known<'a>(
    subscribed: &Subscribed,
    texts: impl Iterator<Item = &'a str>,
    path: impl Fn(usize) -> String,
) -> Result<Vec<AckId>, Status> {
    let (mut ids, mut violations) = (Vec::new(), Vec::new());
    let inner = subscribed.lock();
    for (n, text) in texts.enumerate() {
        let why = match AckId::open(text) {
            None => "is no ack id; give it back as it came with the delivery",
            Some(id) if id.subscription != subscribed.id => "is of another subscription",
            Some(id) if !inner.outbox.knows(id.lease) => "was never given out",
            Some(id) => {
                ids.push(id);
                continue;
            }
        };
        violations.push(Violation::new(path(n), why));
    }
    match violations.as_slice() {
        [] => Ok(ids),
        violations => Err(status::invalid_fields(violations)),
    }
}
