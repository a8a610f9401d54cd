use casebroker_proto::v1::{
    Amount, AmountKind, CaseCount, FilterTerm, GoodsChoice, GoodsRule, Obstacle, Tally,
};
use clap::Parser;
use unicode_width::UnicodeWidthStr as _;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    list: crate::list::List,
}

fn amount(class: &str, kind: AmountKind, total: &str) -> Amount {
    Amount {
        substance_class: class.into(),
        kind: kind.into(),
        total: total.into(),
        confirmed: "1".into(),
        items: 3,
        ..Default::default()
    }
}

#[test]
fn goods_that_were_reported_twice_are_told_beside_what_counts() {
    let choice = |rule: GoodsRule, incidents| GoodsChoice {
        rule: rule.into(),
        incidents,
    };
    let twice = Amount {
        reported_total: "100000000000".into(),
        reported_confirmed: "1".into(),
        reported_items: 6,
        choices: vec![
            choice(GoodsRule::SeizingOwner, 2),
            choice(GoodsRule::LargerAmount, 1),
        ],
        ..amount("fentanyl", AmountKind::Mass, "50000000000")
    };
    let answer = CountCasesResponse {
        total: Some(group(&[], 4, vec![twice])),
        groups_are_disjoint: true,
        ..Default::default()
    };
    let text = shown(&[], &answer, 200, Format::Table, false);
    let note = "fentanyl: 100 kg as reported; goods of one incident count once (incidents: 2 by the owner who seized, 1 by the larger amount).";
    assert!(text.contains(note) && text.contains(" 50"), "{text}");
}

fn group(values: &[&str], cases: i64, amounts: Vec<Amount>) -> CaseCount {
    CaseCount {
        values: values.iter().map(|v| (*v).to_owned()).collect(),
        counted: Some(Tally {
            cases,
            incidents: cases - 1,
            amounts,
        }),
        disputed: Some(Tally::default()),
        contested: Some(Tally {
            cases: i64::from(cases > 100),
            ..Default::default()
        }),
        retracted: None,
    }
}

fn answer() -> CountCasesResponse {
    let fentanyl = |total: &str| amount("fentanyl", AmountKind::Mass, total);
    let pills = amount("fentanyl-analogue", AmountKind::Pieces, "40000");
    CountCasesResponse {
        groups: vec![
            group(
                &["CN", "2017"],
                12_345,
                vec![fentanyl("12500000000"), pills.clone()],
            ),
            group(&["MX", "2018"], 9, vec![fentanyl("453592370")]),
            group(&["", "2018"], 2, vec![]),
        ],
        total: Some(group(&[], 12_356, vec![fentanyl("12953592370"), pills])),
        groups_are_disjoint: true,
        standard_version: 1,
        as_of_position: 12_345,
        tree_size: 12_400,
        ..Default::default()
    }
}

const BY: [Dimension; 2] = [Dimension::Origin, Dimension::Year];

fn shown(
    by: &[Dimension],
    answer: &CountCasesResponse,
    width: usize,
    format: Format,
    explain: bool,
) -> String {
    let mut out = Output::kept(width);
    out.format = format;
    let global = Global::default();
    let filter = CaseFilter {
        origins: vec!["CN".into()],
        statuses: vec![3],
        text: "it's ink".into(),
        ..Default::default()
    };
    let asked = Asked {
        global: &global,
        filter: &filter,
        by,
        is_past: true,
    };
    show(&asked, explain, answer, &mut out).unwrap();
    out.text()
}

#[test]
fn groups_are_a_table_with_a_total_and_what_it_is_of() {
    let text = shown(&BY, &answer(), 120, Format::Table, false);
    let expected = "\
ORIGIN     YEAR   CASES  INCIDENTS  CONTESTED  FENTANYL kg  FENTANYL-ANALOGUE pieces
CN China   2017  12,345     12,344          1         12.5                    40,000
MX Mexico  2018       9          8          0       ~0.454
not known  2018       2          1          0
total            12,356     12,355          1      ~12.954                    40,000
as of position 12345 of 12400, standard version 1
";
    assert_eq!(text, expected);
}

#[test]
fn goods_stand_below_their_group_where_the_terminal_is_too_narrow() {
    let mut answer = answer();
    for class in ["nitazene", "other-opioid", "adulterant"] {
        answer.groups[0]
            .counted
            .as_mut()
            .unwrap()
            .amounts
            .push(amount(class, AmountKind::Unspecified, "0"));
    }
    answer.groups[1].values[0] = "NL".into();
    let by = [Dimension::ReportingUnit, Dimension::Year];
    answer.groups[2].values[0] = "广东省公安厅禁毒局第一支队驻深圳办事处".into();
    for width in [60, 80] {
        let text = shown(&by, &answer, width, Format::Table, false);
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {line}\n{text}");
        }
        assert!(
            text.contains(
                "\n    fentanyl           12.5 kg\n    fentanyl-analogue  40,000 pieces\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("\n    nitazene           3 items of unknown quantity\n"),
            "{text}"
        );
        assert!(text.contains("广东省公安"), "{text}");
    }
}

