//! A bar chart of text: a line a period, and one for the date.

use std::env;

use casebroker_proto::v1::{TrendBucket, TrendPlace};
use unicode_width::UnicodeWidthStr as _;

use super::Shown;
use crate::{table::cut, words};

/// Widest bar, in columns.
const MOST: usize = 60;
/// Narrowest room for bars.
const LEAST: usize = 8;

/// Lines of at most `width` columns, the heading first. Bars are of blocks, or of `#` where those cannot be shown.
pub fn lines(shown: &Shown, width: usize, blocks: bool) -> Vec<String> {
    let buckets = &shown.answer.buckets;
    let rows: Vec<_> = buckets.iter().map(|bucket| row(shown, bucket)).collect();
    let headings = ["PERIOD", "CASES", "INCIDENTS"];
    let widest = |i: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(i))
            .map(|cell| cell.width());
        let heading = headings.get(i).map_or(0, |heading| heading.len());
        cells.max().unwrap_or(0).max(heading)
    };
    let widths = [widest(0), widest(1), widest(2)];
    let left: usize = widths.iter().sum::<usize>() + 2 * widths.len();
    let room = width.saturating_sub(left).clamp(LEAST, MOST);
    let most = buckets.iter().map(incidents).max().unwrap_or(0);
    let mut lines = vec![line(headings, widths, "")];
    let mut marked = false;
    for (bucket, cells) in buckets.iter().zip(&rows) {
        if !marked && bucket.place() != TrendPlace::Before {
            lines.push(mark(shown, width, blocks));
            marked = true;
        }
        let bar = bar(incidents(bucket), most, room, blocks);
        let cells = [0, 1, 2].map(|i| cells.get(i).map_or("", String::as_str));
        let mut text = line(cells, widths, &bar);
        if bucket.place() == TrendPlace::Unspecified {
            text = format!("{text}  holds the date: on neither side");
        }
        if let Some(note) = unfinished(bucket) {
            text = format!("{text}  {note}");
        }
        lines.push(cut(&text, width));
    }
    if !marked {
        lines.push(mark(shown, width, blocks));
    }
    lines
}

/// Whether the terminal is said to show UTF-8.
pub fn is_utf8() -> bool {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL")
        .or_else(|| set("LC_CTYPE"))
        .or_else(|| set("LANG"));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

fn row(shown: &Shown, bucket: &TrendBucket) -> [String; 3] {
    let counted = bucket.counted.as_ref();
    let number = |n: Option<i64>| words::grouped(&n.unwrap_or(0).to_string());
    [
        shown.label(bucket.start_date.as_ref()),
        number(counted.map(|c| c.cases)),
        number(counted.map(|c| c.incidents)),
    ]
}

fn line(cells: [&str; 3], widths: [usize; 3], bar: &str) -> String {
    let [period, cases, incidents] = cells;
    let [a, b, c] = widths;
    let text = format!("{period:<a$}  {cases:>b$}  {incidents:>c$}  {bar}");
    text.trim_end().to_owned()
}

/// The line of the date.
fn mark(shown: &Shown, width: usize, blocks: bool) -> String {
    let rule = if blocks { "─" } else { "-" };
    let text = format!("{} {} ", rule.repeat(2), shown.around());
    let text = cut(&text, width);
    let rest = width.min(80).saturating_sub(text.width());
    format!("{text}{}", rule.repeat(rest)).trim_end().to_owned()
}

pub(super) fn incidents(bucket: &TrendBucket) -> i64 {
    bucket.counted.as_ref().map_or(0, |tally| tally.incidents)
}

/// How much of an unfinished period had elapsed.
pub(super) fn unfinished(bucket: &TrendBucket) -> Option<String> {
    bucket.unfinished.then(|| match bucket.elapsed_days {
        ..=0 => "not begun".to_owned(),
        1 => "unfinished: 1 day elapsed".to_owned(),
        days => format!("unfinished: {days} days elapsed"),
    })
}

/// A bar for `value` of `most`; something is always shown for more than nothing.
fn bar(value: i64, most: i64, room: usize, blocks: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if value <= 0 || most <= 0 {
        return String::new();
    }
    let steps = if blocks { 8 } else { 1 };
    let whole = room as i128 * steps;
    let (value, most) = (i128::from(value), i128::from(most));
    let length = ((2 * value * whole + most) / (2 * most)).max(1);
    let length = usize::try_from(length).unwrap_or(0);
    if !blocks {
        return "#".repeat(length);
    }
    let part = EIGHTHS.get(length % 8).copied().unwrap_or_default();
    format!("{}{part}", "█".repeat(length / 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_anything_shows_more_than_nothing() {
        assert_eq!(bar(10, 10, 10, true), "█".repeat(10));
        assert_eq!(bar(5, 10, 10, true), "█".repeat(5));
        assert_eq!(bar(1, 16, 10, true), "▋");
        assert_eq!(bar(1, 1_000_000, 10, true), "▏");
        assert_eq!(bar(0, 10, 10, true), "");
        assert_eq!(bar(5, 10, 10, false), "#####");
        assert_eq!(bar(1, 1000, 10, false), "#");
        assert_eq!(bar(i64::MAX, i64::MAX, 60, true).width(), 60);
    }
}
