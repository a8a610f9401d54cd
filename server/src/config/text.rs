//! The text index.

use serde::Deserialize;

use super::{Range, number};

/// The text index.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Text {
    /// Least time between commits, milliseconds, 10 to 1,000.
    pub commit_ms: u64,
    /// Memory for what is not on disk yet, bytes, 16 MiB to 1 GiB. Entries that wait for it may take as much again.
    pub memory_bytes: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            commit_ms: 250,
            memory_bytes: 32 << 20,
        }
    }
}

impl Text {
    pub(super) fn ranges(&self) -> Vec<Range> {
        vec![
            number("text.commit_ms", self.commit_ms, 10, 1_000),
            number(
                "text.memory_bytes",
                self.memory_bytes as u64,
                16 << 20,
                1 << 30,
            ),
        ]
    }
}
