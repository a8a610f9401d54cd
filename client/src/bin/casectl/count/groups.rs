//! Groups of a count: a row each, goods in columns where they fit and below the group where they do not.

use casebroker_proto::{
    catalogue::countries,
    v1::{Amount, AmountKind, CaseCount, CountCasesResponse, Dimension, GoodsRule, Tally},
};
use unicode_width::UnicodeWidthStr as _;

use super::{Asked, amounts::shown, dimension, goods_of};
use crate::{
    count::Goods,
    failure::{Failure, Result},
    output::{FAINT, HEADING, Output},
    table::{Column, Layout, clean, wrap},
    words,
};

/// A tally of those that stand apart.
type Apart = fn(&CaseCount) -> Option<&Tally>;

/// What stands apart from what counts.
const APART: [(&str, Apart); 3] = [
    ("DISPUTED", |count| count.disputed.as_ref()),
    ("CONTESTED", |count| count.contested.as_ref()),
    ("RETRACTED", |count| count.retracted.as_ref()),
];

/// Prints groups and total.
pub fn table(asked: &Asked, answer: &CountCasesResponse, out: &mut Output) -> Result<()> {
    let total = answer.total.clone().unwrap_or_default();
    let counts: Vec<&CaseCount> = answer.groups.iter().chain([&total]).collect();
    let goods = goods_of(counts.iter().filter_map(|count| count.counted.as_ref()));
    let mut rows: Vec<_> = answer
        .groups
        .iter()
        .map(|count| labels(asked.by, count))
        .collect();
    rows.push(last_label(asked.by));
    // A total alone needs no label.
    if asked.by.is_empty() {
        rows = vec![Vec::new()];
    }
    let shown: Vec<_> = match asked.by.is_empty() {
        true => vec![&total],
        false => counts,
    };
    let apart: Vec<_> = APART
        .into_iter()
        .filter(|(_, tally)| {
            shown
                .iter()
                .any(|count| tally(count).is_some_and(|t| t.cases > 0))
        })
        .collect();
    let mut headings: Vec<String> = asked
        .by
        .iter()
        .map(|by| dimension(*by).to_uppercase())
        .collect();
    headings.extend(["CASES".into(), "INCIDENTS".into()]);
    headings.extend(apart.iter().map(|(name, _)| (*name).to_owned()));
    for (row, count) in rows.iter_mut().zip(&shown) {
        let counted = count.counted.clone().unwrap_or_default();
        row.push(number(counted.cases));
        row.push(number(counted.incidents));
        row.extend(
            apart
                .iter()
                .map(|(_, tally)| number(tally(count).map_or(0, |t| t.cases))),
        );
    }
    let with_goods = beside(&headings, &rows, &shown, &goods);
    if fits(&with_goods.0, &with_goods.1, asked.by.len(), out.width) {
        print(&with_goods.0, &with_goods.1, asked.by.len(), out)?;
    } else {
        below(&headings, &rows, &shown, &goods, asked.by.len(), out)?;
    }
    for text in counted_once(total.counted.as_ref(), &goods) {
        note(&text, out)?;
    }
    if !answer.groups_are_disjoint && !asked.by.is_empty() {
        note(
            "A case may count in several groups, so the groups can sum to more than the total.",
            out,
        )?;
    }
    Ok(())
}

/// The values of a group for a reader.
fn labels(by: &[Dimension], count: &CaseCount) -> Vec<String> {
    let values = by.iter().zip(
        count
            .values
            .iter()
            .map(String::as_str)
            .chain(std::iter::repeat("")),
    );
    values.map(|(by, value)| label(*by, value)).collect()
}

fn label(by: Dimension, value: &str) -> String {
    use Dimension as D;
    match by {
        _ if value.is_empty() => words::NOT_KNOWN.into(),
        D::Agency => words::id(value).into(),
        D::Country | D::Origin | D::Departure | D::Transit | D::Destination => {
            match countries::country(value) {
                Some(country) => format!("{value} {}", country.name),
                None => value.into(),
            }
        }
        _ => clean(value),
    }
}

fn last_label(by: &[Dimension]) -> Vec<String> {
    let mut label = vec![String::new(); by.len()];
    if let Some(first) = label.first_mut() {
        *first = "total".into();
    }
    label
}

fn number(value: i64) -> String {
    words::grouped(&value.to_string())
}

