//! Signed notes, checkpoints and the keys they are signed with.

use std::sync::LazyLock;

use casebroker_proto::tlog::{
    Checkpoint, EMPTY_ROOT, NoteSigner, NoteVerifier, SignedNote, leaf_hash, note,
};

use crate::actors::{ORIGIN, log_key};

static KEY: LazyLock<NoteSigner> = LazyLock::new(log_key);

/// Takes the bytes for a note, a checkpoint's text, a public and a private key.
pub fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let accepted = [signed(text), checkpoint(text), keys(text)];
    accepted.contains(&true)
}

fn signed(text: &str) -> bool {
    let parsed = text.parse::<SignedNote>();
    let opened = Checkpoint::open(text, KEY.verifier(), ORIGIN);
    let Ok(parsed) = parsed else {
        assert!(opened.is_err(), "no note, but a checkpoint");
        return false;
    };
    assert_eq!(parsed.to_string(), text);
    assert!((1..=note::MAX_SIGNATURES).contains(&parsed.signatures().len()));
    let verified = parsed.verify(&[KEY.verifier()]);
    if let Ok(lines) = &verified {
        assert!(!lines.is_empty());
        // Ed25519 has no randomness: whoever has the key would have written these very lines.
        let own = SignedNote::sign(parsed.text(), &[&KEY]).unwrap();
        for line in lines {
            assert_eq!(*line, &own.signatures()[0]);
        }
    }
    if let Ok(checkpoint) = opened {
        assert!(verified.is_ok());
        assert_eq!(checkpoint.origin, ORIGIN);
        assert_eq!(checkpoint.to_text(), parsed.text());
    }
    true
}

fn checkpoint(text: &str) -> bool {
    let Ok(checkpoint) = Checkpoint::parse(text) else {
        return false;
    };
    assert_eq!(checkpoint.to_text(), text);
    // What can be read can be signed and opened again, unless the signature makes it too long.
    if let Ok(note) = checkpoint.sign(&KEY) {
        let opened = Checkpoint::open(&note, KEY.verifier(), &checkpoint.origin);
        assert_eq!(opened.as_ref(), Ok(&checkpoint));
    } else {
        assert!(text.len() + 200 > note::MAX_NOTE_BYTES);
    }
    true
}

fn keys(text: &str) -> bool {
    let public = text.parse::<NoteVerifier>();
    if let Ok(key) = &public {
        assert_eq!(key.to_string(), text);
    }
    let private = NoteSigner::from_private_key_text(text);
    if let Ok(key) = &private {
        let again = key.private_key_text().unwrap();
        assert_eq!(again.as_str(), text);
        assert_eq!(
            key.verifier().to_string().parse().as_ref(),
            Ok(key.verifier())
        );
    }
    public.is_ok() || private.is_ok()
}

/// Notes with one and several signatures, checkpoints and keys.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let other = NoteSigner::from_seed("witness.example/w1", &[5; 32]).unwrap();
    let mut extended = Checkpoint::new(ORIGIN, u64::MAX, EMPTY_ROOT);
    extended.extensions = vec!["one".into(), " two \u{e9}".into()];
    let plain = Checkpoint::new(ORIGIN, 42, leaf_hash(b"x"));
    let cosigned = SignedNote::sign(&plain.to_text(), &[&other, &KEY]).unwrap();
    let blank_lines = SignedNote::sign("first\n\n\nlast\n", &[&KEY]).unwrap();
    [
        ("checkpoint", plain.sign(&KEY).unwrap()),
        ("checkpoint-text", plain.to_text()),
        ("extended", extended.sign(&KEY).unwrap()),
        ("extended-text", extended.to_text()),
        ("cosigned", cosigned.to_string()),
        ("blank-lines", blank_lines.to_string()),
        ("vkey", KEY.verifier().to_string()),
        (
            "private-key",
            KEY.private_key_text().unwrap().as_str().to_owned(),
        ),
    ]
    .map(|(name, text)| (name.into(), text.into_bytes()))
    .into()
}
