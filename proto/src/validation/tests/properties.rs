//! What holds for any message whatever.

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::validation::statement::has_field;

/// The path exists in the contract: a field, or one of its oneofs at the end.
fn exists(message: &str, path: &str) -> bool {
    let root = crate::json::descriptor(message).unwrap();
    if path.is_empty() || has_field(&root, path) {
        return true;
    }
    let (parent, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut holder = root.clone();
    for segment in parent.split('.').filter(|s| !s.is_empty()) {
        let name = segment.split('[').next().unwrap();
        let Some(field) = holder.get_field_by_name(name) else {
            return false;
        };
        holder = field.kind().as_message().unwrap().clone();
    }
    holder.oneofs().any(|oneof| oneof.name() == last)
}

fn holds(statement: &Statement) -> Result<(), TestCaseError> {
    let violations = check_statement(statement, CLOCK);
    prop_assert!(violations.len() <= limits::VIOLATIONS + 1);
    for v in &violations {
        prop_assert!(exists("casebroker.v1.Statement", &v.field), "{}", v.field);
        prop_assert!(
            !v.description.is_empty() && v.description.len() < 800,
            "{}",
            v.description
        );
    }
    prop_assert_eq!(violations, check_statement(statement, CLOCK));
    Ok(())
}

/// Encodings of sound statements of all kinds with some bytes replaced: near enough to decode often.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let sound: Vec<Vec<u8>> = statements::all_kinds()
        .iter()
        .map(|s| s.encode_to_vec())
        .collect();
    (
        proptest::sample::select(sound),
        proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    )
        .prop_map(|(mut bytes, edits)| {
            for (index, byte) in edits {
                let i = index.index(bytes.len());
                bytes[i] = byte;
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn random_bytes_that_decode_are_checked_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(statement) = Statement::decode(bytes.as_slice()) {
            holds(&statement)?;
        }
    }

    #[test]
    fn made_up_statements_are_checked_without_a_panic_and_paths_exist(seed in any::<u64>()) {
        holds(&generate::statement(seed))?;
    }

    #[test]
    fn damaged_statements_are_checked_without_a_panic_and_paths_exist(bytes in damaged()) {
        if let Ok(statement) = Statement::decode(bytes.as_slice()) {
            holds(&statement)?;
        }
    }

    #[test]
    fn any_time_and_any_numbers_are_answered(now in any::<i64>(), seconds in any::<i64>(), nanos in any::<i32>(), year in any::<i32>(), month in any::<i32>(), day in any::<i32>(), number in any::<i32>()) {
        let mut statement = new_report();
        statement.make_time = Some(Timestamp { seconds, nanos });
        if let Some(Kind::Report(Report { report: Some(r) })) = &mut statement.kind {
            r.incident_date = Some(date(year, month, day));
            r.conveyance = number;
            r.items[0].quantity.as_mut().unwrap().unit = number;
        }
        let _ = check_statement(&statement, Clock { now });
    }

}

proptest! {
    // Each case looks for near misses in the whole catalogue, unoptimised.
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn any_text_anywhere_is_answered(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
        let mut statement = new_report();
        statement.case = text.clone();
        statement.request_id = text.clone();
        if let Some(Kind::Report(Report { report: Some(r) })) = &mut statement.kind {
            r.name = text.clone();
            r.title = text.clone();
            r.place = Some(Place { country: text.clone(), subdivision: text.clone(), ..Place::default() });
            r.items[0].goods = Some(item::Goods::Precursor(SubstanceIdentity {
                catalogue_id: text.clone(), name: text.clone(), cas_number: text.clone(), inchikey: text.clone(),
            }));
            r.items[0].purity_percent = text.clone();
            r.evidence[0].media_type = text.clone();
            r.sources[0].uri = text;
        }
        holds(&statement)?;
    }
}

#[test]
fn made_up_statements_reach_every_kind_and_most_fields() {
    let made: Vec<Statement> = (0..1000).map(generate::statement).collect();
    let kinds = made
        .iter()
        .filter_map(|s| s.kind.as_ref())
        .map(std::mem::discriminant);
    assert_eq!(kinds.collect::<std::collections::HashSet<_>>().len(), 10);
    let mut refused: Vec<String> = made
        .iter()
        .flat_map(|s| check_statement(s, CLOCK))
        .map(|v| v.field.chars().filter(|c| !c.is_ascii_digit()).collect())
        .collect();
    refused.sort_unstable();
    refused.dedup();
    assert!(
        refused.len() > 150,
        "{} different fields refused",
        refused.len()
    );
}

#[test]
fn an_empty_statement_is_told_all_that_it_lacks() {
    let fields: Vec<_> = check_statement(&Statement::default(), CLOCK)
        .into_iter()
        .map(|v| v.field)
        .collect();
    assert_eq!(fields, ["case", "request_id", "make_time", "kind"]);
}

#[test]
fn the_list_of_violations_is_bounded_and_says_so() {
    let found = refused(|r| r.items = vec![Item::default(); 150]);
    assert_eq!(found.len(), limits::VIOLATIONS + 1);
    let (path, description) = found.last().unwrap();
    assert!(
        path.is_empty() && description.starts_with("50 more violations"),
        "{description}"
    );
}

#[test]
fn what_somebody_sent_is_shown_cut_and_without_invisible_characters() {
    let found = refused(|r| r.name = format!("\u{202e}\n{}", "a".repeat(500)));
    let shown = &found[0].1;
    assert!(
        shown.contains("\\u{202e}\\n") && shown.contains('…') && !shown.contains(&"a".repeat(81)),
        "{shown}"
    );
}
