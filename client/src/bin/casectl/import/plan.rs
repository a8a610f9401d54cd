//! A map that was checked: every field path known, every rule compiled, every column counted.

use std::ops::Range;

use casebroker_proto::{errors::Violation, google::r#type::Date, names::AgencyName};
use serde_json::Value;

use super::{
    map::{Binding, Condition, Map, MapText, Source},
    numbers::Style,
    path::{FieldPath, compact},
    rows::Row,
    rule::{Rule, key},
    text::Template,
};
use crate::failure::Result;

/// A map that was checked.
#[derive(Debug)]
pub struct Plan {
    /// How the file is to be read.
    pub source: Source,
    /// How numbers are written.
    pub style: Style,
    /// Owner, `agencies/{agency}`.
    pub agency: String,
    /// Template of the cases' ids.
    pub id: Template,
    /// Rows to leave out.
    pub skips: Vec<Skip>,
    /// Column of the number of events, if rows are aggregates.
    pub count: Option<usize>,
    /// Fields, the incident date first.
    pub fields: Vec<Field>,
    /// Columns that are asked for.
    pub columns: Columns,
    text: MapText,
}

/// One field and how it is made.
#[derive(Debug)]
pub struct Field {
    pub path: FieldPath,
    pub rule: Rule,
    /// Only where this column is not empty.
    pub only_if: Option<usize>,
}

/// When a row is left out.
#[derive(Debug)]
pub struct Skip {
    pub column: usize,
    is: Option<Vec<String>>,
    is_not: Option<Vec<String>>,
    empty: Option<bool>,
}

/// Columns that a map asks for, each once, with where it first does.
#[derive(Debug, Default)]
pub struct Columns {
    named: Vec<(String, Range<usize>)>,
    /// Where in the map we are.
    at: Range<usize>,
}

impl Columns {
    /// Number of a column, by the heading.
    pub fn take(&mut self, name: &str) -> usize {
        let name = name.trim();
        if let Some(known) = self.named.iter().position(|(known, _)| known == name) {
            return known;
        }
        self.named.push((name.to_owned(), self.at.clone()));
        self.named.len() - 1
    }

    /// Headings, in order.
    pub fn names(&self) -> Vec<&str> {
        self.named.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Heading of a column.
    pub fn name(&self, column: usize) -> &str {
        self.named.get(column).map_or("", |(name, _)| name)
    }
}

/// A row as a map's columns see it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub row: &'a Row,
    /// Number of the cell, for each column of the map.
    pub at: &'a [usize],
    pub columns: &'a Columns,
}

impl View<'_> {
    /// A cell, without blanks around it.
    pub fn text(&self, column: usize) -> &str {
        let cell = self.at.get(column).and_then(|at| self.row.cells.get(*at));
        cell.map_or("", |cell| cell.text.trim())
    }

    /// The date that a workbook says a cell is.
    pub fn date(&self, column: usize) -> Option<Date> {
        let cell = self.at.get(column).and_then(|at| self.row.cells.get(*at));
        cell.and_then(|cell| cell.date)
    }

    /// Heading of a column.
    pub fn name(&self, column: usize) -> &str {
        self.columns.name(column)
    }
}

impl Plan {
    /// Checks everything that can be checked without a file. `agency` goes over the map's.
    pub fn new(text: MapText, agency: Option<String>) -> Result<Self> {
        let map = text.parse()?;
        let Map {
            expand,
            source,
            case,
            skip,
            fields,
        } = map;
        let mut columns = Columns::default();
        let style = Style {
            decimal: *source.decimal.get_ref(),
            grouping: source.grouping.as_ref().map(|c| *c.get_ref()),
        };
        if !matches!(style.decimal, '.' | ',') {
            return Err(text.mistake(&source.decimal.span(), "`decimal` is \".\" or \",\""));
        }
        if let Some(grouping) = &source.grouping
            && (*grouping.get_ref() == style.decimal || grouping.get_ref().is_ascii_digit())
        {
            return Err(text.mistake(&grouping.span(), "`grouping` cannot be that"));
        }
        let agency = match agency {
            Some(agency) => agency,
            None => {
                let given = case.agency.get_ref();
                let agency = given.parse::<AgencyName>();
                let agency = agency.or_else(|_| AgencyName::from_id(given));
                let agency = agency.map_err(|e| text.mistake(&case.agency.span(), e))?;
                agency.to_string()
            }
        };
        columns.at = case.id.span();
        let id = Template::parse(case.id.get_ref(), &mut columns)
            .and_then(|id| match id.is_constant() {
                true => Err("`id` is the same for every row: name a column that tells cases apart, or {@digest}".into()),
                false => Ok(id),
            })
            .map_err(|why| text.mistake(&case.id.span(), why))?;
        let count = expand.map(|column| {
            columns.at = column.span();
            columns.take(column.get_ref())
        });
        let mut skips = Vec::new();
        for condition in skip {
            columns.at = condition.span();
            let skip = Skip::new(condition.get_ref(), &mut columns);
            skips.push(skip.map_err(|why| text.mistake(&condition.span(), why))?);
        }
        let mut plan = Self {
            source,
            style,
            agency,
            id,
            skips,
            count,
            fields: Vec::new(),
            columns,
            text,
        };
        for (path, binding) in &fields {
            plan.columns.at = path.span();
            let field = Field::new(path.get_ref(), binding.get_ref(), &mut plan.columns);
            let field = field.map_err(|why| {
                plan.text
                    .mistake(&path.span(), format!("`{}` {why}", path.get_ref()))
            })?;
            plan.fields.push(field);
        }
        // Templates may name the date, so it comes first.
        plan.fields
            .sort_by_key(|field| field.path.text != "incident_date");
        Ok(plan)
    }

