//! Receipts: C2SP tlog-proofs, <https://c2sp.org/tlog-proof>. One text that shows, without a network, that an entry is in a
//! log. As a file it has the extension `.tlog-proof`.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    checkpoint::{Checkpoint, CheckpointError, parse_decimal},
    hash::{Hash, leaf_hash},
    key::NoteVerifier,
    note::{MAX_NOTE_BYTES, NoteError, SignedNote},
    proof::{ProofError, verify_inclusion},
};

/// Longest receipt that is read, in bytes: the longest note, the longest proof and some 45 kB of extra data.
pub const MAX_RECEIPT_BYTES: usize = MAX_NOTE_BYTES + 64 * 1024;

/// Most hashes of an inclusion proof, for any size that a checkpoint can state.
pub const MAX_PROOF_HASHES: usize = 64;

/// That a log has an entry at an index, by a checkpoint of that log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Index of the entry in the log, zero-based.
    pub index: u64,
    /// Data beside the proof, not empty. Nothing vouches for it.
    pub extra: Option<Vec<u8>>,
    /// Inclusion proof of the entry in the tree of the checkpoint, from the leaf's sibling up to the root's child.
    pub proof: Vec<Hash>,
    /// The checkpoint as a signed note, verbatim, with all its signatures.
    pub checkpoint: String,
}

/// Why a receipt was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Longer than [`MAX_RECEIPT_BYTES`].
    #[error("the receipt has {found} bytes, more than {MAX_RECEIPT_BYTES}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// The first line is another.
    #[error("the first line of a receipt is `{FIRST_LINE}`")]
    FirstLine,
    /// The extra line holds nothing or no base64.
    #[error("the extra line must be `extra ` and standard base64 of at least one byte")]
    Extra,
    /// There is no index where it should be.
    #[error(
        "the index line must be `index ` and a decimal number below 2^64 without leading zeros"
    )]
    Index,
    /// A line of the proof is no hash.
    #[error("line {line} of the proof must be 44 characters of standard base64")]
    ProofLine {
        /// Which line of the proof, from 1.
        line: usize,
    },
    /// More hashes than any tree needs.
    #[error("the proof has more than {MAX_PROOF_HASHES} hashes")]
    ProofLength,
    /// The text ends before the checkpoint.
    #[error("no empty line and checkpoint follow the proof")]
    NoCheckpoint,
    /// The checkpoint is malformed, of another log or not signed as it must be.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The proof does not lead from this entry to the checkpoint.
    #[error("inclusion proof: {0}")]
    Proof(#[from] ProofError),
}

impl Receipt {
    /// Checks, with nothing else at hand, that `entry` (its bytes as recorded) is in the log `origin` whose key is `verifier`.
    /// Gives the checkpoint that says so. Cosignatures on it are not looked at.
    pub fn verify(
        &self,
        entry: &[u8],
        verifier: &NoteVerifier,
        origin: &str,
    ) -> Result<Checkpoint, ReceiptError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier, origin)?;
        verify_inclusion(
            &leaf_hash(entry),
            self.index,
            checkpoint.size,
            &self.proof,
            &checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}

