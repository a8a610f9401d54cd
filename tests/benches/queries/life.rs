//! Memory, disk, and how long a start takes until the first answer.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use casebroker_tests::{Broker, Site};
use tonic::Code;

use crate::{
    ask::{self, Ask},
    load,
    world::{AGENCIES, VIEWER},
};

/// Memory of a process.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident bytes; what of it is not anonymous is the system's page cache of mapped files.
    pub resident: u64,
    /// Anonymous bytes.
    pub anonymous: u64,
}

/// How a restart went.
#[derive(Debug, Clone, Copy)]
pub struct Restart {
    /// From the signal to the end of the process.
    pub stop: Duration,
    /// From the start of the process until it serves: by then everything in the journal was checked and hashed.
    pub serves: Duration,
    /// From the start of the process to the answer of a count.
    pub counted: Duration,
    /// From the start of the process until every projection has come as far as the log.
    pub followed: Duration,
    /// After that.
    pub memory: Memory,
}

/// Memory of the broker (proc(5), `status`).
pub fn memory(broker: &Broker) -> anyhow::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{}/status", broker.pid()))?;
    let field = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(value.context("no such field")?.parse::<u64>()? << 10)
    };
    Ok(Memory {
        resident: field("VmRSS:")?,
        anonymous: field("RssAnon:")?,
    })
}

/// Bytes of a file, or of everything in a folder; 0 if there is none.
pub fn bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::metadata(path).map_or(0, |file| file.len());
    };
    entries.flatten().map(|entry| bytes(&entry.path())).sum()
}

/// Stops the broker, removes these folders of its data, and starts it again.
pub async fn restart(
    site: &Site,
    broker: Broker,
    without: &[&str],
) -> anyhow::Result<(Broker, Restart)> {
    let stop = broker.stop().await.took;
    for name in without {
        let folder = site.data().join(name);
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
    }
    let began = Instant::now();
    let broker = site.start();
    let serves = began.elapsed();
    let officer = broker
        .connect(&site.principal(AGENCIES[VIEWER], "officer"))
        .await;
    let count = Ask::Count(Default::default());
    loop {
        match ask::ask(&officer, &count).await {
            Ok(_) => break,
            Err(status) if status.code() == Code::Unavailable => {}
            Err(status) => bail!("no count: {status}"),
        }
        if began.elapsed() > Duration::from_secs(600) {
            bail!("no count in ten minutes:\n{}", broker.stderr());
        }
    }
    let counted = began.elapsed();
    load::all_followed(&officer).await?;
    let restart = Restart {
        stop,
        serves,
        counted,
        followed: began.elapsed(),
        memory: memory(&broker)?,
    };
    Ok((broker, restart))
}
