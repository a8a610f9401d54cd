//! The SDK against a broker that lies: whatever it answers is a breach, a proof that does not verify, or a plain refusal; never success.
//!
//! The broker holds two logs of its own key that differ from the third entry on. Hashes and proofs are made by the recursive definitions
//! of RFC 6962, section 2.1, and not by the code under test.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod fake;

use std::{
    path::Path,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use casebroker_client::{Client, ClientError, Profile};
use casebroker_proto::{
    statement::{Envelope, Signer},
    tlog::{Checkpoint, Hash, NoteSigner, Receipt, leaf_hash, node_hash},
    v1::{
        ConsistencyProof, Entry, GetCheckpointRequest, GetCheckpointResponse,
        GetConsistencyProofRequest, GetConsistencyProofResponse, GetReceiptRequest,
        GetReceiptResponse, RecordedStatement, Retraction, Statement, SubmitRequest,
        SubmitResponse, SubmitStreamRequest, SubmitStreamResponse,
        intake_service_server::{IntakeService, IntakeServiceServer},
        log_service_server::{LogService, LogServiceServer},
        statement::Kind,
        submit_stream_response::Result as Answer,
    },
};
use prost::Message as _;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming, service::Routes};

const ORIGIN: &str = "log.example/cases";
/// Entries that both logs have.
const SHARED: usize = 2;

/// What the broker does to the proofs that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proofs {
    Honest,
    /// The call is refused.
    Refused(Code),
    /// The answer holds none.
    Absent,
    /// Right sizes, hashes of nothing.
    MadeUp,
    /// A right proof of other sizes.
    OtherSizes,
}

/// What the broker answers.
#[derive(Debug, Clone, Copy)]
struct Lie {
    /// Whether it shows the forked log.
    fork: bool,
    size: usize,
    proofs: Proofs,
    /// Whether an entry is changed after its receipt was made.
    change_entry: bool,
    /// Whether checkpoints are signed by another key.
    other_key: bool,
    /// Whether receipts are those of the entry before.
    other_receipt: bool,
    /// Whether what is submitted gets the receipt of another statement.
    other_statement: bool,
}

const HONEST: Lie = Lie {
    fork: false,
    size: 4,
    proofs: Proofs::Honest,
    change_entry: false,
    other_key: false,
    other_receipt: false,
    other_statement: false,
};

/// An entry as both logs or one of them holds it.
fn entry(fork: bool, index: usize) -> Vec<u8> {
    let side = if fork && index >= SHARED {
        "fork"
    } else {
        "log"
    };
    format!("{side} entry {index}").into_bytes()
}

fn leaves(entries: &[Vec<u8>]) -> Vec<Hash> {
    entries.iter().map(|entry| leaf_hash(entry)).collect()
}

/// The largest power of two below `n`.
fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

fn inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, other) = match index < k {
        true => (inclusion(index, left), root(right)),
        false => (inclusion(index - k, right), root(left)),
    };
    path.push(other);
    path
}

fn consistency(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, other) = match old <= k {
        true => (consistency(old, left, whole), root(right)),
        false => (consistency(old - k, right, false), root(left)),
    };
    proof.push(other);
    proof
}

