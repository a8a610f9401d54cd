//! What counting the cases of some rows must give.

use std::collections::BTreeMap;

use super::Row;

/// What a row is grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Calendar year.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: i32,
    /// Reporting unit.
    pub unit: String,
    /// Drug type as published.
    pub drug: String,
}

/// Events and goods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Events.
    pub events: i64,
    /// Micrograms, gross, as seized.
    pub micrograms: u128,
}

/// Published numbers by group.
pub type Expected = BTreeMap<Group, Sum>;

/// What is published of these rows.
pub fn expected(rows: impl IntoIterator<Item = Row>) -> Expected {
    let mut sums = Expected::new();
    for row in rows {
        let group = Group {
            year: row.year,
            month: row.month,
            unit: row.unit(),
            drug: row.drug,
        };
        sums.entry(group).or_default().add(Sum {
            events: row.events.into(),
            micrograms: row.micrograms.into(),
        });
    }
    sums
}

impl Sum {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.micrograms += other.micrograms;
    }

    /// All of them together.
    pub fn total<'a>(sums: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut total = Self::default();
        sums.into_iter().for_each(|sum| total.add(*sum));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbp::{FENTANYL, rows};

    #[test]
    fn no_event_of_the_files_is_lost_or_counted_twice() {
        let all = expected(rows());
        assert_eq!(all.len(), rows().count());
        assert_eq!(Sum::total(all.values()).events, 484_365);
        let fentanyl = expected(rows().filter(|row| row.drug == FENTANYL));
        let total = Sum::total(fentanyl.values());
        assert_eq!((fentanyl.len(), total.events), (1_491, 8_988));
        assert_eq!(total.micrograms, 15_193_466_938_116 + 30_692_308_670_248);
    }
}
