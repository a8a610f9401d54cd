//! Subscriptions by the command line: made and looked after, taken by commands and files, watched, forwarded.

mod forward;
mod restarts;

use std::{collections::BTreeMap, fs};

use casebroker_proto::v1::Tlp;
use casebroker_tests::{
    Broker, CBP, DEA, Site,
    casectl::{Casectl, json_line},
    cases,
};
use serde_json::Value;

/// A broker that is on the same port after a restart, and officers of two agencies.
struct Desks {
    site: Site,
    broker: Broker,
    dea: Casectl,
    cbp: Casectl,
}

impl Desks {
    fn new() -> Self {
        let mut site = Site::new();
        let broker = site.start();
        site.set("listen", format!("\"{}\"", broker.address));
        let dea = Casectl::new(&site, &broker, DEA, "officer");
        let cbp = Casectl::new(&site, &broker, CBP, "officer");
        Self {
            site,
            broker,
            dea,
            cbp,
        }
    }

    /// Ends the broker without warning and starts it again.
    fn restart(self) -> Self {
        self.broker.kill_9();
        let broker = self.site.start();
        Self { broker, ..self }
    }

    /// us-dea reports cases of these names.
    fn report(&self, names: &[String]) {
        let lines = names
            .iter()
            .map(|name| json_line(&cases::report(DEA, name)) + "\n");
        self.dea.write("cases.jsonl", &lines.collect::<String>());
        for old in ["cases.jsonl.receipts.jsonl", "cases.jsonl.rejects.jsonl"] {
            let _ = fs::remove_file(self.dea.path(old));
        }
        self.dea.expect(0, &["submit", "cases.jsonl"]);
    }
}

/// Names of cases: `batch-0`, `batch-1` and so on.
fn names(batch: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{batch}-{n}")).collect()
}

