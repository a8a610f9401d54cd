//! What is not for a caller does not exist for it.

use casebroker_proto::{
    errors::Reason,
    v1::{CaseReport, ListCasesRequest, ListStatementsRequest, Tlp},
};
use casebroker_tests::{Broker, CBP, Caller, DEA, FIRST, RCMP, Site, cases, refused};
use tonic::{Code, Status};

struct Stage {
    broker: Broker,
    site: Site,
    dea: Caller,
    cbp: Caller,
    rcmp: Caller,
}

async fn stage() -> Stage {
    let site = Site::new();
    let broker = site.start();
    Stage {
        dea: broker.connect(&site.principal(DEA, "officer")).await,
        cbp: broker.connect(&site.principal(CBP, "officer")).await,
        rcmp: broker.connect(&site.principal(RCMP, "officer")).await,
        broker,
        site,
    }
}

fn for_rcmp(case: &str) -> CaseReport {
    CaseReport {
        handling: Some(cases::handling(Tlp::Red, &[RCMP])),
        ..cases::report(DEA, case)
    }
}

/// Everything that a status says, with what was asked for taken out.
fn told(status: &Status, asked: &str) -> (Code, String, String) {
    // The details carry the message once more.
    let details = String::from_utf8_lossy(status.details());
    assert!(status.message().contains(asked), "{status:?}");
    (
        status.code(),
        status.message().replace(asked, "ASKED"),
        details.replace(asked, "ASKED"),
    )
}

