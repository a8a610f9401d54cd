//! A case that everything is said about.

use casebroker_proto::{
    google::r#type::Date,
    v1::{
        Accreditation, Attribution, AttributionBasis, Corroboration, Dispute, EvidenceKind,
        EvidenceRequest, EvidenceResponse, EvidenceResponseKind, Finding, FindingResult,
        ItemFinding, LaboratoryFinding, Location, Release, Route, Statement, Technique, Tlp,
        statement::Kind,
    },
};

use crate::{CBP, DEA, RCMP, cases};

/// Statements about a case of us-dea in the order of its life, each with the agency that makes it: one of every kind but an
/// overlap declaration, for which an overlap must be known. An officer may make them all.
pub fn life(id: &str) -> Vec<(&'static str, Statement)> {
    let case = cases::name(DEA, id);
    let handling = cases::handling(Tlp::Amber, &[CBP]);
    let say = |kind| Statement {
        handling: Some(handling.clone()),
        ..cases::statement(&case, kind)
    };
    let words = || format!("About {id}");
    let mut report = cases::report(DEA, id);
    report.handling = Some(handling.clone());
    let first = cases::reporting(report.clone());
    report.title.push_str(", weighed again");
    let amendment = cases::amending(report, 1);
    let ask = say(Kind::EvidenceRequest(EvidenceRequest {
        addressee: format!("agencies/{CBP}"),
        question: words(),
        kinds: vec![EvidenceKind::LabReport.into()],
        due_date: Some(Date {
            year: 2020,
            month: 2,
            day: 0,
        }),
    }));
    let finding = |evidence_request: &str| {
        say(Kind::Finding(Finding {
            findings: vec![ItemFinding {
                item: 1,
                finding: Some(inconclusive(id)),
            }],
            evidence: Vec::new(),
            evidence_request: evidence_request.into(),
        }))
    };
    let answer = say(Kind::EvidenceResponse(EvidenceResponse {
        evidence_request: ask.request_id.clone(),
        kind: EvidenceResponseKind::Partial.into(),
        note: words(),
        evidence: Vec::new(),
        requester: format!("agencies/{DEA}"),
    }));
    let corroboration = say(Kind::Corroboration(Corroboration {
        note: words(),
        route: Some(from("MX")),
        ..Default::default()
    }));
    let dispute = say(Kind::Dispute(Dispute {
        fields: vec!["route.departure".into()],
        reason: words(),
        ..Default::default()
    }));
    let end = say(Kind::Dispute(Dispute {
        reason: words(),
        resolves: dispute.request_id.clone(),
        ..Default::default()
    }));
    let release = Statement {
        handling: None,
        ..say(Kind::Release(Release {
            handling: Some(cases::handling(Tlp::Amber, &[CBP, RCMP])),
            reason: words(),
        }))
    };
    let retraction = Statement {
        handling: Some(handling.clone()),
        ..cases::retracting(&case)
    };
    let asked = finding(&ask.request_id);
    vec![
        (DEA, first),
        (CBP, corroboration),
        (DEA, ask),
        (DEA, amendment),
        (CBP, answer),
        (CBP, asked),
        (CBP, dispute),
        (DEA, finding("")),
        (CBP, end),
        (DEA, release),
        (DEA, retraction),
    ]
}

fn inconclusive(id: &str) -> LaboratoryFinding {
    LaboratoryFinding {
        laboratory: "Drug analysis service".into(),
        accreditation: Accreditation::None.into(),
        report_number: format!("LATE-{id}"),
        techniques: vec![Technique::MassSpectrometry.into()],
        result: FindingResult::Inconclusive.into(),
        ..Default::default()
    }
}

fn from(country: &str) -> Route {
    let attribution = Attribution {
        basis: AttributionBasis::AgencyStatement.into(),
        ..Default::default()
    };
    Route {
        origin: Some(Location {
            country: country.into(),
            attributions: vec![attribution],
            ..Default::default()
        }),
        ..Default::default()
    }
}
