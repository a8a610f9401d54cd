//! Lengths of time on the command line.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// `90`, `90s`, `500ms`, `2m`, `1h` or `31d`; a number alone means seconds.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let mistake = || format!("`{text}` is no length of time; write 90s, 500ms, 2m, 1h or 31d");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| mistake())?;
    let unit = if unit.is_empty() { "s" } else { unit };
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    let (_, milliseconds) = known.ok_or_else(mistake)?;
    let all = number.checked_mul(*milliseconds).ok_or_else(mistake)?;
    Ok(Duration::from_millis(all))
}

/// As [`parse_span`] reads it, in the largest unit that fits.
pub fn span(duration: Duration) -> String {
    let all = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS
        .iter()
        .rev()
        .find(|(_, ms)| all >= *ms && all % ms == 0);
    match unit {
        Some((name, ms)) => format!("{}{name}", all / ms),
        None => "0s".into(),
    }
}

/// As the contract has it.
pub fn wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_as_it_is_written() {
        for (text, seconds) in [("90", 90), ("2m", 120), ("1h", 3_600), ("31d", 2_678_400)] {
            assert_eq!(parse_span(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["500ms", "7s", "10m", "366d", "0s"] {
            assert_eq!(span(parse_span(text).unwrap()), text);
        }
        for bad in [
            "",
            "s",
            "1w",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }
}
