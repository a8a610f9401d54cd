//! Quotas: nobody takes everything, and who is over gets told when to come back.

use std::time::{Duration, Instant};

use casebroker_client::{Client, Profile};
use casebroker_proto::{
    errors::Reason,
    v1::{GetCallerRequest, SubmitRequest},
};
use casebroker_tests::{
    Broker, CBP, Caller, DEA, Site,
    casectl::{Casectl, json_line},
    cases,
    pki::{Principal, Wish},
    refusal, wait,
};
use futures_util::{FutureExt as _, future::join_all};
use tonic::Status;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// A principal of its own name.
fn principal(site: &Site, agency: &str, role: &str, name: &str) -> Principal {
    let wish = Wish::client(agency, role, name);
    Principal {
        agency: agency.into(),
        identity: site.authority(agency).issue(&wish),
        signer: site.signer(agency),
    }
}

async fn whoami(caller: &Caller) -> Result<(), Status> {
    let answer = caller.registry().get_caller(GetCallerRequest {}).await;
    answer.map(drop)
}

/// Which quota a refusal names, and when it says to come back.
fn over(status: &Status) -> (String, Duration) {
    let details = refusal(status, Reason::QuotaExceeded);
    let info = details.error_info().unwrap();
    let retry = details.retry_info().and_then(|retry| retry.retry_delay);
    (info.metadata["quota"].clone(), retry.unwrap())
}

/// Asks so often at once; gives how many were served, and the refusals.
async fn flood(callers: &[Caller], times: usize) -> (usize, Vec<Status>) {
    let calls = callers.iter().cycle().take(times).map(whoami);
    let outcomes = join_all(calls).await;
    let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    (times - refused.len(), refused)
}

async fn until_served(caller: &Caller) {
    wait::until_async("a call is served", || async { whoami(caller).await.ok() }).await;
}

#[tokio::test]
async fn over_its_rate_a_principal_is_told_when_to_come_back_and_is_served_then() {
    let site = Site::new().with("quotas.officer.requests_per_s", 1);
    let broker = site.start();
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let colleague = broker
        .connect(&principal(&site, CBP, "officer", "colleague"))
        .await;
    let began = Instant::now();
    let (served, refused) = flood(std::slice::from_ref(&cbp), 40).await;
    let most = 2 + began.elapsed().as_secs() as usize;
    assert!((1..=most).contains(&served), "{served} served");
    let (quota, retry) = over(&refused[0]);
    assert_eq!(quota, "principal.requests");
    assert!(retry <= Duration::from_secs(1), "{retry:?}");
    // The others have quotas of their own.
    whoami(&dea).await.unwrap();
    whoami(&colleague).await.unwrap();
    tokio::time::sleep(retry).await;
    whoami(&cbp).await.unwrap();
}

#[tokio::test]
async fn a_burst_that_is_over_the_rate_only_for_a_moment_waits_and_is_served() {
    let site = Site::new()
        .with("quotas.officer.requests_per_s", 40)
        .with("quotas.wait_ms", 10_000);
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let began = Instant::now();
    let (served, _) = flood(&[dea], 60).await;
    assert_eq!(served, 60);
    // 4 at once, the others one each 25 ms.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_300), "{took:?}");
}

#[tokio::test]
async fn however_many_principals_an_agency_has_they_share_its_quota_and_others_are_served() {
    let site = Site::new().with("quotas.agencies.us-cbp.requests_per_s", 1);
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let mut callers = vec![];
    for n in 0..10 {
        let name = format!("officer-{n}");
        let principal = principal(&site, CBP, "officer", &name);
        callers.push(broker.connect(&principal).await);
    }
    let began = Instant::now();
    let (flooded, quiet) = tokio::join!(flood(&callers, 100), async {
        for n in 0..20 {
            let case = format!("meanwhile-{n}");
            dea.submit(&cases::reporting_as(DEA, &case)).await.unwrap();
        }
    });
    let () = quiet;
    let (served, refused) = flooded;
    let most = 2 + began.elapsed().as_secs() as usize;
    assert!((1..=most).contains(&served), "{served} served");
    assert!(
        refused
            .iter()
            .all(|status| over(status).0 == "agency.requests")
    );
    until_served(&callers[0]).await;
}

#[tokio::test]
async fn health_and_reflection_count_too() {
    let site = Site::new().with("quotas.officer.requests_per_s", 1);
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let check = || async {
        let mut health = HealthClient::new(dea.channel.clone());
        health.check(HealthCheckRequest::default()).await
    };
    let outcomes = join_all((0..40).map(|_| check())).await;
    let refused = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
    assert_eq!(over(refused.unwrap()).0, "principal.requests");
}

