use proptest::prelude::*;

use super::*;

/// What the index gets of a text: terms with their positions.
fn indexed(text: &str) -> Vec<(usize, String)> {
    let mut terms = Vec::new();
    Folding
        .token_stream(text)
        .process(&mut |token| terms.push((token.position, token.text.clone())));
    terms
}

fn shown(text: &str) -> String {
    let terms = indexed(text).into_iter();
    let terms: Vec<_> = terms.map(|(at, term)| format!("{at}:{term}")).collect();
    terms.join(" ")
}

#[test]
fn words_are_lower_case_without_marks_and_split_at_everything_else() {
    for (text, terms) in [
        ("", ""),
        (" ,.-—“” ", ""),
        (
            "Fentanyl, 1.5 kg (powder)",
            "0:fentanyl 1:1 2:5 3:kg 4:powder",
        ),
        ("2016-0042", "0:2016 1:0042"),
        ("Müller Café ÉCOLE", "0:muller 1:cafe 2:ecole"),
        ("Mu\u{308}ller e\u{301}\u{302}", "0:muller 1:e"),
        (
            "Ærø Straße Łódź Þór İstanbul Đặng",
            "0:aero 1:strasse 2:lodz 3:thor 4:istanbul 5:dang",
        ),
        ("ＦＥＮＴＡＮＹＬ　１２", "0:fentanyl 1:12"),
        ("ﬁle № ½", "0:file 1:no 2:1 3:2"),
        ("Москва Йод", "0:москва 1:иод"),
        ("ΟΔΟΣ οδός", "0:οδοσ 1:οδοσ"),
        (
            "fen\u{ad}tanyl a\u{200b}b a\u{200d}b",
            "0:fentanyl 1:a 2:b 3:ab",
        ),
        ("हिन्दी", "0:हिन्दी"),
        ("x\u{301}", "0:x"),
        ("\u{301}x", "0:x"),
        ("4-ANPP/NPP", "0:4 1:anpp 2:npp"),
    ] {
        assert_eq!(shown(text), terms, "{text}");
    }
}

#[test]
fn characters_written_without_blanks_are_terms_and_so_is_each_pair_of_them() {
    for (text, terms) in [
        ("芬", "0:芬"),
        ("芬太尼", "0:芬 0:芬太 1:太 1:太尼 2:尼"),
        ("芬太，尼", "0:芬 0:芬太 1:太 2:尼"),
        ("芬 太", "0:芬 1:太"),
        ("A型", "0:a 1:型"),
        (
            "重2公斤Fentanyl粉",
            "0:重 1:2 2:公 2:公斤 3:斤 4:fentanyl 5:粉",
        ),
        (
            "フェンタニル",
            "0:フ 0:フェ 1:ェ 1:ェン 2:ン 2:ンタ 3:タ 3:タニ 4:ニ 4:ニル 5:ル",
        ),
        ("ﾌｪﾝ", "0:フ 0:フェ 1:ェ 1:ェン 2:ン"),
        ("ｶﾞ", "0:ガ"),
        ("人々", "0:人 0:人々 1:々"),
        ("ア・イ", "0:ア 1:イ"),
        ("펜타닐", "0:펜 0:펜타 1:타 1:타닐 2:닐"),
        ("\u{1112}\u{1161}\u{11ab}글", "0:한 0:한글 1:글"),
        ("葛\u{e0100}城", "0:葛 0:葛城 1:城"),
        ("𠮷野", "0:𠮷 0:𠮷野 1:野"),
        ("か\u{3099}き\u{309a}く", "0:が 0:がき 1:き 1:きく 2:く"),
    ] {
        assert_eq!(shown(text), terms, "{text}");
    }
}

#[test]
fn of_a_long_word_the_beginning_counts() {
    let long = "x".repeat(10_000);
    let expected = format!("0:{} 1:y", "x".repeat(MAX_WORD_CHARS));
    assert_eq!(shown(&format!("{long} y")), expected);
    let marks = format!("a{}", "\u{94d}".repeat(10_000));
    assert_eq!(indexed(&marks)[0].1.chars().count(), MAX_WORD_CHARS);
}

proptest! {
    #[test]
    fn a_term_is_what_becomes_of_itself(text in "\\PC{0,40}") {
        let units = Units::of(&text);
        for at in 0..units.units.len() {
            let unit = units.unit(at).unwrap();
            prop_assert!(!unit.is_empty());
            let again = Units::of(unit);
            prop_assert_eq!(again.unit(0), Some(unit), "{:?}", text);
            prop_assert_eq!(again.units.len(), 1);
        }
    }

    #[test]
    fn case_and_width_do_not_count(text in "[a-z0-9 ]{0,40}") {
        let wide = text.chars().map(|c| match c {
            '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
            _ => c,
        });
        let expected = indexed(&text);
        prop_assert_eq!(indexed(&wide.collect::<String>()), expected.clone());
        prop_assert_eq!(indexed(&text.to_uppercase()), expected);
    }

    #[test]
    fn positions_go_up_by_one_a_unit(text in "[ab ,芬太尼かア글]{0,40}") {
        let terms = indexed(&text);
        let mut expected = 0;
        for pair in terms.windows(2) {
            let (before, after) = (pair[0].0, pair[1].0);
            prop_assert!(after == before || after == before + 1, "{:?}", terms);
            expected = after;
        }
        if !terms.is_empty() {
            prop_assert_eq!(terms[0].0, 0);
            prop_assert_eq!(Units::of(&text).units.len(), expected + 1);
        }
    }
}
