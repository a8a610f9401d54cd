use std::{fs, path::Path};

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{
    super::*,
    stage::{Said, Stage, copy, report, wait},
};

/// Several segments, and a word for each position.
fn filled() -> Stage {
    let mut stage = Stage::new();
    let text = stage.whole();
    for group in 0..2 {
        let narrative = |n: u64| format!("fentanyl word{} 查获芬太尼", group * 10 + n);
        let said = (0..10).map(|n| Said::Report(report("title", &narrative(n), &[])));
        stage.say(said.collect());
        text.wait_for(stage.size());
    }
    text.stop();
    stage
}

fn is_whole(stage: &Stage, text: &Text) {
    text.wait_for(stage.size());
    let all: Vec<_> = (0..stage.size()).collect();
    assert_eq!(text.found("fentanyl"), all);
    assert_eq!(text.found("芬太尼"), all);
    for position in all {
        assert_eq!(text.found(&format!("word{position}")), [position]);
    }
}

#[test]
fn a_restart_goes_on_where_the_last_commit_was() {
    let mut stage = filled();
    stage.report_all(&["word20 fentanyl 芬太尼"]);
    let (text, opened) = stage.start();
    assert_eq!((opened.position, opened.moved_aside), (20, None));
    is_whole(&stage, &text);
    assert_eq!(stage.asides(), 0);
}

#[test]
fn an_index_that_was_cut_off_in_the_middle_goes_on_from_any_commit() {
    let mut stage = Stage::new();
    let text = stage.whole();
    let mut copies = Vec::new();
    for n in 0..12 {
        stage.report_all(&[&format!("fentanyl word{n} 芬太尼")]);
        text.wait_for(n + 1);
        // As a killed process leaves it: without a stop, perhaps between two files.
        let copied = stage.dir.path().join(format!("copy-{n}"));
        copy(&stage.index(), &copied);
        copies.push(copied);
    }
    text.stop();
    drop(text);
    for copied in copies {
        fs::remove_dir_all(stage.index()).unwrap();
        fs::rename(copied, stage.index()).unwrap();
        let (text, _) = stage.start();
        is_whole(&stage, &text);
        text.stop();
    }
}

#[test]
fn an_index_with_a_damaged_missing_or_cut_file_is_built_anew() {
    let stage = filled();
    let original = stage.dir.path().join("original");
    copy(&stage.index(), &original);
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let files = stage.files();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_owned();
        let bytes = fs::read(original.join(&name)).unwrap();
        let flipped = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            bytes
        };
        let mut random = vec![0; bytes.len()];
        rng.fill_bytes(&mut random);
        let damages = [
            None,
            Some(Vec::new()),
            Some(bytes[..bytes.len() / 2].to_vec()),
            Some(bytes[..bytes.len() - 1].to_vec()),
            Some(vec![0; bytes.len()]),
            Some(random),
            Some(flipped(bytes.len() / 3)),
            Some(flipped(bytes.len() - 1)),
            Some([&bytes[..], b"x"].concat()),
        ];
        for (number, damage) in damages.into_iter().enumerate() {
            fs::remove_dir_all(stage.index()).unwrap();
            copy(&original, &stage.index());
            match damage {
                None => fs::remove_file(&file).unwrap(),
                Some(bytes) => fs::write(&file, bytes).unwrap(),
            }
            let (text, opened) = stage.start();
            // Bytes that mean nothing may differ, such as the last line's end.
            if opened.moved_aside.is_none() {
                let list = matches!(name.to_str(), Some("meta.json" | ".managed.json"));
                assert!(list, "{name:?} with damage {number} was not noticed");
            } else {
                assert_eq!(opened.position, 0);
            }
            is_whole(&stage, &text);
            text.stop();
        }
    }
    // The newest is kept once the new one is whole.
    wait(|| stage.asides() == 1);
}

#[test]
fn a_missing_index_is_built_anew_and_that_shows_until_it_is_whole() {
    let stage = filled();
    fs::remove_dir_all(&stage.options.dir).unwrap();
    let (text, opened) = stage.start();
    assert_eq!((opened.position, opened.moved_aside), (0, None));
    is_whole(&stage, &text);
    wait(|| !text.rebuilding());
}

#[test]
fn something_else_in_its_place_is_moved_aside() {
    let stage = filled();
    let put: [&dyn Fn(&Path); 3] = [
        &|path| fs::create_dir(path).unwrap(),
        &|path| fs::write(path, "text").unwrap(),
        &|path| {
            fs::create_dir(path).unwrap();
            let mut schema = tantivy::schema::Schema::builder();
            schema.add_text_field("other", tantivy::schema::TEXT);
            tantivy::Index::create_in_dir(path, schema.build()).unwrap();
        },
    ];
    for put in put {
        fs::remove_dir_all(&stage.options.dir).unwrap();
        fs::create_dir(&stage.options.dir).unwrap();
        put(&stage.index());
        let (text, opened) = stage.start();
        assert!(opened.moved_aside.is_some());
        is_whole(&stage, &text);
        text.stop();
    }
}

#[test]
fn an_index_ahead_of_the_journal_or_of_another_history_is_not_trusted() {
    let mut stage = filled();
    stage.history = 1;
    let (text, opened) = stage.start();
    let (_, why) = opened.moved_aside.unwrap();
    assert!(why.contains("of another history"), "{why}");
    is_whole(&stage, &text);
    text.stop();

    stage.cut(10);
    let (text, opened) = stage.start();
    let (_, why) = opened.moved_aside.unwrap();
    assert!(why.contains("beyond the end"), "{why}");
    text.wait_for(10);
    assert_eq!(text.found("fentanyl"), (0..10).collect::<Vec<_>>());
}
