//! Leases of deliveries: how they lapse, and what is delivered beside them.

use casebroker_proto::v1::{
    DeliveryProgress, ListDeadLettersRequest, ListDeliveriesRequest, Nacked,
    ReplayDeadLettersRequest, Subscription, Tlp,
};
use casebroker_tests::{
    CBP, DEA, RCMP, Site, cases,
    subscriber::{subscription, subscription_name},
    wait,
};

#[tokio::test]
async fn a_lease_lapses_though_nobody_pulls_and_the_owner_sees_the_last_one_given_up() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "officer")).await;
    let cbp = broker.connect(&site.principal(CBP, "officer")).await;
    let short = |id: &str, max_delivery_attempts| Subscription {
        ack_deadline: Some(prost_types::Duration {
            seconds: 10,
            nanos: 0,
        }),
        max_delivery_attempts,
        dead_letter: true,
        ..subscription(CBP, id)
    };
    let mut report = cases::report(DEA, "one");
    report.handling = Some(cases::handling(Tlp::Amber, &[CBP]));
    let case = report.name.clone();
    for (id, most) in [("once", 1), ("often", 0)] {
        cbp.subscribe(short(id, most), None).await.unwrap();
    }
    dea.submit(&cases::reporting(report)).await.unwrap();
    let (once, often) = (
        subscription_name(CBP, "once"),
        subscription_name(CBP, "often"),
    );
    cbp.pull_just(&once, 1).await;
    cbp.pull_just(&often, 1).await;
    for name in [&once, &often] {
        let (_, state) = cbp.standing(name).await.unwrap();
        assert_eq!((state.unacknowledged, state.waiting), (1, 0), "{name}");
    }
    wait::until_async("both leases have lapsed", async || {
        let (_, limited) = cbp.standing(&once).await.unwrap();
        let (_, unlimited) = cbp.standing(&often).await.unwrap();
        let has_ended = (limited.unacknowledged, limited.dead_letters) == (0, 1);
        let waits = (unlimited.unacknowledged, unlimited.waiting) == (0, 1);
        (has_ended && waits).then_some(())
    })
    .await;
    let request = ListDeadLettersRequest {
        subscription: once,
        ..ListDeadLettersRequest::default()
    };
    let letters = cbp.subscriptions().list_dead_letters(request).await;
    let letters = letters.unwrap().into_inner().dead_letters;
    assert!(letters[0].reason.contains("not known"), "{letters:?}");
    cbp.subscriptions()
        .delete_subscription(casebroker_proto::v1::DeleteSubscriptionRequest { name: often })
        .await
        .unwrap();
    let request = ListDeliveriesRequest { case };
    let deliveries = dea.subscriptions().list_deliveries(request).await.unwrap();
    let deliveries = deliveries.into_inner().deliveries;
    assert_eq!(deliveries[0].progress(), DeliveryProgress::DeadLetter);
}

#[tokio::test]
async fn a_replayed_dead_letter_is_not_delivered_beside_a_later_statement_of_its_case() {
    let site = Site::new().without_quotas();
    let broker = site.start();
    let dea = broker.connect(&site.principal(DEA, "system")).await;
    let rcmp = broker.connect(&site.principal(RCMP, "officer")).await;
    let name = subscription_name(RCMP, "ordered");
    let of = Subscription {
        ordered: true,
        dead_letter: true,
        ..subscription(RCMP, "ordered")
    };
    rcmp.subscribe(of, None).await.unwrap();
    let report = cases::report(DEA, "one");
    let case = report.name.clone();
    let first = dea.submit(&cases::reporting(report)).await.unwrap();
    let second = dea.submit(&cases::retracting(&case)).await.unwrap();
    let nack = |ack_id: &str, terminate| Nacked {
        ack_id: ack_id.into(),
        terminate,
        ..Nacked::default()
    };
    let taken = rcmp.pull_just(&name, 1).await;
    assert_eq!(taken[0].position, first.position);
    let given_up = vec![nack(&taken[0].ack_id, true)];
    rcmp.nack(&name, given_up).await.unwrap();
    let out = rcmp.pull_just(&name, 1).await;
    assert_eq!(out[0].position, second.position);
    let request = ReplayDeadLettersRequest {
        subscription: name.clone(),
        limit: 1,
        ..ReplayDeadLettersRequest::default()
    };
    rcmp.subscriptions()
        .replay_dead_letters(request)
        .await
        .unwrap();
    let beside = rcmp.pull_now(&name).await;
    assert!(beside.is_empty(), "{} is out", second.position);
    rcmp.nack(&name, vec![nack(&out[0].ack_id, false)])
        .await
        .unwrap();
    let all = rcmp.pull_and_ack(&name, 2).await;
    let positions: Vec<u64> = all.iter().map(|delivery| delivery.position).collect();
    assert_eq!(positions, [first.position, second.position]);
}
