//! What is fuzzed: everything that takes bytes from somebody who is not trusted, or from a disk that is not.
//!
//! What it is for: one function a target, `run(data)`, which hands bytes to the code and asserts what must hold whatever they
//! are. `fuzz/` calls it from libFuzzer, `tests/replay.rs` from the stable toolchain, over the corpus in `fuzz/corpus` and
//! seeded changes of it. What it promises: the same bytes give the same outcome; nothing is read from the network or the
//! clock. What it never does: catch a panic. One that comes out of here is a bug in the code, or in what was asserted of it.

pub mod envelope;
pub mod filters;
pub mod journal;
pub mod mutate;
pub mod names;
pub mod notes;
pub mod proofs;
pub mod quantities;
pub mod statements;

mod actors;

use std::path::PathBuf;

/// One thing that is fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of the folder in `fuzz/corpus` and of the binary in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Runs it; true if something in the bytes was accepted.
    pub run: fn(&[u8]) -> bool,
    /// Inputs to begin with, made from real encodings, with a name for each file. Every one of them is accepted.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
    /// Inputs that are nearly right and must be refused: what changes by chance hardly ever make.
    pub refused: fn() -> Vec<(String, Vec<u8>)>,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target {
        refused: envelope::refused,
        ..target("envelope", envelope::run, envelope::seeds)
    },
    target("filters", filters::run, filters::seeds),
    target("journal", journal::run, journal::seeds),
    target("names", names::run, names::seeds),
    target("notes", notes::run, notes::seeds),
    target("proofs", proofs::run, proofs::seeds),
    target("quantities", quantities::run, quantities::seeds),
    target("statements", statements::run, statements::seeds),
];

impl Target {
    /// Folder of its corpus.
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus")).join(self.name)
    }
}

const fn target(
    name: &'static str,
    run: fn(&[u8]) -> bool,
    seeds: fn() -> Vec<(String, Vec<u8>)>,
) -> Target {
    Target {
        name,
        run,
        seeds,
        refused: Vec::new,
    }
}
