//! The command line does what scripts rely on.

use std::fs;

use casebroker_tests::{
    Broker, CBP, DEA, Site,
    casectl::{Casectl, Ended, json_line, tamper},
    cases, wait,
};

fn start(role: &str) -> (Site, Broker, Casectl) {
    let site = Site::new();
    let broker = site.start();
    let casectl = Casectl::new(&site, &broker, DEA, role);
    (site, broker, casectl)
}

fn write_cases(casectl: &Casectl, file: &str, ids: impl IntoIterator<Item = String>) {
    let lines = ids
        .into_iter()
        .map(|id| json_line(&cases::report(DEA, &id)) + "\n");
    casectl.write(file, &lines.collect::<String>());
}

#[test]
fn a_case_goes_in_comes_out_and_verifies_with_the_broker_stopped() {
    let (_site, broker, casectl) = start("officer");
    write_cases(&casectl, "one.json", ["a".into()]);
    let name = cases::name(DEA, "a");
    casectl
        .expect(0, &["-o", "json", "submit", "one.json"])
        .json();
    let case = casectl.expect(0, &["-o", "json", "get", &name]).json();
    assert!(case.to_string().contains(&format!("\"{name}\"")));
    casectl.expect(0, &["log", "receipt", "1", "-O", "a.tlog-proof"]);
    assert!(broker.stop_blocking().status.success());

    let kept = "one.json.receipts.jsonl";
    for receipt in [kept, "a.tlog-proof"] {
        casectl.expect(0, &["verify", receipt]);
    }
    // The first hash or character of what is signed, of what is said, and of who says it.
    let good = fs::read_to_string(casectl.path("a.tlog-proof")).unwrap();
    let extra = good
        .lines()
        .find(|line| line.starts_with("extra "))
        .unwrap();
    let changed_entry = extra.replacen("extra C", "extra D", 1);
    for (from, to) in [
        ("index 1", "index 0"),
        ("casebroker.example/log\n2\n", "casebroker.example/log\n3\n"),
        (extra, changed_entry.as_str()),
    ] {
        casectl.write("bad.tlog-proof", &good);
        assert_ne!(from, to);
        tamper(&casectl.path("bad.tlog-proof"), from, to);
        let ended = casectl.run(&["verify", "bad.tlog-proof"]);
        assert_eq!(ended.code, Some(7), "{from:?} to {to:?}: {ended:#?}");
    }
    let other_log = Site::new().log.to_string();
    casectl.expect(7, &["verify", "a.tlog-proof", "--log-key", &other_log]);
}

#[test]
fn json_output_is_exactly_one_document() {
    let (_site, _broker, casectl) = start("officer");
    write_cases(&casectl, "cases.jsonl", ["a".into(), "b".into()]);
    let name = cases::name(DEA, "a");
    for arguments in [
        &["whoami"][..],
        &["validate", "cases.jsonl"],
        &["submit", "cases.jsonl"],
        &["get", &name],
        &["history", &name],
        &["list"],
        &["log", "checkpoint"],
        &["log", "receipt", "0"],
        &["log", "consistency", "1", "--raw"],
        &["verify", "cases.jsonl.receipts.jsonl"],
        &["evidence", "hash", "cases.jsonl"],
        &["errors", "CASE_NOT_FOUND"],
    ] {
        let arguments = [&["-o", "json"], arguments].concat();
        casectl.expect(0, &arguments).json();
    }
}

#[test]
fn the_exit_status_tells_what_kind_of_failure_it_was() {
    let (site, broker, casectl) = start("officer");
    let operator = Casectl::new(&site, &broker, DEA, "operator");
    write_cases(&casectl, "good.json", ["a".into()]);
    casectl.expect(0, &["submit", "good.json"]);
    casectl.expect(2, &["no-such-command"]);
    casectl.write(
        "broken.json",
        "{\"name\": \"agencies/us-dea/cases/x\", \"colour\": 1}",
    );
    casectl.expect(3, &["submit", "broken.json"]);
    let mut invalid = cases::report(DEA, "x");
    invalid.title.clear();
    casectl.write("invalid.json", &json_line(&invalid));
    let ended = casectl.expect(3, &["validate", "invalid.json"]);
    assert!(said(&ended).contains("title"), "{ended:#?}");
    casectl.expect(3, &["submit", "invalid.json"]);
    casectl.expect(4, &["get", &cases::name(DEA, "none")]);
    casectl.expect(4, &["get", &cases::name(CBP, "none")]);
    operator.expect(5, &["get", &cases::name(DEA, "a")]);
    // Another file with the same case, so under another request id.
    write_cases(&casectl, "again.json", ["a".into()]);
    casectl.expect(8, &["submit", "again.json"]);
    assert!(broker.stop_blocking().status.success());
    casectl.expect(6, &["--attempts", "1", "whoami"]);
}

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn a_failure_with_json_output_is_an_object_with_code_and_message() {
    let (_site, _broker, casectl) = start("officer");
    let ended = casectl.expect(4, &["-o", "json", "get", &cases::name(DEA, "none")]);
    assert_eq!(ended.stdout, "");
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(error["code"], "NOT_FOUND");
    assert!(
        error["message"].as_str().is_some_and(|m| !m.is_empty()),
        "{error}"
    );
    assert!(error["violations"].is_array(), "{error}");
}

