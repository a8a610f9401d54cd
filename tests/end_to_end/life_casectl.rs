//! The life of a case by the officers' command line: what two agencies say about it, and what each then sees.

mod owners;

use std::fs;

use casebroker_proto::v1::{CaseReport, Tlp};
use casebroker_tests::{
    Broker, CBP, DEA, Site,
    casectl::{Casectl, Ended, json_line},
    cases,
};
use serde_json::Value;

/// Officers of two agencies.
struct Desks {
    broker: Broker,
    site: Site,
    dea: Casectl,
    cbp: Casectl,
}

fn desks() -> Desks {
    let site = Site::new();
    let broker = site.start();
    Desks {
        dea: Casectl::new(&site, &broker, DEA, "officer"),
        cbp: Casectl::new(&site, &broker, CBP, "officer"),
        broker,
        site,
    }
}

impl Desks {
    /// A case of us-dea for us-cbp, by its short name.
    fn report(&self, id: &str, change: impl FnOnce(&mut CaseReport)) -> String {
        let mut report = cases::report(DEA, id);
        report.handling = Some(cases::handling(Tlp::Amber, &[CBP]));
        change(&mut report);
        submit(&self.dea, &report);
        format!("{DEA}/{id}")
    }
}

fn submit(casectl: &Casectl, report: &CaseReport) {
    casectl.write("case.json", &json_line(report));
    casectl.expect(0, &["submit", "case.json"]);
    for left in ["case.json", "case.json.receipts.jsonl"] {
        fs::remove_file(casectl.path(left)).unwrap();
    }
}

/// Evidence as `evidence hash` prints it, of a file with this content.
fn evidence(casectl: &Casectl, name: &str, kind: &str, content: &str) -> String {
    let file = format!("{name}.pdf");
    casectl.write(&file, content);
    let hashed = casectl.expect(
        0,
        &[
            "evidence",
            "hash",
            "--kind",
            kind,
            "--custodian",
            "Evidence room",
            &file,
        ],
    );
    let reference = format!("{name}.json");
    casectl.write(&reference, &hashed.stdout);
    reference
}

/// A command that must succeed and print one JSON document.
fn json(casectl: &Casectl, arguments: &[&str]) -> Value {
    casectl
        .expect(0, &[&["-o", "json"], arguments].concat())
        .json()
}

fn case(casectl: &Casectl, name: &str) -> Value {
    json(casectl, &["get", name])["case"].take()
}

fn page(casectl: &Casectl, arguments: &[&str]) -> String {
    let ended: Ended = casectl.run_narrow(arguments);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.stdout
}

#[test]
fn a_request_waits_in_both_worklists_until_it_is_answered_and_is_counted_after() {
    let desks = desks();
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let name = desks.report("asked", |_| {});
    let question = "The laboratory report, for court.";
    let asked = json(
        cbp,
        &[
            "request-evidence",
            &name,
            "--from",
            DEA,
            "--question",
            question,
            "--kind",
            "lab-report",
            "--due",
            "2020-02-01",
        ],
    );
    let id = asked["requestId"].as_str().unwrap();
    assert_eq!(asked["verified"], true);

    let waits = page(dea, &["worklist"]);
    let row = waits.lines().next().unwrap();
    for part in ["!", "2020-02-01", "overdue", "asks us", CBP, &id[..8]] {
        assert!(row.contains(part), "{part}: {waits}");
    }
    assert!(page(cbp, &["tasks"]).contains("we asked"));
    // Who is not asked has nothing to answer.
    cbp.expect(4, &["respond", &name, "--provided", "--note", "x"]);

    let lab = evidence(dea, "lab-annex", "lab-report", "annex");
    let answered = json(
        dea,
        &[
            "respond",
            &name,
            "--provided",
            "--note",
            "Handed over.",
            "--evidence",
            &lab,
        ],
    );
    assert_eq!(answered["case"], cases::name(DEA, "asked"));
    assert_eq!(
        page(dea, &["worklist", "--kind", "request-to-agency"]),
        "nothing waits\n"
    );
    let done = page(dea, &["worklist", "--kind", "request-to-agency", "--done"]);
    assert!(done.contains("answered"), "{done}");

    // A second answer needs the id, of which the beginning is enough.
    dea.expect(4, &["respond", &name, "--partial", "--note", "x"]);
    dea.expect(
        0,
        &[
            "respond",
            &name,
            "--request",
            &id[..8],
            "--provided",
            "--note",
            "Again.",
        ],
    );

    for (casectl, direction, agency) in [(dea, "to-agency", CBP), (cbp, "by-agency", DEA)] {
        let summary = json(casectl, &["worklist", "--summary"]);
        let [count] = summary["requests"].as_array().unwrap().as_slice() else {
            panic!("{summary}")
        };
        assert_eq!(count["direction"], direction);
        assert_eq!(count["agency"], format!("agencies/{agency}"));
        assert_eq!(
            (&count["requests"], &count["provided"]),
            (&1.into(), &1.into())
        );
        assert_eq!(count["answerRatePercent"], 100);
        assert!(count["medianResponseSeconds"].as_i64().unwrap() >= 0);
    }
    assert!(page(dea, &["worklist", "--summary"]).contains("us-cbp asks us"));

    let text = page(cbp, &["get", &name]);
    assert!(
        text.contains("us-cbp asks us-dea, due 2020-02-01: answered"),
        "{text}"
    );
    assert!(text.contains("lab-annex"), "{text}");
}

