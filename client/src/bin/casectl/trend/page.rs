//! A trend for a reader: the chart, both sides, their ratio, and what to know before quoting it.

use casebroker_proto::v1::{Tally, TrendSide};

use super::{Shown, chart};
use crate::{
    count::{goods_of, shown_amount, stood},
    failure::Result,
    filter::understood,
    output::{FAINT, HEADING, Output},
    table::{Column, Layout, wrap},
    words,
};

/// Columns where there is no terminal.
const FREE: usize = 100;

/// Prints it.
pub fn print(shown: &Shown, blocks: bool, out: &mut Output) -> Result<()> {
    let answer = shown.answer;
    let width = out.width.unwrap_or(FREE);
    for line in understood(&answer.understood, out.width) {
        let line = out.paint(FAINT, line);
        out.line(line)?;
    }
    if let Some(title) = shown.measure() {
        for line in wrap(&format!("{}: {title}", shown.around()), width) {
            let line = out.paint(HEADING, line);
            out.line(line)?;
        }
    }
    for (i, line) in chart::lines(shown, width, blocks).into_iter().enumerate() {
        let line = if i == 0 { out.paint(FAINT, line) } else { line };
        out.line(line)?;
    }
    out.line("")?;
    sides(shown, out)?;
    let ratio = format!(
        "ratio of incidents a day, after to before: {}",
        shown.ratio()
    );
    for line in wrap(&ratio, width) {
        let line = out.paint(HEADING, line);
        out.line(line)?;
    }
    notes(shown, width, out)?;
    let line = stood(
        answer.as_of_position,
        answer.tree_size,
        answer.standard_version,
    );
    let line = out.paint(FAINT, line);
    out.line(line)
}

/// A row for each side.
fn sides(shown: &Shown, out: &mut Output) -> Result<()> {
    let none = TrendSide::default();
    let before = shown.answer.before.as_ref().unwrap_or(&none);
    let after = shown.answer.after.as_ref().unwrap_or(&none);
    let empty = Tally::default();
    let tallies = [before, after].map(|side| side.counted.as_ref().unwrap_or(&empty));
    let goods = goods_of(tallies.into_iter());
    let number = |n: i64| words::grouped(&n.to_string());
    let both = |of: fn(&Tally) -> i64| tallies.map(|tally| number(of(tally)));
    let mut rows: Vec<(String, [String; 2])> = vec![
        (
            format!("{}s", shown.period()),
            [before, after].map(|side| side.periods.to_string()),
        ),
        (
            "days elapsed".into(),
            [before, after].map(|side| number(side.elapsed_days)),
        ),
        ("cases".into(), both(|tally| tally.cases)),
        ("incidents".into(), both(|tally| tally.incidents)),
        (
            format!("incidents a {}", shown.period()),
            [before, after].map(|side| format!("{:.2}", side.mean)),
        ),
    ];
    rows.extend(goods.iter().map(|goods| {
        let cells = tallies.map(|tally| match goods.in_tally(tally) {
            Some(amount) => shown_amount(amount),
            None => "0".into(),
        });
        (format!("{}, {}", goods.class, goods.unit()), cells)
    }));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, [before, after])| vec![name, before, after])
        .collect();
    let columns = [
        Column::flexible("", 20),
        Column::number("BEFORE"),
        Column::number("AFTER"),
    ];
    let layout = Layout::fit(&columns, &rows, out.width);
    let heading = out.paint(FAINT, layout.heading());
    out.line(heading)?;
    for row in &rows {
        out.line(layout.row(row))?;
    }
    Ok(())
}

fn notes(shown: &Shown, width: usize, out: &mut Output) -> Result<()> {
    for caveat in &shown.answer.caveats {
        for (i, line) in wrap(caveat, width.saturating_sub(2)).iter().enumerate() {
            out.line(format_args!("{} {line}", if i == 0 { "-" } else { " " }))?;
        }
    }
    Ok(())
}
