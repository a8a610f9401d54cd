//! Questions: one way for all that may be asked again, and one loop for all that come in pages.
//!
//! What it promises: whoever wrote something through this client, or has seen a signed checkpoint with it, is not answered as if
//! that were not there yet. A question that names a position of its own keeps it.

use std::future::Future;

use casebroker_proto::v1::{
    AcknowledgeRequest, AcknowledgeResponse, ComputeTrendRequest, ComputeTrendResponse,
    CountCasesRequest, CountCasesResponse, CreateSubscriptionRequest, CreateSubscriptionResponse,
    DeleteSubscriptionRequest, DeleteSubscriptionResponse, DropDeadLettersRequest,
    DropDeadLettersResponse, FindOverlapsRequest, FindOverlapsResponse, GetCaseRequest,
    GetCaseResponse, GetSubscriptionRequest, GetSubscriptionResponse, ListAccessRecordsRequest,
    ListAccessRecordsResponse, ListCasesRequest, ListCasesResponse, ListDeadLettersRequest,
    ListDeadLettersResponse, ListDeliveriesRequest, ListDeliveriesResponse, ListProjectionsRequest,
    ListProjectionsResponse, ListStatementsRequest, ListStatementsResponse,
    ListSubscriptionsRequest, ListSubscriptionsResponse, ListTasksRequest, ListTasksResponse,
    ModifyAckDeadlineRequest, ModifyAckDeadlineResponse, NackRequest, NackResponse, PullRequest,
    PullResponse, ReplayDeadLettersRequest, ReplayDeadLettersResponse, SeekRequest, SeekResponse,
    UpdateSubscriptionRequest, UpdateSubscriptionResponse,
    access_service_client::AccessServiceClient, case_service_client::CaseServiceClient,
    statistics_service_client::StatisticsServiceClient,
    subscription_service_client::SubscriptionServiceClient,
};
use tonic::{Response, Status};

use crate::{
    Client,
    connection::{MAX_ANSWER_BYTES, Transport},
    error::ClientError,
    log::is_out_of_range,
};

/// A request that may be repeated, and how it is sent.
pub trait Ask: Clone + Send {
    /// What comes back.
    type Answer: Send;

    /// Sends it once.
    fn send(
        self,
        channel: Transport,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;

    /// The position that the answer must take account of; none if the request knows no such thing.
    fn min_position(&mut self) -> Option<&mut u64>;
}

/// A request whose answer comes in pages (AIP-158).
pub trait Paged: Ask {
    /// Token of the page to ask for; empty for the first.
    fn page_token(&mut self) -> &mut String;

    /// Token of the page after this one; empty after the last.
    fn next_page_token(page: &Self::Answer) -> &str;
}

/// Pages of a listing. The broker may give a page that is short or empty while there are more.
#[derive(Debug)]
pub struct Pages<'a, R> {
    client: &'a Client,
    request: R,
    done: bool,
}

impl<R: Paged> Pages<'_, R> {
    /// The next page; none after the last.
    pub async fn next_page(&mut self) -> Result<Option<R::Answer>, ClientError> {
        if self.done {
            return Ok(None);
        }
        let page = self.client.ask(&mut self.request).await?;
        let token = R::next_page_token(&page);
        self.done = token.is_empty();
        token.clone_into(self.request.page_token());
        Ok(Some(page))
    }
}

impl Client {
    /// Pages from the first one on.
    pub(crate) fn pages<R: Paged>(&self, request: R) -> Pages<'_, R> {
        Pages {
            client: self,
            request,
            done: false,
        }
    }

    /// Asks, again if need be. Fills in the least position, so that all pages of a listing ask for the same one.
    pub(crate) async fn ask<R: Ask>(&self, request: &mut R) -> Result<R::Answer, ClientError> {
        let known = self.min_position();
        let filled = request.min_position().filter(|given| **given == 0);
        let filled = filled.map(|given| *given = known).is_some();
        let answer = self.ask_once(request).await;
        match answer {
            Err(e) if is_out_of_range(&e) => {
                // Without the log's key nothing tells a log that shrank from another one at the same address.
                if !(filled && self.forget_written()) {
                    return Err(self.explain_out_of_range(e).await);
                }
                if let Some(given) = request.min_position() {
                    *given = 0;
                }
                self.ask_once(request).await
            }
            other => other,
        }
    }

    async fn ask_once<R: Ask>(&self, request: &R) -> Result<R::Answer, ClientError> {
        self.connection
            .call(|channel| request.clone().send(channel))
            .await
    }
}

