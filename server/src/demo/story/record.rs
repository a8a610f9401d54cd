//! Step 3: agencies report the public cases, each over its own certificate and under its own signature.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, ensure};
use casebroker_client::{Client, ProofFile};
use casebroker_proto::{names::CaseName, tlog::Receipt, v1::CaseReport};

use super::{Stage, TELLING, receipt_file};
use crate::demo::{
    screen::count,
    site::{Site, report},
};

impl Stage {
    pub(super) async fn record_cases(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("60 public cases, submitted by the agencies that reported them");
        let site = self.site()?;
        let mut clients: BTreeMap<String, Client> = BTreeMap::new();
        for (expected, case) in self.cases.iter().enumerate() {
            self.screen
                .progress("recording", format_args!("{expected} {}", case.name));
            let agency = owner(case)?;
            if !clients.contains_key(&agency) {
                clients.insert(agency.clone(), site.system(&agency)?);
            }
            let client = clients.get(&agency).context("no client")?;
            let recorded = client
                .submit(report(case.clone()))
                .await
                .with_context(|| case.name.clone())?;
            ensure!(
                recorded.position == expected as u64 && recorded.verified && !recorded.replayed,
                "{} was recorded at position {}, expected {expected}",
                case.name,
                recorded.position
            );
        }
        let size = self.cases.len() as u64;
        let verified = verify_all(&site, &clients, &self.cases, size).await?;
        let screen = &self.screen;
        screen.good(
            "recorded",
            format!(
                "{} cases from {} agencies at positions 0 to {}, each over its own certificate and signature",
                self.cases.len(),
                clients.len(),
                size - 1
            ),
        );
        screen.good(
            "receipts",
            format!(
                "{verified} verified against the signed checkpoint of tree size {size}; kept in {}",
                site.receipts().display()
            ),
        );
        let telling = fs::read_to_string(receipt_file(&site, TELLING)?)?;
        let telling: ProofFile = telling.parse()?;
        screen.row(
            "one of them",
            format!(
                "{} bytes prove position {}: an entry of {} bytes, {} hashes, a checkpoint",
                count(telling.to_string().len()),
                telling.receipt.index,
                count(telling.entry.len()),
                telling.receipt.proof.len()
            ),
        );
        Ok(())
    }
}

/// Fetches each receipt again, now that all is recorded, and keeps it. The SDK verifies it and its checkpoint's consistency.
async fn verify_all(
    site: &Site,
    clients: &BTreeMap<String, Client>,
    cases: &[CaseReport],
    size: u64,
) -> anyhow::Result<usize> {
    let folder = site.receipts();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut verified = 0;
    for (position, case) in (0..).zip(cases) {
        let client = clients.get(&owner(case)?).context("no client")?;
        let seen = client.receipt(position).await?;
        ensure!(
            seen.verified,
            "the receipt of {} was not verified",
            case.name
        );
        let answer = seen.response;
        let receipt: Receipt = answer.receipt.parse()?;
        let trust = client.trust().context("no log key")?;
        let checkpoint = trust.open(&receipt.checkpoint)?;
        ensure!(
            checkpoint.size == size,
            "the newest checkpoint covers {} entries, expected {size}",
            checkpoint.size
        );
        let file = ProofFile::new(&answer.receipt, answer.entry)?;
        fs::write(receipt_file(site, &case.name)?, file.to_string())?;
        verified += 1;
    }
    Ok(verified)
}

fn owner(case: &CaseReport) -> anyhow::Result<String> {
    let name: CaseName = case.name.parse()?;
    Ok(name.agency().id().to_owned())
}
