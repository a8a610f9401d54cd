//! From a row to the statements that report its cases, or to what is wrong with it.
//!
//! The same row under the same map makes the same statements, byte for byte: the case's name is made of the row by the map's template,
//! and the request id (UUID version 5) of the report itself. So a second import of the row records nothing twice: `submit` skips what has
//! its receipt, and where the receipts are not at hand the broker refuses the request id, which it knows. A row that has changed makes
//! another request id under the same name, and the broker refuses that because it has the case.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::SystemTime,
};

use aws_lc_rs::digest::{SHA256, digest};
use casebroker_client::check;
use casebroker_proto::{
    catalogue::units::normalize,
    errors::Violation,
    json,
    v1::{CaseReport, CaseStatus, Report, Statement, Unit, statement::Kind},
};
use prost::Message as _;
use serde_json::json;
use uuid::{Uuid, uuid};

use super::{
    numbers::{Number, exactly, share},
    plan::{Plan, View},
    rows::Row,
    text::case_id,
};
use crate::{
    failure::{Exit, Failure, Result},
    input::decode::Parsed,
    judgement::Judgement,
    words,
};

/// Namespace of the request ids of imported reports.
const NAMESPACE: Uuid = uuid!("6f3f1a52-7f0e-5a53-9d3c-2f1b7a4c9e10");

/// Most cases of one file: their names are remembered, so that two rows do not become one case.
pub const MAX_CASES: usize = 5_000_000;
/// Most events that one row may stand for.
pub const MAX_EVENTS: u64 = 100_000;

/// What the handling of a case says that was made from an aggregate.
pub const CAVEAT: &str = "made from an aggregate, not a single recorded case";

/// Makes statements of rows.
#[derive(Debug)]
pub struct Maker {
    pub plan: Plan,
    /// Number of the cell, for each column of the map.
    at: Vec<usize>,
    /// Aggregates are shared out.
    expand: bool,
    /// Beginnings of the digests of names, with the line that each came from.
    seen: HashMap<[u8; 16], u64>,
}

/// What becomes of a row.
#[derive(Debug)]
pub enum Fate {
    /// One or more cases.
    Cases(Box<Cases>),
    /// Left out, by this condition of the map; none if the row is blank.
    Skipped(Option<usize>),
    /// Nothing, because of this.
    Rejected(Vec<Violation>),
}

/// The cases of a row.
#[derive(Debug)]
pub struct Cases {
    /// The row as one report.
    report: CaseReport,
    /// How many there are, if the row is an aggregate that is shared out.
    of: Option<u32>,
    /// The status that each would get.
    pub status: CaseStatus,
}

impl Maker {
    /// For the headings of a file.
    pub fn new(plan: Plan, file: &str, headings: &[String], expand: bool) -> Result<Self> {
        if expand && plan.count.is_none() {
            return Err(Failure::usage(
                "--expand: the map does not say that rows stand for several events",
                "Name the column of their number in the map: expand = \"Count of Event\".",
            ));
        }
        Ok(Self {
            at: plan.bind(file, headings)?,
            plan,
            expand,
            seen: HashMap::new(),
        })
    }

    /// What becomes of a row. A failure ends the import.
    pub fn take(&mut self, row: &Row) -> Result<Fate> {
        if row.is_blank() {
            return Ok(Fate::Skipped(None));
        }
        let view = View {
            row,
            at: &self.at,
            columns: &self.plan.columns,
        };
        if let Some(skip) = self.plan.skips.iter().position(|skip| skip.applies(&view)) {
            return Ok(Fate::Skipped(Some(skip)));
        }
        let cases = match self.cases(&view) {
            Ok(cases) => cases,
            Err(wrong) => return Ok(Fate::Rejected(wrong)),
        };
        if self.seen.len() >= MAX_CASES {
            return Err(Failure::new(
                Exit::Invalid,
                format!(
                    "line {}: the file makes more than {MAX_CASES} cases",
                    row.line
                ),
                "Split it, and import the parts one by one.",
            ));
        }
        let mut taken = Vec::new();
        for number in 1..=cases.len() {
            let key = name_key(&cases.name(number));
            match self.seen.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(row.line);
                    taken.push(key);
                }
                Entry::Occupied(entry) => {
                    let why = format!(
                        "is {}, and so is that of line {}: let `id` in the map tell them apart",
                        cases.name(number),
                        entry.get()
                    );
                    // What is rejected must not keep others from their names.
                    taken.retain(|key| self.seen.remove(key).is_none());
                    return Ok(Fate::Rejected(vec![Violation::new("name", why)]));
                }
            }
        }
        Ok(Fate::Cases(Box::new(cases)))
    }

    fn cases(&self, view: &View<'_>) -> std::result::Result<Cases, Vec<Violation>> {
        let of = self.events(view).map_err(|wrong| vec![wrong])?;
        let (mut value, date) = self.plan.build(view)?;
        let id = case_id(&self.plan.id.fill(view, date.as_ref()));
        let one = |field: &str, why: String| vec![Violation::new(field, why)];
        if id.is_empty() {
            return Err(one("name", "is empty: the row has nothing for `id`".into()));
        }
        if let Some(object) = value.as_object_mut() {
            object.insert(
                "name".into(),
                json!(format!("{}/cases/{id}", self.plan.agency)),
            );
        }
        let report = json::from_str::<CaseReport>("casebroker.v1.CaseReport", &value.to_string());
        let report = report.map_err(|e| one("", e.to_string()))?;
        let mut cases = Cases {
            report,
            of,
            status: CaseStatus::Unspecified,
        };
        cases.of = None;
        cases.status = checked(cases.statement(1))?;
        if of.is_some() {
            // The last has the longest texts; in everything else that is checked they are equal.
            cases.of = of;
            cases.status = checked(cases.statement(cases.len()))?;
        }
        Ok(cases)
    }

    /// How many events an aggregate is shared out over; none if the row is one case as it is.
    fn events(&self, view: &View<'_>) -> std::result::Result<Option<u32>, Violation> {
        let Some(column) = self.plan.count else {
            return Ok(None);
        };
        let (name, text) = (view.name(column), view.text(column));
        let count = Number::read(text, self.plan.style)
            .ok()
            .and_then(Number::whole);
        let wrong = |why: String| Violation::new(format!("column `{name}`"), why);
        match count {
            Some(1) => Ok(None),
            None | Some(0) => Err(wrong(format!("`{text}` is no number of events"))),
            Some(count) if count > MAX_EVENTS => Err(wrong(format!(
                "is {count}, and a row may stand for {MAX_EVENTS} events"
            ))),
            Some(count) if !self.expand => Err(wrong(format!(
                "is {count}: one report cannot stand for {count} events; --expand makes as many of it, each marked as made from an aggregate"
            ))),
            Some(count) => Ok(u32::try_from(count).ok()),
        }
    }
}

