use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use casebroker_proto::{
    names::AgencyName,
    statement::Signer,
    v1::{Amendment, CaseReport, Entry, Handling, Report, Statement, Tlp, statement::Kind},
};
use prost::Message as _;
use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose, SanType};
use tokio::sync::watch;

use super::*;
use crate::{
    journal::{GroupTrailer, ReadLimit, Record},
    state::{Applied, Change, Effect, StatementChange},
};

/// A journal that counts how often it is read.
#[derive(Debug, Default)]
pub(in crate::projections) struct Counted {
    pub(in crate::projections) entries: Vec<Bytes>,
    pub(in crate::projections) reads: AtomicUsize,
}

impl JournalReader for Counted {
    fn next_position(&self) -> u64 {
        self.entries.len() as u64
    }

    fn last_group(&self) -> Option<GroupTrailer> {
        None
    }

    fn read(&self, from: u64, limit: ReadLimit) -> Result<Vec<Record>, JournalError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let records = self.entries.iter().enumerate().skip(from as usize);
        let record = |(position, entry): (usize, &Bytes)| Record {
            position: position as u64,
            entry: entry.clone(),
        };
        Ok(records.take(limit.entries).map(record).collect())
    }

    fn group_trailer_over(&self, _: u64) -> Result<Option<GroupTrailer>, JournalError> {
        Ok(None)
    }

    fn subscribe(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

struct Stage {
    journal: Arc<Counted>,
    cases: CaseReader,
    _dir: tempfile::TempDir,
}

/// Cases of us-dea, each with so many revisions: `open-*` for everybody, `hidden-*` for us-dea alone.
fn stage(cases: &[(&str, usize)]) -> Stage {
    let signer = signer();
    let mut entries = Vec::new();
    let mut changes = Vec::new();
    for (id, revisions) in cases {
        let case = CaseName::from_ids("us-dea", id).unwrap();
        let mut record = CaseRecord::default();
        for revision in 0..*revisions {
            let position = entries.len() as u64;
            let effect = match revision {
                0 => Effect::Reported,
                _ => Effect::Amended,
            };
            record.statements.push((position, effect));
            entries.push(entry(&signer, &case, revision));
            changes.push(Change::Statement(StatementChange {
                position,
                agency: case.agency().clone(),
                request_id: u128::from(position).to_be_bytes(),
                case: case.clone(),
                record: record.clone(),
                tasks: Vec::new(),
            }));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let size = entries.len() as u64;
    let (state, _) = Store::open(dir.path(), 1 << 20, &|_| Ok(Some([0; 32]))).unwrap();
    let applied = Applied {
        position: size,
        root: [0; 32],
    };
    state.stage(&changes, applied).unwrap();
    let journal = Arc::new(Counted {
        entries,
        reads: AtomicUsize::new(0),
    });
    Stage {
        cases: CaseReader::new(
            Arc::clone(&journal) as _,
            Arc::new(state),
            Arc::default(),
            Arc::default(),
        ),
        journal,
        _dir: dir,
    }
}

fn entry(signer: &Signer, case: &CaseName, revision: usize) -> Bytes {
    let hidden = case.case_id().starts_with("hidden");
    let (tlp, audience) = match hidden {
        true => (Tlp::Red, vec!["agencies/us-dea".to_owned()]),
        false => (Tlp::Green, vec![]),
    };
    let report = Some(CaseReport {
        name: case.to_string(),
        handling: Some(Handling {
            tlp: tlp.into(),
            audience,
            ..Default::default()
        }),
        ..Default::default()
    });
    let kind = match revision {
        0 => Kind::Report(Report { report }),
        _ => Kind::Amendment(Amendment {
            report,
            ..Default::default()
        }),
    };
    let statement = Statement {
        case: case.to_string(),
        kind: Some(kind),
        ..Default::default()
    };
    let entry = Entry {
        principal: "spiffe://casebroker.example/agency/us-dea/system/test".into(),
        signed_statement: signer.sign(&statement).unwrap().into(),
        ..Default::default()
    };
    entry.encode_to_vec().into()
}

pub(in crate::projections) fn signer() -> Signer {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let id = "spiffe://casebroker.example/agency/us-dea/signer/test";
    params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
    let certificate = params.self_signed(&key).unwrap();
    Signer::new(key.serialized_der(), certificate.der()).unwrap()
}

fn agency(id: &str) -> AgencyName {
    AgencyName::from_id(id).unwrap()
}

fn officer(id: &str) -> Viewer {
    Viewer::of(&agency(id))
}

impl Stage {
    /// Reads of the journal that a call takes.
    fn reads<T>(&self, call: impl FnOnce(&CaseReader) -> T) -> (T, usize) {
        let before = self.journal.reads.load(Ordering::Relaxed);
        let answer = call(&self.cases);
        (answer, self.journal.reads.load(Ordering::Relaxed) - before)
    }

    /// Reads that it takes to refuse a case.
    fn reads_to_refuse(&self, caller: &str, id: &str) -> usize {
        let name = CaseName::from_ids("us-dea", id).unwrap();
        let (answer, reads) = self.reads(|cases| cases.case(&officer(caller), &name));
        assert!(matches!(answer, Err(ReadError::NoCase(_))), "{answer:?}");
        reads
    }
}

#[test]
fn a_hidden_case_and_a_missing_one_cost_the_same_reads_however_many_statements_there_are() {
    let stage = stage(&[
        ("open-1", 3),
        ("hidden-1", 1),
        ("hidden-9", 9),
        ("open-2", 1),
    ]);
    for hidden in ["hidden-1", "hidden-9"] {
        assert_eq!(stage.reads_to_refuse("us-cbp", hidden), 2, "{hidden}");
    }
    for n in 0..100 {
        assert_eq!(stage.reads_to_refuse("us-cbp", &format!("missing-{n}")), 2);
    }
    let name = CaseName::from_ids("us-dea", "hidden-9").unwrap();
    let case = stage.cases.case(&officer("us-dea"), &name).unwrap();
    assert_eq!(case.revision, 9, "it is there for its owner");
}

#[test]
fn while_the_log_is_empty_every_case_is_missing() {
    assert_eq!(stage(&[]).reads_to_refuse("us-cbp", "missing"), 0);
}

#[test]
fn a_hidden_entry_costs_the_same_reads_however_many_statements_its_case_has() {
    let stage = stage(&[("hidden-1", 1), ("hidden-9", 9)]);
    for position in 0..10 {
        let (answer, reads) = stage.reads(|cases| cases.entry(&officer("us-cbp"), position));
        assert!(matches!(answer, Err(ReadError::NoEntry(_))), "{answer:?}");
        assert_eq!(reads, 3, "{position}");
    }
}
