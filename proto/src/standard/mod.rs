//! The confirmation standard.

use crate::v1::{Assessment, Case, CaseStatus};

/// Holds a case against the newest version of the standard.
pub fn assess(_case: &Case) -> Assessment {
    Assessment {
        standard_version: 1,
        status: CaseStatus::Reported.into(),
        ..Assessment::default()
    }
}
