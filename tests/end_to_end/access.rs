//! Every call leaves one line, and nobody reads another agency's.

use casebroker_proto::{
    errors::Reason,
    v1::{
        AccessRecord, AccessRecordFilter, CaseFilter, GetCallerRequest, GetCaseRequest,
        ListAccessRecordsRequest, ListCasesRequest, SubmitStreamRequest,
    },
};
use casebroker_tests::{
    CBP, Caller, DEA, FIRST, Site, access, caller::fields, casectl::Casectl, cases, pki::spiffe,
    refused, wait,
};
use serde_json::Value;
use tonic::{Code, Request, Status, body::Body, client::GrpcService as _, codegen::http};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const CASE_SERVICE: &str = "casebroker.v1.CaseService";

/// The one line that a call left.
struct Lines<'a> {
    site: &'a Site,
    seen: usize,
}

impl Lines<'_> {
    fn next(&mut self) -> Value {
        let lines = access::lines(self.site);
        assert_eq!(lines.len(), self.seen + 1, "exactly one line a call");
        self.seen += 1;
        let line = lines.last().unwrap().clone();
        assert_eq!(line["seq"], self.seen);
        line
    }

    fn expect(&mut self, method: &str, outcome: &str, reason: &str, resource: &str) -> Value {
        let line = self.next();
        let found = ["method", "outcome", "reason", "resource"].map(|field| line[field].clone());
        assert_eq!(found, [method, outcome, reason, resource], "{line}");
        line
    }
}

#[tokio::test]
async fn every_call_leaves_one_line_saying_who_asked_for_what_and_how_it_ended() {
    let site = Site::new();
    let broker = site.start();
    let officer = broker.connect(&site.principal(DEA, "officer")).await;
    let mut lines = Lines {
        site: &site,
        seen: 0,
    };
    let me = officer.registry().get_caller(GetCallerRequest {}).await;
    let me = me.unwrap().into_inner();
    let line = lines.expect("casebroker.v1.RegistryService/GetCaller", "OK", "", "");
    assert_eq!(line["principal"], spiffe(DEA, "officer", "test"));
    assert_eq!(line["serial"], me.certificate_serial);
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(line["us"].as_u64().unwrap() > 0);

    let (a, none) = (cases::name(DEA, "a"), cases::name(DEA, "none"));
    let submit = "casebroker.v1.IntakeService/Submit";
    officer
        .submit(&cases::reporting_as(DEA, "a"))
        .await
        .unwrap();
    let line = lines.expect(submit, "OK", "", &a);
    assert!(line["in"].as_u64().unwrap() > 500 && line["out"].as_u64().unwrap() > 500);
    assert_eq!(
        (&line["requests"], &line["answers"]),
        (&1.into(), &1.into())
    );
    refused(
        officer.submit(&cases::reporting_as(DEA, "a")).await,
        Reason::CaseExists,
    );
    lines.expect(submit, "ALREADY_EXISTS", "CASE_EXISTS", &a);
    refused(
        officer.submit_signed(b"no envelope".to_vec()).await,
        Reason::InvalidEnvelope,
    );
    lines.expect(submit, "INVALID_ARGUMENT", "INVALID_ENVELOPE", "");

    let get = format!("{CASE_SERVICE}/GetCase");
    officer.get(&a).await.unwrap();
    assert_eq!(lines.expect(&get, "OK", "", &a)["cases"], 1);
    refused(officer.get(&none).await, Reason::CaseNotFound);
    assert_eq!(
        lines.expect(&get, "NOT_FOUND", "CASE_NOT_FOUND", &none)["cases"],
        0
    );
    // What cannot be a name stands there in a form that cannot begin a line, cut.
    let hostile = format!("x\n\"{}", "\u{202e}\u{1f600}".repeat(5_000));
    refused(officer.get(&hostile).await, Reason::InvalidFields);
    let line = lines.next();
    assert_eq!(line["outcome"], "INVALID_ARGUMENT");
    let resource = line["resource"].as_str().unwrap();
    assert!(hostile.starts_with(resource.strip_suffix("...").unwrap()));
    assert_eq!(resource.chars().count(), 503);

    officer.history(&a).await.unwrap();
    lines.expect(&format!("{CASE_SERVICE}/ListStatements"), "OK", "", &a);
    let filter = CaseFilter {
        agencies: vec![format!("agencies/{DEA}")],
        ..Default::default()
    };
    let listing = |filter| ListCasesRequest {
        filter,
        min_position: FIRST + 1,
        ..Default::default()
    };
    officer.page(&listing(Some(filter))).await.unwrap();
    let list = format!("{CASE_SERVICE}/ListCases");
    let line = lines.expect(&list, "OK", "", r#"{"agencies":["agencies/us-dea"]}"#);
    assert_eq!(line["cases"], 1);
    officer.receipt(0).await.unwrap();
    lines.expect(
        "casebroker.v1.LogService/GetReceipt",
        "OK",
        "",
        "position 0",
    );
    officer.statements(&site.log).await;
    lines.expect("casebroker.v1.LogService/GetCheckpoint", "OK", "", "");

    let operator = broker.connect(&site.principal(CBP, "operator")).await;
    refused(operator.get(&a).await, Reason::RoleNotAllowed);
    let line = lines.expect(&get, "PERMISSION_DENIED", "ROLE_NOT_ALLOWED", "");
    assert_eq!(line["principal"], spiffe(CBP, "operator", "test"));
    let mut health = HealthClient::new(operator.channel.clone());
    health.check(HealthCheckRequest::default()).await.unwrap();
    lines.expect("grpc.health.v1.Health/Check", "OK", "", "");
    assert_eq!(
        call(&operator, "/casebroker.v1.CaseService/NoSuchMethod").await,
        Code::Unimplemented
    );
    lines.expect(
        "casebroker.v1.CaseService/NoSuchMethod",
        "UNIMPLEMENTED",
        "METHOD_UNKNOWN",
        "",
    );
    assert_eq!(
        call(&operator, "/no/such/service").await,
        Code::Unimplemented
    );
    lines.expect("no/such/service", "UNIMPLEMENTED", "METHOD_UNKNOWN", "");
}

/// Calls a path with an empty message; gives the code.
async fn call(caller: &Caller, path: &str) -> Code {
    let mut channel = caller.channel.clone();
    std::future::poll_fn(|cx| channel.poll_ready(cx))
        .await
        .unwrap();
    let request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::empty())
        .unwrap();
    let response = channel.call(request).await.unwrap();
    Status::from_header_map(response.headers()).unwrap().code()
}

