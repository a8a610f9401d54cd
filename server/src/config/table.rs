//! How the table is kept and asked.

use serde::Deserialize;

/// The table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Table {
    /// How often a snapshot of it is written while it changes, seconds, 1 to 86,400; also at every stop.
    pub snapshot_s: u64,
    /// How long a question waits for it to reach the position asked for, milliseconds, 0 to 60,000.
    pub wait_ms: u64,
    /// How long one question may count, milliseconds, 10 to 600,000.
    pub query_ms: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            snapshot_s: 300,
            wait_ms: 2_000,
            query_ms: 5_000,
        }
    }
}
