//! What an import tells: a table of what rows become, and totals.

use std::collections::BTreeMap;

use casebroker_proto::{
    errors::Violation,
    v1::{CaseReport, CaseStatus, item::Goods},
};
use serde_json::{Value, json};

use super::{files::reasons, make::Cases, plan::Plan, rows::Row};
use crate::{
    failure::Result,
    judgement::status_word,
    output::{BAD, FAINT, Format, GOOD, Output},
    table::{Column, Layout},
    words,
};

/// Most reasons that the totals tell apart.
const MAX_REASONS: usize = 200;
/// Most of them that are shown to people.
const SHOWN_REASONS: usize = 10;

/// Counts over a whole file.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rows below the headings.
    pub rows: u64,
    /// Cases made.
    pub cases: u64,
    /// Of these, shares of an aggregate.
    pub shared_out: u64,
    /// Rows that became cases.
    pub taken: u64,
    /// Rows left out, by the condition's number; blank ones under none.
    skipped: BTreeMap<Option<usize>, u64>,
    /// Rows rejected.
    pub rejected: u64,
    statuses: BTreeMap<CaseStatus, u64>,
    /// Rows rejected, by the field at fault.
    fields: BTreeMap<String, (u64, u64, String)>,
}

impl Tally {
    /// A row became cases.
    pub fn made(&mut self, cases: &Cases) {
        let count = u64::from(cases.len());
        self.rows += 1;
        self.taken += 1;
        self.cases += count;
        self.shared_out += if cases.is_shared_out() { count } else { 0 };
        *self.statuses.entry(cases.status).or_default() += count;
    }

    /// A row was left out.
    pub fn skipped(&mut self, by: Option<usize>) {
        self.rows += 1;
        *self.skipped.entry(by).or_default() += 1;
    }

    /// A row was rejected.
    pub fn rejected(&mut self, row: &Row, why: &[Violation]) {
        self.rows += 1;
        self.rejected += 1;
        for violation in why {
            let known = self.fields.contains_key(&violation.field);
            if known || self.fields.len() < MAX_REASONS {
                let entry = self.fields.entry(violation.field.clone());
                let first = (0, row.line, violation.description.clone());
                entry.or_insert(first).0 += 1;
            }
        }
    }

    /// As JSON.
    pub fn to_json(&self, plan: &Plan) -> Value {
        let statuses = self.statuses.iter();
        let statuses: BTreeMap<_, _> = statuses.map(|(s, n)| (status_word(*s), n)).collect();
        let skipped: Vec<_> = self
            .skipped
            .iter()
            .map(|(by, rows)| json!({ "rows": rows, "because": because(*by, plan) }))
            .collect();
        let rejected: Vec<_> = self
            .fields
            .iter()
            .map(|(field, (rows, line, example))| {
                json!({ "field": field, "rows": rows, "firstLine": line, "example": example })
            })
            .collect();
        json!({
            "rows": self.rows,
            "rowsTaken": self.taken,
            "rowsSkipped": self.skipped.values().sum::<u64>(),
            "rowsRejected": self.rejected,
            "cases": self.cases,
            "casesFromAggregates": self.shared_out,
            "statuses": statuses,
            "skipped": skipped,
            "rejected": rejected,
        })
    }

    /// For people, in a few lines.
    pub fn print(&self, plan: &Plan, out: &mut Output) -> Result<()> {
        let taken = out.paint(
            GOOD,
            format_args!(
                "{} of {} rows become {} cases",
                self.taken, self.rows, self.cases
            ),
        );
        let mut parts = vec![taken];
        let skipped: u64 = self.skipped.values().sum();
        if skipped > 0 {
            parts.push(format!("{skipped} are left out"));
        }
        if self.rejected > 0 {
            parts.push(out.paint(BAD, format_args!("{} are rejected", self.rejected)));
        }
        out.line(parts.join(", "))?;
        let statuses = self.statuses.iter();
        let statuses: Vec<_> = statuses
            .map(|(status, many)| format!("{many} {}", status_word(*status)))
            .collect();
        if !statuses.is_empty() {
            out.line(format_args!("by the standard {}", statuses.join(", ")))?;
        }
        if self.shared_out > 0 {
            out.line(format_args!(
                "{} of them are shares of aggregates, and say so",
                self.shared_out
            ))?;
        }
        for (by, rows) in &self.skipped {
            out.line(format_args!("left out {rows}: {}", because(*by, plan)))?;
        }
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
        for (field, (rows, line, example)) in fields.iter().take(SHOWN_REASONS) {
            let example = match field.as_str() {
                "" => (*example).clone(),
                field => format!("{field} {example}"),
            };
            let text = format!("rejected {rows}, such as line {line}: {example}");
            out.line(crate::table::cut(&text, out.width.unwrap_or(usize::MAX)))?;
        }
        if fields.len() > SHOWN_REASONS {
            out.line("further reasons are with the rejected rows")?;
        }
        Ok(())
    }
}

fn because(by: Option<usize>, plan: &Plan) -> String {
    match by.and_then(|by| plan.skips.get(by)) {
        Some(skip) => skip.describe(&plan.columns),
        None => "the row is blank".into(),
    }
}

/// Shows what the first rows become.
#[derive(Debug)]
pub struct Preview {
    /// First line that is shown.
    from: u64,
    /// How many more are shown.
    left: u64,
    shown: Vec<Value>,
    lines: Vec<Vec<String>>,
}

