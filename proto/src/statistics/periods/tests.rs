//! The calendar, year by year.

use TrendPeriod::{Month as Months, Quarter, Unspecified, Week, Year};
use proptest::prelude::*;

use super::*;

fn day(text: &str) -> Day {
    let parts: Vec<i32> = text.split('-').map(|part| part.parse().unwrap()).collect();
    let part = |i: usize| parts.get(i).copied().unwrap_or(0);
    Day::new(part(0), part(1), part(2))
}

/// Each period as `first last place`.
fn listed(around: &str, period: TrendPeriod, before: u32, after: u32) -> Vec<String> {
    let shown = |day: Day| format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
    let all = periods(day(around), period, before, after).unwrap();
    let lines = all.iter().map(|p| {
        let place = match p.place {
            TrendPlace::Before => "before",
            TrendPlace::Unspecified => "neither",
            TrendPlace::After => "after",
        };
        format!("{} {} {place}", shown(p.first), shown(p.last))
    });
    lines.collect()
}

#[test]
fn a_date_that_begins_a_period_splits_none() {
    assert_eq!(
        listed("2017-03-01", Months, 2, 2),
        [
            "2017-01-01 2017-01-31 before",
            "2017-02-01 2017-02-28 before",
            "2017-03-01 2017-03-31 after",
            "2017-04-01 2017-04-30 after",
        ]
    );
    assert_eq!(
        listed("2018-01-01", Week, 1, 1),
        [
            "2017-12-25 2017-12-31 before",
            "2018-01-01 2018-01-07 after"
        ]
    );
    assert_eq!(
        listed("2017-10-01", Quarter, 1, 2),
        [
            "2017-07-01 2017-09-30 before",
            "2017-10-01 2017-12-31 after",
            "2018-01-01 2018-03-31 after",
        ]
    );
    assert_eq!(
        listed("2017-01-01", Year, 1, 1),
        [
            "2016-01-01 2016-12-31 before",
            "2017-01-01 2017-12-31 after"
        ]
    );
}

#[test]
fn the_period_that_holds_the_date_belongs_to_neither_side() {
    assert_eq!(
        listed("2016-02-29", Unspecified, 1, 1),
        [
            "2016-01-01 2016-01-31 before",
            "2016-02-01 2016-02-29 neither",
            "2016-03-01 2016-03-31 after",
        ]
    );
    assert_eq!(
        listed("2017-03-01", Week, 1, 1),
        [
            "2017-02-20 2017-02-26 before",
            "2017-02-27 2017-03-05 neither",
            "2017-03-06 2017-03-12 after",
        ]
    );
    assert_eq!(
        listed("2016-05-31", Quarter, 2, 1),
        [
            "2015-10-01 2015-12-31 before",
            "2016-01-01 2016-03-31 before",
            "2016-04-01 2016-06-30 neither",
            "2016-07-01 2016-09-30 after",
        ]
    );
    assert_eq!(
        listed("2016-12-31", Year, 1, 1),
        [
            "2015-01-01 2015-12-31 before",
            "2016-01-01 2016-12-31 neither",
            "2017-01-01 2017-12-31 after",
        ]
    );
}

#[test]
fn dates_that_are_no_days_and_periods_outside_the_calendar_are_refused() {
    for bad in ["2017", "2017-02", "2017-02-29", "0-1-1"] {
        assert_eq!(
            periods(day(bad), Months, 1, 1),
            Err(PeriodError::NotADay),
            "{bad}"
        );
    }
    for (date, period, before, after) in [
        ("0001-01-01", Year, 1, 1),
        ("0001-03-31", Quarter, 1, 1),
        ("0001-02-01", Months, 2, 1),
        ("0001-01-07", Week, 1, 1),
        ("9999-12-31", Year, 1, 1),
        ("9999-12-01", Months, 1, 2),
        ("9999-12-25", Week, 1, 2),
    ] {
        let found = periods(day(date), period, before, after);
        assert_eq!(found, Err(PeriodError::OutsideCalendar), "{date}");
    }
    assert_eq!(
        listed("9999-12-01", Months, 0, 1),
        ["9999-12-01 9999-12-31 after"]
    );
    assert_eq!(listed("9999-01-01", Year, 1, 1).len(), 2);
    assert_eq!(
        listed("0001-01-01", Week, 0, 1),
        ["0001-01-01 0001-01-07 after"]
    );
}

