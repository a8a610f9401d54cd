use std::cell::Cell;

use casebroker_proto::v1::CaseReport;
use proptest::{
    prelude::*,
    sample::{Index as Pick, select},
};

use super::{
    super::*,
    naive,
    stage::{Said, Stage, report, wait},
};

#[test]
fn reports_and_amendments_are_found_by_title_narrative_and_organizations_alone() {
    let mut stage = Stage::new();
    let named = report("Parcel", "White powder", &["Acme Chemicals", "Müller GmbH"]);
    stage.say(vec![
        Said::Report(named),
        Said::Retraction,
        Said::Amendment(report("Parcel", "Blue pills", &[])),
        Said::Report(CaseReport {
            concealment: "powder".into(),
            reporting_unit: "parcel".into(),
            ..report("Letter", "", &[])
        }),
    ]);
    let text = stage.whole();
    for (query, expected) in [
        ("parcel", &[0, 2][..]),
        ("POWDER", &[0]),
        ("pills parcel", &[2]),
        ("chemicals muller", &[0]),
        ("letter", &[3]),
        ("parcel letter", &[]),
        ("us-dea", &[]),
    ] {
        assert_eq!(text.found(query), expected, "{query}");
    }
    let matches = text.search(&TextQuery::parse("letter").unwrap(), &|| false);
    assert_eq!(matches.unwrap().as_of, 4);
}

#[test]
fn a_phrase_does_not_go_on_from_one_field_to_the_next() {
    let mut stage = Stage::new();
    let said = [
        report(
            "white powder",
            "blue pills",
            &["Acme Chemicals", "Silk Road"],
        ),
        report("查获芬太", "尼粉末", &["上海", "化工"]),
        report("", "blue", &["", "", "pills"]),
    ];
    stage.say(said.map(Said::Report).into());
    let text = stage.whole();
    for query in [
        "\"powder blue\"",
        "\"pills acme\"",
        "\"chemicals silk\"",
        "\"blue acme\"",
        "\"blue pills acme\"",
        "芬太尼",
        "太尼",
        "\"太 尼\"",
        "上海化工",
        "\"上海 化工\"",
    ] {
        assert_eq!(text.found(query), [0; 0], "{query}");
    }
    for (query, position) in [
        ("\"blue pills\"", 0),
        ("\"acme chemicals\" \"silk road\"", 0),
        ("芬太 粉末 上海 化工", 1),
        ("blue pills -acme", 0),
        ("查 末", 1),
    ] {
        assert_eq!(text.found(query), [position], "{query}");
    }
}

#[test]
fn what_is_recorded_later_is_found_later_and_an_answer_says_how_far_it_looked() {
    let mut stage = Stage::with(&["fentanyl"]);
    let text = stage.whole();
    let mut seen = text.positions();
    wait(|| !text.rebuilding());
    for round in 2..40 {
        stage.report_all(&["fentanyl powder"]);
        text.wait_for(round);
        assert_eq!(text.found("fentanyl").len() as u64, round);
        assert_eq!(*seen.borrow_and_update(), round);
    }
    // What holds no report counts too.
    stage.say(vec![Said::Retraction; 5]);
    text.wait_for(44);
    let matches = text
        .search(&TextQuery::parse("powder").unwrap(), &|| false)
        .unwrap();
    assert_eq!((matches.as_of, matches.len()), (44, 38));
    assert!(!matches.contains(0) && matches.contains(1) && !matches.contains(u64::MAX));
}

#[test]
fn a_search_that_nobody_waits_for_ends() {
    let mut stage = Stage::with(&["fentanyl"]);
    let text = stage.whole();
    for size in 2..6 {
        stage.report_all(&["fentanyl"]);
        text.wait_for(size);
    }
    let query = TextQuery::parse("fentanyl").unwrap();
    let cancelled = text.search(&query, &|| true);
    assert!(
        matches!(cancelled, Err(TextError::Cancelled)),
        "{cancelled:?}"
    );
    // It asks at every segment.
    let asked = Cell::new(0);
    let second = || {
        asked.set(asked.get() + 1);
        asked.get() > 1
    };
    let cancelled = text.search(&query, &second);
    assert!(
        matches!(cancelled, Err(TextError::Cancelled)),
        "{cancelled:?}"
    );
    assert_eq!(text.found("fentanyl").len(), 5);
}

#[test]
fn a_stopped_index_has_what_was_taken_in_and_is_searched_still() {
    let mut stage = Stage::new();
    stage.options.commit = Duration::from_secs(1);
    stage.report_all(&["one"]);
    let text = stage.whole();
    stage.report_all(&["two"]);
    text.stop();
    text.stop();
    let position = text.position();
    assert_eq!(text.found("one"), [0]);
    drop(text);
    let (text, opened) = stage.start();
    assert_eq!(opened.position, position);
    text.wait_for(2);
    assert_eq!(text.found("two"), [1]);
}

