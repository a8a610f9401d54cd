//! What a call is waiting for, so that whoever looks at a terminal can be told.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// A call that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The attempt under way, from 1.
    pub attempt: u32,
    /// Most attempts that are made.
    pub attempts: u32,
    /// When the first one began.
    pub since: Instant,
}

/// The newest call under way, shared by all clones of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(Arc<Mutex<Option<Waiting>>>);

impl Board {
    pub(crate) fn read(&self) -> Option<Waiting> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a call up; it is taken down when the answer is dropped.
    pub(crate) fn begin(&self, attempts: u32) -> Posted<'_> {
        let since = Instant::now();
        let posted = Posted(self);
        posted.write(Some(Waiting {
            attempt: 1,
            attempts,
            since,
        }));
        posted
    }
}

/// A call on the board.
#[derive(Debug)]
pub(crate) struct Posted<'a>(&'a Board);

impl Posted<'_> {
    /// Another attempt begins.
    pub(crate) fn again(&self) {
        let next = self.0.read().map(|waiting| Waiting {
            attempt: waiting.attempt.saturating_add(1),
            ..waiting
        });
        self.write(next);
    }

    fn write(&self, waiting: Option<Waiting>) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }
}

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        self.write(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_on_the_board_with_its_attempt_until_it_ends() {
        let board = Board::default();
        assert_eq!(board.read(), None);
        let posted = board.begin(6);
        assert_eq!(board.read().map(|w| (w.attempt, w.attempts)), Some((1, 6)));
        posted.again();
        assert_eq!(board.read().map(|w| (w.attempt, w.attempts)), Some((2, 6)));
        drop(posted);
        assert_eq!(board.read(), None);
    }
}
