//! Checkpoints, as <https://c2sp.org/tlog-checkpoint> defines them: a log's name, size and root, in a signed note.

use super::{
    hash::Hash,
    key::{NoteSigner, NoteVerifier},
    note::{NoteError, SignedNote, check_text},
};

/// What a log says of itself at one size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Which log: one line, not empty. Best a URL without scheme, the name of the log's key.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Hash,
    /// Extension lines without their newlines, none of them empty. This project's logs write none, since nobody can audit
    /// them; what others write is kept and means nothing here.
    pub extensions: Vec<String>,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The signed note around it, or the characters in it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Fewer than three lines.
    #[error("a checkpoint has at least three lines, not {found}")]
    Lines {
        /// Lines found.
        found: usize,
    },
    /// The origin is empty or has more than one line.
    #[error("the origin must be one line that is not empty")]
    Origin,
    /// The second line is no size.
    #[error("the tree size must be a decimal number below 2^64 without leading zeros")]
    Size,
    /// The third line is no hash.
    #[error("the root hash must be 44 characters of standard base64")]
    Root,
    /// An extension line is empty or has more than one line.
    #[error("extension lines must be single lines that are not empty")]
    Extension,
    /// The checkpoint of another log.
    #[error("the checkpoint is of log `{found}`, not of `{expected}`")]
    OtherOrigin {
        /// As the checkpoint says.
        found: String,
        /// As the caller wants it.
        expected: String,
    },
}

impl Checkpoint {
    /// Without extension lines.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Self {
        Self {
            origin: origin.into(),
            size,
            root,
            extensions: Vec::new(),
        }
    }

    /// The note text: origin, size, root and any extensions, a line each. Well-formed if the fields are as documented.
    pub fn to_text(&self) -> String {
        let Self {
            origin, size, root, ..
        } = self;
        let mut text = format!("{origin}\n{size}\n{root}\n");
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// From the note text, signatures not included. Accepts the one spelling that [`Checkpoint::to_text`] writes.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        check_text(text)?;
        let mut lines = text.split_terminator('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            let found = text.split_terminator('\n').count();
            return Err(CheckpointError::Lines { found });
        };
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: parse_decimal(size).ok_or(CheckpointError::Size)?,
            root: root.parse().map_err(|_| CheckpointError::Root)?,
            extensions: lines.map(str::to_owned).collect(),
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// The checkpoint as a signed note, whole. Fails when a field is not as documented.
    ///
    /// A log must never sign two checkpoints that do not extend each other; that is the caller's care.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, CheckpointError> {
        self.check()?;
        let note = SignedNote::sign(&self.to_text(), &[signer])?;
        Ok(note.to_string())
    }

    /// Opens a signed note: the key's signature must be on it and valid, and the checkpoint must be of the log `origin`.
    /// Other keys' signatures are ignored. Name of key and origin need not be equal.
    pub fn open(
        note: &str,
        verifier: &NoteVerifier,
        origin: &str,
    ) -> Result<Self, CheckpointError> {
        let note: SignedNote = note.parse()?;
        note.verify(&[verifier])?;
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::OtherOrigin {
                found: checkpoint.origin,
                expected: origin.to_owned(),
            });
        }
        Ok(checkpoint)
    }

    fn check(&self) -> Result<(), CheckpointError> {
        let is_line = |line: &str| !line.is_empty() && !line.contains('\n');
        if !is_line(&self.origin) {
            return Err(CheckpointError::Origin);
        }
        if !self.extensions.iter().all(|line| is_line(line)) {
            return Err(CheckpointError::Extension);
        }
        Ok(())
    }
}

