//! How requests for evidence were answered: how many, how often and how fast, by agency and direction.

use std::collections::BTreeMap;

use casebroker_proto::v1::{
    CaseEvidenceRequest, EvidenceRequestState, Task, TaskKind, task::Detail,
};
use serde_json::{Value, json};

use crate::{
    Global,
    failure::Result,
    output::{FAINT, Format, Output},
    table::{Column, Layout},
    words,
};

/// Who asks whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    /// The agency asks us.
    ToUs,
    /// We ask the agency.
    ByUs,
}

/// Counts of one agency in one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Count {
    requests: u64,
    /// With at least one answer of any kind.
    with_answer: u64,
    provided: u64,
    declined: u64,
    open: u64,
    overdue: u64,
    /// Seconds from each request to its first answer.
    seconds: Vec<i64>,
}

/// All counts.
#[derive(Debug, Default)]
struct Summary {
    counts: BTreeMap<(Direction, String), Count>,
}

/// Counts over every page.
pub async fn run(global: &Global, out: &mut Output) -> Result<()> {
    let kinds = [TaskKind::RequestToAgency, TaskKind::RequestByAgency];
    let client = global.connect()?;
    let mut pages = client.list_tasks(&kinds, true, 1000);
    let mut summary = Summary::default();
    let mut as_of = 0;
    while let Some(page) = pages.next_page().await? {
        as_of = page.as_of_position;
        page.tasks.iter().for_each(|task| summary.add(task));
    }
    match out.format {
        Format::Json => out.document(&json!({
            "requests": summary.to_json(),
            "asOfPosition": as_of.to_string(),
        })),
        Format::Jsonl => {
            for line in summary.to_json() {
                out.line(line)?;
            }
            Ok(())
        }
        _ => summary.print(out),
    }
}

impl Summary {
    fn add(&mut self, task: &Task) {
        let Some(Detail::EvidenceRequest(request)) = &task.detail else {
            return;
        };
        let key = match task.kind() {
            TaskKind::RequestByAgency => (Direction::ByUs, request.addressee.clone()),
            _ => (Direction::ToUs, request.requester.clone()),
        };
        self.counts.entry(key).or_default().add(request);
    }

    fn to_json(&self) -> Vec<Value> {
        let rows = self.counts.iter();
        rows.map(|((direction, agency), count)| {
            json!({
                "direction": match direction {
                    Direction::ToUs => "to-agency",
                    Direction::ByUs => "by-agency",
                },
                "agency": agency,
                "requests": count.requests,
                "withAnswer": count.with_answer,
                "provided": count.provided,
                "declined": count.declined,
                "open": count.open,
                "overdue": count.overdue,
                "answerRatePercent": count.rate_percent(),
                "medianResponseSeconds": count.median_seconds(),
            })
        })
        .collect()
    }

    fn print(&self, out: &mut Output) -> Result<()> {
        if self.counts.is_empty() {
            return out.line("no requests for evidence, neither to my agency nor by it");
        }
        let rows: Vec<_> = self.counts.iter().map(row).collect();
        let columns = [
            Column::whole("REQUESTS"),
            Column::number("ALL"),
            Column::number("ANSWERED"),
            Column::number("RATE"),
            Column::number("PROVIDED"),
            Column::number("DECLINED"),
            Column::number("OPEN"),
            Column::number("OVERDUE"),
            Column::number("MEDIAN"),
        ];
        let layout = Layout::fit(&columns, &rows, out.width);
        let heading = out.paint(FAINT, layout.heading());
        out.line(heading)?;
        for row in &rows {
            out.line(layout.row(row))?;
        }
        Ok(())
    }
}

impl Count {
    fn add(&mut self, request: &CaseEvidenceRequest) {
        self.requests += 1;
        match request.state() {
            EvidenceRequestState::Answered => self.provided += 1,
            EvidenceRequestState::Declined => self.declined += 1,
            EvidenceRequestState::Overdue => self.overdue += 1,
            EvidenceRequestState::Open | EvidenceRequestState::Unspecified => self.open += 1,
        }
        let Some(first) = request.answers.first() else {
            return;
        };
        self.with_answer += 1;
        if let (Some(asked), Some(answered)) = (&request.create_time, &first.create_time) {
            self.seconds
                .push(answered.seconds.saturating_sub(asked.seconds));
        }
    }

