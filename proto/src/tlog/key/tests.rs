use proptest::prelude::*;

use super::*;

/// The example key of <https://c2sp.org/signed-note>.
const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

#[test]
fn the_published_example_key_parses_and_prints_back() {
    let verifier: NoteVerifier = EXAMPLE.parse().unwrap();
    assert_eq!(verifier.name(), "example.com/foo");
    assert_eq!(verifier.key_id(), 0x530d903a);
    assert_eq!(verifier.to_string(), EXAMPLE);
}

#[test]
fn malformed_verifier_keys_are_refused() {
    let form = Err(KeyError::Form {
        expected: VERIFIER_FORM,
    });
    for bad in [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        &EXAMPLE.replace("530d903a", "530D903A"),
        &EXAMPLE.replace("530d903a", "+530d903"),
        &EXAMPLE.replace("530d903a", "0530d903a"),
        &EXAMPLE.replace("530d903a", "30d903a"),
        &EXAMPLE[..EXAMPLE.len() - 4],
        &format!("{EXAMPLE}AAAA"),
        &format!("{EXAMPLE}\n"),
    ] {
        assert_eq!(bad.parse::<NoteVerifier>(), form, "{bad:?}");
    }
    let parse = str::parse::<NoteVerifier>;
    assert_eq!(
        parse(&EXAMPLE.replace("+Aeky", "+BOky")),
        Err(KeyError::Type(4))
    );
    assert_eq!(parse(&EXAMPLE[15..]), Err(KeyError::Name));
    assert_eq!(parse(&EXAMPLE.replace(".com", " com")), Err(KeyError::Name));
    assert!(matches!(
        parse(&EXAMPLE.replace("foo", "bar")),
        Err(KeyError::Id {
            found: 0x530d903a,
            ..
        })
    ));
    assert!(matches!(
        parse(&EXAMPLE.replace("U2k", "U2l")),
        Err(KeyError::Id { .. })
    ));
}

#[test]
fn names_that_cannot_stand_in_a_note_are_refused() {
    for bad in [
        "",
        " ",
        "a b",
        "a+b",
        "a\nb",
        "a\tb",
        "a\u{a0}b",
        "a\u{2003}b",
        "a\u{85}b",
        "a\u{1}b",
    ] {
        assert_eq!(
            NoteSigner::generate(bad).err(),
            Some(KeyError::Name),
            "{bad:?}"
        );
    }
    for good in ["a", "log.example/cases", "Журнал", "a\u{7f}"] {
        assert_eq!(NoteSigner::generate(good).unwrap().name(), good);
    }
}

#[test]
fn nothing_but_the_private_key_text_shows_the_secret() {
    let seed = [0xa7; KEY_BYTES];
    let signer = NoteSigner::from_seed("log.example", &seed).unwrap();
    let secret = STANDARD.encode([&[1][..], &seed].concat());
    assert!(signer.private_key_text().unwrap().ends_with(&secret));
    for shown in [
        format!("{signer:?}"),
        format!("{signer:#?}"),
        signer.verifier().to_string(),
    ] {
        assert!(shown.contains("log.example"));
        for leak in [secret.as_str(), "a7a7", "167, 167", "A7, A7"] {
            assert!(!shown.contains(leak), "{shown}");
        }
    }
}

#[test]
fn errors_of_private_keys_do_not_repeat_them() {
    let signer = NoteSigner::from_seed("log.example", &[0xa7; KEY_BYTES]).unwrap();
    let text = signer.private_key_text().unwrap().to_string();
    // The base64 may contain the separator too.
    let secret = text.splitn(5, '+').last().unwrap();
    assert_eq!(secret.len(), 44);
    for bad in [
        &text[1..],
        &format!("{text}="),
        &text.replace("+log.example", ""),
        &text.replace("log.example", "log example"),
        &text.replace("log.example", "other.example"),
        &format!("PRIVATE+KEY+{secret}"),
    ] {
        let error = NoteSigner::from_private_key_text(bad).err().unwrap();
        assert!(
            !format!("{error} {error:?}").contains(&secret[..8]),
            "{error:?}"
        );
    }
}

#[test]
fn two_generated_keys_differ() {
    let key = || {
        NoteSigner::generate("log.example")
            .unwrap()
            .verifier()
            .clone()
    };
    assert_ne!(key(), key());
}

proptest! {
    #[test]
    fn both_text_forms_come_back_as_the_same_key(seed: [u8; 32], name in "[a-zé./-]{1,20}") {
        let signer = NoteSigner::from_seed(&name, &seed).unwrap();
        let text = signer.private_key_text().unwrap().to_string();
        let again = NoteSigner::from_private_key_text(&text).unwrap();
        prop_assert_eq!(again.verifier(), signer.verifier());
        prop_assert_eq!(again.private_key_text().unwrap().to_string(), text);
        let public = signer.verifier().to_string();
        prop_assert_eq!(&public.parse::<NoteVerifier>().unwrap(), signer.verifier());
    }

    #[test]
    fn a_text_that_parses_is_the_text_that_is_printed(text in "[a-c+]{0,4}[+][0-9a-f]{8}[+]\\PC{0,50}") {
        if let Ok(verifier) = text.parse::<NoteVerifier>() {
            prop_assert_eq!(verifier.to_string(), text);
        }
    }
}
