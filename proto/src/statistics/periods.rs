//! Weeks, months, quarters and years around a date, by calendar arithmetic.

use time::{Date, Duration, Month};

use crate::{
    filter::Day,
    v1::{TrendPeriod, TrendPlace},
};

/// One period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub first: Day,
    /// Last day.
    pub last: Day,
    /// Which side it belongs to; unspecified for the one that holds the date, if the date is not its first day.
    pub place: TrendPlace,
}

impl Period {
    /// Number of its days.
    pub fn days(&self) -> u64 {
        days_between(self.first, self.last)
    }

    /// Number of its days that are not after `until`: the exposure of the period in an answer of that day.
    pub fn elapsed_days(&self, until: Day) -> u64 {
        days_between(self.first, self.last.min(until))
    }
}

/// Why there are no periods around a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// The date lacks its month or day, or does not exist.
    #[error("the date must have year, month and day, and exist")]
    NotADay,
    /// A period begins before the year 1 or ends after the year 9999.
    #[error("the periods must lie between the years 1 and 9999")]
    OutsideCalendar,
}

/// Where a date that may lack month or day lies among periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Located {
    /// In the period of this index, whichever of its days it was.
    In(usize),
    /// Before the first or after the last of them, whichever of its days it was.
    Outside,
    /// Not exact enough to tell.
    Inexact,
}

/// Periods around a date, oldest first, each following on the one before without a gap. The one that holds the date belongs to
/// neither side, unless the date is its first day: then it is the first of those after. Weeks begin on Monday (ISO 8601);
/// unspecified means months.
pub fn periods(
    around: Day,
    period: TrendPeriod,
    before: u32,
    after: u32,
) -> Result<Vec<Period>, PeriodError> {
    let date = as_date(around).ok_or(PeriodError::NotADay)?;
    let first = first_day(date, period);
    let splits = first != date;
    let after_from = i64::from(splits);
    let range = -i64::from(before)..after_from + i64::from(after);
    let starts = range.map(|number| {
        let place = match number {
            ..0 => TrendPlace::Before,
            0 if splits => TrendPlace::Unspecified,
            _ => TrendPlace::After,
        };
        let first = shifted(first, period, number)?;
        Some(Period {
            first: as_day(first)?,
            last: as_day(last_day(first, period)?)?,
            place,
        })
    });
    let all: Option<Vec<_>> = starts.collect();
    all.ok_or(PeriodError::OutsideCalendar)
}

/// Where a date lies among periods, oldest first, that follow on one another without a gap.
pub fn locate(periods: &[Period], date: Day) -> Located {
    let Some((earliest, latest)) = span(date) else {
        return Located::Inexact;
    };
    let index = periods.partition_point(|period| period.last < earliest);
    match periods.get(index) {
        None => Located::Outside,
        Some(period) if latest < period.first => Located::Outside,
        Some(period) if period.first <= earliest && latest <= period.last => Located::In(index),
        Some(_) => Located::Inexact,
    }
}

/// First and last day that a date may be; none if it lacks its year or does not exist.
fn span(date: Day) -> Option<(Day, Day)> {
    let part = |value: u32| i32::try_from(value).ok();
    let (year, month, day) = (part(date.year())?, part(date.month())?, part(date.day())?);
    let (first_month, last_month) = if month == 0 { (1, 12) } else { (month, month) };
    let exact = |year, month, day| as_date(Day::new(year, month, day));
    if day != 0 {
        return exact(year, month, day).map(|_| (date, date));
    }
    let first = exact(year, first_month, 1)?;
    let last = exact(year, last_month, 1)?;
    let last_day = i32::from(last.month().length(last.year()));
    Some((as_day(first)?, Day::new(year, last_month, last_day)))
}

/// Number of days from one to another, both included; 0 if the last comes before the first or one of them does not exist.
fn days_between(first: Day, last: Day) -> u64 {
    let (Some(first), Some(last)) = (as_date(first), as_date(last)) else {
        return 0;
    };
    let days = i64::from(last.to_julian_day()) - i64::from(first.to_julian_day()) + 1;
    u64::try_from(days).unwrap_or(0)
}

/// First day of the period that holds a date.
fn first_day(date: Date, period: TrendPeriod) -> Date {
    let back = match period {
        TrendPeriod::Week => date.weekday().number_days_from_monday().into(),
        TrendPeriod::Unspecified | TrendPeriod::Month => u16::from(date.day()) - 1,
        TrendPeriod::Quarter => {
            let quarter = (u8::from(date.month()) - 1) / 3 * 3 + 1;
            let first =
                month(quarter).and_then(|m| Date::from_calendar_date(date.year(), m, 1).ok());
            date.ordinal() - first.map_or(date.ordinal(), Date::ordinal)
        }
        TrendPeriod::Year => date.ordinal() - 1,
    };
    date.saturating_sub(Duration::days(back.into()))
}

/// Last day of the period that begins on a day.
fn last_day(first: Date, period: TrendPeriod) -> Option<Date> {
    let months = match period {
        TrendPeriod::Week => return first.checked_add(Duration::days(6)),
        TrendPeriod::Unspecified | TrendPeriod::Month => 1,
        TrendPeriod::Quarter => 3,
        TrendPeriod::Year => 12,
    };
    let last_month = shifted(first, TrendPeriod::Month, months - 1)?;
    last_month
        .replace_day(last_month.month().length(last_month.year()))
        .ok()
}

/// The first day of the period that is so many later, or earlier if the number is negative.
fn shifted(first: Date, period: TrendPeriod, number: i64) -> Option<Date> {
    let months = match period {
        TrendPeriod::Week => return first.checked_add(Duration::weeks(number)),
        TrendPeriod::Unspecified | TrendPeriod::Month => number,
        TrendPeriod::Quarter => number * 3,
        TrendPeriod::Year => number * 12,
    };
    let all = i64::from(first.year()) * 12 + i64::from(u8::from(first.month())) - 1 + months;
    let year = i32::try_from(all.div_euclid(12)).ok()?;
    let month = month(u8::try_from(all.rem_euclid(12)).ok()? + 1)?;
    Date::from_calendar_date(year, month, 1).ok()
}

fn month(number: u8) -> Option<Month> {
    Month::try_from(number).ok()
}

/// None unless it exists, within the years of the contract.
fn as_date(day: Day) -> Option<Date> {
    let year = i32::try_from(day.year()).ok().filter(|year| *year > 0)?;
    let month = month(u8::try_from(day.month()).ok()?)?;
    Date::from_calendar_date(year, month, u8::try_from(day.day()).ok()?).ok()
}

/// None before the year 1.
fn as_day(date: Date) -> Option<Day> {
    let (year, month, day) = date.to_calendar_date();
    (year > 0).then(|| Day::new(year, u8::from(month).into(), day.into()))
}

#[cfg(test)]
mod tests;
