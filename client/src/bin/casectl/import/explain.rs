//! What a map does, in words: for whoever wrote it, and for whoever has to answer for the cases that it makes.

use serde_json::{Value, json};

use super::{
    plan::{Field, Plan},
    rule::{DateRule, Rule},
};
use crate::{
    failure::Result,
    output::{FAINT, HEADING, Output},
    table::{Column, Layout},
};

/// Prints it.
pub fn print(plan: &Plan, out: &mut Output) -> Result<()> {
    if out.is_json() {
        return out.document(&to_json(plan));
    }
    let heading = out.paint(HEADING, format_args!("cases of {}", plan.agency));
    out.line(heading)?;
    out.line(format_args!("  id: {}", plan.id.text))?;
    out.line(format_args!("  {}", how_read(plan)))?;
    for skip in &plan.skips {
        out.line(format_args!(
            "  left out where {}",
            skip.describe(&plan.columns)
        ))?;
    }
    if let Some(count) = plan.count {
        let name = plan.columns.name(count);
        out.line(format_args!(
            "  a row stands for as many events as `{name}` says: one becomes a case, more are rejected or, with --expand, shared out"
        ))?;
    }
    out.line("")?;
    let rows: Vec<Vec<String>> = plan
        .fields
        .iter()
        .map(|field| vec![field.path.text.clone(), comes_from(field, plan)])
        .collect();
    let columns = [Column::whole("FIELD"), Column::flexible("COMES FROM", 20)];
    let layout = Layout::fit(&columns, &rows, out.width);
    let heading = out.paint(FAINT, layout.heading());
    out.line(heading)?;
    for row in &rows {
        out.line(layout.row(row))?;
    }
    out.line("")?;
    out.line(format_args!(
        "columns that must be there: {}",
        plan.columns.names().join(", ")
    ))
}

fn to_json(plan: &Plan) -> Value {
    let fields: Vec<_> = plan
        .fields
        .iter()
        .map(|field| json!({ "field": field.path.text, "comesFrom": comes_from(field, plan) }))
        .collect();
    let skips: Vec<_> = plan
        .skips
        .iter()
        .map(|s| s.describe(&plan.columns))
        .collect();
    json!({
        "agency": plan.agency,
        "id": plan.id.text,
        "source": how_read(plan),
        "skips": skips,
        "eventsColumn": plan.count.map(|count| plan.columns.name(count)),
        "fields": fields,
        "columns": plan.columns.names(),
    })
}

fn how_read(plan: &Plan) -> String {
    let grouping = match plan.style.grouping {
        Some(grouping) => format!("`{grouping}`"),
        None => "nothing".into(),
    };
    let sheet = match &plan.source.sheet {
        Some(sheet) => format!(", sheet `{sheet}` of a workbook"),
        None => String::new(),
    };
    format!(
        "headings in line {}, `{}` between cells{sheet}; numbers have `{}` before their decimals and {grouping} between thousands",
        plan.source.header_line,
        plan.source.delimiter.escape_default(),
        plan.style.decimal,
    )
}

/// Where a field comes from, in words.
fn comes_from(field: &Field, plan: &Plan) -> String {
    let name = |column: usize| format!("column `{}`", plan.columns.name(column));
    let source = match &field.rule {
        Rule::Constant(value) => match value.as_str() {
            Some(text) => format!("always {text}"),
            None => format!("always {value}"),
        },
        Rule::Text(template) => format!("text {}", template.text),
        Rule::Cell(rule) => format!("{}{}", name(rule.column), rule.describe()),
        Rule::Date(DateRule::Cell { column, .. }) => name(*column),
        Rule::Date(DateRule::Parts {
            year,
            month,
            day,
            start,
        }) => {
            let parts = [Some(*year), *month, *day].into_iter().flatten();
            let parts: Vec<_> = parts
                .map(|column| format!("`{}`", plan.columns.name(column)))
                .collect();
            match start {
                1 => format!("columns {}", parts.join(", ")),
                start => format!(
                    "columns {}; the fiscal year begins in month {start}",
                    parts.join(", ")
                ),
            }
        }
        Rule::Quantity(rule) => {
            let (unit, more) = rule.describe();
            let unit = unit.map_or_else(
                |column| format!("unit of {}", name(column)),
                |unit| unit.to_owned(),
            );
            format!("{}, {unit}{more}", name(rule.column))
        }
    };
    match field.only_if {
        Some(column) => format!("{source}, where {} is not empty", name(column)),
        None => source,
    }
}
