//! The pipeline against a broker that fails: a fake one over real TLS, which breaks streams and runs out of room on purpose.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fake;

use std::{
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use casebroker_client::{Client, ClientError, Profile, Window};
use casebroker_proto::{
    errors::DOMAIN,
    google,
    statement::{Envelope, Signer},
    v1::{
        Entry, RecordedStatement, Retraction, Statement, SubmitRequest, SubmitResponse,
        SubmitStreamRequest, SubmitStreamResponse,
        intake_service_server::{IntakeService, IntakeServiceServer},
        statement::Kind,
        submit_stream_response::Result as Answer,
    },
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming, service::Routes};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What the fake broker does with the next statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Record,
    /// Takes it, records it, and ends the stream without an answer.
    RecordAndBreak,
    /// Has no room for it.
    Full,
    /// Refuses it for good.
    Refuse,
    /// Ends the whole call with a refusal.
    Deny,
}

/// What it has seen, in order.
#[derive(Debug, Default)]
struct Seen {
    envelopes: Vec<Vec<u8>>,
    recorded: Vec<Vec<u8>>,
    streams: usize,
}

#[derive(Clone)]
struct Fake {
    /// Gives the act for the n-th statement seen.
    plan: fn(usize) -> Act,
    seen: Arc<Mutex<Seen>>,
}

