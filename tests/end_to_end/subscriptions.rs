//! Durable subscriptions, by the contract alone.

use casebroker_proto::{
    errors::Reason,
    v1::{
        AckResult, CaseFilter, CaseStatus, CreateSubscriptionRequest, DeliveryContent,
        DeliveryDetail, DeliveryProgress, DropDeadLettersRequest, ListCasesRequest,
        ListDeadLettersRequest, ListDeliveriesRequest, Nacked, ReplayDeadLettersRequest,
        StatementKind, Subscription, Tlp, UpdateSubscriptionRequest,
    },
};
use casebroker_tests::{
    CBP, Caller, DEA, RCMP, Site,
    caller::fields,
    cases, life, refused,
    subscriber::{beginning, position, subscription, subscription_name, subscription_to},
    wait,
};

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

async fn submit_many(system: &Caller, ids: std::ops::Range<usize>) -> Vec<u64> {
    let mut positions = Vec::new();
    for id in ids {
        let report = cases::reporting(cases::report(DEA, &format!("c-{id:04}")));
        positions.push(system.submit(&report).await.unwrap().position);
    }
    positions
}

fn positions(deliveries: &[casebroker_proto::v1::Delivery]) -> Vec<u64> {
    deliveries
        .iter()
        .map(|delivery| delivery.position)
        .collect()
}

#[tokio::test]
async fn what_was_recorded_before_and_after_is_delivered_in_order_and_not_again_once_acknowledged()
{
    let site = Site::new().without_quotas();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let mut expected = submit_many(&system, 0..5).await;
    let name = subscription_name(RCMP, "all");
    let made = officer
        .subscribe(subscription(RCMP, "all"), beginning())
        .await
        .unwrap();
    assert_eq!(made.viewer_role, "officer");
    let before = officer.pull_and_ack(&name, 5).await;
    expected.extend(submit_many(&system, 5..10).await);
    let after = officer.pull_and_ack(&name, 5).await;
    let all = [before, after].concat();
    assert_eq!(positions(&all), expected);
    for delivery in &all {
        let statement = delivery.statement.as_ref().unwrap();
        assert_eq!(statement.position, delivery.position);
        assert_eq!(delivery.kind(), StatementKind::Report);
        assert_eq!(delivery.delivery_attempt, 1);
        let change = delivery.change.unwrap();
        assert!(change.appeared && change.selected && !change.selected_before);
        assert_eq!(change.status(), CaseStatus::Confirmed);
    }
    assert!(officer.pull_now(&name).await.is_empty());
    let (_, state) = officer.standing(&name).await.unwrap();
    assert_eq!(
        (state.unacknowledged, state.backlog, state.acknowledged),
        (0, 0, 10)
    );
}

#[tokio::test]
async fn who_will_not_wait_gets_what_is_there_and_who_makes_it_again_learns_where_it_is() {
    let site = Site::new();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let rcmp = broker.connect(&site.principal(RCMP, "officer")).await;
    let recorded = submit_many(&dea, 0..5).await;
    let request = CreateSubscriptionRequest {
        subscription: Some(subscription(RCMP, "new")),
        start: position(0),
    };
    let create = |start| {
        let request = CreateSubscriptionRequest {
            start,
            ..request.clone()
        };
        let mut service = rcmp.subscriptions();
        async move {
            service
                .create_subscription(request)
                .await
                .unwrap()
                .into_inner()
        }
    };
    assert_eq!(create(position(0)).await.start_position, 0);
    // Whoever lists with this position waits until the table has come to it.
    let listing = ListCasesRequest {
        min_position: recorded[4] + 1,
        ..ListCasesRequest::default()
    };
    rcmp.cases().list_cases(listing).await.unwrap();
    let name = subscription_name(RCMP, "new");
    let came = rcmp.pull_now(&name).await;
    assert_eq!(positions(&came), recorded);
    let again = create(None).await.start_position;
    assert_eq!(
        again,
        recorded[4] + 1,
        "it is where it was, not where it would begin"
    );
}

