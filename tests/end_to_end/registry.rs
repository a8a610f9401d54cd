//! The registry in the log, and what a release, a group and a role let somebody see.

use std::fs;

use casebroker_proto::{
    errors::Reason,
    v1::{
        CaseReport, Handling, ListRegistryUpdatesRequest, Release, Statement, Tlp, statement::Kind,
    },
};
use casebroker_tests::{
    Broker, CBP, Caller, DEA, FIRST, RCMP, Site,
    casectl::{Casectl, json_line},
    cases, refused,
};

struct Stage {
    site: Site,
    broker: Broker,
    dea: Caller,
    cbp: Caller,
    rcmp: Caller,
}

async fn stage() -> Stage {
    let site = Site::new();
    write_groups(&site, &[DEA, RCMP]);
    let broker = site.start();
    Stage {
        dea: broker.connect(&site.principal(DEA, "officer")).await,
        cbp: broker.connect(&site.principal(CBP, "officer")).await,
        rcmp: broker.connect(&site.principal(RCMP, "officer")).await,
        broker,
        site,
    }
}

/// One group, `labs`; counts from the next start.
fn write_groups(site: &Site, members: &[&str]) {
    let path = site.path().join("pki/members/groups.toml");
    let text = format!("[groups.labs]\ndisplay_name = \"Laboratories\"\nmembers = {members:?}\n");
    fs::write(path, text).unwrap();
}

fn amber(audience: &[&str]) -> Handling {
    cases::handling(Tlp::Amber, audience)
}

fn report_for(case: &str, audience: &[&str]) -> CaseReport {
    CaseReport {
        handling: Some(amber(audience)),
        ..cases::report(DEA, case)
    }
}

fn releasing(case: &str, handling: Handling) -> Statement {
    let release = Release {
        handling: Some(handling),
        reason: "Joint operation".into(),
    };
    cases::statement(case, Kind::Release(release))
}

async fn positions(caller: &Caller, case: &str) -> Vec<u64> {
    let history = caller.history(case).await.unwrap();
    history.iter().map(|s| s.position).collect()
}

#[test]
fn every_change_of_the_registry_is_an_entry_whose_receipt_verifies_offline() {
    let site = Site::new();
    let broker = site.start();
    let casectl = Casectl::new(&site, &broker, DEA, "officer");
    assert!(broker.stop_blocking().status.success());
    write_groups(&site, &[DEA, RCMP]);
    let broker = site.start();
    casectl.point_to(&site, &broker);
    let updates = casectl
        .expect(0, &["-o", "json", "registry", "updates"])
        .json();
    let updates = updates["updates"].as_array().unwrap();
    assert_eq!(updates.len(), 2, "{updates:?}");
    let changes = |n: usize| updates[n]["update"]["changes"].as_array().unwrap();
    assert_eq!(changes(0).len(), 3, "the members at the first start");
    assert_eq!(changes(1).len(), 1, "only what changed");
    assert_eq!(changes(1)[0]["group"]["name"], "groups/labs");

    for position in ["0", "1"] {
        let file = format!("r{position}.tlog-proof");
        casectl.expect(0, &["log", "receipt", position, "-O", &file]);
    }
    assert!(broker.stop_blocking().status.success());
    let verified = casectl.expect(0, &["verify", "r0.tlog-proof"]);
    let head = "verified  r0.tlog-proof: entry at position 0\n";
    assert!(verified.stdout.starts_with(head), "{verified:#?}");
    for member in [DEA, CBP, RCMP] {
        assert!(verified.stdout.contains(member), "{verified:#?}");
    }
    let verified = casectl.expect(0, &["verify", "r1.tlog-proof"]);
    assert!(verified.stdout.contains("labs"), "{verified:#?}");
    casebroker_tests::casectl::tamper(&casectl.path("r1.tlog-proof"), "index 1", "index 0");
    casectl.expect(7, &["verify", "r1.tlog-proof"]);
}