#[test]
fn a_late_finding_confirms_what_the_page_said_was_missing() {
    let desks = desks();
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let name = desks.report("late", |report| report.items[0].findings.clear());
    let before = page(cbp, &["get", &name]);
    assert!(
        before.contains("reported by standard version 1"),
        "{before}"
    );
    assert!(before.contains("  missing"), "{before}");
    assert!(
        before.contains("no laboratory finding reported"),
        "{before}"
    );
    // The consignment set out from China; where the goods were made nobody said.
    assert!(before.contains("Origin          not stated"), "{before}");

    let lab = evidence(dea, "late-lab", "lab-report", "late");
    let mut find = vec![
        "find",
        &name,
        "--item",
        "1",
        "--laboratory",
        "Drug Analysis Service",
        "--accreditation",
        "iso-17025",
        "--report-number",
        "2016-1234",
        "--technique",
        "mass-spectrometry",
        "--technique",
        "gas-chromatography",
        "--purity",
        "87.5",
        "--evidence",
        &lab,
    ];
    // The result must be said.
    dea.expect(2, &find);
    find.extend(["--identified", "carfentanil"]);
    json(dea, &find);
    let after = page(cbp, &["get", &name]);
    assert!(after.contains("confirmed by standard version 1"), "{after}");
    assert!(after.contains("Confirmed       item 1"), "{after}");
    assert!(after.contains("later, by us-dea"), "{after}");
    // Nobody asked us-cbp for a finding.
    let ended = cbp.run(&find_as(
        &find,
        &evidence(cbp, "cbp-lab", "lab-report", "cbp"),
    ));
    assert_eq!(ended.code, Some(4), "{ended:#?}");

    // The owner asks, and then the finding of the agency asked finds its request by itself.
    dea.expect(
        0,
        &[
            "request-evidence",
            &name,
            "--from",
            CBP,
            "--question",
            "Your laboratory's view?",
        ],
    );
    let lab = evidence(cbp, "cbp-lab", "lab-report", "cbp");
    cbp.expect(0, &find_as(&find, &lab));
    let findings = case(dea, &name)["lateFindings"].take();
    assert_eq!(findings.as_array().unwrap().len(), 2);
    assert_eq!(findings[1]["agency"], format!("agencies/{CBP}"));
}

/// The same finding resting on other evidence.
fn find_as<'a>(find: &[&'a str], evidence: &'a str) -> Vec<&'a str> {
    let mut find = find.to_vec();
    let at = find.iter().position(|a| *a == "--evidence").unwrap() + 1;
    find[at] = evidence;
    find
}

