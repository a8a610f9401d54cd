//! An answer without what the log's size tells: positions become names of statements; times, salts, hashes and proofs are
//! checked here and then dropped. What is left must be equal.

use std::fmt;

use casebroker_proto::{
    google::rpc,
    statement::{Thumbprint, decode_entry, thumbprint},
    tlog::Receipt,
    v1::{
        Case, CaseDispute, CaseEvidenceRequest, ComputeTrendResponse, CountCasesResponse,
        FilterTerm, FindOverlapsResponse, GetReceiptResponse, Overlap, Statement, StatementRecord,
        Task, statement::Kind, task::Detail,
    },
};
use casebroker_tests::{FIRST, site::ORIGIN};
use prost::Message as _;
use tonic::{
    Response, Status,
    metadata::{KeyAndValueRef, MetadataMap},
};

use crate::side::Book;

/// What an answer says.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// Headers and trailers.
    metadata: Vec<String>,
    /// The rest.
    pub body: Body,
}

/// Positions are replaced by indices of statements in the world.
#[derive(Debug, PartialEq)]
pub enum Body {
    /// Refused.
    Refused {
        /// Code.
        code: i32,
        /// Message.
        message: String,
        /// Details: type and value.
        details: Vec<(String, Vec<u8>)>,
    },
    /// A case.
    Case(Box<Shown>),
    /// A page of cases.
    Cases {
        /// The cases.
        cases: Vec<Shown>,
        /// On all pages.
        total: i64,
        /// The filter.
        understood: Vec<FilterTerm>,
        /// Whether a token came along.
        more: bool,
    },
    /// A count, without its positions.
    Count(Box<CountCasesResponse>),
    /// A trend, without its positions.
    Trend(Box<ComputeTrendResponse>),
    /// Overlaps.
    Overlaps {
        /// Without ids.
        overlaps: Vec<Overlap>,
        /// Whether there are more.
        truncated: bool,
    },
    /// A page of tasks.
    Tasks {
        /// The tasks.
        tasks: Vec<Task>,
        /// Whether a token came along.
        more: bool,
    },
    /// A page of statements.
    Statements {
        /// Index, principal, agency.
        statements: Vec<(usize, String, String)>,
        /// Whether a token came along.
        more: bool,
    },
    /// A receipt, verified.
    Receipt {
        /// The statement.
        id: usize,
        /// Who submitted it.
        principal: String,
        /// SHA-256 of the signing certificate.
        certificate: Thumbprint,
    },
    /// A recorded statement, its receipt verified.
    Recorded {
        /// The statement.
        id: usize,
        /// Whether it had been recorded before.
        replayed: bool,
    },
    /// A checkpoint or proof, verified.
    Proved,
    /// Anything that has no positions.
    Plain(String),
}

/// A case; all of it counts, its `Debug` form is short.
#[derive(PartialEq)]
pub struct Shown(Case);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = &self.0;
        let title = case.report.as_ref().map_or("", |report| &report.title);
        write!(
            f,
            "{} ({title}), revision {}, statements {} to {}, retracted: {}",
            case.name, case.revision, case.first_position, case.last_position, case.retracted
        )?;
        if f.alternate() {
            write!(f, ", {case:?}")?;
        }
        Ok(())
    }
}

impl Answer {
    /// Reads an outcome; `asked` are numbers of the request that a refusal may repeat.
    pub fn of<T>(
        book: &Book,
        outcome: Result<Response<T>, Status>,
        asked: &[(u64, &str)],
        body: impl FnOnce(&Book, T) -> Body,
    ) -> Self {
        match outcome {
            Ok(response) => Self {
                metadata: listed(response.metadata()),
                body: body(book, response.into_inner()),
            },
            Err(status) => Self {
                metadata: listed(status.metadata()),
                body: refusal(&status, asked, book.size()),
            },
        }
    }
}

/// A case without positions and times.
pub fn case(book: &Book, mut case: Case) -> Shown {
    let (first, last) = (
        book.line(case.first_position),
        book.line(case.last_position),
    );
    assert_eq!(first.statement.case, case.name);
    assert_eq!(last.statement.case, case.name);
    assert_eq!(case.create_time.take().as_ref(), Some(&first.record_time));
    assert_eq!(case.update_time.take().as_ref(), Some(&last.record_time));
    (case.first_position, case.last_position) = (first.id as u64, last.id as u64);
    let name = |position: &mut u64| *position = book.name(*position);
    case.provenance
        .iter_mut()
        .for_each(|p| name(&mut p.position));
    case.late_findings
        .iter_mut()
        .for_each(|f| name(&mut f.position));
    case.contested_origins
        .iter_mut()
        .for_each(|o| name(&mut o.position));
    for said in &mut case.corroborations {
        // A part may have been told of no case.
        let line = book.line(said.position);
        let kind = line.statement.kind.as_ref();
        assert!(matches!(kind, Some(Kind::Corroboration(c)) if c.own_case == said.own_case));
        said.own_case.clear();
        said.findings.iter_mut().for_each(|f| name(&mut f.position));
        name(&mut said.position);
    }
    for asked in &mut case.evidence_requests {
        request(book, asked);
    }
    for objection in &mut case.disputes {
        dispute(book, objection);
    }
    Shown(case)
}

