//! Puts a question to the broker, and holds the answer against the plain one.

use std::collections::{BTreeMap, BTreeSet};

use casebroker_proto::{
    errors::Reason,
    google::r#type::Date,
    v1::{
        Case, CaseCount, CaseFilter, ComputeTrendRequest, CountCasesRequest, CountCasesResponse,
        Dimension, FilterTerm, ListCasesRequest, compute_trend_request::Around,
        statistics_service_client::StatisticsServiceClient,
    },
};
use casebroker_tests::{Caller, caller::fields, refused};
use prost_types::Timestamp;
use tonic::Status;

use crate::{
    draw::Ask,
    naive::{self, Count, STANDINGS, Sum},
    periods,
    record::Snapshot,
};

/// A longer listing is walked to its end only sometimes.
const LONG: usize = 200;

/// Lines that are shown of a difference, before and after it begins.
const BEFORE: usize = 30;
/// See [`BEFORE`].
const AFTER: usize = 15;

/// A question.
#[derive(Debug)]
pub struct Question {
    /// Agency and role of who asks.
    pub by: (&'static str, &'static str),
    /// As of when.
    pub as_of: AsOf,
    /// What is asked.
    pub ask: Ask,
    /// Of which cases.
    pub filter: CaseFilter,
    /// Whether to walk a listing to its end, however long it is.
    pub whole: bool,
}

/// As of when.
#[derive(Debug, Clone, Copy)]
pub enum AsOf {
    /// Now.
    Now,
    /// When the log ended before a position.
    Position(u64),
    /// At a time: with the position that it comes to.
    Time(Timestamp, u64),
}

impl AsOf {
    /// The position, if the log ends before `end` now.
    pub fn position(self, end: u64) -> u64 {
        match self {
            Self::Now => end,
            Self::Position(position) | Self::Time(_, position) => position,
        }
    }

    fn asked(self) -> (u64, Option<Timestamp>) {
        match self {
            Self::Now => (0, None),
            Self::Position(position) => (position, None),
            Self::Time(time, _) => (0, Some(time)),
        }
    }
}

/// What an answer was like, or how it differs.
type Outcome = Result<BTreeSet<&'static str>, String>;

/// Puts a question; answers what its answer was like, or how it differs from the plain one.
pub async fn put(caller: Caller, question: &Question, seen: &Snapshot, end: u64) -> Outcome {
    let mut told = BTreeSet::new();
    if !matches!(question.as_of, AsOf::Now) {
        told.insert("earlier");
    }
    let refused = naive::is_refused(&question.filter, seen);
    let selected = match &question.ask {
        Ask::List { order, page_size } => {
            list(&caller, question, seen, end, order, *page_size).await
        }
        Ask::Count { by, explain } => count(&caller, question, seen, end, by, *explain).await,
        Ask::Trend { .. } => trend(&caller, question, seen, end).await,
    };
    match (selected, refused) {
        (Err(Differs::Refused(status)), true) => {
            refused_filter(status);
            told.insert("refused");
        }
        (Err(Differs::Refused(status)), false) => return Err(format!("refused: {status:?}")),
        (Ok(_), true) => return Err("not refused".into()),
        (Err(Differs::Answer(difference)), false | true) => return Err(difference),
        (Ok(found), false) => told.extend(found),
    }
    Ok(told)
}

/// How an answer is not the plain one.
enum Differs {
    Refused(Status),
    Answer(String),
}

