//! Reading cases and their history.

use casebroker_proto::v1::{
    CaseFilter, GetCallerRequest, GetCallerResponse, GetCaseRequest, GetCaseResponse,
    ListCasesRequest, ListStatementsRequest, registry_service_client::RegistryServiceClient,
};

use crate::{Client, ask::Pages, error::ClientError};

/// Order of a listing, by the first statement of each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

/// Pages of a listing of cases.
pub type CasePages<'a> = Pages<'a, ListCasesRequest>;

/// Pages of a case's history, oldest statement first.
pub type StatementPages<'a> = Pages<'a, ListStatementsRequest>;

impl Client {
    /// One case as it stands, by its name `agencies/{agency}/cases/{case}`.
    pub async fn get_case(&self, name: &str) -> Result<GetCaseResponse, ClientError> {
        self.ask(&mut GetCaseRequest {
            name: name.to_owned(),
            min_position: 0,
        })
        .await
    }

    /// Cases that the filter selects. `page_size` is 1 to 1,000, 0 for the broker's default.
    pub fn list_cases(&self, filter: CaseFilter, order: Order, page_size: u16) -> CasePages<'_> {
        self.list_cases_by(ListCasesRequest {
            filter: Some(filter),
            page_size: page_size.into(),
            order_by: match order {
                Order::Newest => "position desc".into(),
                Order::Oldest => "position".into(),
            },
            ..Default::default()
        })
    }

    /// Cases as a request asks for them: other orders, and as the record stood at an earlier position or time. A `min_position` of
    /// its own is kept; 0 means what this client wrote or has seen.
    pub fn list_cases_by(&self, request: ListCasesRequest) -> CasePages<'_> {
        self.pages(request)
    }

    /// What was said about a case, oldest first.
    pub fn list_statements(&self, case: &str) -> StatementPages<'_> {
        self.pages(ListStatementsRequest {
            case: case.to_owned(),
            ..Default::default()
        })
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
}
