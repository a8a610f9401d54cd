use proptest::prelude::*;

use super::*;

/// The example of <https://c2sp.org/signed-note>.
const EXAMPLE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(name, &[seed; 32]).unwrap()
}

fn parse(note: &str) -> Result<SignedNote, NoteError> {
    note.parse()
}

#[test]
fn the_published_example_verifies() {
    let note = parse(EXAMPLE).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), EXAMPLE);
    let verified = note.verify(&[&EXAMPLE_KEY.parse().unwrap()]).unwrap();
    assert_eq!(verified, note.signatures().iter().collect::<Vec<_>>());
    assert_eq!(verified[0].signature().len(), 64);
}

#[test]
fn the_last_empty_line_separates_text_from_signatures() {
    let signer = signer("a", 1);
    for text in [
        "\n",
        "\n\n",
        "a\n",
        "a\n\n",
        "a\n\n\n",
        "a\n\nb\n",
        "\na\n",
        "\u{2014} a AAAAAAA=\n",
        "\n\u{2014} a AAAAAAA=\n",
    ] {
        let note = SignedNote::sign(text, &[&signer]).unwrap();
        let again = parse(&note.to_string()).unwrap();
        assert_eq!(again.text(), text);
        assert_eq!(again, note);
        assert!(again.verify(&[signer.verifier()]).is_ok());
    }
}

#[test]
fn malformed_notes_are_refused_each_for_its_reason() {
    let good = EXAMPLE;
    let line = |line| Err(NoteError::SignatureLine { line });
    let (text, signature) = good.split_once("\n\n").unwrap();
    assert_eq!(parse(""), Err(NoteError::NoSeparator));
    assert_eq!(parse("a\n"), Err(NoteError::NoSeparator));
    assert_eq!(parse(signature), Err(NoteError::NoSeparator));
    assert_eq!(
        parse(&format!("\n{signature}")),
        Err(NoteError::NoSeparator)
    );
    assert_eq!(
        parse(&format!("{text}\n{signature}")),
        Err(NoteError::NoSeparator)
    );
    assert_eq!(parse(good.trim_end()), Err(NoteError::UnfinishedLine));
    assert_eq!(parse("a\n\n"), Err(NoteError::UnfinishedLine));
    assert_eq!(parse("a\n\n\n"), Err(NoteError::UnfinishedLine));
    assert_eq!(parse(&format!("{good}\n")), Err(NoteError::UnfinishedLine));
    assert_eq!(parse(&format!("{good}garbage\n")), line(2));
    for bad in [
        "- a AAAAAAA=",
        "\u{2014}a AAAAAAA=",
        " \u{2014} a AAAAAAA=",
        "\u{2014} a",
        "\u{2014} a ",
        "\u{2014} AAAAAAA=",
        "\u{2014}  AAAAAAA=",
        "\u{2014} a  AAAAAAA=",
        "\u{2014} a AAAAAAA= ",
        "\u{2014} a b AAAAAAA=",
        "\u{2014} a+b AAAAAAA=",
        "\u{2014} a\u{a0}b AAAAAAA=",
        "\u{2014} a AAAAAAA",
        "\u{2014} a AAAAAAB=",
        "\u{2014} a AAAA_AA=",
        "\u{2014} a AAAAAA==",
        "\u{2014} a AAAA",
    ] {
        assert_eq!(parse(&format!("{text}\n\n{bad}\n")), line(1), "{bad:?}");
    }
    assert!(parse(&format!("{text}\n\n\u{2014} a AAAAAAA=\n")).is_ok());
    for (bad, code) in [("\0", 0), ("\t", 9), ("\r", 13), ("\u{1f}", 31)] {
        let refused = Err(NoteError::ControlCharacter { code, at: 1 });
        assert_eq!(parse(&format!("a{bad}\n\n{signature}")), refused);
        assert_eq!(
            SignedNote::sign(&format!("a{bad}\n"), &[&signer("a", 1)]),
            refused
        );
    }
}

#[test]
fn what_cannot_be_read_back_is_not_signed() {
    let key = signer("a", 1);
    for text in ["", "a", "\na"] {
        assert_eq!(
            SignedNote::sign(text, &[&key]),
            Err(NoteError::UnfinishedText)
        );
    }
    assert_eq!(
        SignedNote::sign("a\n", &[]),
        Err(NoteError::SignatureCount { found: 0 })
    );
    assert_eq!(
        SignedNote::sign("a\n", &vec![&key; 101]),
        Err(NoteError::SignatureCount { found: 101 })
    );
}

#[test]
fn length_and_number_of_signatures_are_bounded() {
    let key = signer("a", 1);
    let line = SignedNote::sign("\n", &[&key]).unwrap().to_string().len() - 1;
    let most = "x".repeat(MAX_NOTE_BYTES - line - 1) + "\n";
    let longest = SignedNote::sign(&most, &[&key]).unwrap().to_string();
    assert_eq!(longest.len(), MAX_NOTE_BYTES);
    assert!(parse(&longest).is_ok());
    let found = MAX_NOTE_BYTES + 1;
    assert_eq!(
        parse(&format!("x{longest}")),
        Err(NoteError::TooLong { found })
    );
    assert_eq!(
        SignedNote::sign(&format!("x{most}"), &[&key]),
        Err(NoteError::TooLong { found })
    );
    let found = 50_000_000;
    assert_eq!(
        parse(&"\n".repeat(found)),
        Err(NoteError::TooLong { found })
    );

    let with = |lines| parse(&format!("a\n\n{}", "\u{2014} a AAAAAAA=\n".repeat(lines)));
    assert_eq!(
        with(MAX_SIGNATURES).unwrap().signatures().len(),
        MAX_SIGNATURES
    );
    assert_eq!(
        with(MAX_SIGNATURES + 1),
        Err(NoteError::SignatureCount { found: 101 })
    );
}

