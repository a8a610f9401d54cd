//! Questions, put the same way to two brokers.

use casebroker_proto::{
    tlog::Checkpoint,
    v1::{
        ComputeTrendRequest, ConsistencyProof, CountCasesRequest, FindOverlapsRequest,
        GetCallerRequest, GetCaseRequest, GetCheckpointRequest, GetConsistencyProofRequest,
        GetReceiptRequest, ListCasesRequest, ListStatementsRequest, ListTasksRequest,
    },
};
use casebroker_tests::{proof, site::ORIGIN};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use crate::{
    answer::{self, Answer, Body},
    side::{Book, Side},
    world::By,
};

/// A question of a caller.
#[derive(Debug, Clone)]
pub struct Query {
    /// Who asks.
    pub by: By,
    /// What.
    pub ask: Ask,
}

/// A tree size or position that means the same to logs of different length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// 0.
    Zero,
    /// A checkpoint seen before the newest, by its place among those, in parts of 65,536.
    Seen(u16),
    /// The log's size.
    Size,
    /// So far beyond the log's end; 0 is the first position that it lacks.
    Beyond(u64),
    /// Position of a statement; where it is hidden, a log that lacks it is asked for one beyond its end.
    Entry(usize),
}

/// A page token of each of the two brokers.
pub type Tokens = [String; 2];

/// What is asked.
#[derive(Debug, Clone)]
pub enum Ask {
    /// GetCase.
    Get { name: String, ahead: Number },
    /// ListCases, so many pages.
    Cases {
        request: Box<ListCasesRequest>,
        ahead: Number,
        tokens: Option<Tokens>,
        pages: usize,
    },
    /// ListStatements, so many pages.
    Statements {
        request: ListStatementsRequest,
        ahead: Number,
        tokens: Option<Tokens>,
        pages: usize,
    },
    /// FindOverlaps.
    Overlaps { case: String, ahead: Number },
    /// ListTasks, so many pages.
    Tasks {
        request: ListTasksRequest,
        ahead: Number,
        tokens: Option<Tokens>,
        pages: usize,
    },
    /// CountCases.
    Count(Box<CountCasesRequest>),
    /// ComputeTrend.
    Trend(Box<ComputeTrendRequest>),
    /// GetReceipt.
    Receipt { at: Number, known: Number },
    /// GetCheckpoint.
    Checkpoint { known: Number },
    /// GetConsistencyProof.
    Consistency { old: Number, new: Number },
    /// GetCaller.
    Caller,
    /// Health of a service.
    Health(String),
    /// Reflection of a symbol; of the list of services if empty.
    Reflection(String),
}

/// Answers, page by page, and the token that was left.
pub type Answers = (Vec<Answer>, Option<String>);

impl Number {
    /// What it is in a log.
    pub fn of(self, book: &Book) -> u64 {
        match self {
            Self::Zero => 0,
            Self::Seen(part) => {
                // Never the newest: that is `Size`.
                let older = book.checkpoints.len().saturating_sub(1).max(1);
                book.checkpoints[usize::from(part) * older / 65_536].size
            }
            Self::Size => book.size(),
            Self::Beyond(by) => book.size() + by,
            Self::Entry(id) => book.position(id).unwrap_or(book.size()),
        }
    }
}

