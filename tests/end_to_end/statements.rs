//! Every kind of statement, made by everybody, about a case in every state; `docs/statements.md` says the same.

use std::{fmt::Write as _, path::Path};

use casebroker_proto::v1::{
    Accreditation, Corroboration, Dispute, EvidenceRequest, EvidenceResponse, EvidenceResponseKind,
    FindOverlapsRequest, Finding, FindingResult, Handling, ItemFinding, LaboratoryFinding,
    OverlapDeclaration, OverlapVerdict, Release, Statement, Technique, Tlp, statement::Kind,
};
use casebroker_server::intake::{Audience, Makers, RULES, Rule};
use casebroker_tests::{CBP, Caller, DEA, RCMP, Site, cases};
use tonic_types::StatusExt as _;
use uuid::Uuid;

const OUTSIDER: &str = "mx-fgr";

/// Who tries: agency, role, in words.
const WHO: [(&str, &str, &str); 8] = [
    (DEA, "system", "the owner's system"),
    (DEA, "officer", "an officer of the owner"),
    (DEA, "auditor", "an auditor of the owner"),
    (DEA, "operator", "an operator of the owner"),
    (
        CBP,
        "officer",
        "an officer of the agency that was asked, and disputes",
    ),
    (CBP, "system", "a system of that agency"),
    (
        RCMP,
        "officer",
        "an officer of another agency in the audience",
    ),
    (
        OUTSIDER,
        "officer",
        "an officer of a member outside the audience",
    ),
];

/// States of a case, in words.
const STATES: [&str; 4] = ["no such case", "reported", "disputed", "retracted"];

#[tokio::test]
async fn every_kind_by_everybody_in_every_state_comes_out_as_the_document_says() {
    let site = Site::new().without_quotas().with_member(OUTSIDER);
    let broker = site.start();
    let mut callers = Vec::new();
    for (agency, role, _) in WHO {
        callers.push(broker.connect(&site.principal(agency, role)).await);
    }
    let stage = Stage {
        owner: callers[1].clone(),
        asked: callers[4].clone(),
    };
    let mut document = INTRODUCTION.to_owned();
    for (row, rule) in RULES.iter().enumerate() {
        describe(&mut document, rule);
        for (column, (_, _, words)) in WHO.iter().enumerate() {
            let mut line = format!("| {words} |");
            for (state, _) in STATES.iter().enumerate() {
                let case = cases::name(DEA, &format!("k{row}-w{column}-s{state}"));
                let target = stage.prepare(&case, state).await;
                let statement = target.statement(row);
                let outcome = outcome(&callers[column], &statement).await;
                write!(line, " {outcome} |").unwrap();
            }
            document.push_str(&line);
            document.push('\n');
        }
    }
    broker.stop().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/statements.md");
    if std::env::var_os("CASEBROKER_WRITE_DOCUMENTS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (is, said)) in document.lines().zip(written.lines()).enumerate() {
        assert_eq!(is, said, "line {} of docs/statements.md", line + 1);
    }
    assert_eq!(document, written, "docs/statements.md is stale");
}

/// Who brings a case into its state.
struct Stage {
    owner: Caller,
    asked: Caller,
}

/// A case in some state, and what statements about it refer to.
struct Target {
    case: String,
    request: String,
    dispute: String,
    overlap: String,
}

impl Stage {
    async fn prepare(&self, case: &str, state: usize) -> Target {
        let mut target = Target {
            case: case.to_owned(),
            request: Uuid::new_v4().to_string(),
            dispute: Uuid::new_v4().to_string(),
            overlap: "0".repeat(32),
        };
        if state == 0 {
            return target;
        }
        let mut report = cases::report(DEA, case.rsplit('/').next().unwrap());
        report.handling = Some(audience());
        self.owner.submit(&cases::reporting(report)).await.unwrap();
        let mut ask = target.statement(kind("evidence_request"));
        target.request.clone_from(&ask.request_id);
        ask.handling = Some(audience());
        self.owner.submit(&ask).await.unwrap();
        let request = FindOverlapsRequest {
            case: case.to_owned(),
            min_position: 0,
        };
        if let Ok(found) = self.owner.cases().find_overlaps(request).await
            && let Some(overlap) = found.into_inner().overlaps.first()
        {
            target.overlap.clone_from(&overlap.id);
        }
        if state >= 2 {
            let dispute = target.statement(kind("dispute"));
            target.dispute.clone_from(&dispute.request_id);
            self.asked.submit(&dispute).await.unwrap();
        }
        if state == 3 {
            let retraction = target.statement(kind("retraction"));
            self.owner.submit(&retraction).await.unwrap();
        }
        target
    }
}

/// Row of a kind.
fn kind(name: &str) -> usize {
    RULES.iter().position(|rule| rule.kind == name).unwrap()
}

fn audience() -> Handling {
    cases::handling(Tlp::Amber, &[CBP, RCMP])
}

