//! `docs/confirmation-standard.md` says what the code does: its section of rules is made from the table and the examples.

use super::{examples, *};

const DOCUMENT: &str = include_str!("../../../../docs/confirmation-standard.md");
const BEGIN: &str = "<!-- rules: begin -->\n";
const END: &str = "<!-- rules: end -->";

/// Set to write the section anew: `WRITE_DOCS=1 cargo test -p casebroker-proto document`.
const WRITE: &str = "WRITE_DOCS";

fn section() -> String {
    let mut text = String::new();
    let examples = examples::all();
    for rule in rules(1).unwrap() {
        let scope = match rule.scope {
            Scope::Case => "the case",
            Scope::Substance => "each substance or precursor",
            Scope::Equipment => "each piece of equipment",
            Scope::Origin => "the country of origin",
        };
        text += &format!(
            "\n### `{}`\n\n{}\nHeld against {scope}. Source: {}.\n\n",
            rule.id, rule.asks, rule.source
        );
        for example in examples.iter().filter(|e| e.rule == rule.id) {
            let word = if example.met { "met" } else { "not met" };
            let message = outcome(&example.case, rule.id, example.item).message;
            text += &format!("- **{word}**: {}\n  > {message}\n", example.words);
        }
    }
    text
}

#[test]
fn the_document_holds_every_rule_with_its_words_and_examples() {
    let expected = section();
    let (head, rest) = DOCUMENT.split_once(BEGIN).expect("the begin mark");
    let (found, tail) = rest.split_once(END).expect("the end mark");
    if std::env::var_os(WRITE).is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/confirmation-standard.md"
        );
        std::fs::write(path, format!("{head}{BEGIN}{expected}\n{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(
        found.trim(),
        expected.trim(),
        "write it anew with {WRITE}=1 and read what changed"
    );
}

#[test]
fn the_document_names_every_rule_only_once_as_a_heading() {
    for rule in rules(1).unwrap() {
        let heading = format!("### `{}`\n", rule.id);
        assert_eq!(DOCUMENT.matches(&heading).count(), 1, "{}", rule.id);
        assert!(DOCUMENT.contains(rule.asks), "{}", rule.id);
    }
}

/// The table of bases, read from the document.
fn fitting() -> Vec<(AttributionBasis, Vec<EvidenceKind>)> {
    let row = |line: &str| {
        let names: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let (basis, kinds) = names.split_first()?;
        let basis = AttributionBasis::from_str_name(&format!("ATTRIBUTION_BASIS_{basis}"))?;
        let kinds = kinds
            .iter()
            .map(|kind| EvidenceKind::from_str_name(&format!("EVIDENCE_KIND_{kind}")).unwrap())
            .collect();
        Some((basis, kinds))
    };
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    lines.filter_map(row).collect()
}

#[test]
fn a_basis_is_shown_by_the_kinds_of_evidence_that_the_document_lists_and_by_no_other() {
    let fitting = fitting();
    let bases = (1..100).filter_map(|n| AttributionBasis::try_from(n).ok());
    for basis in bases {
        let listed = fitting.iter().filter(|(of, _)| *of == basis);
        let listed: Vec<_> = listed.flat_map(|(_, kinds)| kinds).collect();
        assert_eq!(
            listed.is_empty(),
            basis == AttributionBasis::AgencyStatement,
            "{basis:?}"
        );
        for kind in (1..100).filter_map(|n| EvidenceKind::try_from(n).ok()) {
            let case = changed(|_, r| {
                r.evidence.push(evidence("shown-by", kind));
                r.route.as_mut().unwrap().origin = Some(origin(basis, "shown-by"));
            });
            let met = outcome(&case, "origin-basis", 0).met;
            assert_eq!(met, listed.contains(&&kind), "{basis:?} by {kind:?}");
        }
    }
}