impl fmt::Display for Receipt {
    /// The whole text; what was parsed comes out byte for byte. Empty extra data is left out, as the page wants it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = self.extra.as_deref().filter(|extra| !extra.is_empty()) {
            writeln!(f, "{EXTRA}{}", STANDARD.encode(extra))?;
        }
        writeln!(f, "{INDEX}{}", self.index)?;
        self.proof
            .iter()
            .try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    /// Checks the form of everything, the checkpoint's too, and the truth of nothing: for that there is
    /// [`Receipt::verify`].
    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let found = text.len();
        if found > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLong { found });
        }
        let (line, mut rest) = split_line(text).ok_or(ReceiptError::FirstLine)?;
        if line != FIRST_LINE {
            return Err(ReceiptError::FirstLine);
        }
        let mut next = || {
            let (line, after) = split_line(rest)?;
            rest = after;
            Some(line)
        };

        let mut line = next().ok_or(ReceiptError::Index)?;
        let mut extra = None;
        if let Some(data) = line.strip_prefix(EXTRA) {
            let data = STANDARD.decode(data).map_err(|_| ReceiptError::Extra)?;
            if data.is_empty() {
                return Err(ReceiptError::Extra);
            }
            extra = Some(data);
            line = next().ok_or(ReceiptError::Index)?;
        }
        let index = line.strip_prefix(INDEX).and_then(parse_decimal);
        let index = index.ok_or(ReceiptError::Index)?;

        let mut proof = Vec::new();
        loop {
            let line = next().ok_or(ReceiptError::NoCheckpoint)?;
            if line.is_empty() {
                break;
            }
            if proof.len() == MAX_PROOF_HASHES {
                return Err(ReceiptError::ProofLength);
            }
            let number = proof.len() + 1;
            let hash = line.parse();
            proof.push(hash.map_err(|_| ReceiptError::ProofLine { line: number })?);
        }

        if rest.is_empty() {
            return Err(ReceiptError::NoCheckpoint);
        }
        let note: SignedNote = rest
            .parse()
            .map_err(|e: NoteError| CheckpointError::Note(e))?;
        Checkpoint::parse(note.text())?;
        Ok(Self {
            index,
            extra,
            proof,
            checkpoint: rest.to_owned(),
        })
    }
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";

