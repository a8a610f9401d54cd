use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use casebroker_proto::{
    subscription::{MAX_DEAD_LETTERS, Settings, settings},
    v1::{AckResult, Subscription},
};
use proptest::prelude::*;

use super::{dead::WAIT_WHEN_FULL, *};

const SECOND: Duration = Duration::from_secs(1);
const ALL: usize = 1_000;

fn of(change: impl FnOnce(&mut Subscription)) -> Settings {
    let mut subscription = Subscription {
        name: "agencies/ca-rcmp/subscriptions/west".into(),
        ..Subscription::default()
    };
    change(&mut subscription);
    settings(&subscription).unwrap()
}

fn plain() -> Settings {
    of(|_| {})
}

/// An outbox with one consumer, number 1, that takes everything.
fn outbox(positions: impl IntoIterator<Item = (u64, u64)>) -> Outbox {
    with_order(false, positions)
}

fn with_order(ordered: bool, positions: impl IntoIterator<Item = (u64, u64)>) -> Outbox {
    let mut outbox = Outbox::new(0, 0, ordered);
    outbox.join(1, Consumer::new(ALL, u64::MAX));
    for (position, case) in positions {
        outbox.offer(position, case);
    }
    outbox
}

fn positions(taken: &[Taken]) -> Vec<u64> {
    taken.iter().map(|taken| taken.position).collect()
}

fn back(reason: &str, delay: Option<Duration>) -> GivenBack {
    GivenBack {
        delay,
        reason: reason.into(),
        terminate: false,
    }
}

#[test]
fn what_is_not_acknowledged_by_its_deadline_is_delivered_again() {
    let settings = plain();
    let mut outbox = outbox([(3, 3), (5, 5)]);
    let now = Instant::now();
    let taken = outbox.take(now, &settings, 1, ALL);
    assert_eq!(positions(&taken), [3, 5]);
    assert_eq!(outbox.ack(3, taken[0].lease), AckResult::Done);
    outbox.expire(&settings, (now + 59 * SECOND, 0));
    assert!(outbox.take(now + 59 * SECOND, &settings, 1, ALL).is_empty());
    outbox.expire(&settings, (now + 60 * SECOND, 0));
    let again = outbox.take(now + 60 * SECOND, &settings, 1, ALL);
    assert_eq!((again[0].position, again[0].attempt), (5, 2));
    // The first attempt's id still says that it is dealt with.
    assert_eq!(outbox.ack(5, taken[1].lease), AckResult::Late);
    assert_eq!(outbox.ack(5, again[0].lease), AckResult::Settled);
}

#[test]
fn an_extended_deadline_counts_from_when_it_was_extended() {
    let settings = plain();
    let mut outbox = outbox([(1, 1)]);
    let now = Instant::now();
    let taken = outbox.take(now, &settings, 1, ALL);
    let until = now + 100 * SECOND;
    assert_eq!(outbox.extend(1, taken[0].lease, until), AckResult::Done);
    outbox.expire(&settings, (now + 99 * SECOND, 0));
    assert_eq!(outbox.counts().out, 1);
    outbox.expire(&settings, (until, 0));
    assert_eq!(outbox.counts().out, 0);
    assert_eq!(outbox.extend(1, taken[0].lease, until), AckResult::Late);
}

#[test]
fn what_is_given_back_waits_as_the_policy_or_the_consumer_says() {
    let settings = of(|s| {
        let policy = casebroker_proto::v1::RetryPolicy {
            min_backoff: Some(prost_types::Duration {
                seconds: 5,
                nanos: 0,
            }),
            ..Default::default()
        };
        s.retry_policy = Some(policy);
    });
    let mut outbox = outbox([(1, 1)]);
    let now = Instant::now();
    for (delay, wait) in [(None, 5), (Some(2 * SECOND), 2), (None, 20)] {
        let taken = outbox.take(now, &settings, 1, ALL);
        outbox.nack(1, taken[0].lease, back("no", delay), &settings, (now, 0));
        assert!(!outbox.has_ready());
        assert_eq!(outbox.wakes_at(), Some(now + wait * SECOND));
        outbox.expire(&settings, (now + wait * SECOND, 0));
    }
    assert_eq!(outbox.take(now, &settings, 1, ALL)[0].attempt, 4);
}