#[tokio::test]
async fn a_restart_forgets_neither_subscription_nor_cursor_and_leaves_no_gap() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let name = subscription_name(RCMP, "all");
    officer
        .subscribe(subscription(RCMP, "all"), None)
        .await
        .unwrap();
    let recorded = submit_many(&system, 0..6).await;
    let some = officer.pull_just(&name, 4).await;
    let ids = some.iter().skip(1).map(|d| d.ack_id.clone()).collect();
    officer.acknowledge(&name, ids).await.unwrap();
    broker.stop().await;
    let broker = site.start();
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let (kept, state) = officer.standing(&name).await.unwrap();
    assert_eq!(kept.name, name);
    assert_eq!(state.backlog + state.waiting, 3);
    let rest = officer.pull_and_ack(&name, 3).await;
    assert_eq!(positions(&rest), [recorded[0], recorded[4], recorded[5]]);
    assert_eq!(rest[0].delivery_attempt, 2);
    // An ack id of before the restart is still known.
    let ids = vec![some[1].ack_id.clone()];
    let outcomes = officer.acknowledge(&name, ids).await.unwrap();
    assert_eq!(outcomes[0].result(), AckResult::Settled);
}

#[tokio::test]
async fn a_filter_delivers_what_enters_it_and_what_leaves_it() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let filter = CaseFilter {
        countries: vec!["CA".into()],
        ..CaseFilter::default()
    };
    let name = subscription_name(RCMP, "canada");
    let made = officer
        .subscribe(subscription_to(RCMP, "canada", filter), None)
        .await
        .unwrap();
    assert_eq!(made.understood[0].values[0].display_name, "Canada");
    let in_country = |id: &str, country: &str| {
        let mut report = cases::report(DEA, id);
        let place = report.place.as_mut().unwrap();
        place.country = country.into();
        place.subdivision.clear();
        report
    };
    let submit = async |statement| system.submit(&statement).await.unwrap().position;
    submit(cases::reporting(in_country("a", "US"))).await;
    let entered = submit(cases::amending(in_country("a", "CA"), 1)).await;
    let left = submit(cases::amending(in_country("a", "MX"), 2)).await;
    submit(cases::amending(in_country("a", "US"), 3)).await;
    let deliveries = officer.pull_and_ack(&name, 2).await;
    assert_eq!(positions(&deliveries), [entered, left]);
    let changes: Vec<_> = deliveries.iter().map(|d| d.change.unwrap()).collect();
    assert_eq!(
        changes
            .iter()
            .map(|c| (c.selected_before, c.selected))
            .collect::<Vec<_>>(),
        [(false, true), (true, false)]
    );
    assert!(officer.pull_now(&name).await.is_empty());
}

#[tokio::test]
async fn nobody_gets_what_is_not_for_it_and_a_release_delivers_the_case_then() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let rcmp = broker.connect(&site.principal(RCMP, "officer")).await;
    for (caller, agency) in [(&dea, DEA), (&cbp, CBP), (&rcmp, RCMP)] {
        caller
            .subscribe(subscription(agency, "all"), None)
            .await
            .unwrap();
    }
    let mut said = Vec::new();
    for (maker, statement) in life::life("2016-0042") {
        let maker = if maker == DEA { &dea } else { &cbp };
        said.push(maker.submit(&statement).await.unwrap().position);
    }
    // The owner and the addressee see everything, in the order of the log.
    for (caller, agency) in [(&dea, DEA), (&cbp, CBP)] {
        let deliveries = caller
            .pull_and_ack(&subscription_name(agency, "all"), said.len())
            .await;
        assert_eq!(positions(&deliveries), said, "{agency}");
    }
    // The others see what was released, by the release, and that it is taken back.
    let name = subscription_name(RCMP, "all");
    let deliveries = rcmp.pull_and_ack(&name, 2).await;
    assert_eq!(positions(&deliveries), said[9..]);
    let release = &deliveries[0];
    assert_eq!(release.kind(), StatementKind::Release);
    assert!(release.change.unwrap().appeared);
    let case = release
        .as_of_case
        .as_ref()
        .expect("it comes with what it shows");
    assert!(
        case.report
            .as_ref()
            .unwrap()
            .title
            .contains("weighed again")
    );
    let retraction = &deliveries[1];
    assert_eq!(retraction.kind(), StatementKind::Retraction);
    assert!(retraction.change.unwrap().retracted);
    assert!(rcmp.pull_now(&name).await.is_empty());
    let (_, state) = rcmp.standing(&name).await.unwrap();
    assert_eq!(state.backlog, 0);
}

