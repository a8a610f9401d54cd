//! `casectl access`: who of my agency asked for what.

use casebroker_client::{ClientError, Order as PageOrder};
use casebroker_proto::{
    json,
    v1::{AccessRecord, AccessRecordFilter},
};
use clap::{Args, Subcommand, ValueEnum};
use prost_types::Timestamp;

use crate::{
    Global,
    failure::{Failure, Result},
    moment::parse_moment,
    output::{FAINT, Format, Output},
    table::{Column, Layout},
    words,
};

/// Read the access record: who of my agency asked for what.
#[derive(Debug, Subcommand)]
pub enum Access {
    List(List),
}

/// List the calls of my agency's principals, newest first; for auditors.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl access list
  casectl access list --from 2026-11-01 --to 2026-12-01 --method GetCase
  casectl access list --principal spiffe://casebroker.example/agency/us-dea/officer/doe --all
  casectl -o csv access list --outcome PERMISSION_DENIED --all > denied.csv")]
pub struct List {
    /// Only from this time on: a date, or RFC 3339; UTC if it does not say
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    from: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    to: Option<Timestamp>,
    /// Only of this principal, a SPIFFE ID
    #[arg(long, value_name = "SPIFFE-ID")]
    principal: Option<String>,
    /// Only of this method, such as GetCase
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Only with this outcome, such as OK or PERMISSION_DENIED
    #[arg(long, value_name = "CODE")]
    outcome: Option<String>,
    /// Every line, not only the first ones
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Most lines
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Order
    #[arg(long, value_name = "ORDER", default_value = "newest")]
    order: Order,
}

/// Order of the listing.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Newest,
    Oldest,
}

const COLUMNS: [Column; 7] = [
    Column::number("SEQ"),
    Column::whole("TIME"),
    Column::flexible("PRINCIPAL", 16),
    Column::whole("METHOD"),
    Column::flexible("OUTCOME", 12),
    Column::flexible("RESOURCE", 16),
    Column::flexible("PURPOSE", 8),
];

const CSV_HEADING: [&str; 19] = [
    "sequence",
    "time",
    "principal",
    "certificate_serial",
    "peer",
    "method",
    "resource",
    "purpose",
    "purpose_reference",
    "outcome",
    "reason",
    "requests",
    "answers",
    "refused",
    "cases",
    "bytes_in",
    "bytes_out",
    "duration_us",
    "hash",
];

/// Runs the command.
pub async fn run(args: Access, global: &Global, out: &mut Output) -> Result<()> {
    let Access::List(args) = args;
    let filter = AccessRecordFilter {
        start_time: args.from,
        end_time: args.to,
        principal: args.principal.unwrap_or_default(),
        method: args.method.unwrap_or_default(),
        outcome: args
            .outcome
            .map(|o| o.to_ascii_uppercase())
            .unwrap_or_default(),
    };
    let order = match args.order {
        Order::Newest => PageOrder::Newest,
        Order::Oldest => PageOrder::Oldest,
    };
    let client = global.connect()?;
    let mut left = if args.all { u64::MAX } else { args.limit };
    let page_size = u16::try_from(left.min(1_000)).unwrap_or(1_000);
    let mut pages = client.list_access_records(filter, order, page_size);
    let mut listing = Listing::default();
    let (mut more, mut as_of) = (false, 0);
    while let Some(page) = pages.next_page().await? {
        as_of = page.as_of_sequence;
        let take = usize::try_from(left).unwrap_or(usize::MAX);
        let (records, beyond) = page.records.split_at(take.min(page.records.len()));
        left -= records.len() as u64;
        listing.page(records, out)?;
        out.flush()?;
        if left == 0 {
            more = !beyond.is_empty() || !page.next_page_token.is_empty();
            break;
        }
    }
    listing.end(as_of, more, out)
}

/// Writes pages as they come.
#[derive(Default)]
struct Listing {
    layout: Option<Layout>,
    written: u64,
}

impl Listing {
    fn page(&mut self, records: &[AccessRecord], out: &mut Output) -> Result<()> {
        match out.format {
            Format::Json | Format::Jsonl => self.page_json(records, out)?,
            Format::Csv => self.page_csv(records, out)?,
            Format::Table => self.page_table(records, out)?,
        }
        self.written += records.len() as u64;
        Ok(())
    }