/// Headings and rows with a column for each kind of goods.
fn beside(
    headings: &[String],
    rows: &[Vec<String>],
    counts: &[&CaseCount],
    goods: &[Goods],
) -> (Vec<String>, Vec<Vec<String>>) {
    let mut headings = headings.to_vec();
    headings.extend(
        goods
            .iter()
            .map(|g| format!("{} {}", g.class.to_uppercase(), g.unit())),
    );
    let rows = rows.iter().zip(counts).map(|(row, count)| {
        let cells = goods
            .iter()
            .map(|g| amount(count, g).map_or_else(String::new, shown));
        row.iter().cloned().chain(cells).collect()
    });
    (headings, rows.collect())
}

fn amount<'a>(count: &'a CaseCount, goods: &Goods) -> Option<&'a Amount> {
    goods.in_tally(count.counted.as_ref()?)
}

/// Whether nothing but the labels would be cut, and those to no less than 12 columns.
fn fits(headings: &[String], rows: &[Vec<String>], labels: usize, width: Option<usize>) -> bool {
    let Some(width) = width else {
        return true;
    };
    let widths = headings.iter().enumerate().map(|(i, heading)| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(i))
            .map(|cell| cell.width());
        let widest = cells.max().unwrap_or(0).max(heading.width());
        if i < labels {
            widest.min(12.max(heading.width()))
        } else {
            widest
        }
    });
    widths.map(|w| w + 2).sum::<usize>() <= width + 2
}

fn print(headings: &[String], rows: &[Vec<String>], labels: usize, out: &mut Output) -> Result<()> {
    let layout = fit(headings, rows, labels, out.width);
    let heading = out.paint(FAINT, layout.row(headings));
    out.line(heading)?;
    let last = rows.len().saturating_sub(1);
    for (i, row) in rows.iter().enumerate() {
        let line = layout.row(row);
        let line = if i == last {
            out.paint(HEADING, line)
        } else {
            line
        };
        out.line(line)?;
    }
    Ok(())
}

/// Goods on lines of their own, for terminals that are too narrow for so many columns.
fn below(
    headings: &[String],
    rows: &[Vec<String>],
    counts: &[&CaseCount],
    goods: &[Goods],
    labels: usize,
    out: &mut Output,
) -> Result<()> {
    let layout = fit(headings, rows, labels, out.width);
    let heading = out.paint(FAINT, layout.row(headings));
    out.line(heading)?;
    let widest = goods.iter().map(|g| g.class.width()).max().unwrap_or(0);
    let room = out.width.unwrap_or(usize::MAX).saturating_sub(widest + 6);
    for (row, count) in rows.iter().zip(counts) {
        out.line(layout.row(row))?;
        for (class, amounts) in by_class(count, goods) {
            let lines = wrap(&amounts.join(", "), room);
            for (i, line) in lines.iter().enumerate() {
                let class = if i == 0 { class } else { "" };
                let line = format!("    {class:widest$}  {line}");
                out.line(line)?;
            }
        }
    }
    Ok(())
}

/// The amounts of each class that a group has.
fn by_class<'a>(count: &CaseCount, goods: &'a [Goods]) -> Vec<(&'a str, Vec<String>)> {
    let mut classes: Vec<(&str, Vec<String>)> = Vec::new();
    for goods in goods {
        let Some(amount) = amount(count, goods) else {
            continue;
        };
        let text = match goods.kind() {
            AmountKind::Unspecified => format!("{} of unknown quantity", shown(amount)),
            _ => format!("{} {}", shown(amount), goods.unit()),
        };
        match classes
            .last_mut()
            .filter(|(class, _)| *class == goods.class)
        {
            Some((_, amounts)) => amounts.push(text),
            None => classes.push((&goods.class, vec![text])),
        }
    }
    classes
}

fn fit(headings: &[String], rows: &[Vec<String>], labels: usize, width: Option<usize>) -> Layout {
    let columns: Vec<_> = (0..headings.len())
        .map(|i| {
            if i < labels {
                Column::flexible("", 12)
            } else {
                Column::number("")
            }
        })
        .collect();
    let all: Vec<_> = [headings.to_vec()]
        .into_iter()
        .chain(rows.to_vec())
        .collect();
    Layout::fit(&columns, &all, width)
}

