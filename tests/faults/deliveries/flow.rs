//! Statements about many cases, several about each, sent again until they are recorded.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casebroker_proto::v1::Statement;
use casebroker_tests::{Caller, DEA, Site, cases, pki::Principal};
use tokio::{sync::watch, task::JoinHandle};

/// Statements about one case.
const OF_A_CASE: usize = 4;
/// Cases that are worked on at once.
const AT_ONCE: usize = 16;

/// What is recorded: position to case.
type Recorded = Arc<Mutex<BTreeMap<u64, String>>>;

pub struct Flow {
    recorded: Recorded,
    workers: Vec<JoinHandle<()>>,
}

impl Flow {
    /// Begins to send at least so many statements.
    pub fn start(site: &Site, address: watch::Receiver<SocketAddr>, statements: usize) -> Self {
        let recorded = Recorded::default();
        let cases = statements.div_ceil(OF_A_CASE);
        let workers = (0..AT_ONCE).map(|worker| {
            let sender = Sender {
                anchor: site.broker_anchor().into(),
                principal: site.principal(DEA, "system"),
                address: address.clone(),
                recorded: Arc::clone(&recorded),
            };
            tokio::spawn(sender.run((worker..cases).step_by(AT_ONCE)))
        });
        Self {
            workers: workers.collect(),
            recorded: Arc::clone(&recorded),
        }
    }

    /// How many are recorded.
    pub fn recorded(&self) -> usize {
        lock(&self.recorded).len()
    }

    /// Waits for the end; everything that was recorded.
    pub async fn finish(self) -> BTreeMap<u64, String> {
        for worker in self.workers {
            worker.await.unwrap();
        }
        lock(&self.recorded).clone()
    }
}

struct Sender {
    anchor: String,
    principal: Principal,
    address: watch::Receiver<SocketAddr>,
    recorded: Recorded,
}

impl Sender {
    async fn run(self, cases: impl Iterator<Item = usize>) {
        let mut caller = None;
        for case in cases {
            for statement in life(case) {
                let signed = self.principal.signer.sign(&statement).unwrap();
                loop {
                    let connected = match caller.take() {
                        Some(connected) => Some(connected),
                        None => {
                            let address = *self.address.borrow();
                            Caller::connect(address, &self.anchor, &self.principal)
                                .await
                                .ok()
                        }
                    };
                    if let Some(connected) = connected
                        && let Ok(done) = connected.submit_signed(signed.clone()).await
                    {
                        lock(&self.recorded).insert(done.position, statement.case.clone());
                        caller = Some(connected);
                        break;
                    }
                    // The broker was killed; the same statement is sent again.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
}

fn life(case: usize) -> Vec<Statement> {
    let report = cases::report(DEA, &format!("flow-{case:06}"));
    let mut statements = vec![cases::reporting(report.clone())];
    for revision in 1..OF_A_CASE as i32 - 1 {
        let mut report = report.clone();
        report.title = format!("{}, revision {revision}", report.title);
        statements.push(cases::amending(report, revision));
    }
    statements.push(cases::retracting(&report.name));
    statements
}

fn lock(recorded: &Recorded) -> std::sync::MutexGuard<'_, BTreeMap<u64, String>> {
    recorded.lock().unwrap_or_else(PoisonError::into_inner)
}
