//! Text as it can be looked for: words, and single characters of scripts that are written without blanks.
//!
//! Letters are lower-cased and lose their marks ("Ærø", "aero"), full-width forms become the usual ones (Unicode NFKC), and
//! whatever is neither letter nor digit separates. Each character of Chinese, Japanese or Korean is a unit of its own that
//! knows whether it stands directly behind the one before it. Of each the index gets the character and the pair that it makes
//! with the next: so any stretch of a sentence is found as a phrase of its pairs without a dictionary, and a single character
//! costs one look-up, where a search for all pairs that begin with it would visit thousands of them.

use std::ops::Range;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::{
    UnicodeNormalization as _,
    char::{decompose_canonical, is_combining_mark},
};

/// Characters of a word that count; no query is longer by much.
const MAX_WORD_CHARS: usize = 256;

/// A folded text and its units, in order. A unit's place in the list is its position.
#[derive(Debug, Default)]
pub(super) struct Units {
    folded: String,
    units: Vec<Unit>,
}

/// A word, or a character of a script without blanks.
#[derive(Debug)]
struct Unit {
    /// In the folded text. Characters that are joined stand there side by side.
    bytes: Range<usize>,
    /// Whether it is a character of a script without blanks that directly follows another.
    joined: bool,
}

/// A term and its position.
pub(super) type Placed<'a> = (usize, &'a str);

impl Units {
    /// Of a text.
    pub(super) fn of(text: &str) -> Self {
        let mut units = Builder::default();
        if text.is_ascii() {
            text.chars()
                .for_each(|c| units.push(c.to_ascii_lowercase()));
        } else {
            let folded = text.nfkc().flat_map(char::to_lowercase);
            folded.for_each(|c| units.push(c));
        }
        units.built
    }

    /// What must stand in a text for these units to stand there in a row: pairs where characters are joined, else units.
    pub(super) fn asked(&self) -> Vec<Placed<'_>> {
        let needed = |at: usize| match self.pair(at) {
            Some(pair) => Some((at, pair)),
            // The pair before it says it all.
            None if self.units.get(at)?.joined => None,
            None => Some((at, self.unit(at)?)),
        };
        (0..self.units.len()).filter_map(needed).collect()
    }

    /// Words and stretches of joined characters, each as what must stand in a text for it.
    pub(super) fn asked_apart(&self) -> Vec<Vec<Placed<'_>>> {
        let mut apart: Vec<Vec<Placed<'_>>> = Vec::new();
        for (at, term) in self.asked() {
            let joined = self.units.get(at).is_some_and(|unit| unit.joined);
            match apart.last_mut() {
                Some(last) if joined => last.push((at, term)),
                _ => apart.push(vec![(at, term)]),
            }
        }
        apart
    }

    /// Whether these terms stand in it somewhere, each at its distance from the first.
    pub(super) fn hold(&self, terms: &[(usize, String)]) -> bool {
        (0..self.units.len()).any(|from| {
            terms.iter().all(|(distance, term)| {
                let at = from + distance;
                [self.unit(at), self.pair(at)].contains(&Some(term.as_str()))
            })
        })
    }

    /// A unit.
    fn unit(&self, at: usize) -> Option<&str> {
        self.folded.get(self.units.get(at)?.bytes.clone())
    }

    /// A character and the one that is joined to it.
    fn pair(&self, at: usize) -> Option<&str> {
        let (first, second) = (self.units.get(at)?, self.units.get(at + 1)?);
        let bytes = first.bytes.start..second.bytes.end;
        second.joined.then(|| self.folded.get(bytes)).flatten()
    }
}

#[derive(Default)]
struct Builder {
    built: Units,
    /// Characters of the word that the last unit is; `None` if a new one begins.
    word: Option<usize>,
    /// Whether the last character was one of a script without blanks.
    after_single: bool,
}

