//! A spreadsheet goes in and is cases at the broker, once.

use std::fs;

use casebroker_tests::{CBP, Site, casectl::Casectl};

const HEADER: &str = "FY,Month (abbv),Component,Region,Land Filter,Area of Responsibility,Drug Type,Count of Event,Sum Qty (lbs)\n";
const ONE: &str =
    "2019,OCT,U.S. Border Patrol,Southwest Border,Land Only,TUCSON SECTOR,Fentanyl,1,8.85\n";
const THREE: &str = "2019,OCT,Office of Field Operations,Coastal/Interior,Other,ATLANTA FIELD OFFICE,Ecstasy,3,8.3799469484296\n";
const CASE: &str = "us-cbp/cbp-2018-10-tucson-sector-land-only-fentanyl";

#[test]
fn an_imported_row_is_a_case_and_importing_it_again_doubles_nothing() {
    let site = Site::new();
    let broker = site.start();
    let casectl = Casectl::new(&site, &broker, CBP, "system");
    casectl.write("in.csv", &[HEADER, ONE, THREE].concat());
    let import = ["import", "--map", "cbp-drug-seizures", "in.csv", "--submit"];

    // What cannot be one report is rejected and the rest is submitted.
    let ended = casectl.expect(3, &import);
    assert!(ended.stdout.contains("1 recorded"), "{ended:#?}");
    assert!(
        ended
            .stderr
            .contains("1 of 2 rows become 1 cases, 1 are rejected"),
        "{ended:#?}"
    );
    let rejected = fs::read_to_string(casectl.path("in.csv.cases.jsonl.rejected.csv")).unwrap();
    assert!(
        rejected.contains("one report cannot stand for 3 events")
            && rejected.contains(THREE.trim()),
        "{rejected}"
    );
    let case = casectl.expect(0, &["-o", "json", "get", CASE]).json();
    assert_eq!(
        case["case"]["report"]["items"][0]["quantity"]["normalized"],
        "4014292474"
    );
    assert_eq!(case["case"]["report"]["incidentDate"]["month"], 10);

    // The same file again: its receipts are there.
    let ended = casectl.expect(3, &import);
    assert!(ended.stdout.contains("0 recorded, 1 skipped"), "{ended:#?}");
    // The same row elsewhere, without receipts: the broker knows the request id.
    casectl.write("copy.csv", &[HEADER, ONE].concat());
    let again = [
        "import",
        "--map",
        "cbp-drug-seizures",
        "copy.csv",
        "--submit",
    ];
    let ended = casectl.expect(8, &again);
    assert!(ended.stderr.contains("REQUEST_ID_REUSED"), "{ended:#?}");
    // The row revised: the case is there.
    casectl.write("new.csv", &[HEADER, &ONE.replace("8.85", "8.9")].concat());
    let revised = [
        "import",
        "--map",
        "cbp-drug-seizures",
        "new.csv",
        "--submit",
    ];
    let ended = casectl.expect(8, &revised);
    assert!(ended.stderr.contains("CASE_EXISTS"), "{ended:#?}");

    // What was rejected, shared out.
    let more = [
        "import",
        "--map",
        "cbp-drug-seizures",
        "in.csv.cases.jsonl.rejected.csv",
        "--expand",
        "--submit",
    ];
    let ended = casectl.expect(0, &more);
    assert!(ended.stdout.contains("3 recorded"), "{ended:#?}");
    casectl.expect(
        0,
        &[
            "verify",
            "in.csv.cases.jsonl.rejected.csv.cases.jsonl.receipts.jsonl",
        ],
    );
}

#[test]
fn a_dry_run_needs_no_broker_and_writes_nothing() {
    let site = Site::new();
    let broker = site.start();
    let casectl = Casectl::new(&site, &broker, CBP, "officer");
    broker.stop_blocking();
    casectl.write("in.csv", &[HEADER, ONE, THREE].concat());
    let before = fs::read_dir(casectl.path("")).unwrap().count();
    let ended = casectl.expect(
        3,
        &[
            "-o",
            "json",
            "import",
            "--map",
            "cbp-drug-seizures",
            "in.csv",
        ],
    );
    let found = ended.json();
    assert_eq!(found["rows"][0]["status"], "reported");
    assert!(
        found["rows"][1]["rejected"]
            .as_str()
            .unwrap()
            .contains("--expand")
    );
    assert_eq!(
        (&found["totals"]["cases"], &found["totals"]["rowsRejected"]),
        (&1.into(), &1.into())
    );
    casectl.expect(
        0,
        &[
            "import",
            "--map",
            "cbp-drug-seizures",
            "--check-map",
            "in.csv",
        ],
    );
    casectl.expect(2, &["import", "--map", "no-such-map", "in.csv"]);
    let example = casectl.expect(0, &["import", "--example-map"]).stdout;
    casectl.write("map.toml", &example);
    let ended = casectl.expect(3, &["import", "--map", "map.toml", "--check-map", "in.csv"]);
    assert!(
        ended.stderr.contains("map.toml:") && ended.stderr.contains("has no column"),
        "{ended:#?}"
    );
    assert_eq!(fs::read_dir(casectl.path("")).unwrap().count(), before + 1);
}