impl From<Status> for Differs {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<String> for Differs {
    fn from(difference: String) -> Self {
        Self::Answer(difference)
    }
}

/// A refusal of values that no case here has.
fn refused_filter(status: Status) {
    let details = refused::<()>(Err(status), Reason::InvalidFields);
    for field in fields(&details) {
        let values =
            field.starts_with("filter.reporting_units[") || field.starts_with("filter.substances[");
        assert!(values, "{field}");
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, said: T, plain: T) -> Result<(), String> {
    if said == plain {
        return Ok(());
    }
    // Both in full are too long to be read: from a little before where they part.
    let (said, plain) = (format!("{said:#?}"), format!("{plain:#?}"));
    let parts = said
        .lines()
        .zip(plain.lines())
        .take_while(|(a, b)| a == b)
        .count();
    let shown = |text: &str| {
        let lines = text
            .lines()
            .skip(parts.saturating_sub(BEFORE))
            .take(BEFORE + AFTER);
        lines.collect::<Vec<_>>().join("\n")
    };
    Err(format!(
        "{what}\nthe broker:\n{}\nthe plain one:\n{}",
        shown(&said),
        shown(&plain)
    ))
}

/// Position, tree size and the filter's fields.
fn frame(
    question: &Question,
    end: u64,
    as_of: u64,
    tree_size: u64,
    understood: &[FilterTerm],
) -> Result<(), String> {
    same("as of", as_of, question.as_of.position(end))?;
    same("tree size", tree_size, end)?;
    let set = casebroker_proto::json::set_fields("casebroker.v1.CaseFilter", &question.filter);
    let said = understood.iter().map(|term| term.field.clone()).collect();
    same("fields understood", said, set.unwrap())
}

async fn list(
    caller: &Caller,
    question: &Question,
    seen: &Snapshot,
    end: u64,
    order: &str,
    page_size: i32,
) -> Result<Vec<&'static str>, Differs> {
    let plain = naive::list(&question.filter, order, seen);
    let (as_of_position, as_of_time) = question.as_of.asked();
    let mut request = ListCasesRequest {
        filter: Some(question.filter.clone()),
        page_size: match plain.len() > 50 * page_size as usize {
            true => 1_000,
            false => page_size,
        },
        order_by: order.to_owned(),
        min_position: end,
        as_of_position,
        as_of_time,
        ..ListCasesRequest::default()
    };
    let mut listed: Vec<Case> = Vec::new();
    loop {
        let page = caller.page(&request).await?;
        frame(
            question,
            end,
            page.as_of_position,
            page.tree_size,
            &page.understood,
        )?;
        same("total size", page.total_size, plain.len() as i64)?;
        listed.extend(page.cases);
        let long = plain.len() > LONG && !question.whole;
        if page.next_page_token.is_empty() || long && !listed.is_empty() {
            if page.next_page_token.is_empty() {
                same("cases in all", listed.len(), plain.len())?;
            }
            break;
        }
        request.page_token = page.next_page_token;
    }
    let name = |case: &Case| case.name.clone();
    let plain_names: Vec<_> = plain
        .iter()
        .take(listed.len())
        .map(|f| name(&f.case))
        .collect();
    same("cases", listed.iter().map(name).collect(), plain_names)?;
    for (case, plain) in listed.into_iter().zip(&plain) {
        same(
            "a case",
            without_others(case),
            without_others(plain.case.clone()),
        )?;
    }
    let some = (!plain.is_empty()).then_some("selects some");
    Ok(some.into_iter().collect())
}

/// A case without what is read from other cases.
fn without_others(case: Case) -> Case {
    Case {
        same_incident_cases: Vec::new(),
        ..case
    }
}

async fn count(
    caller: &Caller,
    question: &Question,
    seen: &Snapshot,
    end: u64,
    by: &[Dimension],
    explain: bool,
) -> Result<Vec<&'static str>, Differs> {
    let (as_of_position, as_of_time) = question.as_of.asked();
    let request = CountCasesRequest {
        filter: Some(question.filter.clone()),
        group_by: by.iter().map(|by| (*by).into()).collect(),
        min_position: end,
        as_of_position,
        as_of_time,
        explain,
        standard_version: 0,
        without_amounts: false,
    };
    let mut service = StatisticsServiceClient::new(caller.channel.clone());
    let bare = CountCasesRequest {
        without_amounts: true,
        ..request.clone()
    };
    let answer = service.count_cases(request).await?.into_inner();
    let bare = service.count_cases(bare).await?.into_inner();
    same("without amounts", bare, without_amounts(answer.clone()))?;
    frame(
        question,
        end,
        answer.as_of_position,
        answer.tree_size,
        &answer.understood,
    )?;
    let plain = naive::count(&question.filter, by, explain, seen);
    let said = said(&answer);
    same("total", &said.total, &plain.total)?;
    same("groups", &said.groups, &plain.groups)?;
    same("obstacles", &said.obstacles, &plain.obstacles)?;
    let ordered = answer.groups.is_sorted_by_key(|group| &group.values);
    same("groups in order", ordered, true)?;
    let several = |by: &Dimension| naive::is_of_items(*by) || *by == Dimension::Transit;
    same(
        "disjoint",
        answer.groups_are_disjoint,
        !by.iter().any(several),
    )?;
    same("version", answer.standard_version, 1)?;
    let any = |is: fn(&Sum) -> bool| plain.total.values().any(is);
    let some = any(|sum| sum.cases > 0).then_some("selects some");
    let joined = any(|sum| sum.incidents < sum.cases).then_some("joined");
    let once = any(|sum| !sum.reported.is_empty()).then_some("goods once");
    Ok(some.into_iter().chain(joined).chain(once).collect())
}

