//! Step 8: somebody with access to the disk changes one byte, and is found out.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use casebroker_client::{LogTrust, ProofFile};

use super::{Broker, Stage, TELLING, receipt_file};
use crate::demo::{screen::seconds, site::Site};

/// Words of the telling case as they lie in the journal, and what becomes of them.
const TRUE: &[u8] = b"50 kg in barrels";
const FALSE: &[u8] = b"10 kg in barrels";

impl Stage {
    pub(super) async fn tamper(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("One byte is changed on the disk: 50 kg become 10 kg");
        let site = self.site()?;
        let (segment, offset) = find(&site.layout.data(), TRUE)?
            .context("the case is not in the journal's segments")?;
        let name = segment
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        write_at(&segment, offset, FALSE)?;
        self.screen
            .alert("changed", format!("byte {offset} of {}", segment.display()));
        let refusal = Broker::start_refused(&self.layout).await?;
        ensure!(
            refusal.contains(&name) && refusal.contains("offset") && refusal.contains("position"),
            "the broker refuses, but does not say where the damage is: {refusal}"
        );
        self.screen.good("broker", "refuses to serve:");
        self.screen.quote(&refusal);

        write_at(&segment, offset, TRUE)?;
        let broker = Broker::start(&self.layout).await?;
        self.screen.row(
            "changed back",
            format!(
                "process {} serves again after {}",
                broker.pid(),
                seconds(broker.took)
            ),
        );
        self.broker = Some(broker);
        let answer = site.officer("cn-nncc")?.get_case(TELLING).await?;
        ensure!(
            answer.case.is_some() && answer.case == self.told,
            "the case is not what it was"
        );
        self.screen
            .good("cn-nncc", format!("gets {TELLING} as before"));

        let refusal = forged_receipt(&site)?;
        self.screen
            .alert("changed", "the same byte in a copy of the receipt");
        self.screen
            .good("verification", format!("fails: {refusal}"));
        Ok(())
    }
}

/// What verification says of a receipt with one byte of its entry changed.
fn forged_receipt(site: &Site) -> anyhow::Result<String> {
    let text = fs::read_to_string(receipt_file(site, TELLING)?)?;
    let mut file: ProofFile = text.parse()?;
    let at = position(&file.entry, TRUE).context("the receipt holds another case")?;
    let byte = file.entry.get_mut(at).context("beyond the entry")?;
    *byte = FALSE.first().copied().unwrap_or_default();
    let forged: ProofFile = file.to_string().parse()?;
    let trust = LogTrust::new(&site.log_vkey, None)?;
    let index = forged.receipt.index;
    match trust.verify_receipt(&forged.receipt.to_string(), &forged.entry, index) {
        Ok(_) => anyhow::bail!("a forged receipt verifies"),
        Err(failure) => Ok(failure.to_string()),
    }
}

/// The segment of the journal that holds these bytes, and where.
fn find(folder: &Path, bytes: &[u8]) -> anyhow::Result<Option<(PathBuf, u64)>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, bytes)? {
                return Ok(Some(found));
            }
        } else if path.extension().is_some_and(|e| e == "segment")
            && let Some(at) = position(&fs::read(&path)?, bytes)
        {
            return Ok(Some((path, at as u64)));
        }
    }
    Ok(None)
}

fn position(text: &[u8], bytes: &[u8]) -> Option<usize> {
    text.windows(bytes.len()).position(|window| window == bytes)
}

/// Writes over what is there; the two texts differ in one byte.
fn write_at(path: &Path, offset: u64, bytes: &[u8]) -> anyhow::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    file.write_all_at(bytes, offset)?;
    file.sync_all()?;
    Ok(())
}