#[derive(Clone)]
struct Liar {
    lie: Arc<Mutex<Lie>>,
    signer: Arc<NoteSigner>,
    /// Calls that it answered.
    calls: Arc<AtomicUsize>,
    /// Entries that were submitted.
    submitted: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Liar {
    fn lie(&self) -> Lie {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.lie.lock().unwrap()
    }

    fn entries(&self, lie: Lie) -> Vec<Vec<u8>> {
        let mut entries: Vec<_> = (0..lie.size).map(|i| entry(lie.fork, i)).collect();
        entries.extend(self.submitted.lock().unwrap().iter().cloned());
        entries
    }

    fn checkpoint(&self, lie: Lie, entries: &[Vec<u8>]) -> String {
        let checkpoint = Checkpoint::new(ORIGIN, entries.len() as u64, root(&leaves(entries)));
        let other = NoteSigner::from_seed(ORIGIN, &[9; 32]).unwrap();
        let signer = if lie.other_key { &other } else { &self.signer };
        checkpoint.sign(signer).unwrap()
    }

    fn proof(
        &self,
        lie: Lie,
        entries: &[Vec<u8>],
        old: u64,
        new: u64,
    ) -> Result<Option<ConsistencyProof>, Status> {
        let (mut old, mut new) = (old as usize, new as usize);
        if new == 0 {
            new = entries.len();
        }
        if old == 0 {
            return Ok(None);
        }
        match lie.proofs {
            Proofs::Refused(code) => return Err(Status::new(code, "no proof today")),
            Proofs::Absent => return Ok(None),
            Proofs::OtherSizes => (old, new) = (1, 2),
            Proofs::Honest | Proofs::MadeUp => {}
        }
        if old > new || new > entries.len() {
            return Err(Status::out_of_range("beyond the log"));
        }
        let hashes = match lie.proofs {
            Proofs::MadeUp => vec![leaf_hash(b"made up"); 2],
            _ => consistency(old, &leaves(&entries[..new]), true),
        };
        Ok(Some(ConsistencyProof {
            old_tree_size: old as u64,
            new_tree_size: new as u64,
            hashes: hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
        }))
    }

    /// The receipt and the entry of an index.
    fn receipt(&self, lie: Lie, entries: &[Vec<u8>], index: usize) -> (String, Vec<u8>) {
        let of = if lie.other_receipt { index - 1 } else { index };
        let receipt = Receipt {
            index: index as u64,
            extra: None,
            proof: inclusion(of, &leaves(entries)),
            checkpoint: self.checkpoint(lie, entries),
        };
        let mut entry = entries[index].clone();
        if lie.change_entry {
            *entry.last_mut().unwrap() ^= 1;
        }
        (receipt.to_string(), entry)
    }
}

#[tonic::async_trait]
impl LogService for Liar {
    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let lie = self.lie();
        let entries = self.entries(lie);
        let known = request.into_inner().known_tree_size;
        let proof = self.proof(lie, &entries, known, 0);
        Ok(Response::new(GetCheckpointResponse {
            checkpoint: self.checkpoint(lie, &entries),
            // A refusal is for who asks for the proof itself.
            consistency_proof: proof.unwrap_or_default(),
        }))
    }