/// What is left of an answer without its goods.
fn without_amounts(mut answer: CountCasesResponse) -> CountCasesResponse {
    for count in answer.groups.iter_mut().chain(&mut answer.total) {
        let tallies = [
            &mut count.counted,
            &mut count.disputed,
            &mut count.contested,
            &mut count.retracted,
        ];
        for tally in tallies.into_iter().flatten() {
            tally.amounts.clear();
        }
    }
    answer
}

fn said(answer: &CountCasesResponse) -> Count {
    let sums = |count: &CaseCount| -> BTreeMap<&'static str, Sum> {
        let tallies = [
            &count.counted,
            &count.disputed,
            &count.contested,
            &count.retracted,
        ];
        let both = STANDINGS.into_iter().zip(tallies);
        both.map(|(standing, tally)| (standing, Sum::said(tally.as_ref())))
            .collect()
    };
    let groups = answer.groups.iter();
    let obstacles = answer.obstacles.iter().map(|obstacle| {
        assert!(!obstacle.message.is_empty());
        let found = (obstacle.cases, obstacle.examples.clone());
        (obstacle.reason.clone(), found)
    });
    Count {
        groups: groups
            .map(|group| (group.values.clone(), sums(group)))
            .collect(),
        total: sums(answer.total.as_ref().unwrap()),
        obstacles: obstacles.collect(),
    }
}

async fn trend(
    caller: &Caller,
    question: &Question,
    seen: &Snapshot,
    end: u64,
) -> Result<Vec<&'static str>, Differs> {
    let Ask::Trend {
        period,
        around,
        before,
        after,
    } = question.ask
    else {
        unreachable!("asked for a trend");
    };
    let (as_of_position, as_of_time) = question.as_of.asked();
    let (year, month, day) = around;
    let request = ComputeTrendRequest {
        filter: Some(question.filter.clone()),
        period: period.into(),
        around: Some(Around::Date(Date { year, month, day })),
        periods_before: before,
        periods_after: after,
        min_position: end,
        as_of_position,
        as_of_time,
    };
    let answer = StatisticsServiceClient::new(caller.channel.clone())
        .compute_trend(request)
        .await?
        .into_inner();
    frame(
        question,
        end,
        answer.as_of_position,
        answer.tree_size,
        &answer.understood,
    )?;
    let buckets = periods::periods(around, period, before, after);
    let plain = periods::trend(&question.filter, buckets, seen);
    let some = (plain.before.cases + plain.after.cases > 0).then_some("selects some");
    same("trend", periods::said(&answer), plain)?;
    Ok(some.into_iter().collect())
}
