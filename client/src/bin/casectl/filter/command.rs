//! A filter as the command line that asks for it, to be pasted into a shell.

use casebroker_proto::v1::{
    AttributionBasis, CaseFilter, CaseStatus, Conveyance, Digest, ItemKind,
};

use crate::words;

/// Words of a command line as a shell reads them back, in lines of at most `width` columns as far as the words allow.
pub fn command(words: &[String], width: Option<usize>) -> Vec<String> {
    use unicode_width::UnicodeWidthStr as _;
    // A flag and its value stay together.
    let mut parts: Vec<String> = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let mut part = quoted(word);
        let takes_value = word.starts_with("--") && !word.contains('=');
        let is_value = |next: &&String| takes_value && !next.starts_with("--");
        if let Some(value) = words.next_if(is_value) {
            part = format!("{part} {}", quoted(value));
        }
        parts.push(part);
    }
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width.is_none_or(|w| line.width() + 1 + part.width() + 2 <= w) => {
                line.push(' ');
                line.push_str(&part);
            }
            Some(line) => {
                line.push_str(" \\");
                lines.push(format!("  {part}"));
            }
            None => lines.push(part),
        }
    }
    lines
}

/// The flags that make this filter.
pub fn flags(filter: &CaseFilter) -> Vec<String> {
    let CaseFilter {
        agencies,
        reporting_units,
        countries,
        origins,
        departures,
        transits,
        destinations,
        bases,
        statuses,
        substances,
        substance_classes,
        item_kinds,
        conveyances,
        incident_start_date,
        incident_end_date,
        record_start_time,
        record_end_time,
        min_mass_micrograms,
        organizations,
        identifiers,
        evidence_digests,
        text,
        obstacles,
    } = filter;
    let mut flags = Flags::default();
    let agencies = agencies
        .iter()
        .map(|name| name.strip_prefix("agencies/").unwrap_or(name).to_owned());
    flags.joined("--agency", agencies);
    flags.each("--unit", reporting_units);
    flags.joined("--country", countries.iter().cloned());
    flags.joined("--origin", origins.iter().cloned());
    flags.joined("--departure", departures.iter().cloned());
    flags.joined("--transit", transits.iter().cloned());
    flags.joined("--destination", destinations.iter().cloned());
    flags.joined(
        "--basis",
        bases.iter().map(|v| word::<AttributionBasis>(*v)),
    );
    flags.joined("--status", statuses.iter().map(|v| word::<CaseStatus>(*v)));
    flags.each("--substance", substances);
    flags.joined("--class", substance_classes.iter().cloned());
    flags.joined(
        "--item-kind",
        item_kinds.iter().map(|v| word::<ItemKind>(*v)),
    );
    flags.joined(
        "--conveyance",
        conveyances.iter().map(|v| word::<Conveyance>(*v)),
    );
    flags.joined(
        "--from",
        incident_start_date.iter().map(|d| words::date(Some(d))),
    );
    flags.joined(
        "--to",
        incident_end_date.iter().map(|d| words::date(Some(d))),
    );
    flags.joined(
        "--recorded-from",
        record_start_time.iter().map(words::rfc3339),
    );
    flags.joined("--recorded-to", record_end_time.iter().map(words::rfc3339));
    if *min_mass_micrograms != 0 {
        flags.one("--min-mass", format!("{min_mass_micrograms}ug"));
    }
    flags.each("--organization", organizations);
    flags.each("--identifier", identifiers);
    flags.each(
        "--digest",
        &evidence_digests.iter().map(digest).collect::<Vec<_>>(),
    );
    if !text.is_empty() {
        flags.one("--text", text.clone());
    }
    flags.joined("--obstacle", obstacles.iter().cloned());
    flags.0
}

/// Words of a command line.
#[derive(Default)]
struct Flags(Vec<String>);

impl Flags {
    fn one(&mut self, flag: &str, value: String) {
        // What looks like an option would be read as one.
        if value.starts_with('-') {
            self.0.push(format!("{flag}={value}"));
        } else {
            self.0.extend([flag.to_owned(), value]);
        }
    }

    fn each(&mut self, flag: &str, values: &[String]) {
        values
            .iter()
            .for_each(|value| self.one(flag, value.clone()));
    }

    fn joined(&mut self, flag: &str, values: impl Iterator<Item = String>) {
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            self.one(flag, values.join(","));
        }
    }
}

/// An enum of the contract.
trait Named: TryFrom<i32> + Default + Copy {
    fn name(self) -> &'static str;
}

macro_rules! named {
    ($($kind:ty),+) => {$(
        impl Named for $kind {
            fn name(self) -> &'static str {
                self.as_str_name()
            }
        }
    )+};
}

named!(AttributionBasis, CaseStatus, ItemKind, Conveyance);

/// `CASE_STATUS_CONFIRMED` as `confirmed`.
fn word<E: Named>(value: i32) -> String {
    let value = E::try_from(value).unwrap_or_default();
    words::plain(value.name(), E::default().name()).replace(' ', "-")
}

fn digest(digest: &Digest) -> String {
    let algorithm = words::algorithm(digest.algorithm());
    format!("{algorithm}:{}", hex::encode(&digest.value))
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.,/:=@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
