//! Imports from a file to files, by a map that comes with the program.

use std::{collections::BTreeSet, fs, path::Path};

use casebroker_proto::{catalogue::units::normalize, v1::CaseReport};
use proptest::prelude::*;

use super::{import, report};
use crate::{
    Global,
    failure::Exit,
    import::{Import, make, map, run},
    output::Output,
};

const CBP: &str = "FY,Month (abbv),Component,Region,Land Filter,Area of Responsibility,Drug Type,Count of Event,Sum Qty (lbs)\n\
    2019,OCT,U.S. Border Patrol,Southwest Border,Land Only,TUCSON SECTOR,Fentanyl,1,8.85\n\
    2019,OCT,Office of Field Operations,Coastal/Interior,Other,ATLANTA FIELD OFFICE,Ecstasy,3,8.3799469484296\n\
    2026 (FYTD),APR,U.S. Border Patrol,Southwest Border,Land Only,DEL RIO SECTOR,Other Drugs**,1,0.0\n";

#[test]
fn a_published_aggregate_becomes_a_case_only_where_it_is_one_event() {
    let map = map::SHIPPED[0].1;
    let found = import(map, CBP, false);
    let one = found.report(2);
    assert_eq!(
        one.name,
        "agencies/us-cbp/cases/cbp-2018-10-tucson-sector-land-only-fentanyl"
    );
    assert_eq!(
        one.reporting_unit,
        "TUCSON SECTOR, U.S. Border Patrol, Land Only"
    );
    assert_eq!(
        normalize(one.items[0].quantity.as_ref().unwrap()),
        Ok(4_014_292_474)
    );
    assert!(one.handling.unwrap().caveats.is_empty());
    assert!(
        found.rejected[&3].contains("one report cannot stand for 3 events"),
        "{found:?}"
    );
    assert!(found.report(4).items[0].quantity.is_none());
}

#[test]
fn a_shared_out_aggregate_says_so_in_every_case_and_sums_exactly() {
    let found = import(map::SHIPPED[0].1, CBP, true);
    let shares: Vec<CaseReport> = found.cases[&3].iter().map(|line| report(line)).collect();
    assert_eq!(shares.len(), 3);
    let mut sum = 0;
    for (share, number) in shares.iter().zip(1..) {
        assert!(
            share.name.ends_with(&format!("-{number}-of-3")),
            "{}",
            share.name
        );
        assert!(
            share
                .title
                .starts_with(&format!("{number} of 3 from an aggregate: "))
        );
        assert!(
            share
                .narrative
                .starts_with("Made from an aggregate: the source counts 3 events")
        );
        assert_eq!(share.handling.as_ref().unwrap().caveats, [make::CAVEAT]);
        sum += normalize(share.items[0].quantity.as_ref().unwrap()).unwrap();
    }
    assert_eq!(sum, 3_801_079_997);
    // The others are as without.
    assert_eq!(
        found.cases[&2],
        import(map::SHIPPED[0].1, CBP, false).cases[&2]
    );
}

fn arguments(dir: &Path, file: &str) -> Import {
    Import {
        file: Some(dir.join(file)),
        map: Some("cbp-drug-seizures".into()),
        write: Some(dir.join("out.jsonl")),
        submit: false,
        rejects: None,
        expand: false,
        bare: false,
        agency: None,
        rows: 20,
        from: 1,
        check_map: false,
        example_map: false,
    }
}

#[tokio::test]
async fn importing_twice_leaves_the_same_bytes_and_rejects_can_be_imported_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.csv"), CBP).unwrap();
    let mut written = Vec::new();
    for _ in 0..2 {
        let mut out = Output::kept(100);
        let end = run(
            arguments(dir.path(), "in.csv"),
            &Global::default(),
            &mut out,
        )
        .await;
        assert_eq!(end.unwrap_err().exit, Exit::Invalid);
        assert!(
            out.text()
                .contains("2 of 3 rows become 2 cases, 1 are rejected"),
            "{}",
            out.text()
        );
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        written.push((read("out.jsonl"), read("out.jsonl.rejected.csv")));
    }
    assert_eq!(written[0], written[1]);
    assert_eq!(written[0].0.lines().count(), 2);
    let mut again = arguments(dir.path(), "out.jsonl.rejected.csv");
    again.write = Some(dir.path().join("more.jsonl"));
    again.expand = true;
    run(again, &Global::default(), &mut Output::kept(100))
        .await
        .unwrap();
    let more = fs::read_to_string(dir.path().join("more.jsonl")).unwrap();
    let direct = import(map::SHIPPED[0].1, CBP, true);
    assert_eq!(more.lines().collect::<Vec<_>>(), direct.cases[&3]);
}

