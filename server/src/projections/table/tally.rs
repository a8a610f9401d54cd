//! Sums of cases, incidents and goods.

use casebroker_proto::{
    filter::GoodsClass,
    v1::{Amount, AmountKind, Tally},
};
use hashbrown::HashSet;

use super::{
    chunk::{CLASSES, Chunk},
    part,
    rows::{ItemView, RowItem},
};

/// What an amount may be of.
const DIMENSIONS: usize = 4;
/// Sums of goods that are kept apart: by class, and by what the amount is of.
pub const PLACES: usize = CLASSES * DIMENSIONS;

/// Which of them an item belongs to.
pub fn place_of(item: &RowItem) -> usize {
    item.class.min(CLASSES - 1) * DIMENSIONS + item.dimension.min(DIMENSIONS - 1)
}

/// A sum that grows case by case.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    cases: u64,
    /// Cases that share their incident with others.
    joined_cases: u64,
    /// The incidents of those.
    joined: HashSet<u32>,
    /// By class and dimension; empty while there are none.
    amounts: Vec<Goods>,
}

/// A sum of goods.
#[derive(Debug, Clone, Copy, Default)]
struct Goods {
    total: i128,
    confirmed: i128,
    items: u64,
}

impl Sums {
    /// Cases so far.
    pub fn cases(&self) -> u64 {
        self.cases
    }

    /// Incidents so far.
    pub fn incidents(&self) -> u64 {
        self.cases - self.joined_cases + self.joined.len() as u64
    }

    /// Adds a case, without its goods; `joined` is its incident if that has others.
    pub fn add_case(&mut self, joined: Option<u32>) {
        self.cases += 1;
        if let Some(incident) = joined {
            self.join(incident);
        }
    }

    /// Adds those items of a case that `selects` says.
    pub fn add_goods(
        &mut self,
        chunk: &Chunk,
        at: usize,
        items: &ItemView,
        selects: impl Fn(&RowItem) -> bool,
    ) {
        for item in items.of(chunk, at).filter(selects) {
            self.add_item(&item);
        }
    }

    /// Adds an item.
    pub fn add_item(&mut self, item: &RowItem) {
        let amount = i128::from(item.amount);
        self.add_sum(place_of(item), |goods| {
            goods.total += amount;
            goods.confirmed += if item.confirmed { amount } else { 0 };
            goods.items += 1;
        });
    }

    /// Adds cases that are in no sum of joined ones yet: see [`Self::join`].
    pub fn add_cases(&mut self, cases: u32) {
        self.cases += u64::from(cases);
    }

    /// Says that one of the cases shares its incident with others.
    pub fn join(&mut self, incident: u32) {
        self.joined_cases += 1;
        self.joined.insert(incident);
    }

    /// Adds goods of a part.
    pub fn add_part(&mut self, part: &part::Goods) {
        self.add_sum(part.place.into(), |goods| {
            goods.total += i128::from(part.total);
            goods.confirmed += i128::from(part.confirmed);
            goods.items += u64::from(part.items);
        });
    }

    fn add_sum(&mut self, place: usize, add: impl FnOnce(&mut Goods)) {
        if self.amounts.is_empty() {
            self.amounts = vec![Goods::default(); PLACES];
        }
        // 2^64 of the largest amounts fit.
        if let Some(goods) = self.amounts.get_mut(place) {
            add(goods);
        }
    }

    /// Adds another sum, of other cases.
    pub fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.joined_cases += other.joined_cases;
        self.joined.extend(&other.joined);
        if self.amounts.is_empty() {
            self.amounts.clone_from(&other.amounts);
            return;
        }
        for (to, from) in self.amounts.iter_mut().zip(&other.amounts) {
            to.total += from.total;
            to.confirmed += from.confirmed;
            to.items += from.items;
        }
    }

    /// As the contract shows it.
    pub fn to_tally(&self) -> Tally {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut amounts = Vec::new();
        for (class, goods) in GoodsClass::all().zip(self.amounts.chunks(DIMENSIONS)) {
            let kinds = [AmountKind::Mass, AmountKind::Volume, AmountKind::Pieces];
            // What is not known comes last.
            let known = goods.iter().skip(1).zip(kinds);
            let unknown = goods.iter().take(1).zip([AmountKind::Unspecified]);
            let some = known.chain(unknown).filter(|(goods, _)| goods.items > 0);
            amounts.extend(some.map(|(goods, kind)| Amount {
                substance_class: class.as_str().to_owned(),
                kind: kind.into(),
                total: goods.total.to_string(),
                confirmed: goods.confirmed.to_string(),
                items: number(goods.items),
            }));
        }
        Tally {
            cases: number(self.cases),
            incidents: number(self.incidents()),
            amounts,
        }
    }
}