#[test]
fn after_the_last_attempt_it_is_a_dead_letter_with_the_last_reason_given() {
    let settings = of(|s| {
        s.max_delivery_attempts = 3;
        s.dead_letter = true;
    });
    let mut outbox = outbox([(7, 7)]);
    let now = Instant::now();
    for reason in ["first", "second", ""] {
        let taken = outbox.take(now, &settings, 1, ALL);
        outbox.nack(7, taken[0].lease, back(reason, None), &settings, (now, 99));
    }
    let (position, dead) = outbox.dead(0).next().unwrap();
    assert_eq!(
        (position, dead.attempts, &*dead.reason, dead.at),
        (7, 3, "second", 99)
    );
    assert_eq!(outbox.progress(7), Progress::Dead);
    assert_eq!(outbox.replay(&[7, 8]), 1);
    assert_eq!(outbox.take(now, &settings, 1, ALL)[0].attempt, 1);
}

#[test]
fn without_dead_letters_it_is_dropped_and_does_not_count_as_acknowledged() {
    let settings = of(|s| s.max_delivery_attempts = 1);
    let mut outbox = outbox([(7, 7), (8, 8)]);
    let taken = outbox.take(Instant::now(), &settings, 1, ALL);
    outbox.nack(
        7,
        taken[0].lease,
        back("", None),
        &settings,
        (Instant::now(), 0),
    );
    outbox.ack(8, taken[1].lease);
    assert_eq!(outbox.dead(0).count(), 0);
    assert_eq!(outbox.progress(7), Progress::Unknown);
    assert_eq!(outbox.progress(8), Progress::Acknowledged);
}

#[test]
fn nothing_is_given_up_while_the_dead_letters_are_full() {
    let settings = of(|s| {
        s.max_delivery_attempts = 1;
        s.dead_letter = true;
    });
    let mut outbox = outbox([]);
    let now = Instant::now();
    let most = MAX_DEAD_LETTERS as u64;
    for position in 0..=most {
        outbox.offer(position, position);
        let taken = outbox.take(now, &settings, 1, 1);
        outbox.nack(
            position,
            taken[0].lease,
            back("", None),
            &settings,
            (now, 0),
        );
    }
    assert_eq!(outbox.counts().dead, MAX_DEAD_LETTERS);
    assert_eq!((outbox.counts().waiting, outbox.has_ready()), (1, false));
    assert_eq!(outbox.drop_dead(&[0]), 1);
    outbox.expire(&settings, (now + WAIT_WHEN_FULL, 0));
    assert_eq!(outbox.progress(most), Progress::Dead);
}

#[test]
fn in_order_a_case_comes_one_at_a_time_and_holds_back_nothing_else() {
    let settings = of(|s| s.ordered = true);
    let mut outbox = with_order(true, [(1, 1), (2, 2), (3, 1), (4, 1)]);
    let now = Instant::now();
    let first = outbox.take(now, &settings, 1, ALL);
    assert_eq!(positions(&first), [1, 2]);
    outbox.nack(
        1,
        first[0].lease,
        back("", Some(SECOND)),
        &settings,
        (now, 0),
    );
    outbox.ack(2, first[1].lease);
    assert!(!outbox.has_ready());
    outbox.expire(&settings, (now + SECOND, 0));
    for expected in [1, 3, 4] {
        let taken = outbox.take(now, &settings, 1, ALL);
        assert_eq!(positions(&taken), [expected]);
        outbox.ack(expected, taken[0].lease);
    }
}

