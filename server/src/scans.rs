//! Threads for reading work that may take long, such as a page of a listing: few, and at a low priority, so that submissions
//! and look-ups of single cases go first however much is scanned.

use std::{io, num::NonZeroUsize, thread};

use rustix::process::{getpriority_process, setpriority_process};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// Added to the threads' nice value; see sched(7). At 10 a thread gets about a ninth of a core that others want too.
const NICER_BY: i32 = 10;

/// A fixed number of threads; work waits for one in the order in which it came.
#[derive(Debug)]
pub struct Scans {
    /// `None` only while it is dropped.
    threads: Option<Runtime>,
}

impl Scans {
    /// So many threads, made when they are needed; 0 for half of the machine's cores.
    pub fn new(threads: usize) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = if threads == 0 { cores / 2 } else { threads };
        let runtime = Builder::new_current_thread()
            .thread_name("scan")
            .max_blocking_threads(threads.max(1))
            .on_thread_start(yield_to_others)
            .build()?;
        Ok(Self {
            threads: Some(runtime),
        })
    }

    /// Runs `work` when a thread is free; `None` while the broker ends.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        Some(self.threads.as_ref()?.spawn_blocking(work))
    }
}

impl Drop for Scans {
    fn drop(&mut self) {
        // It may be dropped where waiting for its threads is not allowed.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// Lowers the priority of the calling thread, and so of those that it starts: on Linux, priorities belong to threads.
pub fn yield_to_others() {
    let lowered =
        getpriority_process(None).and_then(|nice| setpriority_process(None, nice + NICER_BY));
    if let Err(error) = lowered {
        tracing::warn!(%error, "work in the background goes on at the priority of everything else");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn scans_run_nicer_than_everything_else_and_no_more_at_once_than_there_are_threads() {
        let scans = Scans::new(1).unwrap();
        let own = getpriority_process(None).unwrap();
        let work = || (thread::current().id(), getpriority_process(None).unwrap());
        let first = scans.run(work).unwrap().await.unwrap();
        let second = scans.run(work).unwrap().await.unwrap();
        assert_eq!(first, second, "one thread");
        assert_eq!(first.1, (own + NICER_BY).min(19));
        assert_eq!(getpriority_process(None).unwrap(), own);
    }
}
