//! Dates and times: real, complete enough, and not later than may be.

use prost_types::Timestamp;

use super::{
    checker::{Checker, Path},
    limits,
};
use crate::google::r#type::Date;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the range of google.protobuf.Timestamp.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl Checker {
    /// A date with its year, real, and not after today where the day begins first: dates are in local time of their place,
    /// and the place may be ahead of the broker.
    pub(super) fn past_date(&mut self, at: &Path<'_>, date: &Date) {
        if !self.real_date(at, date) {
            return;
        }
        let latest = self.clock.now.saturating_add(limits::FIRST_ZONE_SECONDS);
        let Some(today) = date_at(latest) else { return };
        // Only what is given is compared: a year alone may be this year.
        let ahead = match (date.month, date.day) {
            (0, _) => date.year > today.year,
            (month, 0) => (date.year, month) > (today.year, today.month),
            (month, day) => (date.year, month, day) > (today.year, today.month, today.day),
        };
        if ahead {
            self.refuse(at, || {
                format!(
                    "is {}; it must not be in the future (today is at most {})",
                    shown_date(date),
                    shown_date(&today)
                )
            });
        }
    }

    /// A date with its year, and one that exists; it may be in the future. False if it was refused.
    pub(crate) fn real_date(&mut self, at: &Path<'_>, date: &Date) -> bool {
        let Date { year, month, day } = *date;
        let why = if !(1..=9999).contains(&year) {
            "the year is required, from 1 to 9999"
        } else if !(0..=12).contains(&month) {
            "the month must be 1 to 12, or 0 if it is not known"
        } else if month == 0 && day != 0 {
            "a day needs its month"
        } else if day < 0 || day > days_in_month(year, month) {
            "there is no such day in that month"
        } else {
            return true;
        };
        self.refuse(at, || format!("is {}; {why}", shown_date(date)));
        false
    }

    /// A time within the range of the type, at most 5 minutes ahead of the clock.
    pub(super) fn past_time(&mut self, at: &Path<'_>, time: &Timestamp) {
        if !self.real_time(at, time) {
            return;
        }
        let latest = (self.clock.now.saturating_add(limits::CLOCK_SKEW_SECONDS), 0);
        if (time.seconds, time.nanos) > latest {
            let ahead = time.seconds.saturating_sub(self.clock.now);
            self.refuse(at, || {
                format!(
                    "is {ahead} seconds ahead of the clock here; at most {} are allowed",
                    limits::CLOCK_SKEW_SECONDS
                )
            });
        }
    }

    /// A time within the range of the type; it may be in the future. False if it was refused.
    pub(crate) fn real_time(&mut self, at: &Path<'_>, time: &Timestamp) -> bool {
        let real =
            TIMESTAMP_SECONDS.contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos);
        if !real {
            self.refuse(at, || {
                "is not a time: it must lie between the years 1 and 9999, with 0 to 999999999 nanoseconds".into()
            });
        }
        real
    }
}

/// For month 0 of a date without month there is no day either.
pub(crate) fn days_in_month(year: i32, month: i32) -> i32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// The date in UTC at these seconds since the Unix epoch, none outside the calendar's range.
fn date_at(seconds: i64) -> Option<Date> {
    let date = time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()?
        .date();
    Some(Date {
        year: date.year(),
        month: i32::from(u8::from(date.month())),
        day: i32::from(date.day()),
    })
}

/// As ISO 8601 writes it, with what is not known left out.
pub(crate) fn shown_date(date: &Date) -> String {
    let Date { year, month, day } = date;
    match (month, day) {
        (0, 0) => format!("{year:04}"),
        (month, 0) => format!("{year:04}-{month:02}"),
        (month, day) => format!("{year:04}-{month:02}-{day:02}"),
    }
}
