//! How one field is made of a row: compiled once from the map, and then applied to every row.

use std::collections::{BTreeMap, HashMap};

use casebroker_proto::{
    catalogue::units::{Dimension, dimension},
    google::r#type::Date,
    v1::Unit,
};
use prost_reflect::EnumDescriptor;
use serde_json::{Value, json};

use super::{
    dates::{self, DateFormat},
    map::{Binding, Table, Unlisted, Zero},
    numbers::{Number, Style, exactly},
    path::{FieldPath, Leaf, enum_value},
    plan::{Columns, View},
    text::Template,
};
use crate::choice::contract;

/// How a field is made.
#[derive(Debug, Clone)]
pub enum Rule {
    /// The same for every row.
    Constant(Value),
    /// One cell.
    Cell(CellRule),
    /// Text with cells in it.
    Text(Template),
    /// A date.
    Date(DateRule),
    /// A quantity with its unit.
    Quantity(QuantityRule),
}

/// A field that is one cell.
#[derive(Debug, Clone)]
pub struct CellRule {
    pub column: usize,
    mapping: Mapping,
    default: Option<Value>,
    required: bool,
}

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

/// A quantity.
#[derive(Debug, Clone)]
pub struct QuantityRule {
    pub column: usize,
    unit: UnitRule,
    /// Converted to whole micrograms or microlitres, once.
    convert: bool,
    zero: Zero,
    required: bool,
}

#[derive(Debug, Clone)]
enum UnitRule {
    Fixed(Unit),
    Column { column: usize, mapping: Mapping },
}

/// Cells and what they become.
#[derive(Debug, Clone)]
struct Mapping {
    leaf: Leaf,
    values: Option<HashMap<String, Value>>,
    unlisted: Unlisted,
}

