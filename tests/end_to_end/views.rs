//! How much of a case a listing gives.

use casebroker_proto::{
    errors::Reason,
    v1::{Case, CaseView, ListCasesRequest, ListCasesResponse},
};
use casebroker_tests::{CBP, Caller, DEA, Site, cases, life::life, refused};
use prost::Message as _;
use tonic::Status;

async fn page(caller: &Caller, view: i32) -> Result<ListCasesResponse, Status> {
    let request = ListCasesRequest {
        view,
        ..Default::default()
    };
    caller.page(&request).await
}

/// Takes away what the contract says that a basic view leaves out.
fn basic(mut case: Case) -> Case {
    case.assessment.as_mut().unwrap().rules.clear();
    case.controls.clear();
    case.provenance.clear();
    case.late_findings.clear();
    case.corroborations.clear();
    case.evidence_requests.clear();
    let report = case.report.as_mut().unwrap();
    report.evidence.clear();
    report.identifiers.clear();
    report.organizations.clear();
    report.concealment.clear();
    report.narrative.clear();
    report.handling = None;
    report.sources.clear();
    for item in &mut report.items {
        item.findings.clear();
    }
    let route = report.route.as_mut().unwrap();
    let ends = [
        &mut route.origin,
        &mut route.departure,
        &mut route.destination,
    ];
    let places = ends.into_iter().flatten().chain(&mut route.transit);
    places.for_each(|place| place.attributions.clear());
    case
}

#[tokio::test]
async fn a_basic_view_is_the_case_without_what_a_line_does_not_show_and_the_default_is_all_of_it() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    for (maker, statement) in life("told") {
        let maker = if maker == DEA { &dea } else { &cbp };
        maker.submit(&statement).await.unwrap();
    }
    let statement = cases::reporting_as(DEA, "plain");
    dea.submit(&statement).await.unwrap();
    let whole = page(&cbp, CaseView::Full.into()).await.unwrap();
    let unspecified = page(&cbp, CaseView::Unspecified.into()).await.unwrap();
    assert_eq!(unspecified.cases, whole.cases);
    let told = &whole.cases[1];
    assert_eq!(*told, cbp.get(&cases::name(DEA, "told")).await.unwrap());
    assert!(!told.evidence_requests.is_empty() && !told.late_findings.is_empty());

    let lines = page(&cbp, CaseView::Basic.into()).await.unwrap();
    let expected: Vec<Case> = whole.cases.iter().cloned().map(basic).collect();
    assert_eq!(lines.cases, expected);
    assert_eq!(lines.total_size, whole.total_size);
    assert_eq!(
        lines.cases[1].disputes.len(),
        1,
        "a line may be marked by it"
    );
    let bytes = |page: &ListCasesResponse| page.encoded_len();
    assert!(
        3 * bytes(&lines) < bytes(&whole),
        "{} of {}",
        bytes(&lines),
        bytes(&whole)
    );
}

#[tokio::test]
async fn a_view_that_is_none_and_the_token_of_another_view_are_refused() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    for case in ["a", "b"] {
        let statement = cases::reporting_as(DEA, case);
        dea.submit(&statement).await.unwrap();
    }
    let details = refused(page(&dea, 9).await, Reason::InvalidFields);
    assert_eq!(
        details.bad_request().unwrap().field_violations[0].field,
        "view"
    );

    let mut request = ListCasesRequest {
        page_size: 1,
        view: CaseView::Basic.into(),
        ..Default::default()
    };
    request.page_token = dea.page(&request).await.unwrap().next_page_token;
    assert_eq!(dea.page(&request).await.unwrap().cases.len(), 1);
    request.view = CaseView::Full.into();
    refused(dea.page(&request).await, Reason::PageTokenInvalid);
}
