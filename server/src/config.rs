//! Configuration: one TOML file, one struct. Every option has a default where a default is safe, a range, and a comment in
//! `example.toml`, which `casebroker config example` prints. Unknown keys are errors.

mod delivery;
mod form;
mod paths;
mod quotas;
mod table;
mod text;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use casebroker_proto::names::Role;
use serde::Deserialize;

pub use delivery::Delivery;
pub use quotas::{Quota, Quotas};
pub use table::Table;
pub use text::Text;

/// The commented example; a test keeps it equal to the defaults.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}; give the path of a configuration file (`casebroker config example` prints one)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key or a value of another type; the text shows line and column.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words, with the line.
        message: String,
    },
    /// A value of another type or form.
    #[error("{}:{line}: `{key} = {value}`: {problem}; accepted: {accepted}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Line in the file.
        line: usize,
        /// Dotted key.
        key: Box<str>,
        /// The value as it stands there.
        value: Box<str>,
        /// What is wrong with it.
        problem: Box<str>,
        /// What is accepted, in words.
        accepted: Box<str>,
    },
    /// A file or folder that the configuration names is missing or closed.
    #[error("{}:{line}: `{key}`: {}: {problem}", file.display(), path.display())]
    Path {
        /// The configuration's file.
        file: PathBuf,
        /// Line in it.
        line: usize,
        /// Dotted key.
        key: &'static str,
        /// What it names.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A value outside its range.
    #[error("{}:{line}: `{key} = {value}` is out of range; accepted: {accepted}", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// Line in the file, or 0 where the key stands only in the defaults.
        line: usize,
        /// Dotted key.
        key: String,
        /// The value.
        value: String,
        /// The range in words.
        accepted: String,
    },
}

/// Everything that can be set. Paths are relative to the file's folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// SPIFFE trust domain that every certificate must name.
    pub trust_domain: String,
    /// Folder of journal, state, tree and lock.
    pub data_dir: PathBuf,
    /// Folder with one folder a member: `anchor.pem`, `crl.pem` if there is one, `member.toml`,
    /// `signers/*.pem`; and `groups.toml` if there are groups.
    pub members_dir: PathBuf,
    /// How long a stop may take, milliseconds, 100 to 60,000.
    #[serde(default = "defaults::shutdown_timeout_ms")]
    pub shutdown_timeout_ms: u64,
    /// The broker's own certificate.
    pub tls: Tls,
    /// How members' certificates and their files are treated.
    #[serde(default)]
    pub identity: Identity,
    /// The log's identity.
    pub log: Log,
    /// Segment files.
    #[serde(default)]
    pub journal: Journal,
    /// Group commit.
    #[serde(default)]
    pub sequencer: Sequencer,
    /// The state store.
    #[serde(default)]
    pub state: State,
    /// The table of cases.
    #[serde(default)]
    pub table: Table,
    /// The text index.
    #[serde(default)]
    pub text: Text,
    /// Subscriptions.
    #[serde(default)]
    pub delivery: Delivery,
    /// What one caller, connection or request may take.
    #[serde(default)]
    pub limits: Limits,
    /// The access record.
    #[serde(default)]
    pub access: Access,
    /// What callers must say.
    #[serde(default)]
    pub policy: Policy,
    /// What one principal and one agency may take.
    #[serde(default)]
    pub quotas: Quotas,
}

/// The access record.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Folder of its files. Default: `access` in `data_dir`.
    pub dir: Option<PathBuf>,
    /// A file is ended before it grows beyond this, bytes, 64 KiB to 16 GiB.
    pub rotate_bytes: u64,
    /// A file is ended when it is this old, hours, 1 to 8,784.
    pub rotate_hours: u64,
    /// Files kept, 0 to 1,000,000; 0 keeps all.
    pub keep_files: usize,
    /// Newest files of which every line is checked at start, 0 to 1,000,000; 0 for all.
    pub verify_files: usize,
}

/// What callers must say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Roles that must give purpose and reference to read cases.
    #[serde(deserialize_with = "roles")]
    pub require_purpose: Vec<Role>,
}

fn roles<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Role>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let roles = names.iter().map(|name| name.parse());
    roles
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}

/// The broker's own certificate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain, PEM, leaf first.
    pub certificate: PathBuf,
    /// Private key, PEM, PKCS#8.
    pub key: PathBuf,
    /// Which key exchange groups and cipher suites are offered.
    #[serde(default)]
    pub policy: TlsPolicy,
}

/// Key exchange groups and cipher suites; TLS 1.3 under either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsPolicy {
    /// X25519MLKEM768 preferred, then X25519, P-256, P-384; AES-GCM and ChaCha20-Poly1305.
    #[default]
    Default,
    /// P-256 and P-384 with AES-GCM, nothing else.
    FipsLeaning,
}