/// How often each case is in lines of JSON.
fn cases_in(lines: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let case = value["case"].as_str().unwrap().rsplit('/').next().unwrap();
        *counts.entry(case.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn a_subscription_is_made_shown_changed_and_ended() {
    let desks = Desks::new();
    let dea = &desks.dea;
    let made = dea.expect(
        0,
        &[
            "subscription",
            "create",
            "west",
            "--class",
            "fentanyl-analogue",
            "--incident-from",
            "2016",
            "--kind",
            "report,retraction",
            "--ordered",
            "--max-attempts",
            "5",
            "--dead-letter",
            "--label",
            "desk=west",
        ],
    );
    assert!(
        made.stdout.contains("west delivers from position"),
        "{made:#?}"
    );
    // The same again is the one that is there.
    let again = ["subscription", "create", "east", "--from", "beginning"];
    dea.expect(0, &again);
    dea.expect(0, &again);
    dea.expect(8, &["subscription", "create", "east", "--ordered"]);

    let listed = dea
        .expect(0, &["-o", "json", "subscription", "list"])
        .json();
    let listed: Vec<_> = listed["subscriptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        listed,
        [
            "agencies/us-dea/subscriptions/east",
            "agencies/us-dea/subscriptions/west"
        ]
    );
    let table = dea.expect(0, &["subscription", "list"]).stdout;
    assert!(
        table.contains("east") && table.contains("every case"),
        "{table}"
    );
    dea.expect(0, &["-o", "csv", "subscription", "list"]);

    let page = dea.expect(0, &["subscription", "get", "west"]).stdout;
    for words in [
        "report, retraction",
        "ack deadline",
        "1m",
        "label",
        "desk=west",
        "backlog",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    dea.expect(
        0,
        &[
            "subscription",
            "update",
            "west",
            "--ack-deadline",
            "2m",
            "--dead-letter=false",
        ],
    );
    let got = dea
        .expect(0, &["-o", "json", "subscription", "get", "west"])
        .json();
    assert_eq!(got["subscription"]["ackDeadline"], "120s");
    let keeps = got["subscription"]["deadLetter"].as_bool();
    assert!(!keeps.unwrap_or_default());
    assert_eq!(got["subscription"]["maxDeliveryAttempts"], 5);

    let refused = dea.expect(
        3,
        &[
            "-o",
            "json",
            "subscription",
            "update",
            "west",
            "--max-attempts",
            "500",
        ],
    );
    let refused: Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!(
        refused["violations"][0]["field"],
        "subscription.max_delivery_attempts"
    );
    dea.expect(2, &["subscription", "update", "west"]);
    // Nobody is here to say yes; and another agency has no such subscription.
    dea.expect(2, &["subscription", "delete", "west"]);
    desks.cbp.expect(
        4,
        &["subscription", "get", "agencies/us-dea/subscriptions/west"],
    );
    dea.expect(0, &["subscription", "delete", "west", "--yes"]);
    dea.expect(4, &["subscription", "get", "west"]);
}

#[test]
fn a_command_for_each_delivery_acknowledges_by_its_status_and_the_rest_are_dead_letters() {
    let desks = Desks::new();
    let dea = &desks.dea;
    desks.report(&names("good", 6));
    desks.report(&names("poison", 5));
    dea.expect(
        0,
        &[
            "subscription",
            "create",
            "west",
            "--from",
            "beginning",
            "--max-attempts",
            "2",
            "--dead-letter",
        ],
    );
    let command = "echo \"$CASEBROKER_POSITION\" >> seen; grep -q \"\\\"case\\\":\\\"$CASEBROKER_CASE\\\"\" || exit 9; \
                   case $CASEBROKER_CASE in *poison*) echo first >&2; echo 'no room' >&2; exit 1;; esac";
    let pull = [
        "subscription",
        "pull",
        "west",
        "--exec",
        command,
        "--concurrency",
        "3",
        "--wait",
        "2s",
    ];
    let ended = dea.expect(0, &pull);
    assert!(
        ended.stderr.contains("6 acknowledged, 10 given back"),
        "{ended:#?}"
    );
    assert_eq!(
        fs::read_to_string(dea.path("seen"))
            .unwrap()
            .lines()
            .count(),
        16
    );

    let letters = |arguments: &[&str]| {
        let all = [
            &["-o", "json", "subscription", "dead-letters", "west"],
            arguments,
        ]
        .concat();
        dea.expect(0, &all).json()
    };
    let listed = letters(&["list"]);
    let listed = listed["deadLetters"].as_array().unwrap();
    assert_eq!(listed.len(), 5);
    for letter in listed {
        assert_eq!(letter["reason"], "no room");
        assert_eq!(letter["deliveryAttempts"], 2);
    }
    let last = listed[4]["position"].as_str().unwrap();
    assert_eq!(letters(&["get", last])["position"], last);
    dea.expect(4, &["subscription", "dead-letters", "west", "get", "0"]);

    // Never more than was asked for.
    let replayed = letters(&["replay", "--limit", "2"]);
    assert_eq!(
        (replayed["replayed"].as_str(), replayed["left"].as_str()),
        (Some("2"), Some("3"))
    );
    let replayed = letters(&["replay", "--position", last]);
    assert_eq!(
        (replayed["replayed"].as_str(), replayed["left"].as_str()),
        (Some("1"), Some("2"))
    );
    dea.expect(
        2,
        &[
            "subscription",
            "dead-letters",
            "west",
            "replay",
            "--limit",
            "5000",
        ],
    );
    let pulled = dea.expect(
        0,
        &[
            "-o",
            "jsonl",
            "subscription",
            "pull",
            "west",
            "--max",
            "100",
            "--ack",
            "--wait",
            "5s",
        ],
    );
    assert_eq!(pulled.stdout.lines().count(), 3, "{pulled:#?}");
    dea.expect(
        2,
        &["subscription", "dead-letters", "west", "drop", "--all"],
    );
    assert_eq!(letters(&["drop", "--all", "--yes"])["dropped"], "2");
    assert!(
        letters(&["list"])["deadLetters"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn the_owner_sees_who_got_what() {
    let desks = Desks::new();
    desks.cbp.expect(0, &["subscription", "create", "west"]);
    let mut report = cases::report(DEA, "shared");
    report.handling = Some(cases::handling(Tlp::Amber, &[CBP]));
    desks.dea.write("shared.json", &json_line(&report));
    desks.dea.expect(0, &["submit", "shared.json"]);
    let progress = || {
        let listed = desks
            .dea
            .expect(
                0,
                &["-o", "json", "history", "us-dea/shared", "--deliveries"],
            )
            .json();
        let listed = listed["deliveries"].as_array().unwrap().clone();
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(listed[0]["agency"], "agencies/us-cbp");
        listed[0]["progress"].as_str().unwrap().to_owned()
    };
    assert_eq!(progress(), "DELIVERY_PROGRESS_PENDING");
    let shown = desks.cbp.expect(
        0,
        &["subscription", "pull", "west", "--wait", "5s", "--ack"],
    );
    assert!(shown.stdout.contains("us-dea/shared"), "{shown:#?}");
    assert_eq!(progress(), "DELIVERY_PROGRESS_ACKNOWLEDGED");
    let table = desks
        .dea
        .expect(0, &["history", "us-dea/shared", "--deliveries"])
        .stdout;
    assert!(table.contains("us-cbp  acknowledged"), "{table}");
    // It is the owner's to ask.
    desks
        .cbp
        .expect(4, &["history", "us-dea/shared", "--deliveries"]);
}

#[test]
fn a_seek_says_what_it_brings() {
    let desks = Desks::new();
    desks.dea.expect(0, &["subscription", "create", "west"]);
    desks.report(&names("old", 30));
    desks
        .dea
        .expect(0, &["subscription", "seek", "west", "--to", "now"]);
    let moved = desks
        .dea
        .expect(0, &["subscription", "seek", "west", "--to", "beginning"]);
    assert!(
        moved.stderr.contains("this brings 30 statements"),
        "{moved:#?}"
    );
    assert!(
        moved.stdout.contains("30 statements from there"),
        "{moved:#?}"
    );
    desks.dea.expect(
        3,
        &["subscription", "seek", "west", "--to", "1000000", "--yes"],
    );
    let listed = desks
        .dea
        .expect(0, &["-o", "jsonl", "subscription", "list"]);
    assert_eq!(
        listed.stdout.lines().count(),
        1,
        "what counted it is gone: {listed:#?}"
    );
}
