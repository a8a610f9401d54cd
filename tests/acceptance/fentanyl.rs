//! 8,988 events of fentanyl, October 2018 to April 2026.

use std::collections::BTreeMap;

use casebroker_proto::v1::{CaseFilter, CountCasesRequest, Dimension};
use casebroker_tests::{
    Broker, CBP, Caller, DEA, FIRST, Site, announce,
    cbp::{
        Expected, FENTANYL, Generator, Group, Row, Sum,
        ask::{self, Submitted},
        expected, rows,
    },
};

const SEED: u64 = 2_026;
const EVENTS: usize = 8_988;

fn fentanyl() -> impl Iterator<Item = Row> {
    rows().filter(|row| row.drug == FENTANYL)
}

/// A broker that was given every case, by CBP's own system.
async fn given() -> (Site, Broker, Submitted) {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let client = ask::client(&site, &broker, CBP);
    let generator = Generator::new(CBP, SEED);
    let statements = fentanyl().flat_map(move |row| generator.statements(&row).collect::<Vec<_>>());
    let submitted = ask::submit(&client, statements).await.unwrap();
    assert_eq!(submitted.positions.len(), EVENTS);
    (site, broker, submitted)
}

async fn officer(site: &Site, broker: &Broker, agency: &str) -> Caller {
    broker.connect(&site.principal(agency, "officer")).await
}

fn request(group_by: &[Dimension], min_position: u64) -> CountCasesRequest {
    CountCasesRequest {
        filter: Some(CaseFilter {
            substances: vec!["fentanyl".into()],
            ..CaseFilter::default()
        }),
        group_by: group_by.iter().map(|d| (*d).into()).collect(),
        min_position,
        ..CountCasesRequest::default()
    }
}

/// Published sums by some part of the group.
fn by(expected: &Expected, part: impl Fn(&Group) -> Vec<String>) -> BTreeMap<Vec<String>, Sum> {
    let mut sums = BTreeMap::<_, Sum>::new();
    for (group, sum) in expected {
        sums.entry(part(group)).or_default().add(*sum);
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_the_cases_gives_back_every_published_number_of_fentanyl() {
    let (site, broker, submitted) = given().await;
    let published = expected(fentanyl());
    let end = submitted.end();
    // The owner, and an officer of another agency who may see all of them.
    for agency in [CBP, DEA] {
        let officer = officer(&site, &broker, agency).await;
        let times = ask::hold(&officer, &published, Some("fentanyl"), end)
            .await
            .unwrap();
        assert_eq!(times.len(), 9, "calendar years 2018 to 2026");
        // Without a filter there is nothing else in the record.
        ask::hold(&officer, &published, None, end).await.unwrap();
    }

    // All of it in one answer, and by coarser groups: each names the whole record as what it is of.
    let officer = officer(&site, &broker, DEA).await;
    let total = Sum::total(published.values());
    assert_eq!(total.events, EVENTS as i64);
    let year = |group: &Group| group.year.to_string();
    for (dimensions, sums) in [
        (vec![], None),
        (
            vec![Dimension::Year],
            Some(by(&published, |g| vec![year(g)])),
        ),
        (
            vec![Dimension::ReportingUnit],
            Some(by(&published, |g| vec![g.unit.clone()])),
        ),
        (
            vec![Dimension::Month, Dimension::ReportingUnit],
            Some(by(&published, |g| {
                vec![format!("{}-{:02}", g.year, g.month), g.unit.clone()]
            })),
        ),
        (
            vec![Dimension::Agency, Dimension::Substance, Dimension::Year],
            Some(by(&published, |g| {
                vec![format!("agencies/{CBP}"), "fentanyl".into(), year(g)]
            })),
        ),
    ] {
        let answer = ask::count(&officer, &request(&dimensions, end))
            .await
            .unwrap();
        let about = format!("{dimensions:?}");
        assert_eq!(answer.as_of_position, FIRST + EVENTS as u64, "{about}");
        assert_eq!(answer.tree_size, FIRST + EVENTS as u64, "{about}");
        ask::same(answer.total.as_ref(), &total).expect(&about);
        let sums = sums.unwrap_or_default();
        assert_eq!(answer.groups.len(), sums.len(), "{about}");
        // In the order of their values, which is that of the map.
        for (found, (values, sum)) in answer.groups.iter().zip(&sums) {
            assert_eq!(&found.values, values, "{about}");
            ask::same(Some(found), sum).unwrap_or_else(|e| panic!("{values:?}: {e:#}"));
        }
    }
    announce(&format!(
        "{EVENTS} synthetic cases counted back exactly; submitted in {:.1} s",
        submitted.took.as_secs_f64()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_quoted_early_can_be_got_again_exactly_when_the_record_has_grown() {
    let (site, broker, submitted) = given().await;
    let officer = officer(&site, &broker, DEA).await;
    let rows: Vec<Row> = fentanyl().collect();
    for upto in [1, rows.len() / 3, rows.len()] {
        // Everything of the first rows was recorded before the first case of the next.
        let published = expected(rows.iter().take(upto).cloned());
        let total = Sum::total(published.values());
        let last = usize::try_from(total.events).unwrap() - 1;
        let request = CountCasesRequest {
            as_of_position: submitted.positions[last] + 1,
            ..request(&[], submitted.end())
        };
        let answer = ask::count(&officer, &request).await.unwrap();
        assert_eq!(answer.as_of_position, submitted.positions[last] + 1);
        ask::same(answer.total.as_ref(), &total).unwrap();
    }
}
