//! What waits for an agency: `CaseService.ListTasks`.

use std::{cmp::Reverse, collections::VecDeque};

use casebroker_proto::{
    names::CaseName,
    v1::{
        self, EvidenceRequestState, ListTasksRequest, ListTasksResponse, Overlap, OverlapState,
        OverlapVerdict, Task, TaskKind, task::Detail,
    },
};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{
    Rooms, authorize,
    cases::{MAX_PAGE_BYTES, today, viewer_key},
    page_token::{Token, binding, page_size},
    record::AccessNote,
    status,
};
use crate::{
    policy::{Method, Viewer, viewer},
    projections::{ReadError, set_overdue},
    state,
};

/// Entries of the index that one page looks at.
const SCAN_TASKS: usize = 1_000;
/// Cases with overlaps on one page.
const MOST_COMPARED: usize = 50;
/// Entries of the index that are looked at before another listing has its turn.
const SLICE_MARKS: usize = 50;

impl Rooms {
    pub(super) async fn tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        let caller = authorize(&request, Method::ListTasks)?;
        let note = AccessNote::of(&request);
        let request = request.into_inner();
        let wanted = Wanted::from(&request)?;
        let page_size = page_size(request.page_size, 100)?;
        let viewer = viewer(&caller.principal);
        let key = binding(&[b"tasks", &wanted.key(), viewer_key(&viewer).as_bytes()]);
        let token = Token::open(&request.page_token, &key)?;
        let newest = self.cases.as_of(request.min_position)?;
        self.table_reaches(newest).await?;
        let _share = self.quotas.scan(&caller.principal.agency).await;
        let mut gathering = self
            .scan(move |rooms| {
                let as_of = token.map_or(newest, |Token([_, as_of])| as_of.min(newest));
                let before = token.map_or(as_of, |Token([next, _])| next.min(as_of));
                rooms.begin_tasks(viewer, wanted, (before, as_of), page_size)
            })
            .await?;
        // A little at a time: whoever asks for less does not wait for the whole.
        while !gathering.marks.is_empty() {
            gathering = self.scan(move |rooms| rooms.gather(gathering)).await?;
        }
        note.cases(gathering.tasks.len());
        let as_of = gathering.as_of;
        let next_page_token = gathering
            .next
            .map(|next| Token([next, as_of]).seal(&key))
            .unwrap_or_default();
        Ok(Response::new(ListTasksResponse {
            tasks: gathering.tasks,
            next_page_token,
            as_of_position: as_of,
        }))
    }

    fn begin_tasks(
        &self,
        viewer: Viewer,
        wanted: Wanted,
        (before, as_of): (u64, u64),
        page_size: usize,
    ) -> Result<Gathering, Status> {
        let (mut marks, whole) = self.marks(&viewer, before)?;
        let last = marks.last().map(|mark| mark.position);
        marks.retain(|mark| wanted.kinds.is_empty() || wanted.kinds.contains(&mark.kind));
        Ok(Gathering {
            viewer,
            wanted,
            page_size,
            as_of,
            marks: marks.into(),
            tasks: Vec::new(),
            next: last.filter(|_| !whole),
            last: None,
            bytes: 0,
            compared: 0,
        })
    }

    /// Looks at some of the marks. Those that nothing is told of to the viewer decide nothing, not even where a page ends:
    /// that would tell that they are there.
    fn gather(&self, mut page: Gathering) -> Result<Gathering, Status> {
        for _ in 0..SLICE_MARKS {
            let Some(mark) = page.marks.pop_front() else {
                break;
            };
            let mut tasks = self.tasks_of(&page.viewer, &mark)?;
            if tasks.is_empty() {
                continue;
            }
            page.compared += usize::from(mark.kind == TaskKind::Overlap);
            tasks.retain(|task| page.wanted.done || !task.done);
            // `FindOverlaps` has them all.
            tasks.truncate(page.page_size);
            page.bytes += tasks.iter().map(Task::encoded_len).sum::<usize>();
            let full = page.tasks.len() + tasks.len() > page.page_size
                || page.bytes > MAX_PAGE_BYTES
                || page.compared > MOST_COMPARED;
            // Marks of one position stay together, as a page begins at a position.
            if full && page.last != Some(mark.position) && !page.tasks.is_empty() {
                page.next = Some(mark.position + 1);
                page.marks.clear();
                break;
            }
            page.last = Some(mark.position);
            page.tasks.extend(tasks);
        }
        Ok(page)
    }

    /// What there is before a position, newest first; and whether that is all.
    fn marks(&self, viewer: &Viewer, before: u64) -> Result<(Vec<Mark>, bool), Status> {
        let agency = &viewer.agency;
        let begun = self.cases.tasks(agency, before, SCAN_TASKS)?;
        let overlapping = self.cases.overlapping(agency, before, SCAN_TASKS)?;
        let whole = begun.len() < SCAN_TASKS && overlapping.len() < SCAN_TASKS;
        let begun = begun.into_iter().map(|task| Mark {
            position: task.position,
            kind: match task.kind {
                state::TaskKind::RequestTo => TaskKind::RequestToAgency,
                state::TaskKind::RequestBy => TaskKind::RequestByAgency,
                state::TaskKind::Dispute => TaskKind::Dispute,
            },
            case: Some(task.case),
        });
        let overlapping = overlapping.into_iter().map(|position| Mark {
            position,
            kind: TaskKind::Overlap,
            case: None,
        });
        let mut marks: Vec<_> = begun.chain(overlapping).collect();
        marks.sort_by_key(|mark| (Reverse(mark.position), mark.kind as i32));
        // Beyond these one of the two sources was not asked.
        marks.truncate(SCAN_TASKS);
        Ok((marks, whole))
    }

    /// The tasks that a mark stands for, as far as the viewer may see what they are about.
    fn tasks_of(&self, viewer: &Viewer, mark: &Mark) -> Result<Vec<Task>, Status> {
        let name = match &mark.case {
            Some(name) => Some(name.clone()),
            None => self.cases.beginning(mark.position)?,
        };
        let Some(name) = name else {
            return Ok(Vec::new());
        };
        let case = match self.cases.case(viewer, &name) {
            Ok(case) => case,
            // It was shown to the agency once, and is no more.
            Err(ReadError::NoCase(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        if mark.kind != TaskKind::Overlap {
            return Ok(begun(case, mark).into_iter().collect());
        }
        let title = case.report.map(|report| report.title).unwrap_or_default();
        let overlaps = self.cases.overlaps(viewer, &name)?.overlaps;
        let tasks = overlaps.into_iter().map(|overlap| Task {
            kind: TaskKind::Overlap.into(),
            case: case.name.clone(),
            title: title.clone(),
            position: mark.position,
            // Who has spoken waits for the other owner, and nobody for it.
            done: overlap.state() != OverlapState::Open || has_spoken(&overlap),
            detail: Some(Detail::Overlap(overlap)),
        });
        Ok(tasks.collect())
    }
}

/// Where something began that waits for an agency.
struct Mark {
    position: u64,
    kind: TaskKind,
    /// `None` if it is the one that begins at the position.
    case: Option<CaseName>,
}

/// A page that is being put together.
struct Gathering {
    viewer: Viewer,
    wanted: Wanted,
    page_size: usize,
    as_of: u64,
    /// What is still to be looked at, newest first.
    marks: VecDeque<Mark>,
    tasks: Vec<Task>,
    /// Where the next page begins: tasks before this position. `None` after the last.
    next: Option<u64>,
    /// Position of the last mark on the page.
    last: Option<u64>,
    bytes: usize,
    compared: usize,
}

/// Which tasks are asked for.
struct Wanted {
    /// Empty means all.
    kinds: Vec<TaskKind>,
    done: bool,
}

impl Wanted {
    fn from(request: &ListTasksRequest) -> Result<Self, Status> {
        let mut kinds = Vec::new();
        for (index, kind) in request.kinds.iter().enumerate() {
            match TaskKind::try_from(*kind) {
                Ok(kind) if kind != TaskKind::Unspecified => kinds.push(kind),
                _ => {
                    let problem = format!("is {kind}, which is no kind of task");
                    return Err(status::invalid_field(&format!("kinds[{index}]"), problem));
                }
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        Ok(Self {
            kinds,
            done: request.show_done,
        })
    }

    /// What tells one listing from another.
    fn key(&self) -> Vec<u8> {
        let kinds = self.kinds.iter().map(|kind| kind.as_str_name());
        let text = kinds.collect::<Vec<_>>().join(",");
        format!("{text}/{}", self.done).into_bytes()
    }
}

fn has_spoken(overlap: &Overlap) -> bool {
    matches!(
        overlap.own_verdict(),
        OverlapVerdict::Same | OverlapVerdict::Different
    )
}

/// The request or the dispute that a mark stands for, as far as it is in the case as the viewer sees it.
fn begun(mut case: v1::Case, mark: &Mark) -> Option<Task> {
    set_overdue(&mut case, today());
    let position = mark.position;
    let title = case.report.map(|report| report.title).unwrap_or_default();
    let (done, detail) = match mark.kind {
        TaskKind::Dispute => {
            let mut disputes = case.disputes.into_iter();
            let dispute = disputes.find(|dispute| dispute.position == position)?;
            (dispute.end_position != 0, Detail::Dispute(dispute))
        }
        _ => {
            let mut requests = case.evidence_requests.into_iter();
            let request = requests.find(|request| request.position == position)?;
            let open = matches!(
                request.state(),
                EvidenceRequestState::Open | EvidenceRequestState::Overdue
            );
            (!open, Detail::EvidenceRequest(request))
        }
    };
    Some(Task {
        kind: mark.kind.into(),
        case: case.name,
        title,
        position,
        done: done || case.retracted,
        detail: Some(detail),
    })
}
