//! What a reader has to know before quoting a trend, in sentences.

use super::Period;
use crate::{filter::Day, v1::TrendPlace};

/// Below so many incidents on a side a ratio says little.
const FEW: i64 = 10;

/// What the sentences are made from.
#[derive(Debug, Clone, Copy)]
pub struct Background<'a> {
    /// All periods, oldest first.
    pub periods: &'a [Period],
    /// Incidents of the periods before the date.
    pub before: i64,
    /// Incidents of the periods after it.
    pub after: i64,
    /// Cases that are dated too inexactly to be in a period.
    pub undated: i64,
    /// Cases within the periods that were disputed, contested or retracted, and so are in no number.
    pub not_counted: i64,
    /// Day of the answer: of the time that it is as of.
    pub answered: Day,
}

/// The sentences, those about these numbers first.
pub fn caveats(of: &Background<'_>) -> Vec<String> {
    let own = [
        few(of),
        split(of),
        unfinished(of),
        undated(of),
        left_out(of),
    ];
    let always = [
        "The interval takes incidents to be independent of one another; where they come in clusters, it is too narrow.",
        "The numbers are of what agencies recorded here and let the caller see, and not of everything that was seized; agencies that joined, or reported more, change them too.",
        "Every other date, filter or length of period that was tried is one more chance to find a difference by accident; tell how many there were.",
        "A ratio does not show a cause.",
    ];
    let own = own.into_iter().flatten();
    own.chain(always.map(String::from)).collect()
}

fn few(of: &Background<'_>) -> Option<String> {
    for (place, side) in [(TrendPlace::Before, "before"), (TrendPlace::After, "after")] {
        let mut periods = of.periods.iter().filter(|period| period.place == place);
        if periods.clone().next().is_some()
            && periods.all(|period| period.elapsed_days(of.answered) == 0)
        {
            return Some(format!(
                "No day {side} the date had elapsed on {}, so there is no ratio.",
                shown(of.answered)
            ));
        }
    }
    if of.before == 0 {
        return Some(format!(
            "There are no incidents before the date and {} after it, so there is no ratio.",
            of.after
        ));
    }
    (of.before < FEW || of.after < FEW).then(|| {
        format!(
            "There are few incidents, {} before the date and {} after it: with fewer than {FEW} on a side the ratio says little.",
            of.before, of.after
        )
    })
}

fn split(of: &Background<'_>) -> Option<String> {
    let mut periods = of.periods.iter();
    let split = periods.find(|period| period.place == TrendPlace::Unspecified)?;
    Some(format!(
        "The date lies within the period from {} to {}, which belongs to neither side.",
        shown(split.first),
        shown(split.last)
    ))
}

/// Periods of which a day lies after the day of the answer.
fn unfinished(of: &Background<'_>) -> Option<String> {
    let mut unfinished = of.periods.iter().filter(|p| p.last > of.answered);
    let first = unfinished.next()?;
    let answered = shown(of.answered);
    Some(match unfinished.count() {
        0 => format!(
            "The period from {} to {} was not over on {answered}: the ratio takes its elapsed days alone.",
            shown(first.first),
            shown(first.last)
        ),
        more => format!(
            "The last {} periods, from {} on, were not over on {answered}: the ratio takes their elapsed days alone.",
            more + 1,
            shown(first.first)
        ),
    })
}

fn undated(of: &Background<'_>) -> Option<String> {
    Some(match of.undated {
        ..=0 => return None,
        1 => "One case is not dated exactly enough for a period and is in no number.".to_owned(),
        many => {
            format!("{many} cases are not dated exactly enough for a period and are in no number.")
        }
    })
}

fn left_out(of: &Background<'_>) -> Option<String> {
    Some(match of.not_counted {
        ..=0 => return None,
        1 => "One case in these periods is retracted, disputed or contested and is in no number."
            .to_owned(),
        many => format!(
            "{many} cases in these periods are retracted, disputed or contested and are in no number."
        ),
    })
}

fn shown(day: Day) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{statistics::periods, v1::TrendPeriod};

    const ALWAYS: usize = 4;

    fn own(change: impl FnOnce(&mut Background<'_>)) -> Vec<String> {
        own_of(Day::new(2017, 3, 1), change)
    }

    /// What is said of one trend and not of all.
    fn own_of(around: Day, change: impl FnOnce(&mut Background<'_>)) -> Vec<String> {
        let periods = periods(around, TrendPeriod::Month, 12, 12).unwrap();
        let mut of = Background {
            periods: &periods,
            before: 10,
            after: 10,
            undated: 0,
            not_counted: 0,
            answered: Day::new(2018, 4, 1),
        };
        change(&mut of);
        let mut all = caveats(&of);
        assert!(all.iter().all(|sentence| sentence.ends_with('.')));
        all.truncate(all.len() - ALWAYS);
        all
    }

    #[test]
    fn what_always_holds_is_always_said_and_nothing_else_of_a_plain_trend() {
        assert!(own(|_| {}).is_empty());
        let periods = [];
        let of = Background {
            periods: &periods,
            before: 10,
            after: 10,
            undated: 0,
            not_counted: 0,
            answered: Day::new(2018, 3, 1),
        };
        assert_eq!(caveats(&of).len(), ALWAYS);
        assert!(caveats(&of).contains(&"A ratio does not show a cause.".to_owned()));
    }

    #[test]
    fn few_incidents_on_either_side_are_told() {
        let few = |before, after| {
            format!(
                "There are few incidents, {before} before the date and {after} after it: with fewer than 10 on a side the ratio says little."
            )
        };
        for (before, after) in [(9, 10), (10, 9), (1, 0)] {
            let told = own(|of| (of.before, of.after) = (before, after));
            assert_eq!(told, [few(before, after)]);
        }
        let told = own(|of| of.before = 0);
        assert_eq!(
            told,
            ["There are no incidents before the date and 10 after it, so there is no ratio."]
        );
    }

    #[test]
    fn the_period_that_holds_the_date_is_told() {
        let told = own_of(Day::new(2017, 3, 2), |_| {});
        assert_eq!(
            told,
            [
                "The date lies within the period from 2017-03-01 to 2017-03-31, which belongs to neither side."
            ]
        );
    }

    #[test]
    fn periods_that_were_not_over_are_told() {
        let told = |month, day| own(|of| of.answered = Day::new(2018, month, day));
        assert!(told(2, 28).is_empty());
        assert_eq!(
            told(2, 27),
            [
                "The period from 2018-02-01 to 2018-02-28 was not over on 2018-02-27: the ratio takes its elapsed days alone."
            ]
        );
        assert_eq!(
            told(1, 30),
            [
                "The last 2 periods, from 2018-01-01 on, were not over on 2018-01-30: the ratio takes their elapsed days alone."
            ]
        );
        let future = own(|of| (of.answered, of.after) = (Day::new(2017, 2, 28), 0));
        assert_eq!(
            future,
            [
                "No day after the date had elapsed on 2017-02-28, so there is no ratio.",
                "The last 12 periods, from 2017-03-01 on, were not over on 2017-02-28: the ratio takes their elapsed days alone."
            ]
        );
    }

    #[test]
    fn cases_in_no_number_are_told() {
        let told = own(|of| (of.undated, of.not_counted) = (1, 2));
        assert_eq!(
            told,
            [
                "One case is not dated exactly enough for a period and is in no number.",
                "2 cases in these periods are retracted, disputed or contested and are in no number.",
            ]
        );
        let told = own(|of| (of.undated, of.not_counted) = (2, 1));
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("2 cases are not") && told[1].starts_with("One case in these"));
    }
}
