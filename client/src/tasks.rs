//! Overlaps of a case, and what waits for the agency.

use casebroker_proto::v1::{
    FindOverlapsRequest, FindOverlapsResponse, ListTasksRequest, ListTasksResponse, TaskKind,
};

use crate::{Client, cases::case_service, error::ClientError};

/// Pages of tasks, newest first. The broker may give a page that is short or empty while there are more.
#[derive(Debug)]
pub struct TaskPages<'a> {
    client: &'a Client,
    request: ListTasksRequest,
    done: bool,
}

impl Client {
    /// Other cases that seem to be the same incident as a case, by its name `agencies/{agency}/cases/{case}`.
    pub async fn find_overlaps(&self, case: &str) -> Result<FindOverlapsResponse, ClientError> {
        let request = FindOverlapsRequest {
            case: case.to_owned(),
            min_position: self.min_position(),
        };
        let answer = self
            .connection
            .call(|channel| {
                let request = request.clone();
                async move { case_service(channel).find_overlaps(request).await }
            })
            .await;
        self.read(answer).await
    }

    /// What waits for this agency, and what it waits for. No `kinds` mean all; with `show_done` also what is done.
    /// `page_size` is 1 to 1,000, 0 for the broker's default.
    pub fn list_tasks(&self, kinds: &[TaskKind], show_done: bool, page_size: u16) -> TaskPages<'_> {
        TaskPages {
            client: self,
            request: ListTasksRequest {
                kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
                show_done,
                page_size: page_size.into(),
                page_token: String::new(),
                min_position: self.min_position(),
            },
            done: false,
        }
    }
}

impl TaskPages<'_> {
    /// The next page; none after the last.
    pub async fn next_page(&mut self) -> Result<Option<ListTasksResponse>, ClientError> {
        if self.done {
            return Ok(None);
        }
        let request = &self.request;
        let answer = self
            .client
            .connection
            .call(|channel| {
                let request = request.clone();
                async move { case_service(channel).list_tasks(request).await }
            })
            .await;
        let page = self.client.read(answer).await?;
        self.done = page.next_page_token.is_empty();
        self.request.page_token.clone_from(&page.next_page_token);
        Ok(Some(page))
    }
}
