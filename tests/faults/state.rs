//! What is computed from the journal can be lost without loss.

use std::fs;

use casebroker_proto::v1::{
    CaseFilter, ComputeTrendRequest, CountCasesRequest, Dimension, FindOverlapsRequest,
    GetCaseRequest, ListCasesRequest, ListStatementsRequest, ListTasksRequest, Statement, Tlp,
    compute_trend_request::Around,
};
use casebroker_tests::{Broker, CBP, Caller, DEA, FIRST, RCMP, Site, cases, life::life};
use prost::Message as _;
use tokio::sync::mpsc;

/// Everything that callers of two agencies can be told, byte for byte.
async fn answers(broker: &Broker, site: &Site, statements: &[Said]) -> Vec<Vec<u8>> {
    let [dea, cbp] = officers(broker, site).await;
    dea.caught_up().await;
    let mut answers = Vec::new();
    for caller in [&dea, &cbp] {
        answers.push(tasks(caller).await);
        for page_size in [7, 1_000] {
            let request = ListCasesRequest {
                page_size,
                ..Default::default()
            };
            answers.push(caller.page(&request).await.unwrap().encode_to_vec());
        }
        answers.extend(questions(caller).await);
        for n in 0..=12 {
            answers.extend(about(caller, &cases::name(DEA, &format!("c{n}"))).await);
        }
    }
    for (agency, statement) in statements {
        let maker = if *agency == DEA { &dea } else { &cbp };
        let again = maker.submit(statement).await.unwrap();
        assert!(again.replayed);
        answers.push(again.encode_to_vec());
    }
    answers
}

/// Counts of now and of half of the log, with reasons; a trend; and cases by their words.
async fn questions(caller: &Caller) -> Vec<Vec<u8>> {
    let size = caller.size().await.unwrap();
    let mut answers = Vec::new();
    for as_of_position in [0, size / 2] {
        let request = CountCasesRequest {
            group_by: vec![Dimension::Status.into(), Dimension::Substance.into()],
            min_position: size,
            as_of_position,
            explain: true,
            ..Default::default()
        };
        let count = caller.statistics().count_cases(request).await.unwrap();
        answers.push(count.into_inner().encode_to_vec());
    }
    let request = ComputeTrendRequest {
        around: Some(Around::Measure("carfentanil-cn-2017".into())),
        min_position: size,
        ..Default::default()
    };
    let trend = caller.statistics().compute_trend(request).await.unwrap();
    answers.push(trend.into_inner().encode_to_vec());
    for text in ["reclassified", "\"printer accessories\""] {
        let filter = Some(CaseFilter {
            text: text.into(),
            ..Default::default()
        });
        let request = ListCasesRequest {
            filter,
            ..Default::default()
        };
        answers.push(caller.page(&request).await.unwrap().encode_to_vec());
    }
    answers
}

