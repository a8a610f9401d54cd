//! Who is let in, and as whom.

use std::time::{Duration, Instant};

use casebroker_proto::{
    errors::Reason,
    v1::{GetCallerRequest, GetCallerResponse},
};
use casebroker_tests::{
    Broker, CBP, Caller, DEA, RCMP, Site, cases,
    pki::{Authority, Identity, Wish, spiffe},
    refused,
    tls::{Client, PREFACE},
};
use futures_util::future::join_all;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

async fn whoami(caller: &Caller) -> GetCallerResponse {
    let answer = caller.registry().get_caller(GetCallerRequest {}).await;
    answer.unwrap().into_inner()
}

/// Comes with TLS 1.3 and this certificate.
async fn come(broker: &Broker, identity: Option<&Identity>) -> std::io::Result<()> {
    let client = Client {
        anchor: broker.anchor(),
        identity,
        versions: &[&TLS13],
    };
    client.is_let_in(broker.address).await
}

/// Must be refused, for a reason that the broker logs with these words; others are served on.
async fn assert_refused(broker: &Broker, good: &Identity, bad: Option<&Identity>, words: &str) {
    let refused = come(broker, bad).await;
    assert!(refused.is_err(), "let in, but: {words}");
    broker.wait_logged(&["handshake refused", words]);
    come(broker, Some(good)).await.unwrap();
}

#[tokio::test]
async fn a_caller_is_told_who_it_is() {
    let site = Site::new();
    let broker = site.start();
    for role in ["system", "officer", "auditor", "operator"] {
        let me = whoami(&broker.connect(&site.principal(CBP, role)).await).await;
        assert_eq!(me.principal, spiffe(CBP, role, "test"));
        assert_eq!(
            (me.agency.as_str(), me.role.as_str()),
            ("agencies/us-cbp", role)
        );
        assert_eq!(me.log_vkey, site.log.to_string());
        assert_eq!(me.log_origin, casebroker_tests::site::ORIGIN);
        assert!(me.tls.starts_with("TLS1.3 TLS_"), "{}", me.tls);
        assert!(!me.certificate_serial.is_empty());
    }
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused() {
    let site = Site::new();
    let broker = site.start();
    let authority = site.authority(DEA);
    let wish = || Wish::client(DEA, "system", "test");
    let good = authority.issue(&wish());
    come(&broker, Some(&good)).await.unwrap();

    assert_refused(&broker, &good, None, "peer sent no certificates").await;
    let expired = Wish {
        years: (2020, 2021),
        ..wish()
    };
    let expired = authority.issue(&expired);
    assert_refused(&broker, &good, Some(&expired), "xpired").await;
    let early = Wish {
        years: (2090, 2100),
        ..wish()
    };
    let early = authority.issue(&early);
    assert_refused(&broker, &good, Some(&early), "not valid yet").await;
    let stranger = Authority::new("stranger").issue(&wish());
    assert_refused(&broker, &good, Some(&stranger), "UnknownIssuer").await;
    // The same name as the agency's own authority, another key.
    let namesake = Authority::new(DEA).issue(&wish());
    assert_refused(&broker, &good, Some(&namesake), "BadSignature").await;
    let for_servers = Wish {
        usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
        ..wish()
    };
    let for_servers = authority.issue(&for_servers);
    assert_refused(&broker, &good, Some(&for_servers), "xtended").await;
}

#[tokio::test]
async fn certificates_that_name_nobody_or_somebody_else_are_refused() {
    let site = Site::new();
    let broker = site.start();
    let good = site
        .authority(DEA)
        .issue(&Wish::client(DEA, "system", "test"));
    let naming = |uris: &Vec<String>| {
        site.authority(DEA).issue(&Wish {
            uris: uris.clone(),
            ..Wish::client(DEA, "system", "test")
        })
    };
    let (own, colleague) = (
        spiffe(DEA, "system", "test"),
        spiffe(DEA, "officer", "test"),
    );
    let foreign = spiffe(CBP, "system", "test");
    let at = |rest: &str| format!("spiffe://{rest}");
    for (uris, words) in [
        (vec![], "no subject alternative name"),
        (vec![own.clone(), colleague], "more than one URI"),
        (vec![own.replace("spiffe", "https")], "must have the form"),
        (vec![own.replace("system", "root")], "role `root`"),
        (
            vec![at("other.example/agency/us-dea/system/test")],
            "another trust domain",
        ),
        (vec![own.replace(DEA, "us-fbi")], "of no member"),
        // The authority of one agency speaks for another.
        (vec![foreign], "UnknownIssuer"),
    ] {
        assert_refused(&broker, &good, Some(&naming(&uris)), words).await;
    }
}

#[tokio::test]
async fn a_signing_certificate_opens_no_connection() {
    let site = Site::new();
    let (signer, _) = site.authority(DEA).signer(DEA, "second", (2020, 2100));
    site.register_signer(DEA, "second", &signer.certificate);
    let broker = site.start();
    let good = site
        .authority(DEA)
        .issue(&Wish::client(DEA, "system", "test"));
    assert_refused(&broker, &good, Some(&signer), "role `signer`").await;
}

#[tokio::test]
async fn neither_older_tls_nor_plain_text_is_spoken() {
    let site = Site::new();
    let broker = site.start();
    let good = site
        .authority(DEA)
        .issue(&Wish::client(DEA, "system", "test"));
    let old = Client {
        anchor: broker.anchor(),
        identity: Some(&good),
        versions: &[&TLS12],
    };
    let refused = old.is_let_in(broker.address).await.unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    let newer = Client {
        versions: &[&TLS13, &TLS12],
        ..old
    };
    newer.is_let_in(broker.address).await.unwrap();

    let mut plain = TcpStream::connect(broker.address).await.unwrap();
    plain.write_all(PREFACE).await.unwrap();
    let mut answer = Vec::new();
    // The broker may also reset the connection.
    let _ = plain.read_to_end(&mut answer).await;
    // At most an alert: record type 21.
    assert!(
        answer.is_empty() || (answer[0] == 21 && answer.len() == 7),
        "{answer:?}"
    );
    come(&broker, Some(&good)).await.unwrap();
}

#[tokio::test]
async fn slow_handshakes_are_cut_while_others_are_served() {
    let site = Site::new()
        .with("limits.handshake_timeout_ms", 700)
        .with("limits.handshakes", 4);
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let begin = Instant::now();
    // As many as the broker shakes hands with at once: some silent, some that send a byte now and then.
    let slow = (0..4).map(|n| {
        let address = broker.address;
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut byte = [0];
            // The beginning of a record that says it is 16 KB long.
            let mut drip = [22, 3, 1, 0x40, 0].into_iter().chain(std::iter::repeat(1));
            loop {
                if n % 2 == 0 {
                    let _ = stream.read(&mut byte).await;
                    return;
                }
                let pause = Duration::from_millis(50);
                match tokio::time::timeout(pause, stream.read(&mut byte)).await {
                    Ok(_) => return,
                    Err(_) => {
                        if stream.write_all(&[drip.next().unwrap()]).await.is_err() {
                            return;
                        }
                    }
                }
            }
        })
    });
    let slow: Vec<_> = slow.collect();
    let mut served = 0;
    while !slow.iter().all(|s| s.is_finished()) {
        dea.submit(&cases::reporting_as(DEA, &format!("c{served}")))
            .await
            .unwrap();
        served += 1;
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "slow ones are not cut"
        );
    }
    assert!(served > 3, "{served} served meanwhile");
    assert!(
        begin.elapsed() >= Duration::from_millis(650),
        "not cut by the limit"
    );
    join_all(slow).await;
    broker.wait_logged(&["handshake took too long"]);
    broker.connect(&site.principal(CBP, "system")).await;
}

