//! What is news for many filters at once, against a list of what the table was told.

use std::{collections::BTreeSet, sync::Arc};

use casebroker_proto::subscription::Kinds;

use super::{super::standing::Filters, *};

/// A subscriber of these tests.
struct Subscriber {
    viewer: Viewer,
    selection: Selection,
}

impl Subscriber {
    fn new(rng: &mut StdRng) -> Self {
        Self {
            viewer: Viewer {
                agency: AgencyName::from_id(pick(rng, &["us-dea", "cn-nncc", "xx-new"])).unwrap(),
                reach: pick(rng, &[Reach::Audience, Reach::Audience, Reach::OwnCases]),
            },
            selection: selection(rng),
        }
    }

    fn plan(&self, rows: &Rows) -> Arc<Plan> {
        Arc::new(Plan::new(rows, &self.viewer, &self.selection, None))
    }

    fn sees<'a>(
        &self,
        told: &'a [Told],
        case: u64,
        holds: impl Fn(&Told) -> bool,
    ) -> Option<&'a Facts> {
        let of_case = told.iter().filter(|t| t.case == case && holds(t));
        let mut seen = of_case.filter(|t| sees(&t.view.seen, &self.viewer, &t.view.facts.owner));
        seen.next().map(|t| &t.view.facts)
    }

    /// Whether it is news, and then whether it is selected before and after.
    fn news(&self, told: &[Told], case: u64, at: u64) -> Option<(bool, bool)> {
        let after = self.sees(told, case, |t| t.from <= at && at < t.to)?;
        let before = self.sees(told, case, |t| t.from < at && at <= t.to);
        let before = before.is_some_and(|facts| selects(&self.selection, facts));
        let after = selects(&self.selection, after);
        (before || after).then_some((before, after))
    }
}

#[test]
fn many_filters_at_once_find_what_each_finds_alone_and_what_the_list_says() {
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (rows, mut told) = (Rows::default(), Vec::new());
        grown(&mut rng, &rows, &mut told, 0, 400);
        let subscribers: Vec<_> = (0..150).map(|_| Subscriber::new(&mut rng)).collect();
        let mut filters = Filters::default();
        let slots: Vec<_> = subscribers
            .iter()
            .enumerate()
            .map(|(n, subscriber)| filters.add(subscriber.plan(&rows), Kinds::ALL, n))
            .collect();
        // Some go, and others come in their places.
        let gone: BTreeSet<usize> = (0..150).step_by(7).collect();
        for n in &gone {
            assert_eq!(filters.remove(slots[*n]), Some(*n));
        }
        let back = 14;
        filters.add(subscribers[back].plan(&rows), Kinds::ALL, back);
        assert_eq!(filters.count(), 150 - gone.len() + 1);
        let reading = rows.reading();
        let mut all = 0;
        for position in 0..400 {
            let change = reading.change(position).unwrap();
            let case = rows.firsts.get(change.said.case);
            let mut found = BTreeSet::new();
            filters.for_each(&reading, &change, |n, news| {
                found.insert((*n, news.selected_before, news.selected));
            });
            let expected: BTreeSet<_> = subscribers
                .iter()
                .enumerate()
                .filter(|(n, _)| !gone.contains(n) || *n == back)
                .filter_map(|(n, subscriber)| {
                    let (before, after) = subscriber.news(&told, case, position)?;
                    Some((n, before, after))
                })
                .collect();
            assert_eq!(found, expected, "seed {seed}, position {position}");
            all += found.len();
        }
        assert!(all > 1_000, "the filters select something");
    }
}

#[test]
fn going_through_the_log_finds_the_same_and_stops_where_it_is_told_to() {
    let mut rng = StdRng::seed_from_u64(7);
    let (rows, mut told) = (Rows::default(), Vec::new());
    grown(&mut rng, &rows, &mut told, 0, 300);
    let reading = rows.reading();
    for _ in 0..50 {
        let subscriber = Subscriber::new(&mut rng);
        let plan = subscriber.plan(&rows);
        let expected: Vec<u64> = (0..300)
            .filter(|at| {
                let case = rows.firsts.get(reading.change(*at).unwrap().said.case);
                subscriber.news(&told, case, *at).is_some()
            })
            .collect();
        let mut found = Vec::new();
        let mut go = |from: u64, most: usize| {
            let mut count = 0;
            reading
                .all_news(&plan, Kinds::ALL, from..300, &|| false, |news| {
                    found.push(news.position);
                    count += 1;
                    count < most
                })
                .unwrap()
        };
        let mut next = 0;
        while next < 300 {
            next = go(next, 3);
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn a_reading_made_before_cases_got_rows_in_new_chunks_still_finds_what_was_said() {
    let mut rng = StdRng::seed_from_u64(8);
    let (rows, mut told) = (Rows::default(), Vec::new());
    grown(&mut rng, &rows, &mut told, 0, 300);
    let early = rows.reading();
    grown(&mut rng, &rows, &mut told, 300, 900);
    assert!(
        rows.chunks().len() > early.chunks.len(),
        "chunks were added"
    );
    let late = rows.reading();
    let mut moved_on = 0;
    for position in 0..300 {
        let (one, other) = (
            early.change(position).unwrap(),
            late.change(position).unwrap(),
        );
        assert_eq!(
            (one.after, one.before),
            (other.after, other.before),
            "position {position}"
        );
        let head = (rows.heads.get(one.said.case) as u32).checked_sub(1);
        moved_on += usize::from(head.is_some_and(|head| early.place(head).is_none()));
    }
    assert!(moved_on > 0, "some of the cases were said more about");
}
