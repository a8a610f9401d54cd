//! One broker's folder: PKI, configuration, data.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use casebroker_proto::{
    statement::Signer,
    tlog::{NoteSigner, NoteVerifier},
};
use tempfile::TempDir;

use crate::{
    Broker, CBP, DEA, RCMP,
    broker::Refusal,
    pki::{Authority, Identity, Principal, TRUST_DOMAIN, Wish},
};

/// Origin of every site's log.
pub const ORIGIN: &str = "casebroker.example/log";

/// A folder in which a broker can be started, again and again.
pub struct Site {
    dir: TempDir,
    agencies: BTreeMap<&'static str, Agency>,
    /// Authority of the broker's own certificate.
    broker_authority: Authority,
    /// Public key of the log.
    pub log: NoteVerifier,
    settings: BTreeMap<(String, String), String>,
}

/// What the agency itself holds.
struct Agency {
    authority: Authority,
    signer: Arc<Signer>,
    /// The same as files.
    signing_pair: Identity,
}

impl Site {
    /// A site with three members and small segments, so that a start costs little.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("casebroker-test-")
            .tempdir()
            .unwrap();
        let broker_authority = Authority::new("broker authority");
        let log = NoteSigner::generate(ORIGIN).unwrap();
        let pki = dir.path().join("pki");
        let server = broker_authority.server();
        write(&pki.join("server.pem"), &server.certificate);
        write_secret(&pki.join("server.key"), &server.key);
        write_secret(&pki.join("log.key"), &log.private_key_text().unwrap());
        let agencies = [DEA, CBP, RCMP].map(|id| (id, Agency::enrol(&pki, id)));
        let mut site = Self {
            agencies: agencies.into(),
            broker_authority,
            log: log.verifier().clone(),
            settings: BTreeMap::new(),
            dir,
        };
        for (key, value) in [
            ("listen", "\"127.0.0.1:0\""),
            ("data_dir", "\"data\""),
            ("members_dir", "\"pki/members\""),
            ("tls.certificate", "\"pki/server.pem\""),
            ("tls.key", "\"pki/server.key\""),
            ("log.key", "\"pki/log.key\""),
            ("journal.segment_bytes", "1048576"),
        ] {
            site = site.with(key, value);
        }
        site.with("trust_domain", format!("\"{TRUST_DOMAIN}\""))
            .with("log.origin", format!("\"{ORIGIN}\""))
    }

    /// Enrols one more member.
    pub fn with_member(mut self, agency: &'static str) -> Self {
        let enrolled = Agency::enrol(&self.path().join("pki"), agency);
        self.agencies.insert(agency, enrolled);
        self
    }

    /// Sets an option, `section.key` or `key`, to a TOML value.
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.set(key, value);
        self
    }

    /// The same on a site in use; counts from the next start.
    pub fn set(&mut self, key: &str, value: impl Display) {
        let (section, key) = key.split_once('.').unwrap_or(("", key));
        self.settings
            .insert((section.into(), key.into()), value.to_string());
        fs::write(self.config(), self.config_text()).unwrap();
    }

    /// As much as the configuration allows, for load that is to find the broker's own limits.
    pub fn without_quotas(mut self) -> Self {
        self.set("quotas.agency_queue_entries", 65_536);
        self.set("quotas.agency_readers", 1_024);
        self.set("quotas.agency_scans", 256);
        self.set("quotas.agency_checks", 1_024);
        for whose in ["system", "officer", "agency"] {
            for (key, most) in [
                ("requests_per_s", 1_000_000),
                ("bytes_per_s", 1 << 30),
                ("calls", 65_536),
                ("streams", 4_096),
                ("connections", 65_536),
                ("connections_per_s", 10_000),
            ] {
                self.set(&format!("quotas.{whose}.{key}"), most);
            }
        }
        self
    }

    fn config_text(&self) -> String {
        let mut text = String::new();
        let mut current = "";
        for ((section, key), value) in &self.settings {
            if section != current {
                text.push_str(&format!("\n[{section}]\n"));
                current = section;
            }
            text.push_str(&format!("{key} = {value}\n"));
        }
        text
    }

    /// The folder of everything.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path().join("broker.toml")
    }

    /// What the broker keeps.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Segment files.
    pub fn journal(&self) -> PathBuf {
        self.data().join("journal")
    }

    /// The checkpoint kept beside the journal.
    pub fn kept_checkpoint(&self) -> PathBuf {
        self.data().join("checkpoint")
    }

    /// The anchor of the broker's own certificate, PEM.
    pub fn broker_anchor(&self) -> &str {
        &self.broker_authority.pem
    }

    /// The authority of the broker's own certificate.
    pub fn broker_authority(&self) -> &Authority {
        &self.broker_authority
    }

    /// An agency's authority.
    pub fn authority(&self, agency: &str) -> &Authority {
        &self.agencies[agency].authority
    }

    /// An agency's signing key.
    pub fn signer(&self, agency: &str) -> Arc<Signer> {
        Arc::clone(&self.agencies[agency].signer)
    }

    /// Certificate and key of an agency's signer, PEM.
    pub fn signing_pair(&self, agency: &str) -> (&str, &str) {
        let pair = &self.agencies[agency].signing_pair;
        (&pair.certificate, &pair.key)
    }

    /// A new principal of an agency.
    pub fn principal(&self, agency: &str, role: &str) -> Principal {
        let wish = Wish::client(agency, role, "test");
        Principal {
            agency: agency.into(),
            identity: self.authority(agency).issue(&wish),
            signer: self.signer(agency),
        }
    }

    /// Registers one more signing certificate.
    pub fn register_signer(&self, agency: &str, name: &str, pem: &str) {
        let members = self.path().join("pki/members");
        replace(
            &members.join(agency).join(format!("signers/{name}.pem")),
            pem,
        );
    }

    /// A file or folder of a member, such as `crl.pem`.
    pub fn member_file(&self, agency: &str, file: &str) -> PathBuf {
        self.path().join("pki/members").join(agency).join(file)
    }

    /// Starts the broker and waits until it serves.
    pub fn start(&self) -> Broker {
        Broker::start(self).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// Starts a broker that must refuse to serve.
    pub fn start_refused(&self) -> Refusal {
        match Broker::start(self) {
            Ok(_) => panic!("the broker serves, but must refuse"),
            Err(refusal) => refusal,
        }
    }

    /// Replaces the log's key by a new one.
    pub fn replace_log_key(&self) {
        let key = NoteSigner::generate(ORIGIN).unwrap();
        let path = self.path().join("pki/log.key");
        write_secret(&path, &key.private_key_text().unwrap());
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Agency {
    fn enrol(pki: &Path, id: &str) -> Self {
        let authority = Authority::new(id);
        let (certificate, signer) = authority.signer(id, "2026a", (2020, 2100));
        let member = pki.join("members").join(id);
        write(&member.join("anchor.pem"), &authority.pem);
        write(
            &member.join("member.toml"),
            &format!("display_name = \"{id}\"\n"),
        );
        write(&member.join("signers/2026a.pem"), &certificate.certificate);
        Self {
            authority,
            signer: Arc::new(signer),
            signing_pair: certificate,
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Puts a file in the place of another, so that whoever reads sees one of them whole.
pub fn replace(path: &Path, text: &str) {
    let draft = path.with_extension("new");
    write(&draft, text);
    fs::rename(draft, path).unwrap();
}

fn write_secret(path: &Path, text: &str) {
    write(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
