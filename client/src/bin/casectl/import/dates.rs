//! Dates as spreadsheets write them.

use casebroker_proto::google::r#type::Date;
use serde_json::{Value, json};
use time::{Duration, Month};

/// Day 0 of a serial date: Excel's 1900 system as it counts from 1 March 1900 on, and the 1904 system of old Macs.
const EPOCH_1900: (i32, Month, u8) = (1899, Month::December, 30);
const EPOCH_1904: (i32, Month, u8) = (1904, Month::January, 1);

/// The 1900 system has a 29 February 1900 that never was; before the day after it everything is one off.
const FIRST_SERIAL_1900: i64 = 61;
/// Up to 9999-12-31.
const LAST_SERIAL: i64 = 2_958_465;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// How a date is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateFormat {
    /// By parts and what stands between them.
    Parts(Vec<Part>),
    /// Days since 1899-12-30.
    Excel1900,
    /// Days since 1904-01-01.
    Excel1904,
}

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `%Y`: four digits.
    Year,
    /// `%m`: one or two digits.
    Month,
    /// `%b`: English name, in full or its first three letters.
    MonthName,
    /// `%d`: one or two digits.
    Day,
    /// `%*`: whatever follows is left out, such as a time.
    Rest,
    /// The character itself.
    Literal(char),
}

impl DateFormat {
    /// Reads a format.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "excel" => return Ok(Self::Excel1900),
            "excel-1904" => return Ok(Self::Excel1904),
            _ => {}
        }
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            parts.push(match (c, c == '%') {
                (_, true) => match chars.next() {
                    Some('Y') => Part::Year,
                    Some('m') => Part::Month,
                    Some('b') => Part::MonthName,
                    Some('d') => Part::Day,
                    Some('*') => Part::Rest,
                    Some('%') => Part::Literal('%'),
                    other => {
                        let other = other.map(String::from).unwrap_or_default();
                        return Err(format!(
                            "`%{other}` is unknown: there are %Y (four digits), %m, %b (month by name), %d and %* (leave out the rest), `excel` and `excel-1904`"
                        ));
                    }
                },
                (c, false) => Part::Literal(c),
            });
        }
        let has = |part: &Part| parts.contains(part);
        let month = has(&Part::Month) || has(&Part::MonthName);
        if !has(&Part::Year) || has(&Part::Day) && !month {
            return Err(format!("`{text}` lacks %Y, or has %d without %m or %b"));
        }
        Ok(Self::Parts(parts))
    }

    /// The date that a text says in this format; none if it says none.
    pub fn read(&self, text: &str) -> Option<Date> {
        match self {
            Self::Excel1900 => serial(text, EPOCH_1900, FIRST_SERIAL_1900),
            Self::Excel1904 => serial(text, EPOCH_1904, 0),
            Self::Parts(parts) => read(parts, text),
        }
    }
}

/// A month by number or English name.
pub fn month(text: &str) -> Option<i32> {
    let text = text.trim().to_lowercase();
    let number = match text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 2 {
        true => text.parse().ok()?,
        false => {
            let names = MONTHS.iter().zip(1..);
            let mut named = names.filter(|(name, _)| {
                text == **name || name.get(..3) == Some(text.trim_end_matches('.'))
            });
            named.next()?.1
        }
    };
    (1..=12).contains(&number).then_some(number)
}

/// A year in a text that holds one run of four digits and no other, such as `2026 (FYTD)` or `FY2019`.
pub fn year(text: &str) -> Option<i32> {
    let mut runs = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| !run.is_empty());
    let (run, more) = (runs.next()?, runs.next());
    (run.len() == 4 && more.is_none()).then(|| run.parse().ok())?
}

/// Calendar year of a month in a fiscal year that begins in month `start` and is named after the year in which it ends.
pub fn calendar_year(fiscal_year: i32, month: i32, start: i32) -> i32 {
    match start > 1 && month >= start {
        true => fiscal_year - 1,
        false => fiscal_year,
    }
}

/// A date if there is such a day, as far as it is known.
pub fn existing(year: i32, month: i32, day: i32) -> Option<Date> {
    if !(1..=9999).contains(&year) {
        return None;
    }
    if month > 0 {
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        if day > 0 {
            time::Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
        }
    }
    Some(Date { year, month, day })
}

/// As proto JSON.
pub fn value(date: &Date) -> Value {
    let mut value = json!({ "year": date.year });
    if let Some(object) = value.as_object_mut() {
        for (key, part) in [("month", date.month), ("day", date.day)] {
            if part > 0 {
                object.insert(key.into(), json!(part));
            }
        }
    }
    value
}

fn serial(text: &str, epoch: (i32, Month, u8), first: i64) -> Option<Date> {
    // A fraction is the time of day.
    let (days, time) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(days) || !digits(time) {
        return None;
    }
    let days: i64 = days.parse().ok()?;
    if !(first..=LAST_SERIAL).contains(&days) {
        return None;
    }
    let epoch = time::Date::from_calendar_date(epoch.0, epoch.1, epoch.2).ok()?;
    let date = epoch.checked_add(Duration::days(days))?;
    Some(Date {
        year: date.year(),
        month: i32::from(u8::from(date.month())),
        day: date.day().into(),
    })
}