/// What a rule makes: parts of the field by their names, or the field itself under no name. Nothing leaves it out.
pub type Made = Vec<(Option<&'static str>, Value)>;

impl Rule {
    /// Compiles a binding for the field at `path`. The error says what is wrong with it.
    pub fn compile(
        path: &FieldPath,
        binding: &Binding,
        columns: &mut Columns,
    ) -> Result<Self, String> {
        let table = match binding {
            Binding::Constant(value) => return constant(&path.leaf, value).map(Self::Constant),
            Binding::Table(table) => table,
        };
        let takes = |keys: &[&str]| match table.given().iter().find(|key| !keys.contains(key)) {
            Some(key) => Err(format!(
                "`{key}` does not go with the rest here: a {} takes {}",
                path.leaf.describe(),
                keys.join(", ")
            )),
            None => Ok(()),
        };
        if let Some(value) = &table.value {
            takes(&["value", "if"])?;
            return constant(&path.leaf, value).map(Self::Constant);
        }
        if let Some(template) = &table.template {
            takes(&["template", "if"])?;
            return match path.leaf {
                Leaf::Text => Template::parse(template, columns).map(Self::Text),
                _ => Err(format!(
                    "a template makes text, and this is a {}",
                    path.leaf.describe()
                )),
            };
        }
        match &path.leaf {
            Leaf::Date => {
                takes(&["column", "dates", "required", "fiscal_year", "fiscal_start", "year", "month", "day", "if"])?;
                DateRule::compile(table, columns).map(Self::Date)
            }
            Leaf::Quantity => {
                takes(&["column", "unit", "unit_column", "units", "unlisted", "as", "zero", "required", "if"])?;
                QuantityRule::compile(table, columns).map(Self::Quantity)
            }
            Leaf::List(_) => Err("is a list: write its elements one by one, such as `caveats[0]`, or a constant [\"...\"]".into()),
            leaf => {
                takes(&["column", "values", "unlisted", "default", "required", "if"])?;
                let column = table.column.as_deref().ok_or("lacks `column`, `template` or `value`")?;
                let default = table.default.as_deref().map(|text| leaf.value(text));
                Ok(Self::Cell(CellRule {
                    column: columns.take(column),
                    mapping: Mapping::new(leaf, table.values.as_ref(), table.unlisted)?,
                    default: default.transpose()?,
                    required: table.required,
                }))
            }
        }
    }

    /// The field for a row; `date` is the incident date. The error says what is wrong with the row.
    pub fn apply(
        &self,
        view: &View<'_>,
        date: Option<&Date>,
        style: Style,
    ) -> Result<Made, String> {
        match self {
            Self::Constant(value) => Ok(vec![(None, value.clone())]),
            Self::Text(template) => {
                let text = template.fill(view, date);
                Ok(whole(
                    Some(text).filter(|t| !t.is_empty()).map(Value::String),
                ))
            }
            Self::Cell(rule) => rule.apply(view, style).map(whole),
            Self::Date(rule) => Ok(whole(rule.apply(view)?.as_ref().map(dates::value))),
            Self::Quantity(rule) => rule.apply(view, style),
        }
    }
}

fn whole(value: Option<Value>) -> Made {
    value.map(|value| (None, value)).into_iter().collect()
}

fn empty<T>(view: &View<'_>, column: usize, required: bool) -> Result<Option<T>, String> {
    match required {
        true => Err(format!("column `{}` is empty", view.name(column))),
        false => Ok(None),
    }
}

fn constant(leaf: &Leaf, value: &toml::Value) -> Result<Value, String> {
    match (leaf, value) {
        (Leaf::List(inner), toml::Value::Array(list)) => {
            let list = list.iter().map(|element| constant(inner, element));
            list.collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        (Leaf::List(_), _) => Err("is a list: write [\"...\"]".into()),
        (_, toml::Value::String(text)) => leaf.value(text),
        (Leaf::Integer, toml::Value::Integer(number)) => Ok(json!(number)),
        (Leaf::Bool, toml::Value::Boolean(value)) => Ok(json!(value)),
        _ => Err(format!("must be a {}, in quotation marks", leaf.describe())),
    }
}

impl CellRule {
    /// What is done with the cell, in words.
    pub fn describe(&self) -> String {
        let values = match (&self.mapping.values, self.mapping.unlisted) {
            (None, _) => String::new(),
            (Some(values), unlisted) => {
                let others = match unlisted {
                    Unlisted::Error => "reject the row",
                    Unlisted::Keep => "are kept",
                    Unlisted::LeaveOut => "are left out",
                };
                format!(", by {} values; others {others}", values.len())
            }
        };
        let empty = match (&self.default, self.required) {
            (Some(value), _) => format!("; empty is {value}"),
            (None, true) => "; empty rejects the row".into(),
            (None, false) => String::new(),
        };
        format!("{values}{empty}")
    }

    fn apply(&self, view: &View<'_>, style: Style) -> Result<Option<Value>, String> {
        let text = view.text(self.column);
        if text.is_empty() {
            return match &self.default {
                Some(value) => Ok(Some(value.clone())),
                None => empty(view, self.column, self.required),
            };
        }
        let made = self.mapping.apply(text, style);
        made.map_err(|why| format!("column `{}`: {why}", view.name(self.column)))
    }
}

impl Mapping {
    fn new(
        leaf: &Leaf,
        values: Option<&BTreeMap<String, String>>,
        unlisted: Option<Unlisted>,
    ) -> Result<Self, String> {
        if values.is_none() && unlisted.is_some() {
            return Err("`unlisted` says what of cells that `values` does not have, and there are no `values`".into());
        }
        let values = values.map(|values| {
            let mut known = HashMap::new();
            for (cell, becomes) in values {
                if known.insert(key(cell), leaf.value(becomes)?).is_some() {
                    return Err(format!(
                        "`{cell}` stands twice: upper and lower case are the same"
                    ));
                }
            }
            Ok(known)
        });
        Ok(Self {
            leaf: leaf.clone(),
            values: values.transpose()?,
            unlisted: unlisted.unwrap_or_default(),
        })
    }

    fn apply(&self, text: &str, style: Style) -> Result<Option<Value>, String> {
        if let Some(values) = &self.values {
            match (values.get(&key(text)), self.unlisted) {
                (Some(value), _) => return Ok(Some(value.clone())),
                (None, Unlisted::Error) => {
                    return Err(format!("`{text}` is not among the values of the map"));
                }
                (None, Unlisted::LeaveOut) => return Ok(None),
                (None, Unlisted::Keep) => {}
            }
        }
        let number = || Number::read(text, style);
        match &self.leaf {
            Leaf::Decimal => Ok(Some(json!(number()?.plain()?))),
            Leaf::Integer => match number()?.whole() {
                Some(whole) => Ok(Some(json!(whole.to_string()))),
                None => Err(format!("`{text}` is no whole number")),
            },
            leaf => leaf.value(text).map(Some),
        }
    }
}

/// The form in which cells are compared with a list of values.
pub fn key(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

impl DateRule {
    fn compile(table: &Table, columns: &mut Columns) -> Result<Self, String> {
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

impl QuantityRule {
    fn compile(table: &Table, columns: &mut Columns) -> Result<Self, String> {
        let column = table.column.as_deref().ok_or("a quantity needs `column`")?;
        let units = units().ok_or("the program lacks the contract")?;
        let unit = match (&table.unit, &table.unit_column) {
            (Some(word), None) => {
                if table.units.is_some() || table.unlisted.is_some() {
                    return Err("`units` and `unlisted` go with `unit_column`".into());
                }
                UnitRule::Fixed(unit(&units, word)?)
            }
            (None, Some(column)) => {
                if table.unlisted == Some(Unlisted::LeaveOut) {
                    return Err(
                        "a quantity without a unit says nothing: `unlisted` must be error or keep"
                            .into(),
                    );
                }
                UnitRule::Column {
                    column: columns.take(column),
                    mapping: Mapping::new(
                        &Leaf::Enum(units),
                        table.units.as_ref(),
                        table.unlisted,
                    )?,
                }
            }
            _ => return Err("a quantity needs one of `unit` and `unit_column`".into()),
        };
        let convert = match (table.r#as.as_deref(), &unit) {
            (None, _) => false,
            (Some("gram" | "millilitre"), UnitRule::Column { .. }) => true,
            (Some("gram"), UnitRule::Fixed(unit)) if dimension(*unit) == Some(Dimension::Mass) => {
                true
            }
            (Some("millilitre"), UnitRule::Fixed(unit))
                if dimension(*unit) == Some(Dimension::Volume) =>
            {
                true
            }
            (Some(other), _) => {
                return Err(format!(
                    "`as` is `{other}`; a mass can be converted to \"gram\", a volume to \"millilitre\""
                ));
            }
        };
        Ok(Self {
            column: columns.take(column),
            unit,
            convert,
            zero: table.zero.unwrap_or_default(),
            required: table.required,
        })
    }

    /// The unit in a word, or the column that has it; and what else is done, in words.
    pub fn describe(&self) -> (Result<&'static str, usize>, String) {
        let unit = match &self.unit {
            UnitRule::Fixed(unit) => Ok(unit.as_str_name()),
            UnitRule::Column { column, .. } => Err(*column),
        };
        let convert = match self.convert {
            true => ", converted once and exactly",
            false => "",
        };
        let zero = match self.zero {
            Zero::Keep => "",
            Zero::LeaveOut => "; 0 is not known",
        };
        (unit, format!("{convert}{zero}"))
    }

    fn apply(&self, view: &View<'_>, style: Style) -> Result<Made, String> {
        let text = view.text(self.column);
        let here = |why: String| format!("column `{}`: {why}", view.name(self.column));
        if text.is_empty() {
            return empty(view, self.column, self.required).map(|none| none.unwrap_or_default());
        }
        let number = Number::read(text, style).map_err(here)?;
        if number.is_zero() && self.zero == Zero::LeaveOut {
            return Ok(Vec::new());
        }
        let unit = match &self.unit {
            UnitRule::Fixed(unit) => *unit,
            UnitRule::Column { column, mapping } => {
                let at = |why: String| format!("column `{}`: {why}", view.name(*column));
                let word = mapping.apply(view.text(*column), style).map_err(at)?;
                let word = word.as_ref().and_then(Value::as_str).unwrap_or_default();
                Unit::from_str_name(word).ok_or_else(|| at("there is no unit".into()))?
            }
        };
        let counts = dimension(unit) == Some(Dimension::Count);
        let (value, unit) = match self.convert && !counts {
            true => number
                .in_units(unit)
                .and_then(|amount| exactly(amount, unit))
                .ok_or_else(|| here(format!("`{text}` is too large")))?,
            false => (number.plain().map_err(here)?, unit),
        };
        Ok(vec![
            (Some("value"), json!(value)),
            (Some("unit"), json!(unit.as_str_name())),
        ])
    }
}

fn units() -> Option<EnumDescriptor> {
    contract()?.get_enum_by_name("casebroker.v1.Unit")
}

fn unit(units: &EnumDescriptor, word: &str) -> Result<Unit, String> {
    match enum_value(units, word).and_then(|name| Unit::from_str_name(&name)) {
        Some(unit) => Ok(unit),
        None => Err(Leaf::Enum(units.clone())
            .value(word)
            .err()
            .unwrap_or_default()),
    }
}
