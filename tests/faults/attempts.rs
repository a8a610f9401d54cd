//! The number of attempts at a delivery is limited, and the broker is killed.

use std::collections::BTreeSet;

use casebroker_proto::v1::{ListDeadLettersRequest, Subscription};
use casebroker_tests::{
    DEA, RCMP, Site, cases,
    subscriber::{subscription, subscription_name},
    wait,
};

const STATEMENTS: usize = 8;
const KILLS: usize = 3;

#[tokio::test]
async fn killed_after_each_pull_the_broker_makes_no_second_attempt_where_one_is_the_limit() {
    let site = Site::new().without_quotas();
    let mut broker = site.start();
    let system = broker.connect(&site.principal(DEA, "system")).await;
    let mut officer = broker.connect(&site.principal(RCMP, "officer")).await;
    let name = subscription_name(RCMP, "once");
    let of = Subscription {
        max_delivery_attempts: 1,
        dead_letter: true,
        ack_deadline: Some(prost_types::Duration {
            seconds: 10,
            nanos: 0,
        }),
        ..subscription(RCMP, "once")
    };
    officer.subscribe(of, None).await.unwrap();
    let mut recorded = BTreeSet::new();
    for n in 0..STATEMENTS {
        let report = cases::reporting(cases::report(DEA, &format!("c-{n:04}")));
        recorded.insert(system.submit(&report).await.unwrap().position);
    }
    let mut delivered = BTreeSet::new();
    for _ in 0..KILLS {
        for delivery in officer.pull_just(&name, 2).await {
            assert_eq!(delivery.delivery_attempt, 1);
            let is_new = delivered.insert(delivery.position);
            assert!(is_new, "{} came a second time", delivery.position);
        }
        broker.kill_9();
        broker = site.start();
        officer = broker.connect(&site.principal(RCMP, "officer")).await;
    }
    let rest = officer
        .pull_and_ack(&name, STATEMENTS - delivered.len())
        .await;
    let acknowledged: BTreeSet<u64> = rest.iter().map(|delivery| delivery.position).collect();
    assert_eq!(&(&recorded - &delivered), &acknowledged);
    // Nobody pulls: they are given up when the time is over in which their consumers could still answer.
    wait::until_async("what was not answered is given up", async || {
        let (_, state) = officer.standing(&name).await.unwrap();
        let dead = usize::try_from(state.dead_letters).unwrap();
        (dead == delivered.len() && state.unacknowledged + state.waiting == 0).then_some(())
    })
    .await;
    let request = ListDeadLettersRequest {
        subscription: name.clone(),
        ..ListDeadLettersRequest::default()
    };
    let mut service = officer.subscriptions();
    let letters = service.list_dead_letters(request).await.unwrap();
    let letters = letters.into_inner().dead_letters;
    let positions: BTreeSet<u64> = letters.iter().map(|letter| letter.position).collect();
    assert_eq!(positions, delivered);
    for letter in letters {
        assert_eq!(letter.delivery_attempts, 1);
        let tells = letter
            .reason
            .contains("the outcome at the consumer is not known");
        assert!(tells, "{}", letter.reason);
    }
    assert!(officer.pull_now(&name).await.is_empty());
}
