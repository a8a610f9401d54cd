//! What a question found in each chunk, for when it is asked again: chunks that have not changed since need not be read.
//!
//! What is kept is found again only by equal [`Conditions`], and they name the agency that asks and how far it sees: nobody is answered
//! by what another may see.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casebroker_proto::v1::Dimension;
use hashbrown::HashMap;

use super::{
    chunk::Chunk,
    part::Part,
    plan::{AsOf, Conditions, Plan},
};

/// Bytes that are kept at most, of counts and of lists each. What was asked longest ago goes first.
const MAX_BYTES: usize = 64 << 20;
/// Bytes that a question takes beside what it found, at most: its conditions and its place in the map.
const QUESTION_BYTES: usize = 1 << 10;

/// What is found in a chunk.
pub trait Found {
    /// How many bytes it takes.
    fn bytes(&self) -> usize;
}

/// What one question found, by chunk, each with the chunk's mark at that time.
type OfChunks<T> = Vec<Option<(u64, Arc<T>)>>;

/// What was found. For the time of a look-up in a map readers wait for one another, and for nobody else.
#[derive(Debug)]
pub struct Kept<T>(Mutex<Questions<T>>);

#[derive(Debug)]
struct Questions<T> {
    found: HashMap<Asked, Question<T>>,
    bytes: usize,
    /// Counts what is asked.
    turn: u64,
}

#[derive(Debug)]
struct Question<T> {
    of_chunks: Arc<OfChunks<T>>,
    bytes: usize,
    asked: u64,
}

/// A question: what selects the rows, and what is to be known of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked(Conditions, Vec<Dimension>);

/// A question while it is answered.
#[derive(Debug)]
pub struct Recall<'a, T: Found> {
    kept: &'a Kept<T>,
    /// `None` if what it finds depends on more than the rows of the table.
    asked: Option<Asked>,
    as_of: u64,
    known: Arc<OfChunks<T>>,
    new: Vec<(usize, u64, Arc<T>)>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(Questions {
            found: HashMap::new(),
            bytes: 0,
            turn: 0,
        }))
    }
}

impl<T: Found> Kept<T> {
    /// What is known of a question.
    pub fn recall(&self, plan: &Plan, dimensions: &[Dimension], as_of: AsOf) -> Recall<'_, T> {
        let of_rows_alone = plan.texts.is_none() && plan.keyed.is_empty();
        let asked = || Asked(plan.conditions.clone(), dimensions.to_vec());
        let asked = of_rows_alone.then(asked);
        let known = asked.as_ref().map(|asked| self.questions().find(asked));
        Recall {
            kept: self,
            asked,
            as_of: as_of.position,
            known: known.unwrap_or_default(),
            new: Vec::new(),
        }
    }

    fn questions(&self) -> MutexGuard<'_, Questions<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Found> Recall<'_, T> {
    /// What a chunk has: as it was found before if it has not changed since, or as `find` says.
    pub fn of(&mut self, number: usize, chunk: &Chunk, find: impl FnOnce() -> T) -> Arc<T> {
        let mark = chunk.mark();
        // What changed it later than the question is about does not belong into the answer, and what is known of it may be of later.
        let holds = mark <= self.as_of && self.asked.is_some();
        if holds
            && let Some(Some((then, found))) = self.known.get(number)
            && *then == mark
        {
            return Arc::clone(found);
        }
        let found = Arc::new(find());
        if holds && chunk.is_unchanged_since(mark) {
            self.new.push((number, mark, Arc::clone(&found)));
        }
        found
    }

    /// Keeps what was found anew.
    pub fn keep(self) {
        let Some(asked) = self.asked.filter(|_| !self.new.is_empty()) else {
            return;
        };
        let mut of_chunks = OfChunks::clone(&self.known);
        for (number, mark, found) in self.new {
            if of_chunks.len() <= number {
                of_chunks.resize(number + 1, None);
            }
            if let Some(place) = of_chunks.get_mut(number) {
                *place = Some((mark, found));
            }
        }
        self.kept.questions().keep(asked, of_chunks);
    }
}

impl<T: Found> Questions<T> {
    fn find(&mut self, asked: &Asked) -> Arc<OfChunks<T>> {
        self.turn += 1;
        let turn = self.turn;
        let question = self.found.get_mut(asked);
        let known = question.map(|question| {
            question.asked = turn;
            Arc::clone(&question.of_chunks)
        });
        known.unwrap_or_default()
    }

    fn keep(&mut self, asked: Asked, of_chunks: OfChunks<T>) {
        let found = of_chunks.iter().flatten();
        let bytes = found.fold(QUESTION_BYTES, |sum, (_, found)| {
            sum + size_of::<Option<(u64, Arc<T>)>>() + found.bytes()
        });
        if bytes > MAX_BYTES {
            return;
        }
        let question = Question {
            of_chunks: Arc::new(of_chunks),
            bytes,
            asked: self.turn,
        };
        self.bytes += bytes;
        if let Some(before) = self.found.insert(asked, question) {
            self.bytes -= before.bytes;
        }
        while self.bytes > MAX_BYTES {
            let oldest = self.found.iter().min_by_key(|(_, question)| question.asked);
            let Some(oldest) = oldest.map(|(asked, _)| asked.clone()) else {
                return;
            };
            if let Some(gone) = self.found.remove(&oldest) {
                self.bytes -= gone.bytes;
            }
        }
    }
}

/// Groups, and the total if it is not their sum.
impl Found for [Part; 2] {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.iter().map(Part::bytes).sum::<usize>()
    }
}

/// How many rows are selected.
impl Found for usize {
    fn bytes(&self) -> usize {
        // With the counters of its `Arc`.
        3 * size_of::<Self>()
    }
}
