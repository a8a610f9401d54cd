//! The log only grows, and proves it.

use casebroker_proto::{
    errors::Reason,
    tlog::{Checkpoint, ProofError, verify_consistency},
    v1::{
        ConsistencyProof, GetCheckpointRequest, GetConsistencyProofRequest, GetReceiptRequest,
        SubmitRequest,
    },
};
use casebroker_tests::{
    Broker, Caller, DEA, FIRST, RCMP, Site,
    caller::fields,
    cases,
    proof::{self, check, verify},
    refused,
    site::ORIGIN,
};

async fn start(site: &Site) -> (Broker, Caller) {
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    (broker, dea)
}

async fn consistency(
    caller: &Caller,
    old_tree_size: u64,
    new_tree_size: u64,
) -> Result<ConsistencyProof, tonic::Status> {
    let request = GetConsistencyProofRequest {
        old_tree_size,
        new_tree_size,
    };
    let answer = caller.log().get_consistency_proof(request).await?;
    Ok(answer.into_inner().consistency_proof.unwrap())
}

#[tokio::test]
async fn every_checkpoint_is_a_beginning_of_every_later_one() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let first = dea.checkpoint(&site.log).await.unwrap();
    assert_eq!(first.size, FIRST, "the registry alone");
    let mut checkpoints = vec![first];
    for n in 0..20 {
        // Groups of several sizes.
        let signed = (0..=n % 4).map(|m| dea.sign(&cases::reporting_as(DEA, &format!("c{n}-{m}"))));
        for answer in dea.submit_all(signed.collect()).await.unwrap() {
            verify(&answer.unwrap(), &site.log);
        }
        checkpoints.push(dea.checkpoint(&site.log).await.unwrap());
    }
    assert_eq!(checkpoints.last().unwrap().size, FIRST + 50);
    for (i, old) in checkpoints.iter().enumerate() {
        for new in &checkpoints[i..] {
            check(
                old,
                new,
                &consistency(&dea, old.size, new.size).await.unwrap(),
            );
        }
    }
    // And a proof shows nothing else: another root does not pass.
    let (old, new) = (&checkpoints[3], &checkpoints[9]);
    let proof = proof::hashes(&consistency(&dea, old.size, new.size).await.unwrap());
    let wrong = verify_consistency(old.size, &checkpoints[4].root, new.size, &new.root, &proof);
    assert!(
        matches!(wrong, Err(ProofError::RootMismatch { .. })),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn consistency_proofs_at_the_edges() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    refused(consistency(&dea, 2, 0).await, Reason::PositionOutOfRange);
    for n in FIRST..5 {
        dea.submit(&cases::reporting_as(DEA, &format!("c{n}")))
            .await
            .unwrap();
    }
    let equal = consistency(&dea, 5, 5).await.unwrap();
    assert_eq!(
        (equal.old_tree_size, equal.new_tree_size, equal.hashes.len()),
        (5, 5, 0)
    );
    let newest = consistency(&dea, 3, 0).await.unwrap();
    assert_eq!((newest.old_tree_size, newest.new_tree_size), (3, 5));
    let details = refused(consistency(&dea, 0, 5).await, Reason::InvalidFields);
    assert_eq!(fields(&details), ["old_tree_size"]);
    let details = refused(consistency(&dea, 4, 3).await, Reason::InvalidFields);
    assert_eq!(fields(&details), ["new_tree_size"]);
    for (old, new) in [(6, 0), (3, 6), (6, 6), (u64::MAX, 0), (1, u64::MAX)] {
        refused(
            consistency(&dea, old, new).await,
            Reason::PositionOutOfRange,
        );
    }
}

