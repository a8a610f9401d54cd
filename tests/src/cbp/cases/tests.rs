//! What must hold of the cases, whatever the seed.

use std::{
    collections::HashSet,
    time::{Duration, UNIX_EPOCH},
};

use casebroker_client::check;
use casebroker_proto::{
    catalogue::{identity::resolve, units::normalize},
    standard::assess,
    v1::{Case, CaseStatus},
};

use super::*;
use crate::{CBP, cbp::rows};

fn mass(report: &CaseReport) -> u64 {
    let masses = report.items.iter().filter_map(|i| i.quantity.as_ref());
    masses
        .map(|q| u64::try_from(normalize(q).unwrap()).unwrap())
        .sum()
}

#[test]
fn the_cases_of_a_row_are_as_many_as_its_events_and_sum_to_its_mass() {
    let generator = Generator::new(CBP, 1);
    let mut cases = 0;
    for row in rows() {
        let (mut number, mut sum) = (0_u32, 0);
        for report in generator.cases(&row) {
            let mass = mass(&report);
            assert!(mass > 0 || row.micrograms == 0, "{report:?}");
            number += 1;
            sum += mass;
            let date = report.incident_date.unwrap();
            assert_eq!((date.year, date.month), (row.year, row.month));
            assert_eq!(report.reporting_unit, row.unit());
        }
        assert_eq!((number, sum), (row.events, row.micrograms), "{row:?}");
        cases += number;
    }
    assert_eq!(cases, 484_365);
}

#[test]
fn every_fentanyl_case_is_valid_marked_synthetic_and_has_its_own_name_and_digests() {
    let now = UNIX_EPOCH + Duration::from_secs(MADE_S.unsigned_abs());
    let (mut names, mut digests, mut requests) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut statuses = HashSet::new();
    let generator = Generator::new(CBP, 1);
    for row in rows().filter(|row| row.drug == FENTANYL) {
        for statement in generator.statements(&row) {
            assert_eq!(check(&statement, now), [], "{statement:?}");
            assert!(requests.insert(statement.request_id));
            let Some(Kind::Report(Report {
                report: Some(report),
            })) = statement.kind
            else {
                panic!("no report");
            };
            assert!(
                report.title.starts_with("Synthetic") && report.narrative.starts_with("Synthetic")
            );
            assert_eq!(report.handling.as_ref().unwrap().caveats, [CAVEAT]);
            for evidence in &report.evidence {
                assert!(digests.insert(evidence.digest.clone().unwrap().value));
            }
            assert!(names.insert(report.name.clone()));
            let case = Case {
                report: Some(report),
                ..Default::default()
            };
            statuses.insert(assess(&case).status());
        }
    }
    assert_eq!(names.len(), 8_988);
    let all = [
        CaseStatus::Reported,
        CaseStatus::Confirmed,
        CaseStatus::Attributed,
    ];
    assert_eq!(statuses, HashSet::from(all));
}

#[test]
fn a_case_of_every_drug_is_valid_and_counts_as_said() {
    let now = UNIX_EPOCH + Duration::from_secs(MADE_S.unsigned_abs());
    let (generator, mut drugs) = (Generator::new(CBP, 7), HashSet::new());
    for row in rows() {
        if !drugs.insert(row.drug.clone()) {
            continue;
        }
        for statement in generator.statements(&row) {
            assert_eq!(check(&statement, now), [], "{statement:?}");
        }
        let known = resolve(&identity(&row.drug)).substance();
        assert_eq!(
            known.map_or(row.drug.as_str(), |s| &s.id),
            counted_as(&row.drug)
        );
    }
    assert_eq!(drugs.len(), 10);
}

#[test]
fn the_same_seed_makes_the_same_cases_and_another_seed_others_with_the_same_sum() {
    let row = rows().find(|row| row.events > 20).unwrap();
    let make = |seed| Generator::new(CBP, seed).cases(&row).collect::<Vec<_>>();
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
    let sum = |seed| make(seed).iter().map(mass).sum::<u64>();
    assert_eq!((sum(1), sum(2)), (row.micrograms, row.micrograms));
}

#[test]
fn too_little_for_all_goes_to_some() {
    let mut rng = StdRng::seed_from_u64(1);
    for (sum, parts) in [(0, 3), (2, 5), (5, 5), (u64::MAX, 1_925)] {
        let shares = shares(sum, parts, &mut rng);
        assert_eq!(shares.len() as u32, parts);
        assert_eq!(
            shares.iter().map(|s| u128::from(*s)).sum::<u128>(),
            sum.into()
        );
    }
}
