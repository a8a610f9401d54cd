use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use casebroker_proto::{
    names::AgencyName,
    statement::Signer,
    v1::{
        Amendment, CaseReport, Entry, Handling, Identifier, IdentifierKind, OverlapDeclaration,
        Report, Retraction, Statement, Tlp, statement::Kind,
    },
};

use super::{
    super::{
        reader::tests::{Counted, signer},
        table::Sharing,
    },
    candidates::MAX_CANDIDATES,
    *,
};
use crate::state::{Applied, Change, StatementChange, Store};

/// Puts statements on record without a broker.
struct Stage {
    signer: Signer,
    journal: Counted,
    changes: Vec<Change>,
    sharing: Arc<Sharing>,
    records: HashMap<CaseName, CaseRecord>,
}

/// A case by owner and id, `us-dea/1`.
fn name(case: &str) -> CaseName {
    let (agency, id) = case.split_once('/').unwrap();
    CaseName::from_ids(agency, id).unwrap()
}

fn officer(id: &str) -> Viewer {
    Viewer::of(&AgencyName::from_id(id).unwrap())
}

impl Stage {
    fn new() -> Self {
        Self {
            signer: signer(),
            journal: Counted::default(),
            changes: Vec::new(),
            sharing: Arc::default(),
            records: HashMap::new(),
        }
    }

    fn say(&mut self, case: &CaseName, kind: Kind, handling: Option<Handling>) {
        let position = self.journal.entries.len() as u64;
        let statement = Statement {
            case: case.to_string(),
            handling,
            kind: Some(kind),
            ..Default::default()
        };
        let agency = case.agency().id();
        let entry = Entry {
            principal: format!("spiffe://casebroker.example/agency/{agency}/officer/test"),
            signed_statement: self.signer.sign(&statement).unwrap().into(),
            salt: position.to_be_bytes().to_vec().into(),
            ..Default::default()
        };
        self.journal.entries.push(entry.encode_to_vec().into());
        let record = self.records.remove(case).unwrap_or_default();
        let first = record.statements.first().map_or(position, |(at, _)| *at);
        let keys = overlap::keys(case.agency(), &statement);
        self.sharing.take(first, case.agency(), &keys).unwrap();
        let (maker, request_id) = (case.agency().clone(), u128::from(position).to_be_bytes());
        let change = StatementChange::new(
            position,
            maker,
            request_id,
            case.clone(),
            record,
            &statement,
        );
        self.records.insert(case.clone(), change.record.clone());
        self.changes.push(Change::Statement(change));
    }

    /// A case for its owner alone or for everybody, with these tracking numbers.
    fn report(&mut self, case: &str, hidden: bool, numbers: &[u32]) {
        let case = name(case);
        let report = Some(report(&case, hidden, numbers));
        self.say(&case, Kind::Report(Report { report }), None);
    }

    /// To its owner alone.
    fn declare(&mut self, case: &str, overlap: &str, verdict: OverlapVerdict) {
        self.declare_to(true, case, overlap, verdict);
    }

    fn declare_to(&mut self, hidden: bool, case: &str, overlap: &str, verdict: OverlapVerdict) {
        let declaration = OverlapDeclaration {
            overlap: overlap.into(),
            verdict: verdict.into(),
            ..Default::default()
        };
        let kind = Kind::OverlapDeclaration(declaration);
        self.say(&name(case), kind, Some(handling(hidden)));
    }

    /// Both owners say that these cases are one incident.
    fn join(&mut self, one: &str, other: &str) {
        let [first, second] = [one, other].map(|case| {
            let record = &self.records[&name(case)];
            record.statements[0].0
        });
        let id = self.reader(|cases| cases.overlap_id(first, second).unwrap());
        for case in [one, other] {
            self.declare(case, &id, OverlapVerdict::Same);
        }
    }

    /// What a reader over what was said so far answers.
    fn reader<T>(&self, ask: impl FnOnce(&CaseReader) -> T) -> T {
        self.counted(ask).0
    }

    /// The same with the reads of the journal that it took.
    fn counted<T>(&self, ask: impl FnOnce(&CaseReader) -> T) -> (T, usize) {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = Store::open(dir.path(), 1 << 20, &|_| Ok(Some([0; 32]))).unwrap();
        let applied = Applied {
            position: self.journal.entries.len() as u64,
            root: [0; 32],
        };
        state.stage(&self.changes, applied).unwrap();
        let journal = Arc::new(Counted {
            entries: self.journal.entries.clone(),
            ..Default::default()
        });
        let sharing = Arc::clone(&self.sharing);
        let (read, state) = (Arc::clone(&journal) as _, Arc::new(state));
        let reader = CaseReader::new(read, state, Arc::default(), sharing);
        let answer = ask(&reader);
        (answer, journal.reads.load(Ordering::Relaxed))
    }
}