#[tonic::async_trait]
impl IntakeService for Fake {
    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        Err(Status::unimplemented("only the stream"))
    }

    type SubmitStreamStream =
        Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let mut requests = request.into_inner();
        let (answers, stream) = mpsc::channel(4);
        let fake = self.clone();
        fake.seen.lock().unwrap().streams += 1;
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                let answer = match fake.take(&request.signed_statement) {
                    Some(answer) => answer,
                    None => return,
                };
                let end = answer.is_err();
                if answers.send(answer).await.is_err() || end {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl Fake {
    /// None breaks the stream.
    fn take(&self, envelope: &[u8]) -> Option<Result<SubmitStreamResponse, Status>> {
        let mut seen = self.seen.lock().unwrap();
        let act = (self.plan)(seen.envelopes.len());
        seen.envelopes.push(envelope.to_vec());
        let refuse = |code: Code, reason: &str| {
            let mut details = ErrorDetails::new();
            details.set_error_info(reason, DOMAIN, []);
            details.set_retry_info(Some(Duration::from_millis(5)));
            let status = Status::with_error_details(code, "no", details);
            let rpc: tonic_types::Status = prost::Message::decode(status.details()).unwrap();
            Answer::Error(google::rpc::Status {
                code: rpc.code,
                message: rpc.message,
                details: rpc.details,
            })
        };
        let answer = match act {
            Act::Deny => return Some(Err(Status::permission_denied("not you"))),
            Act::Full => refuse(Code::ResourceExhausted, "INTAKE_FULL"),
            Act::Refuse => refuse(Code::AlreadyExists, "CASE_EXISTS"),
            Act::Record | Act::RecordAndBreak => {
                let before = seen.recorded.iter().position(|e| e == envelope);
                let position = before.unwrap_or(seen.recorded.len());
                if before.is_none() {
                    seen.recorded.push(envelope.to_vec());
                }
                if act == Act::RecordAndBreak {
                    return None;
                }
                let entry = Entry {
                    record_time: Some(prost_types::Timestamp {
                        seconds: 1_700_000_000,
                        nanos: 0,
                    }),
                    principal: "spiffe://casebroker.example/agency/us-dea/system/feed".into(),
                    salt: vec![7; 16].into(),
                    signed_statement: envelope.to_vec().into(),
                    registry_update: None,
                };
                Answer::Recorded(RecordedStatement {
                    position: position as u64,
                    entry: entry.encode_to_vec().into(),
                    replayed: before.is_some(),
                    ..Default::default()
                })
            }
        };
        Some(Ok(SubmitStreamResponse {
            result: Some(answer),
        }))
    }
}

/// Starts the fake broker and connects to it.
async fn start(folder: &Path, plan: fn(usize) -> Act) -> (Client, Arc<Mutex<Seen>>) {
    let fake = Fake {
        plan,
        seen: Arc::default(),
    };
    let seen = fake.seen.clone();
    let services = Routes::new(IntakeServiceServer::new(fake));
    let profile = fake::serve(folder, services).await;
    (Client::connect(&profile).unwrap(), seen)
}

fn signed(client_folder: &Path, number: usize) -> casebroker_client::Prepared {
    let mut profile = Profile::new("", "", "", "");
    profile.signing_certificate = Some(client_folder.join("own.pem"));
    profile.signing_key = Some(client_folder.join("own.key"));
    let signer: Signer = profile.signer().unwrap().unwrap();
    // Not by `prepare`: the fake broker does not care whether the statement is complete.
    let statement = Statement {
        case: format!("agencies/us-dea/cases/{number}"),
        kind: Some(Kind::Retraction(Retraction::default())),
        ..Default::default()
    };
    casebroker_client::Prepared {
        case: statement.case.clone(),
        request_id: number.to_string(),
        signed: signer.sign(&statement).unwrap().into(),
    }
}

/// Sends statements `0..count` and gives, for each in order of the answers, its case and position or reason.
async fn send(
    plan: fn(usize) -> Act,
    count: usize,
    window: Window,
) -> (
    Vec<(String, Result<u64, String>)>,
    Option<ClientError>,
    Arc<Mutex<Seen>>,
) {
    let folder = tempfile::tempdir().unwrap();
    let (client, seen) = start(folder.path(), plan).await;
    let (submissions, mut answers) = client.submit_stream(window);
    let path = folder.path().to_owned();
    let pushing = tokio::spawn(async move {
        for number in 0..count {
            if submissions.push(signed(&path, number)).await.is_err() {
                return;
            }
        }
    });
    let mut found = Vec::new();
    let error = loop {
        match answers.next().await {
            Ok(Some(outcome)) => {
                let result = outcome.result.map(|r| r.position);
                found.push((
                    outcome.prepared.request_id,
                    result.map_err(|r| r.reason.unwrap_or_default()),
                ));
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    pushing.await.unwrap();
    (found, error, seen)
}

fn in_order(count: usize) -> Vec<(String, Result<u64, String>)> {
    (0..count).map(|n| (n.to_string(), Ok(n as u64))).collect()
}

const SMALL: Window = Window {
    count: 7,
    bytes: 1 << 20,
};

#[tokio::test]
async fn every_statement_is_answered_in_order() {
    let (found, error, seen) = send(|_| Act::Record, 300, Window::default()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(found, in_order(300));
    assert_eq!(seen.lock().unwrap().streams, 1);
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_with_the_same_bytes_in_the_same_order() {
    // Every tenth statement is recorded, and its answer lost.
    let plan = |n: usize| {
        if n % 10 == 9 {
            Act::RecordAndBreak
        } else {
            Act::Record
        }
    };
    let (found, error, seen) = send(plan, 60, SMALL).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(found, in_order(60));
    let seen = seen.lock().unwrap();
    assert!(seen.streams > 5, "{}", seen.streams);
    // Recorded once each: what was sent again was the same, byte for byte.
    assert_eq!(seen.recorded.len(), 60);
    let cases: Vec<_> = seen
        .recorded
        .iter()
        .map(|bytes| Envelope::parse(bytes).unwrap().decode().unwrap().case)
        .collect();
    assert_eq!(
        cases,
        (0..60)
            .map(|n| format!("agencies/us-dea/cases/{n}"))
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn what_failed_behind_a_statement_without_room_is_tried_again_in_order() {
    // The fourth finds no room, and the two after it are refused because it is missing.
    let plan = |n: usize| match n {
        3 => Act::Full,
        4 | 5 => Act::Refuse,
        _ => Act::Record,
    };
    let (found, error, _) = send(plan, 20, SMALL).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(
        found.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(),
        (0..20).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert!(found.iter().all(|(_, result)| result.is_ok()), "{found:?}");
}

#[tokio::test]
async fn a_final_refusal_is_the_answer_and_the_stream_goes_on() {
    let plan = |n: usize| if n == 1 { Act::Refuse } else { Act::Record };
    let (found, error, seen) = send(plan, 4, SMALL).await;
    assert!(error.is_none(), "{error:?}");
    let results: Vec<_> = found.into_iter().map(|(_, result)| result).collect();
    assert_eq!(results, [Ok(0), Err("CASE_EXISTS".into()), Ok(1), Ok(2)]);
    assert_eq!(seen.lock().unwrap().streams, 1);
}

#[tokio::test]
async fn a_refusal_of_the_whole_call_ends_the_pipeline() {
    let plan = |n: usize| if n == 2 { Act::Deny } else { Act::Record };
    let (found, error, _) = send(plan, 10, SMALL).await;
    assert!(found.len() <= 2);
    let refused = error.unwrap();
    assert_eq!(refused.refusal().unwrap().code, Code::PermissionDenied);
}

#[tokio::test]
async fn a_broker_that_never_has_room_is_given_up() {
    let (found, error, seen) = send(|_| Act::Full, 3, SMALL).await;
    assert!(found.is_empty());
    assert_eq!(error.unwrap().reason(), Some("INTAKE_FULL"));
    assert_eq!(seen.lock().unwrap().streams, 6);
}
