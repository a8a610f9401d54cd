//! A quantity with its unit.

use casebroker_proto::{
    catalogue::units::{Dimension, dimension},
    v1::Unit,
};
use prost_reflect::EnumDescriptor;
use serde_json::{Value, json};

use super::{Made, Mapping, empty};
use crate::{
    choice::contract,
    import::{
        map::{Table, Unlisted, Zero},
        numbers::{Number, Style, exactly},
        path::{Leaf, enum_value},
        plan::{Columns, View},
    },
};

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

impl QuantityRule {
    /// Compiles what the map says of a quantity.
    pub(super) fn compile(table: &Table, columns: &mut Columns) -> Result<Self, String> {
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

    /// Value and unit for a row; nothing if it has none.
    pub(super) fn apply(&self, view: &View<'_>, style: Style) -> Result<Made, String> {
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
