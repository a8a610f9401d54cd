//! Reads see what was written before them, also by an earlier process; and the command line over a broker that is slow, full or gone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fake;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use casebroker_client::{Client, ClientError, Profile};
use casebroker_proto::v1::{
    case_service_server::{CaseService, CaseServiceServer},
    intake_service_server::{IntakeService, IntakeServiceServer},
    statement::Kind,
    statistics_service_server::{StatisticsService, StatisticsServiceServer},
};
use casebroker_proto::{errors::DOMAIN, v1::*};
use prost::Message as _;
use tokio_stream::Empty;
use tonic::{Code, Request, Response, Status, Streaming, service::Routes};
use tonic_types::{ErrorDetails, StatusExt as _};

/// A broker with a log of a fixed size.
#[derive(Clone, Default)]
struct Fake {
    /// Entries that its log says it has.
    size: u64,
    /// Reads that are refused because the table is behind, before one is answered.
    behind: usize,
    /// Pages of a listing.
    pages: usize,
    /// Least positions asked for, in order.
    asked: Arc<Mutex<Vec<u64>>>,
    /// Requests of listings, in order.
    listed: Arc<Mutex<Vec<ListCasesRequest>>>,
}

impl Fake {
    /// Notes a read; refuses it if it must.
    fn read(&self, min_position: u64) -> Result<(), Status> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(min_position);
        if asked.len() <= self.behind {
            return Err(refusal(Code::Unavailable, "PROJECTION_BEHIND"));
        }
        if min_position > self.size {
            return Err(refusal(Code::OutOfRange, "POSITION_OUT_OF_RANGE"));
        }
        Ok(())
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }
}

fn refusal(code: Code, reason: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, DOMAIN, []);
    Status::with_error_details(code, "no", details)
}

#[tonic::async_trait]
impl StatisticsService for Fake {
    async fn count_cases(
        &self,
        request: Request<CountCasesRequest>,
    ) -> Result<Response<CountCasesResponse>, Status> {
        let request = request.into_inner();
        self.read(request.min_position)?;
        Ok(Response::new(CountCasesResponse {
            total: Some(CaseCount::default()),
            as_of_position: self.size,
            tree_size: self.size,
            standard_version: 1,
            ..Default::default()
        }))
    }

    async fn compute_trend(
        &self,
        request: Request<ComputeTrendRequest>,
    ) -> Result<Response<ComputeTrendResponse>, Status> {
        self.read(request.into_inner().min_position)?;
        Ok(Response::new(ComputeTrendResponse::default()))
    }

    async fn list_projections(
        &self,
        _: Request<ListProjectionsRequest>,
    ) -> Result<Response<ListProjectionsResponse>, Status> {
        Ok(Response::new(ListProjectionsResponse {
            tree_size: self.size,
            ..Default::default()
        }))
    }
}

#[tonic::async_trait]
impl CaseService for Fake {
    async fn list_cases(
        &self,
        request: Request<ListCasesRequest>,
    ) -> Result<Response<ListCasesResponse>, Status> {
        let request = request.into_inner();
        self.read(request.min_position)?;
        let page = {
            let mut listed = self.listed.lock().unwrap();
            listed.push(request.clone());
            listed.len()
        };
        let count = usize::try_from(request.page_size).unwrap();
        let case = |n: usize| Case {
            name: format!("agencies/us-dea/cases/{page}-{n}"),
            ..Default::default()
        };
        Ok(Response::new(ListCasesResponse {
            cases: (0..count).map(case).collect(),
            next_page_token: match page < self.pages {
                true => page.to_string(),
                false => String::new(),
            },
            as_of_position: self.size,
            tree_size: self.size,
            total_size: i64::try_from(count.saturating_mul(self.pages)).unwrap_or(i64::MAX),
            ..Default::default()
        }))
    }

