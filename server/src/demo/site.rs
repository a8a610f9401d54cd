//! The place of the demonstration once the broker has an address: who can call it, and with what.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use casebroker_client::{Client, Profile};
use casebroker_proto::{
    names::Role,
    v1::{CaseReport, Handling, Report, Statement, statement::Kind},
};

use super::pki::{Layout, log_vkey};

/// Files, and the address of the broker that they belong to.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub layout: Layout,
    pub address: SocketAddr,
    /// The log's public key, read from the file and not asked of the broker.
    pub log_vkey: String,
}

impl Site {
    pub(super) fn new(layout: Layout, address: SocketAddr) -> anyhow::Result<Self> {
        let log_vkey = log_vkey(&layout)?;
        Ok(Self {
            layout,
            address,
            log_vkey,
        })
    }

    /// The SDK as an agency's system would use it.
    pub(super) fn system(&self, agency: &str) -> anyhow::Result<Client> {
        self.client(agency, Role::System, "feed")
    }

    /// The SDK as a liaison officer's tool would use it.
    pub(super) fn officer(&self, agency: &str) -> anyhow::Result<Client> {
        self.client(agency, Role::Officer, "liaison")
    }

    fn client(&self, agency: &str, role: Role, name: &str) -> anyhow::Result<Client> {
        let (certificate, key) = self.layout.agency_pair(agency, &format!("{role}-{name}"));
        let (signing_certificate, signing_key) = self.layout.agency_pair(agency, "signer-2026a");
        let mut profile = Profile::new(
            format!("https://{}", self.address),
            self.layout.broker_file("ca.pem"),
            certificate,
            key,
        );
        profile.signing_certificate = Some(signing_certificate);
        profile.signing_key = Some(signing_key);
        profile.log_vkey = Some(self.log_vkey.clone());
        profile.members = Some(self.layout.members());
        // A broker that is killed on purpose comes back within a second or two.
        profile.timing.attempts = 100;
        profile.timing.first_wait = Duration::from_millis(20);
        profile.timing.longest_wait = Duration::from_millis(200);
        Client::connect(&profile).with_context(|| format!("as {agency} {role}"))
    }

    /// Where receipts are kept.
    pub(super) fn receipts(&self) -> PathBuf {
        self.layout.root().join("receipts")
    }
}

/// The statement that reports a case.
pub(super) fn report(report: CaseReport) -> Statement {
    let case = report.name.clone();
    let report = Some(report);
    statement(&case, None, Kind::Report(Report { report }))
}

/// A statement about a case. What it leaves out, the SDK adds.
pub(super) fn statement(case: &str, handling: Option<Handling>, kind: Kind) -> Statement {
    Statement {
        case: case.to_owned(),
        handling,
        kind: Some(kind),
        ..Default::default()
    }
}
