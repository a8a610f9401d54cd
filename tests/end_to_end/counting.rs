//! Numbers that two parties would dispute: goods of one incident that two agencies report, and trends up to today.

use casebroker_proto::{
    google::r#type::Date,
    v1::{
        Amount, CaseReport, ComputeTrendRequest, CountCasesRequest, EvidenceKind, GoodsRule,
        Identifier, IdentifierKind, Measurement, OverlapDeclaration, OverlapVerdict, Tlp,
        TrendPlace, compute_trend_request::Around, statement::Kind,
    },
};
use casebroker_tests::{Broker, CBP, Caller, DEA, Site, cases};
use time::{Duration, OffsetDateTime};

const KG: i128 = 1_000_000_000;

struct Stage {
    dea: Caller,
    cbp: Caller,
    _broker: Broker,
    _site: Site,
}

async fn stage() -> Stage {
    let site = Site::new().without_quotas();
    let broker = site.start();
    Stage {
        dea: broker.connect(&site.principal(DEA, "officer")).await,
        cbp: broker.connect(&site.principal(CBP, "officer")).await,
        _broker: broker,
        _site: site,
    }
}

/// A parcel of so many kilograms, known by its tracking number.
fn parcel(agency: &str, number: &str, kilograms: &str) -> CaseReport {
    let mut report = cases::report(agency, &format!("parcel-{number}"));
    report.identifiers = vec![Identifier {
        kind: IdentifierKind::TrackingNumber.into(),
        value: format!("CP {number} CN"),
        issuer: String::new(),
    }];
    report.items[0].quantity.as_mut().unwrap().value = kilograms.into();
    report
}

fn without_seizure_record(mut report: CaseReport) -> CaseReport {
    report
        .evidence
        .retain(|evidence| evidence.kind() != EvidenceKind::SeizureRecord);
    report
}

fn weighed_by_laboratory(mut report: CaseReport) -> CaseReport {
    let quantity = report.items[0].quantity.as_mut().unwrap();
    quantity.measurement = Measurement::LaboratoryNet.into();
    report
}

/// Both agencies report a parcel and declare that their cases are one incident.
async fn agree(stage: &Stage, reports: [CaseReport; 2]) {
    let callers = [&stage.dea, &stage.cbp];
    for (caller, report) in callers.iter().zip(&reports) {
        caller
            .submit(&cases::reporting(report.clone()))
            .await
            .unwrap();
    }
    let others = reports.iter().rev();
    for ((caller, report), other) in callers.iter().zip(&reports).zip(others) {
        let found = caller.overlaps(&report.name).await.unwrap().overlaps;
        let with = found
            .iter()
            .find(|overlap| overlap.other_case == other.name);
        let declaration = OverlapDeclaration {
            overlap: with.unwrap().id.clone(),
            verdict: OverlapVerdict::Same.into(),
            reason: String::new(),
        };
        let mut statement = cases::statement(&report.name, Kind::OverlapDeclaration(declaration));
        statement.handling = Some(cases::handling(Tlp::Green, &[]));
        caller.submit(&statement).await.unwrap();
    }
}

/// Cases, incidents and the mass that count.
async fn count(stage: &Stage) -> (i64, i64, Amount) {
    let min_position = stage.dea.size().await.unwrap();
    let request = CountCasesRequest {
        min_position,
        ..Default::default()
    };
    let answer = stage.dea.statistics().count_cases(request).await.unwrap();
    let counted = answer.into_inner().total.unwrap().counted.unwrap();
    let [amount] = <[Amount; 1]>::try_from(counted.amounts).unwrap();
    (counted.cases, counted.incidents, amount)
}

fn number(digits: &str) -> i128 {
    digits.parse().unwrap()
}