#[test]
fn sixteen_signatures_of_the_largest_assigned_type_fit() {
    // ML-DSA-44 cosignatures: a key ID, a timestamp and 2420 bytes.
    let blob = STANDARD.encode([7; 4 + 8 + 2420]);
    let lines = format!("\u{2014} witness.example/some-long-name {blob}\n").repeat(16);
    assert_eq!(
        parse(&format!("log\n1\nroot\n\n{lines}"))
            .unwrap()
            .signatures()
            .len(),
        16
    );
}

#[test]
fn unknown_keys_are_ignored_even_if_they_share_a_name_or_an_id() {
    let (known, same_name, stranger) = (signer("a", 1), signer("a", 2), signer("b", 3));
    let note = SignedNote::sign("text\n", &[&stranger, &same_name, &known]).unwrap();
    let verified = note.verify(&[known.verifier()]).unwrap();
    assert_eq!(verified, [&note.signatures()[2]]);
    // The known key's ID under another name, with a signature that could not verify.
    let borrowed = NoteSignature::new("b", known.key_id(), &[0; 64]);
    let note = parse(&format!("{note}{borrowed}\n")).unwrap();
    assert_eq!(note.verify(&[known.verifier()]).unwrap().len(), 1);
    assert_eq!(
        note.verify(&[known.verifier(), stranger.verifier()])
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        note.verify(&[signer("c", 4).verifier()]),
        Err(NoteError::Unverified)
    );
    assert_eq!(note.verify(&[]), Err(NoteError::Unverified));
}

#[test]
fn one_bad_signature_of_a_known_key_refuses_the_note_wherever_it_stands() {
    let (good, other) = (signer("a", 1), signer("b", 2));
    let note = SignedNote::sign("text\n", &[&good, &other]).unwrap();
    let of_other_text = SignedNote::sign("other\n", &[&good]).unwrap();
    let refused = Err(NoteError::InvalidSignature {
        name: "a".into(),
        key_id: good.key_id(),
    });
    let known = [good.verifier(), other.verifier()];
    let lines = [
        of_other_text.signatures()[0].clone(),
        NoteSignature::new("a", good.key_id(), &[0; 64]),
        NoteSignature::new("a", good.key_id(), &[0; 1]),
        NoteSignature::new("a", good.key_id(), &[0; 65]),
    ];
    for line in lines {
        let after = parse(&format!("{note}{line}\n")).unwrap();
        assert_eq!(after.verify(&known), refused);
        let before = note
            .to_string()
            .replacen("\n\n", &format!("\n\n{line}\n"), 1);
        assert_eq!(parse(&before).unwrap().verify(&known), refused);
    }
}

#[test]
fn keys_that_lines_cannot_tell_apart_are_an_error_and_a_key_given_twice_is_not() {
    let known = signer("a", 1);
    let note = SignedNote::sign("text\n", &[&known]).unwrap();
    let twice = [known.verifier(), &known.verifier().clone()];
    assert_eq!(note.verify(&twice).unwrap().len(), 1);
    // These two numbers collide as keys of this name, found by trying them from 0 up. No point need be on the curve for it.
    let [one, other] = [20777_u32, 121280].map(|number| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        NoteVerifier::new("a", key).unwrap()
    });
    assert_eq!((one.key_id(), other.key_id()), (0xae6b_4ed9, 0xae6b_4ed9));
    let line = NoteSignature::new("a", one.key_id(), &[0; 64]);
    let note = parse(&format!("text\n\n{line}\n")).unwrap();
    let name = "a".to_owned();
    let key_id = one.key_id();
    assert_eq!(
        note.verify(&[&one, &other]),
        Err(NoteError::AmbiguousKey { name, key_id })
    );
}

proptest! {
    #[test]
    fn a_note_that_parses_is_printed_back_byte_for_byte(
        text in "[a\n\u{2014} ]{0,8}", lines in prop::collection::vec("\u{2014} [a+ ]{1,2} [A-C=]{4,12}", 1..3),
    ) {
        let note = format!("{text}\n\n{}\n", lines.join("\n"));
        if let Ok(parsed) = parse(&note) {
            prop_assert_eq!(parsed.to_string(), note);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(note in "\\PC{0,40}\n\n\u{2014} \\PC{0,40}\n") {
        if let Ok(parsed) = parse(&note) {
            prop_assert_eq!(parsed.to_string(), note);
        }
    }

    #[test]
    fn a_signed_text_verifies_and_a_changed_one_does_not(text in "[^\\x00-\\x1f]{0,60}", at: prop::sample::Index) {
        let (key, text) = (signer("a", 1), text + "\n");
        let note = SignedNote::sign(&text, &[&key]).unwrap();
        let again = parse(&note.to_string()).unwrap();
        prop_assert!(again.verify(&[key.verifier()]).is_ok());
        let mut chars: Vec<char> = text.chars().collect();
        chars.insert(at.index(chars.len()), '!');
        let changed: String = chars.into_iter().collect();
        let changed = parse(&note.to_string().replacen(&text, &changed, 1)).unwrap();
        prop_assert!(changed.verify(&[key.verifier()]).is_err());
    }
}