#[test]
fn a_consumer_gets_no_more_than_it_holds_and_one_delivery_always() {
    let settings = plain();
    let mut outbox = outbox((0..10).map(|n| (n, n)));
    outbox.join(2, Consumer::new(3, 100));
    let now = Instant::now();
    let taken = outbox.take(now, &settings, 2, ALL);
    assert_eq!(taken.len(), 3);
    outbox.ack(0, taken[0].lease);
    outbox.weigh(&taken[1], 60);
    outbox.weigh(&taken[2], 60);
    assert!(outbox.take(now, &settings, 2, ALL).is_empty(), "by bytes");
    outbox.ack(1, taken[1].lease);
    assert_eq!(outbox.take(now, &settings, 2, ALL).len(), 2);
    outbox.join(3, Consumer::new(5, 1));
    let large = outbox.take(now, &settings, 3, 1);
    outbox.weigh(&large[0], 1_000);
    assert!(outbox.take(now, &settings, 3, 1).is_empty());
    outbox.ack(large[0].position, large[0].lease);
    assert_eq!(outbox.take(now, &settings, 3, 1).len(), 1);
}

#[test]
fn over_all_consumers_no_more_is_out_than_the_subscription_allows() {
    let settings = of(|s| s.max_unacknowledged = 4);
    let mut outbox = outbox((0..10).map(|n| (n, n)));
    outbox.join(2, Consumer::new(ALL, u64::MAX));
    let now = Instant::now();
    assert_eq!(outbox.take(now, &settings, 1, 3).len(), 3);
    assert_eq!(outbox.take(now, &settings, 2, ALL).len(), 1);
}

#[test]
fn what_a_consumer_held_that_went_away_is_ready_for_others_at_once() {
    let settings = plain();
    let mut outbox = outbox([(1, 1), (2, 2)]);
    outbox.join(2, Consumer::new(ALL, u64::MAX));
    let now = Instant::now();
    outbox.take(now, &settings, 2, ALL);
    outbox.leave(2, true, &settings);
    let taken = outbox.take(now, &settings, 1, ALL);
    assert_eq!(positions(&taken), [1, 2]);
    assert_eq!(taken[0].attempt, 2);
}

#[test]
fn what_was_delivered_before_a_move_is_not_acknowledged_after_it() {
    let settings = plain();
    let mut outbox = outbox([(1, 1)]);
    let now = Instant::now();
    let taken = outbox.take(now, &settings, 1, ALL);
    outbox.seek(0);
    assert_eq!(outbox.ack(1, taken[0].lease), AckResult::Settled);
    outbox.offer(1, 1);
    assert_eq!(outbox.ack(1, taken[0].lease), AckResult::Settled);
    let again = outbox.take(now, &settings, 1, ALL);
    assert_eq!((again[0].position, again[0].attempt), (1, 1));
    assert_eq!(outbox.ack(1, again[0].lease), AckResult::Done);
}

#[test]
fn a_replayed_dead_letter_waits_while_another_of_its_case_is_out_and_comes_before_what_is_not() {
    let settings = of(|s| {
        s.ordered = true;
        s.dead_letter = true;
    });
    let mut outbox = with_order(true, [(3, 3), (4, 3), (5, 3)]);
    let now = Instant::now();
    let taken = outbox.take(now, &settings, 1, ALL);
    let given = GivenBack {
        terminate: true,
        ..GivenBack::default()
    };
    outbox.nack(3, taken[0].lease, given, &settings, (now, 0));
    let out = outbox.take(now, &settings, 1, ALL);
    assert_eq!(positions(&out), [4]);
    assert_eq!(outbox.replay(&[3]), 1);
    assert!(outbox.take(now, &settings, 1, ALL).is_empty());
    outbox.nack(4, out[0].lease, back("", None), &settings, (now, 0));
    for expected in [3, 4, 5] {
        let taken = outbox.take(now, &settings, 1, ALL);
        assert_eq!(positions(&taken), [expected]);
        outbox.ack(expected, taken[0].lease);
    }
}