#[tokio::test]
async fn bytes_are_limited_and_a_large_request_alone_is_served_slowly() {
    let site = Site::new().with("quotas.officer.bytes_per_s", 64 << 10);
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    // No envelope at all: what matters is that it came as far as that.
    let send = |bytes: usize| {
        let request = SubmitRequest {
            signed_statement: vec![7; bytes].into(),
            known_tree_size: 0,
        };
        let mut intake = dea.intake();
        async move { intake.submit(request).await.unwrap_err() }
    };
    let arrived = |status: &Status| status.code() == tonic::Code::InvalidArgument;
    let began = Instant::now();
    let status = send(128 << 10).await;
    assert!(arrived(&status), "{status:?}");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_500), "{took:?}");

    let statuses = join_all((0..15).map(|_| send(15 << 10))).await;
    let refused: Vec<_> = statuses.iter().filter(|status| !arrived(status)).collect();
    assert!(!refused.is_empty() && refused.len() < statuses.len());
    let (quota, retry) = over(refused[0]);
    assert_eq!(quota, "principal.bytes");
    tokio::time::sleep(retry).await;
    let status = send(1_000).await;
    assert!(arrived(&status), "{status:?}");
}

#[tokio::test]
async fn a_stream_over_the_rate_is_slowed_and_loses_nothing() {
    const STATEMENTS: usize = 150;
    let site = Site::new().with("quotas.agencies.us-cbp.requests_per_s", 100);
    let broker = site.start();
    let cbp = broker.connect(&site.principal(CBP, "system")).await;
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let signed = (0..STATEMENTS)
        .map(|n| cbp.sign(&cases::reporting_as(CBP, &format!("c{n}"))))
        .collect();
    let began = Instant::now();
    let (outcomes, ()) = tokio::join!(cbp.submit_all(signed), async {
        for n in 0..20 {
            let case = format!("meanwhile-{n}");
            dea.submit(&cases::reporting_as(DEA, &case)).await.unwrap();
        }
    });
    let took = began.elapsed();
    let positions: Vec<_> = outcomes
        .unwrap()
        .into_iter()
        .map(|outcome| outcome.unwrap().position)
        .collect();
    assert_eq!(positions.len(), STATEMENTS);
    assert!(positions.is_sorted(), "in order");
    // 10 at once, the others one each 10 ms.
    assert!(took >= Duration::from_millis(1_300), "{took:?}");
}

#[tokio::test]
async fn open_streams_are_limited_and_a_place_comes_back_when_one_ends() {
    let site = Site::new().with("quotas.officer.streams", 2);
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let first = dea.stream().await.unwrap();
    let second = dea.stream().await.unwrap();
    let refused = dea.stream().await.unwrap_err();
    assert_eq!(over(&refused).0, "principal.streams");
    // Calls are counted apart.
    whoami(&dea).await.unwrap();
    drop(first);
    wait::until_async("there is room for a stream", || async {
        dea.stream().await.ok()
    })
    .await;
    drop(second);
}

#[tokio::test]
async fn calls_at_once_are_limited_and_a_place_comes_back_when_one_is_cancelled() {
    // Slow by its bytes, so that it stays in work for long.
    let site = Site::new()
        .with("quotas.officer.bytes_per_s", 64 << 10)
        .with("quotas.officer.calls", 1);
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let slow = {
        let mut intake = dea.intake();
        let request = SubmitRequest {
            signed_statement: vec![7; 900 << 10].into(),
            known_tree_size: 0,
        };
        tokio::spawn(async move { intake.submit(request).await.map(drop) })
    };
    let refused = wait::until_async("a second call is refused", || async {
        whoami(&dea).await.err()
    })
    .await;
    assert_eq!(over(&refused).0, "principal.calls");
    slow.abort();
    until_served(&dea).await;
}

#[tokio::test]
async fn a_connection_over_the_quota_is_closed_and_one_that_ends_makes_room() {
    let site = Site::new().with("quotas.officer.connections", 2);
    let broker = site.start();
    let cbp = site.principal(CBP, "officer");
    let first = broker.connect(&cbp).await;
    let second = broker.connect(&cbp).await;
    whoami(&first).await.unwrap();
    whoami(&second).await.unwrap();
    assert!(one_call(&broker, &cbp).await.is_err(), "a third is closed");
    broker.wait_logged(&["connection over its quota", "principal.connections"]);
    whoami(&first).await.unwrap();
    // Another principal of the agency has places of its own.
    let colleague = principal(&site, CBP, "officer", "colleague");
    one_call(&broker, &colleague).await.unwrap();
    drop(first);
    wait::until_async("a new connection is served", || async {
        one_call(&broker, &cbp).await.ok()
    })
    .await;
    whoami(&second).await.unwrap();
}

