//! The checks stand before every submission, so what they cost is bounded; how little a usual one costs is in the bench `judge`.

use std::time::Instant;

use super::*;

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
