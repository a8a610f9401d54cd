//! What could not be read of one member. It concerns that member and no other.

use casebroker_proto::names::AgencyName;

use super::{IdentityError, reload::one_line};

/// Something of one member, or a folder that names none, that could not be read.
#[derive(Debug)]
pub struct Fault {
    /// The member; none if the folder's name is no agency's.
    pub agency: Option<AgencyName>,
    /// File name of the signing certificate that is at fault; none if it is the member as a whole.
    pub signer_file: Option<Box<str>>,
    /// What is wrong; names the file.
    pub error: IdentityError,
}

impl Fault {
    pub(super) fn of(agency: Option<AgencyName>, error: IdentityError) -> Self {
        Self {
            agency,
            signer_file: None,
            error,
        }
    }

    /// Whether a member as a whole could not be read.
    pub(super) fn is_of_member(&self) -> bool {
        self.agency.is_some() && self.signer_file.is_none()
    }

    /// Whether this member as a whole could not be read.
    pub(super) fn shuts_out(&self, agency: &AgencyName) -> bool {
        self.is_of_member() && self.agency.as_ref() == Some(agency)
    }

    /// Writes it to the log.
    pub(super) fn log(&self) {
        let agency = self.agency.as_ref().map_or("", AgencyName::id);
        let error = one_line(&self.error.to_string());
        match (&self.agency, &self.signer_file) {
            (None, _) => tracing::error!(error, "this folder is no member's and is left out"),
            (Some(_), None) => tracing::error!(
                agency,
                error,
                "this member's files are refused: its last good state stays in force; without one it is shut out until they are mended"
            ),
            (Some(_), Some(_)) => tracing::error!(
                agency,
                error,
                "this signing certificate is refused: its last good state stays in force; without one it signs nothing until it is mended"
            ),
        }
    }
}
