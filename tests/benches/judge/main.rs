//! How long it takes to hold one case against the confirmation standard, to say under which law its substances were, and to fold
//! it, which does both. They run whenever a case is read, never while a statement is taken in. A usual case is to take under 5
//! microseconds for each.
//!
//!     cargo bench -p casebroker-tests --bench judge

use std::{
    hint::black_box,
    time::{Duration, Instant, SystemTime},
};

use casebroker_proto::{
    catalogue::measures::controls,
    names::AgencyName,
    standard::{assess, counted_substances},
    v1::{Case, CaseStatus, EvidenceKind, EvidenceReference, FindingResult, Item, LateFinding},
    validation::{Clock, check_statement},
};
use casebroker_server::projections::{Statement, fold};
use casebroker_tests::{DEA, cases, life::life};
use prost_types::Timestamp;

const ROUNDS: usize = 25;
const CALLS: u32 = 4_000;

fn main() {
    let usual = usual();
    let large = large();
    println!(
        "{:<44} {:>12} {:>12}",
        "microseconds a case", "median", "least"
    );
    for (name, case) in [
        ("usual: 1 item, 1 finding", &usual),
        ("large: 20 items, 40 findings", &large),
    ] {
        row(&format!("{name}: assess"), || {
            black_box(assess(black_box(case))).rules.len()
        });
        row(&format!("{name}: controls"), || {
            black_box(controls(black_box(case))).len()
        });
        row(&format!("{name}: counted"), || {
            black_box(counted_substances(black_box(case))).len()
        });
    }
    let statement = cases::reporting_as(DEA, "usual");
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_secs().cast_signed());
    let clock = Clock { now };
    assert!(
        check_statement(&statement, clock).is_empty(),
        "the usual report"
    );
    row("usual: fields of its report checked", || {
        black_box(check_statement(black_box(&statement), clock)).len()
    });
    let life = all_said();
    row("usual: fold, judged", || {
        black_box(fold(black_box(&life[..1]))).map_or(0, |case| case.provenance.len())
    });
    row("everything said about it: fold, judged", || {
        black_box(fold(black_box(&life))).map_or(0, |case| case.provenance.len())
    });
}

/// A statement of nearly every kind about one case, as if recorded.
fn all_said() -> Vec<Statement> {
    let numbered = life("usual").into_iter().zip(0..);
    numbered
        .map(|((agency, statement), position)| Statement {
            position,
            record_time: Timestamp::default(),
            principal: String::new(),
            agency: AgencyName::from_id(agency).expect("an id"),
            case: statement.case.parse().expect("a case"),
            statement,
        })
        .collect()
}

/// As agencies send them, confirmed.
fn usual() -> Case {
    let case = Case {
        report: Some(cases::report(DEA, "usual")),
        ..Case::default()
    };
    assert!(
        assess(&case).status() >= CaseStatus::Confirmed,
        "the usual case"
    );
    case
}

/// Many items, each with a finding of its own and one that came later.
fn large() -> Case {
    let mut case = usual();
    if let Some(report) = &mut case.report {
        let items: Vec<Item> = report.items.iter().cycle().take(20).cloned().collect();
        for (item, number) in items.iter().zip(1..) {
            let finding = item.findings.first().cloned().unwrap_or_default();
            case.late_findings.push(LateFinding {
                item: number,
                evidence: finding
                    .evidence_ids
                    .iter()
                    .map(|id| EvidenceReference {
                        id: id.clone(),
                        kind: EvidenceKind::LabReport.into(),
                        ..EvidenceReference::default()
                    })
                    .collect(),
                finding: Some(finding),
                ..LateFinding::default()
            });
        }
        report.items = items;
    }
    let identified = case.late_findings.iter().filter(|late| {
        let finding = late.finding.as_ref();
        finding.is_some_and(|f| f.result() == FindingResult::Identified)
    });
    assert_eq!(identified.count(), 20, "the large case");
    case
}

fn row(name: &str, mut call: impl FnMut() -> usize) {
    let mut times: Vec<Duration> = (0..=ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..CALLS {
                black_box(call());
            }
            began.elapsed() / CALLS
        })
        // The first round reads the catalogue.
        .skip(1)
        .collect();
    times.sort_unstable();
    let micros = |time: Option<&Duration>| time.map_or(0.0, |t| t.as_nanos() as f64 / 1000.0);
    let (median, least) = (micros(times.get(times.len() / 2)), micros(times.first()));
    println!("{name:<44} {median:>12.2} {least:>12.2}");
}
