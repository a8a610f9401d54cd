//! The clock by which disuse is counted: only time in which the broker served, and none that a clock jumped over.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970 as they were at the start, and on from there by the monotonic clock.
#[derive(Debug)]
pub struct UseClock {
    base: i64,
    started: Instant,
    /// Holds when the broker last served.
    path: PathBuf,
}

/// How long the broker had not served when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offline {
    /// So many seconds.
    Seconds(i64),
    /// Not known: there is no note of an earlier run.
    Unknown,
}

impl UseClock {
    /// Starts the clock. `dir` is where the note of the last run is.
    pub fn start(dir: &Path) -> io::Result<(Self, Offline)> {
        let path = dir.join("alive");
        let base = wall_clock();
        let offline = match fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse::<i64>() {
                Ok(alive) => Offline::Seconds(base.saturating_sub(alive).max(0)),
                Err(_) => Offline::Unknown,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Offline::Unknown,
            Err(error) => return Err(error),
        };
        let clock = Self {
            base,
            started: Instant::now(),
            path,
        };
        Ok((clock, offline))
    }

    /// Seconds since 1970; never jumps.
    pub fn now(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_secs());
        self.base.saturating_add(elapsed.unwrap_or(i64::MAX))
    }

    /// When something was last used, moved on by the time in which nobody could have used it.
    pub fn moved_on(&self, last_use: i64, offline: Offline) -> i64 {
        match offline {
            Offline::Seconds(seconds) => last_use.saturating_add(seconds).min(self.base),
            Offline::Unknown => self.base,
        }
    }

    /// Notes that the broker serves. Not synced: a lost note counts a few seconds less.
    pub fn note_alive(&self) -> io::Result<()> {
        // By the clock on the wall: the next start compares with that.
        fs::write(&self.path, format!("{}\n", wall_clock()))
    }
}

fn wall_clock() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(note: Option<i64>) -> (UseClock, Offline) {
        let dir = tempfile::tempdir().unwrap();
        if let Some(note) = note {
            fs::write(dir.path().join("alive"), format!("{note}\n")).unwrap();
        }
        UseClock::start(dir.path()).unwrap()
    }

    #[test]
    fn time_in_which_the_broker_was_down_or_the_clock_jumped_is_no_disuse() {
        let now = wall_clock();
        // Used an hour before the broker went down, which was 32 days ago.
        let day = 86_400;
        let down = now - 32 * day;
        let (clock, offline) = started(Some(down));
        let last_use = clock.moved_on(down - 3_600, offline);
        let idle = clock.now() - last_use;
        assert!((3_600..3_700).contains(&idle), "{idle}");
        // The clock was set back: nothing is counted twice.
        let (clock, offline) = started(Some(now + 32 * day));
        assert_eq!(offline, Offline::Seconds(0));
        assert!(clock.now() - clock.moved_on(now + 31 * day, offline) <= 1);
    }

    #[test]
    fn without_a_note_disuse_begins_anew() {
        let (clock, offline) = started(None);
        assert_eq!(offline, Offline::Unknown);
        assert!(clock.now() - clock.moved_on(5, offline) <= 1);
    }
}
