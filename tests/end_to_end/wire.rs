//! What no generated client would send is refused as everything else is: with a reason.

use bytes::Bytes;
use casebroker_proto::{
    errors::Reason,
    v1::{SubmitStreamRequest, SubmitStreamResponse},
};
use casebroker_tests::{
    Broker, DEA, FIRST, Site,
    caller::{outcome, refusal},
    cases,
    tls::Client,
};
use h2::{RecvStream, SendStream, client::SendRequest};
use prost::Message as _;
use rustls::version::TLS13;
use tonic::{
    Status,
    codegen::http::{HeaderMap, Request},
};

const GET_CASE: &str = "/casebroker.v1.CaseService/GetCase";

/// HTTP/2 by hand.
struct Wire(SendRequest<Bytes>);

impl Wire {
    async fn connect(site: &Site, broker: &Broker) -> Self {
        let principal = site.principal(DEA, "system");
        let client = Client {
            anchor: site.broker_anchor(),
            identity: Some(&principal.identity),
            versions: &[&TLS13],
        };
        let stream = client.connect(broker.address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self(requests)
    }

    /// Begins a call; the answer's head is to be awaited.
    async fn begin(
        &mut self,
        path: &str,
        header: (&'static str, &str),
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let request = Request::post(format!("https://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header(header.0, header.1)
            .body(())
            .unwrap();
        let mut requests = self.0.clone().ready().await.unwrap();
        requests.send_request(request, false).unwrap()
    }

    /// The refusal of a call with this body.
    async fn refused(&mut self, path: &str, header: (&'static str, &str), body: &[u8]) -> Status {
        let (answer, mut sending) = self.begin(path, header).await;
        sending
            .send_data(Bytes::copy_from_slice(body), true)
            .unwrap();
        let answer = answer.await.unwrap();
        Status::from_header_map(answer.headers()).expect("a refusal is a head alone")
    }
}

/// A message in the frame of gRPC over HTTP/2.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

#[tokio::test]
async fn every_refusal_below_the_methods_has_a_reason_too() {
    let site = Site::new();
    let broker = site.start();
    let mut wire = Wire::connect(&site, &broker).await;
    let none = ("x-none", "");
    let no_message = frame(b"\xff\xff\xff");
    let no_utf8 = frame(b"\x0a\x01\xff");
    let cut = &frame(b"\x0a\x05abcde")[..9];
    let flagged = [&[1], &frame(b"")[1..]].concat();
    let too_long = [&[0], &u32::MAX.to_be_bytes()[..]].concat();
    for (path, header, body, reason) in [
        (GET_CASE, none, &no_message[..], Reason::MalformedMessage),
        (GET_CASE, none, &no_utf8, Reason::MalformedMessage),
        (GET_CASE, none, cut, Reason::MalformedMessage),
        (GET_CASE, none, b"", Reason::MalformedMessage),
        (GET_CASE, none, &flagged, Reason::MalformedMessage),
        (GET_CASE, none, &too_long, Reason::MessageTooLarge),
        (
            GET_CASE,
            ("grpc-encoding", "gzip"),
            &frame(b""),
            Reason::CompressionUnsupported,
        ),
        (
            GET_CASE,
            ("grpc-timeout", "1n"),
            &frame(b"\x0a\x18agencies/us-dea/cases/a1"),
            Reason::DeadlineExceeded,
        ),
        (
            "/casebroker.v1.CaseService/GetCases",
            none,
            &frame(b""),
            Reason::MethodUnknown,
        ),
        (
            "/casebroker.v2.CaseService/GetCase",
            none,
            &frame(b""),
            Reason::MethodUnknown,
        ),
        ("/", none, &frame(b""), Reason::MethodUnknown),
    ] {
        let status = wire.refused(path, header, body).await;
        refusal(&status, reason);
    }
    // The connection serves on.
    let status = wire.refused(GET_CASE, none, &frame(b"")).await;
    refusal(&status, Reason::InvalidFields);
}

#[tokio::test]
async fn a_refusal_of_a_standard_service_is_left_as_it_is() {
    let site = Site::new();
    let broker = site.start();
    let mut wire = Wire::connect(&site, &broker).await;
    let check = "/grpc.health.v1.Health/Check";
    let status = wire
        .refused(check, ("x-none", ""), &frame(b"\x0a\x04none"))
        .await;
    assert_eq!(status.code(), tonic::Code::NotFound);
    assert!(status.details().is_empty(), "{status:?}");
}

#[tokio::test]
async fn a_stream_is_ended_by_an_undecodable_message_only_after_what_came_before_is_answered() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let mut wire = Wire::connect(&site, &broker).await;
    let good = SubmitStreamRequest {
        signed_statement: dea.sign(&cases::reporting_as(DEA, "a")).into(),
    };
    let body = [
        frame(&good.encode_to_vec()),
        frame(b"\xff\xff\xff"),
        frame(&good.encode_to_vec()),
    ]
    .concat();
    let path = "/casebroker.v1.IntakeService/SubmitStream";
    let (answer, mut sending) = wire.begin(path, ("x-none", "")).await;
    sending.send_data(body.into(), true).unwrap();
    let (data, trailers) = read(answer.await.unwrap().into_body()).await;
    let length = u32::from_be_bytes(data[1..5].try_into().unwrap());
    assert_eq!(data.len(), 5 + length as usize, "one answer");
    let first = SubmitStreamResponse::decode(&data[5..]).unwrap();
    assert_eq!(outcome(first).unwrap().position, FIRST);
    let status = Status::from_header_map(&trailers).unwrap();
    refusal(&status, Reason::MalformedMessage);
    assert_eq!(dea.statements(&site.log).await, 1);
}

async fn read(mut body: RecvStream) -> (Vec<u8>, HeaderMap) {
    let mut data = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        data.extend_from_slice(&chunk);
    }
    (data, body.trailers().await.unwrap().unwrap_or_default())
}