impl Builder {
    /// Takes the next character, in lower case and composed.
    fn push(&mut self, c: char) {
        if is_ignored(c) {
            return;
        }
        if is_combining_mark(c) {
            // Those of Latin, Greek and Cyrillic are folded away; others are part of how a word is written.
            if self.word.is_some() && !is_folded_mark(c) {
                self.extend(c);
            }
        } else if is_single(c) {
            self.add(self.after_single);
            self.letter(c);
            self.word = None;
            self.after_single = true;
        } else if c.is_alphanumeric() {
            if self.word.is_none() {
                self.add(false);
                self.word = Some(0);
            }
            self.after_single = false;
            if c.is_ascii() {
                self.extend(c);
            } else {
                decompose_canonical(c, |part| self.extend_folded(part));
            }
        } else {
            self.word = None;
            self.after_single = false;
        }
    }

    fn add(&mut self, joined: bool) {
        let end = self.built.folded.len();
        self.built.units.push(Unit {
            bytes: end..end,
            joined,
        });
    }

    fn extend_folded(&mut self, c: char) {
        match base(c) {
            Some(base) => base.chars().for_each(|c| self.extend(c)),
            None if is_folded_mark(c) => {}
            None => self.extend(c),
        }
    }

    fn extend(&mut self, c: char) {
        let Some(chars) = &mut self.word else { return };
        if *chars < MAX_WORD_CHARS {
            *chars += 1;
            self.letter(c);
        }
    }

    fn letter(&mut self, c: char) {
        self.built.folded.push(c);
        if let Some(unit) = self.built.units.last_mut() {
            unit.bytes.end = self.built.folded.len();
        }
    }
}

/// Letters of Latin that Unicode does not take apart, and the Greek letter with two forms.
fn base(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ĸ' => "k",
        'ł' => "l",
        'ŋ' => "n",
        'ŧ' => "t",
        'þ' => "th",
        'ς' => "σ",
        _ => return None,
    })
}

/// Unicode block "Combining Diacritical Marks".
fn is_folded_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Marks that nobody sees: soft hyphen, joiners, byte order mark, variation selectors.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Han, Hiragana, Katakana, Bopomofo and Hangul, by the blocks of Unicode 16.
fn is_single(c: char) -> bool {
    matches!(u32::from(c),
        0x1100..=0x11ff | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3031..=0x3035 | 0x3038..=0x303c
        | 0x3041..=0x3096 | 0x309d..=0x309f | 0x30a1..=0x30fa | 0x30fc..=0x30ff | 0x3105..=0x312f
        | 0x3131..=0x318e | 0x31a0..=0x31bf | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff
        | 0xa960..=0xa97c | 0xac00..=0xd7a3 | 0xd7b0..=0xd7fb | 0xf900..=0xfaff | 0x1aff0..=0x1b16f
        | 0x20000..=0x3fffd)
}

/// The tokenizer of the index: every unit, and every pair of joined characters at the position of its first.
#[derive(Debug, Clone)]
pub(super) struct Folding;

/// Tokens of one text.
#[derive(Debug)]
pub(super) struct Stream {
    units: Units,
    /// Unit that comes next, and whether its pair does.
    at: usize,
    pair: bool,
    token: Token,
}

impl Tokenizer for Folding {
    type TokenStream<'a> = Stream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream {
        Stream {
            units: Units::of(text),
            at: 0,
            pair: false,
            token: Token::default(),
        }
    }
}

impl TokenStream for Stream {
    fn advance(&mut self) -> bool {
        if self.pair {
            self.pair = false;
            if let Some(pair) = self.units.pair(self.at) {
                set(&mut self.token, self.at, pair);
                self.at += 1;
                return true;
            }
            self.at += 1;
        }
        let Some(unit) = self.units.unit(self.at) else {
            return false;
        };
        set(&mut self.token, self.at, unit);
        self.pair = true;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

fn set(token: &mut Token, position: usize, text: &str) {
    token.position = position;
    token.text.clear();
    token.text.push_str(text);
}

#[cfg(test)]
mod tests;