impl Target {
    /// A statement of the kind in that row, with nothing wrong in itself.
    fn statement(&self, row: usize) -> Statement {
        let words = || "As a letter of today says".to_owned();
        let mut report = cases::report(DEA, self.case.rsplit('/').next().unwrap());
        report.handling = Some(audience());
        let kind = match RULES[row].kind {
            "report" => return cases::reporting(report),
            "amendment" => return cases::amending(report, 1),
            "corroboration" => Kind::Corroboration(Corroboration {
                note: words(),
                ..Default::default()
            }),
            "evidence_request" => Kind::EvidenceRequest(EvidenceRequest {
                // Everybody asks somebody else.
                addressee: format!("agencies/{CBP}"),
                question: words(),
                ..Default::default()
            }),
            "evidence_response" => Kind::EvidenceResponse(EvidenceResponse {
                evidence_request: self.request.clone(),
                requester: format!("agencies/{DEA}"),
                kind: EvidenceResponseKind::Declined.into(),
                note: words(),
                ..Default::default()
            }),
            "dispute" => Kind::Dispute(Dispute {
                fields: vec!["route.departure".into()],
                reason: words(),
                ..Default::default()
            }),
            "dispute (end)" => Kind::Dispute(Dispute {
                reason: words(),
                resolves: self.dispute.clone(),
                ..Default::default()
            }),
            "finding" => Kind::Finding(Finding {
                findings: vec![ItemFinding {
                    item: 1,
                    finding: Some(LaboratoryFinding {
                        laboratory: "Drug analysis service".into(),
                        accreditation: Accreditation::None.into(),
                        report_number: "1".into(),
                        techniques: vec![Technique::MassSpectrometry.into()],
                        result: FindingResult::Inconclusive.into(),
                        ..Default::default()
                    }),
                }],
                evidence_request: self.request.clone(),
                ..Default::default()
            }),
            "release" => Kind::Release(Release {
                handling: Some(cases::handling(Tlp::Green, &[])),
                reason: words(),
            }),
            "retraction" => {
                return Statement {
                    handling: Some(audience()),
                    ..cases::retracting(&self.case)
                };
            }
            "overlap_declaration" => Kind::OverlapDeclaration(OverlapDeclaration {
                overlap: self.overlap.clone(),
                verdict: OverlapVerdict::Same.into(),
                reason: words(),
            }),
            other => panic!("{other} has no example"),
        };
        let handling = match kind {
            Kind::Release(_) => None,
            _ => Some(audience()),
        };
        Statement {
            handling,
            ..cases::statement(&self.case, kind)
        }
    }
}

async fn outcome(caller: &Caller, statement: &Statement) -> String {
    match caller.submit(statement).await {
        Ok(_) => "**recorded**".into(),
        Err(status) => {
            let details = status.get_error_details();
            let reason = &details
                .error_info()
                .expect("every refusal has a reason")
                .reason;
            if reason == "INVALID_FIELDS" {
                let fields = casebroker_tests::caller::fields(&details);
                return format!("INVALID_FIELDS: {}", fields.join(", "));
            }
            reason.clone()
        }
    }
}

const INTRODUCTION: &str = "# Statements

Everything that is said about a case is a statement: signed by the agency that makes it, recorded in the log, never changed and
never removed. This is who may say what, about a case in which state, and what follows. The tables are what a broker did: a test
makes every statement as everybody in every state and holds the outcome against this file.

In the tables the case is one of `us-dea`, for `us-cbp` and `ca-rcmp` to see (TLP:AMBER). Its owner asked `us-cbp` for evidence.
\"Disputed\": `us-cbp` objected. \"Retracted\": the owner then took the case back. Reasons in capitals are those of
[errors.md](errors.md). A case has room for 10,000 statements, 16 MiB of reports and amendments, 1 MiB of what else its owner says,
and 1 MiB of what others say; beyond that the answer is `CASE_FULL`. Where a case is not for somebody, the answer is that of a case that does not exist: `CASE_NOT_FOUND`.
";

fn describe(document: &mut String, rule: &Rule) {
    let makers = match rule.makers {
        Makers::Owner => "The owner of the case.",
        Makers::Others => "An agency that may see the case and does not own it.",
        Makers::Anybody => "The owner, and any agency that may see the case.",
        Makers::Addressee => "The agency that the request is addressed to.",
        Makers::Disputer => "The agency that made the dispute.",
        Makers::OwnerOrAsked => {
            "The owner, and an agency that the owner asked for evidence about the case."
        }
    };
    let roles: Vec<_> = rule.roles.iter().map(|role| format!("`{role}`")).collect();
    let audience = match rule.audience {
        Audience::Sets => "It brings the audience of the case with it.",
        Audience::Widens => "Everybody who may see the case, and those whom it adds.",
        Audience::Within => "Its own audience, in which is nobody who may not see the case.",
    };
    let most = match rule.most {
        1 => "One a case.".to_owned(),
        most if rule.makers == Makers::Owner || most >= 10_000 => {
            "As many as the case has room for.".to_owned()
        }
        most => format!("At most {most} a case by others; the owner's have room of their own."),
    };
    let condition = match rule.condition {
        "" => "Nothing else.",
        condition => condition,
    };
    write!(
        document,
        "
## `{}`

- **What follows.** {}
- **Who makes it.** {makers} Roles: {}; a system speaks about its own agency's cases only.
- **What must hold.** {condition}
- **Who may see it.** {audience}
- **How many.** {most}

| made by | {} |
|---|{}
",
        rule.kind,
        rule.changes,
        roles.join(", "),
        STATES.join(" | "),
        "---|".repeat(STATES.len()),
    )
    .unwrap();
}
