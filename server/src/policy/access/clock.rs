//! Times of lines.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use super::line::TIME_CHARS;

/// The clock of the record: never goes back, and formats a second once.
pub(super) struct Clock {
    last_us: u64,
    second: u64,
    text: [u8; TIME_CHARS],
}

impl Clock {
    pub(super) fn new(last_us: u64) -> Self {
        Self {
            last_us,
            second: u64::MAX,
            text: *b"1970-01-01T00:00:00.000000Z",
        }
    }

    /// Microseconds since the Unix epoch.
    pub(super) fn now(&mut self) -> u64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        self.last_us = self.last_us.max(now);
        self.last_us
    }

    /// The time that [`Clock::now`] gave last.
    pub(super) fn text(&mut self) -> [u8; TIME_CHARS] {
        let (second, micros) = (self.last_us / 1_000_000, self.last_us % 1_000_000);
        if second != self.second {
            self.text = text_of(self.last_us);
            self.second = second;
        }
        put_digits(&mut self.text, 20, 6, micros);
        self.text
    }
}

/// RFC 3339 in UTC with six digits of a second.
pub(super) fn text_of(us: u64) -> [u8; TIME_CHARS] {
    let mut text = *b"9999-12-31T23:59:59.999999Z";
    let seconds = i64::try_from(us / 1_000_000).unwrap_or(i64::MAX);
    if let Ok(time) = OffsetDateTime::from_unix_timestamp(seconds) {
        let year = u64::try_from(time.year()).unwrap_or(0);
        for (at, width, value) in [
            (0, 4, year),
            (5, 2, u8::from(time.month()).into()),
            (8, 2, time.day().into()),
            (11, 2, time.hour().into()),
            (14, 2, time.minute().into()),
            (17, 2, time.second().into()),
            (20, 6, us % 1_000_000),
        ] {
            put_digits(&mut text, at, width, value);
        }
    }
    text
}

fn put_digits(text: &mut [u8; TIME_CHARS], at: usize, width: usize, mut value: u64) {
    for digit in text.iter_mut().skip(at).take(width).rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Microseconds since the Unix epoch of such a text; 0 if it is none.
pub(super) fn micros_of(text: &str) -> u64 {
    OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000).ok())
        .unwrap_or(0)
}
