//! `casectl list`: cases, a line each.

use casebroker_client::Order as PageOrder;
use casebroker_proto::{
    json,
    names::AgencyName,
    v1::{Case, CaseFilter, item::Goods},
};
use clap::{Args, ValueEnum};

use crate::{
    Global,
    failure::{Failure, Result},
    output::{FAINT, Format, Output},
    table::{Column, Layout},
    words,
};

/// List the cases that are for my agency, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  casectl list
  casectl list --agency us-cbp --agency us-dea --limit 10
  casectl list --all --order oldest
  casectl -o csv list --all > cases.csv
  casectl -o jsonl list --all | jq -r .name")]
pub struct List {
    /// Only cases of this agency; may be given several times
    #[arg(long = "agency", value_name = "AGENCY")]
    agencies: Vec<String>,
    /// Every case, not only the first ones
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Most cases
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Order, by when a case was first recorded
    #[arg(long, value_name = "ORDER", default_value = "newest")]
    order: Order,
}

/// Order of the listing.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Newest,
    Oldest,
}

/// The name is what every other command wants, so it is cut last.
const COLUMNS: [Column; 7] = [
    Column::flexible("CASE", 40),
    Column::whole("DATE"),
    Column::whole("IN"),
    Column::whole("ORIGIN"),
    Column::whole("FROM"),
    Column::flexible("TITLE", 12),
    Column::flexible("ITEMS", 12),
];

/// Terminals narrower than this show neither departure nor items: the names need the room.
const NARROW: usize = 110;

/// Runs the command.
pub async fn run(args: List, global: &Global, out: &mut Output) -> Result<()> {
    let agencies = args
        .agencies
        .iter()
        .map(|agency| agency_name(agency))
        .collect::<Result<Vec<_>>>()?;
    let filter = CaseFilter {
        agencies,
        ..Default::default()
    };
    let order = match args.order {
        Order::Newest => PageOrder::Newest,
        Order::Oldest => PageOrder::Oldest,
    };
    let client = global.connect()?;
    let mut left = if args.all { u64::MAX } else { args.limit };
    let page_size = u16::try_from(left.min(1000)).unwrap_or(1000);
    let mut pages = client.list_cases(filter, order, page_size);
    let mut listing = Listing::new(out);
    let mut more = false;
    let mut as_of = 0;
    while let Some(page) = pages.next_page().await? {
        as_of = page.as_of_position;
        let take = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(page.cases.len());
        let (cases, beyond) = page.cases.split_at(take);
        left -= cases.len() as u64;
        listing.page(cases, out)?;
        out.flush()?;
        if left == 0 {
            more = !beyond.is_empty() || !page.next_page_token.is_empty();
            break;
        }
    }
    listing.end(as_of, more, out)
}

/// An agency by its id or its resource name.
fn agency_name(text: &str) -> Result<String> {
    text.parse::<AgencyName>()
        .or_else(|_| AgencyName::from_id(text))
        .map(|name| name.to_string())
        .map_err(|e| {
            Failure::usage(
                format!("agency `{text}` {e}"),
                "Write its id, such as us-dea.",
            )
        })
}

/// Writes pages as they come.
struct Listing {
    layout: Option<Layout>,
    csv: Option<csv::Writer<Vec<u8>>>,
    written: u64,
}

impl Listing {
    fn new(out: &Output) -> Self {
        Self {
            layout: None,
            csv: (out.format == Format::Csv).then(|| csv::Writer::from_writer(Vec::new())),
            written: 0,
        }
    }

    fn page(&mut self, cases: &[Case], out: &mut Output) -> Result<()> {
        match out.format {
            Format::Json | Format::Jsonl => self.page_json(cases, out),
            Format::Csv => self.page_csv(cases, out),
            Format::Table => self.page_table(cases, out),
        }
    }

    fn page_json(&mut self, cases: &[Case], out: &mut Output) -> Result<()> {
        for case in cases {
            let value = json::to_value("casebroker.v1.Case", case)
                .map_err(casebroker_client::ClientError::from)?;
            if out.format == Format::Jsonl {
                out.line(value)?;
            } else {
                out.raw(if self.written == 0 {
                    "{\n  \"cases\": [\n"
                } else {
                    ",\n"
                })?;
                out.raw(&indented(&format!("{value:#}"), "    "))?;
            }
            self.written += 1;
        }
        Ok(())
    }

