//! The real binary as a child process.

use std::{
    env, fmt,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use crate::{Caller, Site, pki::Principal, wait};

/// A running broker; killed when dropped.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    /// Where it serves.
    pub address: SocketAddr,
    log: PathBuf,
    anchor: String,
}

/// A broker that ended before it served.
#[derive(Debug)]
pub struct Refusal {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it said.
    pub stderr: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker ended with {}:\n{}", self.status, self.stderr)
    }
}

/// How a stop went.
#[derive(Debug)]
pub struct Stopped {
    /// Exit status.
    pub status: ExitStatus,
    /// From the signal to the end of the process.
    pub took: Duration,
    /// Everything that the broker logged.
    pub stderr: String,
}

impl Broker {
    /// Starts `casebroker serve` and waits until it serves or ends.
    pub fn start(site: &Site) -> Result<Self, Refusal> {
        Self::start_under(site, Command::new(binary("casebroker")))
    }

    /// The same with `command` in place of the bare binary, such as a tracer with the binary as its last argument.
    pub fn start_under(site: &Site, mut command: Command) -> Result<Self, Refusal> {
        // Each start has files of its own, so that nothing of an earlier one can be taken for an answer.
        static STARTS: AtomicU32 = AtomicU32::new(0);
        let number = STARTS.fetch_add(1, Ordering::Relaxed);
        let address_file = site.path().join(format!("address-{number}"));
        let log = site.path().join(format!("stderr-{number}"));
        command
            .arg("serve")
            .arg("--config")
            .arg(site.config())
            .arg("--address-file")
            .arg(&address_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"));
        let outcome = wait::until("the broker serves or ends", || {
            if let Ok(text) = fs::read_to_string(&address_file) {
                return Some(Ok(text));
            }
            child.try_wait().unwrap().map(Err)
        });
        match outcome {
            Ok(address) => Ok(Self {
                child,
                address: address.trim().parse().unwrap(),
                log,
                anchor: site.broker_anchor().into(),
            }),
            Err(status) => Err(Refusal {
                status,
                stderr: fs::read_to_string(log).unwrap(),
            }),
        }
    }

    /// Connects a principal, which must be let in.
    pub async fn connect(&self, principal: &Principal) -> Caller {
        Caller::connect(self.address, &self.anchor, principal)
            .await
            .unwrap_or_else(|e| panic!("not connected: {e:?}\n{}", self.stderr()))
    }

    /// Anchor of the broker's certificate.
    pub fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the broker has logged so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log has a line with all of these words.
    pub fn wait_logged(&self, words: &[&str]) {
        let what = format!("the log has {words:?}\n{}", self.stderr());
        wait::until(&what, || {
            let log = self.stderr();
            let found = log
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)));
            found.then_some(())
        });
    }

    /// Ends it without warning, as a power cut of the process.
    pub fn kill_9(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.stderr()
    }

    /// Asks it to stop and waits for the end, while callers in this test go on doing their part.
    pub async fn stop(self) -> Stopped {
        tokio::task::spawn_blocking(|| self.stop_blocking())
            .await
            .unwrap()
    }

    /// The same for tests without callers.
    pub fn stop_blocking(self) -> Stopped {
        self.terminate();
        self.wait_exit()
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Asks it to read its files again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal("HUP");
    }

    fn signal(&self, name: &str) {
        // The shell's own kill: the standard library has none, and a crate for it would need unsafe code here.
        let pid = self.pid().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill -\"$1\" \"$0\"", &pid, name])
            .status();
        assert!(status.unwrap().success());
    }

    /// Number of log lines with all of these words.
    pub fn count_logged(&self, words: &[&str]) -> usize {
        let log = self.stderr();
        log.lines()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .count()
    }

    /// Waits for the end.
    pub fn wait_exit(mut self) -> Stopped {
        let begin = Instant::now();
        let status = wait::until("the broker ends", || self.child.try_wait().unwrap());
        Stopped {
            status,
            took: begin.elapsed(),
            stderr: self.stderr(),
        }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.runs() {
            // Nobody is left to tell if this fails.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            // The site may be gone already, and a panic within a panic would hide the first.
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- log of the broker\n{log}---");
        }
    }
}

/// A binary of this workspace: the variable `CASEBROKER_BIN` or `CASECTL_BIN`, or beside the test executable.
pub fn binary(name: &str) -> PathBuf {
    let variable = format!("{}_BIN", name.to_uppercase());
    if let Some(path) = env::var_os(&variable) {
        return path.into();
    }
    let executable = env::current_exe().unwrap();
    let profile = executable.parent().and_then(Path::parent).unwrap();
    let path = profile.join(name);
    assert!(
        path.exists(),
        "{} is not built: run tests/run, or `cargo build --workspace --bins`, or set {variable}",
        path.display()
    );
    path
}