/// How members' certificates and their files are treated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// What a revocation list past its nextUpdate means.
    pub expired_crl: ExpiredCrl,
    /// How long files must have been left alone before they are read again, milliseconds, 10 to 1,000.
    pub debounce_ms: u64,
    /// How often files are looked at even if no change was told of, milliseconds, 100 to 3,000.
    pub poll_ms: u64,
    /// Whether one member's unreadable files refuse the start, or the reading of all members' changes.
    pub strict: bool,
}

/// What a revocation list past its nextUpdate means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiredCrl {
    /// Certificates of its agency are refused until there is a newer one.
    Error,
    /// It is used all the same, and a warning is logged when it is read.
    Warn,
}

/// The log's identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Origin line of every checkpoint (C2SP tlog-checkpoint); never to be changed once the journal exists.
    pub origin: String,
    /// C2SP note private key of the log, text file.
    pub key: PathBuf,
    /// Folder of the newest checkpoint kept beside the journal; best on another volume. Default: `data_dir`.
    #[serde(default)]
    pub checkpoint_dir: Option<PathBuf>,
}

/// Segment files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Size of a segment, bytes, 1 MiB to 1 GiB.
    pub segment_bytes: u64,
}

/// Group commit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sequencer {
    /// Statements that may wait, 1 to 65,536.
    pub queue_entries: usize,
    /// Bytes of statements that may wait, 1 MiB to 1 GiB.
    pub queue_bytes: usize,
    /// How long a submission waits for a place in the queue, milliseconds, 0 to 60,000.
    pub submit_wait_ms: u64,
    /// Most statements one sync makes durable, 1 to 16,384.
    pub group_entries: usize,
    /// Most bytes one sync makes durable, 1 MiB to 64 MiB.
    pub group_bytes: usize,
    /// How long a group waits for statements that are being checked, microseconds, 0 to 100,000.
    pub gather_us: u64,
}

/// The state store.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Memory for the store's page cache, bytes, 1 MiB to 16 GiB.
    pub cache_bytes: u64,
}

/// What one caller, connection or request may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections, 1 to 65,536.
    pub connections: usize,
    /// TLS handshakes at once, 1 to 4,096.
    pub handshakes: usize,
    /// Longest handshake, milliseconds, 100 to 60,000.
    pub handshake_timeout_ms: u64,
    /// Calls at once on a connection, 1 to 4,096.
    pub calls_per_connection: u32,
    /// Header list of a call, bytes, 1 KiB to 1 MiB.
    pub header_bytes: u32,
    /// Streams reset by the peer before they were accepted, 1 to 4,096; then the connection ends.
    pub pending_resets: usize,
    /// Streams reset by us for the peer's errors, 1 to 65,536; then the connection ends.
    pub error_resets: usize,
    /// HTTP/2 flow-control window of a connection, bytes, 64 KiB to 64 MiB.
    pub connection_window_bytes: u32,
    /// HTTP/2 flow-control window of a stream, bytes, 64 KiB to 64 MiB.
    pub stream_window_bytes: u32,
    /// Idle time after which a peer is pinged, seconds, 1 to 3,600.
    pub keepalive_interval_s: u64,
    /// Time a peer has to answer a ping, seconds, 1 to 600.
    pub keepalive_timeout_s: u64,
    /// Longest unary call, seconds, 1 to 600.
    pub call_timeout_s: u64,
    /// Statements of one stream in work at once, 1 to 4,096.
    pub stream_in_flight: usize,
    /// Bytes of statements of one stream that are in work or whose answers wait to be taken, 1 MiB to 256 MiB.
    pub stream_bytes: usize,
    /// Message of a call that is no submission, bytes, 1 KiB to 1 MiB.
    pub query_bytes: usize,
    /// Lines that one page of the access record may look at, 100 to 1,000,000.
    pub scan_entries: u64,
    /// Reading calls at once, 1 to 1,024; more wait.
    pub readers: usize,
    /// Threads for calls that read much, such as listings, 0 to 256; 0 is half of the machine's cores. They run at a low
    /// priority.
    pub scans: usize,
}

mod defaults {
    pub fn shutdown_timeout_ms() -> u64 {
        10_000
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            expired_crl: ExpiredCrl::Error,
            debounce_ms: 200,
            poll_ms: 2_000,
            strict: false,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
        }
    }
}