#[tokio::test]
async fn what_was_withdrawn_while_it_waited_is_not_delivered() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let rcmp = broker.connect(&site.principal(RCMP, "officer")).await;
    let name = subscription_name(RCMP, "all");
    rcmp.subscribe(subscription(RCMP, "all"), None)
        .await
        .unwrap();
    let recorded = submit_many(&dea, 0..2).await;
    rcmp.pull_just(&name, 2).await;
    let mut narrowed = cases::report(DEA, "c-0000");
    narrowed.handling = Some(cases::handling(Tlp::Amber, &[CBP]));
    dea.submit(&cases::amending(narrowed, 1)).await.unwrap();
    rcmp.seek(&name, beginning()).await.unwrap();
    let deliveries = rcmp.pull_and_ack(&name, 1).await;
    assert_eq!(positions(&deliveries), recorded[1..]);
    assert!(rcmp.pull_now(&name).await.is_empty());
}

#[tokio::test]
async fn the_same_history_delivered_twice_is_equal() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    for id in ["2016-0001", "2016-0002", "2016-0003"] {
        for (maker, statement) in life::life(id) {
            let maker = if maker == DEA { &dea } else { &cbp };
            maker.submit(&statement).await.unwrap();
        }
    }
    let name = subscription_name(CBP, "all");
    let mut of = subscription(CBP, "all");
    of.ordered = true;
    of.content = Some(DeliveryContent {
        detail: DeliveryDetail::Case.into(),
        receipt: true,
    });
    cbp.subscribe(of, beginning()).await.unwrap();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut deliveries = cbp.pull_and_ack(&name, 33).await;
        deliveries.sort_by_key(|delivery| delivery.position);
        for delivery in &mut deliveries {
            assert!(!delivery.entry.is_empty() && !delivery.receipt.is_empty());
            assert!(delivery.as_of_case.is_some());
            delivery.ack_id.clear();
        }
        runs.push(deliveries);
        assert_eq!(cbp.seek(&name, beginning()).await.unwrap(), 33);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn poison_ends_in_the_dead_letters_blocks_nothing_and_is_replayed_in_bounds() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let name = subscription_name(RCMP, "all");
    let of = Subscription {
        max_delivery_attempts: 2,
        dead_letter: true,
        ..subscription(RCMP, "all")
    };
    officer.subscribe(of, None).await.unwrap();
    let recorded = submit_many(&system, 0..4).await;
    for attempt in 1..=2 {
        let deliveries = officer.pull_just(&name, 3).await;
        let nacks = deliveries.iter().map(|delivery| {
            assert_eq!(delivery.delivery_attempt, attempt);
            Nacked {
                ack_id: delivery.ack_id.clone(),
                reason: format!("no office for {}", delivery.position),
                ..Nacked::default()
            }
        });
        let outcomes = officer.nack(&name, nacks.collect()).await.unwrap();
        assert!(
            outcomes
                .iter()
                .all(|outcome| outcome.result() == AckResult::Done)
        );
    }
    assert_eq!(
        positions(&officer.pull_and_ack(&name, 1).await),
        recorded[3..]
    );
    let list = ListDeadLettersRequest {
        subscription: name.clone(),
        page_size: 2,
        ..ListDeadLettersRequest::default()
    };
    let mut service = officer.subscriptions();
    let page = service
        .list_dead_letters(list.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((page.total_size, page.dead_letters.len()), (3, 2));
    assert_eq!(
        page.dead_letters[0].reason,
        format!("no office for {}", recorded[0])
    );
    assert_eq!(page.dead_letters[0].case, cases::name(DEA, "c-0000"));
    let more = ListDeadLettersRequest {
        page_token: page.next_page_token,
        ..list
    };
    let page = service.list_dead_letters(more).await.unwrap().into_inner();
    assert_eq!(page.dead_letters[0].position, recorded[2]);
    let mut replay = ReplayDeadLettersRequest {
        subscription: name.clone(),
        ..ReplayDeadLettersRequest::default()
    };
    let details = refused(
        service.replay_dead_letters(replay.clone()).await,
        Reason::InvalidFields,
    );
    assert_eq!(fields(&details), ["limit"]);
    replay.limit = 2;
    let replayed = service
        .replay_dead_letters(replay)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((replayed.replayed, replayed.left), (2, 1));
    assert_eq!(
        positions(&officer.pull_and_ack(&name, 2).await),
        recorded[..2]
    );
    let mut drop_all = DropDeadLettersRequest {
        subscription: name.clone(),
        expected: 3,
        ..DropDeadLettersRequest::default()
    };
    refused(
        service.drop_dead_letters(drop_all.clone()).await,
        Reason::SubscriptionChanged,
    );
    drop_all.expected = 1;
    let dropped = service
        .drop_dead_letters(drop_all)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(dropped.dropped, 1);
}