#[tokio::test]
async fn every_role_reads_the_registry_page_by_page() {
    let stage = stage().await;
    write_groups(&stage.site, &[DEA]);
    stage.broker.stop().await;
    let broker = stage.site.start();
    for role in ["system", "officer", "auditor", "operator"] {
        let caller = broker.connect(&stage.site.principal(CBP, role)).await;
        let mut request = ListRegistryUpdatesRequest {
            page_size: 1,
            ..Default::default()
        };
        let mut found = Vec::new();
        loop {
            let mut registry = caller.registry();
            let page = registry.list_registry_updates(request.clone());
            let page = page.await.unwrap().into_inner();
            found.extend(page.updates.into_iter().map(|u| u.position));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(found, [0, 1], "{role}");
    }
}

#[tokio::test]
async fn a_release_shows_the_report_in_force_and_nothing_that_was_said_before() {
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    let name = cases::name(DEA, "a");
    let mut first = report_for("a", &[CBP]);
    first.title = "An informant says so".into();
    dea.submit(&cases::reporting(first)).await.unwrap();
    dea.submit(&cases::amending(report_for("a", &[CBP]), 1))
        .await
        .unwrap();
    refused(rcmp.get(&name).await, Reason::CaseNotFound);
    dea.submit(&releasing(&name, amber(&[CBP, RCMP])))
        .await
        .unwrap();

    let case = rcmp.get(&name).await.unwrap();
    assert_eq!(case.revision, 1, "a number tells nothing of hidden ones");
    assert_eq!(case.report, dea.get(&name).await.unwrap().report);
    assert_eq!(case.handling.unwrap().audience.len(), 2);
    assert_eq!(positions(rcmp, &name).await, [FIRST + 1, FIRST + 2]);
    refused(rcmp.receipt(FIRST).await, Reason::EntryNotFound);
    for position in [FIRST + 1, FIRST + 2] {
        rcmp.receipt(position).await.unwrap();
    }
    assert_eq!(rcmp.list(None).await.len(), 1);
    // Who saw it before goes on seeing all of it.
    assert_eq!(positions(cbp, &name).await, [FIRST, FIRST + 1, FIRST + 2]);

    // The audience in force is the released one, until an amendment narrows it.
    dea.submit(&cases::amending(report_for("a", &[CBP]), 2))
        .await
        .unwrap();
    refused(rcmp.get(&name).await, Reason::CaseNotFound);
    refused(rcmp.history(&name).await, Reason::CaseNotFound);
    assert!(rcmp.list(None).await.is_empty());
    for position in FIRST..FIRST + 4 {
        refused(rcmp.receipt(position).await, Reason::EntryNotFound);
        cbp.receipt(position).await.unwrap();
    }
}

#[tokio::test]
async fn a_release_that_leaves_somebody_out_is_refused() {
    let stage = stage().await;
    let Stage { dea, cbp, .. } = &stage;
    let name = cases::name(DEA, "a");
    dea.submit(&cases::reporting(report_for("a", &[CBP])))
        .await
        .unwrap();
    let size = dea.statements(&stage.site.log).await;
    for narrower in [amber(&[RCMP]), cases::handling(Tlp::Red, &[DEA])] {
        let outcome = dea.submit(&releasing(&name, narrower)).await;
        refused(outcome, Reason::ReleaseNarrows);
    }
    let of_nothing = releasing(&cases::name(DEA, "none"), amber(&[RCMP]));
    refused(dea.submit(&of_nothing).await, Reason::CaseNotFound);
    let by_another = releasing(&name, amber(&[CBP, RCMP]));
    refused(cbp.submit(&by_another).await, Reason::AgencyMismatch);
    assert_eq!(dea.statements(&stage.site.log).await, size);
    // Every member is more than one.
    let to_all = releasing(&name, cases::handling(Tlp::Green, &[]));
    dea.submit(&to_all).await.unwrap();
}

#[tokio::test]
async fn a_retraction_is_not_for_more_than_its_case() {
    let stage = stage().await;
    let Stage { dea, cbp, .. } = &stage;
    let name = cases::name(DEA, "a");
    dea.submit(&cases::reporting(report_for("a", &[CBP])))
        .await
        .unwrap();
    let retracting = |handling: Handling| Statement {
        handling: Some(handling),
        ..cases::retracting(&name)
    };
    for wider in [
        cases::handling(Tlp::Green, &[]),
        amber(&[CBP, RCMP]),
        amber(&[RCMP]),
    ] {
        refused(
            dea.submit(&retracting(wider)).await,
            Reason::AudienceTooWide,
        );
    }
    dea.submit(&retracting(amber(&[CBP]))).await.unwrap();
    assert!(cbp.get(&name).await.unwrap().retracted);
    refused(
        dea.submit(&releasing(&name, amber(&[CBP, RCMP]))).await,
        Reason::CaseRetracted,
    );
}

#[tokio::test]
async fn a_group_means_who_belonged_to_it_when_the_case_was_released() {
    let stage = stage().await;
    let Stage {
        site, broker, dea, ..
    } = stage;
    let name = cases::name(DEA, "a");
    dea.submit(&cases::reporting(report_for("a", &[DEA])))
        .await
        .unwrap();
    let mut to_labs = amber(&[DEA]);
    to_labs.audience.push("groups/labs".into());
    dea.submit(&releasing(&name, to_labs)).await.unwrap();
    let seen_by = async |broker: &Broker| {
        let mut seen = Vec::new();
        for agency in [CBP, RCMP] {
            let caller = broker.connect(&site.principal(agency, "officer")).await;
            match caller.get(&name).await {
                Ok(_) => seen.push(agency),
                refusal => drop(refused(refusal, Reason::CaseNotFound)),
            }
        }
        seen
    };
    assert_eq!(seen_by(&broker).await, [RCMP]);
    broker.stop().await;
    // From now on the group is another; what was said to it was said to those before.
    write_groups(&site, &[DEA, CBP]);
    let broker = site.start();
    assert_eq!(seen_by(&broker).await, [RCMP]);
}

#[tokio::test]
async fn a_system_sees_its_own_agencys_cases_and_an_officer_what_is_shared() {
    let stage = stage().await;
    let Stage {
        site,
        broker,
        dea,
        cbp,
        ..
    } = &stage;
    let (of_dea, of_cbp) = (cases::name(DEA, "a"), cases::name(CBP, "b"));
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    cbp.submit(&cases::reporting_as(CBP, "b")).await.unwrap();
    let system = broker.connect(&site.principal(CBP, "system")).await;
    refused(system.get(&of_dea).await, Reason::CaseNotFound);
    refused(system.history(&of_dea).await, Reason::CaseNotFound);
    refused(system.receipt(FIRST).await, Reason::EntryNotFound);
    system.get(&of_cbp).await.unwrap();
    system.receipt(FIRST + 1).await.unwrap();
    let names = async |caller: &Caller| {
        let cases = caller.list(None).await;
        cases.into_iter().map(|c| c.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&system).await, std::slice::from_ref(&of_cbp));
    assert_eq!(names(cbp).await, [of_cbp, of_dea]);
    cbp.receipt(FIRST).await.unwrap();
}

#[tokio::test]
async fn an_auditor_gets_receipts_of_its_own_agencys_cases_only() {
    let stage = stage().await;
    let Stage {
        site,
        broker,
        dea,
        cbp,
        ..
    } = &stage;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    cbp.submit(&cases::reporting_as(CBP, "b")).await.unwrap();
    let auditor = broker.connect(&site.principal(CBP, "auditor")).await;
    refused(auditor.receipt(FIRST).await, Reason::EntryNotFound);
    auditor.receipt(FIRST + 1).await.unwrap();
    auditor.receipt(0).await.unwrap();
    refused(
        auditor.get(&cases::name(CBP, "b")).await,
        Reason::RoleNotAllowed,
    );
}

#[test]
fn an_officer_releases_a_case_and_reads_the_registry_in_every_form() {
    let site = Site::new();
    write_groups(&site, &[DEA, RCMP]);
    let broker = site.start();
    let dea = Casectl::new(&site, &broker, DEA, "officer");
    let rcmp = Casectl::new(&site, &broker, RCMP, "officer");
    dea.write("a.json", &json_line(&report_for("a", &[CBP])));
    dea.expect(0, &["submit", "a.json"]);
    rcmp.expect(4, &["get", "us-dea/a"]);
    let released = dea.expect(0, &["release", "us-dea/a", "--to", "groups/labs"]);
    assert!(released.stdout.contains("labs"), "{released:#?}");
    rcmp.expect(0, &["get", "us-dea/a"]);
    let history = rcmp.expect(0, &["history", "us-dea/a"]);
    assert!(history.stdout.contains("release"), "{history:#?}");
    let ended = dea.expect(2, &["release", "us-dea/a"]);
    assert!(
        ended.stderr.contains("--to") && ended.stderr.contains("--tlp"),
        "{ended:#?}"
    );
    dea.expect(0, &["release", "us-dea/a", "--tlp", "green"]);
    let ended = dea.expect(8, &["release", "us-dea/a", "--to", RCMP]);
    assert!(
        ended
            .stderr
            .contains("every member may see us-dea/a already"),
        "{ended:#?}"
    );

    for what in ["members", "groups", "updates"] {
        let table = dea.run_narrow(&["registry", what]);
        let width = table.stdout.lines().map(|l| l.chars().count()).max();
        assert!(width <= Some(80), "{what}: {}", table.stdout);
        let document = dea.expect(0, &["-o", "json", "registry", what]).json();
        let count = document[what].as_array().unwrap().len();
        let lines = dea.expect(0, &["-o", "jsonl", "registry", what]).stdout;
        assert_eq!(lines.lines().count(), count, "{what}");
        let csv = dea.expect(0, &["-o", "csv", "registry", what]).stdout;
        let columns: Vec<_> = csv.lines().map(|l| l.split(',').count()).collect();
        assert!(columns.len() > 1, "{csv}");
    }
    let members = dea.expect(0, &["-o", "csv", "registry", "members"]).stdout;
    let heading = "member,name,signer,x5t,valid_until,state";
    assert_eq!(members.lines().next(), Some(heading));
    let cheat = dea.expect(0, &["cheat", "registry"]).stdout;
    for command in ["registry members", "registry updates", "release"] {
        assert!(cheat.contains(command), "{cheat}");
    }
}
