//! Sums of parts: of chunks in a row, and of all that a question is about.

use hashbrown::HashMap;

use super::{
    part::{Codes, Goods, JoinedGoods, Part},
    plan::Standing,
    tally::PLACES,
};

/// Several parts in one.
#[derive(Debug, Default)]
pub struct Sum {
    /// What was added so far. Each group is there once.
    pub part: Part,
    numbers: HashMap<(Codes, Standing), u32>,
    /// See [`add`].
    slots: Vec<u32>,
    /// Number of each group of the part at hand.
    places: Vec<u32>,
}

impl Part {
    /// Several in one.
    pub fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Sum::default();
        parts.for_each(|part| sum.add(part));
        sum.part.shrink();
        sum.part
    }
}

impl Sum {
    /// Adds a part.
    pub fn add(&mut self, part: &Part) {
        let sum = &mut self.part;
        self.places.clear();
        for (codes, standing, cases) in &part.groups {
            let next = sum.groups.len() as u32;
            let number = *self.numbers.entry((*codes, *standing)).or_insert(next);
            match sum.groups.get_mut(number as usize) {
                Some((_, _, sum)) => *sum += cases,
                None => sum.groups.push((*codes, *standing, *cases)),
            }
            self.places.push(number);
        }
        let of = |group: u32| self.places.get(group as usize).copied().unwrap_or(0);
        let joined = part.joined.iter();
        sum.joined
            .extend(joined.map(|(group, incident)| (of(*group), *incident)));
        let joined_goods = part.joined_goods.iter();
        sum.joined_goods
            .extend(joined_goods.map(|joined| JoinedGoods {
                group: of(joined.group),
                ..*joined
            }));
        self.slots.resize(sum.groups.len() * PLACES, 0);
        for goods in &part.goods {
            let group = of(goods.group);
            add(&mut self.slots, &mut sum.goods, &Goods { group, ..*goods });
        }
    }
}

impl Goods {
    /// Both in one; `None` if that is too much for it.
    fn with(&self, other: &Self) -> Option<Self> {
        Some(Self {
            items: self.items.checked_add(other.items)?,
            total: self.total.checked_add(other.total)?,
            confirmed: self.confirmed.checked_add(other.confirmed)?,
            ..*self
        })
    }
}

/// Adds to the sum of the same group and place. `slots` says by both where that is: one more than its index; 0 for nowhere.
pub(super) fn add(slots: &mut [u32], sums: &mut Vec<Goods>, goods: &Goods) {
    let place = goods.group as usize * PLACES + usize::from(goods.place);
    let Some(slot) = slots.get_mut(place) else {
        return;
    };
    let known = (*slot as usize).checked_sub(1);
    let known = known.and_then(|at| sums.get_mut(at));
    if let Some(known) = known
        && let Some(both) = known.with(goods)
    {
        *known = both;
        return;
    }
    sums.push(*goods);
    *slot = sums.len() as u32;
}
