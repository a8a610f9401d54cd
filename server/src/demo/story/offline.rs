//! Step 7: a receipt is verified with the broker stopped, from three files.

use std::{fs, net::TcpStream};

use anyhow::{Context as _, ensure};
use casebroker_client::{LogTrust, Members, ProofFile};
use casebroker_proto::v1::{Statement, statement::Kind};

use super::{Stage, TELLING, receipt_file};
use crate::demo::screen::{count, seconds};

impl Stage {
    pub(super) async fn verify_offline(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("The broker is stopped; its receipt still proves the case");
        let site = self.site()?;
        let broker = self.broker.take().context("no broker")?;
        let pid = broker.pid();
        let took = broker.stop().await?;
        ensure!(
            TcpStream::connect(site.address).is_err(),
            "somebody still listens on {}",
            site.address
        );
        let screen = &self.screen;
        screen.row(
            "stopped",
            format!(
                "process {pid} in {}; nobody listens on {} any more",
                seconds(took),
                site.address
            ),
        );
        let path = receipt_file(&site, TELLING)?;
        let text = fs::read_to_string(&path)?;
        screen.row("receipt", path.display().to_string());
        let file: ProofFile = text.parse()?;
        let index = file.receipt.index;
        let trust = LogTrust::new(&site.log_vkey, None)?;
        let seen = trust.verify_receipt(&file.receipt.to_string(), &file.entry, index)?;
        screen.good(
            "checkpoint",
            format!(
                "of {}, tree size {}, signed by the log's key {:08x}",
                seen.checkpoint.origin,
                count(seen.checkpoint.size),
                trust.verifier().key_id()
            ),
        );
        screen.good(
            "inclusion",
            format!(
                "the entry is leaf {index} of that tree, by {} hashes",
                file.receipt.proof.len()
            ),
        );
        let signed = Members::load(&site.layout.members())?.verify(&file.entry)?;
        screen.good(
            "signature",
            format!(
                "by {}, under the anchor of {}",
                signed.signer, signed.signer.agency
            ),
        );
        screen.row("what it proves", title(&signed.statement)?);
        Ok(())
    }
}

fn title(statement: &Statement) -> anyhow::Result<&str> {
    let Some(Kind::Report(report)) = &statement.kind else {
        anyhow::bail!("the statement is no report");
    };
    let report = report.report.as_ref().context("an empty report")?;
    ensure!(report.name == TELLING, "the entry is about {}", report.name);
    Ok(&report.title)
}