impl Default for Sequencer {
    fn default() -> Self {
        Self {
            queue_entries: 4_096,
            queue_bytes: 64 << 20,
            submit_wait_ms: 2_000,
            group_entries: 1_024,
            group_bytes: 8 << 20,
            gather_us: 500,
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Self {
            dir: None,
            rotate_bytes: 64 << 20,
            rotate_hours: 24,
            keep_files: 0,
            verify_files: 16,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            handshakes: 64,
            handshake_timeout_ms: 5_000,
            calls_per_connection: 256,
            header_bytes: 16 << 10,
            pending_resets: 20,
            error_resets: 1_024,
            connection_window_bytes: 4 << 20,
            stream_window_bytes: 1 << 20,
            keepalive_interval_s: 30,
            keepalive_timeout_s: 10,
            call_timeout_s: 30,
            stream_in_flight: 256,
            stream_bytes: 8 << 20,
            query_bytes: 64 << 10,
            scan_entries: 10_000,
            readers: 32,
            scans: 0,
        }
    }
}

impl Config {
    /// Reads and checks a file; its relative paths become relative to the file's folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.into(),
            source,
        })?;
        let mut config = Self::parse(&text, path)?;
        let base = path.parent().unwrap_or(Path::new(""));
        let paths = [
            &mut config.data_dir,
            &mut config.members_dir,
            &mut config.tls.certificate,
            &mut config.tls.key,
            &mut config.log.key,
        ];
        let optional = [&mut config.log.checkpoint_dir, &mut config.access.dir];
        for relative in paths.into_iter().chain(optional.into_iter().flatten()) {
            *relative = base.join(&*relative);
        }
        Ok(config)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|e| form::explain(text, path, &e))?;
        let mut ranges = config.ranges();
        ranges.extend(config.quotas.ranges());
        ranges.extend(config.text.ranges());
        ranges.extend(config.delivery.ranges());
        match ranges.into_iter().find(|r| !r.holds) {
            None => Ok(config),
            Some(broken) => Err(ConfigError::Range {
                path: path.into(),
                line: line_of(text, &broken.key),
                key: broken.key,
                value: broken.value,
                accepted: broken.accepted,
            }),
        }
    }

    /// Folder of the checkpoint kept beside the journal.
    pub fn checkpoint_dir(&self) -> &Path {
        self.log.checkpoint_dir.as_deref().unwrap_or(&self.data_dir)
    }

    /// Folder of the access record.
    pub fn access_dir(&self) -> PathBuf {
        let default = || self.data_dir.join("access");
        self.access.dir.clone().unwrap_or_else(default)
    }

    /// Longest stop.
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.shutdown_timeout_ms)
    }

    #[rustfmt::skip]
    fn ranges(&self) -> Vec<Range> {
        let (s, l, a) = (&self.sequencer, &self.limits, &self.access);
        vec![
            text("trust_domain", &self.trust_domain, "1 to 255 of a-z, 0-9, '.', '-', '_'", |t| {
                !t.is_empty() && t.len() <= 255 && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b))
            }),
            text("log.origin", &self.log.origin, "1 to 255 characters without blanks, '+' or control characters", |t| {
                !t.is_empty() && t.len() <= 255 && !t.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
            }),
            number("shutdown_timeout_ms", self.shutdown_timeout_ms, 100, 60_000),
            number("identity.debounce_ms", self.identity.debounce_ms, 10, 1_000),
            number("identity.poll_ms", self.identity.poll_ms, 100, 3_000),
            number("journal.segment_bytes", self.journal.segment_bytes, 1 << 20, 1 << 30),
            number("sequencer.queue_entries", s.queue_entries as u64, 1, 65_536),
            number("sequencer.queue_bytes", s.queue_bytes as u64, 1 << 20, 1 << 30),
            number("sequencer.submit_wait_ms", s.submit_wait_ms, 0, 60_000),
            number("sequencer.group_entries", s.group_entries as u64, 1, 16_384),
            number("sequencer.group_bytes", s.group_bytes as u64, 1 << 20, 64 << 20),
            number("sequencer.gather_us", s.gather_us, 0, 100_000),
            number("state.cache_bytes", self.state.cache_bytes, 1 << 20, 16 << 30),
            number("table.snapshot_s", self.table.snapshot_s, 1, 86_400),
            number("table.wait_ms", self.table.wait_ms, 0, 60_000),
            number("table.query_ms", self.table.query_ms, 10, 600_000),
            number("limits.connections", l.connections as u64, 1, 65_536),
            number("limits.handshakes", l.handshakes as u64, 1, 4_096),
            number("limits.handshake_timeout_ms", l.handshake_timeout_ms, 100, 60_000),
            number("limits.calls_per_connection", l.calls_per_connection.into(), 1, 4_096),
            number("limits.header_bytes", l.header_bytes.into(), 1 << 10, 1 << 20),
            number("limits.pending_resets", l.pending_resets as u64, 1, 4_096),
            number("limits.error_resets", l.error_resets as u64, 1, 65_536),
            number("limits.connection_window_bytes", l.connection_window_bytes.into(), 64 << 10, 64 << 20),
            number("limits.stream_window_bytes", l.stream_window_bytes.into(), 64 << 10, 64 << 20),
            number("limits.keepalive_interval_s", l.keepalive_interval_s, 1, 3_600),
            number("limits.keepalive_timeout_s", l.keepalive_timeout_s, 1, 600),
            number("limits.call_timeout_s", l.call_timeout_s, 1, 600),
            number("limits.stream_in_flight", l.stream_in_flight as u64, 1, 4_096),
            number("limits.stream_bytes", l.stream_bytes as u64, 1 << 20, 256 << 20),
            number("limits.query_bytes", l.query_bytes as u64, 1 << 10, 1 << 20),
            number("limits.scan_entries", l.scan_entries, 100, 1_000_000),
            number("limits.readers", l.readers as u64, 1, 1_024),
            number("limits.scans", l.scans as u64, 0, 256),
            number("access.rotate_bytes", a.rotate_bytes, 64 << 10, 16 << 30),
            number("access.rotate_hours", a.rotate_hours, 1, 8_784),
            number("access.keep_files", a.keep_files as u64, 0, 1_000_000),
            number("access.verify_files", a.verify_files as u64, 0, 1_000_000),
        ]
    }
}