/// Sentences about goods of which several cases report the same.
fn counted_once(total: Option<&Tally>, goods: &[Goods]) -> Vec<String> {
    let amounts = goods.iter().filter_map(|g| Some((g, g.in_tally(total?)?)));
    let chosen = amounts.filter(|(_, amount)| !amount.choices.is_empty());
    let sentences = chosen.map(|(goods, amount)| {
        let reported = Amount {
            total: amount.reported_total.clone(),
            items: amount.reported_items,
            ..amount.clone()
        };
        let unit = match goods.kind() {
            AmountKind::Unspecified => "of unknown quantity",
            _ => goods.unit(),
        };
        let choices = amount.choices.iter().map(|choice| {
            let rule = match choice.rule() {
                GoodsRule::SeizingOwner => "the owner who seized",
                GoodsRule::LaboratoryWeight => "a laboratory's net weight",
                GoodsRule::LargerAmount => "the larger amount",
                GoodsRule::EqualAmounts => "equal amounts",
                GoodsRule::Unspecified => "another rule",
            };
            format!("{} by {rule}", number(choice.incidents))
        });
        let choices: Vec<_> = choices.collect();
        format!(
            "{}: {} {unit} as reported; goods of one incident count once (incidents: {}).",
            goods.class,
            shown(&reported),
            choices.join(", ")
        )
    });
    sentences.collect()
}

/// Total, confirmed and items as reported.
fn reported(amount: &Amount) -> (&str, &str, i64) {
    match amount.reported_total.as_str() {
        "" => (&amount.total, &amount.confirmed, amount.items),
        total => (total, &amount.reported_confirmed, amount.reported_items),
    }
}

/// A sentence below a table.
fn note(text: &str, out: &mut Output) -> Result<()> {
    for line in wrap(text, out.width.unwrap_or(usize::MAX)) {
        out.line(line)?;
    }
    Ok(())
}

/// One row a group and kind of goods. The numbers of cases stand in each row of a group: sum them over one row a group only.
pub fn csv(asked: &Asked, answer: &CountCasesResponse, out: &mut Output) -> Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Failure::file("CSV", &e.into());
    let dimensions = asked.by.iter().map(|by| dimension(*by).replace('-', "_"));
    let heading = dimensions.chain(CSV_HEADING.map(str::to_owned));
    csv.write_record(heading).map_err(failed)?;
    let total = answer.total.iter();
    let counts: Vec<_> = match asked.by.is_empty() {
        true => total.collect(),
        false => answer.groups.iter().collect(),
    };
    for count in counts {
        for record in records(asked.by.len(), count, answer) {
            csv.write_record(record).map_err(failed)?;
        }
    }
    let bytes = csv
        .into_inner()
        .map_err(|e| Failure::file("CSV", e.error()))?;
    out.raw(&String::from_utf8_lossy(&bytes))
}

const CSV_HEADING: [&str; 16] = [
    "cases",
    "incidents",
    "disputed_cases",
    "contested_cases",
    "retracted_cases",
    "class",
    "unit",
    "total",
    "confirmed",
    "items",
    "reported_total",
    "reported_confirmed",
    "reported_items",
    "as_of_position",
    "tree_size",
    "standard_version",
];

/// The rows of one group; one without goods if it has none.
fn records(labels: usize, count: &CaseCount, answer: &CountCasesResponse) -> Vec<Vec<String>> {
    let counted = count.counted.clone().unwrap_or_default();
    let mut begin: Vec<String> = count.values.clone();
    begin.resize(labels, String::new());
    begin.extend([counted.cases, counted.incidents].map(|n| n.to_string()));
    begin.extend(APART.map(|(_, tally)| tally(count).map_or(0, |t| t.cases).to_string()));
    let end = [
        answer.as_of_position.to_string(),
        answer.tree_size.to_string(),
        answer.standard_version.to_string(),
    ];
    let row = |goods: [String; 8]| {
        let cells = begin.iter().cloned().chain(goods).chain(end.clone());
        cells.collect::<Vec<_>>()
    };
    let goods = goods_of([&counted].into_iter());
    let amounts = goods.iter().filter_map(|g| {
        let amount = g.in_tally(&counted)?;
        let (total, confirmed, items) = reported(amount);
        Some(row([
            amount.substance_class.clone(),
            g.exact_unit().to_owned(),
            amount.total.clone(),
            amount.confirmed.clone(),
            amount.items.to_string(),
            total.to_owned(),
            confirmed.to_owned(),
            items.to_string(),
        ]))
    });
    let rows: Vec<_> = amounts.collect();
    match rows.is_empty() {
        true => vec![row(Default::default())],
        false => rows,
    }
}
