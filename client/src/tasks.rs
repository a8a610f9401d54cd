//! Overlaps of a case, and what waits for the agency.

use casebroker_proto::v1::{FindOverlapsRequest, FindOverlapsResponse, ListTasksRequest, TaskKind};

use crate::{Client, ask::Pages, error::ClientError};

/// Pages of tasks, newest first.
pub type TaskPages<'a> = Pages<'a, ListTasksRequest>;

impl Client {
    /// Other cases that seem to be the same incident as a case, by its name `agencies/{agency}/cases/{case}`.
    pub async fn find_overlaps(&self, case: &str) -> Result<FindOverlapsResponse, ClientError> {
        self.ask(&mut FindOverlapsRequest {
            case: case.to_owned(),
            min_position: 0,
        })
        .await
    }

    /// What waits for this agency, and what it waits for. No `kinds` mean all; with `show_done` also what is done.
    /// `page_size` is 1 to 1,000, 0 for the broker's default.
    pub fn list_tasks(&self, kinds: &[TaskKind], show_done: bool, page_size: u16) -> TaskPages<'_> {
        self.pages(ListTasksRequest {
            kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
            show_done,
            page_size: page_size.into(),
            ..Default::default()
        })
    }
}