fn handling(hidden: bool) -> Handling {
    let tlp = if hidden { Tlp::Red } else { Tlp::Green };
    Handling {
        tlp: tlp.into(),
        no_deconfliction: hidden,
        ..Default::default()
    }
}

fn report(case: &CaseName, hidden: bool, numbers: &[u32]) -> CaseReport {
    let identifiers = numbers.iter().map(|number| Identifier {
        kind: IdentifierKind::TrackingNumber.into(),
        value: format!("CP{number:09}CN"),
        issuer: String::new(),
    });
    CaseReport {
        name: case.to_string(),
        identifiers: identifiers.collect(),
        handling: Some(handling(hidden)),
        ..Default::default()
    }
}

#[test]
fn cases_that_are_not_told_cost_the_same_reads_as_none() {
    let reads = |hidden: usize, viewer: &str| {
        let mut stage = Stage::new();
        stage.report("us-dea/open", false, &[1]);
        for n in 0..6 {
            // As many cases whatever they share.
            let number = if n < hidden { 1 } else { 2 };
            stage.report(&format!("us-cbp/hidden-{n}"), true, &[number]);
        }
        let open = name("us-dea/open");
        let (found, reads) = stage.counted(|cases| cases.overlaps(&officer(viewer), &open));
        let found = found.unwrap();
        assert!(found.overlaps.is_empty() && !found.truncated);
        let seen = stage.reader(|cases| cases.overlaps(&officer("us-cbp"), &open));
        assert_eq!(seen.unwrap().overlaps.len(), hidden, "they do overlap");
        reads
    };
    for viewer in ["us-dea", "ca-rcmp"] {
        let none = reads(0, viewer);
        for hidden in 1..=EQUAL_WORK {
            assert_eq!(reads(hidden, viewer), none, "{hidden} for {viewer}");
        }
    }
}

#[test]
fn that_hidden_cases_were_left_out_is_not_told() {
    let truncated = |hidden: bool| {
        let mut stage = Stage::new();
        for n in 0..MAX_HOLDERS_AN_AGENCY + 5 {
            stage.report(&format!("us-cbp/c{n}"), hidden, &[1]);
        }
        stage.report("us-dea/a", false, &[1]);
        let a = name("us-dea/a");
        let found = stage.reader(|cases| cases.overlaps(&officer("ca-rcmp"), &a).unwrap());
        let told = if hidden { 0 } else { MAX_HOLDERS_AN_AGENCY };
        assert_eq!(found.overlaps.len(), told);
        found.truncated
    };
    assert!(truncated(false));
    assert!(!truncated(true));
}

#[test]
fn what_it_costs_does_not_grow_with_the_number_of_cases() {
    let reads = |others: u32| {
        let mut stage = Stage::new();
        stage.report("us-dea/a", false, &[1]);
        stage.report("us-cbp/b", false, &[1]);
        for n in 0..others {
            stage.report(&format!("ca-rcmp/c{n}"), false, &[1_000 + n]);
        }
        let a = name("us-dea/a");
        let (found, reads) = stage.counted(|cases| cases.overlaps(&officer("mx-fgr"), &a));
        assert_eq!(found.unwrap().overlaps.len(), 1);
        reads
    };
    assert_eq!(reads(10), reads(1_000));
}

#[test]
fn joined_cases_have_one_number_whoever_may_see_them() {
    let mut stage = Stage::new();
    stage.report("us-dea/other", false, &[9]);
    stage.report("us-cbp/b", true, &[1, 2]);
    stage.report("us-dea/a", true, &[1]);
    stage.report("ca-rcmp/c", true, &[2]);
    let cases = ["us-dea/other", "us-cbp/b", "us-dea/a", "ca-rcmp/c"].map(name);
    // The first of them that is the same incident.
    let numbers = |stage: &Stage| {
        stage.reader(|reader| {
            cases.each_ref().map(|case| {
                let incident = reader.incident(case).unwrap();
                cases.iter().position(|c| incident.contains(c)).unwrap()
            })
        })
    };
    assert_eq!(numbers(&stage), [0, 1, 2, 3]);
    stage.join("us-cbp/b", "us-dea/a");
    assert_eq!(numbers(&stage), [0, 1, 1, 3]);
    stage.join("ca-rcmp/c", "us-cbp/b");
    assert_eq!(numbers(&stage), [0, 1, 1, 1]);
    // Nobody sees more than its own case.
    let named = stage.reader(|cases| {
        let viewer = officer("us-dea");
        cases.same_incident(&viewer, &name("us-dea/a")).unwrap()
    });
    assert!(named.is_empty());

    let mut retracted = stage;
    let reason = String::new();
    let kind = Kind::Retraction(Retraction { reason });
    retracted.say(&name("us-cbp/b"), kind, Some(handling(true)));
    assert_eq!(numbers(&retracted), [0, 1, 2, 3]);
}

