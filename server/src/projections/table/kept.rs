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
    scan::Scan,
};

/// Bytes that are kept at most, of counts and of lists each. What was asked longest ago goes first.
const MAX_BYTES: usize = 64 << 20;
/// Bytes that a question takes beside what it found, at most: its conditions and its place in the map.
const QUESTION_BYTES: usize = 1 << 10;

/// Chunks in a row whose findings are summed up once none of them has changed between two questions.
pub const RUN: usize = 8;

/// What is found in a chunk.
pub trait Found {
    /// How many bytes it takes.
    fn bytes(&self) -> usize;
    /// What several chunks have.
    fn sum(found: &[Arc<Self>]) -> Self;
}

/// The sum of a run, with the marks of its chunks.
type OfRun<T> = (Vec<u64>, Arc<T>);

/// What one question found.
#[derive(Debug)]
struct Known<T> {
    /// By chunk, each with the chunk's mark at that time.
    chunks: Vec<Option<(u64, Arc<T>)>>,
    runs: HashMap<usize, OfRun<T>>,
}

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
    known: Arc<Known<T>>,
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
    known: Arc<Known<T>>,
    new: Vec<(usize, u64, Arc<T>)>,
    new_runs: Vec<(usize, OfRun<T>)>,
    /// What was found again since the run began.
    again: Vec<(u64, Arc<T>)>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            runs: HashMap::new(),
        }
    }
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        Self {
            chunks: self.chunks.clone(),
            runs: self.runs.clone(),
        }
    }
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
            new_runs: Vec::new(),
            again: Vec::new(),
        }
    }

    /// Forgets all of it.
    #[cfg(test)]
    pub fn forget(&self) {
        let mut questions = self.questions();
        questions.found.clear();
        questions.bytes = 0;
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
            && let Some(Some((then, found))) = self.known.chunks.get(number)
            && *then == mark
        {
            self.again.push((mark, Arc::clone(found)));
            return Arc::clone(found);
        }
        let found = Arc::new(find());
        if holds && chunk.is_unchanged_since(mark) {
            self.new.push((number, mark, Arc::clone(&found)));
        }
        found
    }

    /// What a run of chunks has, if it is known and none of them has changed since; if not, each is to be asked for with [`Self::of`].
    pub fn run(&mut self, run: &[usize], scan: &Scan) -> Option<Arc<T>> {
        self.again.clear();
        let (marks, sum) = self.known.runs.get(&(run.first()? / RUN))?;
        let is_still = |(number, mark): (&usize, &u64)| {
            let chunk = scan.chunk(*number);
            *mark <= self.as_of && chunk.is_some_and(|chunk| chunk.mark() == *mark)
        };
        let holds = run.len() == RUN && run.iter().zip(marks).all(is_still);
        holds.then(|| Arc::clone(sum))
    }

    /// Says that each chunk of a run was asked for.
    pub fn end_run(&mut self, run: &[usize]) {
        if let Some(first) = run.first()
            && run.len() == RUN
            && self.again.len() == RUN
        {
            let (marks, found): (Vec<u64>, Vec<Arc<T>>) = self.again.drain(..).unzip();
            self.new_runs
                .push((first / RUN, (marks, Arc::new(T::sum(&found)))));
        }
    }

    /// Keeps what was found anew.
    pub fn keep(self) {
        let is_new = !self.new.is_empty() || !self.new_runs.is_empty();
        let Some(asked) = self.asked.filter(|_| is_new) else {
            return;
        };
        let mut known = Known::clone(&self.known);
        for (number, mark, found) in self.new {
            if known.chunks.len() <= number {
                known.chunks.resize(number + 1, None);
            }
            if let Some(place) = known.chunks.get_mut(number) {
                *place = Some((mark, found));
            }
        }
        known.runs.extend(self.new_runs);
        self.kept.questions().keep(asked, known);
    }
}

impl<T: Found> Questions<T> {
    fn find(&mut self, asked: &Asked) -> Arc<Known<T>> {
        self.turn += 1;
        let turn = self.turn;
        let question = self.found.get_mut(asked);
        let known = question.map(|question| {
            question.asked = turn;
            Arc::clone(&question.known)
        });
        known.unwrap_or_default()
    }

    fn keep(&mut self, asked: Asked, known: Known<T>) {
        let bytes = known.bytes();
        if bytes > MAX_BYTES {
            return;
        }
        let question = Question {
            known: Arc::new(known),
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

impl<T: Found> Known<T> {
    fn bytes(&self) -> usize {
        let chunks = self.chunks.iter().flatten().map(|(_, found)| found.bytes());
        let runs = self.runs.values().map(|(_, sum)| sum.bytes());
        let found: usize = chunks.chain(runs).sum();
        let places = self.chunks.len() + self.runs.len() * RUN;
        QUESTION_BYTES + places * size_of::<Option<(u64, Arc<T>)>>() + found
    }
}

/// Groups, and the total if it is not their sum.
impl Found for [Part; 2] {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.iter().map(Part::bytes).sum::<usize>()
    }

    fn sum(found: &[Arc<Self>]) -> Self {
        let both = || found.iter().map(|parts| &**parts);
        [
            Part::sum(both().map(|[groups, _]| groups)),
            Part::sum(both().map(|[_, once]| once)),
        ]
    }
}

/// How many rows are selected.
impl Found for usize {
    fn bytes(&self) -> usize {
        // With the counters of its `Arc`.
        3 * size_of::<Self>()
    }

    fn sum(found: &[Arc<Self>]) -> Self {
        found.iter().map(|found| **found).sum()
    }
}
