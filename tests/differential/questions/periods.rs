//! Periods and trends, by walking through the calendar day by day.

use casebroker_proto::{
    statistics::{Observed, rate_ratio},
    v1::{CaseFilter, ComputeTrendResponse, TrendPeriod, TrendPlace},
};
use time::{Date, Month, OffsetDateTime};

use crate::{
    facts::Day,
    naive::{Sum, items, selects},
    record::{Seen, Snapshot},
};

/// A period: first day, last day, place, and what counts in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    pub first: Day,
    pub last: Day,
    pub place: TrendPlace,
    pub sum: Sum,
}

/// A trend.
#[derive(Debug, PartialEq)]
pub struct Trend {
    pub buckets: Vec<Bucket>,
    pub before: Sum,
    pub after: Sum,
    pub undated: i64,
}

/// First day that a date may mean.
pub fn first_day((year, month, day): Day) -> Day {
    (year, month.max(1), day.max(1))
}

/// Last day that a date may mean.
pub fn last_day((year, month, day): Day) -> Day {
    let month = if month == 0 { 12 } else { month };
    let days = Month::try_from(u8::try_from(month).unwrap())
        .unwrap()
        .length(year);
    (year, month, if day == 0 { days.into() } else { day })
}

/// The periods around a date, oldest first.
pub fn periods(around: Day, period: TrendPeriod, before: i32, after: i32) -> Vec<Bucket> {
    let date = as_date(around);
    let same = |a: Date, b: Date| label(a, period) == label(b, period);
    let mut first = date;
    while same(first.previous_day().unwrap(), date) {
        first = first.previous_day().unwrap();
    }
    let splits = first != date;
    let mut buckets = Vec::new();
    let mut end = first;
    for _ in 0..before {
        let last = end.previous_day().unwrap();
        let mut start = last;
        while same(start.previous_day().unwrap(), last) {
            start = start.previous_day().unwrap();
        }
        buckets.insert(0, bucket(start, last, TrendPlace::Before));
        end = start;
    }
    let mut start = first;
    for number in 0..after + i32::from(splits) {
        let mut last = start;
        while same(last.next_day().unwrap(), start) {
            last = last.next_day().unwrap();
        }
        let place = match splits && number == 0 {
            true => TrendPlace::Unspecified,
            false => TrendPlace::After,
        };
        buckets.push(bucket(start, last, place));
        start = last.next_day().unwrap();
    }
    buckets
}

/// Counts in each period.
pub fn trend(filter: &CaseFilter, mut buckets: Vec<Bucket>, seen: &Snapshot) -> Trend {
    let selected = seen.iter().filter(|case| selects(filter, case, true));
    let counted: Vec<&Seen> = selected.filter(|c| c.facts.standing == "counted").collect();
    let sum = |cases: Vec<&Seen>| {
        let cases = cases.into_iter();
        let with_items: Vec<_> = cases.map(|c| (c, items(filter, &c.facts))).collect();
        Sum::of(&with_items)
    };
    let within = |case: &&Seen, bucket: &Bucket| {
        let date = case.facts.date;
        bucket.first <= first_day(date) && last_day(date) <= bucket.last
    };
    let of = |place: TrendPlace| {
        let buckets = buckets.iter().filter(|bucket| bucket.place == place);
        let buckets: Vec<_> = buckets.collect();
        let cases = counted.iter().copied();
        sum(cases
            .filter(|case| buckets.iter().any(|bucket| within(case, bucket)))
            .collect())
    };
    let (before, after) = (of(TrendPlace::Before), of(TrendPlace::After));
    let (first, last) = (buckets[0].first, buckets[buckets.len() - 1].last);
    let undated = counted.iter().filter(|case| {
        let date = case.facts.date;
        let outside = last_day(date) < first || first_day(date) > last;
        !outside && !buckets.iter().any(|bucket| within(case, bucket))
    });
    let undated = undated.count() as i64;
    for bucket in &mut buckets {
        let cases = counted.iter().copied().filter(|case| within(case, bucket));
        bucket.sum = sum(cases.collect());
    }
    Trend {
        buckets,
        before,
        after,
        undated,
    }
}

