//! The noisy agency: everything at once, as fast as it goes, whatever it is told.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use casebroker_proto::{
    statement::Signer,
    v1::{GetCallerRequest, ListCasesRequest, SubmitRequest, SubmitStreamRequest},
};
use casebroker_tests::{
    CBP, Caller, cases,
    pki::{Identity, Principal},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Code, Status};

use crate::PRINCIPALS;

/// Unary calls in flight on the connection of each principal.
const IN_FLIGHT: usize = 64;
/// Listings in flight, all together.
const LISTINGS: usize = 16;
/// Loops that connect, call once and connect again.
const CONNECTORS: usize = 8;
/// Statements signed before it begins; sent again when they run out, which costs the broker a look at its journal.
const SIGNED: usize = 60_000;

/// What it got through.
#[derive(Default)]
struct Tally {
    submitted: AtomicU64,
    streamed: AtomicU64,
    listed: AtomicU64,
    connected: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
}

struct Flood {
    address: SocketAddr,
    anchor: String,
    principals: Vec<Principal>,
    statements: Vec<Bytes>,
    next: AtomicUsize,
    goes_on: AtomicBool,
    tally: Tally,
}

/// Follows the commands on standard input.
pub async fn run(address: SocketAddr, folder: &Path) -> anyhow::Result<()> {
    let flood = Arc::new(Flood::prepare(address, folder)?);
    println!("ready");
    let (heard, mut commands) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if heard.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut tasks = JoinSet::new();
    let mut seconds = 0.0;
    let mut began = std::time::Instant::now();
    while let Some(command) = commands.recv().await {
        match command.as_str() {
            "go" => {
                began = std::time::Instant::now();
                flood.goes_on.store(true, Ordering::Relaxed);
                start(&flood, &mut tasks);
            }
            "stop" => {
                flood.goes_on.store(false, Ordering::Relaxed);
                seconds += began.elapsed().as_secs_f64();
                tasks.shutdown().await;
                println!("stopped");
            }
            _ => break,
        }
    }
    let tally = &flood.tally;
    let rate = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / seconds;
    println!(
        "{:.0}/s submitted by calls, {:.0}/s by streams, {:.0}/s pages of a listing, {:.0}/s connections; \
         {:.0}/s refused, {:.0}/s broken off",
        rate(&tally.submitted),
        rate(&tally.streamed),
        rate(&tally.listed),
        rate(&tally.connected),
        rate(&tally.refused),
        rate(&tally.broken),
    );
    Ok(())
}

fn start(flood: &Arc<Flood>, tasks: &mut JoinSet<()>) {
    for n in 0..PRINCIPALS {
        let flood = Arc::clone(flood);
        tasks.spawn(async move {
            let Some(caller) = flood.connect(n).await else {
                return;
            };
            let mut calls = JoinSet::new();
            for _ in 0..IN_FLIGHT {
                calls.spawn(unary(Arc::clone(&flood), caller.clone()));
            }
            for _ in 0..LISTINGS / PRINCIPALS {
                calls.spawn(listing(Arc::clone(&flood), caller.clone()));
            }
            calls.spawn(stream(Arc::clone(&flood), n));
            calls.join_all().await;
        });
    }
    for n in 0..CONNECTORS {
        let flood = Arc::clone(flood);
        tasks.spawn(async move {
            while flood.goes_on() {
                if let Some(caller) = flood.connect(n).await {
                    let mut registry = caller.registry();
                    let answer = registry.get_caller(GetCallerRequest {}).await;
                    flood.count(answer.map(drop), &flood.tally.connected);
                }
            }
        });
    }
}

async fn unary(flood: Arc<Flood>, caller: Caller) {
    while flood.goes_on() {
        let request = SubmitRequest {
            signed_statement: flood.next(),
            known_tree_size: 0,
        };
        let answer = caller.intake().submit(request).await.map(drop);
        flood.count(answer, &flood.tally.submitted);
    }
}

async fn listing(flood: Arc<Flood>, caller: Caller) {
    let request = ListCasesRequest {
        page_size: 1_000,
        ..Default::default()
    };
    while flood.goes_on() {
        let answer = caller.page(&request).await.map(drop);
        flood.count(answer, &flood.tally.listed);
    }
}

/// A stream on a connection of its own, with as much under way as flow control lets through.
async fn stream(flood: Arc<Flood>, principal: usize) {
    while flood.goes_on() {
        let Some(caller) = flood.connect(principal).await else {
            continue;
        };
        let (requests, mut answers) = match caller.stream().await {
            Ok(opened) => opened,
            Err(refused) => {
                flood.count(Err(refused), &flood.tally.streamed);
                continue;
            }
        };
        let feeding = Arc::clone(&flood);
        let feeder = tokio::spawn(async move {
            while feeding.goes_on() {
                let request = SubmitStreamRequest {
                    signed_statement: feeding.next(),
                };
                if requests.send(request).await.is_err() {
                    return;
                }
            }
        });
        while let Ok(Some(_)) = answers.message().await {
            flood.tally.streamed.fetch_add(1, Ordering::Relaxed);
        }
        feeder.abort();
    }
}

impl Flood {
    fn prepare(address: SocketAddr, folder: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| fs::read_to_string(folder.join(name));
        let certificate = CertificateDer::from_pem_file(folder.join("signer.pem"))?;
        let key = PrivateKeyDer::from_pem_file(folder.join("signer.key"))?;
        let signer = Arc::new(Signer::new(key.secret_der(), &certificate)?);
        let mut principals = vec![];
        for n in 0..PRINCIPALS {
            principals.push(Principal {
                agency: CBP.into(),
                identity: Identity {
                    certificate: read(&format!("{n}.pem"))?,
                    key: read(&format!("{n}.key"))?,
                },
                signer: Arc::clone(&signer),
            });
        }
        let mut statements = vec![];
        for n in 0..SIGNED {
            let statement = cases::reporting_as(CBP, &format!("noisy-{n}"));
            statements.push(signer.sign(&statement)?.into());
        }
        Ok(Self {
            address,
            anchor: read("anchor.pem")?,
            principals,
            statements,
            next: AtomicUsize::new(0),
            goes_on: AtomicBool::new(false),
            tally: Tally::default(),
        })
    }

    fn goes_on(&self) -> bool {
        self.goes_on.load(Ordering::Relaxed)
    }

    fn next(&self) -> Bytes {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.statements[next % self.statements.len()].clone()
    }

    async fn connect(&self, principal: usize) -> Option<Caller> {
        let principal = &self.principals[principal % self.principals.len()];
        let connecting = Caller::connect(self.address, &self.anchor, principal);
        match tokio::time::timeout(Duration::from_secs(10), connecting).await {
            Ok(Ok(caller)) => Some(caller),
            _ => {
                self.tally.broken.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn count(&self, answer: Result<(), Status>, done: &AtomicU64) {
        let counter = match answer.map_err(|status| status.code()) {
            Ok(()) => done,
            Err(Code::ResourceExhausted) => &self.tally.refused,
            Err(_) => &self.tally.broken,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