#[tokio::test]
async fn auditors_and_operators_reach_no_cases() {
    let site = Site::new();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    system.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    let name = cases::name(DEA, "a");
    for role in ["auditor", "operator"] {
        let caller = broker.connect(&site.principal(DEA, role)).await;
        let no = Reason::RoleNotAllowed;
        refused(caller.submit(&cases::reporting_as(DEA, "b")).await, no);
        refused(caller.stream().await, no);
        refused(caller.get(&name).await, no);
        // What is not there is refused in the same way.
        refused(caller.get(&cases::name(DEA, "none")).await, no);
        refused(caller.history(&name).await, no);
        refused(caller.page(&Default::default()).await, no);
        match role {
            "auditor" => drop(caller.receipt(0).await.unwrap()),
            _ => drop(refused(caller.receipt(0).await, no)),
        }
    }
    assert_eq!(system.statements(&site.log).await, 1);
}

#[tokio::test]
async fn an_officer_may_submit_and_read() {
    let site = Site::new();
    let broker = site.start();
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    officer
        .submit(&cases::reporting_as(RCMP, "a"))
        .await
        .unwrap();
    assert!(officer.get(&cases::name(RCMP, "a")).await.is_ok());
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let site = Site::new();
    let broker = site.start();
    let operator = broker.connect(&site.principal(DEA, "operator")).await;
    let services = [
        "IntakeService",
        "CaseService",
        "LogService",
        "RegistryService",
    ]
    .map(|service| format!("casebroker.v1.{service}"));
    let mut health = HealthClient::new(operator.channel.clone());
    for service in services.iter().map(String::as_str).chain([""]) {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status, 1, "{service:?} is SERVING");
    }

    let ask = async |request: MessageRequest| {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(request),
        };
        let mut client = ServerReflectionClient::new(operator.channel.clone());
        let requests = tokio_stream::iter([request]);
        let mut answers = client
            .server_reflection_info(requests)
            .await
            .unwrap()
            .into_inner();
        answers
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .unwrap()
    };
    let MessageResponse::ListServicesResponse(list) =
        ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("not a list of services")
    };
    let listed: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
    for service in services {
        assert!(listed.contains(&service), "{listed:?}");
        let answer = ask(MessageRequest::FileContainingSymbol(service)).await;
        let MessageResponse::FileDescriptorResponse(files) = answer else {
            panic!("not a file: {answer:?}")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
}