/// A statement and who makes it.
type Said = (&'static str, Statement);

async fn officers(broker: &Broker, site: &Site) -> [Caller; 2] {
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    [dea, cbp]
}

async fn tasks(caller: &Caller) -> Vec<u8> {
    let request = ListTasksRequest {
        show_done: true,
        page_size: 1_000,
        ..Default::default()
    };
    let answer = caller.cases().list_tasks(request).await.unwrap();
    answer.into_inner().encode_to_vec()
}

async fn about(caller: &Caller, name: &str) -> [Vec<u8>; 3] {
    let request = GetCaseRequest {
        name: name.into(),
        min_position: 0,
    };
    let case = match caller.cases().get_case(request).await {
        Ok(answer) => answer.into_inner().encode_to_vec(),
        Err(status) => status.details().to_vec(),
    };
    let request = ListStatementsRequest {
        case: name.into(),
        ..Default::default()
    };
    let history = match caller.cases().list_statements(request).await {
        Ok(answer) => answer.into_inner().encode_to_vec(),
        Err(status) => status.details().to_vec(),
    };
    let request = FindOverlapsRequest {
        case: name.into(),
        min_position: 0,
    };
    let overlaps = match caller.cases().find_overlaps(request).await {
        Ok(answer) => answer.into_inner().encode_to_vec(),
        Err(status) => status.details().to_vec(),
    };
    [case, history, overlaps]
}

/// Cases open, hidden, amended and retracted, and one that everything is said about.
async fn fill(broker: &Broker, site: &Site) -> Vec<Said> {
    let [dea, cbp] = officers(broker, site).await;
    let mut statements = Vec::new();
    for n in 0..12 {
        let mut report = cases::report(DEA, &format!("c{n}"));
        if n % 3 == 0 {
            report.handling = Some(cases::handling(Tlp::Red, &[RCMP]));
        }
        statements.push((DEA, cases::reporting(report.clone())));
        if n % 4 == 1 {
            report.title.push_str(", reclassified");
            statements.push((DEA, cases::amending(report.clone(), 1)));
        }
        if n % 5 == 2 {
            statements.push((DEA, cases::retracting(&report.name)));
        }
    }
    statements.extend(life("c12"));
    for (agency, statement) in &statements {
        let maker = if *agency == DEA { &dea } else { &cbp };
        maker.submit(statement).await.unwrap();
    }
    statements
}

#[tokio::test]
async fn whatever_is_done_to_the_projections_every_answer_stays_the_same() {
    type Harm = fn(&Site);
    let harms: [(&str, Harm, Rebuilt); 15] = [
        ("nothing", |_| {}, Rebuilt::No),
        ("state deleted", |s| delete(s, "state"), Rebuilt::Yes),
        ("sled deleted", |s| delete(s, "state/sled"), Rebuilt::Yes),
        (
            "session deleted",
            |s| delete(s, "state/session"),
            Rebuilt::MovedAside,
        ),
        (
            "another boot",
            |s| write(s, "state/session", b"boot"),
            Rebuilt::MovedAside,
        ),
        (
            "sled configuration garbage",
            |s| garbage(s, "conf"),
            Rebuilt::MovedAside,
        ),
        ("sled database garbage", |s| garbage(s, "db"), Rebuilt::Yes),
        ("tree deleted", |s| delete(s, "tree"), Rebuilt::No),
        ("tree garbage", |s| write(s, "tree", &[7; 999]), Rebuilt::No),
        ("table deleted", |s| delete(s, "table"), Rebuilt::No),
        (
            "table garbage",
            |s| write(s, "table/snapshot", &[7; 999]),
            Rebuilt::No,
        ),
        ("table cut", |s| cut(s, "table/snapshot"), Rebuilt::No),
        ("text deleted", |s| delete(s, "text"), Rebuilt::No),
        (
            "text garbage",
            |s| write(s, "text/index/meta.json", &[7; 999]),
            Rebuilt::No,
        ),
        (
            "all of it deleted",
            |s| {
                ["table", "text", "state", "tree"]
                    .iter()
                    .for_each(|part| delete(s, part))
            },
            Rebuilt::Yes,
        ),
    ];
    let site = Site::new().without_quotas().with("table.wait_ms", 30_000);
    let mut broker = site.start();
    let statements = fill(&broker, &site).await;
    let before = answers(&broker, &site, &statements).await;
    for (harm, harmed, rebuilt) in harms {
        for orderly in [true, false] {
            match orderly {
                true => assert!(broker.stop().await.status.success(), "{harm}"),
                false => drop(broker.kill_9()),
            }
            harmed(&site);
            broker = site.start();
            let after = answers(&broker, &site, &statements).await;
            assert!(before == after, "{harm}: answers differ");
            let log = broker.stderr();
            let all = format!(
                "state store caught up with the journal entries={}",
                FIRST as usize + statements.len()
            );
            let aside = log.contains("moved aside and is built anew");
            assert_eq!(aside, rebuilt == Rebuilt::MovedAside, "{harm}:\n{log}");
            assert_eq!(log.contains(&all), rebuilt != Rebuilt::No, "{harm}:\n{log}");
        }
    }
}

/// Killed while lives of cases are under way; what stands in the store then must be what a rebuild makes of the journal.
#[tokio::test]
async fn after_a_kill_at_any_moment_the_projections_are_those_of_a_rebuild() {
    let site = Site::new().without_quotas().with("table.wait_ms", 30_000);
    for (round, last) in [3_usize, 17, 29, 41].into_iter().enumerate() {
        let broker = site.start();
        let callers = officers(&broker, &site).await;
        let (acknowledged, mut seen) = mpsc::unbounded_channel();
        for thread in 0..4 {
            let (callers, acknowledged) = (callers.clone(), acknowledged.clone());
            tokio::spawn(async move {
                for n in 0..40 {
                    for said in life(&format!("r{round}-t{thread}-n{n}")) {
                        let maker = &callers[usize::from(said.0 == CBP)];
                        // The broker is killed.
                        if maker.submit(&said.1).await.is_err() || acknowledged.send(said).is_err()
                        {
                            return;
                        }
                    }
                }
            });
        }
        let mut recorded = Vec::new();
        while recorded.len() < last {
            recorded.push(seen.recv().await.unwrap());
        }
        drop(broker.kill_9());
        let broker = site.start();
        let before = everything(&broker, &site, &recorded).await;
        drop(broker.kill_9());
        delete(&site, "state");
        let broker = site.start();
        let after = everything(&broker, &site, &recorded).await;
        assert!(before == after, "round {round}: answers differ");
        drop(broker.kill_9());
    }
}

async fn everything(broker: &Broker, site: &Site, recorded: &[Said]) -> Vec<Vec<u8>> {
    let mut all = answers(broker, site, recorded).await;
    let [dea, cbp] = officers(broker, site).await;
    for (_, statement) in recorded {
        all.extend(about(&dea, &statement.case).await);
        all.extend(about(&cbp, &statement.case).await);
    }
    all
}

/// What the broker says that it did to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rebuilt {
    No,
    Yes,
    MovedAside,
}