#[tokio::test]
async fn one_parcel_that_two_agencies_report_and_agree_on_counts_once_with_its_goods() {
    let stage = stage().await;
    agree(&stage, [parcel(DEA, "1", "50"), parcel(CBP, "1", "50")]).await;
    let (cases, incidents, amount) = count(&stage).await;
    assert_eq!((cases, incidents), (2, 1));
    assert_eq!(number(&amount.total), 50 * KG);
    assert_eq!(number(&amount.confirmed), 50 * KG);
    assert_eq!((amount.items, amount.reported_items), (1, 2));
    assert_eq!(number(&amount.reported_total), 100 * KG);
    assert_eq!(amount.choices[0].rule(), GoodsRule::EqualAmounts);
}

#[tokio::test]
async fn the_goods_that_count_are_chosen_by_seizing_owner_then_laboratory_then_amount() {
    let stage = stage().await;
    let other = without_seizure_record;
    let reports = [
        // The owner who seized reports less.
        [other(parcel(DEA, "1", "50")), parcel(CBP, "1", "40")],
        // A laboratory weighed less.
        [
            weighed_by_laboratory(other(parcel(DEA, "2", "3"))),
            other(parcel(CBP, "2", "5")),
        ],
        // Nothing tells them apart but the amount.
        [
            other(parcel(DEA, "3", "0.1")),
            other(parcel(CBP, "3", "0.2")),
        ],
    ];
    for pair in reports {
        agree(&stage, pair).await;
    }
    let (cases, incidents, amount) = count(&stage).await;
    assert_eq!((cases, incidents), (6, 3));
    assert_eq!(number(&amount.total), (40 + 3) * KG + KG / 5);
    assert_eq!(number(&amount.reported_total), (90 + 8) * KG + 3 * KG / 10);
    let choices: Vec<_> = amount
        .choices
        .iter()
        .map(|choice| (choice.rule(), choice.incidents))
        .collect();
    assert_eq!(
        choices,
        [
            (GoodsRule::SeizingOwner, 1),
            (GoodsRule::LaboratoryWeight, 1),
            (GoodsRule::LargerAmount, 1)
        ]
    );
}

#[tokio::test]
async fn a_constant_rate_gives_a_ratio_of_one_however_little_time_has_passed_since_the_date() {
    let stage = stage().await;
    let today = OffsetDateTime::now_utc().date();
    let to_date = |date: time::Date| Date {
        year: date.year(),
        month: u8::from(date.month()).into(),
        day: date.day().into(),
    };
    // One every fifteen days, for two years and until today.
    let statements: Vec<_> = (0..50)
        .map(|n| {
            let mut report = cases::report(DEA, &format!("steady-{n}"));
            report.incident_date = Some(to_date(today - Duration::days(15 * n)));
            for finding in &mut report.items[0].findings {
                finding.report_date = None;
            }
            cases::reporting(report)
        })
        .collect();
    for statement in &statements {
        stage.dea.submit(statement).await.unwrap();
    }
    let date = (today - Duration::days(60)).replace_day(1).unwrap();
    let request = ComputeTrendRequest {
        around: Some(Around::Date(to_date(date))),
        min_position: stage.dea.size().await.unwrap(),
        ..Default::default()
    };
    let trend = stage.dea.statistics().compute_trend(request).await.unwrap();
    let trend = trend.into_inner();
    assert_eq!(trend.answer_date, Some(to_date(today)));
    let ratio = trend.ratio.unwrap();
    assert!((0.8..1.25).contains(&ratio.ratio), "{ratio:?}");
    let after = trend.after.unwrap();
    assert_eq!(
        (after.periods, after.elapsed_days),
        (12, (today - date).whole_days() + 1)
    );
    assert!((1.6..2.5).contains(&after.mean), "{after:?}");
    let marked = trend.buckets.iter().filter(|bucket| bucket.unfinished);
    assert!(
        marked
            .clone()
            .all(|bucket| bucket.place() == TrendPlace::After)
    );
    assert!((9..=10).contains(&marked.count()));
}
