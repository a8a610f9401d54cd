//! Step 3: agencies report the public cases, each over its own certificate and under its own signature.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, ensure};
use casebroker_client::{Client, ProofFile};
use casebroker_proto::{names::CaseName, tlog::Receipt, v1::CaseReport};

use super::{Stage, TELLING, receipt_file};
use crate::demo::{
    screen::{Screen, count},
    site::{Site, report},
};

impl Stage {
    pub(super) async fn record_cases(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("60 public cases, submitted by the agencies that reported them");
        let site = self.site()?;
        let first = registry(&site, &self.screen).await?;
        let mut clients: BTreeMap<String, Client> = BTreeMap::new();
        for (expected, case) in (first..).zip(&self.cases) {
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
                recorded.position == expected && recorded.verified && !recorded.replayed,
                "{} was recorded at position {}, expected {expected}",
                case.name,
                recorded.position
            );
        }
        let size = first + self.cases.len() as u64;
        let verified = verify_all(&site, &clients, &self.cases, first).await?;
        let screen = &self.screen;
        screen.good(
            "recorded",
            format!(
                "{} cases from {} agencies at positions {first} to {}, each over its own certificate and signature",
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

/// What the log holds before the first case: who the members are. Gives the position of what comes next.
async fn registry(site: &Site, screen: &Screen) -> anyhow::Result<u64> {
    let officer = site.officer("cn-nncc")?;
    let updates = officer.registry_updates().await?;
    let [update] = updates.as_slice() else {
        anyhow::bail!("the registry was recorded {} times", updates.len());
    };
    let members = update.update.iter().flat_map(|u| &u.changes).count();
    let next = officer.checkpoint().await?.checkpoint.size;
    ensure!(
        update.position == 0 && next == 1,
        "the registry is at position {}, and the log has {next} entries",
        update.position
    );
    screen.row(
        "entry 0",
        format!("of the log is the registry: {members} members, their anchors and signing keys"),
    );
    Ok(next)
}

/// Fetches each receipt again, now that all is recorded, and keeps it. The SDK verifies it and its checkpoint's consistency.
async fn verify_all(
    site: &Site,
    clients: &BTreeMap<String, Client>,
    cases: &[CaseReport],
    first: u64,
) -> anyhow::Result<usize> {
    let size = first + cases.len() as u64;
    let folder = site.receipts();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut verified = 0;
    for (position, case) in (first..).zip(cases) {
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
