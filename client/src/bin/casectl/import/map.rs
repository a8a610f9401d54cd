//! The map as it is written: TOML, every key known, every mistake named with its line.

use std::{collections::BTreeMap, fs, ops::Range, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{
        MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer, value::SeqAccessDeserializer,
    },
};
use toml::Spanned;

use crate::failure::{Exit, Failure, Result};

/// Maps that come with the program, by name.
pub const SHIPPED: [(&str, &str); 1] = [(
    "cbp-drug-seizures",
    include_str!("../../../../maps/cbp-drug-seizures.toml"),
)];

/// An example with a comment for every key.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The whole map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// Column that says how many events a row stands for, if rows are aggregates.
    pub expand: Option<Spanned<String>>,
    /// How the file is to be read.
    #[serde(default)]
    pub source: Source,
    /// Whose cases these are and what they are called.
    pub case: CaseTable,
    /// Rows to leave out.
    #[serde(default)]
    pub skip: Vec<Spanned<Condition>>,
    /// Fields of the case report by their paths.
    pub fields: BTreeMap<Spanned<String>, Spanned<Binding>>,
}

/// How the file is to be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Line of the headings, from 1.
    pub header_line: u64,
    /// Sheet of a workbook; the first if none is named.
    pub sheet: Option<String>,
    /// Between the cells of a line.
    pub delimiter: char,
    /// Before the decimals of a number.
    pub decimal: Spanned<char>,
    /// Between thousands; none means that numbers have no such mark.
    pub grouping: Option<Spanned<char>>,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            header_line: 1,
            sheet: None,
            delimiter: ',',
            decimal: Spanned::new(0..0, '.'),
            grouping: None,
        }
    }
}

/// Whose cases these are and what they are called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseTable {
    /// Owner, by id or resource name.
    pub agency: Spanned<String>,
    /// Template of the case's id within the agency.
    pub id: Spanned<String>,
}

/// When a row is left out. What is given must all be so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Column that is looked at.
    pub column: String,
    /// It is one of these, but for upper and lower case.
    pub is: Option<Vec<String>>,
    /// It is none of these.
    pub is_not: Option<Vec<String>>,
    /// It is empty, or is not.
    pub empty: Option<bool>,
}

/// What to do with a value that a list of values does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlisted {
    /// The row is rejected.
    #[default]
    Error,
    /// It is taken as it is.
    Keep,
    /// The field is left out.
    LeaveOut,
}

/// What to do with a quantity of 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zero {
    /// It is taken as it is.
    #[default]
    Keep,
    /// It stands for "not known", and the quantity is left out.
    LeaveOut,
}

/// Where a field comes from: a constant, or a table that says which cells make it.
#[derive(Debug)]
pub enum Binding {
    /// The same for every row.
    Constant(toml::Value),
    /// From cells.
    Table(Box<Table>),
}

/// Where a field comes from.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Table {
    /// A constant; useful together with `if`.
    pub value: Option<toml::Value>,
    /// A cell.
    pub column: Option<String>,
    /// Text with cells in it.
    pub template: Option<String>,
    /// Only where this column is not empty.
    pub r#if: Option<String>,
    /// For an empty cell.
    pub default: Option<String>,
    /// An empty cell rejects the row.
    pub required: bool,
    /// Cells and what they become.
    pub values: Option<BTreeMap<String, String>>,
    /// What of cells that `values` does not have.
    pub unlisted: Option<Unlisted>,
    /// Formats of a date.
    pub dates: Option<Vec<String>>,
    /// Column of the fiscal year.
    pub fiscal_year: Option<String>,
    /// Its first month.
    pub fiscal_start: Option<u8>,
    /// Column of the calendar year.
    pub year: Option<String>,
    /// Column of the month.
    pub month: Option<String>,
    /// Column of the day.
    pub day: Option<String>,
    /// Unit of a quantity.
    pub unit: Option<String>,
    /// Column of the unit.
    pub unit_column: Option<String>,
    /// Its cells and what they become.
    pub units: Option<BTreeMap<String, String>>,
    /// Unit to convert to, exactly.
    pub r#as: Option<String>,
    /// What of 0.
    pub zero: Option<Zero>,
}