const COLUMNS: [Column; 6] = [
    Column::number("LINE"),
    Column::flexible("CASE", 18),
    Column::whole("DATE"),
    Column::flexible("GOODS", 12),
    Column::flexible("QUANTITY", 14),
    Column::whole("BECOMES"),
];

impl Preview {
    /// From a line of the file on, so many rows.
    pub fn new(from: u64, rows: u64) -> Self {
        Self {
            from,
            left: rows,
            shown: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn wants(&mut self, row: &Row) -> bool {
        let wanted = row.line >= self.from && self.left > 0;
        self.left -= u64::from(wanted);
        wanted
    }

    /// A row that became cases.
    pub fn made(&mut self, row: &Row, cases: &Cases) {
        if !self.wants(row) {
            return;
        }
        let (report, status) = (cases.report(), status_word(cases.status));
        let (goods, quantity) = goods(report);
        let becomes = match cases.is_shared_out() {
            true => format!("{} × {status}", cases.len()),
            false => status.to_owned(),
        };
        let (case, date) = (
            words::id(&report.name).to_owned(),
            words::date(report.incident_date.as_ref()),
        );
        self.shown.push(json!({
            "line": row.line,
            "case": report.name,
            "cases": cases.len(),
            "title": report.title,
            "incidentDate": date,
            "goods": goods,
            "quantity": quantity,
            "status": status,
        }));
        self.lines.push(vec![
            row.line.to_string(),
            case,
            date,
            goods,
            quantity,
            becomes,
        ]);
    }

    /// A row that was left out.
    pub fn skipped(&mut self, row: &Row, by: Option<usize>, plan: &Plan) {
        if self.wants(row) {
            self.nothing(row, "left out", &because(by, plan));
        }
    }

    /// A row that was rejected.
    pub fn rejected(&mut self, row: &Row, why: &[Violation]) {
        if self.wants(row) {
            self.nothing(row, "rejected", &reasons(why));
        }
    }

    fn nothing(&mut self, row: &Row, what: &str, why: &str) {
        let key = if what == "rejected" {
            "rejected"
        } else {
            "skipped"
        };
        self.shown.push(json!({ "line": row.line, key: why }));
        let mut cells = vec![row.line.to_string()];
        cells.extend(vec![String::new(); COLUMNS.len() - 2]);
        cells.push(format!("{what}: {why}"));
        self.lines.push(cells);
    }

    /// The table, and the totals below it.
    pub fn print(self, tally: &Tally, plan: &Plan, out: &mut Output) -> Result<()> {
        match out.format {
            Format::Json => {
                out.document(&json!({ "rows": self.shown, "totals": tally.to_json(plan) }))
            }
            Format::Jsonl => {
                for row in &self.shown {
                    out.line(row)?;
                }
                Ok(())
            }
            _ => {
                let layout = Layout::fit(&COLUMNS, &self.measured(), out.width);
                if !self.lines.is_empty() {
                    let heading = out.paint(FAINT, layout.heading());
                    out.line(heading)?;
                }
                for cells in &self.lines {
                    self.line(cells, &layout, out)?;
                }
                if !self.lines.is_empty() {
                    out.line("")?;
                }
                tally.print(plan, out)
            }
        }
    }

    /// The rows as far as they set the columns' widths: a reason has a line to itself.
    fn measured(&self) -> Vec<Vec<String>> {
        let lines = self.lines.iter().cloned();
        let measured = lines.map(|mut cells| {
            if !is_case(&cells) {
                cells.truncate(1);
            }
            cells
        });
        measured.collect()
    }

    /// A row that became nothing has a line for why, as wide as the terminal.
    fn line(&self, cells: &[String], layout: &Layout, out: &mut Output) -> Result<()> {
        if is_case(cells) {
            return out.line(layout.row(cells));
        }
        let (line, why) = (cells.first(), cells.last());
        let (line, why) = (
            line.cloned().unwrap_or_default(),
            why.cloned().unwrap_or_default(),
        );
        // The column of the line numbers, which is never cut.
        let width = self.lines.iter().filter_map(|cells| cells.first());
        let width = width.map(String::len).max().unwrap_or(0).max("LINE".len());
        let text = format!("{line:>width$}  {why}");
        let text = crate::table::cut(&text, out.width.unwrap_or(usize::MAX));
        let style = if why.starts_with("rejected") {
            BAD
        } else {
            FAINT
        };
        let text = out.paint(style, text);
        out.line(text)
    }
}

fn is_case(cells: &[String]) -> bool {
    cells.get(1).is_some_and(|case| !case.is_empty())
}

fn goods(report: &CaseReport) -> (String, String) {
    let names = report.items.iter().map(|item| match &item.goods {
        Some(Goods::Substance(s) | Goods::Precursor(s)) => words::substance(s),
        Some(Goods::Equipment(e)) => match e.name.as_str() {
            "" => words::equipment(e.kind),
            name => name.to_owned(),
        },
        None => words::NOT_KNOWN.into(),
    });
    let quantities = report.items.iter().map(|item| match &item.quantity {
        Some(quantity) => words::quantity(Some(quantity)),
        None => words::NOT_KNOWN.into(),
    });
    let join = |texts: Vec<String>| texts.join(", ");
    (join(names.collect()), join(quantities.collect()))
}