/// The same as the broker says it. What follows from the counts is checked here.
pub fn said(answer: &ComputeTrendResponse) -> Trend {
    let day = |date: Option<casebroker_proto::google::r#type::Date>| {
        let date = date.unwrap();
        (date.year, date.month, date.day)
    };
    let buckets: Vec<_> = answer
        .buckets
        .iter()
        .map(|bucket| Bucket {
            first: day(bucket.start_date),
            last: day(bucket.end_date),
            place: bucket.place(),
            sum: Sum::said(bucket.counted.as_ref()),
        })
        .collect();
    let answered = day(answer.answer_date);
    assert!(as_date(answered) <= OffsetDateTime::now_utc().date());
    for (bucket, said) in buckets.iter().zip(&answer.buckets) {
        let (days, elapsed) = elapsed(bucket, answered);
        assert_eq!(said.elapsed_days as u64, elapsed);
        assert_eq!(said.unfinished, elapsed < days);
    }
    let side = |side: &Option<casebroker_proto::v1::TrendSide>, place| {
        let side = side.as_ref().unwrap();
        let periods = buckets
            .iter()
            .filter(|bucket| bucket.place == place)
            .count();
        assert_eq!(side.periods as usize, periods);
        let sum = Sum::said(side.counted.as_ref());
        let of_side = buckets.iter().filter(|bucket| bucket.place == place);
        let (mut days, mut elapsed_periods) = (0, 0.0);
        for bucket in of_side {
            let (all, elapsed) = elapsed(bucket, answered);
            days += elapsed;
            elapsed_periods += elapsed as f64 / all as f64;
        }
        assert_eq!(side.elapsed_days as u64, days);
        let mean = match days {
            0 => 0.0,
            _ => sum.incidents as f64 / elapsed_periods,
        };
        assert!((side.mean - mean).abs() < 1e-9);
        let observed = Observed {
            events: sum.incidents as u64,
            days,
        };
        (sum, observed)
    };
    let (before, x1) = side(&answer.before, TrendPlace::Before);
    let (after, x2) = side(&answer.after, TrendPlace::After);
    assert_eq!(answer.ratio, rate_ratio(x1, x2));
    assert!(!answer.caveats.is_empty());
    Trend {
        buckets,
        before,
        after,
        undated: answer.undated_cases,
    }
}

/// How many days a period has, and how many of them are not after a day: one after the other.
fn elapsed(bucket: &Bucket, answered: Day) -> (u64, u64) {
    let (last, answered) = (as_date(bucket.last), as_date(answered));
    let mut day = as_date(bucket.first);
    let (mut days, mut elapsed) = (0, 0);
    while day <= last {
        days += 1;
        elapsed += u64::from(day <= answered);
        day = day.next_day().unwrap();
    }
    (days, elapsed)
}

fn bucket(first: Date, last: Date, place: TrendPlace) -> Bucket {
    let day = |date: Date| {
        let (year, month, day) = date.to_calendar_date();
        (year, i32::from(u8::from(month)), i32::from(day))
    };
    Bucket {
        first: day(first),
        last: day(last),
        place,
        sum: Sum::default(),
    }
}

/// Equal for two days of one period.
fn label(date: Date, period: TrendPeriod) -> (i32, u8) {
    let month = u8::from(date.month());
    match period {
        TrendPeriod::Week => {
            let (year, week, _) = date.to_iso_week_date();
            (year, week)
        }
        TrendPeriod::Unspecified | TrendPeriod::Month => (date.year(), month),
        TrendPeriod::Quarter => (date.year(), month.div_ceil(3)),
        TrendPeriod::Year => (date.year(), 0),
    }
}

fn as_date((year, month, day): Day) -> Date {
    let month = Month::try_from(u8::try_from(month).unwrap()).unwrap();
    Date::from_calendar_date(year, month, u8::try_from(day).unwrap()).unwrap()
}