    fn page_table(&mut self, cases: &[Case], out: &mut Output) -> Result<()> {
        let narrow = out.width.is_some_and(|width| width < NARROW);
        let shown = |i: usize| !narrow || ![4, 6].contains(&i);
        let pick = |row: Vec<String>| {
            let cells = row.into_iter().enumerate().filter(|(i, _)| shown(*i));
            cells.map(|(_, cell)| cell).collect::<Vec<_>>()
        };
        let rows: Vec<_> = cases.iter().map(|case| pick(row(case))).collect();
        if self.layout.is_none() && !rows.is_empty() {
            // The first page decides the widths; later rows are cut to them.
            let columns: Vec<_> = COLUMNS
                .iter()
                .enumerate()
                .filter(|(i, _)| shown(*i))
                .map(|(_, c)| *c)
                .collect();
            let layout = Layout::fit(&columns, &rows, out.width);
            let heading = out.paint(FAINT, layout.heading());
            out.line(heading)?;
            self.layout = Some(layout);
        }
        if let Some(layout) = &self.layout {
            for row in &rows {
                out.line(layout.row(row))?;
            }
        }
        self.written += rows.len() as u64;
        Ok(())
    }

    fn page_csv(&mut self, cases: &[Case], out: &mut Output) -> Result<()> {
        let Some(csv) = &mut self.csv else {
            return Ok(());
        };
        let failed = |e: csv::Error| Failure::file("CSV", &e.into());
        if self.written == 0 && !cases.is_empty() {
            csv.write_record(CSV_HEADING).map_err(failed)?;
        }
        for case in cases {
            csv.write_record(record(case)).map_err(failed)?;
            self.written += 1;
        }
        csv.flush().map_err(|e| Failure::file("CSV", &e))?;
        let written = std::mem::replace(csv, csv::Writer::from_writer(Vec::new()));
        let bytes = written
            .into_inner()
            .map_err(|e| Failure::file("CSV", e.error()))?;
        out.raw(&String::from_utf8_lossy(&bytes))
    }

    fn end(self, as_of: u64, more: bool, out: &mut Output) -> Result<()> {
        match out.format {
            Format::Json => {
                let end = if self.written == 0 {
                    "{\n  \"cases\": ["
                } else {
                    "\n  "
                };
                out.line(format_args!(
                    "{end}],\n  \"asOfPosition\": \"{as_of}\",\n  \"more\": {more}\n}}"
                ))
            }
            Format::Csv if self.written == 0 => out.line(CSV_HEADING.join(",")),
            Format::Jsonl | Format::Csv => Ok(()),
            Format::Table => {
                if self.written == 0 {
                    out.line("no cases")?;
                }
                if more {
                    out.note("there are more; use --all or --limit N");
                }
                Ok(())
            }
        }
    }
}

const CSV_HEADING: [&str; 12] = [
    "name",
    "title",
    "incident_date",
    "country",
    "subdivision",
    "origin",
    "departure",
    "destination",
    "items",
    "revision",
    "retracted",
    "first_position",
];

fn record(case: &Case) -> [String; 12] {
    let report = case.report.clone().unwrap_or_default();
    let place = report.place.clone().unwrap_or_default();
    let route = report.route.clone().unwrap_or_default();
    let country = |l: &Option<casebroker_proto::v1::Location>| {
        l.as_ref().map(|l| l.country.clone()).unwrap_or_default()
    };
    [
        case.name.clone(),
        report.title.clone(),
        // In a file an unknown date is an empty field.
        report
            .incident_date
            .as_ref()
            .map(|d| words::date(Some(d)))
            .unwrap_or_default(),
        place.country,
        place.subdivision,
        country(&route.origin),
        country(&route.departure),
        country(&route.destination),
        items(case),
        case.revision.to_string(),
        case.retracted.to_string(),
        case.first_position.to_string(),
    ]
}

fn row(case: &Case) -> Vec<String> {
    let report = case.report.clone().unwrap_or_default();
    let route = report.route.clone().unwrap_or_default();
    let known = |text: String| {
        if text.is_empty() {
            "?".to_owned()
        } else {
            text
        }
    };
    let title = if case.retracted {
        format!("RETRACTED: {}", report.title)
    } else {
        report.title.clone()
    };
    vec![
        words::short_case(&case.name),
        words::date(report.incident_date.as_ref()),
        known(report.place.map(|p| p.country).unwrap_or_default()),
        known(route.origin.map(|l| l.country).unwrap_or_default()),
        known(route.departure.map(|l| l.country).unwrap_or_default()),
        title,
        items(case),
    ]
}

/// Items in a few words: `about 1 kg carfentanil; 2 pieces tablet press`.
fn items(case: &Case) -> String {
    let Some(report) = &case.report else {
        return String::new();
    };
    let items: Vec<_> = report
        .items
        .iter()
        .map(|item| {
            let name = match &item.goods {
                Some(Goods::Substance(s) | Goods::Precursor(s)) => words::substance(s),
                Some(Goods::Equipment(e)) if e.name.is_empty() => words::equipment(e.kind),
                Some(Goods::Equipment(e)) => e.name.clone(),
                None => item.description.clone(),
            };
            match &item.quantity {
                Some(quantity) => format!("{} {name}", words::quantity(Some(quantity))),
                None => name,
            }
        })
        .collect();
    items.join("; ")
}

fn indented(text: &str, by: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("{by}{line}")).collect();
    lines.join("\n")
}