#[tokio::test]
async fn a_caller_that_says_what_it_knows_gets_the_proof_along_with_the_answer() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let mut known = verify(
        &dea.submit(&cases::reporting_as(DEA, "c0")).await.unwrap(),
        &site.log,
    );
    for n in 1..6 {
        let request = SubmitRequest {
            signed_statement: dea.sign(&cases::reporting_as(DEA, &format!("c{n}"))).into(),
            known_tree_size: known.size,
        };
        let answer = dea.intake().submit(request).await.unwrap().into_inner();
        let newest = verify(&answer.recorded.unwrap(), &site.log);
        check(&known, &newest, &answer.consistency_proof.unwrap());

        let request = GetCheckpointRequest {
            known_tree_size: known.size,
        };
        let answer = dea
            .log()
            .get_checkpoint(request)
            .await
            .unwrap()
            .into_inner();
        let checkpoint = Checkpoint::open(&answer.checkpoint, &site.log, ORIGIN).unwrap();
        check(&known, &checkpoint, &answer.consistency_proof.unwrap());

        let request = GetReceiptRequest {
            position: 0,
            known_tree_size: known.size,
        };
        let answer = dea.log().get_receipt(request).await.unwrap().into_inner();
        let receipt: casebroker_proto::tlog::Receipt = answer.receipt.parse().unwrap();
        let checkpoint = receipt.verify(&answer.entry, &site.log, ORIGIN).unwrap();
        check(&known, &checkpoint, &answer.consistency_proof.unwrap());
        known = newest;
    }
    let plain = dea
        .log()
        .get_checkpoint(GetCheckpointRequest::default())
        .await
        .unwrap();
    assert_eq!(plain.into_inner().consistency_proof, None);
}

#[tokio::test]
async fn a_replay_of_what_is_older_than_the_caller_knows_brings_the_proof_between_the_two() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let first = cases::reporting_as(DEA, "c0");
    let old = verify(&dea.submit(&first).await.unwrap(), &site.log);
    for n in 1..4 {
        dea.submit(&cases::reporting_as(DEA, &format!("c{n}")))
            .await
            .unwrap();
    }
    let known = dea.checkpoint(&site.log).await.unwrap();
    let request = SubmitRequest {
        signed_statement: dea.sign(&first).into(),
        known_tree_size: known.size,
    };
    let answer = dea.intake().submit(request).await.unwrap().into_inner();
    let recorded = answer.recorded.unwrap();
    assert!(recorded.replayed);
    assert_eq!(verify(&recorded, &site.log), old);
    check(&old, &known, &answer.consistency_proof.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proof_along_with_a_receipt_leads_to_that_receipts_checkpoint_also_under_load() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    let known = verify(
        &dea.submit(&cases::reporting_as(DEA, "c")).await.unwrap(),
        &site.log,
    );
    let submissions = (0..200).map(|n| {
        let (dea, known, log) = (dea.clone(), known.clone(), site.log.clone());
        tokio::spawn(async move {
            let request = SubmitRequest {
                signed_statement: dea.sign(&cases::reporting_as(DEA, &format!("c{n}"))).into(),
                known_tree_size: known.size,
            };
            let answer = dea.intake().submit(request).await.unwrap().into_inner();
            let newest = verify(&answer.recorded.unwrap(), &log);
            check(&known, &newest, &answer.consistency_proof.unwrap());
        })
    });
    for submission in submissions.collect::<Vec<_>>() {
        submission.await.unwrap();
    }
}

#[tokio::test]
async fn a_known_size_beyond_the_log_is_out_of_range_and_nothing_is_written() {
    let site = Site::new();
    let (_broker, dea) = start(&site).await;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    let known_tree_size = 1_000;
    let request = GetCheckpointRequest { known_tree_size };
    refused(
        dea.log().get_checkpoint(request).await,
        Reason::PositionOutOfRange,
    );
    let request = GetReceiptRequest {
        position: 0,
        known_tree_size,
    };
    refused(
        dea.log().get_receipt(request).await,
        Reason::PositionOutOfRange,
    );
    let request = SubmitRequest {
        signed_statement: dea.sign(&cases::reporting_as(DEA, "b")).into(),
        known_tree_size,
    };
    refused(
        dea.intake().submit(request).await,
        Reason::PositionOutOfRange,
    );
    assert_eq!(dea.statements(&site.log).await, 1);
}

#[tokio::test]
async fn every_role_of_every_member_may_follow_the_log() {
    let site = Site::new();
    let (broker, dea) = start(&site).await;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    for role in ["system", "officer", "auditor", "operator"] {
        let caller = broker.connect(&site.principal(RCMP, role)).await;
        assert_eq!(caller.statements(&site.log).await, 1, "{role}");
        assert!(consistency(&caller, 1, 0).await.is_ok(), "{role}");
    }
}
