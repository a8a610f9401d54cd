//! Purpose of use: why a caller reads cases, as police information systems log it. It travels in the metadata of a request,
//! goes into the access record and never into an answer.

/// Metadata key of the code.
pub const CODE_KEY: &str = "casebroker-purpose";
/// Metadata key of the reference.
pub const REFERENCE_KEY: &str = "casebroker-purpose-reference";
/// Longest reference, bytes.
pub const MAX_REFERENCE_BYTES: usize = 200;

/// Every code and what it means.
pub const CODES: [(&str, &str); 7] = [
    (
        "investigation",
        "a criminal investigation; reference: its case number",
    ),
    (
        "prosecution",
        "preparing or conducting a trial; reference: the docket number",
    ),
    (
        "mutual-legal-assistance",
        "a request from another state; reference: the request",
    ),
    (
        "intelligence",
        "intelligence work without a case yet; reference: the legal basis",
    ),
    (
        "statistics",
        "counting, without regard to persons; reference: the commission or report",
    ),
    (
        "audit",
        "checking how the broker is used; reference: the audit",
    ),
    (
        "testing",
        "trying out a system; reference: the change or test",
    ),
];

/// Why cases are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    code: &'static str,
    reference: String,
}

/// Why a purpose was refused. The messages are made for a field violation at the metadata key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurposeError {
    /// No such code.
    #[error(
        "`{0}` must be one of investigation, prosecution, mutual-legal-assistance, intelligence, statistics, audit, testing"
    )]
    Code(String),
    /// A reference of another form.
    #[error(
        "must be 1 to {MAX_REFERENCE_BYTES} printable ASCII characters: a case number or legal basis"
    )]
    Reference,
    /// A reference alone.
    #[error("is missing, but there is a reference")]
    NoCode,
}

impl PurposeError {
    /// Metadata key that it is about.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Reference => REFERENCE_KEY,
            Self::Code(_) | Self::NoCode => CODE_KEY,
        }
    }
}

impl Purpose {
    /// From the two values; `None` if both are missing. A code may stand without a reference.
    pub fn new(code: Option<&str>, reference: Option<&str>) -> Result<Option<Self>, PurposeError> {
        let Some(code) = code else {
            return match reference {
                Some(_) => Err(PurposeError::NoCode),
                None => Ok(None),
            };
        };
        let known = CODES.iter().find(|(known, _)| *known == code);
        let (code, _) = known.ok_or_else(|| PurposeError::Code(code.chars().take(80).collect()))?;
        let reference = reference.unwrap_or_default();
        let given = !reference.is_empty();
        if reference.len() > MAX_REFERENCE_BYTES
            || !reference.bytes().all(|b| (b' '..=b'~').contains(&b))
            || (given && reference.trim().is_empty())
        {
            return Err(PurposeError::Reference);
        }
        Ok(Some(Self {
            code,
            reference: reference.to_owned(),
        }))
    }

    /// The code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Case number or legal basis; empty if none was given.
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_codes_and_printable_references_pass() {
        let purpose = Purpose::new(Some("investigation"), Some("2016-0042"))
            .unwrap()
            .unwrap();
        assert_eq!(
            (purpose.code(), purpose.reference()),
            ("investigation", "2016-0042")
        );
        assert_eq!(Purpose::new(None, None), Ok(None));
        assert!(Purpose::new(Some("audit"), None).unwrap().is_some());
        assert_eq!(Purpose::new(None, Some("x")), Err(PurposeError::NoCode));
        for code in ["", "Investigation", "curiosity", "investigation "] {
            let error = Purpose::new(Some(code), None).unwrap_err();
            assert_eq!(error.key(), CODE_KEY, "{code}");
        }
        for reference in [
            "  ",
            "a\nb",
            "caf\u{e9}",
            &"x".repeat(MAX_REFERENCE_BYTES + 1),
        ] {
            assert_eq!(
                Purpose::new(Some("audit"), Some(reference)),
                Err(PurposeError::Reference)
            );
        }
    }

    #[test]
    fn the_message_lists_every_code() {
        let message = PurposeError::Code("x".into()).to_string();
        assert!(
            CODES.iter().all(|(code, _)| message.contains(code)),
            "{message}"
        );
    }
}