    /// Requests with an answer among all, in percent, rounded down.
    fn rate_percent(&self) -> u64 {
        (self.with_answer * 100)
            .checked_div(self.requests)
            .unwrap_or(0)
    }

    /// Median time to the first answer; of two in the middle their mean, rounded down.
    fn median_seconds(&self) -> Option<i64> {
        let mut sorted = self.seconds.clone();
        sorted.sort_unstable();
        let upper = sorted.get(sorted.len() / 2)?;
        if sorted.len() % 2 == 1 {
            return Some(*upper);
        }
        let lower = sorted.get((sorted.len() / 2).checked_sub(1)?)?;
        Some(lower.midpoint(*upper))
    }
}

fn row(((direction, agency), count): (&(Direction, String), &Count)) -> Vec<String> {
    let agency = words::id(agency);
    vec![
        match direction {
            Direction::ToUs => format!("{agency} asks us"),
            Direction::ByUs => format!("we ask {agency}"),
        },
        count.requests.to_string(),
        count.with_answer.to_string(),
        format!("{} %", count.rate_percent()),
        count.provided.to_string(),
        count.declined.to_string(),
        count.open.to_string(),
        count.overdue.to_string(),
        count.median_seconds().map_or_else(|| "-".into(), duration),
    ]
}

/// In the largest unit that is at least two, or else in seconds: `36 h`, `3 d`.
fn duration(seconds: i64) -> String {
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "min")] {
        if seconds >= 2 * unit {
            return format!("{} {name}", seconds / unit);
        }
    }
    format!("{seconds} s")
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::EvidenceAnswer;
    use prost_types::Timestamp;

    use super::*;

    fn task(kind: TaskKind, state: EvidenceRequestState, answered_after: Option<i64>) -> Task {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let answers = answered_after.map(|after| EvidenceAnswer {
            create_time: at(1_000 + after),
            ..Default::default()
        });
        Task {
            kind: kind.into(),
            detail: Some(Detail::EvidenceRequest(CaseEvidenceRequest {
                requester: "agencies/us-dea".into(),
                addressee: "agencies/ca-rcmp".into(),
                create_time: at(1_000),
                state: state.into(),
                answers: answers.into_iter().collect(),
                ..Default::default()
            })),
            ..Default::default()
        }
    }

    #[test]
    fn requests_answers_rates_and_times_are_counted_by_agency_and_direction() {
        let mut summary = Summary::default();
        for (kind, state, after) in [
            (
                TaskKind::RequestToAgency,
                EvidenceRequestState::Answered,
                Some(86_400 * 3),
            ),
            (
                TaskKind::RequestToAgency,
                EvidenceRequestState::Declined,
                Some(86_400 * 5),
            ),
            (
                TaskKind::RequestToAgency,
                EvidenceRequestState::Overdue,
                None,
            ),
            (
                TaskKind::RequestByAgency,
                EvidenceRequestState::Open,
                Some(5_400),
            ),
        ] {
            summary.add(&task(kind, state, after));
        }
        let mut out = Output::kept(80);
        summary.print(&mut out).unwrap();
        assert_eq!(
            out.text(),
            "REQUESTS        ALL  ANSWERED   RATE  PROVIDED  DECLINED  OPEN  OVERDUE  MEDIAN\n\
             us-dea asks us    3         2   66 %         1         1     0        1     4 d\n\
             we ask ca-rcmp    1         1  100 %         0         0     1        0  90 min\n"
        );
        let json = summary.to_json();
        assert_eq!(json[0]["medianResponseSeconds"], 86_400 * 4);
        assert_eq!(json[0]["answerRatePercent"], 66);
        assert_eq!(json[1]["direction"], "by-agency");
    }

    #[test]
    fn without_answers_there_is_no_median() {
        assert_eq!(Count::default().median_seconds(), None);
        assert_eq!(Count::default().rate_percent(), 0);
    }
}