#[test]
fn the_end_of_the_journal_s_writer_does_not_end_the_index() {
    let stage = Stage::with(&["one"]);
    let text = stage.whole();
    drop(stage);
    wait(|| text.found("one") == [0]);
    text.stop();
}

const WORDS: [&str; 8] = [
    "white", "Powder", "PILL", "müller", "2016", "a", "x1", "ｋｇ",
];
const CHINESE: [&str; 6] = ["芬", "太", "尼", "查", "获", "粉"];
const BETWEEN: [&str; 6] = [" ", ", ", "", "-", "。", "\n"];

fn text_of(pieces: &[&str]) -> impl Strategy<Value = String> + use<> {
    let pieces: Vec<_> = pieces.iter().map(|s| (*s).to_owned()).collect();
    let piece = (select(pieces), select(BETWEEN.to_vec()));
    prop::collection::vec(piece, 0..12).prop_map(|pieces| {
        pieces
            .into_iter()
            .map(|(piece, after)| piece + after)
            .collect()
    })
}

fn mixed() -> impl Strategy<Value = String> {
    text_of(&[&WORDS[..], &CHINESE, &CHINESE].concat())
}

fn said() -> impl Strategy<Value = Said> {
    let organizations = prop::collection::vec(mixed(), 0..3);
    (mixed(), mixed(), organizations, 0..4).prop_map(|(title, narrative, organizations, kind)| {
        let organizations: Vec<_> = organizations.iter().map(String::as_str).collect();
        let report = report(&title, &narrative, &organizations);
        match kind {
            0 => Said::Retraction,
            1 => Said::Amendment(report),
            _ => Said::Report(report),
        }
    })
}

fn query() -> impl Strategy<Value = String> {
    let phrase = text_of(&[&WORDS[..], &CHINESE].concat()).prop_map(|text| format!("\"{text}\""));
    let part = prop_oneof![text_of(&WORDS), text_of(&CHINESE), mixed(), phrase];
    prop::collection::vec(part, 1..3).prop_map(|parts| parts.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 200, ..Default::default() })]

    #[test]
    fn a_search_finds_what_looking_through_every_text_finds(
        groups in prop::collection::vec(prop::collection::vec(said(), 1..12), 1..4),
        queries in prop::collection::vec(query(), 30),
    ) {
        let mut stage = Stage::new();
        let text = stage.whole();
        for group in groups {
            stage.say(group);
            text.wait_for(stage.size());
        }
        for query in queries {
            match TextQuery::parse(&query) {
                Ok(parsed) => {
                    let expected = naive::found(&stage.said, &query);
                    prop_assert_eq!(text.found(&query), expected.clone(), "{}", query);
                    // A report that is at hand is looked through without the index.
                    let stands_in = |said: &Said| match said {
                        Said::Report(report) | Said::Amendment(report) => parsed.stands_in(report),
                        _ => false,
                    };
                    let stands = (0..).zip(&stage.said).filter(|(_, said)| stands_in(said));
                    prop_assert_eq!(stands.map(|(at, _)| at).collect::<Vec<u64>>(), expected, "{}", query);
                }
                Err(error) => prop_assert_eq!(error, QueryError::Nothing, "{}", query),
            }
        }
    }

    #[test]
    fn every_stretch_of_characters_and_every_row_of_words_of_a_text_is_found(
        narratives in prop::collection::vec(mixed(), 1..8),
        picks in prop::collection::vec((any::<Pick>(), any::<Pick>(), any::<Pick>()), 30),
    ) {
        let narratives: Vec<_> = narratives.iter().map(String::as_str).collect();
        let stage = Stage::with(&narratives);
        let text = stage.whole();
        for (narrative, from, to) in picks {
            let position = narrative.index(narratives.len());
            let words: Vec<_> = narratives[position].split_whitespace().collect();
            if words.is_empty() { continue }
            let (from, to) = (from.index(words.len()), to.index(words.len()));
            let row = words[from.min(to)..=from.max(to)].join(" ");
            if TextQuery::parse(&row).is_ok() {
                let position = position as u64;
                prop_assert!(text.found(&row).contains(&position), "{}", row);
                let phrase = format!("\"{row}\"");
                prop_assert!(text.found(&phrase).contains(&position), "{}", phrase);
            }
            for run in narratives[position].split(|c: char| !CHINESE.contains(&&*c.to_string())) {
                let run: Vec<_> = run.chars().collect();
                for length in 1..=run.len() {
                    for stretch in run.windows(length) {
                        let stretch: String = stretch.iter().collect();
                        prop_assert!(text.found(&stretch).contains(&(position as u64)), "{}", stretch);
                    }
                }
            }
        }
    }
}
