//! The broker as a process of its own, started from this very program.

use std::{
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::pki::Layout;

/// Longest time that a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often we look.
const LOOK: Duration = Duration::from_millis(10);

/// A running broker. Dropping it kills it, so that none is left behind whatever goes wrong.
#[derive(Debug)]
pub(super) struct Broker {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Time from start to ready.
    pub took: Duration,
}

impl Broker {
    /// Starts it and waits until it is ready to serve.
    pub(super) async fn start(layout: &Layout) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let address_file = layout.root().join("broker.address");
        if address_file.exists() {
            fs::remove_file(&address_file).context("cannot remove the old address file")?;
        }
        let said_before = said(layout).len();
        let mut started = Self {
            child: spawn(layout)?,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            took: Duration::ZERO,
        };
        loop {
            if let Some(status) = started.child.try_wait()? {
                let said = said(layout);
                let said = said.get(said_before..).unwrap_or_default().trim();
                bail!("the broker did not start ({status}): {said}");
            }
            // The line counts once it is whole.
            let text = fs::read_to_string(&address_file).unwrap_or_default();
            if let Some(line) = text.strip_suffix('\n') {
                started.address = line.parse().context("address file of the broker")?;
                started.took = begin.elapsed();
                return Ok(started);
            }
            ensure!(
                begin.elapsed() < PATIENCE,
                "the broker was not ready after {PATIENCE:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts it where it must refuse to serve, and gives what it says.
    pub(super) async fn start_refused(layout: &Layout) -> anyhow::Result<String> {
        let said_before = said(layout).len();
        let mut refused = Self {
            child: spawn(layout)?,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            took: Duration::ZERO,
        };
        let status = refused.exited().await?;
        ensure!(!status.success(), "the broker ended as if all were well");
        let said = said(layout);
        let said = said.get(said_before..).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        Ok(last.context("the broker said nothing")?.trim().to_owned())
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no chance to tidy up, as in a crash. Gone when this returns.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("cannot kill the broker")?;
        self.child.wait().context("cannot wait for the broker")?;
        Ok(())
    }

    /// SIGTERM: it finishes what it accepted. Gives how long that took.
    pub(super) async fn stop(mut self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        if self.child.try_wait()?.is_none() {
            let pid = i32::try_from(self.child.id())
                .ok()
                .and_then(Pid::from_raw)
                .context("the broker has no process id")?;
            kill_process(pid, Signal::TERM).context("cannot stop the broker")?;
        }
        let status = self.exited().await?;
        ensure!(status.success(), "the broker ended with {status}");
        Ok(begin.elapsed())
    }

    async fn exited(&mut self) -> anyhow::Result<ExitStatus> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            // Whoever holds `self` drops it on this error, and that kills.
            ensure!(
                begin.elapsed() < PATIENCE,
                "the broker was still running after {PATIENCE:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Fails only for a process that has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(layout: &Layout) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    let log = open_log(layout)?;
    Command::new(&program)
        .arg("serve")
        .arg("--config")
        .arg(layout.broker_config())
        .arg("--address-file")
        .arg(layout.root().join("broker.address"))
        // If we are killed, nothing is dropped.
        .arg("--exit-with-parent")
        .arg(std::process::id().to_string())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the broker's log")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

fn open_log(layout: &Layout) -> anyhow::Result<File> {
    let path = layout.root().join("broker.log");
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// All that the brokers of this directory have said so far.
fn said(layout: &Layout) -> String {
    let bytes = fs::read(layout.root().join("broker.log")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
