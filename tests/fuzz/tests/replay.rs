//! The fuzz targets on the stable toolchain: every file of the corpus, and seeded changes of them.

use std::{collections::BTreeMap, fs};

use casebroker_fuzz_targets::{TARGETS, Target, mutate::Mutator};

/// Changed inputs for each target: a few seconds in all.
const CHANGES: usize = 2_000;
/// Bounds of a corpus, so that it stays fit to be kept with the code.
const MAX_FILES: usize = 60;
const MAX_FILE_BYTES: usize = 8 << 10;

/// Files of a target's corpus by name; there must be some.
fn corpus(target: &Target) -> BTreeMap<String, Vec<u8>> {
    let folder = target.corpus();
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("the corpus {} is missing: {e}", folder.display()));
    let files: BTreeMap<_, _> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    assert!(
        !files.is_empty(),
        "the corpus {} is empty",
        folder.display()
    );
    files
}

#[test]
fn every_file_of_every_corpus_passes() {
    for target in &TARGETS {
        let files = corpus(target);
        assert!(
            files.len() <= MAX_FILES,
            "{}: {} files",
            target.name,
            files.len()
        );
        for (name, data) in &files {
            assert!(
                data.len() <= MAX_FILE_BYTES,
                "{}/{name} is too long",
                target.name
            );
            // Shown only if it fails.
            println!("{}/{name}", target.name);
            (target.run)(data);
        }
    }
}

#[test]
fn seeds_are_in_the_corpus_and_are_accepted_or_refused_as_they_should() {
    for target in &TARGETS {
        let files = corpus(target);
        let named = |made: Vec<(String, Vec<u8>)>, kind: &'static str| {
            made.into_iter()
                .map(move |(name, data)| (format!("{kind}-{name}"), data))
        };
        for (name, data) in
            named((target.seeds)(), "seed").chain(named((target.refused)(), "refused"))
        {
            assert_eq!(
                files.get(&name),
                Some(&data),
                "{}/{name} is stale: cargo run -p casebroker-fuzz-targets --bin fuzz-seeds",
                target.name
            );
            let accepted = name.starts_with("seed-");
            assert_eq!((target.run)(&data), accepted, "{}/{name}", target.name);
        }
    }
}

#[test]
fn changed_inputs_are_answered_and_some_are_accepted() {
    for (seed, target) in (1..).zip(&TARGETS) {
        let files: Vec<_> = corpus(target).into_values().collect();
        let mut mutator = Mutator::new(&files, seed);
        let mut accepted = 0;
        for number in 0..CHANGES {
            let data = mutator.next_input();
            println!(
                "{} {number}: {:?}",
                target.name,
                data.escape_ascii().to_string()
            );
            accepted += usize::from((target.run)(&data));
        }
        // All or none would mean that the changes reach nothing.
        assert!(
            (1..CHANGES).contains(&accepted),
            "{}: {accepted} of {CHANGES} were accepted",
            target.name
        );
    }
}

#[test]
fn every_target_has_its_binary_and_every_corpus_its_target() {
    let fuzz = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");
    let names = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(format!("{fuzz}/{folder}"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let targets: Vec<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets);
    let manifest = fs::read_to_string(format!("{fuzz}/Cargo.toml")).unwrap();
    for name in targets {
        let body = fs::read_to_string(format!("{fuzz}/fuzz_targets/{name}.rs")).unwrap();
        assert!(
            body.contains(&format!("{name}::run(")),
            "{name} runs another body"
        );
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not built"
        );
    }
}
