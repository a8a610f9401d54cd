//! Control measures.

use crate::v1::{Case, ControlStatus};

/// Which substances of a case were controlled where at its incident date.
pub fn controls(_case: &Case) -> Vec<ControlStatus> {
    Vec::new()
}
