//! One file that proves one entry: a C2SP tlog-proof whose `extra` line holds the entry's bytes.
//!
//! The extra data is vouched for after all: the inclusion proof is over its leaf hash, so other bytes do not verify.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casebroker_proto::tlog::{Receipt, ReceiptError};

/// Longest file that is read, in bytes: the largest entry in base64, and the proof.
const MAX_FILE_BYTES: usize = 2 * 1024 * 1024;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1\n";
const EXTRA: &str = "extra ";

/// An entry with its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    /// The receipt, without extra data.
    pub receipt: Receipt,
    /// The Entry's bytes as recorded.
    pub entry: Vec<u8>,
}

/// Why a text is no such file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    /// Longer than any entry makes it.
    #[error("the file has {0} bytes, more than {MAX_FILE_BYTES}")]
    TooLong(usize),
    /// A plain receipt: a proof of something that is not in it.
    #[error("the receipt holds no entry: there is no `extra` line")]
    NoEntry,
    /// Not a receipt.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
}

impl ProofFile {
    /// From the text of a receipt and the entry it is for. Nothing is verified here.
    pub fn new(receipt: &str, entry: impl Into<Vec<u8>>) -> Result<Self, ProofFileError> {
        let mut receipt: Receipt = receipt.parse()?;
        receipt.extra = None;
        Ok(Self {
            receipt,
            entry: entry.into(),
        })
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receipt = self.receipt.to_string();
        let rest = receipt.strip_prefix(FIRST_LINE).unwrap_or(&receipt);
        write!(
            f,
            "{FIRST_LINE}{EXTRA}{}\n{rest}",
            STANDARD.encode(&self.entry)
        )
    }
}

impl FromStr for ProofFile {
    type Err = ProofFileError;

    fn from_str(text: &str) -> Result<Self, ProofFileError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(ProofFileError::TooLong(text.len()));
        }
        // The entry is taken out first: the largest is longer than a receipt's extra data may be.
        let extra = text
            .strip_prefix(FIRST_LINE)
            .and_then(|rest| rest.strip_prefix(EXTRA))
            .and_then(|rest| rest.split_once('\n'));
        let Some((extra, rest)) = extra else {
            text.parse::<Receipt>()?;
            return Err(ProofFileError::NoEntry);
        };
        let entry = STANDARD.decode(extra).map_err(|_| ReceiptError::Extra)?;
        let receipt = format!("{FIRST_LINE}{rest}").parse::<Receipt>()?;
        if receipt.extra.is_some() {
            return Err(ReceiptError::Index.into());
        }
        Ok(Self { receipt, entry })
    }
}

#[cfg(test)]
mod tests {
    use casebroker_proto::tlog::{Checkpoint, NoteSigner, leaf_hash};

    use super::*;

    fn receipt(entry: &[u8]) -> Receipt {
        let signer = NoteSigner::from_seed("log.example", &[5; 32]).unwrap();
        Receipt {
            index: 0,
            extra: None,
            proof: vec![],
            checkpoint: Checkpoint::new("log.example", 1, leaf_hash(entry))
                .sign(&signer)
                .unwrap(),
        }
    }

    #[test]
    fn what_is_written_is_read_again_also_with_the_largest_entry() {
        for size in [1, 1000, 1024 * 1024] {
            let entry = vec![7; size];
            let file = ProofFile::new(&receipt(&entry).to_string(), entry).unwrap();
            assert_eq!(file.to_string().parse(), Ok(file));
        }
    }

    #[test]
    fn a_small_file_is_a_receipt_as_the_page_lays_it_out() {
        let file = ProofFile::new(&receipt(b"entry").to_string(), *b"entry").unwrap();
        let standard: Receipt = file.to_string().parse().unwrap();
        assert_eq!(standard.extra.as_deref(), Some(&b"entry"[..]));
    }

    #[test]
    fn a_receipt_without_its_entry_and_a_text_that_is_none_are_told_apart() {
        let plain = receipt(b"entry").to_string();
        assert_eq!(plain.parse::<ProofFile>(), Err(ProofFileError::NoEntry));
        assert!(matches!(
            "hello".parse::<ProofFile>(),
            Err(ProofFileError::Receipt(_))
        ));
    }
}