    /// For each column of the map, the number of its cell.
    pub fn bind(&self, file: &str, headings: &[String]) -> Result<Vec<usize>> {
        let mut at = Vec::new();
        for (name, span) in &self.columns.named {
            let mut places = headings.iter().enumerate().filter(|(_, h)| *h == name);
            let why = match (places.next(), places.next()) {
                (Some((place, _)), None) => {
                    at.push(place);
                    continue;
                }
                (Some(_), Some(_)) => format!("{file} has two columns `{name}`"),
                (None, _) => format!(
                    "{file} has no column `{name}`; it has {}",
                    headings.join(", ")
                ),
            };
            return Err(self.text.mistake(span, why));
        }
        Ok(at)
    }

    /// The fields of a row as proto JSON without a name, and the incident date; else everything that is wrong with the row.
    pub fn build(
        &self,
        view: &View<'_>,
    ) -> std::result::Result<(Value, Option<Date>), Vec<Violation>> {
        let mut report = Value::Object(serde_json::Map::new());
        let (mut wrong, mut date) = (Vec::new(), None);
        for field in &self.fields {
            if field
                .only_if
                .is_some_and(|column| view.text(column).is_empty())
            {
                continue;
            }
            if let (Rule::Date(rule), "incident_date") = (&field.rule, field.path.text.as_str()) {
                date = rule.apply(view).ok().flatten();
            }
            match field.rule.apply(view, date.as_ref(), self.style) {
                Ok(made) => {
                    for (part, value) in made {
                        match part {
                            Some(part) => field.path.part(part).set(&mut report, value),
                            None => field.path.set(&mut report, value),
                        }
                    }
                }
                Err(why) => wrong.push(Violation::new(&field.path.text, why)),
            }
        }
        compact(&mut report);
        match wrong.is_empty() {
            true => Ok((report, date)),
            false => Err(wrong),
        }
    }
}

impl Field {
    fn new(
        path: &str,
        binding: &Binding,
        columns: &mut Columns,
    ) -> std::result::Result<Self, String> {
        let path = FieldPath::parse(path).map_err(|why| format!("is no field: {why}"))?;
        let rule = Rule::compile(&path, binding, columns)?;
        let only_if = match binding {
            Binding::Table(table) => table.r#if.as_deref().map(|column| columns.take(column)),
            Binding::Constant(_) => None,
        };
        Ok(Self {
            path,
            rule,
            only_if,
        })
    }
}

impl Skip {
    fn new(condition: &Condition, columns: &mut Columns) -> std::result::Result<Self, String> {
        let Condition {
            column,
            is,
            is_not,
            empty,
        } = condition;
        if is.is_none() && is_not.is_none() && empty.is_none() {
            return Err("a [[skip]] needs `is`, `is_not` or `empty`".into());
        }
        let keys = |list: &Option<Vec<String>>| {
            let list = list.as_ref();
            list.map(|list| list.iter().map(|text| key(text)).collect())
        };
        Ok(Self {
            column: columns.take(column),
            is: keys(is),
            is_not: keys(is_not),
            empty: *empty,
        })
    }

    /// Whether a row is to be left out.
    pub fn applies(&self, view: &View<'_>) -> bool {
        let text = key(view.text(self.column));
        self.is.as_ref().is_none_or(|is| is.contains(&text))
            && self.is_not.as_ref().is_none_or(|not| !not.contains(&text))
            && self.empty.is_none_or(|empty| text.is_empty() == empty)
    }

    /// In words.
    pub fn describe(&self, columns: &Columns) -> String {
        let quoted = |list: &[String]| {
            let list: Vec<_> = list.iter().map(|text| format!("`{text}`")).collect();
            list.join(", ")
        };
        let parts = [
            self.is
                .as_ref()
                .map(|is| format!("is one of {}", quoted(is))),
            self.is_not
                .as_ref()
                .map(|not| format!("is none of {}", quoted(not))),
            self.empty.map(|empty| match empty {
                true => "is empty".to_owned(),
                false => "is not empty".to_owned(),
            }),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        format!("`{}` {}", columns.name(self.column), parts.join(" and "))
    }
}