struct Range {
    key: String,
    value: String,
    accepted: String,
    holds: bool,
}

fn number(key: impl Into<String>, value: u64, min: u64, max: u64) -> Range {
    Range {
        key: key.into(),
        value: value.to_string(),
        accepted: format!("{min} to {max}"),
        holds: (min..=max).contains(&value),
    }
}

fn text(key: &str, value: &str, accepted: &str, rule: impl Fn(&str) -> bool) -> Range {
    Range {
        key: key.into(),
        value: format!("{value:?}"),
        accepted: accepted.into(),
        holds: rule(value),
    }
}

/// Line of a dotted key in the file, beginning with 1; 0 if it does not stand there.
fn line_of(text: &str, key: &str) -> usize {
    let Ok(document) = text.parse::<toml_edit::Document<String>>() else {
        return 0;
    };
    let mut item = document.as_item();
    let mut span = None;
    for part in key.split('.') {
        let Some((found_key, found)) = item
            .as_table_like()
            .and_then(|table| table.get_key_value(part))
        else {
            return 0;
        };
        span = found_key.span();
        item = found;
    }
    let before = span.and_then(|span| text.get(..span.start));
    before.map_or(0, |before| before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("broker.toml"))
    }

    #[test]
    fn the_example_parses_and_states_the_defaults() {
        let example = parse(EXAMPLE).unwrap();
        assert_eq!(
            format!("{:?}", example.sequencer),
            format!("{:?}", Sequencer::default())
        );
        assert_eq!(
            format!("{:?}", example.limits),
            format!("{:?}", Limits::default())
        );
        assert_eq!(
            format!("{:?}", example.journal),
            format!("{:?}", Journal::default())
        );
        assert_eq!(
            format!("{:?}", example.state),
            format!("{:?}", State::default())
        );
        assert_eq!(
            format!("{:?}", example.table),
            format!("{:?}", Table::default())
        );
        assert_eq!(
            format!("{:?}", example.text),
            format!("{:?}", Text::default())
        );
        assert_eq!(
            format!("{:?}", example.delivery),
            format!("{:?}", Delivery::default())
        );
        assert_eq!(
            format!("{:?}", example.identity),
            format!("{:?}", Identity::default())
        );
        assert_eq!(example.tls.policy, TlsPolicy::default());
        assert_eq!(
            format!("{:?}", example.access),
            format!("{:?}", Access::default())
        );
        assert_eq!(
            format!("{:?}", example.policy),
            format!("{:?}", Policy::default())
        );
        assert_eq!(
            format!("{:?}", example.quotas),
            format!("{:?}", Quotas::default())
        );
        let ranges = [
            example.ranges(),
            example.quotas.ranges(),
            example.text.ranges(),
            example.delivery.ranges(),
        ];
        for range in ranges.into_iter().flatten() {
            assert!(
                line_of(EXAMPLE, &range.key) > 0,
                "{} is not in the example",
                range.key
            );
        }
    }

    #[test]
    fn a_value_out_of_range_names_key_value_range_and_line() {
        let text = EXAMPLE.replace("group_entries = 1024", "group_entries = 0");
        let line = text
            .lines()
            .position(|l| l.starts_with("group_entries"))
            .unwrap()
            + 1;
        let message = parse(&text).unwrap_err().to_string();
        assert_eq!(
            message,
            format!(
                "broker.toml:{line}: `sequencer.group_entries = 0` is out of range; accepted: 1 to 16384"
            )
        );
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let message = parse(&format!("colour = 1\n{EXAMPLE}"))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("colour") && message.contains("line 1"),
            "{message}"
        );
    }
}
