//! Counts, trends, and how far what they are made from has followed the log.

use casebroker_proto::v1::{
    ComputeTrendRequest, ComputeTrendResponse, CountCasesRequest, CountCasesResponse,
    ListProjectionsRequest, ListProjectionsResponse,
};

use crate::{Client, error::ClientError};

impl Client {
    /// How many cases, incidents and goods. A `min_position` of its own is kept; 0 means what this client wrote or has seen.
    pub async fn count_cases(
        &self,
        mut request: CountCasesRequest,
    ) -> Result<CountCasesResponse, ClientError> {
        self.ask(&mut request).await
    }

    /// How many before and after a date. `min_position` as in [`Client::count_cases`].
    pub async fn compute_trend(
        &self,
        mut request: ComputeTrendRequest,
    ) -> Result<ComputeTrendResponse, ClientError> {
        self.ask(&mut request).await
    }

    /// How far each projection has followed the log.
    pub async fn list_projections(&self) -> Result<ListProjectionsResponse, ClientError> {
        self.ask(&mut ListProjectionsRequest {}).await
    }
}
