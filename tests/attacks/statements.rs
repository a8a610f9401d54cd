//! Attacks by what is said, well signed: in another's name, with another's words, or with more than a statement should hold.

use casebroker_proto::{
    errors::Reason,
    names::CaseName,
    v1::{
        CaseReport, EvidenceReference, Item, LaboratoryFinding, Report, Statement, statement::Kind,
    },
};
use casebroker_tests::{CBP, Caller, DEA, Site, cases, refused};
use prost::Message as _;

use crate::arena::{Arena, Line};

pub async fn run(filters: &[String]) -> Vec<Line> {
    let arena = Arena::open("statements", filters, Site::new()).await;
    let victim = arena
        .broker
        .connect(&arena.site.principal(CBP, "system"))
        .await;
    in_anothers_name(&arena, &victim).await;
    again(&arena, &victim).await;
    more_than_it_should(&arena).await;
    values(&arena).await;
    drop(victim);
    arena.close().await
}

async fn in_anothers_name(arena: &Arena, victim: &Caller) {
    arena
        .attack("a case in another agency's name, there or not", async {
            victim
                .submit(&cases::reporting_as(CBP, "theirs"))
                .await
                .unwrap();
            arena.recorded(1);
            let mut told = Vec::new();
            for case in ["theirs", "never"] {
                let outcome = arena.caller.submit(&cases::reporting_as(CBP, case)).await;
                told.push(outcome.as_ref().unwrap_err().message().replace(case, ""));
                refused(outcome, Reason::AgencyMismatch);
                let amending = cases::amending(cases::report(CBP, case), 1);
                refused(arena.caller.submit(&amending).await, Reason::AgencyMismatch);
                refused(
                    arena
                        .caller
                        .submit(&cases::retracting(&cases::name(CBP, case)))
                        .await,
                    Reason::AgencyMismatch,
                );
            }
            assert_eq!(told[0], told[1], "the answer tells which exists");
            "AGENCY_MISMATCH, the same for both".into()
        })
        .await;
    arena
        .attack(
            "another agency's signature over one's own connection",
            async {
                let theirs = victim.sign(&cases::reporting_as(CBP, "borrowed"));
                refused(
                    arena.caller.submit_signed(theirs).await,
                    Reason::SignerUnknown,
                );
                let own_case = victim.sign(&cases::reporting_as(DEA, "borrowed"));
                refused(
                    arena.caller.submit_signed(own_case).await,
                    Reason::SignerUnknown,
                );
                "SIGNER_UNKNOWN".into()
            },
        )
        .await;
    arena
        .attack("a name that is nearly one's own", async {
            for name in [
                "agencies/us-dea/cases/../../us-cbp/cases/a",
                "agencies/us-dea//cases/a",
                "agencies/US-DEA/cases/a",
                "agencies/us-dea/cases/a/",
                "/agencies/us-dea/cases/a",
                "agencies/us-dea/cases/a%2f",
                "agencies/us-dea/cases/é",
            ] {
                assert!(name.parse::<CaseName>().is_err());
                let mut report = cases::report(DEA, "a");
                report.name = name.into();
                refused(
                    arena.caller.submit(&cases::reporting(report)).await,
                    Reason::InvalidFields,
                );
            }
            "INVALID_FIELDS".into()
        })
        .await;
}

async fn again(arena: &Arena, victim: &Caller) {
    arena
        .attack("another agency's request id", async {
            let theirs = cases::reporting_as(CBP, "with-an-id");
            victim.submit(&theirs).await.unwrap();
            let own = Statement {
                request_id: theirs.request_id.clone(),
                ..cases::reporting_as(DEA, "with-an-id")
            };
            let recorded = arena
                .caller
                .submit(&own)
                .await
                .expect("recorded, as if it were new");
            assert!(!recorded.replayed);
            arena.recorded(2);
            "recorded as new: nothing is told of the other's".into()
        })
        .await;
    arena
        .attack(
            "a recorded envelope of another, taken from a receipt",
            async {
                let theirs = victim.sign(&cases::reporting_as(CBP, "seen"));
                victim.submit_signed(theirs.clone()).await.unwrap();
                arena.recorded(1);
                refused(
                    arena.caller.submit_signed(theirs).await,
                    Reason::SignerUnknown,
                );
                "SIGNER_UNKNOWN".into()
            },
        )
        .await;
    arena
        .attack("one's own envelope 500 times", async {
            let own = arena.caller.sign(&cases::reporting_as(DEA, "again"));
            let all = arena.caller.submit_all(vec![own; 500]).await.unwrap();
            let positions: Vec<_> = all.into_iter().map(|r| r.unwrap().position).collect();
            assert!(positions.windows(2).all(|w| w[0] == w[1]));
            arena.recorded(1);
            "one entry, one receipt".into()
        })
        .await;
    arena
        .attack("one's own request id for another statement", async {
            let first = cases::reporting_as(DEA, "first-of-id");
            arena.caller.submit(&first).await.unwrap();
            arena.recorded(1);
            let second = Statement {
                request_id: first.request_id,
                ..cases::reporting_as(DEA, "second-of-id")
            };
            refused(arena.caller.submit(&second).await, Reason::RequestIdReused);
            "REQUEST_ID_REUSED".into()
        })
        .await;
}

