use casebroker_proto::v1::{
    Amount, AmountKind, FilterTerm, FilterValue, RateRatio, Tally, TrendBucket, TrendPlace,
    TrendSide,
};
use clap::Parser;
use unicode_width::UnicodeWidthStr as _;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    trend: Trend,
}

fn parse(line: &[&str]) -> std::result::Result<Trend, String> {
    let line = ["trend"].iter().chain(line);
    Line::try_parse_from(line)
        .map(|line| line.trend)
        .map_err(|e| e.to_string())
}

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    Some(Date { year, month, day })
}

fn tally(incidents: i64) -> Tally {
    let amount = |kind: AmountKind, total: &str| Amount {
        substance_class: "fentanyl-analogue".into(),
        kind: kind.into(),
        total: total.into(),
        items: 2,
        ..Default::default()
    };
    Tally {
        cases: incidents + 1,
        incidents,
        amounts: match incidents {
            0 => vec![],
            _ => vec![
                amount(AmountKind::Mass, "12500000001"),
                amount(AmountKind::Unspecified, "0"),
            ],
        },
    }
}

/// Six months, three on each side of a date; with `holds` the fourth holds it and is on neither side.
fn answer(holds: bool) -> ComputeTrendResponse {
    let buckets = [12, 9, 14, 5, 0, 1].into_iter().zip(12..);
    let bucket = |(incidents, month): (i64, i32)| {
        let (year, month) = (2016 + (month - 1) / 12, (month - 1) % 12 + 1);
        let place = match (year * 12 + month).cmp(&(2017 * 12 + 3)) {
            std::cmp::Ordering::Less => TrendPlace::Before,
            std::cmp::Ordering::Equal if holds => TrendPlace::Unspecified,
            _ => TrendPlace::After,
        };
        TrendBucket {
            start_date: date(year, month, 1),
            end_date: date(year, month, if month == 2 { 28 } else { 30 }),
            place: place.into(),
            counted: Some(tally(incidents)),
            elapsed_days: 30,
            unfinished: false,
        }
    };
    let side = |periods, incidents, mean| TrendSide {
        periods,
        counted: Some(tally(incidents)),
        mean,
        elapsed_days: 90,
    };
    ComputeTrendResponse {
        buckets: buckets.map(bucket).collect(),
        before: Some(side(3, 35, 35.0 / 3.0)),
        after: Some(side(3, 6, 2.0)),
        ratio: Some(RateRatio {
            ratio: 0.171_4,
            low: 0.05,
            high: Some(0.41),
        }),
        date: date(2017, 3, if holds { 16 } else { 1 }),
        measure: "carfentanil-cn-2017".into(),
        undated_cases: 17,
        caveats: vec!["Few incidents: the interval is wide, so the ratio alone says little. 事件数很少，置信区间很宽。".into()],
        understood: vec![FilterTerm {
            field: "substances".into(),
            values: vec![FilterValue {
                value: "carfentanil".into(),
                display_name: "卡芬太尼 <&\"'>".into(),
            }],
        }],
        standard_version: 1,
        as_of_position: 12_345,
        tree_size: 12_400,
        answer_date: date(2017, 12, 1),
    }
}

/// The same, of a day within the fifth month, so that it is unfinished and the sixth has not begun.
fn early_answer() -> ComputeTrendResponse {
    let mut early = answer(false);
    early.answer_date = date(2017, 4, 3);
    for (i, elapsed) in [(4, 3), (5, 0)] {
        early.buckets[i].elapsed_days = elapsed;
        early.buckets[i].unfinished = true;
    }
    early
}

fn shown(answer: &ComputeTrendResponse) -> Shown<'_> {
    Shown {
        answer,
        period: TrendPeriod::Month,
    }
}

fn page(answer: &ComputeTrendResponse, width: usize, blocks: bool) -> String {
    let mut out = Output::kept(width);
    page::print(&shown(answer), blocks, &mut out).unwrap();
    out.text()
}