    fn page_json(&self, records: &[AccessRecord], out: &mut Output) -> Result<()> {
        for (n, record) in records.iter().enumerate() {
            let value =
                json::to_value("casebroker.v1.AccessRecord", record).map_err(ClientError::from)?;
            if out.format == Format::Jsonl {
                out.line(value)?;
                continue;
            }
            out.raw(match self.written == 0 && n == 0 {
                true => "{\n  \"records\": [\n",
                false => ",\n",
            })?;
            let text = format!("{value:#}");
            let lines: Vec<_> = text.lines().map(|line| format!("    {line}")).collect();
            out.raw(&lines.join("\n"))?;
        }
        Ok(())
    }

    fn page_csv(&self, records: &[AccessRecord], out: &mut Output) -> Result<()> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| Failure::file("CSV", &e.into());
        if self.written == 0 && !records.is_empty() {
            csv.write_record(CSV_HEADING).map_err(failed)?;
        }
        for record in records {
            csv.write_record(cells(record)).map_err(failed)?;
        }
        let bytes = csv
            .into_inner()
            .map_err(|e| Failure::file("CSV", e.error()))?;
        out.raw(&String::from_utf8_lossy(&bytes))
    }

    fn page_table(&mut self, records: &[AccessRecord], out: &mut Output) -> Result<()> {
        let rows: Vec<_> = records.iter().map(row).collect();
        if self.layout.is_none() && !rows.is_empty() {
            // The first page decides the widths; later rows are cut to them.
            let layout = Layout::fit(&COLUMNS, &rows, out.width);
            let heading = out.paint(FAINT, layout.heading());
            out.line(heading)?;
            self.layout = Some(layout);
        }
        if let Some(layout) = &self.layout {
            for row in &rows {
                out.line(layout.row(row))?;
            }
        }
        Ok(())
    }

    fn end(self, as_of: u64, more: bool, out: &mut Output) -> Result<()> {
        match out.format {
            Format::Json => {
                let end = match self.written {
                    0 => "{\n  \"records\": [",
                    _ => "\n  ",
                };
                out.line(format_args!(
                    "{end}],\n  \"asOfSequence\": \"{as_of}\",\n  \"more\": {more}\n}}"
                ))
            }
            Format::Csv if self.written == 0 => out.line(CSV_HEADING.join(",")),
            Format::Jsonl | Format::Csv => Ok(()),
            Format::Table => {
                if self.written == 0 {
                    out.line("no lines")?;
                }
                if more {
                    out.note("there are more; use --all or --limit N");
                }
                Ok(())
            }
        }
    }
}

fn cells(record: &AccessRecord) -> [String; 19] {
    [
        record.sequence.to_string(),
        record.time.as_ref().map(words::rfc3339).unwrap_or_default(),
        record.principal.clone(),
        record.certificate_serial.clone(),
        record.peer.clone(),
        record.method.clone(),
        record.resource.clone(),
        record.purpose.clone(),
        record.purpose_reference.clone(),
        record.outcome.clone(),
        record.reason.clone(),
        record.requests.to_string(),
        record.answers.to_string(),
        record.refused.to_string(),
        record.cases.to_string(),
        record.bytes_in.to_string(),
        record.bytes_out.to_string(),
        record.duration_us.to_string(),
        hex::encode(&record.hash),
    ]
}

fn row(record: &AccessRecord) -> Vec<String> {
    // The agency is the auditor's own; role and name tell the principal.
    let principal = record.principal.split('/').skip(5).collect::<Vec<_>>();
    let outcome = match record.reason.as_str() {
        "" => record.outcome.clone(),
        reason => reason.to_owned(),
    };
    let purpose = format!("{} {}", record.purpose, record.purpose_reference);
    vec![
        record.sequence.to_string(),
        words::minute(record.time.as_ref()),
        principal.join("/"),
        words::id(&record.method).to_owned(),
        outcome,
        record.resource.clone(),
        purpose.trim().to_owned(),
    ]
}
