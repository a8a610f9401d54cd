//! Connections and streams without number, listings that nobody takes, and peers that are gone amid everything.

use std::{fs, time::Duration};

use casebroker_proto::v1::{ListCasesRequest, SubmitRequest, SubmitStreamRequest};
use casebroker_tests::{cases, tls::PREFACE, wait};
use futures_util::future::join_all;
use prost::Message as _;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use crate::{
    arena::Arena,
    frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Wire, call_headers, frame, message, setting},
    hpack,
    http2::served,
    slow::{CONNECTIONS, LIST, STREAM, SUBMIT, large},
};

pub async fn crowds(arena: &Arena) {
    arena
        .attack("three times as many connections as there may be", async {
            let mut inside = Vec::new();
            while inside.len() < CONNECTIONS - 10 {
                inside.extend(join_all((0..10).map(|_| Wire::connect(arena))).await);
            }
            // The system's backlog keeps these; the broker has nothing of them.
            let all = (0..CONNECTIONS * 2).map(|_| TcpStream::connect(arena.broker.address));
            let outside: Vec<_> = join_all(all).await.into_iter().flatten().collect();
            let late = timeout(Duration::from_millis(500), Wire::connect(arena)).await;
            assert!(late.is_err(), "one more is served");
            let open = descriptors(arena);
            assert!(open < CONNECTIONS + 60, "{open} file descriptors");
            let (served, waiting) = (inside.len(), outside.len());
            drop((inside, outside));
            // Somebody new gets in when they are gone: the arena checks it.
            format!("{served} taken, {waiting} kept waiting outside, {open} descriptors")
        })
        .await;
}

pub async fn listings(arena: &Arena) {
    arena
        .attack_growing("24 listings whose answers nobody takes", 128, async {
            large(arena, "unread-a").await;
            large(arena, "unread-b").await;
            let mut wire = Wire::with_settings(arena, &setting(4, 0)).await;
            let request = ListCasesRequest {
                page_size: 1_000,
                ..Default::default()
            };
            let body = message(&request.encode_to_vec());
            for _ in 0..24 {
                let stream = wire.begin(LIST).await;
                wire.send(&frame(DATA, END_STREAM, stream, &body))
                    .await
                    .unwrap();
            }
            wire.until("all have headers", |seen| {
                (seen.headers.len() >= 24 || seen.closed.is_some()).then_some(())
            })
            .await;
            let (answers, taken) = {
                let seen = wire.seen();
                (
                    seen.headers.len(),
                    seen.data.values().map(Vec::len).sum::<usize>(),
                )
            };
            format!("{answers} answers held, {taken} bytes sent")
        })
        .await;
}

pub async fn idle(arena: &Arena) {
    arena
        .attack("idle streams on idle connections", async {
            let mut wires = Vec::new();
            for _ in 0..8 {
                let mut wire = Wire::connect(arena).await;
                let block = hpack::encode(&call_headers(STREAM));
                let open = (0..250).flat_map(|n| frame(HEADERS, END_HEADERS, n * 2 + 1, &block));
                wire.send(&open.collect::<Vec<_>>()).await.unwrap();
                wires.push(wire);
            }
            for wire in &mut wires {
                // Pings of the broker are not answered here, so these connections end.
                wire.until("the end", |seen| seen.closed.clone()).await;
            }
            "2,000 streams kept until the keepalive was not answered".into()
        })
        .await;
}

/// Open file descriptors of the broker.
fn descriptors(arena: &Arena) -> usize {
    fs::read_dir(format!("/proc/{}/fd", arena.broker.pid()))
        .unwrap()
        .count()
}

pub async fn gone(arena: &Arena) {
    arena
        .attack("gone amid every stage, 20 times each", async {
            let before = descriptors(arena);
            let statement = SubmitRequest {
                signed_statement: arena
                    .caller
                    .sign(&cases::reporting_as("us-cbp", "not-mine"))
                    .into(),
                known_tree_size: 0,
            };
            let body = message(&statement.encode_to_vec());
            let block = hpack::encode(&call_headers(SUBMIT));
            let begin = [PREFACE, &frame(HEADERS, END_HEADERS, 1, &block)].concat();
            let whole = [&begin[..], &frame(DATA, END_STREAM, 1, &body)].concat();
            for _ in 0..20 {
                drop(TcpStream::connect(arena.broker.address).await.unwrap());
                let mut hello = TcpStream::connect(arena.broker.address).await.unwrap();
                hello.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
                drop(hello);
                drop(Wire::bare(arena).await);
                for bytes in [
                    &PREFACE[..10],
                    PREFACE,
                    &begin[..PREFACE.len() + 20],
                    &begin,
                    &whole[..begin.len() + 300],
                    &whole,
                ] {
                    let mut stream = Wire::bare(arena).await;
                    stream.write_all(bytes).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
            wait::until_async("nothing is left open", || async {
                (descriptors(arena) <= before + 2).then_some(())
            })
            .await;
            "all forgotten, no descriptor left".into()
        })
        .await;
    arena
        .attack("gone amid a stream of submissions", async {
            let mut wire = Wire::connect(arena).await;
            let stream = wire.begin(STREAM).await;
            let foreign = arena
                .caller
                .sign(&cases::reporting_as("us-cbp", "not-mine"));
            let request = message(
                &SubmitStreamRequest {
                    signed_statement: foreign.into(),
                }
                .encode_to_vec(),
            );
            wire.send(&frame(DATA, 0, stream, &request[..request.len() - 1]))
                .await
                .unwrap();
            wire.send(&frame(DATA, 0, stream, &[0])).await.unwrap();
            drop(wire);
            let mut next = Wire::connect(arena).await;
            served(&mut next, "forgotten").await
        })
        .await;
}