#[test]
fn the_date_is_a_day_or_a_measure() {
    let around = |text: &str| parse(&["--around", text]).map(|trend| trend.around);
    let measure = Around::Measure("carfentanil-cn-2017".into());
    assert_eq!(around("carfentanil-cn-2017"), Ok(measure));
    assert_eq!(
        around("2017-03-01"),
        Ok(Around::Date(date(2017, 3, 1).unwrap()))
    );
    for (bad, said) in [
        ("2017-03", "has no day"),
        ("2017-02-30", "no day"),
        (" ", "empty"),
    ] {
        let error = around(bad).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    let trend = parse(&["--around", "2017-03-01", "--period", "week"]).unwrap();
    assert_eq!(trend.period, TrendPeriod::Week as i32);
    for bad in [
        &["--before", "0"][..],
        &["--after", "401"],
        &["--period", "day"],
        &["--title", "x"],
    ] {
        assert!(
            parse(&[&["--around", "2017-03-01"], bad].concat()).is_err(),
            "{bad:?}"
        );
    }
}

#[test]
fn periods_are_named_as_people_write_them() {
    let answer = ComputeTrendResponse::default();
    let label = |period| {
        let shown = Shown {
            answer: &answer,
            period,
        };
        shown.label(date(2017, 11, 6).as_ref())
    };
    assert_eq!(label(TrendPeriod::Week), "2017-11-06");
    assert_eq!(label(TrendPeriod::Month), "2017-11");
    assert_eq!(label(TrendPeriod::Quarter), "2017-Q4");
    assert_eq!(label(TrendPeriod::Year), "2017");
}

#[test]
fn the_chart_marks_the_date_between_the_sides() {
    let answer = answer(false);
    let lines = chart::lines(&shown(&answer), 50, true);
    let expected = "\
PERIOD   CASES  INCIDENTS
2016-12     13         12  ███████████████████▊
2017-01     10          9  ██████████████▊
2017-02     15         14  ███████████████████████
── 2017-03-01 carfentanil-cn-2017 ────────────────
2017-03      6          5  ████████▎
2017-04      1          0
2017-05      2          1  █▋";
    assert_eq!(lines.join("\n"), expected);
    let plain = chart::lines(&shown(&answer), 50, false).join("\n");
    assert!(
        plain.is_ascii() && plain.contains("-- 2017-03-01 carfentanil-cn-2017 --"),
        "{plain}"
    );
    assert!(
        plain.contains(&format!("14  {}\n", "#".repeat(23))),
        "{plain}"
    );
}

#[test]
fn unfinished_periods_are_marked_in_chart_drawing_and_csv() {
    let answer = early_answer();
    let lines = chart::lines(&shown(&answer), 80, true);
    assert!(
        lines[6].ends_with("  unfinished: 3 days elapsed"),
        "{lines:?}"
    );
    assert!(lines[7].ends_with("  not begun"), "{lines:?}");
    assert!(!lines[5].contains("unfinished"), "{lines:?}");
    let svg = plot::svg(&shown(&answer), None).unwrap();
    assert!(svg.contains("Outlined bars: periods that were not over on 2017-04-03."));
    let mut out = Output::kept(80);
    sheet::csv(&answer, &mut out).unwrap();
    let text = out.text();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
    let cells: Vec<_> = rows
        .iter()
        .map(|row| (row[8].to_owned(), row[9].to_owned()))
        .collect();
    assert_eq!(cells[3], ("30".into(), "false".into()));
    assert_eq!(cells[4], ("3".into(), "true".into()));
}

#[test]
fn the_period_that_holds_the_date_is_on_neither_side() {
    let answer = answer(true);
    let text = page(&answer, 80, true);
    let after_mark = text
        .split("── 2017-03-16 carfentanil-cn-2017")
        .nth(1)
        .unwrap();
    let next = after_mark.lines().nth(1).unwrap();
    assert!(
        next.starts_with("2017-03 ") && next.ends_with("holds the date: on neither side"),
        "{text}"
    );
}

#[test]
fn a_page_has_both_sides_the_ratio_and_what_to_know() {
    for width in [60, 80, 200] {
        let answer = answer(false);
        let text = page(&answer, width, true);
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "which: substance 卡芬太尼",
            "incidents a month 11.67 2.00",
            "fentanyl-analogue, kg ~12.500 ~12.500",
            "days elapsed 90 90",
            "ratio of incidents a day, after to before: 0.17 (95 % interval 0.050 to 0.41)",
            "- Few incidents",
            "as of position 12345 of 12400, standard version 1",
        ] {
            assert!(words.contains(said), "{said}\n{text}");
        }
    }
}