fn reporting(report: CaseReport) -> Vec<u8> {
    let kind = Kind::Report(Report {
        report: Some(report),
    });
    cases::statement(&cases::name(DEA, "much"), kind).encode_to_vec()
}

async fn more_than_it_should(arena: &Arena) {
    let usual = cases::report(DEA, "much");
    let finding = LaboratoryFinding {
        evidence_ids: vec![String::new(); 480_000],
        ..Default::default()
    };
    let findings = Item {
        findings: vec![LaboratoryFinding::default(); 480_000],
        ..Default::default()
    };
    for (name, payload, reason) in [
        (
            "480,000 empty items in 1 MiB",
            reporting(CaseReport {
                items: vec![Item::default(); 480_000],
                ..usual.clone()
            }),
            Reason::InvalidEnvelope,
        ),
        (
            "480,000 empty findings in 1 MiB",
            reporting(CaseReport {
                items: vec![findings],
                ..usual.clone()
            }),
            Reason::InvalidEnvelope,
        ),
        (
            "480,000 empty evidence references in 1 MiB",
            reporting(CaseReport {
                evidence: vec![EvidenceReference::default(); 480_000],
                ..usual.clone()
            }),
            Reason::InvalidEnvelope,
        ),
        (
            "19,000 empty items",
            reporting(CaseReport {
                items: vec![Item::default(); 19_000],
                ..usual.clone()
            }),
            Reason::InvalidFields,
        ),
        (
            "480,000 empty evidence ids in 1 MiB",
            reporting(CaseReport {
                items: vec![Item {
                    findings: vec![finding],
                    ..Default::default()
                }],
                ..usual.clone()
            }),
            Reason::InvalidFields,
        ),
        (
            "a narrative of 900 kB",
            reporting(CaseReport {
                narrative: "n".repeat(900_000),
                ..usual.clone()
            }),
            Reason::InvalidFields,
        ),
        (
            "10,000 groups within each other in a statement",
            [reporting(usual.clone()), [0xa3, 0x06].repeat(10_000)].concat(),
            Reason::InvalidEnvelope,
        ),
    ] {
        arena
            .attack_growing(name, 64, async {
                let signed = arena.caller.signer.sign_payload(payload).unwrap();
                // As many at once as there may well be.
                let all = (0..8).map(|_| arena.caller.submit_signed(signed.clone()));
                for outcome in futures_util::future::join_all(all).await {
                    refused(outcome, reason);
                }
                reason.to_string()
            })
            .await;
    }
}

async fn values(arena: &Arena) {
    let at = |seconds: i64, nanos: i32| Statement {
        make_time: Some(prost_types::Timestamp { seconds, nanos }),
        ..cases::reporting_as(DEA, "when")
    };
    for (name, statement) in [
        ("made in the year 292277026596", at(i64::MAX, 0)),
        ("made before all time", at(i64::MIN, 0)),
        ("nanoseconds below zero", at(1_500_000_000, -1)),
        ("nanoseconds over a second", at(1_500_000_000, i32::MAX)),
        (
            "no time at all",
            Statement {
                make_time: None,
                ..cases::reporting_as(DEA, "when")
            },
        ),
        (
            "no kind",
            Statement {
                kind: None,
                ..cases::reporting_as(DEA, "when")
            },
        ),
        (
            "a request id of 1 kB",
            Statement {
                request_id: "0".repeat(1_000),
                ..cases::reporting_as(DEA, "when")
            },
        ),
        (
            "a request id in upper case",
            Statement {
                request_id: "6FA459EA-EE8A-4CA4-894E-DB77E160355E".into(),
                ..cases::reporting_as(DEA, "when")
            },
        ),
        (
            "an amendment of revision -1",
            cases::amending(cases::report(DEA, "when"), -1),
        ),
        (
            "bidirectional controls in a title",
            cases::reporting(CaseReport {
                title: "safe\u{202e}efas".into(),
                ..cases::report(DEA, "when")
            }),
        ),
    ] {
        arena
            .attack(name, async {
                refused(arena.caller.submit(&statement).await, Reason::InvalidFields);
                "INVALID_FIELDS".into()
            })
            .await;
    }
}