fn read(parts: &[Part], text: &str) -> Option<Date> {
    let mut rest = text.trim();
    let (mut year, mut month_number, mut day) = (0, 0, 0);
    for part in parts {
        match part {
            Part::Year => (year, rest) = digits(rest, 4, 4)?,
            Part::Month => (month_number, rest) = digits(rest, 1, 2)?,
            Part::Day => (day, rest) = digits(rest, 1, 2)?,
            Part::MonthName => {
                let end = rest
                    .find(|c: char| !c.is_alphabetic())
                    .unwrap_or(rest.len());
                let (name, after) = rest.split_at_checked(end)?;
                month_number = month(name).filter(|_| !name.is_empty())?;
                rest = after;
            }
            Part::Rest => rest = "",
            Part::Literal(c) => rest = rest.strip_prefix(*c)?,
        }
    }
    let known = |kind: &[Part]| kind.iter().any(|part| parts.contains(part));
    // A month or day 0 is no "not known" in a cell that has one.
    let zero = known(&[Part::Month, Part::MonthName]) && month_number == 0
        || known(&[Part::Day]) && day == 0;
    (rest.is_empty() && !zero).then(|| existing(year, month_number, day))?
}

/// A number of so many digits at the beginning, and what follows.
fn digits(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let count = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    let (number, rest) = text.split_at_checked(count)?;
    (count >= least)
        .then(|| number.parse().ok())
        .flatten()
        .map(|n| (n, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: &str, text: &str) -> Option<(i32, i32, i32)> {
        let date = DateFormat::parse(format).unwrap().read(text)?;
        Some((date.year, date.month, date.day))
    }

    #[test]
    fn dates_are_read_in_the_formats_of_the_map() {
        for (format, text, date) in [
            ("%Y-%m-%d", "2016-06-27", (2016, 6, 27)),
            ("%d.%m.%Y", "7.6.2016", (2016, 6, 7)),
            ("%m/%d/%Y", "06/27/2016", (2016, 6, 27)),
            ("%d %b %Y", "27 June 2016", (2016, 6, 27)),
            ("%d-%b-%Y", "27-JUN-2016", (2016, 6, 27)),
            ("%b %Y", "Sep. 2016".trim_end_matches('.'), (0, 0, 0)),
            ("%Y-%m", "2016-06", (2016, 6, 0)),
            ("%Y", "2016", (2016, 0, 0)),
            ("%Y-%m-%d%*", "2016-06-27T10:00:00Z", (2016, 6, 27)),
            ("%Y年%m月%d日", "2016年6月27日", (2016, 6, 27)),
            ("excel", "42548", (2016, 6, 27)),
            ("excel", "42548.75", (2016, 6, 27)),
            ("excel", "61", (1900, 3, 1)),
            ("excel-1904", "41086", (2016, 6, 27)),
        ] {
            let expected = (date.0 > 0).then_some(date);
            assert_eq!(read(format, text), expected, "{format} {text}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for (format, text) in [
            ("%Y-%m-%d", "2016-13-01"),
            ("%Y-%m-%d", "2016-02-30"),
            ("%Y-%m-%d", "2016-00-01"),
            ("%Y-%m-%d", "16-06-27"),
            ("%Y-%m-%d", "2016-06-27 10:00"),
            ("%Y-%m-%d", ""),
            ("%d %b %Y", "27 Brumaire 2016"),
            ("excel", "60"),
            ("excel", "-1"),
            ("excel", "42548,5"),
            ("excel", "99999999"),
        ] {
            assert_eq!(read(format, text), None, "{format} {text}");
        }
        for bad in ["%y-%m-%d", "%m-%d", "%d.%Y", "%", ""] {
            assert!(DateFormat::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn october_of_a_us_fiscal_year_is_in_the_calendar_year_before() {
        assert_eq!(calendar_year(2019, 10, 10), 2018);
        assert_eq!(calendar_year(2019, 9, 10), 2019);
        assert_eq!(calendar_year(2019, 12, 1), 2019);
        assert_eq!(calendar_year(2019, 4, 4), 2018);
        for (text, found) in [
            ("2019", Some(2019)),
            ("2026 (FYTD)", Some(2026)),
            ("FY2019", Some(2019)),
            ("2018/2019", None),
            ("19", None),
            ("", None),
        ] {
            assert_eq!(year(text), found, "{text}");
        }
        for (text, found) in [
            ("OCT", Some(10)),
            ("october", Some(10)),
            ("10", Some(10)),
            ("Sep.", Some(9)),
            ("13", None),
            ("0", None),
            ("", None),
            ("octo", None),
        ] {
            assert_eq!(month(text), found, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_day_is_read_back(days in 61..80_000_i64) {
            let date = DateFormat::Excel1900.read(&days.to_string()).unwrap();
            let text = format!("{:02}/{:02}/{:04}", date.day, date.month, date.year);
            prop_assert_eq!(DateFormat::parse("%d/%m/%Y").unwrap().read(&text), Some(date));
        }

        #[test]
        fn any_text_is_answered_without_a_panic(format in "(%[YmbdY*%]|\\PC){0,6}", text in "\\PC{0,20}") {
            if let Ok(format) = DateFormat::parse(&format) {
                let _ = format.read(&text);
            }
        }
    }
}
