//! What an item counts as when laboratories find something else than was reported.

use super::*;

fn announced(findings: Vec<LaboratoryFinding>) -> Case {
    changed(|_, r| {
        r.items = vec![Item {
            findings,
            ..item("fentanyl", "sacks of white powder", "2500")
        }];
    })
}

/// Substance, confirmed, reclassified.
fn counted(case: &Case) -> (String, bool, bool) {
    let mut all = counted_substances(case);
    assert_eq!(all.len(), 1);
    let Counted {
        substance,
        confirmed,
        reclassified,
        ..
    } = all.remove(0);
    let name = match substance {
        CountedSubstance::Catalogued(substance) => substance.id.clone(),
        CountedSubstance::Free(name) => name,
    };
    (name, confirmed, reclassified)
}

#[test]
fn an_item_counts_as_what_the_laboratory_identified_never_as_what_was_announced() {
    for (findings, expected) in [
        (vec![], ("fentanyl", false, false)),
        (vec![finding("Fentanyl")], ("fentanyl", true, false)),
        (vec![finding("Carfentanil")], ("carfentanil", true, true)),
        (
            vec![finding("Gypsum of some kind")],
            ("Gypsum of some kind", true, true),
        ),
        (vec![denial("fentanyl")], ("fentanyl", false, false)),
        (
            vec![denial("fentanyl"), finding("Caffeine")],
            ("caffeine", true, true),
        ),
        // What was announced is there, beside something else.
        (
            vec![finding("Heroin"), finding("Fentanyl")],
            ("fentanyl", true, false),
        ),
        // Neither is what was announced: the first counts, but an adulterant only if it is alone.
        (
            vec![finding("Heroin"), finding("Carfentanil")],
            ("heroin", true, true),
        ),
        (
            vec![finding("Caffeine"), finding("Carfentanil")],
            ("carfentanil", true, true),
        ),
        // The announced one is denied, the other stands.
        (
            vec![finding("Fentanyl"), denial("fentanyl"), finding("Heroin")],
            ("heroin", true, true),
        ),
        (
            vec![finding("Fentanyl"), denial("fentanyl")],
            ("fentanyl", false, false),
        ),
    ] {
        let case = announced(findings.clone());
        let (name, confirmed, reclassified) = expected;
        assert_eq!(
            counted(&case),
            (name.to_owned(), confirmed, reclassified),
            "{findings:?}"
        );
    }
}

#[test]
fn a_denial_without_a_substance_is_of_what_was_reported() {
    let mut silent = denial("fentanyl");
    silent.substance = None;
    let case = announced(vec![finding("Fentanyl"), silent.clone()]);
    assert!(!outcome(&case, "findings-agree", 1).met);
    let case = announced(vec![finding("Heroin"), silent]);
    assert!(outcome(&case, "findings-agree", 1).met);
}

#[test]
fn a_finding_that_does_not_suffice_reclassifies_nothing() {
    let mut weak = finding("Carfentanil");
    weak.techniques.truncate(1);
    assert_eq!(
        counted(&announced(vec![weak.clone()])),
        ("fentanyl".to_owned(), false, false)
    );
    // Nor does it stand in the way of one that suffices.
    assert_eq!(
        counted(&announced(vec![weak, finding("Fentanyl")])),
        ("fentanyl".to_owned(), true, false)
    );
}

#[test]
fn the_same_substance_by_another_name_is_no_reclassification() {
    for name in ["芬太尼", "FENTANYL"] {
        let case = announced(vec![finding(name)]);
        assert_eq!(
            counted(&case),
            ("fentanyl".to_owned(), true, false),
            "{name}"
        );
    }
    let mut by_number = finding("whatever the laboratory calls it");
    by_number.substance.as_mut().unwrap().cas_number = "437-38-7".into();
    assert_eq!(
        counted(&announced(vec![by_number])),
        ("fentanyl".to_owned(), true, false)
    );
}

#[test]
fn the_control_of_what_was_identified_is_told() {
    let case = announced(vec![finding("Carfentanil")]);
    let controls = crate::catalogue::measures::controls(&case);
    assert_eq!(controls[0].substance, "carfentanil");
    assert_eq!(controls[0].measure, "carfentanil-cn-2017");
}
