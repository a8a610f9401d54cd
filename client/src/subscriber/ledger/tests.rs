use super::*;

fn delivery(position: u64, attempt: i32) -> Delivery {
    Delivery {
        ack_id: format!("{position}/{attempt}"),
        position,
        delivery_attempt: attempt,
        ..Default::default()
    }
}

fn outcome(ack_id: &str) -> AckOutcome {
    AckOutcome {
        ack_id: ack_id.into(),
        result: AckResult::Done.into(),
    }
}

#[test]
fn what_is_held_is_not_handed_out_again_and_its_newest_id_is_acknowledged() {
    let now = Instant::now();
    let mut ledger = Ledger::new(false);
    assert!(ledger.take(delivery(7, 1), now).is_some());
    assert!(ledger.take(delivery(7, 2), now).is_none());
    assert_eq!(ledger.held().0, 1);
    ledger.ack(7, now);
    assert_eq!(ledger.message(now).unwrap().ack_ids, ["7/2"]);
    assert_eq!(ledger.held(), (0, 0));
    // Dealt with: an attempt that comes now is another delivery.
    assert!(ledger.take(delivery(7, 3), now).is_some());
}

#[test]
fn what_is_acknowledged_and_not_durable_is_acknowledged_again_instead() {
    let now = Instant::now();
    let mut ledger = Ledger::new(true);
    ledger.take(delivery(7, 1), now);
    ledger.ack(7, now);
    assert!(ledger.message(now).unwrap().durable);
    ledger.again(now);
    assert_eq!(ledger.message(now).unwrap().ack_ids, ["7/1"]);
    assert!(ledger.take(delivery(7, 2), now).is_none());
    assert_eq!(ledger.message(now).unwrap().ack_ids, ["7/2"]);
    ledger.outcome(&outcome("7/1"), now);
    assert!(ledger.take(delivery(7, 3), now).is_none());
    ledger.outcome(&outcome("7/2"), now);
    ledger.outcome(&outcome("7/3"), now);
    assert_eq!(ledger.unconfirmed(), 0);
    assert!(ledger.take(delivery(7, 4), now).is_some());
}

#[test]
fn a_late_acknowledgement_is_said_again_until_it_is_settled() {
    let now = Instant::now();
    let mut ledger = Ledger::new(true);
    ledger.take(delivery(7, 1), now);
    ledger.ack(7, now);
    ledger.message(now);
    let late = AckOutcome {
        result: AckResult::Late.into(),
        ..outcome("7/1")
    };
    ledger.outcome(&late, now);
    assert_eq!(ledger.message(now).unwrap().ack_ids, ["7/1"]);
    let settled = AckOutcome {
        result: AckResult::Settled.into(),
        ..outcome("7/1")
    };
    ledger.outcome(&settled, now);
    assert_eq!((ledger.unconfirmed(), ledger.late), (0, 1));
}

#[test]
fn what_a_broker_that_came_back_knows_nothing_of_is_acknowledged_when_it_comes_again() {
    let now = Instant::now();
    let settled = |ack_id: &str| AckOutcome {
        result: AckResult::Settled.into(),
        ..outcome(ack_id)
    };
    let mut ledger = Ledger::new(true);
    for position in [1, 2, 3] {
        ledger.take(delivery(position, 1), now);
    }
    ledger.ack(1, now);
    ledger.message(now);
    ledger.again(now);
    assert_eq!(ledger.message(now).unwrap().ack_ids, ["1/1"]);
    ledger.outcome(&settled("1/1"), now);
    assert!(ledger.take(delivery(1, 2), now).is_none());
    assert_eq!(ledger.message(now).unwrap().ack_ids, ["1/2"]);
    ledger.outcome(&outcome("1/2"), now);
    // Settled within one stream means that somebody moved the subscription: then it is another delivery.
    ledger.ack(2, now);
    ledger.message(now);
    ledger.outcome(&settled("2/1"), now);
    assert!(ledger.take(delivery(1, 3), now).is_some());
    assert!(ledger.take(delivery(2, 2), now).is_some());
    // And where the ids are refused altogether.
    ledger.forget(now);
    ledger.ack(3, now);
    assert!(ledger.message(now).is_none());
    assert!(ledger.take(delivery(3, 2), now).is_none());
    assert_eq!(ledger.message(now).unwrap().ack_ids, ["3/2"]);
    assert!(ledger.take(delivery(1, 4), now).is_none(), "it is held");
}

#[test]
fn acknowledgements_wait_for_others_until_there_are_enough_or_time_has_passed() {
    let now = Instant::now();
    let mut ledger = Ledger::new(false);
    assert_eq!(ledger.due(now), None);
    for position in 0..2_500 {
        ledger.take(delivery(position, 1), now);
    }
    ledger.ack(0, now);
    assert_eq!(ledger.due(now), Some(now + GATHER_FOR));
    for position in 1..2_500 {
        ledger.ack(position, now);
    }
    assert_eq!(ledger.due(now), Some(now));
    let sizes = std::iter::from_fn(|| ledger.message(now)).map(|m| m.ack_ids.len());
    assert_eq!(sizes.collect::<Vec<_>>(), [1_000, 1_000, 500]);
    assert_eq!(ledger.due(now), None);
}

#[test]
fn deadlines_are_extended_at_half_and_not_for_ever() {
    let begin = Instant::now();
    let at = |s| begin + Duration::from_secs(s);
    let (half, longest) = (Duration::from_secs(30), Duration::from_secs(100));
    let mut ledger = Ledger::new(false);
    ledger.take(delivery(7, 1), begin);
    let mut extended = |s| usize::from(ledger.extend(at(s), half, longest).is_some());
    assert_eq!(
        [29, 31, 59, 62, 95, 130].map(&mut extended),
        [0, 1, 0, 1, 1, 0]
    );
}

#[test]
fn everything_held_is_given_back_with_one_reason() {
    let now = Instant::now();
    let mut ledger = Ledger::new(false);
    ledger.take(delivery(1, 1), now);
    ledger.take(delivery(2, 1), now);
    ledger.nack_all(&Nack::because("stopped"), now);
    let message = ledger.message(now).unwrap();
    assert_eq!(message.nacks.len(), 2);
    assert!(message.nacks.iter().all(|n| n.reason == "stopped"));
    assert_eq!(ledger.held(), (0, 0));
}
