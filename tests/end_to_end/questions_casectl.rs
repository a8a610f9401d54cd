//! The officer's questions by the command line: find, count, why not more, before and after, and the same answer again later.

use std::fs;

use casebroker_proto::v1::{
    Attribution, AttributionBasis, CaseReport, EvidenceKind, Item, Location, Organization,
    OrganizationRole, Quantity, SubstanceIdentity, Tlp, Unit, item::Goods,
};
use casebroker_tests::{
    Broker, CBP, DEA, Site,
    casectl::{Casectl, json_line},
    cases,
};
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

/// Officers of two agencies, and what they reported.
struct Desks {
    _broker: Broker,
    _site: Site,
    dea: Casectl,
    cbp: Casectl,
}

/// A country of origin that rests on a shipping document.
fn origin(country: &str) -> Option<Location> {
    Some(Location {
        country: country.into(),
        attributions: vec![Attribution {
            basis: AttributionBasis::ShippingDocument.into(),
            evidence_ids: vec!["label".into()],
            note: String::new(),
        }],
        ..Default::default()
    })
}

/// The same, stated by the agency and by nothing else.
fn stated(country: &str) -> Option<Location> {
    Some(Location {
        country: country.into(),
        attributions: vec![Attribution {
            basis: AttributionBasis::AgencyStatement.into(),
            ..Default::default()
        }],
        ..Default::default()
    })
}

/// Six cases: four attributed to China (one of us-cbp alone, one disputed, one taken back), one confirmed, one reported.
fn desks() -> Desks {
    let site = Site::new();
    let broker = site.start();
    let dea = Casectl::new(&site, &broker, DEA, "officer");
    let cbp = Casectl::new(&site, &broker, CBP, "officer");
    let route = |report: &mut CaseReport, place: Option<Location>| {
        if let Some(route) = &mut report.route {
            route.origin = place;
        }
    };
    report(&dea, DEA, "first", |r| {
        route(r, origin("CN"));
        r.title = "打印机墨盒中的卡芬太尼，由快递从中国寄往温哥华的一处住宅".into();
        r.organizations.push(Organization {
            name: "Example Trading, Ltd.".into(),
            role: OrganizationRole::Shipper.into(),
            ..Default::default()
        });
    });
    report(&dea, DEA, "disputed", |r| route(r, origin("CN")));
    report(&dea, DEA, "withdrawn", |r| route(r, origin("CN")));
    report(&dea, DEA, "confirmed", |r| {
        route(r, stated("CN"));
        r.incident_date = Some(cases::date(2017, 4, 2));
        r.items.push(Item {
            goods: Some(Goods::Substance(SubstanceIdentity {
                name: "fentanyl".into(),
                ..Default::default()
            })),
            quantity: Some(Quantity {
                value: "500".into(),
                unit: Unit::Gram.into(),
                ..Default::default()
            }),
            ..Default::default()
        });
    });
    report(&dea, DEA, "reported", |r| {
        route(r, stated("MX"));
        r.incident_date = Some(cases::date(2017, 0, 0));
        r.evidence
            .retain(|e| e.kind() != EvidenceKind::SeizureRecord);
    });
    report(&cbp, CBP, "own", |r| {
        route(r, origin("CN"));
        r.handling = Some(cases::handling(Tlp::Red, &[CBP]));
    });
    let object = [
        "--field",
        "route.origin",
        "--reason",
        "The address does not exist.",
    ];
    cbp.expect(0, &[&["dispute", "us-dea/disputed"], &object[..]].concat());
    dea.expect(
        0,
        &["retract", "us-dea/withdrawn", "--reason", "Reported twice"],
    );
    Desks {
        dea,
        cbp,
        _broker: broker,
        _site: site,
    }
}

fn report(casectl: &Casectl, agency: &str, id: &str, change: impl FnOnce(&mut CaseReport)) {
    let mut report = cases::report(agency, id);
    change(&mut report);
    casectl.write("case.json", &json_line(&report));
    casectl.expect(0, &["submit", "case.json"]);
    for left in ["case.json", "case.json.receipts.jsonl"] {
        fs::remove_file(casectl.path(left)).unwrap();
    }
}

