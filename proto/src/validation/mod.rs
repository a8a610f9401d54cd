//! The checks that a statement must pass before anything is written.
//!
//! What it is for: every rule of the contract that can be decided from the statement and the time alone. The broker runs it
//! before recording, `casectl validate` before sending. What it promises: all violations at once, at most
//! [`limits::VIOLATIONS`] and one more that counts the rest, each with the field's path in proto names; the same
//! answer for the same statement, time and catalogue; work bounded by the size of the message; next to no allocation
//! where nothing is wrong. What it never does: look at recorded state (whether a case exists, who owns it, which revision is current),
//! read a clock, or change what it checks.

pub mod limits;

pub(crate) mod checker;
pub(crate) mod dates;
mod evidence;
mod formats;
mod goods;
mod handling;
mod report;
mod route;
mod statement;
mod text;

#[cfg(test)]
mod tests;

use crate::{
    errors::Violation,
    v1::{CaseReport, Handling, Statement, statement::Kind},
};
use checker::{Checker, Path};

/// The time that dates and times are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Seconds since the Unix epoch.
    pub now: i64,
}

/// Every rule that a statement breaks; empty if it may be recorded as far as it alone tells. Paths
/// are from the statement, such as `report.report.items[0].quantity.value`.
pub fn check_statement(statement: &Statement, clock: Clock) -> Vec<Violation> {
    let mut checker = Checker::new(clock);
    checker.statement(&Path::ROOT, statement);
    checker.finish()
}

/// Every rule that a report by itself breaks. Paths are from the report, such as `items[0].quantity.value`.
pub fn check_report(report: &CaseReport, clock: Clock) -> Vec<Violation> {
    let mut checker = Checker::new(clock);
    checker.report(&Path::ROOT, report);
    checker.finish()
}

/// The handling that decides who may see a statement: the one within for a report, amendment or release, else the statement's. None
/// only where a check would refuse the statement.
pub fn effective_handling(statement: &Statement) -> Option<&Handling> {
    match &statement.kind {
        Some(Kind::Report(r)) => r.report.as_ref()?.handling.as_ref(),
        Some(Kind::Amendment(a)) => a.report.as_ref()?.handling.as_ref(),
        Some(Kind::Release(r)) => r.handling.as_ref(),
        _ => statement.handling.as_ref(),
    }
}
