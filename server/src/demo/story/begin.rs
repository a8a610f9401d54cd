//! Steps 1 and 2: keys, and a broker.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use casebroker_proto::names::CaseName;

use super::{Broker, Site, Stage};
use crate::demo::pki::{self, InitArgs};

impl Stage {
    pub(super) fn make_keys(&mut self) -> anyhow::Result<()> {
        let agencies = self.agencies()?;
        let dir = self.layout.root().to_owned();
        self.screen.step(&format!(
            "Keys and certificates for {} agencies",
            agencies.len()
        ));
        pki::create(&InitArgs {
            dir: dir.clone(),
            agencies: agencies.clone(),
            trust_domain: "casebroker.example".into(),
            listen: ([127, 0, 0, 1], 0).into(),
        })?;
        let screen = &self.screen;
        screen.row("directory", dir.display().to_string());
        screen.row(
            "each agency",
            "an authority of its own, a signing key, and a certificate each for system, officer, auditor and operator",
        );
        screen.row("agencies", agencies.join(" "));
        screen.alert(
            "beware",
            "for development only: in production every agency makes its own keys and shows them to nobody",
        );
        Ok(())
    }

    pub(super) async fn start_broker(&mut self) -> anyhow::Result<()> {
        self.screen.step("A broker, as a process of its own");
        let broker = Broker::start(&self.layout).await?;
        // A restart must find it where it was.
        pki::set_address(&self.layout, broker.address)?;
        let site = Site::new(self.layout.clone(), broker.address)?;
        let caller = site.officer("cn-nncc")?.caller().await?;
        ensure!(
            caller.log_vkey == site.log_vkey,
            "the broker's log has another key than its file"
        );
        ensure!(
            caller.agency == "agencies/cn-nncc" && caller.role == "officer",
            "the broker took the caller for {} {}",
            caller.agency,
            caller.role
        );
        let screen = &self.screen;
        screen.row(
            "process",
            format!(
                "{}, ready after {}",
                broker.pid(),
                crate::demo::screen::seconds(broker.took)
            ),
        );
        screen.row("address", format!("{}, {}", broker.address, caller.tls));
        screen.row("log", &caller.log_vkey);
        screen.good(
            "who is calling",
            format!("{}: taken from the certificate alone", caller.principal),
        );
        self.broker = Some(broker);
        self.site = Some(site);
        Ok(())
    }

    /// Everybody who reports a public case; the first one is whom `casectl` speaks for by default.
    fn agencies(&self) -> anyhow::Result<Vec<String>> {
        let mut found = BTreeSet::new();
        for case in &self.cases {
            let name: CaseName = case.name.parse()?;
            found.insert(name.agency().id().to_owned());
        }
        let first = found.take("us-cbp").context("no case of us-cbp")?;
        Ok([first].into_iter().chain(found).collect())
    }
}