impl Table {
    /// Keys that are given, for messages.
    pub fn given(&self) -> Vec<&'static str> {
        [
            ("value", self.value.is_some()),
            ("column", self.column.is_some()),
            ("template", self.template.is_some()),
            ("if", self.r#if.is_some()),
            ("default", self.default.is_some()),
            ("required", self.required),
            ("values", self.values.is_some()),
            ("unlisted", self.unlisted.is_some()),
            ("dates", self.dates.is_some()),
            ("fiscal_year", self.fiscal_year.is_some()),
            ("fiscal_start", self.fiscal_start.is_some()),
            ("year", self.year.is_some()),
            ("month", self.month.is_some()),
            ("day", self.day.is_some()),
            ("unit", self.unit.is_some()),
            ("unit_column", self.unit_column.is_some()),
            ("units", self.units.is_some()),
            ("as", self.r#as.is_some()),
            ("zero", self.zero.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect()
    }
}

impl<'de> Deserialize<'de> for Binding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(BindingVisitor)
    }
}

struct BindingVisitor;

impl<'de> Visitor<'de> for BindingVisitor {
    type Value = Binding;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a constant, or a table such as { column = \"Date\" }")
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Binding, E> {
        Ok(Binding::Constant(toml::Value::String(text.into())))
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Binding, E> {
        Ok(Binding::Constant(toml::Value::Integer(number)))
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Binding, E> {
        Ok(Binding::Constant(toml::Value::Boolean(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> std::result::Result<Binding, A::Error> {
        let list = Vec::<toml::Value>::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(Binding::Constant(toml::Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Binding, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Binding::Table(Box::new(table)))
    }
}

/// A map's text with its name, to say where in it something stands.
#[derive(Debug, Clone)]
pub struct MapText {
    /// Path, or name of a shipped one.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl MapText {
    /// Reads a file, or takes a map that comes with the program if there is no file of that name.
    pub fn open(argument: &Path) -> Result<Self> {
        let name = argument.display().to_string();
        match fs::read_to_string(argument) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
                Some((_, text)) => Ok(Self {
                    name,
                    text: (*text).to_owned(),
                }),
                None => Err(Failure::new(
                    Exit::Usage,
                    format!("--map {name}: {error}"),
                    format!(
                        "Give a file, or a map that comes with casectl: {}. `casectl import --example-map` shows one.",
                        SHIPPED.map(|(name, _)| name).join(", ")
                    ),
                )),
            },
        }
    }

    /// As a map.
    pub fn parse(&self) -> Result<Map> {
        toml::from_str(&self.text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            self.mistake(&span, error.message().trim().replace('\n', " "))
        })
    }

    /// Something wrong at a place of the map.
    pub fn mistake(&self, span: &Range<usize>, what: impl std::fmt::Display) -> Failure {
        let before = self.text.bytes().take(span.start);
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        Failure::new(
            Exit::Invalid,
            format!("{}:{line}: {what}", self.name),
            "Mend that line; `casectl import --example-map` shows every key. Field paths stand in quotation marks.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> MapText {
        MapText {
            name: "x.toml".into(),
            text: text.into(),
        }
    }

    const HEAD: &str = "[case]\nagency = \"us-cbp\"\nid = \"{A}\"\n[fields]\n";

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        for (more, line, what) in [
            ("\"title\" = { colum = \"A\" }\n", 5, "colum"),
            ("place.country = \"US\"\n", 5, "country"),
            ("[source]\nheader = 2\n", 6, "header"),
            ("[[skip]]\ncolumn = \"A\"\nare = [\"x\"]\n", 7, "are"),
            ("\"title\" = 1.5\n", 5, "floating"),
        ] {
            let failure = text(&format!("{HEAD}{more}")).parse().unwrap_err();
            let begin = format!("x.toml:{line}: ");
            assert!(failure.what.starts_with(&begin), "{}", failure.what);
            assert!(failure.what.contains(what), "{}", failure.what);
            assert_eq!(failure.exit, Exit::Invalid);
        }
    }

    #[test]
    fn a_binding_is_a_constant_or_a_table() {
        let map = text(&format!(
            "{HEAD}\"title\" = \"x\"\n\"handling.caveats\" = [\"a\"]\n\"narrative\" = {{ column = \"A\" }}\n"
        ));
        let map = map.parse().unwrap();
        let kinds: Vec<_> = map
            .fields
            .values()
            .map(|b| matches!(b.get_ref(), Binding::Table(_)))
            .collect();
        assert_eq!(kinds, [false, true, false]);
    }

    #[test]
    fn a_file_goes_before_a_shipped_map_and_a_wrong_name_lists_them() {
        assert!(MapText::open(Path::new("cbp-drug-seizures")).is_ok());
        let failure = MapText::open(Path::new("cbp")).unwrap_err();
        assert!(failure.next.contains("cbp-drug-seizures") && failure.exit == Exit::Usage);
    }
}
