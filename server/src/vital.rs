//! Threads without which the broker must not go on, and the end of the process when one of them cannot.

use std::{
    fmt::Display,
    io, process,
    thread::{self, JoinHandle},
};

use crate::telemetry;

/// Exit status of the process after a failed write or sync (sysexits.h, EX_IOERR).
pub const EXIT_IO: u8 = 74;

/// Starts a thread whose panic ends the process: a broker that has lost its sequencer would go on taking calls that nobody
/// answers.
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        let _guard = EndsProcess(name);
        run()
    })
}

/// Ends the process at once: nobody is answered any more.
pub fn stop_process(during: &str, error: &dyn Display) -> ! {
    tracing::error!(during, %error, "the broker stops; nothing is acknowledged after this");
    telemetry::last_words(&format!(
        "casebroker: stopped while {during}: {error}\n\
         Everything acknowledged is in the journal. Look at the disk and its free space, then start again: the start \
         checks all of it.\n"
    ));
    process::exit(EXIT_IO.into())
}

/// Dropped when a vital thread ends, also by a panic.
struct EndsProcess(&'static str);

impl Drop for EndsProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            stop_process("running a thread", &format!("`{}` panicked", self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{env, process::Command};

    use super::*;

    const CHILD: &str = "CASEBROKER_TEST_VITAL_CHILD";

    #[test]
    fn a_panic_of_a_vital_thread_ends_the_process_and_another_end_does_not() {
        if let Ok(how) = env::var(CHILD) {
            let thread = spawn("child", move || assert_ne!(how, "panic")).unwrap();
            thread.join().unwrap();
            process::exit(3);
        }
        let name =
            "vital::tests::a_panic_of_a_vital_thread_ends_the_process_and_another_end_does_not";
        for (how, status) in [("panic", EXIT_IO), ("return", 3_u8)] {
            let mut child = Command::new(env::current_exe().unwrap());
            child.args(["--exact", name]).env(CHILD, how);
            let output = child.output().unwrap();
            assert_eq!(output.status.code(), Some(i32::from(status)), "{output:?}");
        }
    }
}