#[tokio::test]
async fn a_stream_leaves_one_line_with_its_counts() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let mut signed: Vec<_> = (0..5)
        .map(|n| dea.sign(&cases::reporting_as(DEA, &format!("c{n}"))))
        .collect();
    signed.push(dea.sign(&cases::reporting_as(DEA, "c0")));
    let answers = dea.submit_all(signed).await.unwrap();
    assert_eq!(answers.iter().filter(|a| a.is_err()).count(), 1);
    let mut lines = Lines {
        site: &site,
        seen: 0,
    };
    let first = cases::name(DEA, "c0");
    let line = lines.expect(
        "casebroker.v1.IntakeService/SubmitStream",
        "OK",
        "",
        &format!("{first} and 5 more"),
    );
    assert_eq!(
        ["requests", "answers", "refused"].map(|field| line[field].as_u64().unwrap()),
        [6, 6, 1]
    );
}

#[tokio::test]
async fn a_client_that_vanishes_in_a_stream_still_leaves_its_line() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let (requests, mut answers) = dea.stream().await.unwrap();
    let signed_statement = dea.sign(&cases::reporting_as(DEA, "a")).into();
    requests
        .send(SubmitStreamRequest { signed_statement })
        .await
        .unwrap();
    answers.message().await.unwrap().unwrap();
    assert_eq!(access::lines(&site).len(), 0, "the stream has not ended");
    drop((requests, answers, dea));
    let line =
        wait::until_async("the line is there", || async { access::lines(&site).pop() }).await;
    assert_eq!(
        (&line["outcome"], &line["reason"]),
        (&"CANCELLED".into(), &"GONE".into())
    );
    assert_eq!(
        (&line["requests"], &line["answers"]),
        (&1.into(), &1.into())
    );
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    dea.get(&cases::name(DEA, "a")).await.unwrap();
    assert_eq!(access::lines(&site).len(), 2);
}

