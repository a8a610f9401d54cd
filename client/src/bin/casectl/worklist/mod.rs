//! `casectl worklist`: what others want from my agency, what it waits for, and by when.

mod summary;

use std::cmp::Reverse;

use casebroker_client::ClientError;
use casebroker_proto::{
    json,
    v1::{EvidenceRequestState, Task, TaskKind, task::Detail},
};
use clap::Args;
use serde_json::Value;

use crate::{
    Global,
    choice::choice,
    failure::Result,
    output::{BAD, FAINT, Format, Output},
    table::{Column, Layout},
    words,
};

/// Show who wants what from my agency, and by when; overdue first.
#[derive(Debug, Args)]
#[command(after_help = "\
Requests for evidence to and by my agency, disputes of its cases, and overlaps of its cases. What is overdue stands first,
marked with `!`. --summary counts requests and answers by agency, over all that was ever asked.

Examples:
  casectl worklist
  casectl worklist --kind request-to-agency --done
  casectl worklist --summary
  casectl -o jsonl worklist | jq -r 'select(.evidenceRequest.state == \"EVIDENCE_REQUEST_STATE_OVERDUE\") | .case'")]
pub struct Worklist {
    /// Only tasks of this kind; may be given several times
    #[arg(long = "kind", value_parser = choice("casebroker.v1.TaskKind"))]
    kinds: Vec<i32>,
    /// Also what is done
    #[arg(long)]
    done: bool,
    /// Most tasks
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// Count requests, answers and the time they took, by agency
    #[arg(long, conflicts_with_all = ["kinds", "done", "limit"])]
    summary: bool,
}

/// Runs the command.
pub async fn run(args: Worklist, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    if args.summary {
        return summary::run(global, out).await;
    }
    let kinds: Vec<_> = args
        .kinds
        .iter()
        .filter_map(|kind| TaskKind::try_from(*kind).ok())
        .collect();
    let client = global.connect()?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let page_size = u16::try_from(args.limit.min(1000)).unwrap_or(1000);
    let mut pages = client.list_tasks(&kinds, args.done, page_size);
    let mut tasks = Vec::new();
    let mut as_of = 0;
    let mut more = false;
    while let Some(page) = pages.next_page().await? {
        as_of = page.as_of_position;
        tasks.extend(page.tasks);
        if tasks.len() >= limit {
            more = tasks.len() > limit || !page.next_page_token.is_empty();
            tasks.truncate(limit);
            break;
        }
    }
    match out.format {
        Format::Jsonl => {
            for task in &tasks {
                let value = to_json(task)?;
                out.line(value)?;
            }
            Ok(())
        }
        Format::Json => {
            let tasks = tasks.iter().map(to_json).collect::<Result<Vec<_>>>()?;
            out.document(&serde_json::json!({
                "tasks": tasks,
                "asOfPosition": as_of.to_string(),
                "more": more,
            }))
        }
        _ => {
            print(tasks, out)?;
            if more {
                out.note("there are more; use --limit N");
            }
            Ok(())
        }
    }
}

fn to_json(task: &Task) -> Result<Value> {
    Ok(json::to_value("casebroker.v1.Task", task).map_err(ClientError::from)?)
}

fn print(mut tasks: Vec<Task>, out: &mut Output) -> Result<()> {
    if tasks.is_empty() {
        return out.line("nothing waits");
    }
    tasks.sort_by_key(urgency);
    let rows: Vec<_> = tasks.iter().map(row).collect();
    let columns = [
        Column::whole(""),
        Column::whole("DUE"),
        Column::whole("STATE"),
        Column::whole("TASK"),
        Column::whole("WHO"),
        Column::flexible("CASE", 14),
        Column::flexible("WHAT", 10),
        Column::whole("ID"),
    ];
    let layout = Layout::fit(&columns, &rows, out.width);
    let heading = out.paint(FAINT, layout.heading());
    out.line(heading)?;
    for (task, row) in tasks.iter().zip(&rows) {
        let line = layout.row(row);
        let line = if is_overdue(task) {
            out.paint(BAD, line)
        } else {
            line
        };
        out.line(line)?;
    }
    Ok(())
}

/// What is overdue first, then what is open by its due date, then the rest; the newest first among equals.
fn urgency(task: &Task) -> (bool, bool, bool, (i32, i32, i32), Reverse<u64>) {
    let due = due(task);
    (
        task.done,
        !is_overdue(task),
        due.is_none(),
        due.unwrap_or_default(),
        Reverse(task.position),
    )
}

fn due(task: &Task) -> Option<(i32, i32, i32)> {
    match &task.detail {
        Some(Detail::EvidenceRequest(r)) => r.due_date.map(|d| (d.year, d.month, d.day)),
        _ => None,
    }
}

fn is_overdue(task: &Task) -> bool {
    matches!(&task.detail, Some(Detail::EvidenceRequest(r)) if r.state() == EvidenceRequestState::Overdue)
}

