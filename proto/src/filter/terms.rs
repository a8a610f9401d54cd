//! What a filter says, gathered for the answer: each field that is set, with each value in its one form and in words.

use std::collections::HashSet;

use crate::{
    overlap::forms::hex,
    v1::{Digest, DigestAlgorithm, FilterTerm, FilterValue},
};

/// The fields that are set, in the order of the contract.
#[derive(Debug, Default)]
pub(super) struct Terms(Vec<FilterTerm>);

impl Terms {
    /// Adds a field, if anything was said in it.
    pub(super) fn add(&mut self, field: &str, values: Vec<FilterValue>) {
        if !values.is_empty() {
            self.0.push(FilterTerm {
                field: field.to_owned(),
                values,
            });
        }
    }

    /// Adds a field of one value.
    pub(super) fn add_one(&mut self, field: &str, value: String) {
        let display_name = String::new();
        self.add(
            field,
            vec![FilterValue {
                value,
                display_name,
            }],
        );
    }

    pub(super) fn into_inner(self) -> Vec<FilterTerm> {
        self.0
    }
}

/// The values of one field, each once.
#[derive(Debug)]
pub(super) struct Values<T> {
    /// What they mean.
    pub(super) meant: Vec<T>,
    /// The same for the answer.
    pub(super) said: Vec<FilterValue>,
    seen: HashSet<String>,
}

impl<T> Values<T> {
    pub(super) fn new() -> Self {
        Self {
            meant: Vec::new(),
            said: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// Adds a value, if its one form is not there yet.
    pub(super) fn add(&mut self, value: impl Into<String>, name: impl Into<String>, meant: T) {
        let value = value.into();
        if self.seen.insert(value.clone()) {
            self.meant.push(meant);
            self.said.push(FilterValue {
                value,
                display_name: name.into(),
            });
        }
    }

    /// Adds a value of an enum, by its name in the contract.
    pub(super) fn add_enum(&mut self, meant: T, name: &str, prefix: &str) {
        let word = name.strip_prefix(prefix).unwrap_or(name);
        let word = word.to_lowercase().replace('_', "-");
        let spaced = spaced(&word);
        self.add(word, spaced, meant);
    }
}

/// A word for a reader: `shipping document`, `fentanyl analogue`.
pub(super) fn spaced(word: &str) -> String {
    word.replace('-', " ")
}

/// `sha256:` and the digest in hexadecimal.
pub(super) fn digest_text(digest: &Digest) -> String {
    let algorithm = match digest.algorithm() {
        DigestAlgorithm::Unspecified => "unspecified",
        DigestAlgorithm::Sha256 => "sha256",
        DigestAlgorithm::Sha384 => "sha384",
        DigestAlgorithm::Sha512 => "sha512",
    };
    format!("{algorithm}:{}", hex(&digest.value))
}
