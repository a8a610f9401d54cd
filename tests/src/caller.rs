//! A principal on a connection of its own, with the stubs made from the contract and nothing of the SDK.

use std::{fmt, net::SocketAddr, sync::Arc};

use casebroker_proto::{
    errors::{DOMAIN, Reason},
    google::rpc,
    statement::Signer,
    tlog::{Checkpoint, NoteVerifier},
    v1::{
        Case, CaseFilter, FindOverlapsRequest, FindOverlapsResponse, GetCaseRequest,
        GetCheckpointRequest, GetReceiptRequest, GetReceiptResponse, ListCasesRequest,
        ListCasesResponse, ListProjectionsRequest, ListStatementsRequest, RecordedStatement,
        Statement, StatementRecord, SubmitRequest, SubmitStreamRequest, SubmitStreamResponse,
        access_service_client::AccessServiceClient, case_service_client::CaseServiceClient,
        intake_service_client::IntakeServiceClient, log_service_client::LogServiceClient,
        registry_service_client::RegistryServiceClient,
        statistics_service_client::StatisticsServiceClient, submit_stream_response,
    },
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Error, Identity},
};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{FIRST, pki::Principal, site::ORIGIN, wait};

/// A connected principal.
#[derive(Clone)]
pub struct Caller {
    /// The connection.
    pub channel: Channel,
    /// Key that statements are signed with.
    pub signer: Arc<Signer>,
    /// Agency's id.
    pub agency: String,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.agency).finish()
    }
}