fn row(task: &Task) -> Vec<String> {
    let open = |done: bool| if done { "ended" } else { "open" };
    let (due, state, who, what, id) = match &task.detail {
        Some(Detail::EvidenceRequest(r)) => {
            let who = match task.kind() {
                TaskKind::RequestByAgency => &r.addressee,
                _ => &r.requester,
            };
            let due = r.due_date.map(|date| words::date(Some(&date)));
            (
                due.unwrap_or_default(),
                words::request_state(r.state),
                who.as_str(),
                r.question.clone(),
                r.request_id.as_str(),
            )
        }
        Some(Detail::Dispute(d)) => (
            String::new(),
            open(d.end_position > 0).to_owned(),
            d.agency.as_str(),
            format!("{}: {}", d.fields.join(", "), d.reason),
            d.request_id.as_str(),
        ),
        Some(Detail::Overlap(o)) => {
            let shared: Vec<_> = o
                .matches
                .iter()
                .map(|m| words::overlap_basis(m.basis))
                .collect();
            (
                String::new(),
                words::overlap_state(o.state),
                o.other_agency.as_str(),
                shared.join(", "),
                o.id.as_str(),
            )
        }
        None => (String::new(), String::new(), "", task.title.clone(), ""),
    };
    let kind = match task.kind() {
        TaskKind::RequestToAgency => "asks us",
        TaskKind::RequestByAgency => "we asked",
        TaskKind::Dispute => "disputes",
        TaskKind::Overlap => "overlaps",
        TaskKind::Unspecified => "",
    };
    let mark = if is_overdue(task) { "!" } else { "" };
    vec![
        mark.into(),
        due,
        state,
        kind.into(),
        words::id(who).to_owned(),
        words::short_case(&task.case),
        what,
        words::short_id(id).to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use casebroker_proto::{
        google::r#type::Date,
        v1::{CaseDispute, CaseEvidenceRequest, Overlap, OverlapBasis, OverlapMatch, OverlapState},
    };

    use super::*;

    fn request(position: u64, due: Option<(i32, i32, i32)>, state: EvidenceRequestState) -> Task {
        Task {
            kind: TaskKind::RequestToAgency.into(),
            case: "agencies/ca-rcmp/cases/2016-0627".into(),
            position,
            done: state == EvidenceRequestState::Answered,
            detail: Some(Detail::EvidenceRequest(CaseEvidenceRequest {
                request_id: format!("{position:08}-bbfd"),
                requester: "agencies/us-dea".into(),
                question: "The laboratory report, for use in court in May".into(),
                due_date: due.map(|(year, month, day)| Date { year, month, day }),
                state: state.into(),
                ..Default::default()
            })),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_overdue_stands_first_and_is_marked() {
        let dispute = Task {
            kind: TaskKind::Dispute.into(),
            case: "agencies/ca-rcmp/cases/2016-0627".into(),
            position: 9,
            detail: Some(Detail::Dispute(CaseDispute {
                request_id: "dddddddd-1".into(),
                agency: "agencies/cn-nncc".into(),
                fields: vec!["route.origin".into()],
                reason: "证据不足".into(),
                ..Default::default()
            })),
            ..Default::default()
        };
        let overlap = Task {
            kind: TaskKind::Overlap.into(),
            case: "agencies/ca-rcmp/cases/2016-0700".into(),
            position: 8,
            detail: Some(Detail::Overlap(Overlap {
                id: "eeeeeeee22".into(),
                other_agency: "agencies/us-cbp".into(),
                state: OverlapState::Open.into(),
                matches: vec![OverlapMatch {
                    basis: OverlapBasis::EvidenceDigest.into(),
                    value: "aa".into(),
                }],
                ..Default::default()
            })),
            ..Default::default()
        };
        let tasks = vec![
            request(1, None, EvidenceRequestState::Answered),
            request(2, Some((2026, 12, 24)), EvidenceRequestState::Open),
            overlap,
            dispute,
            request(3, Some((2026, 10, 1)), EvidenceRequestState::Overdue),
        ];
        let mut out = Output::kept(100);
        print(tasks, &mut out).unwrap();
        assert_eq!(
            out.text().lines().collect::<Vec<_>>(),
            [
                "   DUE         STATE     TASK      WHO      CASE               WHAT                         ID",
                "!  2026-10-01  overdue   asks us   us-dea   ca-rcmp/2016-0627  The laboratory report, for…  00000003",
                "   2026-12-24  open      asks us   us-dea   ca-rcmp/2016-0627  The laboratory report, for…  00000002",
                "               open      disputes  cn-nncc  ca-rcmp/2016-0627  route.origin: 证据不足       dddddddd",
                "               open      overlaps  us-cbp   ca-rcmp/2016-0700  evidence digest              eeeeeeee",
                "               answered  asks us   us-dea   ca-rcmp/2016-0627  The laboratory report, for…  00000001",
            ]
        );
    }
}
