use casebroker_proto::{
    google::r#type::Date,
    v1::{
        Assessment, CaseDispute, CaseReport, CaseStatus, FilterValue, Item, Location, OriginClaim,
        Place, Quantity, Route, SubstanceIdentity, Unit, item::Goods,
    },
};
use unicode_width::UnicodeWidthStr as _;

use super::*;

fn case(name: &str, title: &str, substance: &str, status: CaseStatus) -> Case {
    let item = Item {
        goods: Some(Goods::Substance(SubstanceIdentity {
            name: substance.into(),
            ..Default::default()
        })),
        quantity: Some(Quantity {
            value: "12500".into(),
            unit: Unit::Gram.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let origin = Location {
        country: "CN".into(),
        ..Default::default()
    };
    Case {
        name: format!("agencies/{}", name.replace('/', "/cases/")),
        report: Some(CaseReport {
            title: title.into(),
            incident_date: Some(Date {
                year: 2017,
                month: 3,
                day: 1,
            }),
            place: Some(Place {
                country: "US".into(),
                ..Default::default()
            }),
            route: Some(Route {
                origin: Some(origin),
                ..Default::default()
            }),
            items: vec![item],
            ..Default::default()
        }),
        assessment: Some(Assessment {
            status: status.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn cases() -> Vec<Case> {
    let mut disputed = case(
        "ca-rcmp/2016-0627",
        "卡芬太尼藏于打印机墨盒中，由快递从中国寄往温哥华的一处住宅，收件人不明，包裹在海关被查获并送检",
        "卡芬太尼",
        CaseStatus::Attributed,
    );
    disputed.disputes.push(CaseDispute::default());
    disputed.contested_origins.push(OriginClaim::default());
    let mut retracted = case("us-dea/1", "Withdrawn", "fentanyl", CaseStatus::Reported);
    retracted.retracted = true;
    let ended = CaseDispute {
        end_position: 9,
        ..Default::default()
    };
    retracted.disputes.push(ended);
    let mut bare = case("us-cbp/2", "", "", CaseStatus::Unspecified);
    bare.report = None;
    vec![
        disputed,
        case(
            "us-cbp-laredo-field-office/2017-000000000000000000000000000000000000000001",
            &"A title that says a great deal about printer ink bottles ".repeat(4),
            "N-(1-(2-phenylethyl)-4-piperidinyl)-N-phenylfuran-2-carboxamide",
            CaseStatus::Confirmed,
        ),
        retracted,
        bare,
    ]
}

fn terms() -> Vec<FilterTerm> {
    vec![FilterTerm {
        field: "origins".into(),
        values: vec![FilterValue {
            value: "CN".into(),
            display_name: "China".into(),
        }],
    }]
}

fn shown(width: usize) -> String {
    let mut out = Output::kept(width);
    let mut listing = Listing::new(&out);
    listing.page(&cases(), &terms(), &mut out).unwrap();
    let end = End {
        as_of: 12_345,
        tree_size: 12_400,
        total: 40_000,
        more: false,
        understood: terms(),
    };
    listing.end(&end, &mut out).unwrap();
    out.text()
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [60, 80, 100, 119, 120, 140, 200] {
        let text = shown(width);
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
        // What every other command wants is whole.
        assert!(
            text.contains("ca-rcmp/2016-0627") && text.contains("2017-03-01"),
            "{text}"
        );
        assert!(
            text.contains("4 of 40,000, as of position 12345 of 12400"),
            "{text}"
        );
        assert!(text.starts_with("which: origin China (CN)\n"), "{text}");
    }
}

#[test]
fn columns_stand_below_one_another_whatever_is_written_in_them() {
    for (width, marker) in [(80, "DATE"), (200, "DATE"), (200, "WHAT"), (200, "TITLE")] {
        let text = shown(width);
        let heading = text.lines().find(|line| line.contains("CASE")).unwrap();
        let (before, _) = heading.split_once(marker).unwrap();
        let column = before.width();
        let cell = |case: &str| {
            let line = text.lines().find(|line| line.contains(case)).unwrap();
            let mut used = 0;
            let rest = line.chars().skip_while(move |c| {
                used += c.to_string().width();
                used <= column
            });
            rest.collect::<String>()
        };
        for (case, date, what, title) in [
            (
                "ca-rcmp/2016-0627",
                "2017-03-01",
                "12,500 g 卡芬太尼",
                "卡芬太尼藏于",
            ),
            ("us-dea/1", "2017-03-01", "12,500 g fentanyl", "Withdrawn"),
        ] {
            let expected = match marker {
                "DATE" => date,
                "WHAT" => what,
                _ => title,
            };
            assert!(
                cell(case).starts_with(expected),
                "{marker} of {case}: {:?}\n{text}",
                cell(case)
            );
        }
    }
}

#[test]
fn why_a_case_does_not_count_is_marked_in_every_width() {
    for width in [80, 200] {
        let text = shown(width);
        assert!(text.contains("attributed, disputed, cont"), "{text}");
        // A dispute that was ended marks nothing.
        assert!(text.contains("reported, retracted "), "{text}");
    }
}

#[test]
fn a_narrow_terminal_shows_goods_and_title_below_the_case() {
    let text = shown(80);
    let lines: Vec<_> = text.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with("ca-rcmp/2016-0627"));
    let below = lines[at.unwrap() + 1];
    assert!(
        below.starts_with("  12,500 g 卡芬太尼 | 卡芬太尼藏于打印机墨盒中"),
        "{text}"
    );
    assert!(
        text.contains("\n  12,500 g fentanyl | Withdrawn\n"),
        "{text}"
    );
    // Of a case of which nothing is known there is nothing to say below.
    let bare = lines
        .iter()
        .position(|line| line.starts_with("us-cbp/2"))
        .unwrap();
    assert!(lines[bare].contains("not known   ?"), "{text}");
    assert!(lines[bare + 1].starts_with("4 of 40,000"), "{text}");
}

#[test]
fn an_empty_listing_says_what_was_asked_for() {
    let mut out = Output::kept(80);
    let end = End {
        understood: terms(),
        tree_size: 7,
        as_of: 7,
        ..Default::default()
    };
    Listing::new(&out).end(&end, &mut out).unwrap();
    assert_eq!(
        out.text(),
        "which: origin China (CN)\nno cases\n0 of 0, as of position 7 of 7\n"
    );
}

#[test]
fn json_is_one_document_with_what_the_listing_is_of() {
    for taken in [0, 2] {
        let mut out = Output::kept(80);
        out.format = Format::Json;
        let mut listing = Listing::new(&out);
        listing.page(&cases()[..taken], &terms(), &mut out).unwrap();
        let end = End {
            as_of: 5,
            tree_size: 6,
            total: 2,
            more: true,
            understood: terms(),
        };
        listing.end(&end, &mut out).unwrap();
        let value: Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!(value["cases"].as_array().unwrap().len(), taken);
        assert_eq!(
            (&value["asOfPosition"], &value["totalSize"]),
            (&json!("5"), &json!("2"))
        );
        assert_eq!(value["understood"][0]["values"][0]["displayName"], "China");
        assert_eq!(value["more"], true);
    }
}

#[test]
fn csv_has_status_and_marks() {
    let mut out = Output::kept(80);
    out.format = Format::Csv;
    let mut listing = Listing::new(&out);
    listing.page(&cases(), &[], &mut out).unwrap();
    let text = out.text();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<_> = rows.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(
        rows[0].iter().skip(12).collect::<Vec<_>>(),
        ["attributed", "true", "true"]
    );
    assert_eq!(&rows[2][10], "true");
}