#[tokio::test]
async fn without_write_and_submit_nothing_is_written_and_a_table_shows_what_rows_become() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.csv"), CBP).unwrap();
    let mut arguments = arguments(dir.path(), "in.csv");
    arguments.write = None;
    arguments.expand = true;
    let mut out = Output::kept(80);
    run(arguments, &Global::default(), &mut out).await.unwrap();
    let text = out.text();
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(
        text.contains("3 × reported") && text.contains("3 of 3 rows become 5 cases"),
        "{text}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_failure_leaves_what_was_there_before() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("out.jsonl"), "before").unwrap();
    fs::write(
        dir.path().join("in.csv"),
        format!("{CBP}2019,\"{}", "x".repeat(2 << 20)),
    )
    .unwrap();
    let end = run(
        arguments(dir.path(), "in.csv"),
        &Global::default(),
        &mut Output::kept(80),
    )
    .await;
    assert!(end.unwrap_err().what.contains("longer than"));
    assert_eq!(
        fs::read_to_string(dir.path().join("out.jsonl")).unwrap(),
        "before"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

/// A row of the CBP layout that may be wrong anywhere, with its mass in micrograms if it is right.
fn row() -> impl Strategy<Value = (String, Option<(u64, u128)>)> {
    let year = prop_oneof![4 => (2010..2020_i32).prop_map(|y| y.to_string()), 1 => "[0-9a-z]{0,4}"];
    let month = prop_oneof![4 => Just("OCT".to_owned()), 1 => "[a-zA-Z]{0,3}"];
    let area = "[A-Z]{0,2}[é, \"]{0,2}";
    let count = prop_oneof![4 => (0..40_u64).prop_map(|n| n.to_string()), 1 => "[0-9.]{0,3}|-1"];
    let mass = (0..100_000_u64, 0..10_u64.pow(13));
    let mass = prop_oneof![6 => mass.prop_map(|(w, f)| (format!("{w}.{f:013}"), Some((w, f)))), 1 => "[0-9.,]{0,4}".prop_map(|t| (t, None))];
    (year, month, area, count, mass).prop_map(|(year, month, area, count, (pounds, exact))| {
        let area = area.replace('"', "\"\"");
        let line = format!("{year},{month},C,R,L,\"{area}\",Fentanyl,{count},\"{pounds}\"");
        let micrograms = exact.map(|(whole, fraction)| {
            let scaled = (u128::from(whole) * 10_u128.pow(13) + u128::from(fraction)) * 453_592_370;
            let (below, rest) = (scaled / 10_u128.pow(13), scaled % 10_u128.pow(13));
            let half = 5 * 10_u128.pow(12);
            below + u128::from(rest > half || rest == half && below % 2 == 1)
        });
        (line, count.parse().ok().zip(micrograms))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_row_is_lost_and_what_is_shared_out_sums_to_the_row(rows in prop::collection::vec(row(), 0..12), expand: bool, crlf: bool) {
        let end = if crlf { "\r\n" } else { "\n" };
        let header = CBP.lines().next().unwrap();
        let lines: Vec<_> = rows.iter().map(|(line, _)| line.as_str()).collect();
        let text = [&[header], &lines[..]].concat().join(end);
        let found = import(map::SHIPPED[0].1, &text, expand);
        prop_assert_eq!(&found, &import(map::SHIPPED[0].1, &text, expand));
        for ((line, exact), number) in rows.iter().zip(2..) {
            let fates = [found.cases.contains_key(&number), found.rejected.contains_key(&number), found.skipped.contains(&number)];
            prop_assert_eq!(fates.iter().filter(|fate| **fate).count(), 1, "{}", line);
            let (Some(cases), Some((count, micrograms))) = (found.cases.get(&number), exact) else { continue };
            prop_assert_eq!(cases.len() as u64, *count);
            let masses = cases.iter().map(|case| {
                let quantity = report(case).items[0].quantity.clone();
                quantity.map_or(0, |q| u128::try_from(normalize(&q).unwrap()).unwrap())
            });
            prop_assert_eq!(masses.sum::<u128>(), *micrograms);
        }
        let made: u64 = found.cases.values().map(|cases| cases.len() as u64).sum();
        let names: BTreeSet<_> = found.cases.values().flatten().map(|c| report(c).name).collect();
        prop_assert_eq!(names.len() as u64, made, "every case has a name of its own");
    }
}
