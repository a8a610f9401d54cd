//! A journal in memory.

use std::sync::Arc;

use bytes::Bytes;
use casebroker_proto::{
    statement::Signer,
    v1::{Entry, Report, Statement, statement::Kind},
};
use casebroker_server::journal::{GroupTrailer, JournalError, JournalReader, ReadLimit, Record};
use casebroker_tests::{DEA, cases, pki::Authority};
use prost::Message as _;
use tokio::sync::watch;

use super::texts;

/// Entries, each a report.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Arc<Vec<Bytes>>);

impl Journal {
    pub(crate) fn made(reports: usize) -> Self {
        let (_, signer) = Authority::new("us-dea").signer(DEA, "bench", (2020, 2100));
        Self(Arc::new((0..reports).map(|n| entry(&signer, n)).collect()))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }
}

impl JournalReader for Journal {
    fn next_position(&self) -> u64 {
        self.0.len() as u64
    }

    fn last_group(&self) -> Option<GroupTrailer> {
        None
    }

    fn read(&self, from: u64, limit: ReadLimit) -> Result<Vec<Record>, JournalError> {
        let entries = (from..).zip(self.0.iter().skip(from as usize));
        let record = |(position, entry): (u64, &Bytes)| Record {
            position,
            entry: Bytes::copy_from_slice(entry),
        };
        Ok(entries.take(limit.entries).map(record).collect())
    }

    fn group_trailer_over(&self, _: u64) -> Result<Option<GroupTrailer>, JournalError> {
        Ok(None)
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

fn entry(signer: &Signer, number: usize) -> Bytes {
    let mut report = cases::report(DEA, &format!("bench-{number}"));
    (report.title, report.narrative) = texts::of(number);
    let statement = Statement {
        case: report.name.clone(),
        kind: Some(Kind::Report(Report {
            report: Some(report),
        })),
        ..Statement::default()
    };
    let entry = Entry {
        principal: "spiffe://casebroker.example/agency/us-dea/system/bench".into(),
        signed_statement: signer.sign(&statement).expect("a signature").into(),
        ..Entry::default()
    };
    entry.encode_to_vec().into()
}