/// A call on a connection of its own.
async fn one_call(broker: &Broker, principal: &Principal) -> anyhow::Result<()> {
    let caller = Caller::connect(broker.address, broker.anchor(), principal).await?;
    Ok(whoami(&caller).await?)
}

#[tokio::test]
async fn no_place_is_lost_however_a_call_or_connection_ends() {
    const ROUNDS: usize = 1_000;
    const PLACES: usize = 3;
    let site = Site::new()
        .with("quotas.officer.requests_per_s", 1_000_000)
        .with("quotas.officer.calls", PLACES)
        .with("quotas.officer.streams", PLACES)
        .with("quotas.officer.connections", PLACES)
        .with("quotas.officer.connections_per_s", 10_000)
        .with("quotas.agency.requests_per_s", 1_000_000)
        .with("quotas.agency.connections_per_s", 10_000)
        .with("quotas.wait_ms", 1);
    let broker = site.start();
    let officer = site.principal(DEA, "officer");
    let dea = broker.connect(&officer).await;
    for round in 0..ROUNDS {
        // Ends by itself, is cancelled before it is answered (after a different while each time), and a stream that is
        // dropped while open. Some of them are refused: that is no loss.
        drop(whoami(&dea).await);
        let mut cancelled = Box::pin(whoami(&dea));
        for _ in 0..round % 7 {
            if cancelled.as_mut().now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(cancelled);
        drop(dea.stream().await);
        if round % 5 == 0 {
            // The connection goes while a stream is open on it.
            let other = Caller::connect(broker.address, broker.anchor(), &officer).await;
            if let Ok(other) = other {
                drop(other.stream().await);
            }
        }
    }
    wait::until_async("every place for a stream can be had", || async {
        let streams = join_all((0..PLACES).map(|_| dea.stream())).await;
        streams.iter().all(Result::is_ok).then_some(())
    })
    .await;
    wait::until_async("every place for a call can be had", || async {
        (flood(std::slice::from_ref(&dea), PLACES).await.0 == PLACES).then_some(())
    })
    .await;
    wait::until_async("every connection can be had", || async {
        let mut others = vec![];
        for _ in 1..PLACES {
            others.push(broker.connect(&officer).await);
        }
        let served = join_all(others.iter().map(whoami)).await;
        served.iter().all(Result::is_ok).then_some(())
    })
    .await;
    // And the limit still holds.
    let _open = join_all((0..PLACES).map(|_| dea.stream())).await;
    let refused = wait::until_async("one more is refused", || async { dea.stream().await.err() });
    assert_eq!(over(&refused.await).0, "principal.streams");
}

#[tokio::test]
async fn the_sdk_waits_as_long_as_it_is_told_and_gets_through() {
    let site = Site::new()
        .with("quotas.officer.requests_per_s", 1)
        .with("quotas.wait_ms", 0);
    let broker = site.start();
    let casectl = Casectl::new(&site, &broker, DEA, "officer");
    let mut profile = Profile::new(
        format!("https://localhost:{}", broker.address.port()),
        casectl.path("ca.pem"),
        casectl.path("client.pem"),
        casectl.path("client.key"),
    );
    // One refusal, then it must be served: a client that came back too early would fail.
    profile.timing.attempts = 2;
    let client = Client::connect(&profile).unwrap();
    let began = Instant::now();
    for _ in 0..4 {
        client.caller().await.unwrap();
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(2_900), "{took:?}");
}

#[test]
fn casectl_submits_a_large_file_under_a_small_quota() {
    const CASES: usize = 400;
    let site = Site::new()
        .with("quotas.system.requests_per_s", 200)
        .with("quotas.system.bytes_per_s", 256 << 10)
        .with("quotas.agency_queue_entries", 4);
    let broker = site.start();
    let casectl = Casectl::new(&site, &broker, DEA, "system");
    let lines: String = (0..CASES)
        .map(|n| json_line(&cases::report(DEA, &format!("c{n}"))) + "\n")
        .collect();
    casectl.write("all.jsonl", &lines);
    casectl.expect(0, &["submit", "all.jsonl"]);
    let first = cases::name(DEA, "c0");
    let last = cases::name(DEA, &format!("c{}", CASES - 1));
    for name in [first, last] {
        casectl.expect(0, &["get", &name]);
    }
    casectl.expect(0, &["verify", "all.jsonl.receipts.jsonl"]);
}

#[test]
fn a_quota_out_of_its_range_is_refused_with_its_key() {
    for key in ["quotas.officer.calls", "quotas.agencies.us-cbp.calls"] {
        let refusal = Site::new().with(key, 0).start_refused();
        let said = format!("`{key} = 0` is out of range; accepted: 1 to 65536");
        assert!(refusal.stderr.contains(&said), "{refusal}");
    }
}
