//! What waits for an agency: `CaseService.ListTasks`.

use casebroker_proto::v1::{
    self, EvidenceRequestState, ListTasksRequest, ListTasksResponse, Task, TaskKind, task::Detail,
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
        let key = binding(&[
            b"tasks",
            &wanted.kinds,
            &[u8::from(wanted.done)],
            viewer_key(&viewer).as_bytes(),
        ]);
        let token = Token::open(&request.page_token, &key)?;
        self.read(caller, move |rooms| {
            let newest = rooms.cases.as_of(request.min_position)?;
            let as_of = token.map_or(newest, |token| token.as_of.min(newest));
            let before = token.map_or(as_of, |token| token.next.min(as_of));
            let page = rooms.page_of_tasks(&viewer, &wanted, before, page_size)?;
            note.cases(page.tasks.len());
            let next_page_token = page
                .next
                .map(|next| Token { next, as_of }.seal(&key))
                .unwrap_or_default();
            Ok(Response::new(ListTasksResponse {
                tasks: page.tasks,
                next_page_token,
                as_of_position: as_of,
            }))
        })
        .await
    }

    fn page_of_tasks(
        &self,
        viewer: &Viewer,
        wanted: &Wanted,
        before: u64,
        page_size: usize,
    ) -> Result<Page, Status> {
        let marks = self.cases.tasks(&viewer.agency, before, SCAN_TASKS)?;
        let whole = marks.len() < SCAN_TASKS;
        let mut page = Page::default();
        let mut bytes = 0;
        let mut last = None;
        for mark in marks {
            // Marks of one position stay on one page.
            if page.tasks.len() >= page_size && last != Some(mark.position) {
                page.next = last;
                return Ok(page);
            }
            last = Some(mark.position);
            if !wanted.wants(mark.kind) {
                continue;
            }
            let case = match self.cases.case(viewer, &mark.case) {
                Ok(case) => case,
                // It was shown to the agency once, and is no more.
                Err(ReadError::NoCase(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let Some(task) = task(case, &mark).filter(|task| wanted.done || !task.done) else {
                continue;
            };
            bytes += task.encoded_len();
            if bytes > MAX_PAGE_BYTES && !page.tasks.is_empty() {
                page.next = Some(mark.position + 1);
                return Ok(page);
            }
            page.tasks.push(task);
        }
        page.next = last.filter(|_| !whole);
        Ok(page)
    }
}

#[derive(Default)]
struct Page {
    tasks: Vec<Task>,
    /// Where the next page begins: tasks before this position. `None` after the last.
    next: Option<u64>,
}

/// Which tasks are asked for.
struct Wanted {
    /// As in the contract, ascending; empty means all.
    kinds: Vec<u8>,
    done: bool,
}

impl Wanted {
    fn from(request: &ListTasksRequest) -> Result<Self, Status> {
        let mut kinds = Vec::new();
        for (index, kind) in request.kinds.iter().enumerate() {
            let known = TaskKind::try_from(*kind).ok();
            let known = known.filter(|kind| *kind != TaskKind::Unspecified);
            let Some(byte) = known.and_then(|kind| u8::try_from(i32::from(kind)).ok()) else {
                let problem = format!("is {kind}, which is no kind of task");
                return Err(status::invalid_field(&format!("kinds[{index}]"), problem));
            };
            kinds.push(byte);
        }
        kinds.sort_unstable();
        kinds.dedup();
        Ok(Self {
            kinds,
            done: request.show_done,
        })
    }

    fn wants(&self, kind: state::TaskKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&(kind as u8))
    }
}

/// The task that a mark stands for, as far as the viewer may see what it began with.
fn task(mut case: v1::Case, mark: &state::Task) -> Option<Task> {
    set_overdue(&mut case, today());
    let position = mark.position;
    let title = case.report.map(|report| report.title).unwrap_or_default();
    let (kind, done, detail) = match mark.kind {
        state::TaskKind::RequestTo | state::TaskKind::RequestBy => {
            let mut requests = case.evidence_requests.into_iter();
            let request = requests.find(|request| request.position == position)?;
            let kind = match mark.kind {
                state::TaskKind::RequestTo => TaskKind::RequestToAgency,
                _ => TaskKind::RequestByAgency,
            };
            let open = matches!(
                request.state(),
                EvidenceRequestState::Open | EvidenceRequestState::Overdue
            );
            (
                kind,
                !open || case.retracted,
                Detail::EvidenceRequest(request),
            )
        }
        state::TaskKind::Dispute => {
            let mut disputes = case.disputes.into_iter();
            let dispute = disputes.find(|dispute| dispute.position == position)?;
            let done = dispute.end_position != 0 || case.retracted;
            (TaskKind::Dispute, done, Detail::Dispute(dispute))
        }
    };
    Some(Task {
        kind: kind.into(),
        case: case.name,
        title,
        position,
        done,
        detail: Some(detail),
    })
}
