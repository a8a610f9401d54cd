//! Sums of cases, incidents and goods.

use std::collections::BTreeMap;

use casebroker_proto::{
    filter::GoodsClass,
    v1::{Amount, AmountKind, GoodsChoice, GoodsRule, Tally},
};
use hashbrown::HashSet;

use super::{
    chunk::{CLASSES, Chunk},
    incident_goods::{IncidentGoods, ReportedGoods, Totals},
    part,
    plan::Plan,
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
    /// Goods as reported, by [`place_of`], those that there are: of most groups few.
    amounts: Vec<(usize, Totals)>,
    /// Goods of incidents that several cases may report, by place and incident.
    joined_goods: BTreeMap<(usize, u32), IncidentGoods>,
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

    /// Adds the case of a row, with those of its goods that a plan selects.
    pub fn add_row(&mut self, plan: &Plan, chunk: &Chunk, at: usize, items: &ItemView) {
        self.cases += 1;
        let mut goods: BTreeMap<usize, ReportedGoods> = BTreeMap::new();
        for item in items
            .of(chunk, at)
            .filter(|item| plan.items().selects(item))
        {
            let reported = goods.entry(place_of(&item));
            reported
                .or_insert_with(|| ReportedGoods::begin(chunk, at))
                .add(&item);
        }
        for (place, goods) in &goods {
            self.add_sum(*place, goods.totals());
        }
        if let Some(incident) = plan.joined(chunk, at) {
            self.join(incident);
            for (place, goods) in goods {
                self.join_goods(incident, place, goods);
            }
        }
    }

    /// Adds cases, none of them as one of an incident: see [`Self::join`].
    pub fn add_cases(&mut self, cases: u32) {
        self.cases += u64::from(cases);
    }

    /// Says that one of the cases shares its incident with others.
    pub fn join(&mut self, incident: u32) {
        self.joined_cases += 1;
        self.joined.insert(incident);
    }

    /// Says that goods were reported by a case that shares its incident with others. They are in the sums already.
    pub fn join_goods(&mut self, incident: u32, place: usize, goods: ReportedGoods) {
        self.joined_goods
            .entry((place, incident))
            .and_modify(|known| known.add(goods))
            .or_insert_with(|| IncidentGoods::new(goods));
    }

    /// Adds goods of a part.
    pub fn add_part(&mut self, part: &part::Goods) {
        let totals = Totals {
            total: i128::from(part.total),
            confirmed: i128::from(part.confirmed),
            items: u64::from(part.items),
        };
        self.add_sum(part.place.into(), totals);
    }

    fn add_sum(&mut self, place: usize, totals: Totals) {
        let found = self
            .amounts
            .binary_search_by_key(&place, |(place, _)| *place);
        let at = found.unwrap_or_else(|at| {
            self.amounts.insert(at, (place, Totals::default()));
            at
        });
        // 2^64 of the largest amounts fit.
        if let Some((_, sum)) = self.amounts.get_mut(at) {
            *sum += totals;
        }
    }

    /// As the contract shows it.
    pub fn to_tally(&self) -> Tally {
        let mut amounts = Vec::with_capacity(self.amounts.len());
        let mut of_classes = self.amounts.as_slice();
        for (n, class) in GoodsClass::all().enumerate() {
            let count = of_classes.partition_point(|(place, _)| *place < (n + 1) * DIMENSIONS);
            let (of_class, rest) = of_classes.split_at(count);
            of_classes = rest;
            // What is not known comes last.
            let is_known = |(place, _): &&(usize, Totals)| *place % DIMENSIONS > 0;
            let known = of_class.iter().filter(is_known);
            let unknown = of_class.iter().filter(|sum| !is_known(sum));
            amounts.extend(
                known
                    .chain(unknown)
                    .map(|(place, reported)| self.amount(class, *place, *reported)),
            );
        }
        Tally {
            cases: number(self.cases),
            incidents: number(self.incidents()),
            amounts,
        }
    }

    /// The amount of a place, of which the goods of one incident count once.
    fn amount(&self, class: GoodsClass, place: usize, reported: Totals) -> Amount {
        let mut counted = reported;
        let mut choices: BTreeMap<GoodsRule, i64> = BTreeMap::new();
        for goods in self.joined_goods.range((place, 0)..=(place, u32::MAX)) {
            let (_, goods) = goods;
            if let Some(rule) = goods.rule() {
                counted -= goods.reported();
                counted += goods.counted();
                *choices.entry(rule).or_default() += 1;
            }
        }
        let mut amount = Amount {
            substance_class: class.as_str().to_owned(),
            kind: kind(place).into(),
            total: digits(counted.total),
            confirmed: digits(counted.confirmed),
            items: number(counted.items),
            ..Amount::default()
        };
        if !choices.is_empty() {
            amount.reported_total = digits(reported.total);
            amount.reported_confirmed = digits(reported.confirmed);
            amount.reported_items = number(reported.items);
            let choices = choices.into_iter();
            amount.choices = choices
                .map(|(rule, incidents)| GoodsChoice {
                    rule: rule.into(),
                    incidents,
                })
                .collect();
        }
        amount
    }
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
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
