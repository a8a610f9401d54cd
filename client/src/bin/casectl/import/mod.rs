//! `casectl import`: case reports of an agency's spreadsheet, by a map that says which column is what.
//!
//! A map is checked whole before a row is read (`plan`). Rows stream through (`rows`): each becomes one or more statements (`make`), is
//! left out by a condition of the map, or is rejected with every reason; no row gets lost. Memory holds one row at a time, and for each
//! case that was made 24 bytes, so that two rows do not become one case. What is written is the same, byte for byte, whenever the same
//! file is imported under the same map.

use std::path::{Path, PathBuf};

use casebroker_proto::errors::Violation;
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    Global,
    choice::parse_agency,
    failure::{Exit, Failure, Result},
    output::{Format, Output},
    progress::Progress,
    submit,
};

mod dates;
mod explain;
mod files;
mod make;
mod map;
mod numbers;
mod path;
mod plan;
mod rows;
mod rule;
mod tally;
#[cfg(test)]
mod tests;
mod text;

use files::{Rejects, Statements, beside};
use make::{Fate, Maker};
use map::{EXAMPLE, MapText};
use plan::Plan;
use rows::{Event, Row};
use tally::{Preview, Tally};

/// Make case reports of a spreadsheet, by a map that says which column is what.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Import {
    /// Spreadsheet: CSV of any size, or a workbook (.xlsx) of at most 64 MiB
    #[arg(value_name = "FILE", required_unless_present_any = ["example_map", "check_map"])]
    file: Option<PathBuf>,
    /// Map: a TOML file, or the name of one that comes with casectl, such as cbp-drug-seizures
    #[arg(long, value_name = "MAP", required_unless_present = "example_map")]
    map: Option<PathBuf>,
    /// Write the reports to this file, for `casectl submit`
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Submit them; they are kept in FILE.cases.jsonl, or where --write says
    #[arg(long)]
    submit: bool,
    /// Where rows go that cannot be imported [default: beside what is written, with the ending .rejected.csv]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Share out rows that stand for several events: one case each, marked as made from an aggregate
    #[arg(long)]
    expand: bool,
    /// Write the cases alone, without request ids
    #[arg(long, requires = "write", conflicts_with = "submit")]
    bare: bool,
    /// Whose cases these are, in place of the map's agency
    #[arg(long, value_name = "AGENCY", value_parser = parse_agency)]
    agency: Option<String>,
    /// Without --write and --submit: how many rows are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    rows: u64,
    /// Without --write and --submit: first line that is shown
    #[arg(long, value_name = "LINE", default_value_t = 1)]
    from: u64,
    /// Explain the map; with FILE, check that it has every column
    #[arg(long, conflicts_with_all = ["write", "submit", "expand"])]
    check_map: bool,
    /// Print a map to begin with, with comments
    #[arg(long, conflicts_with_all = ["file", "map"])]
    example_map: bool,
}

const AFTER_HELP: &str = "\
Without --write and --submit nothing is written: a table shows what each row becomes and which status it would get, and totals follow.

The same row under the same map always makes the same case name and the same request id, so importing a file twice doubles nothing:
what has its receipt is skipped, and without the receipts it is refused as REQUEST_ID_REUSED. A row that has changed makes another
request id under the same name and is refused as CASE_EXISTS: amend the case.

Rows that cannot be imported are kept as they were, with every reason. One report cannot stand for several events: where the map says
that rows are aggregates, a row with one event becomes a case and the others are rejected, or, with --expand, shared out over as many
cases as there are events, whose amounts sum to the row's exactly and which say so.

Exit status: 0 every row imported or left out by the map, 3 some rejected; with --submit as `casectl submit`.

Examples:
  casectl import --example-map > map.toml
  casectl import --map map.toml --check-map seizures.xlsx
  casectl import --map map.toml seizures.xlsx
  casectl import --map map.toml seizures.xlsx --rows 50 --from 51
  casectl import --map map.toml seizures.xlsx --write cases.jsonl && casectl submit cases.jsonl
  casectl import --map cbp-drug-seizures --agency us-cbp nationwide-drugs.csv";

/// Rows that are read ahead.
const AHEAD: usize = 256;

/// Runs the command.
pub async fn run(args: Import, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    if args.example_map {
        return match out.format {
            Format::Table => out.raw(EXAMPLE),
            _ => out.document(&json!({ "map": EXAMPLE })),
        };
    }
    let map = args.map.as_deref().unwrap_or(Path::new(""));
    let plan = Plan::new(MapText::open(map)?, args.agency.clone())?;
    let Some(file) = args.file.clone() else {
        return explain::print(&plan, out);
    };
    let progress = Progress::new(file.display().to_string(), size(&file));
    let mut events = reading(&file, &plan, &progress);
    let Some(Event::Headings(headings)) = next(&mut events).await? else {
        return Err(Failure::new(Exit::Failed, "the file gave no headings", ""));
    };
    if args.check_map {
        progress.finish();
        plan.bind(&file.display().to_string(), &headings)?;
        return explain::print(&plan, out);
    }
    let delimiter = plan.source.delimiter;
    let maker = Maker::new(plan, &file.display().to_string(), &headings, args.expand)?;
    let written = match (&args.write, args.submit) {
        (Some(path), _) => Some(path.clone()),
        (None, true) => Some(beside(&file, "cases.jsonl")),
        (None, false) => None,
    };
    let rejects = match (&args.rejects, &written) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(written)) => Some(beside(written, "rejected.csv")),
        (None, None) => None,
    };
    let mut work = Work {
        maker,
        tally: Tally::default(),
        preview: written
            .is_none()
            .then(|| Preview::new(args.from, args.rows)),
        statements: match &written {
            Some(path) => Some(Statements::new(path, args.bare)?),
            None => None,
        },
        rejects: rejects.map(|path| Rejects::new(path, headings, delimiter)),
    };
    let end = work.all(&mut events).await;
    progress.finish();
    end?;
    let rejected = work.finish(args.submit, out)?;
    if let (true, Some(path)) = (args.submit, written) {
        let submitted = submit::run(submit::Submit::of_file(path), global, out).await;
        // A submission that went well does not make good what was rejected.
        return match (submitted, rejected) {
            (Ok(()), true) => Err(Failure::quiet(Exit::Invalid)),
            (end, _) => end,
        };
    }
    match rejected {
        true => Err(Failure::quiet(Exit::Invalid)),
        false => Ok(()),
    }
}

