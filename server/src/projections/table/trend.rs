//! Trends: what counts in each period of the calendar around a date.

use casebroker_proto::{
    filter::Day,
    statistics::{Located, Period, locate},
    v1::TrendPlace,
};

use super::{
    chunk::Word,
    plan::{AsOf, GivenUp, Plan, Standing},
    rows::Rows,
    tally::Sums,
};

/// What was counted around a date.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    /// Of each period.
    pub periods: Vec<Sums>,
    /// Of the periods before the date, each case and incident once.
    pub before: Sums,
    /// Of those after it.
    pub after: Sums,
    /// Cases that would count, were their dates exact enough for a period.
    pub undated: u64,
    /// Cases within the periods that are disputed, contested or retracted.
    pub not_counted: u64,
}

impl Rows {
    /// Counts what a plan selects in each period, oldest first.
    pub fn trend(
        &self,
        plan: &Plan,
        as_of: AsOf,
        periods: &[Period],
        given_up: &dyn Fn() -> bool,
    ) -> Result<Trend, GivenUp> {
        let mut trend = Trend {
            periods: vec![Sums::default(); periods.len()],
            ..Trend::default()
        };
        self.scan(plan, as_of, given_up, |chunk, items, mask| {
            for at in mask.rows() {
                let counts = Standing::of(chunk, at) == Standing::Counted;
                let index = match locate(periods, Day(chunk.word(Word::Day, at))) {
                    Located::In(index) => index,
                    Located::Outside => continue,
                    Located::Inexact => {
                        trend.undated += u64::from(counts);
                        continue;
                    }
                };
                if !counts {
                    trend.not_counted += 1;
                    continue;
                }
                let place = periods.get(index).map(|period| period.place);
                let side = match place {
                    Some(TrendPlace::Before) => Some(&mut trend.before),
                    Some(TrendPlace::After) => Some(&mut trend.after),
                    _ => None,
                };
                for sums in trend.periods.get_mut(index).into_iter().chain(side) {
                    sums.add_row(plan, chunk, at, items);
                }
            }
            Ok(())
        })?;
        Ok(trend)
    }
}
