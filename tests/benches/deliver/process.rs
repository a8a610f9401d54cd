//! What a process has used, as the system counts it.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// Ticks a second in proc(5), `stat`: USER_HZ, the same on every Linux that this runs on.
const TICKS_PER_S: u64 = 100;

/// A process, by its id.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// Processor time of all its threads, user and system (proc(5), `stat`).
    pub fn cpu(self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The name, in brackets, may hold spaces.
        let (_, rest) = stat.rsplit_once(')').context("no name")?;
        let mut fields = rest.split_whitespace().skip(11);
        let mut next =
            || -> anyhow::Result<u64> { Ok(fields.next().context("no field")?.parse()?) };
        let ticks = next()? + next()?;
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_S))
    }

    /// Resident bytes (proc(5), `status`).
    pub fn resident(self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(value.context("no such field")?.parse::<u64>()? << 10)
    }
}