    async fn get_receipt(
        &self,
        request: Request<GetReceiptRequest>,
    ) -> Result<Response<GetReceiptResponse>, Status> {
        let lie = self.lie();
        let entries = self.entries(lie);
        let GetReceiptRequest {
            position,
            known_tree_size,
        } = request.into_inner();
        let (receipt, entry) = self.receipt(lie, &entries, position as usize);
        let proof = self.proof(lie, &entries, known_tree_size, 0);
        Ok(Response::new(GetReceiptResponse {
            receipt,
            entry: entry.into(),
            consistency_proof: proof.unwrap_or_default(),
            ..Default::default()
        }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        let lie = self.lie();
        let entries = self.entries(lie);
        let request = request.into_inner();
        let (old, new) = (request.old_tree_size, request.new_tree_size);
        Ok(Response::new(GetConsistencyProofResponse {
            consistency_proof: self.proof(lie, &entries, old, new)?,
            checkpoint: self.checkpoint(lie, &entries),
        }))
    }
}

#[tonic::async_trait]
impl IntakeService for Liar {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let lie = self.lie();
        let request = request.into_inner();
        let (recorded, proof) =
            self.record(lie, &request.signed_statement, request.known_tree_size);
        Ok(Response::new(SubmitResponse {
            recorded: Some(recorded),
            consistency_proof: proof,
        }))
    }

    type SubmitStreamStream =
        Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let liar = self.clone();
        let answers = request.into_inner().map(move |request| {
            let (recorded, _) = liar.record(liar.lie(), &request?.signed_statement, 0);
            Ok(SubmitStreamResponse {
                result: Some(Answer::Recorded(recorded)),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Liar {
    fn record(
        &self,
        lie: Lie,
        envelope: &[u8],
        known: u64,
    ) -> (RecordedStatement, Option<ConsistencyProof>) {
        let mut signed = envelope.to_vec();
        if lie.other_statement {
            // The payload of the same length about another case.
            let at = signed.windows(9).position(|w| w == b"us-dea/ca").unwrap();
            signed[at] = b'x';
        }
        let entry = Entry {
            record_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            principal: "spiffe://casebroker.example/agency/us-dea/system/feed".into(),
            salt: vec![7; 16].into(),
            signed_statement: signed.into(),
            ..Default::default()
        };
        self.submitted.lock().unwrap().push(entry.encode_to_vec());
        let entries = self.entries(lie);
        let position = entries.len() - 1;
        let (receipt, entry) = self.receipt(lie, &entries, position);
        let recorded = RecordedStatement {
            position: position as u64,
            // Not the time in the entry.
            record_time: Some(prost_types::Timestamp {
                seconds: 1,
                nanos: 0,
            }),
            entry: entry.into(),
            receipt,
            replayed: false,
        };
        (
            recorded,
            self.proof(lie, &entries, known, 0).unwrap_or_default(),
        )
    }
}

struct Stage {
    profile: Profile,
    liar: Liar,
    folder: tempfile::TempDir,
}

impl Stage {
    /// A broker that is honest so far.
    async fn new() -> Self {
        let liar = Liar {
            lie: Arc::new(Mutex::new(HONEST)),
            signer: Arc::new(NoteSigner::from_seed(ORIGIN, &[3; 32]).unwrap()),
            calls: Arc::default(),
            submitted: Arc::default(),
        };
        let folder = tempfile::tempdir().unwrap();
        let services = Routes::new(LogServiceServer::new(liar.clone()))
            .add_service(IntakeServiceServer::new(liar.clone()));
        let mut profile = fake::serve(folder.path(), services).await;
        profile.log_vkey = Some(liar.signer.verifier().to_string());
        profile.state_dir = Some(folder.path().join("state"));
        Self {
            profile,
            liar,
            folder,
        }
    }

    /// A new process that remembers what earlier ones verified.
    fn client(&self) -> Client {
        Client::connect(&self.profile).unwrap()
    }

    fn lie(&self, change: impl FnOnce(&mut Lie)) {
        let mut lie = HONEST;
        change(&mut lie);
        *self.liar.lie.lock().unwrap() = lie;
        self.liar.submitted.lock().unwrap().clear();
        self.liar.calls.store(0, Ordering::SeqCst);
    }

    fn signed(&self, number: usize) -> casebroker_client::Prepared {
        let signer: Signer = self.profile.signer().unwrap().unwrap();
        let statement = Statement {
            case: format!("agencies/us-dea/cases/{number}"),
            kind: Some(Kind::Retraction(Retraction::default())),
            ..Default::default()
        };
        casebroker_client::Prepared {
            case: statement.case.clone(),
            request_id: number.to_string(),
            signed: signer.sign(&statement).unwrap().into(),
        }
    }

    /// The outcome of every method that answers with a receipt or checkpoint, each by a client of its own.
    async fn outcomes(&self) -> Vec<(&'static str, Result<(), ClientError>)> {
        let checkpoint = self.client().checkpoint().await.map(drop);
        let receipt = self.client().receipt(1).await.map(drop);
        let submit = self.client().send(&self.signed(1)).await.map(drop);
        let stream = self.stream().await;
        vec![
            ("checkpoint", checkpoint),
            ("receipt", receipt),
            ("submit", submit),
            ("stream", stream),
        ]
    }

    async fn stream(&self) -> Result<(), ClientError> {
        let (submissions, mut answers) = self.client().submit_stream(Default::default());
        submissions.push(self.signed(2)).await?;
        drop(submissions);
        while let Some(outcome) = answers.next().await? {
            outcome.result.unwrap();
        }
        Ok(())
    }

    fn remembered(&self) -> String {
        fn find(dir: &Path) -> Option<String> {
            std::fs::read_dir(dir).ok()?.find_map(|entry| {
                let path = entry.ok()?.path();
                match path.is_dir() {
                    true => find(&path),
                    false if path.ends_with("checkpoint") => std::fs::read_to_string(path).ok(),
                    false => None,
                }
            })
        }
        find(&self.folder.path().join("state")).unwrap()
    }
}

/// Calls that one comparison may make, retries of the transport included.
const MOST_CALLS: usize = 40;

#[tokio::test]
async fn an_honest_broker_is_believed_by_every_method() {
    let stage = Stage::new().await;
    stage.client().checkpoint().await.unwrap();
    stage.lie(|lie| lie.size = 7);
    for (method, outcome) in stage.outcomes().await {
        assert!(outcome.is_ok(), "{method}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_fork_is_a_breach_at_equal_larger_and_smaller_size() {
    for size in [3, 4, 7] {
        let stage = Stage::new().await;
        stage.client().checkpoint().await.unwrap();
        let remembered = stage.remembered();
        stage.lie(|lie| (lie.fork, lie.size) = (true, size));
        for (method, outcome) in stage.outcomes().await {
            let breach = matches!(outcome, Err(ClientError::Breach(_)));
            assert!(breach, "{method} of size {size}: {outcome:?}");
        }
        assert_eq!(stage.remembered(), remembered);
    }
}

#[tokio::test]
async fn a_broker_that_gives_no_proof_is_a_breach_after_few_calls_and_the_evidence_is_kept() {
    for proofs in [
        Proofs::Absent,
        Proofs::OtherSizes,
        Proofs::MadeUp,
        Proofs::Refused(Code::OutOfRange),
        Proofs::Refused(Code::Internal),
        Proofs::Refused(Code::NotFound),
        Proofs::Refused(Code::Unimplemented),
    ] {
        let stage = Stage::new().await;
        stage.client().checkpoint().await.unwrap();
        let remembered = stage.remembered();
        stage.lie(|lie| (lie.size, lie.proofs) = (7, proofs));
        for (method, outcome) in stage.outcomes().await {
            let Err(ClientError::Breach(breach)) = outcome else {
                panic!("{method} with {proofs:?}: {outcome:?}");
            };
            if proofs != Proofs::MadeUp {
                let what = "the broker gives no proof from 4 to ";
                assert!(breach.what.starts_with(what), "{}", breach.what);
            }
            let kept = std::fs::read_to_string(breach.kept_in.unwrap()).unwrap();
            assert!(kept.contains(&remembered), "{method}: {kept}");
        }
        let calls = stage.liar.calls.load(Ordering::SeqCst);
        assert!(calls <= MOST_CALLS, "{proofs:?}: {calls} calls");
        assert_eq!(stage.remembered(), remembered);
    }
}

#[tokio::test]
async fn a_broker_that_cannot_answer_now_is_no_breach() {
    let stage = Stage::new().await;
    stage.client().checkpoint().await.unwrap();
    stage.lie(|lie| (lie.size, lie.proofs) = (7, Proofs::Refused(Code::Unavailable)));
    for (method, outcome) in stage.outcomes().await {
        let code = match &outcome {
            Err(ClientError::Refused(refusal)) => refusal.code,
            other => panic!("{method}: {other:?}"),
        };
        assert_eq!(code, Code::Unavailable, "{method}");
    }
}

#[tokio::test]
async fn an_entry_receipt_or_signature_that_is_not_of_the_log_does_not_verify() {
    type Change = fn(&mut Lie);
    let changes: [(&str, Change); 3] = [
        ("entry", |lie| lie.change_entry = true),
        ("receipt", |lie| lie.other_receipt = true),
        ("key", |lie| lie.other_key = true),
    ];
    for (name, change) in changes {
        let stage = Stage::new().await;
        stage.client().checkpoint().await.unwrap();
        stage.lie(change);
        for (method, outcome) in stage.outcomes().await {
            // The checkpoint alone is of no entry.
            if method == "checkpoint" && name != "key" {
                continue;
            }
            let refused = matches!(outcome, Err(ClientError::Proof(_)));
            assert!(refused, "{method} with another {name}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_receipt_of_another_statement_than_was_sent_is_refused() {
    let stage = Stage::new().await;
    stage.lie(|lie| lie.other_statement = true);
    let outcome = stage.client().send(&stage.signed(1)).await;
    assert!(matches!(outcome, Err(ClientError::Proof(_))), "{outcome:?}");
}

#[tokio::test]
async fn the_record_time_is_that_of_the_proved_entry() {
    let stage = Stage::new().await;
    let prepared = stage.signed(1);
    assert!(Envelope::parse(&prepared.signed).is_ok());
    let recorded = stage.client().send(&prepared).await.unwrap();
    assert_eq!(recorded.record_time.unwrap().seconds, 1_700_000_000);
}