fn json(casectl: &Casectl, arguments: &[&str]) -> Value {
    casectl
        .expect(0, &[&["-o", "json"], arguments].concat())
        .json()
}

/// Ids of the cases that a listing shows, sorted.
fn listed(casectl: &Casectl, arguments: &[&str]) -> Vec<String> {
    let document = json(casectl, &[&["list"], arguments].concat());
    let names = document["cases"].as_array().unwrap().iter();
    let mut ids: Vec<_> = names
        .map(|case| {
            case["name"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        document["totalSize"],
        ids.len().to_string(),
        "{arguments:?}"
    );
    ids.sort();
    ids
}

/// Cases that count.
fn counted(document: &Value) -> i64 {
    let cases = document["total"]["counted"]["cases"]
        .as_str()
        .unwrap_or("0");
    cases.parse().unwrap()
}

#[test]
fn each_option_selects_what_it_says_of_the_cases_that_one_may_see() {
    let desks = desks();
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let all_of_dea = ["confirmed", "disputed", "first", "reported", "withdrawn"];
    assert_eq!(listed(dea, &[]), all_of_dea);
    assert_eq!(listed(cbp, &[]).len(), 6);
    let label = "03".repeat(32);
    for (arguments, expected) in [
        (&["--agency", "us-dea"][..], &all_of_dea[..]),
        (&["--agency", "us-cbp"], &[]),
        (&["--unit", "international MAIL facility"], &all_of_dea),
        (&["--country", "Canada"], &all_of_dea),
        (&["--origin", "Mexico"], &["reported"]),
        (&["--departure", "CN"], &all_of_dea),
        (&["--transit", "HK"], &[]),
        (&["--basis", "agency-statement"], &["confirmed", "reported"]),
        (&["--status", "reported"], &["reported"]),
        (&["--substance", "芬太尼"], &["confirmed"]),
        (&["--class", "fentanyl"], &["confirmed"]),
        (&["--item-kind", "equipment"], &[]),
        (&["--method", "mail"], &all_of_dea),
        (&["--from", "2017"], &["confirmed", "reported"]),
        (&["--from", "2017-04", "--to", "2017-04"], &["confirmed"]),
        (&["--to", "2016"], &["disputed", "first", "withdrawn"]),
        (&["--recorded-to", "2020-01-01"], &[]),
        (&["--recorded-from", "2020-01-01"], &all_of_dea),
        (
            &["--min-mass", "1kg", "--substance", "carfentanil"],
            &all_of_dea,
        ),
        (&["--min-mass", "1.1kg", "--substance", "carfentanil"], &[]),
        (&["--organization", "example trading, ltd."], &["first"]),
        (&["--identifier", "cp first cn"], &["first"]),
        (&["--digest", &label], &all_of_dea),
        (&["--obstacle", "disputed"], &["disputed"]),
        (
            &["--obstacle", "retracted,origin-basis"],
            &["confirmed", "withdrawn"],
        ),
    ] {
        assert_eq!(listed(dea, arguments), expected, "{arguments:?}");
    }
    dea.write("label.pdf", "not the label");
    assert!(listed(dea, &["--evidence", "label.pdf"]).is_empty());
    dea.write(
        "f.toml",
        "origins = [\"CN\"]\nincidentStartDate = 2017-01-01\n",
    );
    assert_eq!(listed(dea, &["--filter", "f.toml"]), ["confirmed"]);
    let ended = dea.expect(3, &["count", "--substance", "carfentanyl"]);
    assert!(ended.stderr.contains("carfentanil"), "{ended:#?}");
}

#[test]
fn words_are_found_in_english_and_chinese() {
    let desks = desks();
    assert_eq!(listed(&desks.dea, &["--text", "墨盒"]), ["first"]);
    assert_eq!(
        listed(
            &desks.dea,
            &["--text", "parcel carfentanil", "--origin", "MX"]
        ),
        ["reported"]
    );
    assert!(listed(&desks.dea, &["--text", "\"carfentanil parcel\""]).is_empty());
}

#[test]
fn a_count_says_what_it_is_of_and_why_others_do_not_count() {
    let desks = desks();
    let question = ["count", "--status", "attributed", "--origin", "CN"];
    let document = json(&desks.dea, &[&question[..], &["--explain"]].concat());
    assert_eq!(counted(&document), 1);
    let reasons: Vec<_> = document["obstacles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| {
            (
                o["reason"].as_str().unwrap().to_owned(),
                o["cases"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    for reason in ["retracted", "disputed", "origin-basis"] {
        assert!(
            reasons.contains(&(reason.into(), "1".into())),
            "{reason}: {reasons:?}"
        );
    }
    // Of somebody else's case that is not for this agency nothing is counted.
    assert_eq!(counted(&json(&desks.cbp, &question)), 2);

    let page = desks
        .dea
        .expect(0, &[&question[..], &["--explain"]].concat())
        .stdout;
    assert!(page.contains("why 3 of 4 cases do not count"), "{page}");
    // The command under a reason, as printed, lists the cases of that reason.
    let line = page
        .lines()
        .find(|line| line.contains("--obstacle origin-basis"))
        .unwrap();
    let words: Vec<_> = line.split_whitespace().skip(1).collect();
    let words: Vec<_> = match words.iter().position(|word| *word == "list") {
        Some(at) => words[at + 1..].to_vec(),
        None => panic!("{line}"),
    };
    assert_eq!(listed(&desks.dea, &words), ["confirmed"]);
}

#[test]
fn groups_sum_to_the_total_and_csv_has_exact_micrograms() {
    let desks = desks();
    let document = json(&desks.dea, &["count", "--by", "origin,year"]);
    assert_eq!(document["groupsAreDisjoint"], true);
    let groups = document["groups"].as_array().unwrap();
    let sum: i64 = groups
        .iter()
        .map(|g| {
            g["counted"]["cases"]
                .as_str()
                .unwrap_or("0")
                .parse::<i64>()
                .unwrap()
        })
        .sum();
    assert_eq!((sum, counted(&document)), (3, 3));
    let csv = desks
        .dea
        .expect(0, &["-o", "csv", "count", "--by", "class"])
        .stdout;
    assert!(csv.starts_with("substance_class,cases,incidents,"), "{csv}");
    assert!(csv.contains("micrograms,500000000,"), "{csv}");
    let page = desks.dea.expect(0, &["count", "--by", "class"]).stdout;
    assert!(
        page.contains("A case may count in several groups"),
        "{page}"
    );
}

#[test]
fn an_answer_can_be_got_again_as_the_record_stood() {
    let desks = desks();
    let question = ["count", "--status", "attributed", "--origin", "CN"];
    let before = json(&desks.dea, &question);
    let position = before["asOfPosition"].as_str().unwrap().to_owned();
    report(&desks.dea, DEA, "later", |r| {
        if let Some(route) = &mut r.route {
            route.origin = origin("CN");
        }
    });
    // What was just written is counted at once.
    assert_eq!(counted(&json(&desks.dea, &question)), counted(&before) + 1);
    let again = json(
        &desks.dea,
        &[&question[..], &["--as-of", &position]].concat(),
    );
    assert_eq!(again["total"], before["total"]);
    assert_eq!(again["asOfPosition"], before["asOfPosition"]);
    assert!(!listed(&desks.dea, &["--as-of", &position]).contains(&"later".to_owned()));
    desks
        .dea
        .expect(3, &[&question[..], &["--as-of", "1000000"]].concat());
    desks
        .dea
        .expect(3, &[&question[..], &["--as-of", "2999-01-01"]].concat());
    let projections = json(&desks.dea, &["log", "projections"]);
    let names: Vec<_> = projections["projections"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    assert!(names.iter().any(|p| p["name"] == "table"), "{projections}");
}

#[test]
fn pages_of_one_listing_are_of_one_position_and_orders_are_kept() {
    let desks = desks();
    let one_by_one = json(
        &desks.dea,
        &["list", "--all", "--page-size", "1", "--order-by", "oldest"],
    );
    let names = |document: &Value| -> Vec<String> {
        let cases = document["cases"].as_array().unwrap().iter();
        cases
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let at_once = json(&desks.dea, &["list", "--order-by", "oldest"]);
    assert_eq!(names(&one_by_one), names(&at_once));
    let mut newest = names(&json(&desks.dea, &["list"]));
    newest.reverse();
    assert_eq!(newest, names(&at_once));
    let by_mass = names(&json(
        &desks.dea,
        &["list", "--order-by", "mass", "--limit", "1"],
    ));
    assert_eq!(by_mass, [cases::name(DEA, "confirmed")]);
    let by_date = names(&json(
        &desks.dea,
        &[
            "list",
            "--order-by",
            "incident_date desc",
            "--from",
            "2017-04",
            "--limit",
            "1",
        ],
    ));
    assert_eq!(by_date, [cases::name(DEA, "confirmed")]);
}

#[test]
fn a_table_shows_the_same_of_a_basic_view_as_of_whole_cases_and_json_has_either() {
    let desks = desks();
    let said = |arguments: &[&str]| desks.dea.expect(0, arguments).stdout;
    for form in ["table", "csv"] {
        let list = ["-o", form, "list", "--all"];
        let whole = [&list[..], &["--view", "full"]].concat();
        assert_eq!(said(&list), said(&whole), "{form}");
    }
    let evidence = |document: Value| document["cases"][0]["report"]["evidence"].is_array();
    assert!(evidence(json(&desks.dea, &["list"])));
    assert!(!evidence(json(&desks.dea, &["list", "--view", "basic"])));
}

#[test]
fn pages_stay_readable_on_a_narrow_terminal() {
    let desks = desks();
    for arguments in [
        &["list"][..],
        &["list", "--origin", "China", "--substance", "卡芬太尼"],
        &["count", "--by", "origin,year,class"],
        &["count", "--status", "attributed", "--explain"],
        &[
            "trend",
            "--around",
            "carfentanil-cn-2017",
            "--period",
            "quarter",
        ],
        &["log", "projections"],
    ] {
        let ended = desks.dea.run_narrow(arguments);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        for line in ended.stdout.lines() {
            assert!(line.width() <= 80, "{arguments:?}: {line}");
        }
    }
    let page = desks.dea.run_narrow(&["list"]).stdout;
    assert!(page.contains("5 of 5, as of position "), "{page}");
    assert!(
        page.contains("confirmed, disputed") || page.contains("attributed, disputed"),
        "{page}"
    );
}

#[test]
fn a_trend_is_a_chart_a_sheet_and_a_drawing() {
    let desks = desks();
    let question = [
        "trend",
        "--around",
        "carfentanil-cn-2017",
        "--substance",
        "carfentanil",
    ];
    let document = json(&desks.dea, &question);
    assert_eq!(document["measure"], "carfentanil-cn-2017");
    assert_eq!(document["buckets"].as_array().unwrap().len(), 24);
    assert!(!document["caveats"].as_array().unwrap().is_empty());
    let csv = desks
        .dea
        .expect(0, &[&["-o", "csv"], &question[..]].concat())
        .stdout;
    assert_eq!(csv.lines().count(), 25, "{csv}");
    let drawing = ["--plot", "t.svg", "--title", "卡芬太尼管制前后"];
    let page = desks
        .dea
        .expect(0, &[&question[..], &drawing].concat())
        .stdout;
    assert!(
        page.contains("carfentanil-cn-2017") && page.contains("ratio of incidents"),
        "{page}"
    );
    let svg = fs::read_to_string(desks.dea.path("t.svg")).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("卡芬太尼管制前后"),
        "{svg}"
    );
    let ended = desks
        .dea
        .expect(3, &["trend", "--around", "carfentanyl-cn-2017"]);
    assert!(ended.stderr.contains("carfentanil-cn-2017"), "{ended:#?}");
}
