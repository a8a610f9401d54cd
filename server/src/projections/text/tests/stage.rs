//! A journal with reports in it, and an index that follows it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use casebroker_proto::{
    names::CaseName,
    statement::Signer,
    v1::{
        Amendment, CaseReport, Entry, Organization, Report, Retraction, Statement, statement::Kind,
    },
};
use prost::Message as _;
use tempfile::TempDir;
use tokio::sync::watch;

use super::super::*;
use crate::{
    journal::{
        Journal as _, conformance,
        segments::{self, Segments},
    },
    projections::reader::tests::signer,
};

/// Longest wait in a test.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said in an entry.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Report(CaseReport),
    Amendment(CaseReport),
    Retraction,
}

/// A journal, and where the index goes.
pub(super) struct Stage {
    pub(super) dir: TempDir,
    pub(super) said: Vec<Said>,
    journal: Segments,
    signer: Signer,
    tail: watch::Sender<u64>,
    /// The tree reaches to here.
    size: Arc<AtomicU64>,
    /// Told apart by their roots.
    pub(super) history: u8,
    pub(super) options: Options,
}

impl Stage {
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let options = segments::Options {
            segment_bytes: 1 << 20,
            ..segments::Options::new("log.example/text")
        };
        let journal = Segments::create(&dir.path().join("journal"), options).unwrap();
        Self {
            options: Options {
                commit: Duration::from_millis(10),
                memory_bytes: 16 << 20,
                ..Options::new(dir.path(), &config::Text::default())
            },
            dir,
            said: Vec::new(),
            journal,
            signer: signer(),
            tail: watch::channel(0).0,
            size: Arc::default(),
            history: 0,
        }
    }

    /// With a report for each narrative.
    pub(super) fn with(narratives: &[&str]) -> Self {
        let mut stage = Self::new();
        stage.report_all(narratives);
        stage
    }

    pub(super) fn report_all(&mut self, narratives: &[&str]) {
        let said = narratives
            .iter()
            .map(|text| Said::Report(report("", text, &[])));
        self.say(said.collect());
    }

    /// Records it in one group.
    pub(super) fn say(&mut self, said: Vec<Said>) {
        let first = self.said.len();
        let numbered = said.iter().zip(first..);
        let entries: Vec<_> = numbered
            .map(|(said, n)| entry(&self.signer, said, n))
            .collect();
        conformance::append(&mut self.journal, &entries).unwrap();
        self.said.extend(said);
        let size = self.said.len() as u64;
        self.size.store(size, Ordering::Relaxed);
        self.tail.send_replace(size);
    }

    pub(super) fn size(&self) -> u64 {
        self.said.len() as u64
    }

    /// The log now ends earlier.
    pub(super) fn cut(&self, size: u64) {
        self.size.store(size, Ordering::Relaxed);
        self.tail.send_replace(size);
    }

    pub(super) fn start(&self) -> (Text, Opened) {
        self.start_with(self.journal.reader())
    }

    pub(super) fn start_with(&self, journal: Arc<dyn JournalReader>) -> (Text, Opened) {
        let (size, history) = (Arc::clone(&self.size), self.history);
        let root_at = move |position: u64| {
            let mut root = conformance::root(position);
            root[31] ^= history;
            Ok((position <= size.load(Ordering::Relaxed)).then_some(root))
        };
        let tail = self.tail.subscribe();
        Text::start(self.options.clone(), journal, tail, Box::new(root_at)).unwrap()
    }

    /// An index that has everything.
    pub(super) fn whole(&self) -> Text {
        let (text, _) = self.start();
        text.wait_for(self.size());
        text
    }

    pub(super) fn reader(&self) -> Arc<dyn JournalReader> {
        self.journal.reader()
    }

    pub(super) fn index(&self) -> PathBuf {
        self.options.dir.join("index")
    }

    /// Files of the index, by name, without its locks.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.index()).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|path| path.extension().is_none_or(|e| e != "lock"));
        files.sort();
        files
    }

    /// Indexes that were moved aside.
    pub(super) fn asides(&self) -> usize {
        let found = fs::read_dir(&self.options.dir).unwrap();
        let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("index.aside-"))
            .count()
    }
}

impl Text {
    /// Until everything before a position can be found.
    pub(super) fn wait_for(&self, position: u64) {
        wait(|| self.position() >= position);
    }

    pub(super) fn found(&self, query: &str) -> Vec<u64> {
        let matches = self.search(&TextQuery::parse(query).unwrap(), &|| false);
        positions(&matches.unwrap())
    }
}

pub(super) fn positions(matches: &Matches) -> Vec<u64> {
    let found: Vec<_> = (0..matches.as_of + 130)
        .filter(|p| matches.contains(*p))
        .collect();
    assert_eq!(found.len() as u64, matches.len());
    assert_eq!(found.is_empty(), matches.is_empty());
    found
}

/// Until something is so.
pub(super) fn wait(is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain");
        // The index is made by threads of a low priority.
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn report(title: &str, narrative: &str, organizations: &[&str]) -> CaseReport {
    let named = |name: &&str| Organization {
        name: (*name).into(),
        ..Default::default()
    };
    CaseReport {
        title: title.into(),
        narrative: narrative.into(),
        organizations: organizations.iter().map(named).collect(),
        ..Default::default()
    }
}

/// Copies a folder of files, of which some may be deleted meanwhile.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        match fs::copy(file.path(), to.join(file.file_name())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => drop(outcome.unwrap()),
        }
    }
}

fn entry(signer: &Signer, said: &Said, number: usize) -> Bytes {
    let case = CaseName::from_ids("us-dea", &format!("case-{number}")).unwrap();
    let kind = match said {
        Said::Report(report) => Kind::Report(Report {
            report: Some(report.clone()),
        }),
        Said::Amendment(report) => Kind::Amendment(Amendment {
            report: Some(report.clone()),
            ..Default::default()
        }),
        Said::Retraction => Kind::Retraction(Retraction::default()),
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
