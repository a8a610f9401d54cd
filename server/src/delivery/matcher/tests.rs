//! Interleavings of a scan that is at its end with a move or an update, by a scheduler that tries one after another.

use std::sync::{Arc, PoisonError};

use casebroker_proto::v1::{StatementKind, Subscription};
use shuttle::{sync::Mutex, thread};

use super::*;
use crate::{
    delivery::{define, outbox::Outbox},
    projections::{
        History,
        table::{News, Plan, Rows},
    },
};

/// Entries of the log; the matcher has looked at all of them.
const END: u64 = 4;
/// Positions of one scan.
const SLICE: u64 = 2;
const RUNS: usize = 3_000;

struct World {
    rows: Arc<Rows>,
    matcher: Arc<Matcher>,
    subscribed: Arc<Subscribed>,
    /// The definition that the last plan was made of.
    planned: Arc<Mutex<Option<Arc<Definition>>>>,
}

fn definition(kinds: &[StatementKind]) -> Definition {
    let subscription = Subscription {
        name: "agencies/ca-rcmp/subscriptions/west".into(),
        viewer_role: "officer".into(),
        kinds: kinds.iter().map(|kind| i32::from(*kind)).collect(),
        ..Subscription::default()
    };
    define(&subscription, &History::default()).unwrap()
}

impl World {
    fn new() -> Arc<Self> {
        let outbox = Outbox::new(0, 0, false);
        Arc::new(Self {
            rows: Arc::default(),
            matcher: Arc::new(Matcher::new(END)),
            subscribed: Arc::new(Subscribed::new(1, definition(&[]), outbox, 0)),
            planned: Arc::default(),
        })
    }

    /// Scans until the matcher takes the subscription over, as a subscription that is behind does.
    fn read_on(&self) {
        let make_plan: MakePlan = {
            let (rows, planned) = (Arc::clone(&self.rows), Arc::clone(&self.planned));
            Arc::new(move |subscribed: &Subscribed| {
                let definition = subscribed.definition();
                let (viewer, selection) = (&definition.viewer, &definition.selection);
                let plan = Plan::new(&rows, viewer, selection, None);
                *planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(definition);
                plan
            })
        };
        loop {
            let definition = self.subscribed.definition();
            self.subscribed
                .scan(&definition, (END, SLICE), |range, each| {
                    let end = range.end.max(range.start);
                    for position in range {
                        if !each(news(position)) {
                            return Some(position + 1);
                        }
                    }
                    Some(end)
                });
            let has_caught_up = self.subscribed.lock().outbox.next() >= END;
            if has_caught_up && self.matcher.join(&self.subscribed, &make_plan) {
                return;
            }
        }
    }

    /// What is open, once somebody has made the subscription read on, as each consumer does that finds it behind.
    fn found(&self) -> Vec<u64> {
        if self.subscribed.lock().slot.is_none() {
            self.read_on();
        }
        let mut inner = self.subscribed.lock();
        inner.outbox.begin_history();
        let open = inner.outbox.kept().open;
        open.iter().map(|open| open.position).collect()
    }
}

fn news(position: u64) -> News {
    News {
        position,
        case: position,
        kind: StatementKind::Report,
        appeared: true,
        selected_before: false,
        selected: true,
        status_before: Default::default(),
        status: Default::default(),
        retracted: false,
    }
}

fn beside_a_scan(change: impl Fn(&World) + Send + Sync + 'static, check: fn(&World)) {
    let change = Arc::new(change);
    shuttle::check_random(
        move || {
            let world = World::new();
            let scan = {
                let world = Arc::clone(&world);
                thread::spawn(move || world.read_on())
            };
            change(&world);
            scan.join().unwrap();
            check(&world);
        },
        RUNS,
    );
}

#[test]
fn a_move_back_while_a_scan_ends_loses_no_position() {
    let seek = |world: &World| {
        let (matcher, subscribed) = (&world.matcher, &world.subscribed);
        matcher.leave_and(subscribed, |outbox| outbox.seek(1));
    };
    beside_a_scan(seek, |world| assert_eq!(world.found(), [1, 2, 3]));
}

#[test]
fn after_an_update_while_a_scan_ends_statements_are_held_against_the_new_filter() {
    let update = |world: &World| {
        let (matcher, subscribed) = (&world.matcher, &world.subscribed);
        matcher.leave_and(subscribed, |outbox| {
            outbox.begin_history();
            subscribed.redefine(definition(&[StatementKind::Report]));
        });
    };
    beside_a_scan(update, |world| {
        assert_eq!(world.found(), [0, 1, 2, 3]);
        let planned = world.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let planned = planned.as_ref().unwrap();
        assert!(Arc::ptr_eq(planned, &world.subscribed.definition()));
    });
}