impl Cases {
    /// How many, at least 1.
    pub fn len(&self) -> u32 {
        self.of.unwrap_or(1)
    }

    /// Whether they are shares of an aggregate.
    pub fn is_shared_out(&self) -> bool {
        self.of.is_some()
    }

    /// The row as one report.
    pub fn report(&self) -> &CaseReport {
        &self.report
    }

    /// The statements that report them, in order.
    pub fn statements(&self) -> impl Iterator<Item = Statement> {
        (1..=self.len()).map(|number| self.statement(number))
    }

    /// Name of one of them, counted from 1.
    fn name(&self, number: u32) -> String {
        match self.of {
            None => self.report.name.clone(),
            Some(of) => {
                let (owner, id) = self.report.name.rsplit_once('/').unwrap_or_default();
                format!("{owner}/{}", case_id(&format!("{id} {number} of {of}")))
            }
        }
    }

    fn statement(&self, number: u32) -> Statement {
        let mut report = self.report.clone();
        if let Some(of) = self.of {
            report.name = self.name(number);
            share_out(&mut report, number, of);
        }
        Statement {
            case: report.name.clone(),
            request_id: Uuid::new_v5(&NAMESPACE, &report.encode_to_vec()).to_string(),
            kind: Some(Kind::Report(Report {
                report: Some(report),
            })),
            ..Statement::default()
        }
    }
}

/// The status that a statement would give its case, or every rule that it breaks.
fn checked(statement: Statement) -> std::result::Result<CaseStatus, Vec<Violation>> {
    let now = SystemTime::now();
    // What `submit` fills in is not missing.
    let statement = Statement {
        make_time: Some(now.into()),
        ..statement
    };
    let violations = check(&statement, now);
    if violations.is_empty() {
        let judgement = Judgement::of(&statement);
        return Ok(judgement.map_or(CaseStatus::Unspecified, |j| j.status()));
    }
    let bare = true;
    Err(Parsed { statement, bare }.localise(violations))
}

/// Makes of the report of an aggregate one of the reports that sum to it, and lets it say so wherever it may be read.
fn share_out(report: &mut CaseReport, number: u32, of: u32) {
    let mut sums = Vec::new();
    for item in &mut report.items {
        let Some(quantity) = &mut item.quantity else {
            continue;
        };
        sums.push(words::quantity(Some(quantity)));
        let amount = normalize(quantity).ok().and_then(|n| u64::try_from(n).ok());
        let unit = Unit::try_from(quantity.unit).unwrap_or_default();
        let mine = amount.map(|amount| share(amount, number, of));
        match mine
            .filter(|mine| *mine > 0)
            .and_then(|mine| exactly(mine, unit))
        {
            Some((value, unit)) => {
                quantity.value = value;
                quantity.set_unit(unit);
                quantity.normalized = None;
            }
            // There is less than one unit for each: this one has none of it.
            None => item.quantity = None,
        }
    }
    let sum = match sums.is_empty() {
        true => String::new(),
        false => format!(", {} together", sums.join(" and ")),
    };
    report.title = format!("{number} of {of} from an aggregate: {}", report.title);
    report.narrative = format!(
        "Made from an aggregate: the source counts {of} events{sum}. This is number {number} of {of}, with an equal share; it is no single recorded case.\n{}",
        report.narrative
    );
    report.narrative.truncate(report.narrative.trim_end().len());
    let handling = report.handling.get_or_insert_default();
    handling.caveats.push(CAVEAT.into());
}

/// The beginning of a name's digest: equal by chance for two of five million once in 10^25 files.
fn name_key(name: &str) -> [u8; 16] {
    let mut key = [0; 16];
    for (to, from) in key
        .iter_mut()
        .zip(digest(&SHA256, name.as_bytes()).as_ref())
    {
        *to = *from;
    }
    key
}
