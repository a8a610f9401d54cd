//! How one field is made of a row: compiled once from the map, and then applied to every row.

use std::collections::{BTreeMap, HashMap};

use casebroker_proto::google::r#type::Date;
use serde_json::{Value, json};

use super::{
    dates,
    map::{Binding, Unlisted},
    numbers::{Number, Style},
    path::{FieldPath, Leaf},
    plan::{Columns, View},
    text::Template,
};

mod date;
mod quantity;

pub use date::DateRule;
pub use quantity::QuantityRule;

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
