//! Lists: the rows that come next in an order, and how many there are in all.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    chunk::{Wide, Word},
    part::Wanted,
    plan::{AsOf, GivenUp, Plan},
    rows::Rows,
};

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// By what; equal ones by position.
    pub by: By,
    /// The greatest first.
    pub descending: bool,
}

/// What an order goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Position of the first statement that the viewer may see.
    Position,
    /// Mass of the selected items.
    Mass,
    /// Incident date.
    Date,
}

/// Where a case stands in an order: what it goes by, and its first position.
pub type Rank = (u64, u64);

/// The cases that come next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In order; there is one more than asked for if there is another page.
    pub ranks: Vec<Rank>,
    /// Cases on all pages.
    pub total: u64,
}

impl Rows {
    /// The first `limit` cases after one in an order, and the total.
    pub fn page(
        &self,
        plan: &Plan,
        as_of: AsOf,
        order: Order,
        after: Option<Rank>,
        limit: usize,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Page, GivenUp> {
        let mut best = Best {
            heap: BinaryHeap::new(),
            descending: order.descending,
            after,
            limit,
        };
        let newest_first = order.by == By::Position && order.descending;
        let scan = self.scanning(plan, as_of);
        let mut numbers = scan.numbers();
        if newest_first {
            // The last chunks have nearly all that the page shows; from the others most pages need their number alone.
            numbers.reverse();
        }
        let mut total = 0;
        let mut recall = self.totals.recall(plan, Wanted::default(), as_of);
        for number in numbers {
            if given_up() {
                return Err(GivenUp);
            }
            let Some(chunk) = scan.chunk(number) else {
                continue;
            };
            if newest_first && !best.takes((chunk.newest(), chunk.newest())) {
                let count = || scan.selected(number, chunk).count();
                total += *recall.of(number, chunk, count) as u64;
                continue;
            }
            let mask = scan.selected(number, chunk);
            total += mask.count() as u64;
            for at in mask.rows_back() {
                let first = chunk.wide(Wide::First, at);
                let key = match order.by {
                    By::Position => first,
                    By::Mass => plan.mass(chunk, at, &scan.items),
                    By::Date => u64::from(chunk.word(Word::Day, at)),
                };
                best.offer((key, first));
            }
        }
        recall.keep();
        Ok(Page {
            ranks: best.into_ranks(),
            total,
        })
    }
}

/// The best of what was offered. What comes last among them is on top.
struct Best {
    heap: BinaryHeap<Key>,
    descending: bool,
    after: Option<Rank>,
    limit: usize,
}

/// Orders as the listing does.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Ascending(Rank),
    Descending(Reverse<Rank>),
}

impl Best {
    fn key(&self, rank: Rank) -> Key {
        match self.descending {
            true => Key::Descending(Reverse(rank)),
            false => Key::Ascending(rank),
        }
    }

    /// Whether this or something that comes after it may be among them.
    fn takes(&self, rank: Rank) -> bool {
        let full = self.heap.len() >= self.limit;
        !full || self.heap.peek().is_some_and(|last| self.key(rank) < *last)
    }

    fn offer(&mut self, rank: Rank) {
        let key = self.key(rank);
        let is_later = self.after.is_none_or(|after| key > self.key(after));
        if is_later && self.takes(rank) {
            self.heap.push(key);
            if self.heap.len() > self.limit {
                self.heap.pop();
            }
        }
    }

    fn into_ranks(self) -> Vec<Rank> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        let ranks = sorted.map(|key| match key {
            Key::Ascending(rank) | Key::Descending(Reverse(rank)) => rank,
        });
        ranks.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_are_the_sorted_whole_cut(
            ranks in prop::collection::btree_set((0_u64..50, 0_u64..1_000), 0..200),
            descending: bool,
            size in 1_usize..20,
        ) {
            let mut sorted: Vec<Rank> = ranks.iter().copied().collect();
            if descending {
                sorted.reverse();
            }
            let mut walked: Vec<Rank> = Vec::new();
            loop {
                let mut best = Best {
                    heap: BinaryHeap::new(),
                    descending,
                    after: walked.last().copied(),
                    limit: size,
                };
                ranks.iter().for_each(|rank| best.offer(*rank));
                let page = best.into_ranks();
                if page.is_empty() {
                    break;
                }
                walked.extend(page);
            }
            prop_assert_eq!(walked, sorted);
        }
    }
}