#[test]
fn a_dead_letter_that_a_move_back_delivers_again_is_not_replayed_beside_it() {
    let settings = of(|s| s.dead_letter = true);
    let mut outbox = outbox([(1, 1), (2, 2)]);
    let now = Instant::now();
    for taken in outbox.take(now, &settings, 1, ALL) {
        let given = GivenBack {
            terminate: true,
            ..GivenBack::default()
        };
        outbox.nack(taken.position, taken.lease, given, &settings, (now, 0));
    }
    outbox.seek(1);
    outbox.offer(1, 1);
    let out = outbox.take(now, &settings, 1, ALL);
    assert_eq!(outbox.replay(&[1, 2]), 2);
    assert!(outbox.take(now, &settings, 1, ALL).is_empty());
    let kept = outbox.kept();
    outbox.offer(2, 2);
    let second = outbox.take(now, &settings, 1, ALL);
    assert_eq!(positions(&second), [2]);
    assert_eq!(outbox.ack(1, out[0].lease), AckResult::Done);
    assert_eq!(outbox.ack(2, second[0].lease), AckResult::Done);
    assert_eq!(outbox.counts(), Counts::default());
    // The replayed one is delivered after a restart too, even if the filter does not select it any more.
    let mut outbox = Outbox::restore(kept, 100, &settings, now);
    outbox.join(1, Consumer::new(ALL, u64::MAX));
    outbox.advance(3);
    assert_eq!(positions(&outbox.take(now, &settings, 1, ALL)), [1, 2]);
}

#[test]
fn an_acknowledgement_after_a_restart_holds_over_the_next() {
    let settings = plain();
    let mut outbox = outbox([(1, 1), (2, 2)]);
    outbox.last_lease = 9;
    assert_eq!(outbox.ack(2, 5), AckResult::Late);
    let now = Instant::now();
    let mut outbox = Outbox::restore(outbox.kept(), 20, &settings, now);
    outbox.join(1, Consumer::new(ALL, u64::MAX));
    for position in outbox.next()..3 {
        outbox.offer(position, position);
    }
    assert_eq!(positions(&outbox.take(now, &settings, 1, ALL)), [1]);
}

#[test]
fn a_last_attempt_is_given_up_without_another_when_its_consumer_does_not_answer() {
    let settings = of(|s| {
        s.max_delivery_attempts = 1;
        s.dead_letter = true;
    });
    let now = Instant::now();
    let mut outbox = outbox([(1, 1), (2, 2), (3, 3)]);
    outbox.take(now, &settings, 1, ALL);
    outbox.leave(1, true, &settings);
    outbox.join(2, Consumer::new(ALL, u64::MAX));
    assert!(outbox.take(now, &settings, 2, ALL).is_empty());
    let mut restored = Outbox::restore(outbox.kept(), 20, &settings, now);
    restored.join(1, Consumer::new(ALL, u64::MAX));
    assert!(restored.take(now, &settings, 1, ALL).is_empty());
    assert_eq!(restored.ack(1, 1), AckResult::Late);
    for (outbox, given_up) in [(&mut outbox, 3), (&mut restored, 2)] {
        outbox.expire(&settings, (now + 60 * SECOND, 7));
        let reasons: Vec<_> = outbox
            .dead(0)
            .map(|(_, dead)| dead.reason.clone())
            .collect();
        assert_eq!(reasons.len(), given_up);
        assert!(
            reasons.iter().all(|why| why.contains("outcome")),
            "{reasons:?}"
        );
    }
}

#[test]
fn an_update_to_ordered_holds_for_what_was_open_before() {
    let ordered = of(|s| s.ordered = true);
    let now = Instant::now();
    let mut outbox = outbox([(1, 1), (2, 1), (3, 1)]);
    let out = outbox.take(now, &plain(), 1, 2);
    outbox.apply(&ordered, (now, 0));
    assert!(outbox.take(now, &ordered, 1, ALL).is_empty());
    outbox.ack(2, out[1].lease);
    assert!(outbox.take(now, &ordered, 1, ALL).is_empty());
    outbox.ack(1, out[0].lease);
    assert_eq!(positions(&outbox.take(now, &ordered, 1, ALL)), [3]);
}

fn all_open(outbox: &Outbox) -> Vec<u64> {
    let ahead = outbox.ahead.iter().map(|(position, _)| position);
    outbox.open.keys().chain(ahead).copied().collect()
}

