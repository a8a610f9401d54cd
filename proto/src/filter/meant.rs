//! Refusals that say what was probably meant.

use super::compile::Known;
use crate::{
    catalogue::nearest::nearest,
    validation::checker::{Checker, Path, shown},
};

/// Refuses a name of an agency or group, with the one that was probably meant.
pub(super) fn unknown_name(c: &mut Checker, at: &Path<'_>, name: &str, known: &dyn Known) {
    if name.is_empty() {
        return c.missing(at);
    }
    c.refuse(at, || {
        let names = known.names();
        // An id alone is no name, and more than a few letters from one.
        let of_id = names.iter().find(|n| n.split_once('/').is_some_and(|(_, id)| id == name));
        let nearest = || nearest(name, names.iter().map(|n| (n.as_str(), n)));
        format!(
            "is {}, which is not the name of a member, present or past, or of a group, such as agencies/us-dea{}",
            shown(name),
            did_you_mean(of_id.or_else(nearest).map(String::as_str))
        )
    });
}

/// Refuses a word, with those that are allowed and the one that was probably meant.
pub(super) fn unknown_word(
    c: &mut Checker,
    at: &Path<'_>,
    word: &str,
    words: impl Iterator<Item = &'static str>,
) {
    if word.is_empty() {
        return c.missing(at);
    }
    c.refuse(at, || {
        let words: Vec<_> = words.collect();
        format!(
            "is {}, which is not one of {}{}",
            shown(word),
            words.join(", "),
            did_you_mean(nearest(word, words.iter().map(|w| (*w, *w))))
        )
    });
}

/// The end of a message, if anything is near.
pub(super) fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"))
}
