//! Purpose of use: refused if it is malformed, or missing where it is required.

use casebroker_proto::errors::Reason;
use tonic::{Request, Status};

use super::{record::AccessNote, status};
use crate::policy::{Method, reads_cases};

/// Checks the purpose that came with a request.
pub(super) fn check<T>(request: &Request<T>, method: Method) -> Result<(), Status> {
    let Some(note) = request.extensions().get::<AccessNote>() else {
        return Ok(());
    };
    let purpose = note
        .purpose()
        .map_err(|e| status::invalid_field(&format!("metadata.{}", e.key()), e))?;
    if !note.purpose_required() || !reads_cases(method) {
        return Ok(());
    }
    match purpose {
        None => Err(status::refuse(
            Reason::PurposeRequired,
            "no purpose of use was given",
        )),
        Some(purpose) if purpose.reference().is_empty() => Err(status::refuse(
            Reason::PurposeRequired,
            "the purpose of use has no reference",
        )),
        Some(_) => Ok(()),
    }
}