/// Puts a question to a broker and reads the answers.
pub async fn put(side: &Side, query: &Query) -> Answers {
    let caller = &side.callers[&query.by];
    let book = &side.book;
    let one = match &query.ask {
        Ask::Cases { .. } | Ask::Statements { .. } | Ask::Tasks { .. } => {
            return put_listing(side, query).await;
        }
        Ask::Get { name, ahead } => {
            let min_position = ahead.of(book);
            let request = GetCaseRequest {
                name: name.clone(),
                min_position,
            };
            let outcome = caller.cases().get_case(request).await;
            Answer::of(book, outcome, &[(min_position, "AHEAD")], |book, got| {
                assert_eq!(got.as_of_position, book.size());
                Body::Case(Box::new(answer::case(book, got.case.unwrap())))
            })
        }
        Ask::Overlaps { case, ahead } => {
            let min_position = ahead.of(book);
            let request = FindOverlapsRequest {
                case: case.clone(),
                min_position,
            };
            let outcome = caller.cases().find_overlaps(request).await;
            Answer::of(book, outcome, &[(min_position, "AHEAD")], |book, got| {
                assert_eq!(got.as_of_position, book.size());
                answer::overlaps(book, got)
            })
        }
        Ask::Count(request) => {
            let request = CountCasesRequest {
                min_position: book.size(),
                ..(**request).clone()
            };
            let outcome = caller.statistics().count_cases(request).await;
            Answer::of(book, outcome, &[], |book, mut got| {
                assert_eq!(
                    (got.as_of_position, got.tree_size),
                    (book.size(), book.size())
                );
                (got.as_of_position, got.tree_size) = (0, 0);
                Body::Count(Box::new(got))
            })
        }
        Ask::Trend(request) => {
            let request = ComputeTrendRequest {
                min_position: book.size(),
                ..(**request).clone()
            };
            let outcome = caller.statistics().compute_trend(request).await;
            Answer::of(book, outcome, &[], |book, mut got| {
                assert_eq!(
                    (got.as_of_position, got.tree_size),
                    (book.size(), book.size())
                );
                (got.as_of_position, got.tree_size) = (0, 0);
                Body::Trend(Box::new(got))
            })
        }
        Ask::Receipt { at, known } => {
            let (position, known_tree_size) = (at.of(book), known.of(book));
            let request = GetReceiptRequest {
                position,
                known_tree_size,
            };
            let outcome = caller.log().get_receipt(request).await;
            let asked = [(position, "ASKED"), (known_tree_size, "KNOWN")];
            Answer::of(book, outcome, &asked, |book, got| {
                check(
                    book,
                    known_tree_size,
                    book.size(),
                    got.consistency_proof.as_ref(),
                );
                answer::receipt(book, position, got)
            })
        }
        Ask::Checkpoint { known } => {
            let known_tree_size = known.of(book);
            let request = GetCheckpointRequest { known_tree_size };
            let outcome = caller.log().get_checkpoint(request).await;
            Answer::of(book, outcome, &[(known_tree_size, "KNOWN")], |book, got| {
                newest(book, &got.checkpoint);
                check(
                    book,
                    known_tree_size,
                    book.size(),
                    got.consistency_proof.as_ref(),
                );
                Body::Proved
            })
        }
        Ask::Consistency { old, new } => {
            let (old_tree_size, new_tree_size) = (old.of(book), new.of(book));
            let request = GetConsistencyProofRequest {
                old_tree_size,
                new_tree_size,
            };
            let outcome = caller.log().get_consistency_proof(request).await;
            let asked = [(old_tree_size, "OLD"), (new_tree_size, "NEW")];
            Answer::of(book, outcome, &asked, |book, got| {
                newest(book, &got.checkpoint);
                let new = if new_tree_size == 0 {
                    book.size()
                } else {
                    new_tree_size
                };
                check(book, old_tree_size, new, got.consistency_proof.as_ref());
                Body::Proved
            })
        }
        Ask::Caller => {
            let outcome = caller.registry().get_caller(GetCallerRequest {}).await;
            Answer::of(book, outcome, &[], |_, got| Body::Plain(format!("{got:?}")))
        }
        Ask::Health(service) => {
            let service = service.clone();
            let mut client = HealthClient::new(caller.channel.clone());
            let outcome = client.check(HealthCheckRequest { service }).await;
            Answer::of(book, outcome, &[], |_, got| Body::Plain(format!("{got:?}")))
        }
        Ask::Reflection(symbol) => {
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(if symbol.is_empty() {
                    MessageRequest::ListServices(String::new())
                } else {
                    MessageRequest::FileContainingSymbol(symbol.clone())
                }),
            };
            let mut client = ServerReflectionClient::new(caller.channel.clone());
            let requests = tokio_stream::once(request);
            let mut stream = client.server_reflection_info(requests).await.unwrap();
            let got = stream.get_mut().message().await;
            let outcome = got.map(tonic::Response::new);
            Answer::of(book, outcome, &[], |_, got| Body::Plain(format!("{got:?}")))
        }
    };
    (vec![one], None)
}

