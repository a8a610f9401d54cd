//! What holds for every case.

use proptest::{prelude::*, sample::select};

use super::*;

const SUBSTANCES: [&str; 4] = ["Fentanyl", "Carfentanil", "Caffeine", "Mystery"];
const IDS: [&str; 4] = ["a", "b", "c", ""];

fn any_evidence() -> impl Strategy<Value = EvidenceReference> {
    let kinds = select(vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 31, 77]);
    (select(&IDS[..3]), kinds).prop_map(|(id, kind)| EvidenceReference {
        id: id.into(),
        kind,
        ..EvidenceReference::default()
    })
}

fn any_identity() -> impl Strategy<Value = SubstanceIdentity> {
    let cas = prop_oneof![9 => Just(""), 1 => Just("437-38-7")];
    (select(&SUBSTANCES[..]), cas).prop_map(|(name, cas)| SubstanceIdentity {
        cas_number: cas.into(),
        ..identity(name)
    })
}

/// Mostly good, so that the cases of interest are not rare.
fn any_finding() -> impl Strategy<Value = LaboratoryFinding> {
    let techniques = prop_oneof![
        Just(vec![2, 21]),
        prop::collection::vec(select(vec![0, 1, 2, 20, 21, 26, 28, 40, 42, 99]), 0..4)
    ];
    let ids = prop::collection::vec(select(&IDS[..]), 0..3);
    let result = prop_oneof![4 => Just(1), 1 => 0..5i32];
    let named = prop_oneof![4 => Just(2), 1 => 0..3i32];
    let substance = prop::option::weighted(0.9, any_identity());
    (techniques, ids, result, named, substance).prop_map(
        |(techniques, ids, result, accreditation, substance)| LaboratoryFinding {
            laboratory: "L".into(),
            accreditation,
            techniques,
            result,
            substance,
            evidence_ids: ids.into_iter().map(String::from).collect(),
            ..LaboratoryFinding::default()
        },
    )
}

fn any_late() -> impl Strategy<Value = LateFinding> {
    let evidence = prop::collection::vec(any_evidence(), 0..3);
    let detached = prop::bool::weighted(0.2);
    (0..4i32, any_finding(), evidence, detached).prop_map(|(item, finding, evidence, detached)| {
        LateFinding {
            evidence,
            detached,
            ..late(item, finding)
        }
    })
}

fn any_item() -> impl Strategy<Value = Item> {
    let goods = prop_oneof![
        4 => any_identity().prop_map(|i| Some(item::Goods::Substance(i))),
        1 => any_identity().prop_map(|i| Some(item::Goods::Precursor(i))),
        1 => Just(press().goods),
        1 => Just(None),
    ];
    let findings = prop::collection::vec(any_finding(), 0..3);
    (goods, findings).prop_map(|(goods, findings)| Item {
        goods,
        findings,
        ..item("x", "powder", "2")
    })
}

prop_compose! {
    fn any_case()(
        items in prop::collection::vec(any_item(), 0..4),
        evidence in prop::collection::vec(any_evidence(), 0..6),
        late_findings in prop::collection::vec(any_late(), 0..3),
        bases in prop::collection::vec((0..11i32, select(&IDS[..])), 0..3),
        dated in prop::bool::weighted(0.9),
        retracted in any::<bool>(),
    ) -> Case {
        changed(|c, r| {
            c.late_findings = late_findings;
            c.retracted = retracted;
            r.items = items;
            r.evidence = evidence;
            if !dated {
                r.incident_date = None;
            }
            r.route.as_mut().unwrap().origin.as_mut().unwrap().attributions = bases
                .into_iter()
                .map(|(basis, id)| Attribution { basis, evidence_ids: vec![id.into()], ..Attribution::default() })
                .collect();
        })
    }
}

/// The report of a case.
fn report(case: &mut Case) -> &mut CaseReport {
    case.report.as_mut().unwrap()
}

