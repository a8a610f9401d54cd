//! The public cases that come with the program. Where they come from and what they cannot show: `data/SOURCES.md`.

use anyhow::Context as _;
use casebroker_proto::{json, v1::CaseReport};

const JSONL: &str = include_str!("data/public_cases.jsonl");

/// All of them, in the order of the file.
pub fn public_cases() -> anyhow::Result<Vec<CaseReport>> {
    JSONL
        .lines()
        .enumerate()
        .map(|(n, line)| {
            json::from_str("casebroker.v1.CaseReport", line)
                .with_context(|| format!("public_cases.jsonl, line {}", n + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::SystemTime};

    use casebroker_proto::{
        errors::Violation,
        names::CaseName,
        v1::{AttributionBasis, Location, Unit},
        validation::{Clock, check_report},
    };

    use super::*;
    use crate::demo::made_up;

    fn violations(report: &CaseReport) -> Vec<Violation> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        check_report(report, Clock { now })
    }

    fn origin(report: &CaseReport) -> Option<&Location> {
        report.route.as_ref()?.origin.as_ref()
    }

    #[test]
    fn there_are_sixty_with_names_of_their_own() {
        let cases = public_cases().unwrap();
        let names: BTreeSet<_> = cases.iter().map(|c| c.name.clone()).collect();
        assert_eq!((cases.len(), names.len()), (60, 60));
        for name in names {
            name.parse::<CaseName>().unwrap();
        }
    }

    #[test]
    fn the_broker_would_accept_each_and_the_made_up_ones_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut reports = public_cases().unwrap();
        reports.push(made_up::confidential());
        reports.push(made_up::synthetic(7));
        reports.push(made_up::example(folder.path()).unwrap());
        for report in reports {
            assert_eq!(violations(&report), [], "{}", report.name);
        }
    }

    #[test]
    fn an_origin_says_on_what_it_rests_and_most_cases_have_none() {
        let cases = public_cases().unwrap();
        let origins: Vec<_> = cases.iter().filter_map(origin).collect();
        assert_eq!(origins.len(), 23);
        for attribution in origins.iter().flat_map(|o| &o.attributions) {
            assert_ne!(attribution.basis(), AttributionBasis::Unspecified);
            assert!(attribution.note.len() > 40, "{}", attribution.note);
        }
    }

    #[test]
    fn a_departure_is_never_taken_for_an_origin() {
        let cases = public_cases().unwrap();
        let departure_alone = cases
            .iter()
            .filter(|c| origin(c).is_none())
            .filter(|c| c.route.as_ref().is_some_and(|r| r.departure.is_some()))
            .count();
        assert_eq!(departure_alone, 18);
    }

    #[test]
    fn nothing_is_claimed_that_no_source_gives() {
        for case in public_cases().unwrap() {
            assert!(case.evidence.is_empty() && case.identifiers.is_empty());
            assert!(!case.sources.is_empty(), "{}", case.name);
            for item in &case.items {
                assert!(item.findings.is_empty() && item.purity_percent.is_empty());
                if let Some(q) = &item.quantity {
                    // What was counted in a word that the contract has no unit for says so.
                    let counted = q.unit() == Unit::Piece && !item.description.is_empty();
                    assert!(counted || !item.description.contains("Counted in"));
                }
            }
        }
    }
}