#[test]
fn a_date_is_located_if_all_its_days_are_in_one_period_or_in_none() {
    let months = periods(day("2017-03-01"), Months, 2, 2).unwrap();
    let quarters = periods(day("2017-04-01"), Quarter, 1, 1).unwrap();
    let weeks = periods(day("2017-03-01"), Week, 1, 1).unwrap();
    for (periods, date, expected) in [
        (&months, "2017-01-01", Located::In(0)),
        (&months, "2017-04-30", Located::In(3)),
        (&months, "2017-02", Located::In(1)),
        (&months, "2017", Located::Inexact),
        (&months, "2016-12-31", Located::Outside),
        (&months, "2017-05-01", Located::Outside),
        (&months, "2016", Located::Outside),
        (&months, "2018", Located::Outside),
        (&months, "2017-02-30", Located::Inexact),
        (&quarters, "2017-02", Located::In(0)),
        (&quarters, "2017-07", Located::Outside),
        (&quarters, "2017", Located::Inexact),
        (&weeks, "2017-03", Located::Inexact),
        (&weeks, "2017-02", Located::Inexact),
        (&weeks, "2017-04", Located::Outside),
        (&weeks, "2017-02-27", Located::In(1)),
    ] {
        assert_eq!(locate(periods, day(date)), expected, "{date}");
    }
    assert_eq!(locate(&months, Day(0)), Located::Inexact);
    assert_eq!(locate(&[], day("2017")), Located::Outside);
}

#[test]
fn days_that_have_elapsed_are_those_not_after_the_day_of_the_answer() {
    let february = periods(day("2016-02-01"), Months, 1, 1).unwrap()[1];
    assert_eq!(february.days(), 29);
    for (answered, expected) in [
        ("2016-01-31", 0),
        ("2016-02-01", 1),
        ("2016-02-28", 28),
        ("2016-02-29", 29),
        ("2016-03-01", 29),
        ("2020-01-01", 29),
    ] {
        let found = february.elapsed_days(day(answered));
        assert_eq!(found, expected, "{answered}");
    }
    let years = periods(day("2016-01-01"), Year, 1, 1).unwrap();
    assert_eq!([years[0].days(), years[1].days()], [365, 366]);
    assert_eq!(years[1].elapsed_days(day("2016-12-01")), 336);
}

proptest! {
    #[test]
    fn periods_follow_on_one_another_and_the_date_is_where_it_should_be(
        (year, month, number) in (1900i32..2100, 1i32..13, 1i32..29),
        period in proptest::sample::select(vec![Week, Months, Quarter, Year]),
        (before, after) in (1u32..401, 1u32..401),
    ) {
        let around = Day::new(year, month, number);
        let all = periods(around, period, before, after).unwrap();
        let places = |place| all.iter().filter(|p| p.place == place).count();
        prop_assert_eq!(places(TrendPlace::Before), before as usize);
        prop_assert_eq!(places(TrendPlace::After), after as usize);
        prop_assert!(places(TrendPlace::Unspecified) <= 1);
        for pair in all.windows(2) {
            let next = as_date(pair[0].last).unwrap().next_day().unwrap();
            prop_assert_eq!(as_day(next), Some(pair[1].first));
        }
        for (i, period) in all.iter().enumerate() {
            prop_assert!(period.first <= period.last);
            prop_assert_eq!(period.elapsed_days(period.last), period.days());
            prop_assert_eq!(period.elapsed_days(period.first), 1);
            if period.first > around {
                prop_assert_eq!(period.elapsed_days(around), 0);
            }
            prop_assert_eq!(locate(&all, period.first), Located::In(i));
            prop_assert_eq!(locate(&all, period.last), Located::In(i));
            match period.place {
                TrendPlace::Before => prop_assert!(period.last < around),
                TrendPlace::Unspecified => prop_assert!(period.first < around && around <= period.last),
                TrendPlace::After => prop_assert!(around <= period.first),
            }
        }
        prop_assert_eq!(locate(&all, around), Located::In(before as usize));
    }
}