/// Which stub sends which request.
macro_rules! asked {
    ($($service:ident.$method:ident($request:ty) -> $answer:ty, $($min:ident)?;)+) => {$(
        impl Ask for $request {
            type Answer = $answer;

            async fn send(self, channel: Transport) -> Result<Response<$answer>, Status> {
                $service::new(channel)
                    .max_decoding_message_size(MAX_ANSWER_BYTES)
                    .$method(self)
                    .await
            }

            fn min_position(&mut self) -> Option<&mut u64> {
                asked!(@least self $($min)?)
            }
        }
    )+};
    (@least $request:ident) => { None };
    (@least $request:ident $min:ident) => { Some(&mut $request.$min) };
}

asked! {
    CaseServiceClient.get_case(GetCaseRequest) -> GetCaseResponse, min_position;
    CaseServiceClient.list_cases(ListCasesRequest) -> ListCasesResponse, min_position;
    CaseServiceClient.list_statements(ListStatementsRequest) -> ListStatementsResponse, min_position;
    CaseServiceClient.find_overlaps(FindOverlapsRequest) -> FindOverlapsResponse, min_position;
    CaseServiceClient.list_tasks(ListTasksRequest) -> ListTasksResponse, min_position;
    StatisticsServiceClient.count_cases(CountCasesRequest) -> CountCasesResponse, min_position;
    StatisticsServiceClient.compute_trend(ComputeTrendRequest) -> ComputeTrendResponse, min_position;
    StatisticsServiceClient.list_projections(ListProjectionsRequest) -> ListProjectionsResponse,;
    AccessServiceClient.list_access_records(ListAccessRecordsRequest) -> ListAccessRecordsResponse,;
    SubscriptionServiceClient.create_subscription(CreateSubscriptionRequest) -> CreateSubscriptionResponse,;
    SubscriptionServiceClient.get_subscription(GetSubscriptionRequest) -> GetSubscriptionResponse,;
    SubscriptionServiceClient.list_subscriptions(ListSubscriptionsRequest) -> ListSubscriptionsResponse,;
    SubscriptionServiceClient.update_subscription(UpdateSubscriptionRequest) -> UpdateSubscriptionResponse,;
    SubscriptionServiceClient.delete_subscription(DeleteSubscriptionRequest) -> DeleteSubscriptionResponse,;
    SubscriptionServiceClient.pull(PullRequest) -> PullResponse,;
    SubscriptionServiceClient.acknowledge(AcknowledgeRequest) -> AcknowledgeResponse,;
    SubscriptionServiceClient.modify_ack_deadline(ModifyAckDeadlineRequest) -> ModifyAckDeadlineResponse,;
    SubscriptionServiceClient.nack(NackRequest) -> NackResponse,;
    SubscriptionServiceClient.seek(SeekRequest) -> SeekResponse,;
    SubscriptionServiceClient.list_dead_letters(ListDeadLettersRequest) -> ListDeadLettersResponse,;
    SubscriptionServiceClient.replay_dead_letters(ReplayDeadLettersRequest) -> ReplayDeadLettersResponse,;
    SubscriptionServiceClient.drop_dead_letters(DropDeadLettersRequest) -> DropDeadLettersResponse,;
    SubscriptionServiceClient.list_deliveries(ListDeliveriesRequest) -> ListDeliveriesResponse,;
}

/// Which requests come in pages.
macro_rules! paged {
    ($($request:ty),+) => {$(
        impl Paged for $request {
            fn page_token(&mut self) -> &mut String {
                &mut self.page_token
            }

            fn next_page_token(page: &Self::Answer) -> &str {
                &page.next_page_token
            }
        }
    )+};
}

paged!(
    ListCasesRequest,
    ListStatementsRequest,
    ListTasksRequest,
    ListAccessRecordsRequest,
    ListSubscriptionsRequest,
    ListDeadLettersRequest
);
