//! Subscriptions.

use serde::Deserialize;

use super::{Range, number};

/// Subscriptions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Longest time until a cursor that moved is on disk, milliseconds, 10 to 1,000.
    pub sync_ms: u64,
    /// Most subscriptions, 1 to 100,000.
    pub subscriptions: usize,
    /// Most subscriptions of one agency, 1 to 100,000.
    pub subscriptions_per_agency: usize,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            sync_ms: 250,
            subscriptions: 20_000,
            subscriptions_per_agency: 1_000,
        }
    }
}

impl Delivery {
    pub(super) fn ranges(&self) -> Vec<Range> {
        let number_of = |key, value: usize| number(key, value as u64, 1, 100_000);
        vec![
            number("delivery.sync_ms", self.sync_ms, 10, 1_000),
            number_of("delivery.subscriptions", self.subscriptions),
            number_of(
                "delivery.subscriptions_per_agency",
                self.subscriptions_per_agency,
            ),
        ]
    }
}
