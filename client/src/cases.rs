//! Reading cases and their history.

use std::cmp::max;

use casebroker_proto::v1::{
    CaseFilter, GetCallerRequest, GetCallerResponse, GetCaseRequest, GetCaseResponse,
    ListCasesRequest, ListCasesResponse, ListStatementsRequest, ListStatementsResponse,
    case_service_client::CaseServiceClient, registry_service_client::RegistryServiceClient,
};

use crate::{
    Client,
    connection::{MAX_ANSWER_BYTES, Transport},
    error::ClientError,
    log::is_out_of_range,
};

/// Order of a listing, by the first statement of each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

/// Pages of a listing. The broker may give a page that is short or empty while there are more.
#[derive(Debug)]
pub struct CasePages<'a> {
    client: &'a Client,
    request: ListCasesRequest,
    done: bool,
}

/// Pages of a case's history, oldest statement first.
#[derive(Debug)]
pub struct StatementPages<'a> {
    client: &'a Client,
    request: ListStatementsRequest,
    done: bool,
}

impl Client {
    /// One case as it stands, by its name `agencies/{agency}/cases/{case}`.
    pub async fn get_case(&self, name: &str) -> Result<GetCaseResponse, ClientError> {
        let request = GetCaseRequest {
            name: name.to_owned(),
            min_position: self.min_position(),
        };
        let answer = self
            .connection
            .call(|channel| {
                let request = request.clone();
                async move { case_service(channel).get_case(request).await }
            })
            .await;
        self.read(answer).await
    }

    /// Cases that the filter selects. `page_size` is 1 to 1,000, 0 for the broker's default.
    pub fn list_cases(&self, filter: CaseFilter, order: Order, page_size: u16) -> CasePages<'_> {
        CasePages {
            client: self,
            request: ListCasesRequest {
                filter: Some(filter),
                page_size: page_size.into(),
                page_token: String::new(),
                order_by: match order {
                    Order::Newest => "position desc".into(),
                    Order::Oldest => "position".into(),
                },
                min_position: self.min_position(),
                ..ListCasesRequest::default()
            },
            done: false,
        }
    }

    /// What was said about a case, oldest first.
    pub fn list_statements(&self, case: &str) -> StatementPages<'_> {
        StatementPages {
            client: self,
            request: ListStatementsRequest {
                case: case.to_owned(),
                page_size: 0,
                page_token: String::new(),
                min_position: self.min_position(),
            },
            done: false,
        }
    }

    /// How the broker sees this principal.
    pub async fn caller(&self) -> Result<GetCallerResponse, ClientError> {
        self.connection
            .call(|channel| async move {
                RegistryServiceClient::new(channel)
                    .get_caller(GetCallerRequest {})
                    .await
            })
            .await
    }

    /// Reads see at least what this client wrote, and what it has seen a signed checkpoint of.
    pub(crate) fn min_position(&self) -> u64 {
        max(self.written(), self.known_tree_size())
    }

    pub(crate) async fn read<T>(&self, answer: Result<T, ClientError>) -> Result<T, ClientError> {
        match answer {
            Err(e) if is_out_of_range(&e) => Err(self.explain_out_of_range(e).await),
            other => other,
        }
    }
}

impl CasePages<'_> {
    /// The next page; none after the last.
    pub async fn next_page(&mut self) -> Result<Option<ListCasesResponse>, ClientError> {
        if self.done {
            return Ok(None);
        }
        let request = &self.request;
        let answer = self
            .client
            .connection
            .call(|channel| {
                let request = request.clone();
                async move { case_service(channel).list_cases(request).await }
            })
            .await;
        let page = self.client.read(answer).await?;
        self.done = page.next_page_token.is_empty();
        self.request.page_token.clone_from(&page.next_page_token);
        Ok(Some(page))
    }
}

impl StatementPages<'_> {
    /// The next page; none after the last.
    pub async fn next_page(&mut self) -> Result<Option<ListStatementsResponse>, ClientError> {
        if self.done {
            return Ok(None);
        }
        let request = &self.request;
        let answer = self
            .client
            .connection
            .call(|channel| {
                let request = request.clone();
                async move { case_service(channel).list_statements(request).await }
            })
            .await;
        let page = self.client.read(answer).await?;
        self.done = page.next_page_token.is_empty();
        self.request.page_token.clone_from(&page.next_page_token);
        Ok(Some(page))
    }
}

pub(crate) fn case_service(channel: Transport) -> CaseServiceClient<Transport> {
    CaseServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