#[test]
fn without_an_incident_before_there_is_no_ratio_and_an_open_end_is_said() {
    let mut answer = answer(false);
    answer.ratio.as_mut().unwrap().high = None;
    assert_eq!(
        shown(&answer).ratio(),
        "0.17 (95 % interval 0.050 and more)"
    );
    answer.ratio = None;
    assert!(shown(&answer).ratio().contains("no day of a side"));
    answer.before = None;
    assert!(shown(&answer).ratio().contains("no incident before"));
}

#[test]
fn csv_has_a_row_for_each_period_and_exact_amounts() {
    let answer = answer(true);
    let mut out = Output::kept(80);
    sheet::csv(&answer, &mut out).unwrap();
    let text = out.text();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heading: Vec<_> = reader
        .headers()
        .unwrap()
        .iter()
        .skip(10)
        .map(str::to_owned)
        .collect();
    let goods = [
        "fentanyl_analogue_micrograms",
        "fentanyl_analogue_items_of_unknown_quantity",
    ];
    assert_eq!(
        heading
            .iter()
            .map(String::as_str)
            .collect::<std::collections::BTreeSet<_>>(),
        goods.into()
    );
    let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
    let side = |i: usize| rows[i][2].to_owned();
    assert_eq!([side(0), side(3), side(5)], ["before", "neither", "after"]);
    assert_eq!(&rows[2][4], "14");
    let micrograms = 10
        + heading
            .iter()
            .position(|h| h.ends_with("micrograms"))
            .unwrap();
    assert_eq!(
        (&rows[2][micrograms], &rows[4][micrograms]),
        ("12500000001", "0")
    );
}

#[test]
fn the_drawing_is_svg_that_says_what_it_is_of() {
    for holds in [false, true] {
        let answer = answer(holds);
        let title = "芬太尼类物质 <before & after> \"管制\" \u{1b}[2J";
        let svg = plot::svg(&shown(&answer), Some(title)).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        let texts: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name("text") || node.tag_name().name() == "text")
            .filter_map(|node| node.text().map(|text| text.trim().to_owned()))
            .collect();
        let all = texts.join("\n");
        for said in [
            "芬太尼类物质 <before & after> \"管制\" \u{fffd}[2J",
            "which: substance 卡芬太尼 <&\"'> (carfentanil)",
            "mean before 11.67",
            "mean after 2.00",
            "incidents a month",
            "2016-12",
            "Ratio of incidents a day, after to before: 0.17",
            "事件数很少",
            "Casebroker, as of position 12345 of 12400, standard version 1",
        ] {
            assert!(all.contains(said), "{said}\n{all}");
        }
        let name = if holds {
            "2017-03-16 carfentanil-cn-2017"
        } else {
            "2017-03-01 carfentanil-cn-2017"
        };
        assert!(texts.iter().any(|text| text == name), "{all}");
        // A bar for each period: filled rectangles, beside that of the background.
        let filled = document.descendants().filter(|node| {
            node.tag_name().name() == "rect"
                && node
                    .attribute("fill")
                    .is_some_and(|f| f == "#8FADD1" || f == "#AAB4BE")
        });
        assert_eq!(filled.count(), 6);
        // Nothing is written beyond the sheet's edges.
        let number = |node: &roxmltree::Node, name: &str| {
            node.attribute(name).and_then(|v| v.parse::<f64>().ok())
        };
        let size = (
            number(&root, "width").unwrap(),
            number(&root, "height").unwrap(),
        );
        for node in document
            .descendants()
            .filter(|node| node.tag_name().name() == "text")
        {
            let (x, y) = (number(&node, "x").unwrap(), number(&node, "y").unwrap());
            assert!(
                (0.0..size.0).contains(&x) && (0.0..size.1).contains(&y),
                "{x} {y} {:?}",
                node.text()
            );
        }
    }
}

#[test]
fn an_empty_answer_is_drawn_too() {
    let answer = ComputeTrendResponse::default();
    let svg = plot::svg(&shown(&answer), None).unwrap();
    assert!(roxmltree::Document::parse(&svg).is_ok());
    assert!(page(&answer, 80, true).contains("ratio"));
}