fn split_line(text: &str) -> Option<(&str, &str)> {
    text.split_once('\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tlog::{extension::Extension, frontier::Frontier, key::NoteSigner};

    const ORIGIN: &str = "log.example/cases";

    fn signer() -> NoteSigner {
        NoteSigner::from_seed(ORIGIN, &[9; 32]).unwrap()
    }

    fn entry(i: u64) -> Vec<u8> {
        format!("entry {i}").into_bytes()
    }

    fn receipt(index: u64, size: u64, extra: Option<Vec<u8>>) -> Receipt {
        let leaves = (0..size).map(|i| leaf_hash(&entry(i)));
        let extension = Extension::new(&Frontier::default(), leaves);
        let checkpoint = Checkpoint::new(ORIGIN, size, extension.root());
        Receipt {
            index,
            extra,
            proof: extension.inclusion_proof(index).unwrap(),
            checkpoint: checkpoint.sign(&signer()).unwrap(),
        }
    }

    #[test]
    fn the_text_is_as_the_page_lays_it_out() {
        let with_extra = receipt(1, 3, Some(b"beside".to_vec()));
        let [sibling, edge] = [0, 2].map(|i| leaf_hash(&entry(i)));
        let expected = format!(
            "c2sp.org/tlog-proof@v1\nextra YmVzaWRl\nindex 1\n{sibling}\n{edge}\n\n{}",
            with_extra.checkpoint
        );
        assert_eq!(with_extra.to_string(), expected);
        let alone = receipt(0, 1, None);
        let expected = format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{}", alone.checkpoint);
        assert_eq!(alone.to_string(), expected);
        assert_eq!(receipt(0, 1, Some(vec![])).to_string(), expected);
    }

    #[test]
    fn a_receipt_verifies_for_its_entry_index_key_and_origin_only() {
        let signer = signer();
        let (key, receipt) = (signer.verifier(), receipt(5, 11, None));
        assert_eq!(receipt.verify(&entry(5), key, ORIGIN).unwrap().size, 11);
        let other_root = Err(ReceiptError::Proof(ProofError::RootMismatch { size: 11 }));
        assert_eq!(receipt.verify(&entry(6), key, ORIGIN), other_root);
        assert_eq!(receipt.verify(b"", key, ORIGIN), other_root);
        let other = NoteSigner::generate(ORIGIN).unwrap();
        assert_eq!(
            receipt.verify(&entry(5), other.verifier(), ORIGIN),
            Err(CheckpointError::from(NoteError::Unverified).into())
        );
        assert!(matches!(
            receipt.verify(&entry(5), key, "log.example"),
            Err(ReceiptError::Checkpoint(
                CheckpointError::OtherOrigin { .. }
            ))
        ));
        for index in (0..20).filter(|index| *index != 5) {
            let moved = Receipt {
                index,
                ..receipt.clone()
            };
            assert!(moved.verify(&entry(5), key, ORIGIN).is_err(), "{index}");
        }
    }

    #[test]
    fn malformed_receipts_are_refused_each_for_its_reason() {
        let good = receipt(1, 3, Some(b"beside".to_vec())).to_string();
        let checkpoint = receipt(1, 3, None).checkpoint;
        let hash = leaf_hash(&entry(0)).to_string();
        let change = |from: &str, to: &str| {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good);
            changed.parse::<Receipt>().unwrap_err()
        };
        let parse = |text: &str| text.parse::<Receipt>().unwrap_err();
        assert_eq!(parse(""), ReceiptError::FirstLine);
        assert_eq!(parse("c2sp.org/tlog-proof@v1"), ReceiptError::FirstLine);
        assert_eq!(parse("c2sp.org/tlog-proof@v1\n"), ReceiptError::Index);
        assert_eq!(change("@v1", "@v2"), ReceiptError::FirstLine);
        assert_eq!(change("c2sp", " c2sp"), ReceiptError::FirstLine);
        assert_eq!(change("@v1\n", "@v1\r\n"), ReceiptError::FirstLine);
        assert_eq!(change("extra YmVzaWRl", "extra "), ReceiptError::Extra);
        assert_eq!(
            change("extra YmVzaWRl", "extra YmVzaWR"),
            ReceiptError::Extra
        );
        assert_eq!(change("extra ", "extra  "), ReceiptError::Extra);
        assert_eq!(change("extra ", "Extra "), ReceiptError::Index);
        assert_eq!(change("index", "extra YQ==\nindex"), ReceiptError::Index);
        for index in ["", "01", "-1", "+1", " 1", "1 ", "18446744073709551616"] {
            assert_eq!(
                change("index 1", &format!("index {index}")),
                ReceiptError::Index
            );
        }
        assert_eq!(change("index 1\n", ""), ReceiptError::Index);
        assert_eq!(
            change(&hash, &hash[1..]),
            ReceiptError::ProofLine { line: 1 }
        );
        assert_eq!(
            change(&hash, &format!("{hash}\r")),
            ReceiptError::ProofLine { line: 1 }
        );
        let many = format!("{hash}\n").repeat(65);
        assert_eq!(
            change(&format!("{hash}\n"), &many),
            ReceiptError::ProofLength
        );
        let cut = &good[..good.len() - checkpoint.len()];
        assert_eq!(parse(cut), ReceiptError::NoCheckpoint);
        assert_eq!(parse(&cut[..cut.len() - 1]), ReceiptError::NoCheckpoint);
        for broken in [
            &checkpoint[1..checkpoint.len() - 1],
            "log\n1\n",
            "x\n\n\u{2014} k AAAAAAA=\n",
        ] {
            assert!(matches!(
                parse(&format!("{cut}{broken}")),
                ReceiptError::Checkpoint(_)
            ));
        }
        let long = "A".repeat(MAX_RECEIPT_BYTES);
        assert!(matches!(
            change("YmVzaWRl", &long),
            ReceiptError::TooLong { .. }
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_printed_parses_to_the_same_receipt(
            size in 1..200_u64, at: prop::sample::Index, extra in prop::option::of(prop::collection::vec(any::<u8>(), 1..50)),
        ) {
            let index = at.index(size as usize) as u64;
            let receipt = receipt(index, size, extra);
            let again: Receipt = receipt.to_string().parse().unwrap();
            prop_assert_eq!(&again, &receipt);
            prop_assert!(again.verify(&entry(index), signer().verifier(), ORIGIN).is_ok());
        }

        #[test]
        fn a_changed_byte_is_refused_or_shows_in_extra_data_alone(at: prop::sample::Index, bit in 0..8_u32) {
            let good = receipt(77, 150, Some(b"beside".to_vec()));
            let mut bytes = good.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
            let Ok(changed) = text.parse::<Receipt>() else { return Ok(()) };
            prop_assert_eq!(changed.to_string(), text);
            if changed.verify(&entry(77), signer().verifier(), ORIGIN).is_ok() {
                prop_assert_ne!(&changed.extra, &good.extra);
                prop_assert_eq!(Receipt { extra: good.extra.clone(), ..changed }, good);
            }
        }
    }
}
