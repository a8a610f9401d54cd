//! The story, step by step. Each step does what it says, checks what it claims and prints the figures it found.

mod ask;
mod begin;
mod confirm;
mod crash;
mod invite;
mod numbers;
mod offline;
mod record;
mod tamper;

use std::path::Path;

use anyhow::Context as _;
use casebroker_proto::{
    names::CaseName,
    v1::{Case, CaseReport},
};

pub(super) use self::invite::{casebroker, quoted};
use super::{broker::Broker, cases::public_cases, pki::Layout, screen::Screen, site::Site};

/// Everything that a step may need.
#[derive(Debug)]
pub(super) struct Stage {
    screen: Screen,
    layout: Layout,
    /// The broker, while one runs.
    broker: Option<Broker>,
    /// Who can call it; from the second step on.
    site: Option<Site>,
    /// The public cases.
    cases: Vec<CaseReport>,
    /// The telling case as the broker first gave it.
    told: Option<Case>,
}

/// A case that shows best what the records of 2016 lacked: the substance was told by a laboratory, not by the first test, and the
/// country of departure is known while that of origin is not.
const TELLING: &str = "agencies/us-cbp/cases/2018-philadelphia-4-fibf";

impl Stage {
    pub(super) fn new(dir: &Path, screen: Screen) -> Self {
        Self {
            screen,
            layout: Layout::new(dir),
            broker: None,
            site: None,
            cases: Vec::new(),
            told: None,
        }
    }

    /// Tells it all. Fails at the first thing that is not as claimed.
    pub(super) async fn tell(&mut self, once: bool) -> anyhow::Result<()> {
        self.screen.title(
            "Casebroker: confirmed cases, shared between agencies and provable to each of them",
        );
        self.screen.paragraph(
            "The 60 cases are real and compiled from published sources. The agencies named took no part: their keys are made \
             here and now, on this machine, for this demonstration.",
        );
        self.cases = public_cases()?;
        self.make_keys()?;
        self.start_broker().await?;
        self.record_cases().await?;
        self.ask_as_an_officer().await?;
        self.confirm_cases().await?;
        self.crash().await?;
        self.verify_offline().await?;
        self.tamper().await?;
        self.screen.summary();
        if once {
            self.screen.gap();
        }
        Ok(())
    }

    /// Stops the broker as it should be stopped.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        if let Some(broker) = self.broker.take() {
            broker.stop().await?;
        }
        Ok(())
    }

    /// After a failure: no broker is left behind.
    pub(super) fn give_up(&mut self) {
        self.screen.gap();
        self.broker = None;
    }

    fn site(&self) -> anyhow::Result<Site> {
        self.site.clone().context("the broker was not started yet")
    }
}

/// File that a case's receipt is kept in.
fn receipt_file(site: &Site, case: &str) -> anyhow::Result<std::path::PathBuf> {
    let name: CaseName = case.parse()?;
    let file = format!("{}-{}.tlog-proof", name.agency().id(), name.case_id());
    Ok(site.receipts().join(file))
}
