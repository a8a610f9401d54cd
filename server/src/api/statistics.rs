//! `StatisticsService`.

use std::sync::Arc;

use casebroker_proto::{
    catalogue::measures::find_measure,
    errors::Reason,
    filter::Day,
    google::r#type::Date,
    standard,
    statistics::{Background, Observed, Period, caveats, periods, rate_ratio},
    v1::{
        CaseStatus, ComputeTrendRequest, ComputeTrendResponse, CountCasesRequest,
        CountCasesResponse, Dimension, ListProjectionsRequest, ListProjectionsResponse, Obstacle,
        Projection, TrendBucket, TrendPeriod, TrendPlace, TrendSide, compute_trend_request::Around,
        statistics_service_server::StatisticsService,
    },
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use super::{
    Rooms, authorize,
    questions::{Patience, Question, When, given_up},
    record::{AccessNote, filter_text},
    status,
};
use crate::{
    policy::Method,
    projections::table::{CountError, MAX_DIMENSIONS, Reason as Why, Sums, Wanted},
};

/// Most periods on a side.
const MAX_PERIODS: i32 = 400;
/// Periods on a side if the request does not say.
const PERIODS: u32 = 12;

#[tonic::async_trait]
impl StatisticsService for Rooms {
    async fn count_cases(
        &self,
        request: Request<CountCasesRequest>,
    ) -> Result<Response<CountCasesResponse>, Status> {
        let caller = authorize(&request, Method::CountCases)?;
        let note = AccessNote::of(&request);
        let request = request.into_inner();
        note.resource(filter_text(
            "casebroker.v1.CaseFilter",
            request.filter.as_ref(),
        ));
        let dimensions = dimensions(&request)?;
        check_standard(request.standard_version)?;
        let when = When {
            min_position: request.min_position,
            position: request.as_of_position,
            time: request.as_of_time,
            page: None,
        };
        let question = self.question(&caller, request.filter, when).await?;
        if request.explain {
            check_explain(&question)?;
        }
        let (explain, amounts) = (request.explain, !request.without_amounts);
        let question = Arc::new(question);
        let asked = Arc::clone(&question);
        let mut response = self
            .answer(&caller, asked, move |rooms, question, patience| {
                let wanted = Wanted {
                    dimensions: &dimensions,
                    amounts,
                };
                let mut response = rooms.count(question, wanted, patience)?;
                if explain {
                    response.obstacles = rooms.explain(question, patience)?;
                }
                Ok(response)
            })
            .await?;
        response.understood.clone_from(&question.understood);
        response.as_of_position = question.as_of.position;
        response.tree_size = question.tree_size;
        Ok(Response::new(response))
    }

    async fn compute_trend(
        &self,
        request: Request<ComputeTrendRequest>,
    ) -> Result<Response<ComputeTrendResponse>, Status> {
        let caller = authorize(&request, Method::ComputeTrend)?;
        let note = AccessNote::of(&request);
        let request = request.into_inner();
        note.resource(filter_text(
            "casebroker.v1.CaseFilter",
            request.filter.as_ref(),
        ));
        let (date, measure) = around(request.around.as_ref())?;
        let periods = periods_of(&request, date)?;
        let when = When {
            min_position: request.min_position,
            position: request.as_of_position,
            time: request.as_of_time,
            page: None,
        };
        let question = Arc::new(self.question(&caller, request.filter, when).await?);
        let asked = Arc::clone(&question);
        let mut response = self
            .answer(&caller, asked, move |rooms, question, patience| {
                rooms.trend(question, &periods, patience)
            })
            .await?;
        response.date = Some(to_date(date));
        response.measure = measure;
        response.understood.clone_from(&question.understood);
        response.as_of_position = question.as_of.position;
        response.tree_size = question.tree_size;
        Ok(Response::new(response))
    }

    async fn list_projections(
        &self,
        request: Request<ListProjectionsRequest>,
    ) -> Result<Response<ListProjectionsResponse>, Status> {
        authorize(&request, Method::ListProjections)?;
        Ok(Response::new(ListProjectionsResponse {
            projections: vec![
                Projection {
                    name: "table".into(),
                    as_of_position: self.table.position(),
                    rebuilding: self.table.position() < self.table.start_position(),
                },
                Projection {
                    name: "text".into(),
                    as_of_position: self.text.position(),
                    rebuilding: self.text.rebuilding(),
                },
            ],
            tree_size: self.log.newest().size,
        }))
    }
}

impl Rooms {
    fn count(
        &self,
        question: &Question,
        wanted: Wanted,
        patience: &Patience,
    ) -> Result<CountCasesResponse, Status> {
        let (rows, plan) = (self.table.rows(), question.plan(self, patience)?);
        let counted = rows.count_cases(&plan, question.as_of, wanted, &|| patience.is_over());
        let counted = counted.map_err(|error| match error {
            CountError::GivenUp(_) => given_up(),
            CountError::TooManyGroups => {
                status::refuse(Reason::TooManyGroups, &format!("group_by: {error}"))
            }
        })?;
        let groups = counted.groups.into_iter();
        Ok(CountCasesResponse {
            groups: groups
                .map(|(values, group)| group.to_count(values))
                .collect(),
            total: Some(counted.total.to_count(Vec::new())),
            groups_are_disjoint: counted.disjoint,
            standard_version: standard::NEWEST,
            ..CountCasesResponse::default()
        })
    }

    fn explain(&self, question: &Question, patience: &Patience) -> Result<Vec<Obstacle>, Status> {
        let mut without = question.selection.clone();
        let mut statuses = std::mem::take(&mut without.statuses);
        if statuses.is_empty() {
            statuses = vec![
                CaseStatus::Reported,
                CaseStatus::Confirmed,
                CaseStatus::Attributed,
            ];
        }
        let plan = question.plan_of(self, &without, patience)?;
        let rows = self.table.rows();
        let reasons = rows.explain(&plan, question.as_of, &statuses, &|| patience.is_over());
        let reasons = reasons.map_err(|_| given_up())?;
        let then = self.cases.at(question.as_of.position);
        let obstacle = |why: Why| {
            let mut examples = Vec::new();
            for first in &why.examples {
                examples.extend(then.name_beginning(&question.viewer, *first)?);
            }
            Ok(Obstacle {
                reason: why.hindrance.as_str().to_owned(),
                message: why.hindrance.sentence(),
                cases: i64::try_from(why.cases).unwrap_or(i64::MAX),
                examples: examples.iter().map(ToString::to_string).collect(),
            })
        };
        reasons.into_iter().map(obstacle).collect()
    }

    fn trend(
        &self,
        question: &Question,
        periods: &[Period],
        patience: &Patience,
    ) -> Result<ComputeTrendResponse, Status> {
        let (rows, plan) = (self.table.rows(), question.plan(self, patience)?);
        let trend = rows.trend(&plan, question.as_of, periods, &|| patience.is_over());
        let trend = trend.map_err(|_| given_up())?;
        let answered = self.day_of(question)?;
        let background = Background {
            periods,
            before: to_i64(trend.before.incidents()),
            after: to_i64(trend.after.incidents()),
            undated: to_i64(trend.undated),
            not_counted: to_i64(trend.not_counted),
            answered,
        };
        let exposure = |place| Exposure::of(periods, place, answered);
        let (before, after) = (exposure(TrendPlace::Before), exposure(TrendPlace::After));
        let buckets = periods.iter().zip(&trend.periods);
        Ok(ComputeTrendResponse {
            buckets: buckets
                .map(|(period, sums)| TrendBucket {
                    start_date: Some(to_date(period.first)),
                    end_date: Some(to_date(period.last)),
                    place: period.place.into(),
                    counted: Some(sums.to_tally()),
                    elapsed_days: to_i32(period.elapsed_days(answered)),
                    unfinished: period.last > answered,
                })
                .collect(),
            before: Some(before.side(&trend.before)),
            after: Some(after.side(&trend.after)),
            ratio: rate_ratio(before.observed(&trend.before), after.observed(&trend.after)),
            answer_date: Some(to_date(answered)),
            undated_cases: to_i64(trend.undated),
            caveats: caveats(&background),
            standard_version: standard::NEWEST,
            ..ComputeTrendResponse::default()
        })
    }

    /// The day that an answer is of: of the last entry that it takes account of.
    fn day_of(&self, question: &Question) -> Result<Day, Status> {
        let time = match question.as_of.asked {
            true => self.cases.time_before(question.as_of.position)?,
            false => OffsetDateTime::now_utc(),
        };
        let month = i32::from(u8::from(time.month()));
        Ok(Day::new(time.year(), month, time.day().into()))
    }
}

fn dimensions(request: &CountCasesRequest) -> Result<Vec<Dimension>, Status> {
    if request.group_by.len() > MAX_DIMENSIONS {
        let problem = format!(
            "has {} dimensions; at most {MAX_DIMENSIONS} are counted at a time",
            request.group_by.len()
        );
        return Err(status::invalid_field("group_by", problem));
    }
    let mut dimensions = Vec::new();
    for (n, number) in request.group_by.iter().enumerate() {
        let field = format!("group_by[{n}]");
        let known = Dimension::try_from(*number).ok();
        let dimension = known.filter(|dimension| *dimension != Dimension::Unspecified);
        let Some(dimension) = dimension else {
            let problem = format!("is {number}, which is no dimension");
            return Err(status::invalid_field(&field, problem));
        };
        if dimensions.contains(&dimension) {
            return Err(status::invalid_field(&field, "is there twice"));
        }
        dimensions.push(dimension);
    }
    Ok(dimensions)
}

fn check_standard(version: i32) -> Result<(), Status> {
    if version == 0 || version == standard::NEWEST {
        return Ok(());
    }
    let problem = standard::UnknownVersion(version);
    Err(status::invalid_field("standard_version", problem))
}

/// What is merely reported is kept from nothing; why others are more than that is no reason.
fn check_explain(question: &Question) -> Result<(), Status> {
    let statuses = &question.selection.statuses;
    let has = |status| statuses.contains(&status);
    if has(CaseStatus::Reported) && !has(CaseStatus::Attributed) {
        let problem = "needs a filter whose statuses include ATTRIBUTED or CONFIRMED, or are empty";
        return Err(status::invalid_field("explain", problem));
    }
    Ok(())
}

/// The date that a trend is around, and the measure that it is of.
fn around(around: Option<&Around>) -> Result<(Day, String), Status> {
    match around {
        Some(Around::Date(date)) => {
            let Date { year, month, day } = *date;
            Ok((Day::new(year, month, day), String::new()))
        }
        Some(Around::Measure(id)) => {
            let found = find_measure(id).map_err(|e| status::invalid_field("measure", e))?;
            let Some(date) = found.effective_date().filter(|date| date.day > 0) else {
                let problem = format!(
                    "`{}` has no known day since when it was in force; give a date",
                    found.id
                );
                return Err(status::invalid_field("measure", problem));
            };
            let Date { year, month, day } = date;
            Ok((Day::new(year, month, day), found.id.clone()))
        }
        None => Err(status::invalid_field("date", "or `measure` is required")),
    }
}

fn periods_of(request: &ComputeTrendRequest, date: Day) -> Result<Vec<Period>, Status> {
    let period = match TrendPeriod::try_from(request.period) {
        Ok(TrendPeriod::Unspecified) => TrendPeriod::Month,
        Ok(period) => period,
        Err(_) => {
            let problem = format!("is {}, which is no period", request.period);
            return Err(status::invalid_field("period", problem));
        }
    };
    let number = |field: &str, number: i32| match number {
        0 => Ok(PERIODS),
        1..=MAX_PERIODS => Ok(u32::try_from(number).unwrap_or(PERIODS)),
        _ => Err(status::invalid_field(
            field,
            format!("is {number}; must be 0 to {MAX_PERIODS}"),
        )),
    };
    let before = number("periods_before", request.periods_before)?;
    let after = number("periods_after", request.periods_after)?;
    periods(date, period, before, after).map_err(|e| status::invalid_field("date", e))
}

/// The time in which the incidents of one side could happen.
#[derive(Debug, Clone, Copy, Default)]
struct Exposure {
    periods: u64,
    /// Days that had elapsed.
    days: u64,
    /// Periods that had elapsed; an unfinished one by the share of its days.
    elapsed_periods: f64,
}

impl Exposure {
    fn of(periods: &[Period], place: TrendPlace, answered: Day) -> Self {
        let of_side = periods.iter().filter(|period| period.place == place);
        of_side.fold(Self::default(), |sum, period| {
            let (days, elapsed) = (period.days(), period.elapsed_days(answered));
            Self {
                periods: sum.periods + 1,
                days: sum.days + elapsed,
                elapsed_periods: sum.elapsed_periods + elapsed as f64 / days.max(1) as f64,
            }
        })
    }

    fn observed(self, sums: &Sums) -> Observed {
        Observed {
            events: sums.incidents(),
            days: self.days,
        }
    }

    fn side(self, sums: &Sums) -> TrendSide {
        TrendSide {
            periods: to_i32(self.periods),
            counted: Some(sums.to_tally()),
            mean: match self.days {
                0 => 0.0,
                _ => sums.incidents() as f64 / self.elapsed_periods,
            },
            elapsed_days: to_i64(self.days),
        }
    }
}

fn to_date(day: Day) -> Date {
    let part = |value: u32| i32::try_from(value).unwrap_or(0);
    Date {
        year: part(day.year()),
        month: part(day.month()),
        day: part(day.day()),
    }
}

fn to_i32(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