#[tokio::test]
async fn a_hidden_case_is_answered_exactly_like_one_that_does_not_exist() {
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    // Names of one length, so that no length prefix differs.
    let (hidden, missing) = (cases::name(DEA, "hidden0"), cases::name(DEA, "missing"));
    dea.submit(&cases::reporting(for_rcmp("hidden0")))
        .await
        .unwrap();
    assert!(
        rcmp.get(&hidden).await.is_ok(),
        "it is there for its audience"
    );

    let get = [cbp.get(&hidden).await, cbp.get(&missing).await].map(Result::unwrap_err);
    assert_eq!(told(&get[0], &hidden), told(&get[1], &missing));
    refused::<()>(Err(get[0].clone()), Reason::CaseNotFound);
    let history = [cbp.history(&hidden).await, cbp.history(&missing).await].map(Result::unwrap_err);
    assert_eq!(told(&history[0], &hidden), told(&history[1], &missing));
    for status in get.iter().chain(&history) {
        let keys = |s: &Status| {
            let names = s.metadata().keys().map(|k| format!("{k:?}"));
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        assert_eq!(keys(status), keys(&get[1]), "the same trailers");
    }
}

#[tokio::test]
async fn a_hidden_entry_is_answered_exactly_like_one_beyond_the_log() {
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    let recorded = dea.submit(&cases::reporting(for_rcmp("a"))).await.unwrap();
    assert_eq!(recorded.position, FIRST);
    assert!(rcmp.receipt(FIRST).await.is_ok());
    let hidden = cbp.receipt(FIRST).await.unwrap_err();
    refused::<()>(Err(hidden.clone()), Reason::EntryNotFound);
    for beyond in [2, 3, 9] {
        let missing = cbp.receipt(beyond).await.unwrap_err();
        let at = |position: u64| format!("position {position}");
        assert_eq!(told(&hidden, &at(FIRST)), told(&missing, &at(beyond)));
    }
}

#[tokio::test]
async fn a_listing_shows_only_what_the_caller_may_see() {
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    for (case, tlp, audience) in [
        ("everybody", Tlp::Green, &[][..]),
        ("clear", Tlp::Clear, &[][..]),
        ("for-rcmp", Tlp::Amber, &[RCMP][..]),
        ("for-both", Tlp::AmberStrict, &[RCMP, CBP][..]),
        ("own", Tlp::Red, &[DEA][..]),
    ] {
        let report = CaseReport {
            handling: Some(cases::handling(tlp, audience)),
            ..cases::report(DEA, case)
        };
        dea.submit(&cases::reporting(report)).await.unwrap();
    }
    let seen = async |caller: &Caller| {
        let cases = caller.list(None).await;
        let ids = cases
            .iter()
            .map(|c| c.name.rsplit('/').next().unwrap().to_owned());
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        ids
    };
    assert_eq!(seen(cbp).await, ["clear", "everybody", "for-both"]);
    assert_eq!(
        seen(rcmp).await,
        ["clear", "everybody", "for-both", "for-rcmp"]
    );
    assert_eq!(
        seen(dea).await,
        ["clear", "everybody", "for-both", "for-rcmp", "own"]
    );
}

#[tokio::test]
async fn an_amendment_that_narrows_the_audience_withdraws_the_case_and_one_that_widens_it_shows_it()
{
    let stage = stage().await;
    let Stage { dea, cbp, rcmp, .. } = &stage;
    let name = cases::name(DEA, "a");
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    assert!(cbp.get(&name).await.is_ok());
    dea.submit(&cases::amending(for_rcmp("a"), 1))
        .await
        .unwrap();
    for position in [FIRST, FIRST + 1] {
        refused(cbp.receipt(position).await, Reason::EntryNotFound);
        assert!(rcmp.receipt(position).await.is_ok());
    }
    refused(cbp.get(&name).await, Reason::CaseNotFound);
    refused(cbp.history(&name).await, Reason::CaseNotFound);
    assert!(cbp.list(None).await.is_empty());

    dea.submit(&cases::amending(cases::report(DEA, "a"), 2))
        .await
        .unwrap();
    let history = cbp.history(&name).await.unwrap();
    let positions: Vec<_> = history.iter().map(|s| s.position).collect();
    assert_eq!(
        positions,
        [FIRST, FIRST + 2],
        "the revision for others stays theirs"
    );
    refused(cbp.receipt(FIRST + 1).await, Reason::EntryNotFound);
    assert_eq!(rcmp.history(&name).await.unwrap().len(), 3);
}

#[tokio::test]
async fn pages_together_give_each_visible_case_once() {
    let stage = stage().await;
    let Stage { dea, cbp, .. } = &stage;
    for n in 0..40 {
        let id = format!("c{n:02}");
        let report = match n % 3 {
            0 => for_rcmp(&id),
            _ => cases::report(DEA, &id),
        };
        dea.submit(&cases::reporting(report.clone())).await.unwrap();
        if n % 4 == 1 {
            // A second revision must not show the case twice.
            dea.submit(&cases::amending(report, 1)).await.unwrap();
        }
    }
    let expected: Vec<_> = (0..40)
        .filter(|n| n % 3 != 0)
        .map(|n| cases::name(DEA, &format!("c{n:02}")))
        .collect();
    for page_size in [1, 2, 7, 26, 27, 1_000] {
        for order_by in ["position", "position desc", ""] {
            let mut names = all_pages(cbp, page_size, order_by).await;
            if order_by != "position" {
                names.reverse();
            }
            assert_eq!(names, expected, "{page_size} {order_by:?}");
        }
    }
}

async fn all_pages(caller: &Caller, page_size: i32, order_by: &str) -> Vec<String> {
    let mut request = ListCasesRequest {
        page_size,
        order_by: order_by.into(),
        ..Default::default()
    };
    let mut names = Vec::new();
    loop {
        let page = caller.page(&request).await.unwrap();
        assert!(page.cases.len() <= page_size as usize);
        names.extend(page.cases.into_iter().map(|case| case.name));
        if page.next_page_token.is_empty() {
            return names;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn pages_stay_whole_while_cases_arrive_and_change() {
    let stage = stage().await;
    let Stage { dea, cbp, .. } = &stage;
    for n in 0..20 {
        let statement = cases::reporting_as(DEA, &format!("old-{n:02}"));
        dea.submit(&statement).await.unwrap();
    }
    for order_by in ["position", "position desc"] {
        let mut request = ListCasesRequest {
            page_size: 3,
            order_by: order_by.into(),
            ..Default::default()
        };
        let expected: Vec<_> = cbp.list(None).await.into_iter().map(|c| c.name).collect();
        let mut seen = Vec::new();
        for arrival in 0.. {
            let page = cbp.page(&request).await.unwrap();
            seen.extend(page.cases.into_iter().map(|case| case.name));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
            let id = format!("new-{}-{arrival}", order_by.len());
            dea.submit(&cases::reporting_as(DEA, &id)).await.unwrap();
            let id = format!("old-{arrival:02}");
            let revision = dea.get(&cases::name(DEA, &id)).await.unwrap().revision;
            let amendment = cases::amending(cases::report(DEA, &id), revision);
            dea.submit(&amendment).await.unwrap();
        }
        if order_by == "position" {
            seen.reverse();
        }
        assert_eq!(seen, expected, "{order_by}");
    }
}

#[tokio::test]
async fn a_token_of_another_caller_filter_order_or_listing_is_refused() {
    let stage = stage().await;
    let Stage {
        site,
        broker,
        dea,
        cbp,
        ..
    } = &stage;
    for n in 0..4 {
        dea.submit(&cases::reporting_as(DEA, &format!("c{n}")))
            .await
            .unwrap();
    }
    let first = ListCasesRequest {
        page_size: 1,
        ..Default::default()
    };
    let token = cbp.page(&first).await.unwrap().next_page_token;
    let with_token = |token: &str| ListCasesRequest {
        page_token: token.into(),
        ..first.clone()
    };
    refused(
        dea.page(&with_token(&token)).await,
        Reason::PageTokenInvalid,
    );
    let filtered = ListCasesRequest {
        filter: Some(casebroker_proto::v1::CaseFilter {
            agencies: vec![format!("agencies/{DEA}")],
            ..Default::default()
        }),
        ..with_token(&token)
    };
    refused(cbp.page(&filtered).await, Reason::PageTokenInvalid);
    let reordered = ListCasesRequest {
        order_by: "position".into(),
        ..with_token(&token)
    };
    refused(cbp.page(&reordered).await, Reason::PageTokenInvalid);
    for broken in [&token[1..], "x", "====", &format!("{token}A")] {
        refused(
            cbp.page(&with_token(broken)).await,
            Reason::PageTokenInvalid,
        );
    }
    let statements = ListStatementsRequest {
        case: cases::name(DEA, "c0"),
        page_token: token.clone(),
        ..Default::default()
    };
    let outcome = cbp.cases().list_statements(statements).await;
    refused(outcome, Reason::PageTokenInvalid);
    // The page size may change between pages (AIP-158), and so may the officer of the agency.
    let larger = ListCasesRequest {
        page_size: 3,
        ..with_token(&token)
    };
    let colleague = broker.connect(&site.principal(CBP, "officer")).await;
    assert_eq!(colleague.page(&larger).await.unwrap().cases.len(), 3);
}

#[tokio::test]
async fn a_filter_by_agency_selects_and_what_nothing_can_have_is_refused_by_name() {
    use casebroker_proto::v1::CaseFilter;
    let stage = stage().await;
    let Stage { dea, rcmp, .. } = &stage;
    dea.submit(&cases::reporting_as(DEA, "a")).await.unwrap();
    rcmp.submit(&cases::reporting_as(RCMP, "b")).await.unwrap();
    let by_agency = |ids: &[&str]| CaseFilter {
        agencies: ids.iter().map(|id| format!("agencies/{id}")).collect(),
        ..Default::default()
    };
    assert_eq!(
        dea.list(Some(by_agency(&[RCMP]))).await[0].owner,
        "agencies/ca-rcmp"
    );
    assert_eq!(dea.list(Some(by_agency(&[CBP]))).await.len(), 0);
    assert_eq!(dea.list(Some(by_agency(&[DEA, RCMP]))).await.len(), 2);

    let filter = CaseFilter {
        origins: vec!["China".into()],
        min_mass_micrograms: -1,
        reporting_units: vec!["nowhere".into()],
        ..by_agency(&["us-nobody"])
    };
    let request = ListCasesRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let status = refused(dea.page(&request).await, Reason::InvalidFields);
    assert_eq!(
        casebroker_tests::caller::fields(&status),
        [
            "filter.agencies[0]",
            "filter.origins[0]",
            "filter.min_mass_micrograms"
        ]
    );
}

#[tokio::test]
async fn bad_requests_for_cases_name_the_field() {
    let stage = stage().await;
    let Stage { dea, .. } = &stage;
    let path = |outcome| casebroker_tests::caller::fields(&refused(outcome, Reason::InvalidFields));
    assert_eq!(path(dea.get("agencies/us-dea").await.map(drop)), ["name"]);
    assert_eq!(path(dea.history("").await.map(drop)), ["case"]);
    let page = |request: ListCasesRequest| {
        let dea = dea.clone();
        async move { dea.page(&request).await.map(drop) }
    };
    for page_size in [-1, 1_001] {
        let request = ListCasesRequest {
            page_size,
            ..Default::default()
        };
        assert_eq!(path(page(request).await), ["page_size"]);
    }
    let request = ListCasesRequest {
        order_by: "title".into(),
        ..Default::default()
    };
    assert_eq!(path(page(request).await), ["order_by"]);
    let request = ListCasesRequest {
        min_position: FIRST + 1,
        ..Default::default()
    };
    refused(page(request).await, Reason::PositionOutOfRange);
}