    async fn get_case(
        &self,
        _: Request<GetCaseRequest>,
    ) -> Result<Response<GetCaseResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_statements(
        &self,
        _: Request<ListStatementsRequest>,
    ) -> Result<Response<ListStatementsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn find_overlaps(
        &self,
        _: Request<FindOverlapsRequest>,
    ) -> Result<Response<FindOverlapsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_tasks(
        &self,
        _: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl IntakeService for Fake {
    /// Records it at the end of the log.
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let entry = Entry {
            record_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            principal: "spiffe://casebroker.example/agency/us-dea/system/feed".into(),
            salt: vec![7; 16].into(),
            signed_statement: request.into_inner().signed_statement,
            registry_update: None,
        };
        Ok(Response::new(SubmitResponse {
            recorded: Some(RecordedStatement {
                position: self.size - 1,
                entry: entry.encode_to_vec().into(),
                ..Default::default()
            }),
            ..Default::default()
        }))
    }

    type SubmitStreamStream = Empty<Result<SubmitStreamResponse, Status>>;

    async fn submit_stream(
        &self,
        _: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Serves a fake broker; gives the profile for it.
async fn serve(folder: &Path, fake: &Fake) -> Profile {
    let services = Routes::new(CaseServiceServer::new(fake.clone()))
        .add_service(StatisticsServiceServer::new(fake.clone()))
        .add_service(IntakeServiceServer::new(fake.clone()));
    fake::serve(folder, services).await
}

async fn write(client: &Client) {
    let statement = Statement {
        case: "agencies/us-dea/cases/1".into(),
        handling: Some(Handling {
            tlp: Tlp::Green.into(),
            ..Default::default()
        }),
        kind: Some(Kind::Retraction(Retraction {
            reason: "Reported twice".into(),
        })),
        ..Default::default()
    };
    client.submit(statement).await.unwrap();
}

async fn count(client: &Client, min_position: u64) -> Result<CountCasesResponse, ClientError> {
    let request = CountCasesRequest {
        min_position,
        ..Default::default()
    };
    client.count_cases(request).await
}

#[tokio::test]
async fn a_read_asks_for_what_was_written_unless_it_names_a_position_itself() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake {
        size: 42,
        pages: 2,
        ..Default::default()
    };
    let client = Client::connect(&serve(folder.path(), &fake).await).unwrap();
    count(&client, 0).await.unwrap();
    write(&client).await;
    count(&client, 0).await.unwrap();
    count(&client, 7).await.unwrap();
    let mut pages = client.list_cases_by(ListCasesRequest::default());
    while pages.next_page().await.unwrap().is_some() {}
    client
        .compute_trend(ComputeTrendRequest::default())
        .await
        .unwrap();
    assert_eq!(fake.asked(), [0, 42, 7, 42, 42, 42]);
}

#[tokio::test]
async fn the_next_process_reads_what_an_earlier_one_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake {
        size: 42,
        ..Default::default()
    };
    let mut profile = serve(folder.path(), &fake).await;
    profile.state_dir = Some(folder.path().join("state"));
    write(&Client::connect(&profile).unwrap()).await;
    count(&Client::connect(&profile).unwrap(), 0).await.unwrap();
    assert_eq!(fake.asked(), [42]);
}

#[tokio::test]
async fn another_log_at_the_same_address_is_read_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake {
        size: 42,
        ..Default::default()
    };
    let mut profile = serve(folder.path(), &fake).await;
    profile.state_dir = Some(folder.path().join("state"));
    write(&Client::connect(&profile).unwrap()).await;
    let name = profile
        .endpoint
        .trim_start_matches("https://")
        .replace(':', "_");
    let kept = folder.path().join("state").join(name).join("written");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "42\n");
    fs::write(&kept, "1000").unwrap();
    let client = Client::connect(&profile).unwrap();
    count(&client, 0).await.unwrap();
    assert_eq!(fake.asked(), [1000, 0]);
    assert!(!kept.exists());
    // A position that the caller names itself is not forgotten for it.
    let error = count(&client, 1000).await.unwrap_err();
    assert_eq!(error.reason(), Some("POSITION_OUT_OF_RANGE"));
}

#[tokio::test]
async fn a_projection_that_is_behind_is_waited_for_and_given_up_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake {
        behind: 3,
        ..Default::default()
    };
    let profile = serve(folder.path(), &fake).await;
    count(&Client::connect(&profile).unwrap(), 0).await.unwrap();
    assert_eq!(fake.asked().len(), 4);

    let folder = tempfile::tempdir().unwrap();
    let fake = Fake {
        behind: usize::MAX,
        ..Default::default()
    };
    let profile = serve(folder.path(), &fake).await;
    let error = count(&Client::connect(&profile).unwrap(), 0)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some("PROJECTION_BEHIND"));
    assert_eq!(fake.asked().len(), profile.timing.attempts as usize);
}

/// `casectl` for a fake broker.
struct Casectl {
    folder: tempfile::TempDir,
    endpoint: String,
    fake: Fake,
}

impl Casectl {
    async fn new(fake: Fake) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = serve(folder.path(), &fake).await.endpoint;
        Self {
            folder,
            endpoint,
            fake,
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for variable in [
            "CASECTL_CONTEXT",
            "CASECTL_CONFIG",
            "CASECTL_PURPOSE",
            "CASECTL_ATTEMPTS",
            "COLUMNS",
        ] {
            command.env_remove(variable);
        }
        command
    }

