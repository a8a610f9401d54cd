//! Waiting for something to be so, never for time to pass.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(5);

/// Longest that anything in the tests may take; generous, as the machine may be busy. Reached only by failures.
pub const LONG: Duration = Duration::from_secs(60);

/// Looks until `seen` gives something, at most [`LONG`].
pub fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = seen() {
            return found;
        }
        assert!(
            begin.elapsed() < LONG,
            "waited {LONG:?} in vain until {what}"
        );
        std::thread::sleep(EVERY);
    }
}

/// The same for what must be awaited.
pub async fn until_async<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut seen: impl FnMut() -> F,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = seen().await {
            return found;
        }
        assert!(
            begin.elapsed() < LONG,
            "waited {LONG:?} in vain until {what}"
        );
        tokio::time::sleep(EVERY).await;
    }
}
