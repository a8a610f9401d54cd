//! Rules of the case: when, where, and on what record.

use super::{Facts, Outcome, words};
use crate::{catalogue::countries, v1::EvidenceKind};

pub(super) fn date(facts: &Facts<'_>) -> Outcome {
    match &facts.report.incident_date {
        Some(date) if date.year > 0 => facts
            .sentences
            .met(|| format!("the incident is dated {}", words::date(date))),
        _ => facts
            .sentences
            .missing(|| "the case has no incident date: report the date, at least its year".into()),
    }
}

pub(super) fn country(facts: &Facts<'_>) -> Outcome {
    let country = facts.report.place.as_ref().map(|place| &place.country);
    match country.and_then(|code| countries::country(code)) {
        Some(country) => facts
            .sentences
            .met(|| format!("the incident took place in {}", country.name)),
        None => facts.sentences.missing(|| {
            "the case has no country of the incident: report the place with its country".into()
        }),
    }
}

pub(super) fn record(facts: &Facts<'_>) -> Outcome {
    let kinds = [EvidenceKind::SeizureRecord, EvidenceKind::CustodyRecord];
    let mut evidence = facts.report.evidence.iter();
    match evidence.find(|e| kinds.contains(&e.kind())) {
        Some(evidence) => facts.sentences.met(|| format!(
            "the {} '{}' is listed",
            words::evidence(evidence.kind()),
            words::clip(&evidence.id)
        )),
        None => facts.sentences.missing(||
            "the case lists no evidence of kind SEIZURE_RECORD or CUSTODY_RECORD: list the record of the seizure or of the custody with its digest"
                .into(),
        ),
    }
}
