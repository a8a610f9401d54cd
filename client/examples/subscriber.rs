//! Every statement exactly once: a consumer that keeps effect and position in one place.
//!
//! The broker delivers at least once. A consumer that was killed between its effect and its acknowledgement gets the delivery again, and
//! only the consumer can know that it was dealt with. So the position of each delivery, which is the same for every attempt, goes into
//! the same write as the effect: here a file of totals, which is replaced as a whole by a rename. Either both are in it or neither.
//!
//!     cargo run --example subscriber -- https://localhost:7443 CA.pem ME.pem ME.key agencies/us-dea/subscriptions/west totals.json

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use casebroker_client::{Client, ClientError, Flow, Nack, Profile};
use casebroker_proto::v1::Delivery;
use serde::{Deserialize, Serialize};

/// The effect, and which deliveries it is made of.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Totals {
    /// Statements of each case.
    statements: BTreeMap<String, u64>,
    /// Positions that are counted. A consumer of an ordered subscription can keep one position a case instead.
    positions: BTreeSet<u64>,
}

/// The totals and where they are kept.
#[derive(Debug)]
pub struct Ledger {
    file: PathBuf,
    totals: Mutex<Totals>,
}

impl Ledger {
    /// What an earlier run left, or nothing yet.
    pub fn open(file: &Path) -> io::Result<Self> {
        let totals = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Totals::default(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            file: file.to_owned(),
            totals: Mutex::new(totals),
        })
    }

    /// Counts a delivery, unless it is counted already. When this returns it is on disk and may be acknowledged.
    pub fn count(&self, delivery: &Delivery) -> Result<bool, Nack> {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if !totals.positions.insert(delivery.position) {
            return Ok(false);
        }
        *totals.statements.entry(delivery.case.clone()).or_default() += 1;
        if let Err(error) = self.replace(&totals) {
            // Not on disk, so not counted: the delivery comes again.
            totals.positions.remove(&delivery.position);
            if let Some(count) = totals.statements.get_mut(&delivery.case) {
                *count -= 1;
            }
            return Err(error.into());
        }
        Ok(true)
    }

    /// Effect and position in one step: a rename is whole or not at all.
    fn replace(&self, totals: &Totals) -> io::Result<()> {
        let draft = self.file.with_extension("new");
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(totals)?)?;
        file.sync_all()?;
        fs::rename(&draft, &self.file)?;
        let folder = self
            .file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Counts deliveries until `stop` ends; gives how many were new.
pub async fn consume(
    client: &Client,
    subscription: &str,
    ledger: Ledger,
    stop: impl Future<Output = ()>,
) -> Result<u64, ClientError> {
    let ledger = Arc::new(ledger);
    let subscriber = client.subscriber(subscription).flow(Flow {
        durable: true,
        ..Flow::default()
    });
    let before = ledger.known();
    let handled = Arc::clone(&ledger);
    subscriber
        .run(stop, move |delivery| {
            let ledger = Arc::clone(&handled);
            async move {
                // Writing files blocks, so not on the threads that the network needs.
                let counted = tokio::task::spawn_blocking(move || ledger.count(&delivery));
                counted.await?.map(drop)
            }
        })
        .await?;
    Ok(ledger.known() - before)
}

impl Ledger {
    fn known(&self) -> u64 {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.positions.len() as u64
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [endpoint, ca, certificate, key, subscription, file] = arguments.as_slice() else {
        return Err("usage: subscriber ENDPOINT CA CERTIFICATE KEY SUBSCRIPTION FILE".into());
    };
    let client = Client::connect(&Profile::new(endpoint, ca, certificate, key))?;
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    let new = consume(&client, subscription, Ledger::open(Path::new(file))?, stop).await?;
    eprintln!("{new} statements counted");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(position: u64) -> Delivery {
        Delivery {
            position,
            case: "agencies/us-dea/cases/1".into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_delivery_that_comes_again_is_counted_once_also_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("totals.json");
        let ledger = Ledger::open(&file).unwrap();
        assert_eq!(
            [1, 2, 1].map(|p| ledger.count(&delivery(p)).unwrap()),
            [true, true, false]
        );
        drop(ledger);
        let ledger = Ledger::open(&file).unwrap();
        assert!(!ledger.count(&delivery(2)).unwrap());
        let totals = ledger.totals.lock().unwrap();
        assert_eq!(totals.statements["agencies/us-dea/cases/1"], 2);
    }

    #[test]
    fn what_cannot_be_written_is_not_counted_and_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("gone");
        let ledger = Ledger::open(&folder.join("totals.json")).unwrap();
        assert!(ledger.count(&delivery(1)).is_err());
        fs::create_dir(&folder).unwrap();
        assert!(ledger.count(&delivery(1)).unwrap());
    }
}
