//! `casectl count`: how many cases, incidents and goods, and why others do not count.

mod amounts;
mod explain;
mod groups;

use casebroker_client::ClientError;
use casebroker_proto::{
    json,
    v1::{CaseFilter, CountCasesRequest, CountCasesResponse, Dimension},
};
use clap::Args;

use crate::{
    Global,
    choice::choice,
    failure::{Failure, Result},
    filter::{FilterArgs, understood},
    moment::{AsOf, parse_as_of},
    output::{FAINT, Format, Output},
    words,
};

pub use amounts::{Goods, goods_of, shown as shown_amount};

/// Count cases, incidents and goods; with --explain also why other cases do not count.
#[derive(Debug, Args)]
#[command(after_help = "\
A case counts if it is neither retracted, nor disputed, nor contested; those stand apart. Incidents are cases that their owners
agree are one, counted once, and so are their goods: those of the owner who seized, else those with a laboratory's net weight, else
the larger amount; what was reported stands beside it. Masses are of the goods as seized. The position in the answer gets the same number again, later too:
--as-of POSITION.

Examples:
  casectl count --status attributed --origin China
  casectl count --status attributed --origin China --explain
  casectl count --by origin,year --class fentanyl,fentanyl-analogue
  casectl count --by status --filter fentanyl.toml
  casectl count --origin CN --as-of 2026-06-30
  casectl -o csv count --by origin,month,substance > counts.csv")]
pub struct Count {
    /// Count by these, at most 3: origin, year, class and so on
    #[arg(long = "by", value_name = "DIMENSION,...", value_delimiter = ',', value_parser = choice("casebroker.v1.Dimension"))]
    by: Vec<i32>,
    /// Say why the other cases that the filter selects, whatever their status, do not count
    #[arg(long)]
    explain: bool,
    /// Cases and incidents alone, without amounts of goods: with many groups the answer comes several times sooner
    #[arg(long)]
    without_amounts: bool,
    /// As the record stood before this position of the log, or at this date or time
    #[arg(long, value_name = "POSITION|TIME", value_parser = parse_as_of)]
    as_of: Option<AsOf>,
    /// Version of the confirmation standard to judge by [default: the newest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    standard_version: Option<i32>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// What a count was asked with: an answer alone does not say what its groups are.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Which broker, as whom.
    pub global: &'a Global,
    /// Which cases.
    pub filter: &'a CaseFilter,
    /// By what.
    pub by: &'a [Dimension],
    /// Whether an earlier record was asked for.
    pub is_past: bool,
}

/// Runs the command.
pub async fn run(args: Count, global: &Global, out: &mut Output) -> Result<()> {
    if args.by.len() > 3 {
        return Err(Failure::usage(
            format!(
                "--by names {} dimensions, and a count has at most 3",
                args.by.len()
            ),
            "Leave some out, or narrow the filter and count several times.",
        ));
    }
    if args.explain && !args.by.is_empty() && out.format == Format::Csv {
        return Err(Failure::usage(
            "CSV is one table: of the groups or of the reasons",
            "Leave --by or --explain out.",
        ));
    }
    let filter = args.filter.read()?;
    let by: Vec<_> = args
        .by
        .iter()
        .filter_map(|n| Dimension::try_from(*n).ok())
        .collect();
    let (as_of_position, as_of_time) = AsOf::fields(args.as_of);
    let request = CountCasesRequest {
        filter: Some(filter.clone()),
        group_by: args.by.clone(),
        min_position: 0,
        as_of_position,
        as_of_time,
        explain: args.explain,
        standard_version: args.standard_version.unwrap_or_default(),
        without_amounts: args.without_amounts,
    };
    let answer = global.connect()?.count_cases(request).await?;
    let asked = Asked {
        global,
        filter: &filter,
        by: &by,
        is_past: args.as_of.is_some(),
    };
    show(&asked, args.explain, &answer, out)?;
    if args.without_amounts {
        out.note("casectl: amounts of goods were not asked for");
    }
    Ok(())
}

fn show(asked: &Asked, explain: bool, answer: &CountCasesResponse, out: &mut Output) -> Result<()> {
    match out.format {
        Format::Json | Format::Jsonl => {
            let value = json::to_value("casebroker.v1.CountCasesResponse", answer);
            return out.document(&value.map_err(ClientError::from)?);
        }
        Format::Csv if explain => return explain::csv(answer, out),
        Format::Csv => return groups::csv(asked, answer, out),
        Format::Table => {}
    }
    for line in understood(&answer.understood, out.width) {
        let line = out.paint(FAINT, line);
        out.line(line)?;
    }
    groups::table(asked, answer, out)?;
    if explain {
        explain::table(asked, answer, out)?;
    }
    let line = out.paint(
        FAINT,
        stood(
            answer.as_of_position,
            answer.tree_size,
            answer.standard_version,
        ),
    );
    out.line(line)
}

/// What an answer is of: `as of position 12345 of 12345, standard version 1`.
pub fn stood(as_of: u64, tree_size: u64, standard_version: i32) -> String {
    format!("as of position {as_of} of {tree_size}, standard version {standard_version}")
}

/// The word of a dimension.
fn dimension(by: Dimension) -> String {
    words::plain(by.as_str_name(), Dimension::default().as_str_name()).replace(' ', "-")
}

#[cfg(test)]
mod tests;