    fn options(&self) -> [&str; 8] {
        [
            "--endpoint",
            &self.endpoint,
            "--ca",
            "ca.pem",
            "--cert",
            "own.pem",
            "--key",
            "own.key",
        ]
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(env!("CARGO_BIN_EXE_casectl"));
        command
            .args(self.options())
            .args(arguments)
            .spawn()
            .unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let child = self.spawn(arguments);
        tokio::task::spawn_blocking(|| child.wait_with_output())
            .await
            .unwrap()
            .unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let casectl = Casectl::new(Fake {
        pages: 20_000,
        ..Default::default()
    })
    .await;
    for format in ["table", "json", "jsonl", "csv"] {
        let line = format!(
            "\"$0\" \"$@\" -o {format} list --all | head -n 1; echo \"${{PIPESTATUS[0]}}\""
        );
        let mut shell = casectl.command("bash");
        shell
            .args(["-c", &line, env!("CARGO_BIN_EXE_casectl")])
            .args(casectl.options());
        let output = tokio::task::spawn_blocking(move || shell.output())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(text(&output.stderr), "", "{format}");
        let lines: Vec<_> = text(&output.stdout).lines().collect();
        assert_eq!((lines.len(), lines[1]), (2, "0"), "{format}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_a_listing_with_one_line_that_says_so() {
    let casectl = Casectl::new(Fake {
        pages: 20_000,
        ..Default::default()
    })
    .await;
    let mut child = casectl.spawn(&["list", "--all"]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let id = child.id().to_string();
    let output = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success());
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        (child.wait_with_output().unwrap(), rest)
    });
    let (output, rest) = output.await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = text(&output.stderr);
    assert!(
        said.starts_with("casectl: interrupted\n") && said.lines().count() == 2,
        "{said}"
    );
    // What was printed ends with a whole line.
    assert!(rest.ends_with(b"\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn options_become_the_request_and_the_same_for_every_page() {
    let casectl = Casectl::new(Fake {
        pages: 3,
        size: 9,
        ..Default::default()
    })
    .await;
    let output = casectl
        .run(&[
            "-o",
            "json",
            "list",
            "--all",
            "--page-size",
            "2",
            "--origin",
            "China",
            "--order-by",
            "mass",
            "--as-of",
            "7",
        ])
        .await;
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["cases"].as_array().unwrap().len(), 6);
    assert_eq!(
        (&document["totalSize"], &document["more"]),
        (&"6".into(), &false.into())
    );
    let listed = casectl.fake.listed.lock().unwrap().clone();
    assert_eq!(listed.len(), 3);
    for (n, request) in listed.iter().enumerate() {
        assert_eq!(request.filter.as_ref().unwrap().origins, ["CN"]);
        assert_eq!(
            (request.page_size, request.order_by.as_str()),
            (2, "mass desc")
        );
        assert_eq!(request.as_of_position, 7);
        let token = if n == 0 { String::new() } else { n.to_string() };
        assert_eq!(request.page_token, token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_statuses_tell_what_went_wrong_with_a_question() {
    let casectl = Casectl::new(Fake::default()).await;
    for (code, arguments) in [
        (0, &["count", "--by", "origin,year"][..]),
        (0, &["trend", "--around", "2017-03-01"]),
        (0, &["log", "projections"]),
        (2, &["count", "--by", "colour"]),
        (2, &["count", "--by", "origin,year,status,class"]),
        (2, &["count", "--origin", "Chian"]),
        (2, &["trend"]),
        (2, &["trend", "--around", "2017-03-01", "--plot", "x.png"]),
        (1, &["count", "--filter", "no-such-file.toml"]),
        (3, &["count", "--filter", "bad.toml"]),
    ] {
        fs::write(casectl.folder.path().join("bad.toml"), "origin = [\"CN\"]").unwrap();
        let output = casectl.run(arguments).await;
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        if code > 0 {
            assert!(
                output.stdout.is_empty() && !output.stderr.is_empty(),
                "{arguments:?}"
            );
        }
    }
    let output = casectl
        .run(&["-o", "json", "count", "--filter", "bad.toml"])
        .await;
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["code"], "INVALID_ARGUMENT");
    let behind = Casectl::new(Fake {
        behind: usize::MAX,
        ..Default::default()
    })
    .await;
    let output = behind.run(&["--attempts", "1", "count"]).await;
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(
        text(&output.stderr).contains("[PROJECTION_BEHIND]"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drawing_replaces_a_file_whole_and_leaves_nothing_beside_it() {
    let casectl = Casectl::new(Fake::default()).await;
    let folder = casectl.folder.path();
    fs::write(folder.join("t.svg"), "old").unwrap();
    let before = fs::read_dir(folder).unwrap().count();
    let arguments = [
        "-o",
        "json",
        "trend",
        "--around",
        "2017-03-01",
        "--plot",
        "t.svg",
        "--title",
        "卡芬太尼",
    ];
    let output = casectl.run(&arguments).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let drawn = fs::read_to_string(folder.join("t.svg")).unwrap();
    let document = roxmltree::Document::parse(&drawn).unwrap();
    assert!(
        document
            .descendants()
            .any(|node| node.text().is_some_and(|t| t.trim() == "卡芬太尼"))
    );
    assert_eq!(fs::read_dir(folder).unwrap().count(), before);
    assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok());
}