/// Overlaps of a case, without their ids, which must be those that the two first entries give.
pub fn overlaps(book: &Book, answer: FindOverlapsResponse) -> Body {
    let overlaps = answer.overlaps.into_iter();
    Body::Overlaps {
        overlaps: overlaps.map(|found| overlap(book, found)).collect(),
        truncated: answer.truncated,
    }
}

/// A task without positions, times and ids of overlaps.
pub fn task(book: &Book, mut task: Task) -> Task {
    task.position = book.name(task.position);
    match &mut task.detail {
        Some(Detail::EvidenceRequest(asked)) => request(book, asked),
        Some(Detail::Dispute(objection)) => dispute(book, objection),
        Some(Detail::Overlap(found)) => *found = overlap(book, std::mem::take(found)),
        None => panic!("a task without detail"),
    }
    task
}

fn overlap(book: &Book, mut found: Overlap) -> Overlap {
    if !found.other_case.is_empty() {
        assert_eq!(found.id, book.overlap_id(&found.case, &found.other_case));
    }
    found.id.clear();
    found
}

fn request(book: &Book, request: &mut CaseEvidenceRequest) {
    let time = request.create_time.take();
    assert_eq!(time, Some(book.line(request.position).record_time));
    request.position = book.name(request.position);
    for answer in &mut request.answers {
        let time = answer.create_time.take();
        assert_eq!(time, Some(book.line(answer.position).record_time));
        answer.position = book.name(answer.position);
    }
}

fn dispute(book: &Book, dispute: &mut CaseDispute) {
    dispute.position = book.name(dispute.position);
    if dispute.end_position != 0 {
        dispute.end_position = book.name(dispute.end_position);
    }
}

/// A statement by its index. It must say what this broker was told.
pub fn statement(book: &Book, record: StatementRecord) -> (usize, String, String) {
    let line = book.line(record.position);
    assert_eq!(record.statement.as_ref(), Some(&line.statement));
    assert_eq!(record.record_time.as_ref(), Some(&line.record_time));
    (line.id, record.principal, record.agency)
}

/// A receipt that verifies against the newest checkpoint.
pub fn receipt(book: &Book, position: u64, answer: GetReceiptResponse) -> Body {
    let receipt: Receipt = answer.receipt.parse().unwrap();
    assert_eq!(receipt.index, position);
    let checkpoint = receipt.verify(&answer.entry, &book.key, ORIGIN).unwrap();
    assert_eq!(
        (checkpoint.size, checkpoint.root),
        (book.newest().size, book.newest().root)
    );
    if position < FIRST {
        return Body::Plain("the registry as it was at the first start".into());
    }
    let line = book.line(position);
    let (entry, _, statement) = decode_entry(&answer.entry).unwrap();
    assert_eq!(statement, line.statement);
    Body::Receipt {
        id: line.id,
        principal: entry.principal,
        certificate: thumbprint(&answer.signing_certificate),
    }
}

/// Whether a statement reports or amends a case.
pub fn is_revision(statement: &Statement) -> bool {
    matches!(statement.kind, Some(Kind::Report(_) | Kind::Amendment(_)))
}

fn refusal(status: &Status, asked: &[(u64, &str)], size: u64) -> Body {
    let blind = |text: &str| without_numbers(text, asked, size);
    let told = rpc::Status::decode(status.details()).expect("details are a google.rpc.Status");
    let details = told.details.into_iter();
    assert!(status.details().is_empty() || told.message == status.message());
    Body::Refused {
        code: status.code().into(),
        message: blind(status.message()),
        details: details.map(|any| (any.type_url, any.value)).collect(),
    }
}

/// A text with the numbers of the request, and the log's size, replaced by what they mean. They stand after `position` or in
/// `the log has N entries`; no other number is touched.
fn without_numbers(text: &str, asked: &[(u64, &str)], size: u64) -> String {
    let words: Vec<_> = text.split(' ').collect();
    let mean = |at: usize| {
        let before = at.checked_sub(1).map_or("", |before| words[before]);
        let after = words.get(at + 1).copied().unwrap_or_default();
        if before != "position" && (before, after) != ("has", "entries;") {
            return words[at];
        }
        let number = words[at].trim_end_matches([',', ';', '.']).parse::<u64>();
        let mut meanings = asked.iter().copied().chain([(size, "SIZE")]);
        let meaning = meanings.find(|(known, _)| number == Ok(*known));
        meaning.map_or(words[at], |(_, name)| name)
    };
    let told: Vec<_> = (0..words.len()).map(mean).collect();
    told.join(" ")
}

fn listed(metadata: &MetadataMap) -> Vec<String> {
    let mut listed: Vec<_> = metadata
        .iter()
        .map(|entry| match entry {
            KeyAndValueRef::Ascii(key, _) if key == "date" => format!("{key}"),
            KeyAndValueRef::Ascii(key, value) => format!("{key}: {value:?}"),
            // The details are compared by what they say.
            KeyAndValueRef::Binary(key, _) => format!("{key}"),
        })
        .collect();
    listed.sort();
    listed
}
