//! What the plain implementation answers of a few cases, worked out by hand.

use casebroker_proto::v1::{
    CaseFilter, CaseReport, CaseStatus, Dimension, Dispute, EvidenceKind, Handling, Item,
    OverlapDeclaration, OverlapVerdict, Quantity, Statement, SubstanceIdentity, Tlp, TrendPeriod,
    TrendPlace, Unit, item::Goods, statement::Kind,
};
use casebroker_tests::cases;
use prost_types::Timestamp;

use crate::{
    facts::Facts,
    model::Scope,
    naive::{Sum, count, is_refused, list},
    periods::{periods, trend},
    record::{Line, Record, Snapshot},
};

/// Takes in statements from position 1 on, a second apart.
fn record(said: Vec<(&'static str, Statement)>) -> Record {
    let mut record = Record::default();
    for (position, (maker, statement)) in (1..).zip(said) {
        record.add(Line {
            position,
            record_time: Timestamp {
                seconds: position as i64,
                nanos: 0,
            },
            maker,
            statement,
        });
    }
    record
}

fn report(agency: &str, id: &str, change: impl FnOnce(&mut CaseReport)) -> Statement {
    let mut report = cases::report(agency, id);
    change(&mut report);
    cases::reporting(report)
}

fn officer(record: &Record, agency: &'static str) -> Snapshot {
    record.seen(Scope::of(agency, "officer"), record.end())
}

fn names(cases: &[&Facts]) -> Vec<String> {
    let names = cases.iter().map(|facts| facts.case.name.as_str());
    names
        .map(|name| name.rsplit('/').next().unwrap().to_owned())
        .collect()
}

fn marked(handling: Handling, statement: Statement) -> Statement {
    Statement {
        handling: Some(handling),
        ..statement
    }
}

/// Two kilograms of carfentanil confirmed and three of a free name reported, from China.
fn mixed(report: &mut CaseReport) {
    let mut other = report.items[0].clone();
    other.goods = Some(Goods::Substance(SubstanceIdentity {
        name: "Mystery Opioid".into(),
        ..SubstanceIdentity::default()
    }));
    other.findings.clear();
    for (item, kilograms) in [(&mut report.items[0], "2"), (&mut other, "3")] {
        item.quantity = Some(Quantity {
            value: kilograms.into(),
            unit: Unit::Kilogram.into(),
            ..Quantity::default()
        });
    }
    report.items.push(other);
    let route = report.route.as_mut().unwrap();
    route.origin = route.departure.clone();
}

fn sum(cases: i64, incidents: i64, amounts: &[(&str, i32, i128, i128, i64)]) -> Sum {
    let amounts = amounts
        .iter()
        .map(|(class, of, total, confirmed, items)| {
            ((*class).to_owned(), *of, (*total, *confirmed, *items))
        })
        .map(|(class, of, sums)| ((class, of), sums));
    Sum {
        cases,
        incidents,
        amounts: amounts.collect(),
        ..Sum::default()
    }
}

const KG: i128 = 1_000_000_000;

#[test]
fn a_case_withdrawn_since_is_left_out_of_earlier_answers_too() {
    let narrowed = cases::amending(
        {
            let mut report = cases::report("us-dea", "a");
            report.handling = Some(cases::handling(Tlp::Amber, &["us-cbp"]));
            report
        },
        1,
    );
    let record = record(vec![
        ("us-dea", report("us-dea", "a", |_| {})),
        ("us-dea", narrowed),
        ("us-dea", report("us-dea", "b", |_| {})),
    ]);
    let seen = |agency, role, before| {
        let seen = record.seen(Scope::of(agency, role), before);
        names(&list(&CaseFilter::default(), "position", &seen))
    };
    assert_eq!(seen("us-cbp", "officer", 4), ["a", "b"]);
    assert_eq!(seen("us-cbp", "officer", 3), ["a"]);
    assert_eq!(seen("us-cbp", "officer", 1), [""; 0]);
    assert_eq!(seen("ca-rcmp", "officer", 4), ["b"]);
    assert_eq!(seen("ca-rcmp", "officer", 2), [""; 0]);
    assert_eq!(seen("us-cbp", "system", 4), [""; 0]);
    assert_eq!(seen("us-dea", "system", 4), ["a", "b"]);
    let time = |seconds, nanos| record.position_at(&Timestamp { seconds, nanos });
    assert_eq!([time(1, 0), time(2, 999_999_999), time(9, 0)], [2, 3, 4]);
}

#[test]
fn items_that_are_all_of_what_is_asked_for_make_the_case_and_its_mass() {
    let record = record(vec![
        ("us-dea", report("us-dea", "mixed", mixed)),
        ("us-dea", report("us-dea", "one", |_| {})),
    ]);
    let seen = officer(&record, "us-dea");
    let listed = |filter: CaseFilter| names(&list(&filter, "mass desc", &seen));
    let substances = |names: &[&str]| CaseFilter {
        substances: names.iter().map(|name| (*name).to_owned()).collect(),
        ..CaseFilter::default()
    };
    assert_eq!(listed(substances(&["卡芬太尼"])), ["mixed", "one"]);
    assert_eq!(listed(substances(&["mystery  OPIOID"])), ["mixed"]);
    let of_class = |name: &str, class: &str| CaseFilter {
        substance_classes: vec![class.into()],
        ..substances(&[name])
    };
    assert_eq!(listed(of_class("carfentanil", "uncatalogued")), [""; 0]);
    let least = |filter, kilograms: i64| CaseFilter {
        min_mass_micrograms: kilograms * 1_000_000_000,
        ..filter
    };
    assert_eq!(listed(least(substances(&["carfentanil"]), 2)), ["mixed"]);
    assert_eq!(listed(least(substances(&["carfentanil"]), 3)), [""; 0]);
    assert_eq!(listed(least(CaseFilter::default(), 5)), ["mixed"]);
    assert!(is_refused(&substances(&["Compound 7"]), &seen));
    assert!(!is_refused(
        &substances(&["Mystery Opioid", "heroin"]),
        &seen
    ));
}

#[test]
fn a_case_counts_in_each_of_its_substances_and_once_in_the_total() {
    let record = record(vec![
        ("us-dea", report("us-dea", "mixed", mixed)),
        ("us-dea", report("us-dea", "one", |_| {})),
        ("us-dea", report("us-dea", "two", |_| {})),
        ("us-dea", cases::retracting("agencies/us-dea/cases/two")),
    ]);
    let seen = officer(&record, "us-cbp");
    let by = [Dimension::Substance, Dimension::Origin];
    let counted = count(&CaseFilter::default(), &by, false, &seen);
    let group = |substance: &str, origin: &str, standing: &str| {
        let values = vec![substance.to_owned(), origin.to_owned()];
        counted.groups[&values][standing].clone()
    };
    let class = "fentanyl-analogue";
    assert_eq!(counted.groups.len(), 3);
    let carfentanil = sum(1, 1, &[(class, 1, 2 * KG, 2 * KG, 1)]);
    assert_eq!(group("carfentanil", "CN", "counted"), carfentanil);
    let stated = sum(1, 1, &[("uncatalogued", 1, 3 * KG, 0, 1)]);
    assert_eq!(group("Mystery Opioid", "CN", "counted"), stated);
    let other = sum(1, 1, &[(class, 1, KG, KG, 1)]);
    assert_eq!(group("carfentanil", "", "counted"), other);
    assert_eq!(group("carfentanil", "", "retracted"), other);
    let all = [
        (class, 1, 3 * KG, 3 * KG, 2),
        ("uncatalogued", 1, 3 * KG, 0, 1),
    ];
    assert_eq!(counted.total["counted"], sum(2, 2, &all));
    assert_eq!(counted.total["retracted"], other);
}

#[test]
fn each_case_that_does_not_count_has_one_reason() {
    let dispute = Kind::Dispute(Dispute {
        fields: vec!["title".into()],
        reason: "No".into(),
        ..Dispute::default()
    });
    let dispute = cases::statement("agencies/us-dea/cases/disputed", dispute);
    let record = record(vec![
        ("us-dea", report("us-dea", "confirmed", |_| {})),
        ("us-dea", report("us-dea", "attributed", mixed)),
        ("us-dea", report("us-dea", "disputed", |_| {})),
        ("us-cbp", marked(cases::handling(Tlp::Green, &[]), dispute)),
        (
            "us-dea",
            report("us-dea", "bare", |r| r.items[0].findings.clear()),
        ),
        (
            "us-dea",
            report("us-dea", "unrecorded", |r| {
                r.evidence
                    .retain(|e| e.kind() != EvidenceKind::SeizureRecord);
            }),
        ),
    ]);
    let seen = officer(&record, "ca-rcmp");
    let filter = CaseFilter {
        statuses: vec![CaseStatus::Attributed.into()],
        ..CaseFilter::default()
    };
    let counted = count(&filter, &[], true, &seen);
    let reasons: Vec<_> = counted.obstacles.iter().collect();
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(word, (n, _))| (word.as_str(), *n))
        .collect();
    assert_eq!(counted.total["counted"].cases, 1);
    assert_eq!(
        reasons,
        [
            ("disputed", 1),
            ("incident-record", 1),
            ("laboratory-finding", 1),
            ("origin-basis", 1)
        ]
    );
    for (word, case) in [("disputed", "disputed"), ("origin-basis", "confirmed")] {
        let filter = CaseFilter {
            obstacles: vec![word.into()],
            ..CaseFilter::default()
        };
        assert_eq!(names(&list(&filter, "", &seen)), [case]);
    }
}