#[tokio::test]
async fn the_record_survives_a_killed_broker_and_goes_on_with_its_chain() {
    let site = Site::new();
    let mut lines = 0;
    for _ in 0..3 {
        let broker = site.start();
        let dea = broker.connect(&site.principal(DEA, "system")).await;
        for _ in 0..20 {
            dea.statements(&site.log).await;
        }
        lines += 20;
        broker.kill_9();
        // The line is in its file before the answer, so a killed process loses none.
        assert_eq!(access::lines(&site).len(), lines);
    }
    let ended = access::check(&site);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let numbers: Vec<_> = access::lines(&site)
        .iter()
        .map(|l| l["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
}

async fn list(
    caller: &Caller,
    request: ListAccessRecordsRequest,
) -> Result<Vec<AccessRecord>, Status> {
    let (mut found, mut request) = (Vec::new(), request);
    loop {
        let page = caller
            .access()
            .list_access_records(request.clone())
            .await?
            .into_inner();
        found.extend(page.records);
        if page.next_page_token.is_empty() {
            return Ok(found);
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn an_auditor_reads_the_lines_of_its_own_agency_and_nobody_else_any() {
    let site = Site::new();
    let broker = site.start();
    let officer = broker.connect(&site.principal(DEA, "officer")).await;
    let other = broker.connect(&site.principal(CBP, "system")).await;
    officer
        .submit(&cases::reporting_as(DEA, "a"))
        .await
        .unwrap();
    for _ in 0..3 {
        officer.get(&cases::name(DEA, "a")).await.unwrap();
        other.get(&cases::name(DEA, "none")).await.unwrap_err();
    }
    for role in ["system", "officer", "operator"] {
        let caller = broker.connect(&site.principal(DEA, role)).await;
        refused(
            list(&caller, ListAccessRecordsRequest::default()).await,
            Reason::RoleNotAllowed,
        );
    }
    let auditor = broker.connect(&site.principal(DEA, "auditor")).await;
    let request = ListAccessRecordsRequest {
        page_size: 2,
        ..Default::default()
    };
    let all = list(&auditor, request.clone()).await.unwrap();
    // One submission, three reads, three refused listings; the pages of this one are later than it.
    assert_eq!(all.len(), 7);
    assert!(
        all.is_sorted_by(|a, b| a.sequence > b.sequence),
        "newest first"
    );
    let agency = format!("/agency/{DEA}/");
    assert!(all.iter().all(|record| record.principal.contains(&agency)));
    // What is answered is what lies in the file.
    let lines = access::lines(&site);
    for record in &all {
        let line = &lines[record.sequence as usize - 1];
        assert_eq!(line["hash"], hex::encode(&record.hash));
        assert_eq!(line["method"], record.method);
    }
    let pages = lines
        .iter()
        .filter(|line| line["method"] == "casebroker.v1.AccessService/ListAccessRecords");
    assert_eq!(
        pages.filter(|line| line["outcome"] == "OK").count(),
        4,
        "reading it leaves lines"
    );

    let filtered = |filter| ListAccessRecordsRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let reads = AccessRecordFilter {
        method: "GetCase".into(),
        ..Default::default()
    };
    assert_eq!(list(&auditor, filtered(reads)).await.unwrap().len(), 3);
    let denied = AccessRecordFilter {
        outcome: "PERMISSION_DENIED".into(),
        ..Default::default()
    };
    assert_eq!(list(&auditor, filtered(denied)).await.unwrap().len(), 3);
    let foreign = AccessRecordFilter {
        principal: spiffe(CBP, "system", "test"),
        ..Default::default()
    };
    assert_eq!(list(&auditor, filtered(foreign)).await.unwrap(), []);
    let time = |n: usize| all[n].time;
    let between = AccessRecordFilter {
        start_time: time(4),
        end_time: time(2),
        ..Default::default()
    };
    assert_eq!(list(&auditor, filtered(between)).await.unwrap(), all[3..5]);
    for (field, filter) in [
        (
            "filter.outcome",
            AccessRecordFilter {
                outcome: "DENIED".into(),
                ..Default::default()
            },
        ),
        (
            "filter.principal",
            AccessRecordFilter {
                principal: "doe".into(),
                ..Default::default()
            },
        ),
    ] {
        let details = refused(
            list(&auditor, filtered(filter)).await,
            Reason::InvalidFields,
        );
        assert_eq!(fields(&details), [field]);
    }
    // A token is bound to the listing and to who got it.
    let page = auditor
        .access()
        .list_access_records(request.clone())
        .await
        .unwrap()
        .into_inner();
    let stolen = ListAccessRecordsRequest {
        page_token: page.next_page_token,
        ..request
    };
    let colleague = broker.connect(&site.principal(CBP, "auditor")).await;
    refused(list(&colleague, stolen).await, Reason::PageTokenInvalid);
}

#[tokio::test]
async fn a_purpose_is_required_where_configured_recorded_and_never_answered() {
    let site = Site::new().with("policy.require_purpose", "[\"officer\"]");
    let broker = site.start();
    let officer = broker.connect(&site.principal(DEA, "officer")).await;
    let system = broker.connect(&site.principal(DEA, "system")).await;
    // Not for what shows no cases, and not for another role.
    officer
        .submit(&cases::reporting_as(DEA, "a"))
        .await
        .unwrap();
    let name = cases::name(DEA, "a");
    system.get(&name).await.unwrap();
    refused(officer.get(&name).await, Reason::PurposeRequired);
    refused(officer.receipt(0).await, Reason::PurposeRequired);
    let request = Request::new(ListCasesRequest::default());
    refused(
        officer.cases().list_cases(request).await,
        Reason::PurposeRequired,
    );
    let get = |metadata: &[(&'static str, &str)]| {
        let mut request = Request::new(GetCaseRequest {
            name: name.clone(),
            min_position: 0,
        });
        for (key, value) in metadata {
            request.metadata_mut().insert(*key, value.parse().unwrap());
        }
        let officer = officer.clone();
        async move { officer.cases().get_case(request).await }
    };
    let (code, reference) = ("casebroker-purpose", "casebroker-purpose-reference");
    refused(
        get(&[(code, "investigation")]).await,
        Reason::PurposeRequired,
    );
    for (metadata, field) in [
        (&[(code, "curiosity")][..], code),
        (&[(reference, "2016-0042")], code),
        (&[(code, "audit"), (reference, &"x".repeat(201))], reference),
    ] {
        let details = refused(get(metadata).await, Reason::InvalidFields);
        assert_eq!(fields(&details), [format!("metadata.{field}")]);
    }
    let answer = get(&[(code, "investigation"), (reference, "DR-2016/0042")])
        .await
        .unwrap();
    assert!(!format!("{answer:?}").contains("DR-2016"));
    let line = access::last(&site);
    assert_eq!(
        (&line["purpose"], &line["reference"]),
        (&"investigation".into(), &"DR-2016/0042".into())
    );
    for caller in [&officer, &system] {
        // Nobody but the auditor finds it anywhere.
        let history = caller.history(&name).await;
        assert!(!format!("{history:?}").contains("DR-2016"));
    }
    let auditor = broker.connect(&site.principal(DEA, "auditor")).await;
    let records = list(&auditor, ListAccessRecordsRequest::default())
        .await
        .unwrap();
    assert_eq!(
        records
            .iter()
            .filter(|r| r.purpose_reference == "DR-2016/0042")
            .count(),
        1
    );
}

#[tokio::test]
async fn nothing_of_what_a_case_says_is_in_the_record() {
    let site = Site::new();
    let broker = site.start();
    let officer = broker.connect(&site.principal(DEA, "officer")).await;
    let recorded = officer
        .submit(&cases::reporting_as(DEA, "a"))
        .await
        .unwrap();
    let mut invalid = cases::report(DEA, "b");
    invalid.narrative = "x".repeat(200_000);
    officer
        .submit(&cases::reporting(invalid))
        .await
        .unwrap_err();
    officer.get(&cases::name(DEA, "a")).await.unwrap();
    let listing = ListCasesRequest {
        min_position: recorded.position + 1,
        ..Default::default()
    };
    officer.page(&listing).await.unwrap();
    officer.receipt(recorded.position).await.unwrap();
    let text = std::fs::read_to_string(&access::files(&site)[0]).unwrap();
    assert_eq!(text.lines().count(), 6);
    for content in ["printer", "carfentanil", "Vancouver", "Parcel", "xxxx"] {
        assert!(
            !text.to_lowercase().contains(&content.to_lowercase()),
            "{content}"
        );
    }
}

#[test]
fn casectl_lists_the_record_and_says_the_purpose() {
    let site = Site::new().with("policy.require_purpose", "[\"officer\"]");
    let broker = site.start();
    let officer = Casectl::new(&site, &broker, DEA, "officer");
    let auditor = Casectl::new(&site, &broker, DEA, "auditor");
    let ended = officer.expect(8, &["list"]);
    assert!(ended.stderr.contains("--purpose CODE"), "{ended:#?}");
    officer.expect(2, &["--purpose", "curiosity", "list"]);
    let purpose = ["--purpose", "investigation", "--purpose-reference", "DR-7"];
    officer.expect(0, &[&purpose[..], &["list"]].concat());
    officer.expect(5, &["access", "list"]);
    let said = auditor.expect(0, &["access", "list"]).stdout;
    assert!(
        said.contains("ListCases") && said.contains("investigation DR-7"),
        "{said}"
    );
    let value = auditor
        .expect(
            0,
            &["-o", "json", "access", "list", "--method", "ListCases"],
        )
        .json();
    assert_eq!(value["records"].as_array().unwrap().len(), 2);
    assert_eq!(value["records"][1]["reason"], "PURPOSE_REQUIRED");
    let limited = [
        "-o",
        "jsonl",
        "access",
        "list",
        "--limit",
        "1",
        "--from",
        "2020-01-01",
    ];
    assert_eq!(auditor.expect(0, &limited).stdout.lines().count(), 1);
    let csv = auditor
        .expect(
            0,
            &["-o", "csv", "access", "list", "--all", "--outcome", "ok"],
        )
        .stdout;
    assert!(csv.starts_with("sequence,time,principal,"), "{csv}");
    assert!(
        csv.lines().skip(1).all(|line| line.contains(",OK,")),
        "{csv}"
    );
    let nothing = auditor
        .expect(0, &["-o", "json", "access", "list", "--to", "2020-01-01"])
        .json();
    assert_eq!(nothing["records"], serde_json::json!([]));
}
