//! What owners do to their own cases by the command line: amend, release, declare what overlaps.

use casebroker_proto::v1::{CaseReport, Item, Tlp};
use casebroker_tests::{CBP, DEA, RCMP, casectl::Casectl, casectl::json_line, cases};
use serde_json::Value;

use super::{desks, json, page, submit};

#[test]
fn an_amendment_made_from_an_older_revision_is_a_conflict_and_the_history_shows_each_field() {
    let desks = desks();
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let name = desks.report("amended", |_| {});
    let mut new: CaseReport = cases::report(DEA, "amended");
    new.handling = Some(cases::handling(Tlp::Amber, &[CBP]));
    new.items[0].quantity.as_mut().unwrap().value = "1.2".into();
    dea.write("new.json", &json_line(&new));
    let amend = [
        "amend",
        &name,
        "new.json",
        "--reason",
        "weighed again",
        "--expected-revision",
        "1",
    ];
    dea.expect(0, &amend);
    let again = dea.expect(8, &amend);
    assert!(again.stderr.contains("was amended meanwhile"), "{again:#?}");
    assert!(
        again.stderr.contains("casectl history us-dea/amended"),
        "{again:#?}"
    );
    let as_json = dea.expect(8, &[&["-o", "json"], &amend[..]].concat());
    let failure: Value = serde_json::from_str(&as_json.stderr).unwrap();
    assert_eq!(failure["reason"], "REVISION_CONFLICT");

    // Without a revision it is the current one.
    new.title = "另一个标题".into();
    new.items.push(Item {
        description: "A second parcel".into(),
        ..new.items[0].clone()
    });
    new.items[1].findings.clear();
    dea.write("new.json", &json_line(&new));
    dea.expect(0, &["amend", &name, "new.json", "--reason", "and another"]);
    let history = page(cbp, &["history", &name]);
    for part in [
        "us-dea  report",
        "by officer/",
        "revision 1 → 2: weighed again",
        "items[0].quantity.value: “1.0” → “1.2”",
        "revision 2 → 3: and another",
        "→ “另一个标题”",
        "items[1]: added description “A second parcel”",
    ] {
        assert!(history.contains(part), "{part}: {history}");
    }
    let document = json(cbp, &["history", &name]);
    assert_eq!(document["statements"].as_array().unwrap().len(), 3);
    dea.expect(0, &["retract", &name, "--reason", "reported twice"]);
    assert!(page(cbp, &["get", &name]).contains("RETRACTED: reported twice"));
}

#[test]
fn two_owners_declare_one_incident_each_of_its_own_case() {
    let desks = desks();
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let name = desks.report("one", |report| {
        report.handling = Some(cases::handling(Tlp::Red, &[DEA]));
        report.identifiers[0].value = "EA123456785CN".into();
    });
    let mut other = cases::report(CBP, "other");
    other.identifiers[0].value = "EA 123 456 785 CN".into();
    submit(cbp, &other);
    let theirs = format!("{CBP}/other");

    let seen = page(dea, &["overlaps", &name]);
    assert!(seen.contains("us-cbp/other: open"), "{seen}");
    assert!(seen.contains("tracking number EA123456785CN"), "{seen}");
    // Where one case is not for the other's owner, only its agency is told.
    let seen = page(cbp, &["overlaps", &theirs]);
    assert!(
        seen.contains("a case of us-dea that is not for my agency: open"),
        "{seen}"
    );
    assert!(!seen.contains("us-dea/one"), "{seen}");

    let overlaps = json(cbp, &["overlaps", &theirs]);
    let id = overlaps["overlaps"][0]["id"].as_str().unwrap();
    let declare = |casectl: &Casectl, case: &str, verdict: &str| {
        json(
            casectl,
            &[
                "overlaps",
                case,
                "--declare",
                &id[..8],
                verdict,
                "--reason",
                "one parcel",
            ],
        )
    };
    declare(cbp, &theirs, "same");
    let waits = page(cbp, &["overlaps", &theirs]);
    assert!(
        waits.contains("us-dea is to say the same of its case"),
        "{waits}"
    );
    assert!(page(dea, &["worklist", "--kind", "overlap"]).contains("us-cbp"));
    declare(dea, &name, "same");
    let agreed = page(dea, &["overlaps", &name]);
    assert!(agreed.contains("us-cbp/other: same incident"), "{agreed}");
    let text = page(dea, &["get", &name]);
    assert!(text.contains("Same incident   us-cbp/other"), "{text}");
    declare(dea, &name, "withdrawn");
    assert!(page(dea, &["overlaps", &name]).contains("us-cbp/other: open"));
    dea.expect(2, &["overlaps", &name, "--declare", id, "perhaps"]);
    dea.expect(4, &["overlaps", &name, "--declare", "ffffffff", "same"]);
}

#[test]
fn statements_are_shown_to_whoever_may_see_the_case_and_a_release_adds_to_them() {
    let desks = desks();
    let rcmp = Casectl::new(&desks.site, &desks.broker, RCMP, "officer");
    let (dea, cbp) = (&desks.dea, &desks.cbp);
    let name = desks.report("released", |_| {});
    rcmp.expect(4, &["get", &name]);
    rcmp.expect(4, &["dispute", &name, "--field", "title", "--reason", "x"]);
    dea.expect(
        0,
        &[
            "release",
            &name,
            "--to",
            RCMP,
            "--reason",
            "joint operation",
        ],
    );
    cbp.expect(0, &["corroborate", &name, "--note", "We know of it."]);
    let history = json(&rcmp, &["history", &name]);
    let last = history["statements"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    let audience = &last["statement"]["handling"]["audience"];
    assert_eq!(
        audience,
        &serde_json::json!([format!("agencies/{CBP}"), format!("agencies/{RCMP}")])
    );
    let text = page(dea, &["history", &name]);
    assert!(
        text.contains("handling.audience[1]: added “agencies/ca-rcmp”"),
        "{text}"
    );
}