#[test]
fn cases_are_one_incident_while_both_owners_say_so_and_the_reader_knows() {
    let same = |case: &str, handling| {
        let said = Kind::OverlapDeclaration(OverlapDeclaration {
            overlap: "1".repeat(32),
            verdict: OverlapVerdict::Same.into(),
            reason: String::new(),
        });
        marked(handling, cases::statement(case, said))
    };
    let one = "agencies/us-dea/cases/one";
    let two = "agencies/us-cbp/cases/two";
    let everybody = || cases::handling(Tlp::Green, &[]);
    let mut record = record(vec![
        ("us-dea", report("us-dea", "one", |_| {})),
        ("us-cbp", report("us-cbp", "two", |_| {})),
        ("us-dea", same(one, cases::handling(Tlp::Red, &["us-dea"]))),
        ("us-cbp", same(two, everybody())),
        ("us-dea", cases::retracting(one)),
    ]);
    record.add_overlap(&"1".repeat(32), [one.into(), two.into()]);
    let incidents = |agency, before| {
        let seen = record.seen(Scope::of(agency, "officer"), before);
        count(&CaseFilter::default(), &[], false, &seen).total["counted"].incidents
    };
    assert_eq!(incidents("us-dea", 4), 2, "only one owner has said it");
    assert_eq!(incidents("us-dea", 5), 1);
    // The other owner knows what it comes to, nobody else does.
    assert_eq!(incidents("us-cbp", 5), 1);
    assert_eq!(incidents("ca-rcmp", 5), 2);
    assert_eq!(
        incidents("us-cbp", 6),
        1,
        "the retracted case does not count"
    );
    let seen = record.seen(Scope::of("us-cbp", "officer"), 6);
    assert!(
        seen.iter()
            .all(|case| case.incident == case.facts.case.name)
    );
}