#[test]
fn a_dispute_is_opened_and_ended_by_who_disputes_and_seen_by_both() {
    let desks = desks();
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let name = desks.report("disputed", |_| {});
    let reason = "The address does not exist.";
    let opened = json(
        cbp,
        &[
            "dispute",
            &name,
            "--field",
            "route.departure",
            "--reason",
            reason,
        ],
    );
    let id = opened["requestId"].as_str().unwrap();
    let text = page(dea, &["get", &name]);
    assert!(text.contains("Disputed        by us-cbp"), "{text}");
    assert!(text.contains("disputes route.departure"), "{text}");
    assert!(page(dea, &["worklist"]).contains("disputes"));
    // A field that a report has not, one's own case, somebody else's dispute, neither field nor end.
    cbp.expect(3, &["dispute", &name, "--field", "colour", "--reason", "x"]);
    dea.expect(8, &["dispute", &name, "--field", "title", "--reason", "x"]);
    dea.expect(4, &["dispute", &name, "--end", &id[..8], "--reason", "x"]);
    cbp.expect(2, &["dispute", &name, "--reason", "x"]);
    cbp.expect(
        0,
        &["dispute", &name, "--end", &id[..8], "--reason", "Settled."],
    );
    let text = page(dea, &["get", &name]);
    assert!(!text.contains("Disputed "), "{text}");
    assert!(text.contains("Settled."), "{text}");
    cbp.expect(8, &["dispute", &name, "--end", id, "--reason", "x"]);
}

#[test]
fn a_corroboration_with_another_origin_leaves_both_standing() {
    let desks = desks();
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let name = desks.report("contested", |report| {
        let route = report.route.as_mut().unwrap();
        route.origin.clone_from(&route.departure);
    });
    let payments = evidence(cbp, "payments", "financial-record", "payments");
    let note = "The sender was paid from Mexico.";
    let mut corroborate = vec![
        "corroborate",
        &name,
        "--note",
        note,
        "--evidence",
        &payments,
        "--origin",
        "MX",
    ];
    // An origin rests on something.
    cbp.expect(2, &corroborate);
    corroborate.extend(["--basis", "financial-trail", "--evidence-id", "payments"]);
    json(cbp, &corroborate);
    let text = page(dea, &["get", &name]);
    assert!(text.contains("Origin          CN"), "{text}");
    assert!(text.contains("contested: us-dea says CN"), "{text}");
    assert!(text.contains("contested: us-cbp says MX"), "{text}");
    assert!(text.contains(note), "{text}");

    // The same from a file, seen by the owner alone.
    let file = r#"// ours
{"note": "A second look.", "findings": []}"#;
    cbp.write("corroboration.json", file);
    cbp.expect(
        0,
        &[
            "corroborate",
            &name,
            "-f",
            "corroboration.json",
            "--to",
            CBP,
            "--tlp",
            "red",
        ],
    );
    let history = json(cbp, &["history", &name]);
    let last = history["statements"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["statement"]["handling"]["tlp"], "TLP_RED");
    assert_eq!(last["statement"]["corroboration"]["note"], "A second look.");
    assert!(page(dea, &["get", &name]).contains("A second look."));
}

#[test]
fn a_template_with_its_placeholders_filled_in_is_what_a_command_takes_from_a_file() {
    let desks = desks();
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let name = desks.report("template", |_| {});
    let lab = evidence(dea, "lab-report", "lab-report", "late");
    let reference = fs::read_to_string(dea.path(&lab)).unwrap();
    let reference: Value = serde_json::from_str(&reference).unwrap();
    for (kind, command, casectl) in [
        ("finding", "find", dea),
        ("corroboration", "corroborate", cbp),
    ] {
        let statement = json(casectl, &["template", kind]);
        casectl.write("statement.json", &statement.to_string());
        let ended = casectl.expect(3, &[command, &name, "-f", "statement.json"]);
        assert!(ended.stderr.contains("casectl submit"), "{ended:#?}");
        let mut message = statement[kind].clone();
        casectl.write("message.json", &message.to_string());
        casectl.expect(3, &[command, &name, "-f", "message.json"]);
        message["evidence"][0]["digest"] = reference[0]["digest"].clone();
        message.as_object_mut().unwrap().remove("ownCase");
        casectl.write("message.json", &message.to_string());
        casectl.expect(0, &[command, &name, "-f", "message.json"]);
    }
    let case = case(dea, &name);
    assert_eq!(case["lateFindings"].as_array().unwrap().len(), 1);
    assert_eq!(case["corroborations"].as_array().unwrap().len(), 1);
}
