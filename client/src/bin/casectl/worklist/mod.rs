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
    table::{Column, Layout, clean, cut},
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

/// Terminals narrower than this show a task on three lines: the names, which other commands want, are never cut.
const NARROW: usize = 110;

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
    if out.width.is_some_and(|width| width < NARROW) {
        return tasks.iter().try_for_each(|task| narrow(task, out));
    }
    let rows: Vec<_> = tasks.iter().map(row).collect();
    let columns = [
        Column::whole(""),
        Column::whole("DUE"),
        Column::whole("STATE"),
        Column::whole("TASK"),
        Column::whole("CASE"),
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
    let Told {
        due,
        state,
        who,
        what,
        id,
    } = tell(task);
    let mark = if is_overdue(task) { "!" } else { "" };
    let case = clean(&words::short_case(&task.case));
    vec![mark.into(), due, state, who, case, what, id]
}

fn narrow(task: &Task, out: &mut Output) -> Result<()> {
    let told = tell(task);
    let mark = if is_overdue(task) { "!" } else { " " };
    let due = match told.due.as_str() {
        "" => String::new(),
        due => format!(", due {due}"),
    };
    let head = clean(&format!(
        "{mark} {:8}  {}: {}{due}",
        told.id, told.who, told.state
    ));
    let head = if is_overdue(task) {
        out.paint(BAD, head)
    } else {
        head
    };
    out.line(head)?;
    let left = 12;
    let case = clean(&words::short_case(&task.case));
    out.line(format_args!("{:left$}{case}", ""))?;
    let width = out.width.unwrap_or(NARROW).saturating_sub(left);
    out.line(format_args!("{:left$}{}", "", cut(&told.what, width)))
}

/// A task in words.
struct Told {
    /// Date that an answer is due, or empty.
    due: String,
    state: String,
    /// Who wants something of whom.
    who: String,
    what: String,
    id: String,
}

fn tell(task: &Task) -> Told {
    let (due, state, who, what, id) = match &task.detail {
        Some(Detail::EvidenceRequest(r)) => {
            let who = match task.kind() {
                TaskKind::RequestByAgency => format!("we asked {}", words::id(&r.addressee)),
                _ => format!("{} asks us", words::id(&r.requester)),
            };
            let due = r.due_date.map(|date| words::date(Some(&date)));
            (
                due.unwrap_or_default(),
                words::request_state(r.state),
                who,
                r.question.clone(),
                r.request_id.as_str(),
            )
        }
        Some(Detail::Dispute(d)) => {
            let state = match d.end_position {
                0 if task.done => "over",
                0 => "open",
                _ => "ended",
            };
            (
                String::new(),
                state.to_owned(),
                format!("{} disputes", words::id(&d.agency)),
                format!("{}: {}", d.fields.join(", "), d.reason),
                d.request_id.as_str(),
            )
        }
        Some(Detail::Overlap(o)) => {
            let shared = o.matches.iter().map(|m| words::overlap_basis(m.basis));
            (
                String::new(),
                words::overlap_state(o.state),
                format!("overlap with {}", words::id(&o.other_agency)),
                format!("same {}", shared.collect::<Vec<_>>().join(", ")),
                o.id.as_str(),
            )
        }
        None => (
            String::new(),
            words::NOT_KNOWN.into(),
            String::new(),
            task.title.clone(),
            "",
        ),
    };
    Told {
        due,
        state,
        who,
        what,
        id: words::short_id(id).to_owned(),
    }
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

    fn tasks() -> Vec<Task> {
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
        vec![
            request(1, None, EvidenceRequestState::Answered),
            request(2, Some((2026, 12, 24)), EvidenceRequestState::Open),
            overlap,
            dispute,
            request(3, Some((2026, 10, 1)), EvidenceRequestState::Overdue),
        ]
    }

    fn lines(width: usize) -> Vec<String> {
        let mut out = Output::kept(width);
        print(tasks(), &mut out).unwrap();
        out.text().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_overdue_stands_first_and_is_marked() {
        assert_eq!(
            lines(120),
            [
                "   DUE         STATE     TASK                 CASE               WHAT                                           ID",
                "!  2026-10-01  overdue   us-dea asks us       ca-rcmp/2016-0627  The laboratory report, for use in court in M…  00000003",
                "   2026-12-24  open      us-dea asks us       ca-rcmp/2016-0627  The laboratory report, for use in court in M…  00000002",
                "               open      cn-nncc disputes     ca-rcmp/2016-0627  route.origin: 证据不足                         dddddddd",
                "               open      overlap with us-cbp  ca-rcmp/2016-0700  same evidence digest                           eeeeeeee",
                "               answered  us-dea asks us       ca-rcmp/2016-0627  The laboratory report, for use in court in M…  00000001",
            ]
        );
    }

    #[test]
    fn on_a_narrow_terminal_a_task_has_three_lines_and_no_name_is_cut() {
        assert_eq!(
            lines(60),
            [
                "! 00000003  us-dea asks us: overdue, due 2026-10-01",
                "            ca-rcmp/2016-0627",
                "            The laboratory report, for use in court in May",
                "  00000002  us-dea asks us: open, due 2026-12-24",
                "            ca-rcmp/2016-0627",
                "            The laboratory report, for use in court in May",
                "  dddddddd  cn-nncc disputes: open",
                "            ca-rcmp/2016-0627",
                "            route.origin: 证据不足",
                "  eeeeeeee  overlap with us-cbp: open",
                "            ca-rcmp/2016-0700",
                "            same evidence digest",
                "  00000001  us-dea asks us: answered",
                "            ca-rcmp/2016-0627",
                "            The laboratory report, for use in court in May",
            ]
        );
    }
}
