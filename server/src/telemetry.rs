//! Logs, one line an event, to standard error. No secret and no evidence content is ever logged.
//!
//! Logging never blocks: a thread of its own writes the lines. If nothing reads standard error, lines are dropped and counted.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt, fmt::MakeWriter};

/// Most lines that wait to be written.
const MAX_LINES: usize = 8_192;
/// Longest line that is kept whole, bytes.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Longest that the end of the process waits for the lines to be written.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Message>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

enum Message {
    Line(Vec<u8>),
    /// Everything before it is written once this is answered.
    Flush(SyncSender<()>),
}

/// Writes text to standard error, after the lines that wait, without ever blocking for long. For the last words of a process.
pub fn last_words(text: &str) {
    send(text.as_bytes().to_vec());
    flush();
}

/// Waits, but not long, until the lines that wait are written.
pub fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, written) = sync_channel(1);
    // A full queue means that nothing reads.
    if queue.try_send(Message::Flush(done)).is_ok() {
        let _ = written.recv_timeout(FLUSH_WAIT);
    }
}

/// Lines that were dropped since the process began.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

fn send(mut line: Vec<u8>) {
    if line.len() > MAX_LINE_BYTES {
        line.truncate(MAX_LINE_BYTES);
        line.push(b'\n');
    }
    let Some(queue) = QUEUE.get() else {
        // Without the thread there is nothing that a line could be kept in.
        let _ = io::stderr().write_all(&line);
        return;
    };
    if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
        queue.try_send(Message::Line(line))
    {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes lines until nobody can send any. Blocks for as long as nothing reads standard error.
fn write_lines(lines: &Receiver<Message>) {
    let mut told = 0;
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(Message::Line(line)) => {
                let _ = io::stderr().write_all(&line);
            }
            Ok(Message::Flush(done)) => {
                let _ = done.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let dropped = dropped();
        if dropped > told {
            let more = dropped - told;
            told = dropped;
            let _ = writeln!(
                io::stderr(),
                "casebroker: {more} lines of the log were dropped, as nothing read standard error fast enough"
            );
        }
    }
}

/// A line in the making; it is sent when it is dropped.
#[derive(Debug)]
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            send(std::mem::take(&mut self.0));
        }
    }
}

/// Makes lines for the queue.
#[derive(Debug)]
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

/// Starts logging at `info`, or as the variable `CASEBROKER_LOG` says (tracing-subscriber's filter syntax). JSON if asked for.
pub fn start(json: bool) {
    let (queue, lines) = sync_channel(MAX_LINES);
    let thread = thread::Builder::new().name("log".into());
    if thread.spawn(move || write_lines(&lines)).is_ok() && QUEUE.set(queue).is_ok() {
        // The hook of the standard library would block on standard error.
        std::panic::set_hook(Box::new(|panic| {
            send(format!("casebroker: {panic}\n").into_bytes())
        }));
    }
    let filter =
        EnvFilter::try_from_env("CASEBROKER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(Lines)
        // A report of a failed write to standard error would go there too, by a macro that panics if it fails.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    // A second start in one process, as in tests, changes nothing.
    let outcome = if json {
        builder.json().try_init()
    } else {
        builder.with_target(false).try_init()
    };
    drop(outcome);
}