/// An import under way.
struct Work {
    maker: Maker,
    tally: Tally,
    preview: Option<Preview>,
    statements: Option<Statements>,
    rejects: Option<Rejects>,
}

impl Work {
    async fn all(&mut self, events: &mut mpsc::Receiver<Result<Event>>) -> Result<()> {
        while let Some(event) = next(events).await? {
            self.take(event)?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<()> {
        let row = match event {
            Event::Headings(_) => return Ok(()),
            Event::Row(row) => row,
            Event::Bad { row, why } => {
                return self.reject(&row, &[Violation::new("", why)]);
            }
        };
        match self.maker.take(&row)? {
            Fate::Cases(cases) => {
                self.tally.made(&cases);
                if let Some(preview) = &mut self.preview {
                    preview.made(&row, &cases);
                }
                if let Some(statements) = &mut self.statements {
                    for statement in cases.statements() {
                        statements.add(&statement)?;
                    }
                }
                Ok(())
            }
            Fate::Skipped(by) => {
                self.tally.skipped(by);
                if let Some(preview) = &mut self.preview {
                    preview.skipped(&row, by, &self.maker.plan);
                }
                Ok(())
            }
            Fate::Rejected(why) => self.reject(&row, &why),
        }
    }

    fn reject(&mut self, row: &Row, why: &[Violation]) -> Result<()> {
        self.tally.rejected(row, why);
        if let Some(preview) = &mut self.preview {
            preview.rejected(row, why);
        }
        match &mut self.rejects {
            Some(rejects) => rejects.add(row, why),
            None => Ok(()),
        }
    }

    /// Puts the files in their places and tells. True if rows were rejected. Where the statements are then submitted, standard output
    /// is left to that.
    fn finish(self, submits: bool, out: &mut Output) -> Result<bool> {
        let rejects = self.rejects.map(Rejects::finish).transpose()?.flatten();
        let written = self.statements.map(Statements::finish).transpose()?;
        let rejected = self.tally.rejected > 0;
        let (tally, plan) = (&self.tally, &self.maker.plan);
        let shown = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        let (cases_file, rejects_file) = (shown(&written), shown(&rejects));
        if let Some(preview) = self.preview {
            preview.print(tally, plan, out)?;
        } else if submits {
            out.note(format_args!(
                "casectl: {} of {} rows become {} cases, {} are rejected",
                tally.taken, tally.rows, tally.cases, tally.rejected
            ));
        } else if out.is_json() {
            let document = json!({
                "totals": tally.to_json(plan),
                "cases": cases_file,
                "rejects": rejects_file,
            });
            out.document(&document)?;
        } else {
            tally.print(plan, out)?;
            if let Some(path) = &cases_file {
                out.line(format_args!("to submit: {path}"))?;
            }
        }
        match rejects_file {
            Some(path) if !out.is_json() && !submits => {
                out.line(format_args!("rejected, as they were and why: {path}"))?;
            }
            Some(path) if submits => {
                out.note(format_args!("rejected, as they were and why: {path}"))
            }
            _ => {}
        }
        Ok(rejected)
    }
}

/// Reads in a thread of its own, so that an interruption from the keyboard is heard.
fn reading(file: &Path, plan: &Plan, progress: &Progress) -> mpsc::Receiver<Result<Event>> {
    let (tell, events) = mpsc::channel(AHEAD);
    let (file, source, progress) = (file.to_owned(), plan.source.clone(), progress.clone());
    tokio::task::spawn_blocking(move || {
        let heard = |event| tell.blocking_send(Ok(event)).is_ok();
        if let Err(failure) = rows::read(&file, &source, &progress, heard) {
            // Nobody left to hear it is no failure.
            let _ = tell.blocking_send(Err(failure));
        }
    });
    events
}

async fn next(events: &mut mpsc::Receiver<Result<Event>>) -> Result<Option<Event>> {
    events.recv().await.transpose()
}

/// Bytes to read, where progress in bytes can be told.
fn size(file: &Path) -> Option<u64> {
    let size = file
        .metadata()
        .ok()
        .filter(|m| m.is_file())
        .map(|m| m.len());
    size.filter(|_| !rows::is_workbook(file))
}
