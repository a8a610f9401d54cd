//! The life of a case over the wire: judged, asked about, disputed.

use casebroker_proto::{
    errors::Reason,
    v1::{
        Case, CaseStatus, EvidenceRequestState, ListTasksRequest, ListTasksResponse, Task,
        TaskKind, task::Detail,
    },
};
use casebroker_tests::{Broker, CBP, Caller, DEA, RCMP, Site, cases, life::life, refused};

struct Stage {
    // Ends with the broker.
    _site: Site,
    broker: Broker,
    dea: Caller,
    cbp: Caller,
    rcmp: Caller,
}

async fn stage() -> Stage {
    let site = Site::new().without_quotas();
    let broker = site.start();
    Stage {
        dea: broker.connect(&site.principal(DEA, "officer")).await,
        cbp: broker.connect(&site.principal(CBP, "officer")).await,
        rcmp: broker.connect(&site.principal(RCMP, "officer")).await,
        broker,
        _site: site,
    }
}

impl Stage {
    /// The first so many statements of a life.
    async fn live(&self, id: &str, statements: usize) {
        for (agency, statement) in life(id).into_iter().take(statements) {
            let maker = if agency == DEA { &self.dea } else { &self.cbp };
            maker.submit(&statement).await.unwrap();
        }
    }
}

async fn tasks(caller: &Caller, request: ListTasksRequest) -> ListTasksResponse {
    caller
        .cases()
        .list_tasks(request)
        .await
        .unwrap()
        .into_inner()
}

async fn all(caller: &Caller, kind: TaskKind, show_done: bool) -> Vec<Task> {
    let request = ListTasksRequest {
        kinds: vec![kind.into()],
        show_done,
        page_size: 1_000,
        ..Default::default()
    };
    tasks(caller, request).await.tasks
}

fn status(case: &Case) -> CaseStatus {
    case.assessment.as_ref().unwrap().status()
}

#[tokio::test]
async fn a_case_says_which_rule_it_fails_and_is_confirmed_once_it_meets_them() {
    let stage = stage().await;
    let mut report = cases::report(DEA, "a");
    let findings = std::mem::take(&mut report.items[0].findings);
    stage
        .dea
        .submit(&cases::reporting(report.clone()))
        .await
        .unwrap();
    let case = stage.dea.get(&report.name).await.unwrap();
    assert_eq!(status(&case), CaseStatus::Reported);
    let rules = case.assessment.unwrap().rules;
    let failed = rules.iter().find(|rule| rule.rule == "laboratory-finding");
    let failed = failed.unwrap();
    assert!(
        !failed.met && failed.message.contains("item 1"),
        "{failed:?}"
    );
    report.items[0].findings = findings;
    stage
        .dea
        .submit(&cases::amending(report.clone(), 1))
        .await
        .unwrap();
    let case = stage.dea.get(&report.name).await.unwrap();
    assert_eq!(status(&case), CaseStatus::Confirmed);
    assert_eq!(case.assessment.unwrap().confirmed_items, [1]);
    assert!(case.controls.iter().any(|c| c.substance == "carfentanil"));
    stage.broker.stop().await;
}

#[tokio::test]
async fn what_is_asked_of_an_agency_is_on_its_list_until_it_is_answered() {
    let stage = stage().await;
    stage.live("a", 3).await;
    let asked = all(&stage.cbp, TaskKind::RequestToAgency, false).await;
    let [task] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (task.case.as_str(), task.done),
        (cases::name(DEA, "a").as_str(), false)
    );
    let Some(Detail::EvidenceRequest(request)) = &task.detail else {
        panic!("{task:?}");
    };
    assert_eq!(
        request.state(),
        EvidenceRequestState::Overdue,
        "due in 2020"
    );
    assert_eq!(
        all(&stage.dea, TaskKind::RequestByAgency, false)
            .await
            .len(),
        1
    );
    assert!(
        all(&stage.dea, TaskKind::RequestToAgency, true)
            .await
            .is_empty()
    );
    assert!(
        all(&stage.rcmp, TaskKind::RequestToAgency, true)
            .await
            .is_empty()
    );

    // Declined after a partial answer.
    let mut life = life("b");
    life.truncate(5);
    for (agency, statement) in &life {
        let maker = if *agency == DEA {
            &stage.dea
        } else {
            &stage.cbp
        };
        maker.submit(statement).await.unwrap();
    }
    assert_eq!(
        all(&stage.cbp, TaskKind::RequestToAgency, false)
            .await
            .len(),
        2
    );
    let mut decline = life.pop().unwrap().1;
    decline.request_id = uuid::Uuid::new_v4().to_string();
    if let Some(casebroker_proto::v1::statement::Kind::EvidenceResponse(answer)) = &mut decline.kind
    {
        answer.kind = casebroker_proto::v1::EvidenceResponseKind::Declined.into();
    }
    stage.cbp.submit(&decline).await.unwrap();
    let open = all(&stage.cbp, TaskKind::RequestToAgency, false).await;
    assert_eq!(open.len(), 1);
    let both = all(&stage.cbp, TaskKind::RequestToAgency, true).await;
    assert_eq!(both.iter().filter(|task| task.done).count(), 1);
    stage.broker.stop().await;
}

#[tokio::test]
async fn pages_of_tasks_hold_each_once_and_belong_to_who_asked() {
    let stage = stage().await;
    for n in 0..7 {
        stage.live(&format!("c{n}"), 7).await;
    }
    let request = ListTasksRequest {
        show_done: true,
        page_size: 3,
        ..Default::default()
    };
    let whole = tasks(
        &stage.dea,
        ListTasksRequest {
            page_size: 1_000,
            ..request.clone()
        },
    )
    .await;
    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let page = tasks(
            &stage.dea,
            ListTasksRequest {
                page_token: token,
                ..request.clone()
            },
        )
        .await;
        assert!(page.tasks.len() <= 3);
        paged.extend(page.tasks);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let theirs = ListTasksRequest {
            page_token: token.clone(),
            ..request.clone()
        };
        let outcome = stage.cbp.cases().list_tasks(theirs).await;
        refused(outcome, Reason::PageTokenInvalid);
    }
    let disputes = |tasks: &[Task]| {
        let disputes = tasks.iter().filter(|t| t.kind() == TaskKind::Dispute);
        disputes.map(|task| task.position).collect::<Vec<_>>()
    };
    assert_eq!(disputes(&paged).len(), 7);
    assert_eq!(disputes(&paged), disputes(&whole.tasks));
    assert!(paged.is_sorted_by(|a, b| a.position >= b.position));
    stage.broker.stop().await;
}

#[tokio::test]
async fn an_origin_that_another_agency_names_differently_is_contested_and_both_are_shown() {
    let stage = stage().await;
    let mut report = cases::report(DEA, "a");
    let route = report.route.as_mut().unwrap();
    route.origin = route.departure.clone();
    report.handling = life("a")[1].1.handling.clone();
    stage.dea.submit(&cases::reporting(report)).await.unwrap();
    stage.cbp.submit(&life("a")[1].1).await.unwrap();
    let case = stage.cbp.get(&cases::name(DEA, "a")).await.unwrap();
    let claims = case.contested_origins.iter();
    let claims: Vec<_> = claims
        .map(|c| (c.agency.as_str(), c.country.as_str()))
        .collect();
    assert_eq!(
        claims,
        [("agencies/us-dea", "CN"), ("agencies/us-cbp", "MX")]
    );
    assert_eq!(
        case.report.unwrap().route.unwrap().origin.unwrap().country,
        "CN"
    );
    stage.broker.stop().await;
}
