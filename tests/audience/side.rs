//! One broker of a comparison, and what it was sent: so that its answers can be read without its positions.

use std::collections::BTreeMap;

use casebroker_proto::{
    tlog::{Checkpoint, NoteVerifier},
    v1::{Entry, RecordedStatement, Statement, SubmitRequest, statement::Kind},
};
use casebroker_tests::{Broker, Caller, FIRST, Site, pki::Principal, proof};
use prost::Message as _;
use prost_types::Timestamp;
use sha2::{Digest as _, Sha256};
use tonic::{Response, Status};

use crate::{
    answer::{Answer, Body},
    life::NO_ID,
    world::By,
};

/// A broker with a connection of every caller.
pub struct Side {
    /// What it was sent.
    pub book: Book,
    /// By agency and role.
    pub callers: BTreeMap<By, Caller>,
    /// Whether it gets everything.
    pub full: bool,
    _broker: Broker,
}

/// A recorded statement, at its position.
pub struct Line {
    /// Index of the statement in the world: its name in every broker's answers. [`STAND_IN`] if it stands in for another.
    pub id: usize,
    /// As this broker got it.
    pub statement: Statement,
    /// When this broker recorded it.
    pub record_time: Timestamp,
}

/// What a broker recorded and said about its log.
pub struct Book {
    /// By position, from that of the first statement.
    pub lines: Vec<Line>,
    /// Where statements of the world stand, by index.
    positions: BTreeMap<usize, u64>,
    /// Salt of the first entry of each case.
    salts: BTreeMap<String, Vec<u8>>,
    /// Checkpoints seen, by size.
    pub checkpoints: Vec<Checkpoint>,
    /// Key of the log.
    pub key: NoteVerifier,
}

/// Index of what only one broker got, so that it knows what another statement is about. It must show nowhere.
pub const STAND_IN: usize = usize::MAX;

/// A declaration of an overlap, the id of which each broker chooses.
#[derive(Debug)]
pub struct Declares {
    /// The statement, without it.
    pub statement: Statement,
    /// The other case.
    pub other: String,
    /// A report to submit first, in place of the other case.
    pub stand_in: Option<(By, Statement)>,
}

/// Something to submit to one broker.
pub struct Parcel {
    /// By whom.
    pub by: By,
    /// The envelope.
    pub envelope: Vec<u8>,
    /// Statement and index if it must be recorded; else it must be refused, or answered with an earlier entry.
    pub recorded: Option<(usize, Statement)>,
    /// If it declares an overlap. The envelope is then made when it is submitted.
    pub declares: Option<Declares>,
}

impl Side {
    /// Starts a broker with a data folder of its own. Members, keys and everything else are those of the site.
    pub async fn start(
        site: &mut Site,
        data: &str,
        full: bool,
        principals: &BTreeMap<By, Principal>,
    ) -> Self {
        site.set("data_dir", format!("{data:?}"));
        let broker = site.start();
        let mut callers = BTreeMap::new();
        for (by, principal) in principals {
            callers.insert(*by, broker.connect(principal).await);
        }
        Self {
            book: Book {
                lines: Vec::new(),
                positions: BTreeMap::new(),
                salts: BTreeMap::new(),
                checkpoints: Vec::new(),
                key: site.log.clone(),
            },
            callers,
            full,
            _broker: broker,
        }
    }

    /// Submits many, in order; one answer each.
    pub async fn submit_all(&mut self, mut parcels: Vec<Parcel>) -> Vec<Answer> {
        let mut answers = Vec::new();
        // An overlap is known once both cases are recorded.
        for run in parcels.chunk_by_mut(|a, b| a.by == b.by && b.declares.is_none()) {
            if let Some(first) = run.first_mut() {
                self.complete(first).await;
            }
            let envelopes = run.iter().map(|parcel| parcel.envelope.clone()).collect();
            let outcomes = self.callers[&run[0].by].submit_all(envelopes).await;
            for (parcel, outcome) in run.iter().zip(outcomes.unwrap()) {
                let outcome = outcome.map(|mut recorded| {
                    // Of two equal requests in flight at once, each may get the fresh answer.
                    recorded.replayed |= parcel.recorded.is_none();
                    Response::new(recorded)
                });
                answers.push(self.book.submitted(parcel, outcome, &[]));
            }
        }
        answers
    }