async fn put_listing(side: &Side, query: &Query) -> Answers {
    let caller = &side.callers[&query.by];
    let book = &side.book;
    let (Ask::Cases {
        ahead,
        tokens,
        pages,
        ..
    }
    | Ask::Statements {
        ahead,
        tokens,
        pages,
        ..
    }
    | Ask::Tasks {
        ahead,
        tokens,
        pages,
        ..
    }) = &query.ask
    else {
        unreachable!("asked only for listings")
    };
    let min_position = ahead.of(book);
    let asked = [(min_position, "AHEAD")];
    let mut token = tokens.as_ref().map_or(String::new(), |tokens| {
        tokens[usize::from(!side.full)].clone()
    });
    let mut answers = Vec::new();
    for _ in 0..*pages {
        let mut next = String::new();
        let page_token = token;
        answers.push(match &query.ask {
            Ask::Statements { request, .. } => {
                let request = ListStatementsRequest {
                    min_position,
                    page_token,
                    ..request.clone()
                };
                let outcome = caller.cases().list_statements(request).await;
                Answer::of(book, outcome, &asked, |book, got| {
                    next.clone_from(&got.next_page_token);
                    let statements = got.statements.into_iter();
                    Body::Statements {
                        statements: statements.map(|s| answer::statement(book, s)).collect(),
                        more: !next.is_empty(),
                    }
                })
            }
            Ask::Tasks { request, .. } => {
                let request = ListTasksRequest {
                    min_position,
                    page_token,
                    ..request.clone()
                };
                let outcome = caller.cases().list_tasks(request).await;
                Answer::of(book, outcome, &asked, |book, got| {
                    next.clone_from(&got.next_page_token);
                    let tasks = got.tasks.into_iter();
                    Body::Tasks {
                        tasks: tasks.map(|task| answer::task(book, task)).collect(),
                        more: !next.is_empty(),
                    }
                })
            }
            Ask::Cases { request, .. } => {
                let request = ListCasesRequest {
                    // What is computed from the log may be a moment behind it.
                    min_position: match (min_position, page_token.as_str()) {
                        (0, "") => book.size(),
                        _ => min_position,
                    },
                    page_token,
                    ..(**request).clone()
                };
                let outcome = caller.cases().list_cases(request).await;
                Answer::of(book, outcome, &asked, |book, got| {
                    next.clone_from(&got.next_page_token);
                    let cases = got.cases.into_iter();
                    Body::Cases {
                        cases: cases.map(|case| answer::case(book, case)).collect(),
                        total: got.total_size,
                        understood: got.understood,
                        more: !next.is_empty(),
                    }
                })
            }
            _ => unreachable!("asked only for listings"),
        });
        token = next;
        if token.is_empty() {
            break;
        }
    }
    (answers, (!token.is_empty()).then_some(token))
}

fn newest(book: &Book, text: &str) {
    let checkpoint = Checkpoint::open(text, &book.key, ORIGIN).unwrap();
    let known = book.newest();
    assert_eq!((checkpoint.size, checkpoint.root), (known.size, known.root));
}

/// A proof between two tree sizes, of which the roots are known.
fn check(book: &Book, old: u64, new: u64, given: Option<&ConsistencyProof>) {
    if old == 0 {
        assert!(given.is_none(), "a proof that nobody asked for");
        return;
    }
    let seen = |size| {
        let mut all = book.checkpoints.iter();
        all.find(|checkpoint| checkpoint.size == size)
            .expect("a size that was seen")
    };
    proof::check(seen(old), seen(new), given.expect("a proof"));
}