#[test]
fn a_bad_line_is_named_and_the_others_are_recorded() {
    let (_site, _broker, casectl) = start("system");
    let mut lines: Vec<_> = (0..5)
        .map(|n| json_line(&cases::report(DEA, &format!("c{n}"))))
        .collect();
    let mut bad = cases::report(DEA, "bad");
    bad.place.as_mut().unwrap().country = "XX".into();
    lines[2] = json_line(&bad);
    casectl.write("cases.jsonl", &(lines.join("\n") + "\n"));
    let ended = casectl.expect(3, &["submit", "cases.jsonl"]);
    let said = said(&ended);
    assert!(said.contains("place.country"), "{ended:#?}");
    assert!(
        said.contains("cases.jsonl:3") || said.contains("line 3"),
        "{ended:#?}"
    );
    for id in ["c0", "c1", "c3", "c4"] {
        casectl.expect(0, &["get", &cases::name(DEA, id)]);
    }
    casectl.expect(4, &["get", &cases::name(DEA, "bad")]);
}

#[tokio::test]
async fn a_submission_interrupted_by_a_crash_goes_on_without_duplicates() {
    const CASES: usize = 2_000;
    let (site, broker, casectl) = start("system");
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    write_cases(&casectl, "all.jsonl", (0..CASES).map(|n| format!("c{n}")));
    let submit = ["--attempts", "1", "submit", "all.jsonl"];
    let running = casectl.spawn(&submit);
    wait::until_async("some are recorded", || async {
        (dea.statements(&site.log).await > 200).then_some(())
    })
    .await;
    broker.kill_9();
    let ended: Ended = running.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(6), "{ended:#?}");

    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let before = dea.statements(&site.log).await;
    assert!(
        (200..CASES as u64).contains(&before),
        "killed in the middle: {before}"
    );
    casectl.point_to(&site, &broker);
    casectl.expect(0, &submit);
    assert_eq!(
        dea.statements(&site.log).await,
        CASES as u64,
        "one entry a case"
    );
    assert_eq!(dea.list(None).await.len(), CASES);
    // Once more changes nothing.
    casectl.expect(0, &submit);
    assert_eq!(dea.statements(&site.log).await, CASES as u64);
    assert!(broker.stop().await.status.success());
    casectl.expect(0, &["verify", "all.jsonl.receipts.jsonl"]);
    let receipts = fs::read_to_string(casectl.path("all.jsonl.receipts.jsonl")).unwrap();
    assert!(receipts.lines().count() >= CASES);
}

#[test]
fn a_file_without_a_statement_is_no_success() {
    let (_site, _broker, casectl) = start("officer");
    for (file, text) in [
        ("empty.json", ""),
        ("blank.jsonl", "\n\n"),
        ("list.json", "[]\n"),
    ] {
        casectl.write(file, text);
        for command in ["validate", "submit"] {
            let ended = casectl.expect(3, &[command, file]);
            assert!(said(&ended).contains("holds no statement"), "{ended:#?}");
        }
        casectl.expect(3, &["-o", "json", "validate", file]).json();
    }
}

#[test]
fn validate_tells_the_status_that_a_report_would_get_rule_by_rule() {
    let (_site, _broker, casectl) = start("officer");
    write_cases(&casectl, "a.json", ["a".into()]);
    let found = casectl
        .expect(0, &["-o", "json", "validate", "a.json"])
        .json();
    let judged = &found["assessments"][0];
    assert_eq!(judged["case"], cases::name(DEA, "a"));
    assert_eq!(judged["assessment"]["status"], "CASE_STATUS_CONFIRMED");
    let rules = judged["assessment"]["rules"].as_array().unwrap();
    let missing: Vec<_> = rules.iter().filter(|r| r["met"] != true).collect();
    assert!(!missing.is_empty(), "{judged:#}");
    let ended = casectl.expect(0, &["validate", "a.json"]);
    for rule in missing {
        let line = format!("{}: {}", rule["rule"], rule["message"]).replace('"', "");
        assert!(ended.stdout.contains(&line), "{line} {ended:#?}");
    }
    assert!(ended.stdout.contains("would be confirmed by version 1"));
    // The broker answers the same.
    casectl.expect(0, &["submit", "a.json"]);
    let got = casectl
        .expect(0, &["-o", "json", "get", &cases::name(DEA, "a")])
        .json();
    assert_eq!(got["case"]["assessment"], judged["assessment"]);
    assert_eq!(
        got["case"].get("controls"),
        found["assessments"][0].get("controls")
    );
    let brief = casectl.expect(0, &["validate", "--brief", "a.json"]);
    assert_eq!(brief.stdout, "1 valid; by the standard 1 confirmed\n");
}

