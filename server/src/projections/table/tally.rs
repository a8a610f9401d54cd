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
    /// By [`place_of`], those that there are: of most groups few.
    amounts: Vec<(usize, Goods)>,
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
        let found = self
            .amounts
            .binary_search_by_key(&place, |(place, _)| *place);
        let at = found.unwrap_or_else(|at| {
            self.amounts.insert(at, (place, Goods::default()));
            at
        });
        // 2^64 of the largest amounts fit.
        if let Some((_, goods)) = self.amounts.get_mut(at) {
            add(goods);
        }
    }

    /// As the contract shows it.
    pub fn to_tally(&self) -> Tally {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut amounts = Vec::with_capacity(self.amounts.len());
        let mut of_classes = self.amounts.as_slice();
        for (n, class) in GoodsClass::all().enumerate() {
            let count = of_classes.partition_point(|(place, _)| *place < (n + 1) * DIMENSIONS);
            let (of_class, rest) = of_classes.split_at(count);
            of_classes = rest;
            // What is not known comes last.
            let is_known = |(place, _): &&(usize, Goods)| *place % DIMENSIONS > 0;
            let known = of_class.iter().filter(is_known);
            let unknown = of_class.iter().filter(|sum| !is_known(sum));
            amounts.extend(known.chain(unknown).map(|(place, goods)| Amount {
                substance_class: class.as_str().to_owned(),
                kind: kind(*place).into(),
                total: digits(goods.total),
                confirmed: digits(goods.confirmed),
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

/// What the amounts of a place are of.
fn kind(place: usize) -> AmountKind {
    match place % DIMENSIONS {
        1 => AmountKind::Mass,
        2 => AmountKind::Volume,
        3 => AmountKind::Pieces,
        _ => AmountKind::Unspecified,
    }
}

/// In decimal digits. Nearly every sum fits in 64 bits, and those are written many times faster.
fn digits(sum: i128) -> String {
    i64::try_from(sum).map_or_else(|_| sum.to_string(), |sum| sum.to_string())
}