#[tokio::test]
async fn a_stream_delivers_as_it_comes_and_gives_back_what_it_held_when_it_breaks() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let name = subscription_name(RCMP, "all");
    officer
        .subscribe(subscription(RCMP, "all"), None)
        .await
        .unwrap();
    let mut first = officer.pulling(&name, 2).await.unwrap();
    let recorded = submit_many(&system, 0..4).await;
    let mut held = Vec::new();
    while held.len() < 2 {
        held.extend(first.next().await.unwrap().unwrap().deliveries);
    }
    assert_eq!(
        positions(&held),
        recorded[..2],
        "and no more than it asked for"
    );
    first.ack(vec![held[0].ack_id.clone()]).await;
    let third = first.next().await.unwrap().unwrap().deliveries;
    assert_eq!(positions(&third), recorded[2..3]);
    drop(first);
    wait::until_async("the broker knows that the stream broke", async || {
        let (_, state) = officer.standing(&name).await.unwrap();
        (state.consumers == 0).then_some(())
    })
    .await;
    let rest = officer.pull_and_ack(&name, 3).await;
    assert_eq!(positions(&rest), recorded[1..]);
    let attempts: Vec<_> = rest.iter().map(|d| d.delivery_attempt).collect();
    assert_eq!(attempts, [2, 2, 1]);
}

#[tokio::test]
async fn the_owner_sees_who_it_addressed_got_the_case_and_acknowledged_the_retraction() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let rcmp = broker.connect(&site.principal(RCMP, "officer")).await;
    cbp.subscribe(subscription(CBP, "all"), None).await.unwrap();
    let mut report = cases::report(DEA, "one");
    report.handling = Some(cases::handling(Tlp::Amber, &[CBP, RCMP]));
    let case = report.name.clone();
    dea.submit(&cases::reporting(report)).await.unwrap();
    let name = subscription_name(CBP, "all");
    cbp.pull_and_ack(&name, 1).await;
    let mut retraction = cases::retracting(&case);
    retraction.handling = Some(cases::handling(Tlp::Amber, &[CBP, RCMP]));
    dea.submit(&retraction).await.unwrap();
    let held = cbp.pull_just(&name, 1).await;
    let progress = async || {
        let request = ListDeliveriesRequest { case: case.clone() };
        let response = dea.subscriptions().list_deliveries(request).await.unwrap();
        let deliveries = response.into_inner().deliveries.into_iter();
        deliveries
            .map(|d| (d.kind(), d.agency.clone(), d.progress()))
            .collect::<Vec<_>>()
    };
    let agency = |id: &str| format!("agencies/{id}");
    let expected = |retraction| {
        vec![
            (
                StatementKind::Report,
                agency(RCMP),
                DeliveryProgress::NotSubscribed,
            ),
            (
                StatementKind::Report,
                agency(CBP),
                DeliveryProgress::Acknowledged,
            ),
            (
                StatementKind::Retraction,
                agency(RCMP),
                DeliveryProgress::NotSubscribed,
            ),
            (StatementKind::Retraction, agency(CBP), retraction),
        ]
    };
    let sorted = |mut all: Vec<_>| {
        all.sort();
        all
    };
    assert_eq!(
        sorted(progress().await),
        sorted(expected(DeliveryProgress::Delivered))
    );
    cbp.acknowledge(&name, vec![held[0].ack_id.clone()])
        .await
        .unwrap();
    assert_eq!(
        sorted(progress().await),
        sorted(expected(DeliveryProgress::Acknowledged))
    );
    // Nobody else is told, not even that there is such a case.
    let request = ListDeliveriesRequest { case: case.clone() };
    let theirs = rcmp.subscriptions().list_deliveries(request).await;
    refused(theirs, Reason::CaseNotFound);
}

