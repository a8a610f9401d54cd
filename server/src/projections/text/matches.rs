//! Looking: from a query to the set of positions at which its words stand.

use tantivy::{
    COLLECT_BLOCK_BUFFER_LEN, Searcher, Term,
    query::{BooleanQuery, EnableScoring, PhraseQuery, Query, TermQuery},
    schema::IndexRecordOption,
};

use super::{
    Fault, TextError, index,
    query::{Phrase, TextQuery},
};

/// Blocks of documents after which a search asks again whether it is still wanted.
const BLOCKS_BETWEEN: usize = 256;

/// One commit, to be searched.
#[derive(Clone)]
pub(super) struct View {
    pub(super) searcher: Searcher,
    /// Everything before this position is in it.
    pub(super) position: u64,
}

/// Positions of the reports and amendments that hold what was looked for, of all that were recorded before `as_of`. Whether
/// one is in force, and for whom, is for others to say.
#[derive(Clone, PartialEq, Eq)]
pub struct Matches {
    /// What was recorded here or later was not looked at.
    pub as_of: u64,
    /// A bit a position.
    words: Vec<u64>,
}

impl Matches {
    /// Whether the statement at a position holds it.
    pub fn contains(&self, position: u64) -> bool {
        let (word, bit) = place(position);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// How many do.
    pub fn len(&self) -> u64 {
        self.words.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    fn none(as_of: u64) -> Self {
        let words = usize::try_from(as_of.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            as_of,
            words: vec![0; words],
        }
    }

    /// Whether there is a place for the position.
    fn insert(&mut self, position: u64) -> bool {
        let (word, bit) = place(position);
        match self.words.get_mut(word) {
            Some(word) => *word |= bit,
            None => return false,
        }
        position < self.as_of
    }
}

impl std::fmt::Debug for Matches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matches")
            .field("as_of", &self.as_of)
            .field("len", &self.len())
            .finish()
    }
}

/// Everything in a view that holds what was looked for.
pub(super) fn search(
    view: &View,
    query: &TextQuery,
    cancelled: &dyn Fn() -> bool,
) -> Result<Result<Matches, TextError>, Fault> {
    let mut matches = Matches::none(view.position);
    let query = all_of(&query.phrases);
    let weight = query.weight(EnableScoring::disabled_from_searcher(&view.searcher))?;
    let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
    for segment in view.searcher.segment_readers() {
        if cancelled() {
            return Ok(Err(TextError::Cancelled));
        }
        let positions = segment.fast_fields().u64(index::POSITION)?;
        let positions = positions.first_or_default_col(u64::MAX);
        let mut found = weight.scorer(segment, 1.0)?;
        for block in 1_usize.. {
            let filled = found.fill_buffer(&mut buffer);
            for document in buffer.iter().take(filled) {
                let position = positions.get_val(*document);
                if !matches.insert(position) {
                    return Err(Fault::Index(format!(
                        "a document claims position {position}, and the index is at {}",
                        view.position
                    )));
                }
            }
            if filled < buffer.len() {
                break;
            }
            if block % BLOCKS_BETWEEN == 0 && cancelled() {
                return Ok(Err(TextError::Cancelled));
            }
        }
    }
    Ok(Ok(matches))
}

fn all_of(phrases: &[Phrase]) -> Box<dyn Query> {
    let mut queries: Vec<_> = phrases.iter().map(one_of).collect();
    match queries.pop() {
        Some(only) if queries.is_empty() => only,
        last => {
            queries.extend(last);
            Box::new(BooleanQuery::intersection(queries))
        }
    }
}

fn one_of(phrase: &Phrase) -> Box<dyn Query> {
    let term = |term: &str| Term::from_field_text(index::text(), term);
    match &phrase[..] {
        [(_, only)] => Box::new(TermQuery::new(term(only), IndexRecordOption::Basic)),
        several => {
            let terms = several.iter().map(|(at, text)| (*at, term(text)));
            Box::new(PhraseQuery::new_with_offset(terms.collect()))
        }
    }
}

fn place(position: u64) -> (usize, u64) {
    let word = usize::try_from(position / 64).unwrap_or(usize::MAX);
    (word, 1 << (position % 64))
}
