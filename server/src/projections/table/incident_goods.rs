//! The goods of an incident that several cases report: they count once, by a rule that the answer names.
//!
//! Of the cases that a question selects, one counts for each class of goods and kind of amount: that of an owner who seized the goods,
//! else that with the laboratory's net weight, else that with the larger amount. Where these are equal, the case that was recorded first.

use std::cmp::{Ordering, Reverse};

use casebroker_proto::v1::GoodsRule;

use super::{
    chunk::{Chunk, Set, Word},
    rows::RowItem,
};

/// The goods of one class and kind of amount that one case reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedGoods {
    /// Number of the case.
    pub case: u32,
    /// Whether its owner holds a record of the seizure.
    pub seized: bool,
    /// Whether a laboratory weighed or counted all of them.
    pub laboratory: bool,
    /// Sum of the amounts.
    pub total: i128,
    /// Sum of the amounts of items that are confirmed.
    pub confirmed: i128,
    /// Number of items.
    pub items: u32,
}

/// The goods of one class and kind of amount that all cases of an incident report.
#[derive(Debug, Clone, Copy)]
pub struct IncidentGoods {
    first: ReportedGoods,
    /// The one that counts if the first did not.
    second: Option<ReportedGoods>,
    /// The one that counts of those with confirmed goods.
    confirmed: Option<ReportedGoods>,
    reported: Totals,
}

/// Sums of goods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// All items.
    pub total: i128,
    /// Items that are confirmed.
    pub confirmed: i128,
    /// Number of items.
    pub items: u64,
}

impl ReportedGoods {
    /// None yet, of the case of a row.
    pub fn begin(chunk: &Chunk, at: usize) -> Self {
        Self {
            case: chunk.word(Word::Case, at),
            seized: chunk.set(Set::SeizureRecord).get(at),
            laboratory: true,
            total: 0,
            confirmed: 0,
            items: 0,
        }
    }

    /// Adds an item of the case.
    pub fn add(&mut self, item: &RowItem) {
        let amount = i128::from(item.amount);
        self.total += amount;
        self.confirmed += if item.confirmed { amount } else { 0 };
        self.laboratory &= item.laboratory;
        self.items += 1;
    }

    /// Their sums.
    pub fn totals(&self) -> Totals {
        Totals {
            total: self.total,
            confirmed: self.confirmed,
            items: self.items.into(),
        }
    }

    /// The greater one counts, by what of the goods `amount` gives.
    fn compare(&self, other: &Self, amount: fn(&Self) -> i128) -> Ordering {
        let rank = |goods: &Self| {
            (
                goods.seized,
                goods.laboratory,
                amount(goods),
                Reverse(goods.case),
            )
        };
        rank(self).cmp(&rank(other))
    }
}

impl IncidentGoods {
    /// Of the first case.
    pub fn new(goods: ReportedGoods) -> Self {
        Self {
            first: goods,
            second: None,
            confirmed: (goods.confirmed > 0).then_some(goods),
            reported: goods.totals(),
        }
    }

    /// Adds those of another case. The order of cases does not matter.
    pub fn add(&mut self, goods: ReportedGoods) {
        let by_total = |goods: &ReportedGoods| goods.total;
        let mut next = goods;
        if next.compare(&self.first, by_total).is_gt() {
            std::mem::swap(&mut next, &mut self.first);
        }
        if self
            .second
            .is_none_or(|second| next.compare(&second, by_total).is_gt())
        {
            self.second = Some(next);
        }
        let by_confirmed = |goods: &ReportedGoods| goods.confirmed;
        let other = self.confirmed;
        if goods.confirmed > 0
            && other.is_none_or(|other| goods.compare(&other, by_confirmed).is_gt())
        {
            self.confirmed = Some(goods);
        }
        self.reported += goods.totals();
    }

    /// What all cases report.
    pub fn reported(&self) -> Totals {
        self.reported
    }

    /// What counts. Confirmed goods are those of the case that the rule chooses of those that have some, and never more than the total.
    pub fn counted(&self) -> Totals {
        let confirmed = self.confirmed.map_or(0, |goods| goods.confirmed);
        Totals {
            confirmed: confirmed.min(self.first.total),
            ..self.first.totals()
        }
    }

    /// By what the case that counts was chosen; `None` if no other reports such goods.
    pub fn rule(&self) -> Option<GoodsRule> {
        let (first, second) = (&self.first, self.second.as_ref()?);
        Some(match () {
            () if first.seized != second.seized => GoodsRule::SeizingOwner,
            () if first.laboratory != second.laboratory => GoodsRule::LaboratoryWeight,
            () if first.total != second.total => GoodsRule::LargerAmount,
            () => GoodsRule::EqualAmounts,
        })
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.confirmed += other.confirmed;
        self.items += other.items;
    }
}

impl std::ops::SubAssign for Totals {
    fn sub_assign(&mut self, other: Self) {
        self.total -= other.total;
        self.confirmed -= other.confirmed;
        self.items -= other.items;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goods(case: u32, seized: bool, laboratory: bool, total: i128) -> ReportedGoods {
        ReportedGoods {
            case,
            seized,
            laboratory,
            total,
            confirmed: 0,
            items: 1,
        }
    }

    fn incident(all: &[ReportedGoods]) -> IncidentGoods {
        let mut incident = IncidentGoods::new(all[0]);
        all[1..].iter().for_each(|goods| incident.add(*goods));
        incident
    }

    #[test]
    fn the_owner_who_seized_comes_before_the_laboratory_and_that_before_the_larger_amount() {
        for (all, total, rule) in [
            (vec![goods(0, true, false, 50)], 50, None),
            (
                vec![goods(0, true, false, 50), goods(1, true, false, 50)],
                50,
                Some(GoodsRule::EqualAmounts),
            ),
            (
                vec![goods(0, false, true, 60), goods(1, true, false, 50)],
                50,
                Some(GoodsRule::SeizingOwner),
            ),
            (
                vec![goods(0, true, false, 60), goods(1, true, true, 50)],
                50,
                Some(GoodsRule::LaboratoryWeight),
            ),
            (
                vec![goods(0, false, false, 50), goods(1, false, false, 60)],
                60,
                Some(GoodsRule::LargerAmount),
            ),
        ] {
            let reversed: Vec<_> = all.iter().rev().copied().collect();
            for all in [&all, &reversed] {
                let incident = incident(all);
                assert_eq!((incident.counted().total, incident.rule()), (total, rule));
                let reported: i128 = all.iter().map(|goods| goods.total).sum();
                assert_eq!(incident.reported().total, reported);
            }
        }
    }

    #[test]
    fn confirmed_goods_are_those_of_a_case_that_has_some_and_at_most_the_total() {
        let confirmed = |goods: ReportedGoods, confirmed| ReportedGoods { confirmed, ..goods };
        let seized = goods(0, true, false, 50);
        let tested = confirmed(goods(1, false, true, 48), 48);
        assert_eq!(incident(&[seized, tested]).counted().confirmed, 48);
        let tested = confirmed(goods(1, false, true, 60), 60);
        let counted = incident(&[tested, seized]).counted();
        assert_eq!((counted.total, counted.confirmed), (50, 50));
        assert_eq!(incident(&[seized]).counted().confirmed, 0);
    }
}