#[test]
fn a_word_that_is_not_for_a_viewer_parts_nothing_for_it() {
    let mut stage = Stage::new();
    stage.report("us-dea/a", false, &[1]);
    stage.report("us-cbp/b", false, &[1]);
    let id = id_of(0, 1);
    for case in ["us-dea/a", "us-cbp/b"] {
        stage.declare_to(false, case, &id, OverlapVerdict::Same);
    }
    let joined = |stage: &Stage, viewer: &str| {
        stage.reader(|cases| {
            let viewer = officer(viewer);
            cases.same_incident(&viewer, &name("us-dea/a")).unwrap()
        })
    };
    let known = [name("us-cbp/b").to_string()];
    assert_eq!(joined(&stage, "ca-rcmp"), known);
    stage.declare_to(true, "us-cbp/b", &id, OverlapVerdict::Different);
    assert_eq!(
        joined(&stage, "ca-rcmp"),
        known,
        "as if it had not been said"
    );
    for owner in ["us-dea", "us-cbp"] {
        assert!(joined(&stage, owner).is_empty(), "{owner} is told");
    }
    stage.declare_to(false, "us-cbp/b", &id, OverlapVerdict::Different);
    assert!(joined(&stage, "ca-rcmp").is_empty());
}

#[test]
fn the_number_of_joined_cases_is_limited() {
    let mut stage = Stage::new();
    for n in 0..(group::MAX_GROUP as u32 + 20) {
        stage.report(&format!("us-dea/c{n}"), false, &[n, n + 1]);
    }
    for n in 0..(group::MAX_GROUP + 19) {
        let (one, other) = (format!("us-dea/c{n}"), format!("us-dea/c{}", n + 1));
        let first = |case: &str| stage.records[&name(case)].statements[0].0;
        let id = id_of(first(&one), first(&other));
        for case in [&one, &other] {
            stage.declare(case, &id, OverlapVerdict::Same);
        }
    }
    let joined = stage.reader(|cases| {
        let viewer = officer("us-cbp");
        cases.same_incident(&viewer, &name("us-dea/c0")).unwrap()
    });
    assert!(
        joined.is_empty(),
        "the declarations are for the owner alone"
    );
    let joined = stage.reader(|cases| {
        let viewer = officer("us-dea");
        cases.same_incident(&viewer, &name("us-dea/c0")).unwrap()
    });
    assert_eq!(joined.len(), group::MAX_GROUP - 1);
}

/// The id of an overlap by the definition: SHA-256 over a domain and both salts, cut to 16 bytes.
fn id_of(first: u64, second: u64) -> String {
    let salts = [first.to_be_bytes(), second.to_be_bytes()].concat();
    let hashed = digest(&SHA256, &[ID_DOMAIN, &salts].concat());
    hex::encode(&hashed.as_ref()[..16])
}

#[test]
fn an_overlap_is_known_by_what_the_newest_revision_brought() {
    let mut stage = Stage::new();
    stage.report("us-dea/a", false, &[1]);
    stage.report("us-cbp/b", false, &[1]);
    stage.report("us-cbp/c", false, &[2]);
    let (a, b) = (name("us-dea/a"), name("us-cbp/b"));
    let [with_b, with_c] = [id_of(0, 1), id_of(0, 2)];
    let knows = |stage: &Stage, case: &CaseName, id: &str| {
        let (known, reads) = stage.counted(|cases| cases.knows_overlap(case, id).unwrap());
        assert!(reads <= 2 + 2 * MAX_LATE + 2 * MAX_CANDIDATES);
        known
    };
    assert!(knows(&stage, &a, &with_b) && knows(&stage, &b, &with_b));
    assert!(!knows(&stage, &a, &with_c));
    assert!(!knows(&stage, &name("us-cbp/c"), &with_b));
    assert!(!knows(&stage, &name("us-cbp/missing"), &with_b));
    let report = Some(report(&a, false, &[2]));
    let amendment = Amendment {
        report,
        expected_revision: 1,
        ..Default::default()
    };
    stage.say(&a, Kind::Amendment(amendment), None);
    assert!(!knows(&stage, &a, &with_b) && knows(&stage, &a, &with_c));
}

#[test]
fn what_is_not_known_yet_is_no_answer() {
    let mut stage = Stage::new();
    stage.report("us-dea/a", false, &[1]);
    stage.report("us-cbp/b", false, &[1]);
    let (a, viewer) = (name("us-dea/a"), officer("us-dea"));
    stage.sharing.publish(1);
    stage.reader(|cases| {
        let then = |wanted| cases.since(wanted).overlaps(&viewer, &a);
        assert_eq!(then(1).unwrap().overlaps.len(), 1);
        let behind = then(2).unwrap_err();
        assert!(matches!(
            behind,
            ReadError::Behind {
                position: 1,
                wanted: 2
            }
        ));
        // As if the log had ended before the other case.
        assert!(
            cases
                .at(1)
                .overlaps(&viewer, &a)
                .unwrap()
                .overlaps
                .is_empty()
        );
    });
}