fn delete(site: &Site, what: &str) {
    let path = site.data().join(what);
    match path.is_dir() {
        true => fs::remove_dir_all(path).unwrap(),
        false => fs::remove_file(path).unwrap(),
    }
}

fn write(site: &Site, what: &str, bytes: &[u8]) {
    fs::write(site.data().join(what), bytes).unwrap();
}

/// Cuts a file in the middle.
fn cut(site: &Site, what: &str) {
    let path = site.data().join(what);
    // One that was killed may have left none.
    if let Ok(bytes) = fs::read(&path) {
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
}

/// Overwrites a file of the store with bytes that mean nothing.
fn garbage(site: &Site, file: &str) {
    let path = site.data().join("state/sled").join(file);
    let len = fs::metadata(&path).unwrap().len() as usize;
    fs::write(path, vec![0xa5; len]).unwrap();
}

#[tokio::test]
async fn a_store_of_another_journal_is_not_believed() {
    let (site, other) = (Site::new(), Site::new());
    let broker = other.start();
    fill(&broker, &other).await;
    assert!(broker.stop().await.status.success());
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    dea.submit(&cases::reporting_as(DEA, "own")).await.unwrap();
    assert!(broker.stop().await.status.success());
    // It claims to be ahead of this journal.
    casebroker_tests::files::replace_dir(&other.data().join("state"), &site.data().join("state"));
    let broker = site.start();
    broker.wait_logged(&["moved aside", "it is at position"]);
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    assert!(dea.get(&cases::name(DEA, "own")).await.is_ok());
    assert!(dea.get(&cases::name(DEA, "c1")).await.is_err());
}

#[tokio::test]
async fn a_store_damaged_in_any_part_never_changes_an_answer() {
    let site = Site::new().without_quotas().with("table.wait_ms", 30_000);
    let broker = site.start();
    let mut statements = fill(&broker, &site).await;
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let more: Vec<_> = (13..200)
        .map(|n| (DEA, cases::reporting_as(DEA, &format!("c{n}"))))
        .collect();
    let signed = more.iter().map(|(_, s)| dea.sign(s)).collect();
    for answer in dea.submit_all(signed).await.unwrap() {
        answer.unwrap();
    }
    statements.extend(more);
    let before = answers(&broker, &site, &statements).await;
    assert!(broker.stop().await.status.success());
    let good = site.path().join("good");
    casebroker_tests::files::copy_dir(&site.data().join("state"), &good);
    let db = site.data().join("state/sled/db");
    let bytes = fs::read(&db).unwrap();
    let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    for part in 0..8 {
        casebroker_tests::files::replace_dir(&good, &site.data().join("state"));
        let mut damaged = bytes.clone();
        let at = used * part / 8 + 40;
        for byte in &mut damaged[at..(at + 48).min(used)] {
            *byte ^= 0x5a;
        }
        fs::write(&db, damaged).unwrap();
        let mut broker = site.start();
        let after = answers(&broker, &site, &statements).await;
        assert!(broker.runs());
        assert!(before == after, "damage at {at}: answers differ");
        drop(broker.kill_9());
    }
}
