//! What is looked for: words, phrases in quotes, stretches of characters. There is no other syntax.

use casebroker_proto::v1::CaseReport;

use super::{
    index::texts,
    tokens::{Placed, Units},
};

/// Most characters of a query; that of `CaseFilter.text`.
pub const MAX_QUERY_CHARS: usize = 500;

/// Why a query cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Too long.
    #[error(
        "the text has {chars} characters; look for at most {MAX_QUERY_CHARS}, such as the rarest words"
    )]
    TooLong {
        /// Its characters.
        chars: usize,
    },
    /// A quote without its other half.
    #[error("a quotation mark has no other half; write \"words in quotes\", or leave the mark out")]
    Unbalanced,
    /// Nothing but blanks and punctuation.
    #[error("there is no word in it to look for; give at least one letter, digit or character")]
    Nothing,
}

/// A query, understood: all of its phrases must occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextQuery {
    /// None of them empty, and at least one.
    pub(super) phrases: Vec<Phrase>,
}

/// Terms that must occur in one field, each at its distance from the first.
pub(super) type Phrase = Vec<(usize, String)>;

impl TextQuery {
    /// Understands `text`: words and stretches of Chinese, Japanese or Korean characters, all of which must occur, and
    /// `"words in quotes"`, which must occur together and in order.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let chars = text.chars().count();
        if chars > MAX_QUERY_CHARS {
            return Err(QueryError::TooLong { chars });
        }
        let mut phrases: Vec<Phrase> = Vec::new();
        let mut parts = 0;
        for (number, part) in text.split(is_quote).enumerate() {
            parts += 1;
            let units = Units::of(part);
            let asked = match number % 2 {
                0 => units.asked_apart(),
                _ => vec![units.asked()],
            };
            for phrase in asked.iter().map(|terms| phrase(terms)) {
                if !phrase.is_empty() && !phrases.contains(&phrase) {
                    phrases.push(phrase);
                }
            }
        }
        if parts % 2 == 0 {
            return Err(QueryError::Unbalanced);
        }
        if phrases.is_empty() {
            return Err(QueryError::Nothing);
        }
        Ok(Self { phrases })
    }

    /// Whether all that it asks for stands in a report: what the index says of it, for one that is at hand.
    pub fn stands_in(&self, report: &CaseReport) -> bool {
        let texts: Vec<Units> = texts(report).map(Units::of).collect();
        let mut phrases = self.phrases.iter();
        phrases.all(|phrase| texts.iter().any(|text| text.hold(phrase)))
    }
}

/// Quotation marks as keyboards for English and Chinese make them.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '＂')
}

fn phrase(terms: &[Placed<'_>]) -> Phrase {
    let first = terms.first().map_or(0, |(position, _)| *position);
    let placed = terms
        .iter()
        .map(|(position, term)| (position - first, (*term).to_owned()));
    placed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let query = TextQuery::parse(text).unwrap();
        let terms = |phrase: Phrase| {
            let terms: Vec<_> = phrase
                .iter()
                .map(|(at, term)| format!("{term}@{at}"))
                .collect();
            terms.join(" ")
        };
        query.phrases.into_iter().map(terms).collect()
    }

    #[test]
    fn words_stand_alone_and_what_is_in_quotes_or_joined_stands_together() {
        for (text, phrases) in [
            ("fentanyl", &["fentanyl@0"][..]),
            ("  Fentanyl,  PILL  ", &["fentanyl@0", "pill@0"]),
            ("2016-0042", &["2016@0", "0042@0"]),
            ("\"white powder\" pill", &["white@0 powder@1", "pill@0"]),
            ("“White powder”", &["white@0 powder@1"]),
            ("＂ｗｈｉｔｅ powder＂", &["white@0 powder@1"]),
            ("pill Pill \"pill\"", &["pill@0"]),
            ("芬", &["芬@0"]),
            ("芬太", &["芬太@0"]),
            ("芬太尼", &["芬太@0 太尼@1"]),
            ("芬太尼 快递", &["芬太@0 太尼@1", "快递@0"]),
            ("fentanyl芬太尼B", &["fentanyl@0", "芬太@0 太尼@1", "b@0"]),
            ("\"芬太尼 快递\"", &["芬太@0 太尼@1 快递@3"]),
            ("\"A型 号\"", &["a@0 型@1 号@2"]),
            ("芬\"太\"", &["芬@0", "太@0"]),
            ("\"\" pill", &["pill@0"]),
        ] {
            assert_eq!(shown(text), phrases, "{text}");
        }
    }

    #[test]
    fn syntax_of_search_engines_is_punctuation_and_words() {
        for (text, phrases) in [
            ("title:fentanyl", &["title@0", "fentanyl@0"][..]),
            ("fent*", &["fent@0"]),
            (
                "a AND NOT b OR c",
                &["a@0", "and@0", "not@0", "b@0", "or@0", "c@0"],
            ),
            ("-pill +powder", &["pill@0", "powder@0"]),
            ("/fen.*/", &["fen@0"]),
            ("\"white powder\"~2", &["white@0 powder@1", "2@0"]),
            ("[a TO z]^9", &["a@0", "to@0", "z@0", "9@0"]),
            ("pill\\ powder", &["pill@0", "powder@0"]),
        ] {
            assert_eq!(shown(text), phrases, "{text}");
        }
    }

    #[test]
    fn a_query_that_asks_for_nothing_says_what_to_do() {
        for text in ["\"white powder", "white\" powder", "\"a\" \"", "“"] {
            assert_eq!(
                TextQuery::parse(text),
                Err(QueryError::Unbalanced),
                "{text}"
            );
        }
        for text in ["", " ", "\"\"", "*", "—。、", "\u{301}", "\" , \""] {
            assert_eq!(TextQuery::parse(text), Err(QueryError::Nothing), "{text}");
        }
        let chars = MAX_QUERY_CHARS + 1;
        let long = TextQuery::parse(&"芬".repeat(chars));
        assert_eq!(long, Err(QueryError::TooLong { chars }));
        assert!(TextQuery::parse(&"芬".repeat(MAX_QUERY_CHARS)).is_ok());
    }
}
