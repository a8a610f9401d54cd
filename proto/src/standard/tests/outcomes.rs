//! How cases and examples come out.

use super::{
    examples::{Example, all},
    *,
};

#[test]
fn the_usual_case_is_attributed() {
    let assessment = assess(&usual());
    assert_eq!(assessment.status(), CaseStatus::Attributed);
    assert_eq!(assessment.confirmed_items, [1]);
    assert_eq!(assessment.attributed_origin, "CN");
    assert!(assessment.rules.iter().all(|rule| rule.met));
    assert_eq!(assess_under(1, &usual()), Ok(assessment));
    assert_eq!(assess_under(2, &usual()), Err(UnknownVersion(2)));
}

#[test]
fn every_example_comes_out_as_it_says() {
    for example in all() {
        let Example {
            rule, item, met, ..
        } = example;
        let found = outcome(&example.case, rule, item);
        assert_eq!(found.met, met, "{rule}: {}: {found:?}", example.words);
        let status = assess(&example.case).status();
        let expected = match (met, rule) {
            (true, _) => CaseStatus::Attributed,
            // One item without its own record leaves the others confirmed.
            (false, "equipment-examination") => CaseStatus::Attributed,
            (false, "origin-basis") => CaseStatus::Confirmed,
            (false, _) => CaseStatus::Reported,
        };
        assert_eq!(status, expected, "{rule}: {}", example.words);
    }
}

#[test]
fn every_rule_has_an_example_that_meets_it_and_one_that_does_not() {
    let all = all();
    for rule in rules(1).unwrap() {
        for met in [true, false] {
            let found = all.iter().any(|e| e.rule == rule.id && e.met == met);
            assert!(found, "{} {met}", rule.id);
        }
    }
}

#[test]
fn unconfirmed_items_are_not_counted_beside_confirmed_ones() {
    let case = changed(|_, r| {
        let mut second = item("fentanyl", "white powder", "1.2");
        second.findings.clear();
        r.items.push(second);
    });
    let assessment = assess(&case);
    assert_eq!(assessment.status(), CaseStatus::Attributed);
    assert_eq!(assessment.confirmed_items, [1]);
    assert_eq!(
        outcome(&case, "laboratory-techniques", 2).message,
        "item 2 'white powder, 1.2 kg' has no laboratory finding with a category A technique; nor with three techniques of which two are category B"
    );
}

#[test]
fn no_item_is_confirmed_in_a_case_without_record() {
    let case = changed(|_, r| {
        r.evidence.remove(0);
    });
    let assessment = assess(&case);
    assert_eq!(assessment.status(), CaseStatus::Reported);
    assert!(assessment.confirmed_items.is_empty());
    assert!(assessment.attributed_origin.is_empty());
    assert!(counted_substances(&case).iter().all(|c| !c.confirmed));
}

#[test]
fn a_retracted_case_and_an_empty_one_are_judged_too() {
    let retracted = changed(|c, _| c.retracted = true);
    assert_eq!(assess(&retracted), assess(&usual()));
    let empty = assess(&Case::default());
    assert_eq!(empty.status(), CaseStatus::Reported);
    let ids: Vec<_> = empty.rules.iter().map(|r| r.rule.as_str()).collect();
    assert_eq!(
        ids,
        [
            "incident-date",
            "incident-country",
            "incident-record",
            "origin-basis"
        ]
    );
}

#[test]
fn a_finding_is_held_against_the_evidence_of_its_own_statement() {
    // The late finding names `lab-1`; its statement lists that id as a photograph, the report lists it as a laboratory report.
    let case = changed(|c, r| {
        c.late_findings = vec![late(1, r.items[0].findings.remove(0))];
        c.late_findings[0].evidence = vec![evidence("lab-1", EvidenceKind::Image)];
    });
    assert!(!outcome(&case, "laboratory-report", 1).met);
}

#[test]
fn long_and_broken_texts_are_cut_to_one_line() {
    let case = changed(|_, r| {
        r.items[0].description = format!("first line\nsecond {}", "x".repeat(400));
    });
    let message = outcome(&case, "laboratory-finding", 1).message;
    assert!(
        message.starts_with("item 1 'first line second xxx"),
        "{message}"
    );
    assert!(
        message.chars().count() < 250 && message.contains('…'),
        "{message}"
    );
}

#[test]
fn the_answers_about_the_largest_case_take_less_than_half_a_message() {
    let long = "卡".repeat(500);
    let case = changed(|_, r| {
        r.items = vec![item(&long, &long, "123456789012.123456789"); 200];
        for item in &mut r.items {
            let finding = &mut item.findings[0];
            finding.laboratory.clone_from(&long);
            finding.report_number.clone_from(&long);
            finding.techniques = (20..=28).chain(40..=44).collect();
            item.findings.push(LaboratoryFinding {
                result: FindingResult::NotDetected.into(),
                ..item.findings[0].clone()
            });
        }
    });
    let size = prost::Message::encoded_len(&assess(&case));
    assert!(size < crate::MAX_MESSAGE_BYTES / 2, "{size}");
}