#[test]
fn what_is_wrong_is_told_with_the_line_of_its_own_field() {
    let (_site, _broker, casectl) = start("officer");
    let mut report = cases::report(DEA, "a");
    report.place.as_mut().unwrap().country = "XX".into();
    report.items[0].quantity.as_mut().unwrap().value = "1,0".into();
    let value: serde_json::Value = serde_json::from_str(&json_line(&report)).unwrap();
    let text = format!("// the case\n{value:#}\n");
    casectl.write("a.json", &text);
    let line = |part: &str| text.lines().position(|l| l.contains(part)).unwrap() + 1;
    let (country, weight) = (line("\"XX\""), line("\"1,0\""));
    let ended = casectl.expect(3, &["validate", "a.json"]);
    for place in [
        format!("a.json:{country}: place.country: "),
        format!("a.json:{weight}: items[0].quantity.value: "),
    ] {
        assert!(ended.stdout.contains(&place), "{place} {ended:#?}");
    }
    let ended = casectl.expect(3, &["submit", "a.json"]);
    let place = format!("place.country (line {country}): ");
    assert!(said(&ended).contains(&place), "{place} {ended:#?}");
    let found = casectl
        .expect(3, &["-o", "json", "submit", "a.json"])
        .json();
    let violations = found["results"][0]["error"]["violations"]
        .as_array()
        .unwrap();
    let lines: Vec<_> = violations
        .iter()
        .map(|v| v["line"].as_u64().unwrap() as usize)
        .collect();
    assert!(
        lines.contains(&country) && lines.contains(&weight),
        "{found}"
    );
}

#[test]
fn a_wrong_command_line_is_an_object_too_where_json_is_asked_for() {
    let (_site, _broker, casectl) = start("officer");
    for arguments in [
        &["-o", "json", "get", "a/b/c/d"][..],
        &["get", "a/b/c/d", "--output=jsonl"],
        &["-ojson", "no-such-command"],
    ] {
        let ended = casectl.expect(2, arguments);
        assert_eq!(ended.stdout, "");
        let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
        assert_eq!(error["code"], "INVALID_ARGUMENT", "{error}");
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()));
        assert!(error["action"].as_str().unwrap().contains("--help"));
    }
    let plain = casectl.expect(2, &["get", "a/b/c/d"]);
    assert!(plain.stderr.starts_with("error: "), "{plain:#?}");
}

#[test]
fn a_proof_that_cannot_be_verified_says_what_is_missing() {
    let (_site, _broker, casectl) = start("officer");
    for id in ["a", "b"] {
        write_cases(&casectl, "one.json", [id.into()]);
        casectl.expect(0, &["submit", "one.json"]);
    }
    casectl.expect(0, &["log", "consistency", "1", "--raw"]);
    let ended = casectl.expect(7, &["log", "consistency", "1"]);
    assert!(
        ended
            .stdout
            .contains("not verified: no signed checkpoint of size 1"),
        "{ended:#?}"
    );
    let checkpoint = casectl.expect(0, &["log", "checkpoint"]).stdout;
    casectl.write("now.checkpoint", &checkpoint);
    let ended = casectl.expect(0, &["log", "consistency", "now.checkpoint"]);
    assert!(ended.stdout.contains("verified: the larger"), "{ended:#?}");
}

#[test]
fn evidence_of_another_size_than_the_statement_names_is_told_apart_from_unnamed_evidence() {
    let (_site, _broker, casectl) = start("officer");
    casectl.write("lab.pdf", "a laboratory report");
    casectl.write("other.pdf", "something else");
    let hashed = casectl
        .expect(0, &["-o", "json", "evidence", "hash", "lab.pdf"])
        .json();
    let digest = hashed.to_string();
    let digest = digest
        .split("\"value\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let mut case: serde_json::Value =
        serde_json::from_str(&json_line(&cases::report(DEA, "a"))).unwrap();
    case["evidence"][1]["digest"]["value"] = digest.into();
    casectl.write("a.json", &case.to_string());
    casectl.expect(0, &["submit", "a.json"]);
    let kept = "a.json.receipts.jsonl";
    let ended = casectl.expect(7, &["verify", kept, "--evidence", "lab.pdf", "other.pdf"]);
    for words in [
        "lab.pdf: evidence lab has its digest, but a size of 4096 bytes; the file has 19",
        "other.pdf: no statement names its digest",
    ] {
        assert!(ended.stdout.contains(words), "{ended:#?}");
    }
}

#[test]
fn on_a_terminal_an_officer_is_told_that_there_is_no_answer_yet() {
    let (site, broker, casectl) = start("officer");
    assert!(broker.stop_blocking().status.success());
    // Takes connections, as far as the system does by itself, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    let screen = site.path().join("screen");
    let command = format!(
        "{} --config {} --endpoint {endpoint} whoami",
        casebroker_tests::broker::binary("casectl").display(),
        casectl.path("config.toml").display(),
    );
    // `script` gives it a terminal.
    let mut running = std::process::Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &command])
        .arg(&screen)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let note = format!("no answer yet from {endpoint}, attempt 1 of ");
    wait::until("the note is on the screen", || {
        let shown = fs::read(&screen).ok()?;
        String::from_utf8_lossy(&shown)
            .contains(&note)
            .then_some(())
    });
    running.kill().unwrap();
    running.wait().unwrap();
}
