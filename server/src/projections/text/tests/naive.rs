//! Another way to the same answers: every text is looked through, character by character.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use super::super::index::texts;
use super::stage::Said;

/// A word, or one character of Chinese; and whether it follows another such character at once.
type Unit = (String, bool);

/// Positions at which all that a query asks for stands.
pub(super) fn found(said: &[Said], query: &str) -> Vec<u64> {
    let phrases = phrases(query);
    assert!(!phrases.is_empty(), "{query}");
    let holds = |said: &Said| {
        let (Said::Report(report) | Said::Amendment(report)) = said else {
            return false;
        };
        let texts: Vec<_> = texts(report).map(units).collect();
        phrases
            .iter()
            .all(|phrase| texts.iter().any(|text| stands_in(phrase, text)))
    };
    let held = (0..).zip(said).filter(|(_, said)| holds(said));
    held.map(|(position, _)| position).collect()
}

fn stands_in(phrase: &[Unit], text: &[Unit]) -> bool {
    text.windows(phrase.len()).any(|window| {
        let mut units = phrase.iter().zip(window).enumerate();
        // The first of a phrase may follow anything.
        units.all(|(at, (asked, unit))| asked.0 == unit.0 && (at == 0 || !asked.1 || unit.1))
    })
}

/// What is in quotes, together; else words and stretches of characters, each for itself.
fn phrases(query: &str) -> Vec<Vec<Unit>> {
    let mut phrases = Vec::new();
    for (number, part) in query.split('"').enumerate() {
        let units = units(part);
        match number % 2 {
            1 => phrases.push(units),
            _ => phrases.extend(units.chunk_by(|_, next| next.1).map(<[Unit]>::to_vec)),
        }
    }
    phrases.retain(|phrase| !phrase.is_empty());
    phrases
}

/// For the alphabets of these tests alone.
fn units(text: &str) -> Vec<Unit> {
    let folded: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let folded = folded.to_lowercase();
    let mut units: Vec<Unit> = Vec::new();
    let mut before = ' ';
    let chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    for c in folded.chars() {
        match (chinese(c), c.is_alphanumeric()) {
            (true, _) => units.push((c.into(), chinese(before))),
            (_, true) if before.is_alphanumeric() && !chinese(before) => {
                units.last_mut().unwrap().0.push(c);
            }
            (_, true) => units.push((c.into(), false)),
            _ => {}
        }
        before = c;
    }
    units
}
