//! `casectl list`: cases, a line each.

mod page;
mod row;

use std::io::{self, IsTerminal as _};

use casebroker_proto::v1::{CaseView, ListCasesRequest};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, builder::PossibleValue};

use crate::{
    Global,
    failure::Result,
    filter::FilterArgs,
    moment::{AsOf, parse_as_of},
    output::{Format, Output},
    progress::Progress,
};
use page::{End, Listing};

/// List the cases that are for my agency, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
All pages of a listing are of one position of the log, named at its end; --as-of shows the record as it stood before.

Examples:
  casectl list
  casectl list --agency us-cbp,us-dea --limit 10
  casectl list --origin China --class fentanyl --from 2017 --order-by mass
  casectl list --status attributed --min-mass 10kg --text '\"ink bottle\" printer'
  casectl list --evidence lab-report.pdf
  casectl list --obstacle origin-basis --as-of 2026-06-30
  casectl -o csv list --all > cases.csv
  casectl -o jsonl list --all --view basic | jq -r .name")]
pub struct List {
    /// Every case, not only the first ones
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Most cases
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Cases asked for at a time, 1 to 1,000 [default: as many as are wanted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    page_size: Option<u16>,
    /// Order: newest, oldest, mass (most first), date (latest incident first)
    #[arg(long, visible_alias = "order", value_name = "ORDER", default_value = "newest", hide_possible_values = true, value_parser = order())]
    order_by: String,
    /// As the record stood before this position of the log, or at this date or time
    #[arg(long, value_name = "POSITION|TIME", value_parser = parse_as_of)]
    as_of: Option<AsOf>,
    /// How much of each case: basic (what the table and CSV show), full [default: full for JSON, else basic]
    #[arg(long, value_name = "VIEW", hide_possible_values = true)]
    view: Option<View>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// How much of a case is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum View {
    Basic,
    Full,
}

impl View {
    /// What a form of output shows: JSON is for machines, and gets everything.
    fn shown_by(format: Format) -> Self {
        match format {
            Format::Json | Format::Jsonl => Self::Full,
            Format::Table | Format::Csv => Self::Basic,
        }
    }

    fn of_contract(self) -> CaseView {
        match self {
            Self::Basic => CaseView::Basic,
            Self::Full => CaseView::Full,
        }
    }
}

/// Words for an order, and the form of the contract that each stands for.
const ORDERS: [(&str, &str); 4] = [
    ("newest", "position desc"),
    ("oldest", "position"),
    ("mass", "mass desc"),
    ("date", "incident_date desc"),
];
/// Forms of the contract that have no word of their own.
const OTHER_ORDERS: [&str; 2] = ["incident_date", "mass asc"];

/// A parser for an order, which is given as a word or in the form of the contract.
fn order() -> impl TypedValueParser<Value = String> + use<> {
    let words = ORDERS.iter().map(|(word, form)| {
        let value = PossibleValue::new(*word);
        // `mass` is the word for the greatest first, and the contract's form for the least first.
        value.alias(*form)
    });
    let others = OTHER_ORDERS
        .iter()
        .map(|form| PossibleValue::new(*form).hide(true));
    let values: Vec<_> = words.chain(others).collect();
    PossibleValuesParser::new(values).map(|given| {
        let known = ORDERS
            .iter()
            .find(|(word, form)| *word == given || *form == given);
        match known {
            Some((_, form)) => (*form).to_owned(),
            None => given.strip_suffix(" asc").unwrap_or(&given).to_owned(),
        }
    })
}

#[cfg(test)]
impl List {
    /// Which cases it lists.
    pub fn filter(&self) -> Result<casebroker_proto::v1::CaseFilter> {
        self.filter.read()
    }
}

/// Runs the command.
pub async fn run(args: List, global: &Global, out: &mut Output) -> Result<()> {
    let filter = args.filter.read()?;
    let mut left = if args.all { u64::MAX } else { args.limit };
    let fitting = u16::try_from(left.min(1000)).unwrap_or(1000);
    let (as_of_position, as_of_time) = AsOf::fields(args.as_of);
    let view = args.view.unwrap_or_else(|| View::shown_by(out.format));
    let request = ListCasesRequest {
        filter: Some(filter),
        page_size: args.page_size.unwrap_or(fitting).into(),
        order_by: args.order_by,
        as_of_position,
        as_of_time,
        view: view.of_contract().into(),
        ..Default::default()
    };
    let client = global.connect()?;
    let mut pages = client.list_cases_by(request);
    let mut listing = Listing::new(out);
    let mut end = End::default();
    let mut progress = None;
    while let Some(page) = pages.next_page().await? {
        let take = usize::try_from(left).unwrap_or(usize::MAX);
        let (cases, beyond) = page.cases.split_at(take.min(page.cases.len()));
        left -= cases.len() as u64;
        end.take(&page);
        let bar = progress.get_or_insert_with(|| bar(args.all, page.total_size, out));
        bar.around(|| {
            listing.page(cases, &end.understood, out)?;
            out.flush()
        })?;
        bar.read(listing.written());
        if left == 0 {
            end.more = !beyond.is_empty() || !page.next_page_token.is_empty();
            break;
        }
    }
    if let Some(bar) = progress {
        bar.finish();
    }
    listing.end(&end, out)
}

/// How far a long listing is. Rows on a terminal show that by themselves, and a line that is redrawn between them would only
/// flicker.
fn bar(all: bool, total: i64, out: &Output) -> Progress {
    let hidden = io::stdout().is_terminal() && out.format == Format::Table;
    match all && !hidden {
        true => Progress::counted("cases".into(), u64::try_from(total).unwrap_or(0)),
        false => Progress::none(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        list: List,
    }

    #[test]
    fn an_order_is_a_word_or_the_contracts_own_form() {
        for (given, form) in [
            ("newest", "position desc"),
            ("oldest", "position"),
            ("position desc", "position desc"),
            ("mass", "mass desc"),
            ("mass asc", "mass"),
            ("date", "incident_date desc"),
            ("incident_date", "incident_date"),
        ] {
            let line = Line::try_parse_from(["list", "--order-by", given]).unwrap();
            assert_eq!(line.list.order_by, form, "{given}");
        }
        assert!(Line::try_parse_from(["list", "--order-by", "heaviest"]).is_err());
        // As it was called before there were more than two.
        let line = Line::try_parse_from(["list", "--order", "oldest"]).unwrap();
        assert_eq!(line.list.order_by, "position");
    }
}