#[derive(Debug, Clone)]
enum Step {
    Offer(u64),
    Take(u64, usize),
    Ack(usize),
    Nack(usize, bool),
    Wait,
    Leave(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..5_u64).prop_map(Step::Offer),
        4 => (1..4_u64, 1..5_usize).prop_map(|(consumer, limit)| Step::Take(consumer, limit)),
        4 => (0..50_usize).prop_map(Step::Ack),
        2 => (0..50_usize, any::<bool>()).prop_map(|(n, end)| Step::Nack(n, end)),
        1 => Just(Step::Wait),
        1 => (1..4_u64).prop_map(Step::Leave),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn every_offered_position_is_open_dead_dropped_or_acknowledged_and_cases_keep_their_order(
        steps in steps(),
        ordered: bool,
        dead_letter: bool,
    ) {
        let settings = of(|s| {
            s.ordered = ordered;
            s.dead_letter = dead_letter;
            s.max_delivery_attempts = 3;
        });
        let mut outbox = with_order(ordered, []);
        let mut now = Instant::now();
        let mut offered: BTreeMap<u64, u64> = BTreeMap::new();
        let mut history: Vec<Taken> = Vec::new();
        let mut acked: HashSet<u64> = HashSet::new();
        let mut first_seen: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for id in 1..4 {
            outbox.join(id, Consumer::new(ALL, u64::MAX));
        }
        for step in steps {
            match step {
                Step::Offer(case) => {
                    let position = offered.len() as u64;
                    offered.insert(position, case);
                    outbox.offer(position, case);
                }
                Step::Take(consumer, limit) => {
                    outbox.expire(&settings, (now, 0));
                    let taken = outbox.take(now, &settings, consumer, limit);
                    for taken in &taken {
                        let case = offered[&taken.position];
                        let seen = first_seen.entry(case).or_default();
                        if !seen.contains(&taken.position) {
                            seen.push(taken.position);
                        }
                    }
                    history.extend(taken);
                }
                Step::Ack(n) => {
                    if let Some(taken) = history.get(n)
                        && outbox.ack(taken.position, taken.lease) != AckResult::Settled
                    {
                        acked.insert(taken.position);
                    }
                }
                Step::Nack(n, terminate) => {
                    if let Some(taken) = history.get(n) {
                        let given = GivenBack { terminate, ..GivenBack::default() };
                        outbox.nack(taken.position, taken.lease, given, &settings, (now, 0));
                    }
                }
                Step::Wait => now += 61 * SECOND,
                Step::Leave(id) => {
                    outbox.leave(id, true, &settings);
                    outbox.join(id, Consumer::new(ALL, u64::MAX));
                }
                Step::Restart => {
                    let kept = outbox.kept();
                    let open = all_open(&outbox);
                    outbox = Outbox::restore(kept.clone(), outbox.last_lease, &settings, now);
                    prop_assert_eq!(outbox.kept(), kept.clone());
                    // What was read ahead is found again.
                    for (position, case) in offered.range(kept.next..) {
                        outbox.offer(*position, *case);
                    }
                    prop_assert_eq!(all_open(&outbox), open);
                    for id in 1..4 {
                        outbox.join(id, Consumer::new(ALL, u64::MAX));
                    }
                }
            }
            let kept = outbox.kept();
            let open: BTreeSet<u64> = all_open(&outbox).into_iter().collect();
            let dead: BTreeSet<u64> = kept.dead.iter().map(|(at, _)| *at).collect();
            let dropped: BTreeSet<u64> = kept.dropped.iter().copied().collect();
            for position in offered.keys() {
                let places = [open.contains(position), dead.contains(position), dropped.contains(position), acked.contains(position)];
                prop_assert_eq!(places.iter().filter(|is| **is).count(), 1, "{} {:?}", position, places);
            }
            let out: usize = outbox.consumers.values().map(|consumer| consumer.messages).sum();
            // A last attempt stays out although its consumer has gone.
            prop_assert!(out <= outbox.counts().out);
            if ordered {
                for case in 0..5 {
                    let of_case = open.iter().filter(|at| offered[at] == case);
                    let is_out = |at: &&u64| outbox.lease_of(**at).is_some();
                    prop_assert!(of_case.filter(is_out).count() <= 1);
                }
                for seen in first_seen.values() {
                    prop_assert!(seen.is_sorted(), "{:?}", seen);
                }
            }
        }
    }
}