#[tokio::test]
async fn bad_input_is_named_by_its_field_and_foreign_subscriptions_do_not_exist() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let name = subscription_name(RCMP, "all");
    officer
        .subscribe(subscription(RCMP, "all"), None)
        .await
        .unwrap();
    officer
        .subscribe(subscription(RCMP, "other"), None)
        .await
        .unwrap();
    submit_many(&system, 0..1).await;
    let held = officer.pull_just(&name, 1).await;

    let ids = vec!["nonsense".into(), held[0].ack_id.clone()];
    let details = refused(
        officer.acknowledge(&name, ids.clone()).await,
        Reason::InvalidFields,
    );
    assert_eq!(fields(&details), ["ack_ids[0]"]);
    let other = subscription_name(RCMP, "other");
    let details = refused(
        officer.acknowledge(&other, ids).await,
        Reason::InvalidFields,
    );
    assert_eq!(fields(&details), ["ack_ids[0]", "ack_ids[1]"]);
    let details = refused(
        officer.acknowledge(&name, vec![]).await,
        Reason::InvalidFields,
    );
    assert_eq!(fields(&details), ["ack_ids"]);
    let details = refused(
        officer.seek(&name, position(1_000)).await,
        Reason::InvalidFields,
    );
    assert_eq!(fields(&details), ["to.position"]);
    let details = refused(officer.seek(&name, None).await, Reason::InvalidFields);
    assert_eq!(fields(&details), ["to"]);

    let unheard = CaseFilter {
        origins: vec!["XX".into()],
        ..CaseFilter::default()
    };
    let bad = Subscription {
        ack_deadline: seconds(1),
        ..subscription_to(RCMP, "bad", unheard)
    };
    let details = refused(officer.subscribe(bad, None).await, Reason::InvalidFields);
    let mut named = fields(&details);
    named.sort();
    assert_eq!(
        named,
        [
            "subscription.ack_deadline",
            "subscription.filter.origins[0]"
        ]
    );
    let others = CaseFilter {
        agencies: vec![format!("agencies/{RCMP}")],
        ..CaseFilter::default()
    };
    let nothing = subscription_to(DEA, "nothing", others);
    let details = refused(system.subscribe(nothing, None).await, Reason::InvalidFields);
    assert_eq!(fields(&details), ["subscription.filter.agencies"]);
    let foreign = subscription(RCMP, "mine");
    let details = refused(dea.subscribe(foreign, None).await, Reason::InvalidFields);
    assert_eq!(fields(&details), ["subscription.name"]);

    for name in [name.clone(), subscription_name(RCMP, "none")] {
        refused(dea.standing(&name).await, Reason::SubscriptionNotFound);
        refused(dea.pull(&name, 1).await, Reason::SubscriptionNotFound);
    }
    let again = officer.subscribe(subscription(RCMP, "all"), None).await;
    assert_eq!(again.unwrap().name, name);
    let changed = Subscription {
        ordered: true,
        ..subscription(RCMP, "all")
    };
    refused(
        officer.subscribe(changed, None).await,
        Reason::SubscriptionExists,
    );
}

#[tokio::test]
async fn an_update_counts_from_the_next_statement_and_an_old_etag_is_refused() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let name = subscription_name(RCMP, "all");
    let made = officer
        .subscribe(subscription(RCMP, "all"), None)
        .await
        .unwrap();
    submit_many(&system, 0..1).await;
    officer.pull_and_ack(&name, 1).await;
    let update = async |filter: CaseFilter, etag: &str| {
        let request = UpdateSubscriptionRequest {
            subscription: Some(Subscription {
                etag: etag.into(),
                ..subscription_to(RCMP, "all", filter)
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["filter".into()],
            }),
        };
        officer.subscriptions().update_subscription(request).await
    };
    let mexico = CaseFilter {
        countries: vec!["MX".into()],
        ..CaseFilter::default()
    };
    update(mexico, &made.etag).await.unwrap();
    refused(
        update(CaseFilter::default(), &made.etag).await,
        Reason::SubscriptionChanged,
    );
    submit_many(&system, 1..3).await;
    let mut report = cases::report(DEA, "mexico");
    let place = report.place.as_mut().unwrap();
    place.country = "MX".into();
    place.subdivision.clear();
    let expected = system
        .submit(&cases::reporting(report))
        .await
        .unwrap()
        .position;
    assert_eq!(positions(&officer.pull_and_ack(&name, 1).await), [expected]);
}