/// A decimal number of ASCII digits in its only spelling: no sign, no leading zeros.
pub(super) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tlog::hash::{EMPTY_ROOT, leaf_hash};

    const ORIGIN: &str = "log.example/cases";

    fn signer() -> NoteSigner {
        NoteSigner::from_seed(ORIGIN, &[7; 32]).unwrap()
    }

    #[test]
    fn the_published_example_text_parses_and_prints_back() {
        let text =
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size, 20852163);
        assert_eq!(checkpoint.to_text(), text);
    }

    #[test]
    fn malformed_texts_are_refused_each_for_its_reason() {
        let root = EMPTY_ROOT.to_string();
        let parse = |text: &str| Checkpoint::parse(text).unwrap_err();
        assert_eq!(parse(""), NoteError::UnfinishedText.into());
        assert_eq!(
            parse(&format!("a\n1\n{root}")),
            NoteError::UnfinishedText.into()
        );
        assert_eq!(parse("\n"), CheckpointError::Lines { found: 1 });
        assert_eq!(parse("a\n1\n"), CheckpointError::Lines { found: 2 });
        assert_eq!(parse(&format!("\n1\n{root}\n")), CheckpointError::Origin);
        for size in [
            "",
            "01",
            "00",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "１",
            "18446744073709551616",
        ] {
            assert_eq!(
                parse(&format!("a\n{size}\n{root}\n")),
                CheckpointError::Size,
                "{size:?}"
            );
        }
        for wrong in ["", "AAAA", &root[1..], &format!("{root} ")] {
            assert_eq!(
                parse(&format!("a\n1\n{wrong}\n")),
                CheckpointError::Root,
                "{wrong:?}"
            );
        }
        assert_eq!(
            parse(&format!("a\n1\n{root}\n\n")),
            CheckpointError::Extension
        );
        assert_eq!(
            parse(&format!("a\n1\n{root}\nx\n\ny\n")),
            CheckpointError::Extension
        );
        assert_eq!(
            parse(&format!("a\r\n1\r\n{root}\r\n")),
            NoteError::ControlCharacter { code: 13, at: 1 }.into()
        );
    }

    #[test]
    fn extension_lines_are_kept() {
        let text = format!("a\n18446744073709551615\n{EMPTY_ROOT}\none\n two\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.size, u64::MAX);
        assert_eq!(checkpoint.extensions, ["one", " two"]);
        assert_eq!(checkpoint.to_text(), text);
    }

    #[test]
    fn fields_that_would_read_back_differently_are_not_signed() {
        let sign = |origin: &str, extensions: &[&str]| {
            let mut checkpoint = Checkpoint::new(origin, 1, EMPTY_ROOT);
            checkpoint.extensions = extensions.iter().map(|line| line.to_string()).collect();
            checkpoint.sign(&signer()).err()
        };
        assert_eq!(sign("a", &["b"]), None);
        assert_eq!(sign("", &[]), Some(CheckpointError::Origin));
        assert_eq!(sign("a\n5", &[]), Some(CheckpointError::Origin));
        assert_eq!(sign("a", &[""]), Some(CheckpointError::Extension));
        assert_eq!(sign("a", &["b\nc"]), Some(CheckpointError::Extension));
        assert!(matches!(sign("a\0", &[]), Some(CheckpointError::Note(_))));
    }

    #[test]
    fn only_the_named_log_with_the_given_key_opens() {
        let checkpoint = Checkpoint::new(ORIGIN, 42, leaf_hash(b"x"));
        let signer = signer();
        let note = checkpoint.sign(&signer).unwrap();
        assert_eq!(
            Checkpoint::open(&note, signer.verifier(), ORIGIN),
            Ok(checkpoint)
        );
        assert_eq!(
            Checkpoint::open(&note, signer.verifier(), "other.example"),
            Err(CheckpointError::OtherOrigin {
                found: ORIGIN.into(),
                expected: "other.example".into()
            })
        );
        let other = NoteSigner::generate(ORIGIN).unwrap();
        assert_eq!(
            Checkpoint::open(&note, other.verifier(), ORIGIN),
            Err(NoteError::Unverified.into())
        );
        assert!(matches!(
            Checkpoint::open(&note.replace("\n42\n", "\n43\n"), signer.verifier(), ORIGIN),
            Err(CheckpointError::Note(NoteError::InvalidSignature { .. }))
        ));
    }

    #[test]
    fn a_signed_note_that_is_no_checkpoint_is_refused() {
        let signer = signer();
        let note = SignedNote::sign("hello\n", &[&signer]).unwrap().to_string();
        assert_eq!(
            Checkpoint::open(&note, signer.verifier(), "hello"),
            Err(CheckpointError::Lines { found: 1 })
        );
    }

    proptest! {
        #[test]
        fn a_signed_checkpoint_opens_to_itself(origin in "[^\\x00-\\x1f]{1,40}", size: u64, root: [u8; 32]) {
            let checkpoint = Checkpoint::new(&origin, size, root.into());
            let note = checkpoint.sign(&signer()).unwrap();
            prop_assert_eq!(Checkpoint::open(&note, signer().verifier(), &origin), Ok(checkpoint));
        }

        #[test]
        fn a_text_that_parses_is_the_text_that_is_printed(head in "[a \n]{1,3}", size in "[0-9+ ]{1,3}", tail in "[a\n]{0,4}") {
            let text = format!("{head}\n{size}\n{EMPTY_ROOT}\n{tail}");
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_text(), text);
            }
        }
    }
}