#[test]
fn a_total_alone_is_one_row_and_overlapping_groups_are_said_to_be() {
    let text = shown(&[], &answer(), 80, Format::Table, false);
    assert!(text.starts_with(" CASES  INCIDENTS"), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    let mut overlapping = answer();
    overlapping.groups_are_disjoint = false;
    let text = shown(&BY, &overlapping, 120, Format::Table, false);
    assert!(
        text.contains("A case may count in several groups"),
        "{text}"
    );
    overlapping.understood.push(FilterTerm {
        field: "origins".into(),
        ..Default::default()
    });
    assert!(shown(&BY, &overlapping, 120, Format::Table, false).starts_with("which: origin"));
}

#[test]
fn csv_has_a_row_for_each_group_and_class_with_exact_integers() {
    let text = shown(&BY, &answer(), 80, Format::Csv, false);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headings = reader.headers().unwrap().clone();
    let at = |row: &csv::StringRecord, name: &str| {
        let column = headings.iter().position(|h| h == name).unwrap();
        row[column].to_owned()
    };
    let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 4);
    let said: Vec<_> = rows
        .iter()
        .map(|r| {
            ["origin", "year", "cases", "class", "unit", "total"]
                .map(|name| at(r, name))
                .join(" ")
        })
        .collect();
    assert_eq!(
        said,
        [
            "CN 2017 12345 fentanyl micrograms 12500000000",
            "CN 2017 12345 fentanyl-analogue pieces 40000",
            "MX 2018 9 fentanyl micrograms 453592370",
            " 2018 2   ",
        ]
    );
    assert_eq!(at(&rows[0], "as_of_position"), "12345");
    assert_eq!(at(&rows[0], "contested_cases"), "1");
    let total = shown(&[], &answer(), 80, Format::Csv, false);
    assert_eq!(total.lines().count(), 3, "{total}");
}

#[test]
fn json_is_the_answer_itself() {
    let text = shown(&BY, &answer(), 80, Format::Json, false);
    let back: CountCasesResponse =
        json::from_str("casebroker.v1.CountCasesResponse", &text).unwrap();
    assert_eq!(back, answer());
}

fn explained() -> CountCasesResponse {
    let obstacle = |reason: &str, cases: i64, examples: &[&str]| {
        Obstacle {
        reason: reason.into(),
        message: "The country of origin rests on nothing but the agency's statement, and nothing that is listed shows it.".into(),
        cases,
        examples: examples.iter().map(|e| (*e).to_owned()).collect(),
    }
    };
    CountCasesResponse {
        obstacles: vec![
            obstacle(
                "contested",
                3,
                &["agencies/us-dea/cases/1", "agencies/us-cbp/cases/2"],
            ),
            obstacle("origin-basis", 10_004, &[]),
        ],
        ..answer()
    }
}

#[test]
fn each_reason_comes_with_the_command_that_lists_its_cases() {
    for width in [80, 200] {
        let text = shown(&[], &explained(), width, Format::Table, true);
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
        assert!(
            text.contains("why 10,007 of 22,363 cases do not count"),
            "{text}"
        );
        assert!(
            text.contains("     3  contested\n") && text.contains("10,004  origin-basis\n"),
            "{text}"
        );
        assert!(text.contains("such as us-dea/1, us-cbp/2"), "{text}");
    }
    let text = shown(&[], &explained(), 200, Format::Table, true);
    let line =
        "casectl list --origin CN --text 'it'\\''s ink' --obstacle origin-basis --as-of 12345";
    assert!(text.contains(line), "{text}");
}

#[test]
fn the_command_of_a_reason_reads_back_as_the_same_filter() {
    let global = Global {
        context: Some("us-dea-officer".into()),
        config: Some("demo dir/casectl.toml".into()),
        ..Default::default()
    };
    let filter = CaseFilter {
        origins: vec!["CN".into()],
        statuses: vec![3],
        text: "-x".into(),
        ..Default::default()
    };
    let asked = Asked {
        global: &global,
        filter: &filter,
        by: &[],
        is_past: false,
    };
    let words = explain::list(&asked, &explained(), "origin-basis");
    assert_eq!(
        words[..6],
        [
            "casectl",
            "--context",
            "us-dea-officer",
            "--config",
            "demo dir/casectl.toml",
            "list"
        ]
    );
    let line = Line::try_parse_from(
        ["list"]
            .into_iter()
            .chain(words[6..].iter().map(String::as_str)),
    )
    .unwrap();
    let expected = CaseFilter {
        statuses: vec![],
        obstacles: vec!["origin-basis".into()],
        ..filter.clone()
    };
    assert_eq!(line.list.filter().unwrap(), expected);
    // The whole line is one that casectl takes.
    crate::Cli::try_parse_from(&words).unwrap();
}

#[test]
fn reasons_are_csv_too() {
    let text = shown(&[], &explained(), 80, Format::Csv, true);
    let rows: Vec<_> = csv::Reader::from_reader(text.as_bytes())
        .records()
        .map(|row| row.unwrap())
        .collect();
    assert_eq!((&rows[0][0], &rows[0][1]), ("counted", "12356"));
    assert_eq!((&rows[2][0], &rows[2][1]), ("origin-basis", "10004"));
}