#[tokio::test]
async fn a_system_consumes_what_an_officer_subscribed_to_and_cannot_change_it() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let system = broker.connect(&site.principal(RCMP, "system")).await;
    officer
        .subscribe(subscription(RCMP, "feed"), None)
        .await
        .unwrap();
    system
        .subscribe(subscription(RCMP, "own"), None)
        .await
        .unwrap();
    let recorded = submit_many(&dea, 0..1).await;
    let name = subscription_name(RCMP, "feed");
    assert_eq!(positions(&system.pull_and_ack(&name, 1).await), recorded);
    assert!(
        system
            .pull_now(&subscription_name(RCMP, "own"))
            .await
            .is_empty()
    );
    // What would throw the officer's backlog away, or bring it again.
    let moved = system.seek(&name, position(0)).await;
    refused(moved, Reason::RoleNotAllowed);
    let drop_all = DropDeadLettersRequest {
        subscription: name.clone(),
        ..DropDeadLettersRequest::default()
    };
    let dropped = system.subscriptions().drop_dead_letters(drop_all).await;
    refused(dropped, Reason::RoleNotAllowed);
    let replay = ReplayDeadLettersRequest {
        subscription: name.clone(),
        limit: 1,
        ..ReplayDeadLettersRequest::default()
    };
    let replayed = system.subscriptions().replay_dead_letters(replay).await;
    refused(replayed, Reason::RoleNotAllowed);
    let request = casebroker_proto::v1::DeleteSubscriptionRequest { name };
    let deleted = system
        .subscriptions()
        .delete_subscription(request.clone())
        .await;
    refused(deleted, Reason::RoleNotAllowed);
    officer
        .subscriptions()
        .delete_subscription(request)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_filter_of_what_does_not_exist_yet_delivers_it_once_it_does() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let filter = |change: &dyn Fn(&mut CaseFilter)| {
        let mut filter = CaseFilter::default();
        change(&mut filter);
        filter
    };
    let filters = [
        (
            "unit",
            filter(&|f| f.reporting_units = vec!["NEW OFFICE".into()]),
        ),
        ("words", filter(&|f| f.text = "quite unheard".into())),
        (
            "number",
            filter(&|f| f.identifiers = vec!["CP-fresh-CN".into()]),
        ),
        (
            "substance",
            filter(&|f| f.substances = vec!["carfentanil".into()]),
        ),
    ];
    for (id, filter) in filters.clone() {
        let name = subscription_name(RCMP, id);
        officer
            .subscribe(subscription_to(RCMP, id, filter), None)
            .await
            .unwrap();
        // It has caught up from here on.
        assert!(officer.pull_now(&name).await.is_empty());
    }
    let mut report = cases::report(DEA, "fresh");
    report.reporting_unit = "New office".into();
    report.narrative = "Something quite unheard of.".into();
    let expected = system
        .submit(&cases::reporting(report))
        .await
        .unwrap()
        .position;
    for (id, _) in filters {
        let name = subscription_name(RCMP, id);
        assert_eq!(
            positions(&officer.pull_and_ack(&name, 1).await),
            [expected],
            "{id}"
        );
    }
}

#[tokio::test]
async fn after_a_kill_what_was_open_and_what_comes_is_delivered() {
    let site = Site::new().without_quotas();
    let mut broker = site.start();
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let name = subscription_name(RCMP, "all");
    officer
        .subscribe(subscription(RCMP, "all"), None)
        .await
        .unwrap();
    let mut expected = Vec::new();
    let mut found = Vec::new();
    for round in 0..3 {
        let system = broker.connect(&site.principal(DEA, "system")).await;
        let officer = broker.connect(&site.principal(RCMP, "officer")).await;
        expected.extend(submit_many(&system, round * 20..round * 20 + 20).await);
        let mut pulling = officer.pulling(&name, 7).await.unwrap();
        let mut held = Vec::new();
        while held.len() < 7 {
            held.extend(pulling.next().await.unwrap().unwrap().deliveries);
        }
        found.extend(positions(&held[..3]));
        pulling
            .ack(held[..3].iter().map(|d| d.ack_id.clone()).collect())
            .await;
        pulling.next().await.unwrap();
        broker.kill_9();
        broker = site.start();
    }
    let officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let mut pulling = officer.pulling(&name, 100).await.unwrap();
    let all: std::collections::BTreeSet<u64> = expected.into_iter().collect();
    loop {
        let seen: std::collections::BTreeSet<u64> = found.iter().copied().collect();
        if seen == all {
            break;
        }
        let response = tokio::time::timeout(std::time::Duration::from_secs(20), pulling.next());
        let Ok(response) = response.await else {
            panic!("only {found:?} came of {all:?}");
        };
        let deliveries = response.unwrap().unwrap().deliveries;
        found.extend(positions(&deliveries));
        pulling
            .ack(deliveries.iter().map(|d| d.ack_id.clone()).collect())
            .await;
    }
}
