//! A date of one cell, or of a cell for each of its parts.

use casebroker_proto::google::r#type::Date;

use super::empty;
use crate::import::{
    dates::{self, DateFormat},
    map::Table,
    plan::{Columns, View},
};

/// A date of one cell, or of a cell for each of its parts.
#[derive(Debug, Clone)]
pub enum DateRule {
    /// One cell, by the first format that fits.
    Cell {
        column: usize,
        formats: Vec<DateFormat>,
        required: bool,
    },
    /// A cell each; a fiscal year begins in month `start`.
    Parts {
        year: usize,
        month: Option<usize>,
        day: Option<usize>,
        start: i32,
    },
}

impl DateRule {
    /// Compiles what the map says of a date.
    pub(super) fn compile(table: &Table, columns: &mut Columns) -> Result<Self, String> {
        let Table {
            column,
            dates,
            fiscal_year,
            fiscal_start,
            year,
            month,
            day,
            required,
            ..
        } = table;
        let parts = month.is_some() || day.is_some() || fiscal_start.is_some();
        match (column, fiscal_year, year) {
            (Some(_), None, None) if parts => {
                Err("`column` is a whole date: `month`, `day` and `fiscal_start` go with `year` or `fiscal_year`".into())
            }
            (Some(column), None, None) => {
                let formats = match dates {
                    Some(formats) if formats.is_empty() => return Err("`dates` is empty".into()),
                    Some(formats) => formats.iter().map(|f| DateFormat::parse(f)).collect(),
                    None => DateFormat::parse("%Y-%m-%d").map(|format| vec![format]),
                };
                Ok(Self::Cell {
                    column: columns.take(column),
                    formats: formats?,
                    required: *required,
                })
            }
            _ if dates.is_some() => Err("`dates` goes with `column`".into()),
            (None, Some(fiscal), None) => {
                let start = fiscal_start.unwrap_or(10);
                let month = month.as_ref().ok_or("a fiscal year needs `month`: it is no calendar year")?;
                if !(1..=12).contains(&start) {
                    return Err(format!("`fiscal_start` is {start}, and months are 1 to 12"));
                }
                Ok(Self::Parts {
                    year: columns.take(fiscal),
                    month: Some(columns.take(month)),
                    day: day.as_ref().map(|day| columns.take(day)),
                    start: start.into(),
                })
            }
            (None, None, Some(year)) => {
                if fiscal_start.is_some() {
                    return Err("`fiscal_start` goes with `fiscal_year`".into());
                }
                if day.is_some() && month.is_none() {
                    return Err("a `day` needs a `month`".into());
                }
                Ok(Self::Parts {
                    year: columns.take(year),
                    month: month.as_ref().map(|month| columns.take(month)),
                    day: day.as_ref().map(|day| columns.take(day)),
                    start: 1,
                })
            }
            _ => Err("a date takes one of `column`, `year` and `fiscal_year`".into()),
        }
    }

    /// The date for a row.
    pub fn apply(&self, view: &View<'_>) -> Result<Option<Date>, String> {
        match self {
            Self::Cell {
                column,
                formats,
                required,
            } => {
                if let Some(date) = view.date(*column) {
                    return Ok(Some(date));
                }
                let text = view.text(*column);
                if text.is_empty() {
                    return empty(view, *column, *required);
                }
                let read = formats.iter().find_map(|format| format.read(text));
                read.map(Some).ok_or_else(|| {
                    format!(
                        "column `{}`: `{text}` is no date in a format of the map",
                        view.name(*column)
                    )
                })
            }
            Self::Parts {
                year,
                month,
                day,
                start,
            } => {
                let wrong = |column: usize, what: &str| {
                    format!(
                        "column `{}`: `{}` is no {what}",
                        view.name(column),
                        view.text(column)
                    )
                };
                let named = dates::year(view.text(*year)).ok_or_else(|| wrong(*year, "year"))?;
                let month = month.map(|column| {
                    dates::month(view.text(column)).ok_or_else(|| wrong(column, "month"))
                });
                let month = month.transpose()?.unwrap_or(0);
                let number = |column: usize| match view.text(column) {
                    "" => Ok(0),
                    text => text
                        .parse()
                        .ok()
                        .filter(|day| (1..=31).contains(day))
                        .ok_or_else(|| wrong(column, "day of a month")),
                };
                let day = day.map(number).transpose()?.unwrap_or(0);
                let year = dates::calendar_year(named, month, *start);
                let date = dates::existing(year, month, day);
                date.map(Some)
                    .ok_or_else(|| format!("there is no day {year}-{month:02}-{day:02}"))
            }
        }
    }
}