#[test]
fn a_trend_counts_what_is_dated_exactly_enough_in_its_period() {
    let dated = |id: &str, (year, month, day): (i32, i32, i32)| {
        let said = report("us-dea", id, |r| {
            r.incident_date = Some(cases::date(year, month, day));
        });
        ("us-dea", said)
    };
    let record = record(vec![
        dated("a", (2017, 2, 28)),
        dated("b", (2017, 2, 0)),
        dated("c", (2017, 3, 1)),
        dated("d", (2017, 0, 0)),
        dated("e", (2016, 0, 0)),
    ]);
    let seen = officer(&record, "us-dea");
    let filter = CaseFilter::default();
    let around = |day| {
        trend(
            &filter,
            periods((2017, 3, day), TrendPeriod::Month, 2, 1),
            &seen,
        )
    };
    let places = |trend: &crate::periods::Trend| {
        let buckets = trend.buckets.iter();
        buckets
            .map(|bucket| (bucket.first, bucket.place, bucket.sum.cases))
            .collect::<Vec<_>>()
    };
    let first = around(1);
    let (before, after) = (TrendPlace::Before, TrendPlace::After);
    assert_eq!(
        places(&first),
        [
            ((2017, 1, 1), before, 0),
            ((2017, 2, 1), before, 2),
            ((2017, 3, 1), after, 1)
        ]
    );
    assert_eq!(
        (first.before.cases, first.after.cases, first.undated),
        (2, 1, 1)
    );
    let second = around(2);
    let neither = TrendPlace::Unspecified;
    assert_eq!(
        places(&second)[2..],
        [((2017, 3, 1), neither, 1), ((2017, 4, 1), after, 0)]
    );
    assert_eq!((second.before.cases, second.after.cases), (2, 0));
    let weeks = periods((2017, 3, 1), TrendPeriod::Week, 1, 1);
    assert_eq!(weeks[0].first, (2017, 2, 20));
    assert_eq!(weeks[1].last, (2017, 3, 5));
    assert_eq!(trend(&filter, weeks, &seen).undated, 2);
}

#[test]
fn words_occur_anywhere_and_quoted_ones_in_a_row() {
    let record = record(vec![(
        "us-dea",
        report("us-dea", "a", |r| {
            r.title = "Blue powder".into();
            r.narrative = "In a printer-ink bottle".into();
        }),
    )]);
    let seen = officer(&record, "us-dea");
    for (text, found) in [
        ("powder INK", 1),
        ("\"ink bottle\" blue", 1),
        ("\"powder in\"", 0),
        ("\"ink printer\"", 0),
        ("pow", 0),
    ] {
        let filter = CaseFilter {
            text: text.into(),
            ..CaseFilter::default()
        };
        assert_eq!(list(&filter, "", &seen).len(), found, "{text}");
    }
}

#[test]
fn an_item_without_quantity_is_counted_and_sums_to_nothing() {
    let record = record(vec![(
        "us-dea",
        report("us-dea", "a", |r| {
            r.items = vec![Item {
                quantity: None,
                ..r.items[0].clone()
            }];
        }),
    )]);
    let seen = officer(&record, "us-dea");
    let counted = count(&CaseFilter::default(), &[], false, &seen);
    let expected = sum(1, 1, &[("fentanyl-analogue", 0, 0, 0, 1)]);
    assert_eq!(counted.total["counted"], expected);
}
