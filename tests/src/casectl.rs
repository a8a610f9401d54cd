//! The officer's command line, as a process of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use casebroker_proto::{json, v1::CaseReport};
use serde_json::Value;

use crate::{Broker, Site, broker::binary, wait};

/// `casectl` with a configuration for one principal of a site.
#[derive(Debug, Clone)]
pub struct Casectl {
    dir: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Casectl {
    /// Writes the principal's files; each agency and role has a folder of its own.
    pub fn new(site: &Site, broker: &Broker, agency: &str, role: &str) -> Self {
        let dir = site.path().join(format!("casectl-{agency}-{role}"));
        fs::create_dir(&dir).unwrap();
        let principal = site.principal(agency, role);
        let casectl = Self { dir };
        casectl.write("ca.pem", site.broker_anchor());
        casectl.write("client.pem", &principal.identity.certificate);
        casectl.write("client.key", &principal.identity.key);
        let (certificate, key) = site.signing_pair(agency);
        casectl.write("signer.pem", certificate);
        casectl.write("signer.key", key);
        casectl.point_to(site, broker);
        casectl
    }

    /// Writes the configuration; again after a restart, as the port is another.
    pub fn point_to(&self, site: &Site, broker: &Broker) {
        let config = format!(
            "current = \"test\"\n\n[contexts.test]\nendpoint = \"https://localhost:{}\"\nca = \"ca.pem\"\n\
             certificate = \"client.pem\"\nkey = \"client.key\"\nsigning_certificate = \"signer.pem\"\n\
             signing_key = \"signer.key\"\nmembers = {:?}\nlog_vkey = \"{}\"\nstate = \"state\"\n",
            broker.address.port(),
            site.path().join("pki/members"),
            site.log
        );
        self.write("config.toml", &config);
    }

    /// A file in its folder, where commands run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file in its folder.
    pub fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs a command to its end as on a terminal of 80 columns.
    pub fn run_narrow(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        command.env("COLUMNS", "80").output().unwrap().into()
    }

    /// Runs a command that must end with this status.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(code), "casectl {arguments:?}: {ended:#?}");
        ended
    }

    /// Starts a command that runs until it is stopped, and collects what it prints.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.spawn(arguments);
        let collect = |from: Box<dyn Read + Send>| {
            let text = Arc::new(Mutex::new(String::new()));
            let into = Arc::clone(&text);
            thread::spawn(move || {
                for line in BufReader::new(from).lines().map_while(Result::ok) {
                    let mut text = into.lock().unwrap();
                    text.push_str(&line);
                    text.push('\n');
                }
            });
            text
        };
        let stdout = collect(Box::new(child.stdout.take().unwrap()));
        let stderr = collect(Box::new(child.stderr.take().unwrap()));
        Running {
            child,
            stdout,
            stderr,
        }
    }

    /// Starts a command.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("casectl"));
        command
            .current_dir(&self.dir)
            .args(["--config", "config.toml"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for variable in [
            "CASECTL_CONTEXT",
            "CASECTL_ATTEMPTS",
            "CASECTL_PURPOSE",
            "CASECTL_PURPOSE_REFERENCE",
        ] {
            command.env_remove(variable);
        }
        command
    }
}

/// A command that runs; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Running {
    /// What it has printed so far, whole lines.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// What it has said on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Ctrl-C, and how it ended.
    pub fn interrupt(self) -> Ended {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status();
        assert!(status.unwrap().success());
        self.end()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let status = wait::until("the command ends", || self.child.try_wait().unwrap());
        Ended {
            code: status.code(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }

    /// Ends it without warning.
    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Standard output, which must be exactly one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}

/// A report as a line of JSON.
pub fn json_line(report: &CaseReport) -> String {
    json::to_value("casebroker.v1.CaseReport", report)
        .unwrap()
        .to_string()
}

/// Replaces the first occurrence in a file, which must be there.
pub fn tamper(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}
