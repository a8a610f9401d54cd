//! Times and positions of the log on the command line.

use casebroker_client::Start;
use prost_types::Timestamp;
use time::{
    Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description,
};

/// A date, which means its beginning in UTC, or a time.
pub fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let time = match date {
        Ok(date) => Ok(date.midnight().assume_utc()),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339),
    };
    let time = time.map_err(|_| {
        format!("`{text}` is neither a date nor a time; write 2026-11-25 or 2026-11-25T08:30:00Z")
    })?;
    Ok(Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or(0),
    })
}

/// As of when an answer is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The log ended before this position.
    Position(u64),
    /// The log ended at this time.
    Time(Timestamp),
}

impl AsOf {
    /// For the fields of a request: position and time.
    pub fn fields(value: Option<Self>) -> (u64, Option<Timestamp>) {
        match value {
            None => (0, None),
            Some(Self::Position(position)) => (position, None),
            Some(Self::Time(time)) => (0, Some(time)),
        }
    }
}

/// A position, a date, which means its beginning in UTC, or a time.
pub fn parse_as_of(text: &str) -> Result<AsOf, String> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return parse_moment(text).map(AsOf::Time);
    }
    match text.parse() {
        Ok(0) => Err("before position 0 there is nothing; the least is 1".into()),
        Ok(position) => Ok(AsOf::Position(position)),
        Err(_) => Err(format!("`{text}` is no position of the log")),
    }
}

/// Where deliveries begin: `beginning`, `now`, a position, a date or a time.
pub fn parse_start(text: &str) -> Result<Start, String> {
    match text {
        "now" => Ok(Start::Now),
        "beginning" => Ok(Start::Beginning),
        number if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            let position = number.parse().map(Start::Position);
            position.map_err(|_| format!("`{number}` is no position of the log"))
        }
        time => parse_moment(time).map(Start::Time).map_err(|_| {
            format!("`{time}` is no start; write beginning, now, a position, 2026-11-25 or 2026-11-25T08:30:00Z")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_means_its_beginning_in_utc() {
        let at = |text: &str| parse_moment(text).map(|t| t.seconds);
        assert_eq!(at("1970-01-02").unwrap(), 86_400);
        assert_eq!(at("1970-01-01T02:00:00+01:00").unwrap(), 3_600);
        assert!(at("yesterday").is_err());
    }

    #[test]
    fn a_number_is_a_position_and_everything_else_a_time() {
        assert_eq!(parse_as_of("2017"), Ok(AsOf::Position(2017)));
        let day = Timestamp {
            seconds: 86_400,
            nanos: 0,
        };
        assert_eq!(parse_as_of("1970-01-02"), Ok(AsOf::Time(day)));
        for bad in ["0", "", "-1", "2017-13-01", "99999999999999999999"] {
            assert!(parse_as_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_start_is_a_word_a_position_or_a_time() {
        assert_eq!(parse_start("now"), Ok(Start::Now));
        assert_eq!(parse_start("beginning"), Ok(Start::Beginning));
        assert_eq!(parse_start("0"), Ok(Start::Position(0)));
        assert!(matches!(parse_start("2026-11-25"), Ok(Start::Time(_))));
        for bad in ["", "then", "99999999999999999999"] {
            assert!(parse_start(bad).is_err(), "{bad}");
        }
    }
}
