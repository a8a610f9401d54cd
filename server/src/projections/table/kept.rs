//! What a question found in each chunk, for when it is asked again: chunks that have not changed since need not be read.
//!
//! What is kept is found again only by equal [`Conditions`], and they name the agency that asks and how far it sees: nobody is answered
//! by what another may see.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use casebroker_proto::v1::Dimension;
use hashbrown::HashMap;

use super::{
    chunk::Chunk,
    part::{Part, Wanted},
    plan::{AsOf, Conditions, Plan},
    scan::Scan,
};

/// Bytes that are kept at most, of counts and of lists each. What was asked longest ago goes first.
const MAX_BYTES: usize = 64 << 20;
/// Bytes that a question takes beside what it found, at most: its conditions and its place in the map.
const QUESTION_BYTES: usize = 1 << 10;

/// Chunks in a row whose findings are summed up once none of them has changed between two questions; and so many such sums in a row
/// again. In this crate's tests there are few, so that small tables have sums of sums.
pub const RUN: usize = if cfg!(test) { 3 } else { 8 };
/// How many times over: sums of 8 chunks, of 64 and of 512, which are 8 million rows.
const LEVELS: u32 = 3;

/// What is found in a chunk.
pub trait Found {
    /// How many bytes it takes.
    fn bytes(&self) -> usize;
    /// What several chunks have.
    fn sum(found: &[Arc<Self>]) -> Self;
}

/// A run: of how many levels of sums it is, and its first chunk.
type Run = (u32, usize);

/// The sum of a run, with the marks of its chunks.
type OfRun<T> = (Vec<u64>, Arc<T>);

/// What one question found.
#[derive(Debug)]
struct Known<T> {
    /// By chunk, each with the chunk's mark at that time.
    chunks: Vec<Option<(u64, Arc<T>)>>,
    runs: HashMap<Run, OfRun<T>>,
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
struct Asked {
    conditions: Conditions,
    dimensions: Vec<Dimension>,
    amounts: bool,
}

/// A question while it is answered.
#[derive(Debug)]
pub struct Recall<'a, T: Found> {
    kept: &'a Kept<T>,
    /// `None` if what it finds depends on more than the rows of the table.
    asked: Option<Asked>,
    as_of: u64,
    known: Arc<Known<T>>,
    new: Vec<(usize, u64, Arc<T>)>,
    new_runs: Vec<(Run, OfRun<T>)>,
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
    pub fn recall(&self, plan: &Plan, wanted: Wanted, as_of: AsOf) -> Recall<'_, T> {
        let of_rows_alone = plan.texts.is_none() && plan.keyed.is_empty();
        let asked = || Asked {
            conditions: plan.conditions.clone(),
            dimensions: wanted.dimensions.to_vec(),
            amounts: wanted.amounts,
        };
        let asked = of_rows_alone.then(asked);
        let known = asked.as_ref().map(|asked| self.questions().find(asked));
        Recall {
            kept: self,
            asked,
            as_of: as_of.position,
            known: known.unwrap_or_default(),
            new: Vec::new(),
            new_runs: Vec::new(),
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
    /// Calls for what all chunks have that may have rows of a scan, in as few sums as are known; `find` says what is not known.
    pub fn each<E>(
        &mut self,
        scan: &Scan,
        mut find: impl FnMut(usize, &Chunk) -> Result<T, E>,
        mut add: impl FnMut(&T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut covered = 0;
        for number in scan.numbers() {
            if number < covered {
                continue;
            }
            if let Some((run, sum)) = self.longest_run(number, scan) {
                covered = number + chunks_of(run);
                add(sum)?;
                continue;
            }
            if let Some(chunk) = scan.chunk(number) {
                add(&*self.try_of(number, chunk, || find(number, chunk))?)?;
            }
        }
        self.sum_up(scan);
        Ok(())
    }

    /// What a chunk has: as it was found before if it has not changed since, or as `find` says.
    pub fn of(&mut self, number: usize, chunk: &Chunk, find: impl FnOnce() -> T) -> Arc<T> {
        let found: Result<_, Infallible> = self.try_of(number, chunk, || Ok(find()));
        let Ok(found) = found;
        found
    }

    fn try_of<E>(
        &mut self,
        number: usize,
        chunk: &Chunk,
        find: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mark = chunk.mark();
        if let Some((_, found)) = self.chunk(number, mark) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(find()?);
        if self.holds(mark) && chunk.is_unchanged_since(mark) {
            self.new.push((number, mark, Arc::clone(&found)));
        }
        Ok(found)
    }

    /// What changed it later than the question is about does not belong into the answer, and what is known of it may be of later.
    fn holds(&self, mark: u64) -> bool {
        mark <= self.as_of && self.asked.is_some()
    }

    /// What is known of a chunk that has this mark now.
    fn chunk(&self, number: usize, mark: u64) -> Option<&(u64, Arc<T>)> {
        let known = self.known.chunks.get(number)?.as_ref();
        known.filter(|(then, _)| *then == mark && self.holds(mark))
    }

    /// What a run of chunks has, if it is known and none of them has changed since.
    fn run(&self, run: Run, scan: &Scan) -> Option<&OfRun<T>> {
        let known = self.known.runs.get(&run)?;
        let numbers = run.1..;
        let is_still = |(number, mark): (usize, &u64)| {
            let chunk = scan.chunk(number);
            self.holds(*mark) && chunk.is_some_and(|chunk| chunk.mark() == *mark)
        };
        numbers.zip(&known.0).all(is_still).then_some(known)
    }

    /// The longest run from a chunk on that is known.
    fn longest_run(&self, first: usize, scan: &Scan) -> Option<(Run, &T)> {
        let mut runs = (1..=LEVELS).rev().map(|level| (level, first));
        runs.find_map(|run| Some((run, &*self.run(run, scan)?.1)))
    }

    /// Sums up what was known before, and has not changed since: it may stay so.
    fn sum_up(&mut self, scan: &Scan) {
        let mut new = Vec::new();
        for level in 1..=LEVELS {
            let size = chunks_of((level, 0));
            for first in (0..).step_by(size).take(self.known.chunks.len() / size) {
                if self.run((level, first), scan).is_some() {
                    continue;
                }
                let parts = (first..first + size).step_by(size / RUN);
                let parts = parts.map(|first| match level {
                    1 => {
                        let (mark, found) = self.chunk(first, scan.chunk(first)?.mark())?;
                        Some((vec![*mark], Arc::clone(found)))
                    }
                    _ => self.run((level - 1, first), scan).cloned(),
                });
                let parts: Option<Vec<OfRun<T>>> = parts.collect();
                if let Some(parts) = parts {
                    let (marks, found): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
                    let sum = Arc::new(T::sum(&found));
                    new.push(((level, first), (marks.concat(), sum)));
                }
            }
        }
        self.new_runs.extend(new);
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

/// How many chunks a run has.
fn chunks_of((level, _): Run) -> usize {
    RUN.pow(level)
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
        let runs = self.runs.values().map(|(marks, sum)| {
            marks.len() * size_of::<u64>() + size_of::<(Run, OfRun<T>)>() + sum.bytes()
        });
        let found: usize = chunks.chain(runs).sum();
        QUESTION_BYTES + self.chunks.len() * size_of::<Option<(u64, Arc<T>)>>() + found
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
