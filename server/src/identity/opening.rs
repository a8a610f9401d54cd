//! The first words of a connection are due as soon as its handshake: HTTP/2 itself waits for them without end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// Length of the client's connection preface (RFC 9113, section 3.4).
const PREFACE_BYTES: usize = 24;

/// How long a connection may still take until its preface is whole.
pub(super) struct Opening {
    left: usize,
    /// Gone when the preface is here.
    due: Option<Pin<Box<Sleep>>>,
}

impl Opening {
    /// Due this long from now.
    pub(super) fn within(limit: Duration) -> Self {
        Self {
            left: PREFACE_BYTES,
            due: Some(Box::pin(sleep(limit))),
        }
    }

    /// An error once it has taken too long; otherwise `cx` is woken when that time comes.
    pub(super) fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(due) = &mut self.due else {
            return Ok(());
        };
        match due.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => {
                tracing::info!("a connection did not begin in time");
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Notes bytes read.
    pub(super) fn took(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        if self.left == 0 {
            self.due = None;
        }
    }
}
