//! What a line about a case needs: see `CASE_VIEW_BASIC` in the contract.

use casebroker_proto::v1::{Assessment, Case, CaseReport, Item, Location, Route};

/// Leaves the rest out.
pub fn keep(case: Case) -> Case {
    Case {
        report: case.report.map(report),
        assessment: case.assessment.map(|assessment| Assessment {
            rules: Vec::new(),
            ..assessment
        }),
        controls: Vec::new(),
        provenance: Vec::new(),
        late_findings: Vec::new(),
        corroborations: Vec::new(),
        evidence_requests: Vec::new(),
        ..case
    }
}

fn report(report: CaseReport) -> CaseReport {
    let items = report.items.into_iter();
    let items = items.map(|item| Item {
        findings: Vec::new(),
        ..item
    });
    CaseReport {
        route: report.route.map(route),
        items: items.collect(),
        evidence: Vec::new(),
        identifiers: Vec::new(),
        organizations: Vec::new(),
        concealment: String::new(),
        narrative: String::new(),
        handling: None,
        sources: Vec::new(),
        ..report
    }
}

fn route(route: Route) -> Route {
    Route {
        origin: route.origin.map(place),
        departure: route.departure.map(place),
        transit: route.transit.into_iter().map(place).collect(),
        destination: route.destination.map(place),
    }
}

fn place(place: Location) -> Location {
    Location {
        attributions: Vec::new(),
        ..place
    }
}
