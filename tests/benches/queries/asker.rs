//! Two clients that ask without pause, as a process of their own: told `go` and `stop` on standard input, it says after each stop how
//! many answers it got.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use casebroker_proto::statement::Signer;
use casebroker_tests::{
    Broker, Caller, Site,
    pki::{Identity, Principal},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{io::AsyncBufReadExt as _, task::JoinSet};

use crate::{
    ask, questions,
    world::{AGENCIES, VIEWER},
};

/// Clients, each with a connection of its own and one question at a time.
const CLIENTS: usize = 2;

/// The process, seen from the bench.
pub struct Askers {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Askers {
    /// Starts it at a priority so much lower than everything else's; see nice(1).
    pub fn start(site: &Site, broker: &Broker, nicer_by: u32) -> anyhow::Result<Self> {
        let folder = site.path().join(format!("askers-{nicer_by}"));
        fs::create_dir(&folder)?;
        let agency = AGENCIES[VIEWER];
        let Principal { identity, .. } = site.principal(agency, "officer");
        let (certificate, key) = site.signing_pair(agency);
        for (name, text) in [
            ("anchor.pem", site.broker_anchor()),
            ("client.pem", &identity.certificate),
            ("client.key", &identity.key),
            ("signer.pem", certificate),
            ("signer.key", key),
        ] {
            fs::write(folder.join(name), text)?;
        }
        let mut child = Command::new("nice")
            .args(["-n", &nicer_by.to_string()])
            .arg(env::current_exe()?)
            .args(["--asker", &broker.address.to_string()])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut askers = Self {
            child,
            commands,
            answers,
        };
        askers.hear()?;
        Ok(askers)
    }

    pub fn go(&mut self) -> anyhow::Result<()> {
        writeln!(self.commands, "go")?;
        Ok(self.commands.flush()?)
    }

    /// Answers since it was told to go.
    pub fn stop(&mut self) -> anyhow::Result<u64> {
        writeln!(self.commands, "stop")?;
        self.commands.flush()?;
        Ok(self.hear()?.trim().parse()?)
    }

    fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line)?;
        anyhow::ensure!(length > 0, "the askers have ended");
        Ok(line)
    }
}

impl Drop for Askers {
    fn drop(&mut self) {
        // They have nothing to finish.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself.
pub async fn run(address: SocketAddr, folder: &Path) -> anyhow::Result<()> {
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let certificate = CertificateDer::from_pem_file(folder.join("signer.pem"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join("signer.key"))?;
    let signer = Signer::new(key.secret_der(), &certificate)?;
    let principal = Principal {
        agency: AGENCIES[VIEWER].into(),
        identity: Identity {
            certificate: read("client.pem")?,
            key: read("client.key")?,
        },
        signer: Arc::new(signer),
    };
    let mut callers = Vec::new();
    for _ in 0..CLIENTS {
        callers.push(Caller::connect(address, &read("anchor.pem")?, &principal).await?);
    }
    println!("ready");
    let goes_on = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        goes_on.store(line == "go", Ordering::Relaxed);
        if line == "go" {
            answered.store(0, Ordering::Relaxed);
            for (place, caller) in callers.iter().cloned().enumerate() {
                let (goes_on, answered) = (Arc::clone(&goes_on), Arc::clone(&answered));
                tasks.spawn(async move {
                    let asks = questions::without_pause();
                    let mut next = place;
                    while goes_on.load(Ordering::Relaxed) {
                        ask::ask(&caller, &asks[next % asks.len()]).await?;
                        answered.fetch_add(1, Ordering::Relaxed);
                        next += 1;
                    }
                    anyhow::Ok(())
                });
            }
            continue;
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        println!("{}", answered.load(Ordering::Relaxed));
    }
    Ok(())
}