impl Caller {
    /// Connects; the handshake is done when this returns, but with TLS 1.3 a refusal may show at the first call only.
    pub async fn connect(
        address: SocketAddr,
        anchor: &str,
        principal: &Principal,
    ) -> Result<Self, Error> {
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(anchor))
            .identity(Identity::from_pem(
                &principal.identity.certificate,
                &principal.identity.key,
            ));
        let channel = Endpoint::from_shared(format!("https://{address}"))?
            .tls_config(tls)?
            .connect()
            .await?;
        Ok(Self {
            channel,
            signer: Arc::clone(&principal.signer),
            agency: principal.agency.clone(),
        })
    }

    /// Stub of the intake.
    pub fn intake(&self) -> IntakeServiceClient<Channel> {
        // More than the broker takes, so that it is the broker who refuses.
        IntakeServiceClient::new(self.channel.clone()).max_encoding_message_size(64 << 20)
    }

    /// Stub of the cases.
    pub fn cases(&self) -> CaseServiceClient<Channel> {
        CaseServiceClient::new(self.channel.clone())
    }

    /// Stub of the statistics.
    pub fn statistics(&self) -> StatisticsServiceClient<Channel> {
        StatisticsServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    /// Stub of the log.
    pub fn log(&self) -> LogServiceClient<Channel> {
        LogServiceClient::new(self.channel.clone())
    }

    /// Stub of the access record.
    pub fn access(&self) -> AccessServiceClient<Channel> {
        AccessServiceClient::new(self.channel.clone())
    }

    /// Stub of the registry.
    pub fn registry(&self) -> RegistryServiceClient<Channel> {
        RegistryServiceClient::new(self.channel.clone())
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &Statement) -> Vec<u8> {
        self.signer.sign(statement).unwrap()
    }

    /// Signs and submits one statement.
    pub async fn submit(&self, statement: &Statement) -> Result<RecordedStatement, Status> {
        self.submit_signed(self.sign(statement)).await
    }

    /// Submits an envelope as it is.
    pub async fn submit_signed(&self, signed: Vec<u8>) -> Result<RecordedStatement, Status> {
        let request = SubmitRequest {
            signed_statement: signed.into(),
            known_tree_size: 0,
        };
        let response = self.intake().submit(request).await?.into_inner();
        Ok(response
            .recorded
            .expect("an answer holds what was recorded"))
    }

    /// Opens a stream of submissions.
    pub async fn stream(
        &self,
    ) -> Result<
        (
            mpsc::Sender<SubmitStreamRequest>,
            Streaming<SubmitStreamResponse>,
        ),
        Status,
    > {
        let (requests, outgoing) = mpsc::channel(64);
        let answers = self
            .intake()
            .submit_stream(ReceiverStream::new(outgoing))
            .await?
            .into_inner();
        Ok((requests, answers))
    }

    /// Submits many envelopes over one stream: one answer each, in order, until the stream ends.
    pub async fn submit_all(
        &self,
        signed: Vec<Vec<u8>>,
    ) -> Result<Vec<Result<RecordedStatement, Status>>, Status> {
        let (requests, mut answers) = self.stream().await?;
        let feed = tokio::spawn(async move {
            for signed_statement in signed {
                let request = SubmitStreamRequest {
                    signed_statement: signed_statement.into(),
                };
                if requests.send(request).await.is_err() {
                    return;
                }
            }
        });
        let mut outcomes = Vec::new();
        while let Some(answer) = answers.message().await? {
            outcomes.push(outcome(answer));
        }
        feed.await.unwrap();
        Ok(outcomes)
    }

    /// One case.
    pub async fn get(&self, name: &str) -> Result<Case, Status> {
        let request = GetCaseRequest {
            name: name.into(),
            min_position: 0,
        };
        let response = self.cases().get_case(request).await?.into_inner();
        Ok(response.case.expect("an answer holds the case"))
    }

    /// What overlaps with a case.
    pub async fn overlaps(&self, case: &str) -> Result<FindOverlapsResponse, Status> {
        let request = FindOverlapsRequest {
            case: case.into(),
            min_position: 0,
        };
        Ok(self.cases().find_overlaps(request).await?.into_inner())
    }

    /// The history of one case, first page.
    pub async fn history(&self, name: &str) -> Result<Vec<StatementRecord>, Status> {
        let request = ListStatementsRequest {
            case: name.into(),
            ..Default::default()
        };
        let response = self.cases().list_statements(request).await?.into_inner();
        Ok(response.statements)
    }

    /// One page of a listing. The first takes account of everything that is in the log now, unless the request says otherwise.
    pub async fn page(&self, request: &ListCasesRequest) -> Result<ListCasesResponse, Status> {
        let mut request = request.clone();
        if request.min_position == 0 && request.page_token.is_empty() {
            request.min_position = self.size().await?;
        }
        Ok(self.cases().list_cases(request).await?.into_inner())
    }

    /// Size of the log, as its newest checkpoint says without being verified.
    pub async fn size(&self) -> Result<u64, Status> {
        let request = GetCheckpointRequest::default();
        let answer = self.log().get_checkpoint(request).await?.into_inner();
        let size = answer.checkpoint.lines().nth(1).map(str::parse);
        Ok(size.map_or(0, |size| size.expect("the second line is the size")))
    }

    /// Waits until table and text have followed everything that was recorded so far.
    pub async fn caught_up(&self) {
        let size = self.size().await.unwrap();
        wait::until_async("the projections have followed the log", async || {
            let request = ListProjectionsRequest::default();
            let answer = self.statistics().list_projections(request).await.unwrap();
            let projections = answer.into_inner().projections;
            let mut positions = projections.iter().map(|p| (p.rebuilding, p.as_of_position));
            positions
                .all(|(rebuilding, position)| !rebuilding && position >= size)
                .then_some(())
        })
        .await;
    }

    /// All cases, over all pages.
    pub async fn list(&self, filter: Option<CaseFilter>) -> Vec<Case> {
        let mut request = ListCasesRequest {
            filter,
            page_size: 1_000,
            ..Default::default()
        };
        let mut cases = Vec::new();
        loop {
            let page = self.page(&request).await.unwrap();
            cases.extend(page.cases);
            if page.next_page_token.is_empty() {
                return cases;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// The receipt of a position.
    pub async fn receipt(&self, position: u64) -> Result<GetReceiptResponse, Status> {
        let request = GetReceiptRequest {
            position,
            known_tree_size: 0,
        };
        Ok(self.log().get_receipt(request).await?.into_inner())
    }

    /// The newest checkpoint, verified; `None` while the log is empty.
    pub async fn checkpoint(&self, key: &NoteVerifier) -> Option<Checkpoint> {
        let request = GetCheckpointRequest::default();
        let text = self.log().get_checkpoint(request).await.unwrap();
        let text = text.into_inner().checkpoint;
        (!text.is_empty()).then(|| Checkpoint::open(&text, key, ORIGIN).unwrap())
    }

    /// Number of statements in the log, if the registry has not changed since its first start.
    pub async fn statements(&self, key: &NoteVerifier) -> u64 {
        let size = self.checkpoint(key).await.map_or(0, |c| c.size);
        size.saturating_sub(FIRST)
    }
}

/// An answer of a stream as the same unary call would have ended.
pub fn outcome(answer: SubmitStreamResponse) -> Result<RecordedStatement, Status> {
    match answer.result.expect("an answer has a result") {
        submit_stream_response::Result::Recorded(recorded) => Ok(recorded),
        submit_stream_response::Result::Error(error) => Err(in_band(&error)),
    }
}

fn in_band(error: &rpc::Status) -> Status {
    let details = error.encode_to_vec().into();
    Status::with_details(Code::from_i32(error.code), &error.message, details)
}

/// The details of an outcome that must be a refusal for this reason.
pub fn refused<T: fmt::Debug>(outcome: Result<T, Status>, reason: Reason) -> ErrorDetails {
    refusal(&outcome.expect_err("must be refused"), reason)
}

/// The details of a status that must be a refusal for this reason, in the form that every refusal has.
pub fn refusal(status: &Status, reason: Reason) -> ErrorDetails {
    let details = status.get_error_details();
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("a refusal without a reason: {status:?}"));
    let expected = reason.explain();
    assert_eq!(info.reason, expected.id, "{status:?}");
    assert_eq!(info.domain, DOMAIN);
    assert_eq!(status.code() as i32, expected.code as i32, "{status:?}");
    assert!(
        status.message().ends_with(expected.action),
        "says what to do: {status:?}"
    );
    details
}

/// Field paths of the violations in a refusal.
pub fn fields(details: &ErrorDetails) -> Vec<String> {
    details
        .bad_request()
        .map(|bad| {
            bad.field_violations
                .iter()
                .map(|v| v.field.clone())
                .collect()
        })
        .unwrap_or_default()
}
