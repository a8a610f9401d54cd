//! The checks stand before every submission, so their cost is watched. Run with `--ignored --nocapture` in a release build.

use std::{hint::black_box, time::Instant};

use prost::Message as _;

use super::*;

#[test]
#[ignore = "a measurement, not a check"]
fn cost_of_checking_a_usual_case() {
    let statement = new_report();
    assert!(check_statement(&statement, CLOCK).is_empty());
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..10_000 {
            black_box(check_statement(black_box(&statement), CLOCK));
        }
        best = best.min(start.elapsed().as_secs_f64() / 10_000.0);
    }
    println!("{} bytes: {:.2} µs", statement.encoded_len(), best * 1e6);
}

#[test]
fn a_message_of_the_largest_size_is_checked_in_bounded_time() {
    let mut statement = new_report();
    if let Some(Kind::Report(Report { report: Some(r) })) = &mut statement.kind {
        r.evidence = (0..500).map(|i| reference(&format!("e{i}"))).collect();
        let ids = (0..50).map(|i| format!("x{i}")).collect::<Vec<_>>();
        let mut finding = finding("e1");
        finding.evidence_ids = ids;
        finding.substance = Some(SubstanceIdentity {
            catalogue_id: "carfentanly-x".into(),
            ..SubstanceIdentity::default()
        });
        r.items[0].findings = vec![finding; 50];
        r.items = vec![r.items[0].clone(); 40];
    }
    let start = Instant::now();
    assert_eq!(
        check_statement(&statement, CLOCK).len(),
        limits::VIOLATIONS + 1
    );
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
