//! `casectl trend`: how many before and after a date or a control measure.

mod chart;
mod page;
mod plot;
mod sheet;

use std::path::PathBuf;

use casebroker_client::ClientError;
use casebroker_proto::{
    catalogue::measures::find_measure,
    google::r#type::Date,
    json,
    v1::{ComputeTrendRequest, ComputeTrendResponse, TrendPeriod, compute_trend_request},
};
use clap::Args;

use crate::{
    Global,
    choice::choice,
    failure::{Failure, Result},
    filter::{FilterArgs, parse_day, parse_text},
    moment::{AsOf, parse_as_of},
    output::{Format, Output},
    submit::replace_file,
    words,
};

/// Compare how many incidents there were before and after a date or a control measure.
#[derive(Debug, Args)]
#[command(after_help = "\
Periods are counted by incident date; what is disputed, contested or retracted is left out. The ratio is of incidents a day, after to
before, with its exact 95 % interval; it divides by the days that had elapsed, so unfinished periods do not lower it. Read the caveats
before quoting it: a trend says nothing of why.

Examples:
  casectl trend --around carfentanil-cn-2017 --substance carfentanil --origin CN
  casectl trend --around 2019-05-01 --class fentanyl,fentanyl-analogue --period quarter --before 8 --after 8
  casectl trend --around fentanyl-related-cn-2019 --status confirmed --plot trend.svg --title '芬太尼类物质'
  casectl -o csv trend --around 2017-03-01 --substance carfentanil > trend.csv
  casectl catalogue carfentanil            names the measures under which it is controlled")]
pub struct Trend {
    /// The date, YYYY-MM-DD, or the id of a control measure
    #[arg(long, value_name = "DATE|MEASURE", value_parser = parse_around)]
    around: Around,
    /// Length of a period: month, week, quarter, year
    #[arg(long, value_name = "PERIOD", default_value = "month", hide_possible_values = true, value_parser = choice("casebroker.v1.TrendPeriod"))]
    period: i32,
    /// Whole periods before the date
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=400))]
    before: i32,
    /// Whole periods after the date
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=400))]
    after: i32,
    /// As the record stood before this position of the log, or at this date or time
    #[arg(long, value_name = "POSITION|TIME", value_parser = parse_as_of)]
    as_of: Option<AsOf>,
    /// Write a drawing for a meeting into this file, SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Title of the drawing [default: what the date is]
    #[arg(long, value_name = "TEXT", requires = "plot", value_parser = parse_text)]
    title: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// The date to compare before and after.
#[derive(Debug, Clone, PartialEq)]
enum Around {
    Date(Date),
    Measure(String),
}

fn parse_around(text: &str) -> std::result::Result<Around, String> {
    let text = parse_text(text)?;
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        // Which measures there are is the broker's to say: its catalogue may be newer.
        return Ok(Around::Measure(text));
    }
    match parse_day(&text)? {
        Date { day: 0, .. } => Err(format!("`{text}` has no day; write YYYY-MM-DD")),
        date => Ok(Around::Date(date)),
    }
}

/// What a trend was asked with and is of.
#[derive(Debug)]
struct Shown<'a> {
    answer: &'a ComputeTrendResponse,
    period: TrendPeriod,
}

/// Runs the command.
pub async fn run(args: Trend, global: &Global, out: &mut Output) -> Result<()> {
    let is_svg = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("svg"))
    };
    if args.plot.as_ref().is_some_and(|path| !is_svg(path)) {
        return Err(Failure::usage(
            "--plot draws SVG only",
            "Give the file a name that ends in .svg.",
        ));
    }
    let (as_of_position, as_of_time) = AsOf::fields(args.as_of);
    let request = ComputeTrendRequest {
        filter: Some(args.filter.read()?),
        period: args.period,
        around: Some(match args.around {
            Around::Date(date) => compute_trend_request::Around::Date(date),
            Around::Measure(id) => compute_trend_request::Around::Measure(id),
        }),
        periods_before: args.before,
        periods_after: args.after,
        min_position: 0,
        as_of_position,
        as_of_time,
    };
    let answer = global.connect()?.compute_trend(request).await?;
    let shown = Shown {
        answer: &answer,
        period: TrendPeriod::try_from(args.period).unwrap_or_default(),
    };
    if let Some(path) = &args.plot {
        replace_file(path, &plot::svg(&shown, args.title.as_deref())?)?;
    }
    match out.format {
        Format::Json | Format::Jsonl => {
            let value = json::to_value("casebroker.v1.ComputeTrendResponse", &answer);
            out.document(&value.map_err(ClientError::from)?)?;
        }
        Format::Csv => sheet::csv(&answer, out)?,
        Format::Table => page::print(&shown, chart::is_utf8(), out)?,
    }
    if let Some(path) = &args.plot {
        out.note(format_args!("drawn: {}", path.display()));
    }
    Ok(())
}

impl Shown<'_> {
    /// `month`.
    fn period(&self) -> &'static str {
        match self.period {
            TrendPeriod::Week => "week",
            TrendPeriod::Month | TrendPeriod::Unspecified => "month",
            TrendPeriod::Quarter => "quarter",
            TrendPeriod::Year => "year",
        }
    }

    /// A period by its first day: `2017-03`, `2017-Q1`, `2017`, and a week by its Monday.
    fn label(&self, start: Option<&Date>) -> String {
        let date = start.copied().unwrap_or_default();
        match self.period {
            TrendPeriod::Week => words::date(Some(&date)),
            TrendPeriod::Month | TrendPeriod::Unspecified => {
                words::date(Some(&Date { day: 0, ..date }))
            }
            TrendPeriod::Quarter => {
                format!("{:04}-Q{}", date.year, (date.month - 1).max(0) / 3 + 1)
            }
            TrendPeriod::Year => format!("{:04}", date.year),
        }
    }

    /// `2017-03-01 carfentanil-cn-2017`.
    fn around(&self) -> String {
        let date = words::date(self.answer.date.as_ref());
        match self.answer.measure.as_str() {
            "" => date,
            measure => format!("{date} {measure}"),
        }
    }

    /// What the measure is, if one was named and the catalogue here knows it.
    fn measure(&self) -> Option<&'static str> {
        find_measure(&self.answer.measure)
            .ok()
            .map(|m| m.title.as_str())
    }

    /// `0.36 (95 % interval 0.28 to 0.47)`.
    fn ratio(&self) -> String {
        let Some(ratio) = &self.answer.ratio else {
            let before = self
                .answer
                .before
                .as_ref()
                .and_then(|side| side.counted.as_ref());
            let why = match before.map_or(0, |tally| tally.incidents) {
                0 => "there is no incident before",
                _ => "no day of a side had elapsed",
            };
            return format!("none, as {why}");
        };
        let interval = match ratio.high {
            Some(high) => format!("{} to {}", figures(ratio.low), figures(high)),
            None => format!("{} and more", figures(ratio.low)),
        };
        format!("{} (95 % interval {interval})", figures(ratio.ratio))
    }
}

/// Two decimals, or three figures of what is smaller than that shows.
fn figures(value: f64) -> String {
    match value {
        v if v == 0.0 || v >= 0.1 => format!("{v:.2}"),
        v if v >= 0.01 => format!("{v:.3}"),
        v if v >= 0.000_1 => format!("{v:.5}"),
        v => format!("{v:.1e}"),
    }
}

#[cfg(test)]
mod tests;