    /// Submits one; `known` is the tree size that the caller says it knows.
    pub async fn submit(&mut self, parcel: &mut Parcel, known: u64) -> Answer {
        let overlap = self.complete(parcel).await;
        let request = SubmitRequest {
            signed_statement: parcel.envelope.clone().into(),
            known_tree_size: known,
        };
        let outcome = self.callers[&parcel.by].intake().submit(request).await;
        let outcome = outcome.map(|response| {
            let (metadata, response, extensions) = response.into_parts();
            let recorded = response.recorded.expect("what was recorded");
            let seen = |size| self.book.checkpoints.iter().find(|c| c.size == size);
            if let (Some(proof), Some(old)) = (response.consistency_proof, seen(known)) {
                let receipt = proof::verify(&recorded, &self.book.key);
                let (old, new) = if receipt.size < old.size {
                    (&receipt, old)
                } else {
                    (old, &receipt)
                };
                proof::check(old, new, &proof);
            } else {
                assert_eq!(known, 0, "a proof for whom asks for one");
            }
            Response::from_parts(metadata, recorded, extensions)
        });
        let mut answer = self.book.submitted(parcel, outcome, &[(known, "KNOWN")]);
        if let (Some(overlap), Body::Refused { message, .. }) = (overlap, &mut answer.body) {
            *message = message.replace(&overlap, "OVERLAP");
        }
        answer
    }

    /// Puts the id that this broker has for an overlap into a declaration; answers it.
    async fn complete(&mut self, parcel: &mut Parcel) -> Option<String> {
        let declares = parcel.declares.as_ref()?;
        let case = &declares.statement.case;
        let mut other = declares.other.clone();
        if let Some((by, report)) = &declares.stand_in {
            let caller = &self.callers[by];
            let recorded = caller.submit(report).await.unwrap();
            other.clone_from(&report.case);
            let parcel = Parcel {
                by: *by,
                envelope: Vec::new(),
                recorded: Some((STAND_IN, report.clone())),
                declares: None,
            };
            self.book.take(&parcel, &recorded);
        }
        let id = self.book.overlap_id(case, &other);
        let mut statement = declares.statement.clone();
        if let Some(Kind::OverlapDeclaration(said)) = &mut statement.kind {
            said.overlap.clone_from(&id);
        }
        parcel.envelope = self.callers[&parcel.by].sign(&statement);
        if let Some((_, recorded)) = &mut parcel.recorded {
            *recorded = statement;
        }
        Some(id)
    }
}

impl Book {
    /// Number of entries.
    pub fn size(&self) -> u64 {
        FIRST + self.lines.len() as u64
    }

    /// The newest checkpoint.
    pub fn newest(&self) -> &Checkpoint {
        self.checkpoints.last().expect("the log has entries")
    }

    /// What stands at a position.
    pub fn line(&self, position: u64) -> &Line {
        let at = usize::try_from(position - FIRST).unwrap();
        self.lines.get(at).expect("a position within the log")
    }

    /// The name of what stands at a position: its index in the world.
    pub fn name(&self, position: u64) -> u64 {
        self.line(position).id as u64
    }

    /// Where a statement stands.
    pub fn position(&self, id: usize) -> Option<u64> {
        self.positions.get(&id).copied()
    }

    /// The id of an overlap, as "projections" in the server says: of the salts of both first entries, in the order of the log.
    pub fn overlap_id(&self, one: &str, other: &str) -> String {
        let first = |case: &str| {
            self.lines
                .iter()
                .position(|line| line.statement.case == case)
        };
        let (Some(a), Some(b)) = (first(one), first(other)) else {
            return NO_ID.into();
        };
        let (first, second) = if a < b { (one, other) } else { (other, one) };
        let mut hash = Sha256::new();
        hash.update(b"casebroker.v1 overlap\0");
        hash.update(&self.salts[first]);
        hash.update(&self.salts[second]);
        hex::encode(&hash.finalize()[..16])
    }

    fn submitted(
        &mut self,
        parcel: &Parcel,
        outcome: Result<Response<RecordedStatement>, Status>,
        asked: &[(u64, &str)],
    ) -> Answer {
        if let Ok(response) = &outcome {
            self.take(parcel, response.get_ref());
        } else if let Some((id, statement)) = &parcel.recorded {
            let declares = &parcel.declares;
            panic!("{id} refused: {outcome:?}\n{statement:?}\n{declares:?}");
        }
        Answer::of(self, outcome, asked, |book, recorded| Body::Recorded {
            id: book.line(recorded.position).id,
            replayed: recorded.replayed,
        })
    }

    fn take(&mut self, parcel: &Parcel, recorded: &RecordedStatement) {
        let checkpoint = proof::verify(recorded, &self.key);
        match &parcel.recorded {
            None => assert!(recorded.replayed, "recorded, but leaves no trace elsewhere"),
            Some((id, statement)) => {
                assert_eq!(
                    recorded.position,
                    self.size(),
                    "what is refused takes no position"
                );
                assert!(!recorded.replayed);
                self.positions.insert(*id, recorded.position);
                let entry = Entry::decode(&*recorded.entry).unwrap();
                let case = statement.case.clone();
                self.salts
                    .entry(case)
                    .or_insert_with(|| entry.salt.to_vec());
                self.lines.push(Line {
                    id: *id,
                    statement: statement.clone(),
                    record_time: recorded.record_time.unwrap(),
                });
            }
        }
        let newest = self.checkpoints.last().map_or(0, |c| c.size);
        if checkpoint.size > newest {
            self.checkpoints.push(checkpoint);
        }
    }
}