fn holds_up(before: &Case, after: &Case) -> Result<(), TestCaseError> {
    let (before, after) = (assess(before), assess(after));
    prop_assert!(after.status >= before.status, "{before:?} {after:?}");
    for item in &before.confirmed_items {
        prop_assert!(after.confirmed_items.contains(item));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_same_case_is_judged_the_same_each_time(case in any_case()) {
        prop_assert_eq!(assess(&case), assess(&case.clone()));
        prop_assert_eq!(counted_substances(&case), counted_substances(&case));
    }

    #[test]
    fn the_status_follows_from_the_rules_alone(case in any_case()) {
        let assessment = assess(&case);
        let table = rules(1).unwrap();
        let scope = |o: &RuleOutcome| table.iter().find(|r| r.id == o.rule).unwrap().scope;
        let case_met = assessment.rules.iter().filter(|o| scope(o) == Scope::Case).all(|o| o.met);
        let mut confirmed = Vec::new();
        for (item, number) in case.report.as_ref().unwrap().items.iter().zip(1..) {
            let of_item: Vec<_> = assessment.rules.iter().filter(|o| o.item == number).collect();
            prop_assert_eq!(of_item.len(), match &item.goods {
                None => 0,
                Some(item::Goods::Equipment(_)) => 1,
                Some(_) => 5,
            });
            if case_met && !of_item.is_empty() && of_item.iter().all(|o| o.met) {
                confirmed.push(number);
            }
        }
        let origin = assessment.rules.last().unwrap();
        let expected = match (confirmed.is_empty(), origin.met) {
            (true, _) => CaseStatus::Reported,
            (false, false) => CaseStatus::Confirmed,
            (false, true) => CaseStatus::Attributed,
        };
        prop_assert_eq!(assessment.status(), expected);
        prop_assert_eq!(assessment.attributed_origin == "CN", expected == CaseStatus::Attributed);
        prop_assert_eq!(assessment.confirmed_items, confirmed);
    }

    #[test]
    fn every_answer_is_one_line_and_names_its_item(case in any_case()) {
        for RuleOutcome { item, message, .. } in assess(&case).rules {
            prop_assert!(!message.is_empty() && !message.contains(char::is_control));
            if item > 0 {
                let label = format!("item {item} '");
                prop_assert!(message.starts_with(&label), "{message}");
            }
        }
    }

    #[test]
    fn outcomes_are_those_of_the_assessment_without_its_sentences(case in any_case()) {
        let mut assessment = assess(&case);
        assessment.rules.iter_mut().for_each(|o| o.message.clear());
        prop_assert_eq!(outcomes(&case), assessment);
    }

    #[test]
    fn more_evidence_never_lowers_the_status(case in any_case(), more in any_evidence()) {
        let mut after = case.clone();
        report(&mut after).evidence.push(more);
        holds_up(&case, &after)?;
    }

    #[test]
    fn more_findings_never_lower_the_status_unless_they_deny(case in any_case(), more in any_late(), own in any_finding()) {
        let denies = |f: &LaboratoryFinding| f.result() == FindingResult::NotDetected;
        let mut after = case.clone();
        if !denies(&own) {
            if let Some(item) = report(&mut after).items.first_mut() {
                item.findings.push(own);
            }
            holds_up(&case, &after)?;
        }
        if !denies(more.finding.as_ref().unwrap()) {
            let before = after.clone();
            after.late_findings.push(more);
            holds_up(&before, &after)?;
        }
    }

    #[test]
    fn a_denial_never_raises_the_status(case in any_case(), more in any_late()) {
        let mut after = case.clone();
        let mut more = more;
        more.finding.as_mut().unwrap().result = FindingResult::NotDetected.into();
        after.late_findings.push(more);
        holds_up(&after, &case)?;
    }

    #[test]
    fn what_others_add_changes_nothing(case in any_case(), more in any_late(), evidence in any_evidence()) {
        let mut after = case.clone();
        let route = report(&mut after).route.clone();
        after.corroborations.push(CaseCorroboration {
            evidence: vec![evidence],
            findings: vec![more],
            route,
            ..CaseCorroboration::default()
        });
        prop_assert_eq!(assess(&after), assess(&case));
        prop_assert_eq!(counted_substances(&after), counted_substances(&case));
    }

    #[test]
    fn a_detached_finding_changes_nothing_but_words(case in any_case(), more in any_late()) {
        let mut after = case.clone();
        after.late_findings.push(LateFinding { detached: true, ..more });
        let wordless = |case: &Case| {
            let mut assessment = assess(case);
            assessment.rules.iter_mut().for_each(|o| o.message.clear());
            assessment
        };
        prop_assert_eq!(wordless(&after), wordless(&case));
        prop_assert_eq!(counted_substances(&after), counted_substances(&case));
    }

    #[test]
    fn departure_transit_and_destination_change_nothing(case in any_case()) {
        let mut after = case.clone();
        let route = report(&mut after).route.as_mut().unwrap();
        route.departure = None;
        route.transit = vec![origin(AttributionBasis::CourtFinding, "a")];
        route.destination = Some(origin(AttributionBasis::ShippingDocument, "b"));
        prop_assert_eq!(assess(&after), assess(&case));
    }

    #[test]
    fn a_confirmed_item_counts_as_something_that_a_laboratory_identified_in_it(case in any_case()) {
        for counted in counted_substances(&case).into_iter().filter(|c| c.confirmed) {
            let own = case.report.iter().flat_map(|r| r.items.iter().zip(1..));
            let own = own.filter(|(_, n)| *n == counted.item).flat_map(|(i, _)| &i.findings);
            let late = case.late_findings.iter().filter(|l| l.item == counted.item && !l.detached);
            let identified = own.chain(late.filter_map(|l| l.finding.as_ref()))
                .filter(|f| f.result() == FindingResult::Identified)
                .filter_map(|f| f.substance.as_ref())
                .any(|s| match (&counted.substance, crate::catalogue::identity::resolve(s).substance()) {
                    (CountedSubstance::Catalogued(counted), Some(found)) => *counted == found,
                    (CountedSubstance::Free(name), None) => *name == s.name,
                    _ => false,
                });
            prop_assert!(identified, "{counted:?}");
        }
    }
}
