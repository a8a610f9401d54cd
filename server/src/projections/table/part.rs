//! What one chunk adds to a count. Its groups are numbered and its sums made a column at a time, in flat lists that the next chunk
//! uses again: a row costs a few steps through memory in order, and no look-up in a map of groups.

use std::mem;

use casebroker_proto::{filter::Day, v1::Dimension};
use hashbrown::HashMap;

use super::{
    bits::Mask,
    chunk::{Chunk, Half, Word},
    incident_goods::ReportedGoods,
    plan::{Plan, Standing},
    rows::{ItemView, RowItem, Rows},
    sum::add,
    tally::{PLACES, place_of},
};

/// Most dimensions of a question.
pub const MAX_DIMENSIONS: usize = 3;

/// What is to be known of what a plan selects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// In groups by these.
    pub dimensions: &'a [Dimension],
    /// Whether with the sums of goods.
    pub amounts: bool,
}

/// Values of a group, by their numbers in the columns.
pub type Codes = [u32; MAX_DIMENSIONS];

/// The groups of a chunk with their sums; a group here is of one standing.
#[derive(Debug, Default)]
pub struct Part {
    /// Each with its number of cases.
    pub groups: Vec<(Codes, Standing, u32)>,
    /// Incidents of cases that share theirs with others, by group: once for each case.
    pub joined: Vec<(u32, u32)>,
    /// Sums of goods as reported; there may be several of the same.
    pub goods: Vec<Goods>,
    /// Of those, the goods of cases that share their incident with others.
    pub joined_goods: Vec<JoinedGoods>,
}

/// Goods that a case reports which shares its incident with others.
#[derive(Debug, Clone, Copy)]
pub struct JoinedGoods {
    /// Group of the part.
    pub group: u32,
    /// Number of the incident.
    pub incident: u32,
    /// Class and what the amount is of, by [`place_of`].
    pub place: u16,
    /// The goods.
    pub goods: ReportedGoods,
}

/// A sum of goods of a group, as far as 64 bits hold; what is beyond is in another.
#[derive(Debug, Clone, Copy)]
pub struct Goods {
    /// Group of the part.
    pub group: u32,
    /// Class and what it is of, by [`place_of`].
    pub place: u16,
    /// Number of items.
    pub items: u32,
    /// Sum of all.
    pub total: i64,
    /// Sum of what is confirmed.
    pub confirmed: i64,
}

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The table.
    pub rows: &'a Rows,
    /// Who asks, and which items.
    pub plan: &'a Plan,
    /// By what, and what of it.
    pub wanted: Wanted<'a>,
    /// Items of all chunks.
    pub items: &'a ItemView,
}

/// Room for the columns of a chunk.
#[derive(Debug, Default)]
pub struct Columns {
    lines: Lines,
    /// Of each line: its value of the dimension at hand.
    codes: Vec<u32>,
    values: Numbering,
    pairs: Numbering,
    /// See [`add`].
    slots: Vec<u32>,
}

/// What is counted: a row each, or each transit and item of a row if that is what it is counted by.
#[derive(Debug, Default)]
struct Lines {
    row: Vec<u16>,
    group: Vec<u32>,
    /// Empty if it is not counted by transit.
    transit: Vec<u32>,
    /// Empty if it is not counted by item.
    item: Vec<RowItem>,
}

/// Whether a dimension is one of the items.
pub fn is_of_items(dimension: Dimension) -> bool {
    matches!(
        dimension,
        Dimension::Substance | Dimension::SubstanceClass | Dimension::ItemKind
    )
}

impl Part {
    /// Bytes that its lists take.
    pub fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<(Codes, Standing, u32)>()
            + self.joined.capacity() * size_of::<(u32, u32)>()
            + self.goods.capacity() * size_of::<Goods>()
            + self.joined_goods.capacity() * size_of::<JoinedGoods>()
    }

    /// It may be kept for long.
    pub(super) fn shrink(&mut self) {
        self.groups.shrink_to_fit();
        self.joined.shrink_to_fit();
        self.goods.shrink_to_fit();
        self.joined_goods.shrink_to_fit();
    }
}

impl Columns {
    /// The part of a chunk's rows.
    pub fn part(&mut self, of: &Counted, chunk: &Chunk, mask: &Mask) -> Part {
        let mut part = Part::default();
        self.lines.clear();
        for (standing, rows) in Standing::split(chunk, mask) {
            let before = self.lines.row.len();
            self.lines.row.extend(rows.rows().map(|row| row as u16));
            if self.lines.row.len() > before {
                let group = part.groups.len() as u32;
                self.lines.group.resize(self.lines.row.len(), group);
                part.groups.push((Codes::default(), standing, 0));
            }
        }
        let by_item = of.wanted.dimensions.iter().any(|d| is_of_items(*d));
        if of.wanted.dimensions.contains(&Dimension::Transit) {
            self.lines.spread_transits(of.rows, chunk);
        }
        if by_item {
            self.lines.spread_items(of, chunk);
        }
        for (n, dimension) in of.wanted.dimensions.iter().enumerate() {
            self.lines.codes(*dimension, chunk, &mut self.codes);
            self.divide(n, &mut part);
        }
        let (set, _) = of.plan.incidents();
        let mut joined = mask.clone();
        joined.and(chunk.set(set));
        self.cases(of, chunk, &joined, by_item, &mut part);
        if of.wanted.amounts {
            self.goods(of, chunk, by_item, &mut part);
            if !joined.is_empty() {
                self.joined_goods(of, chunk, &joined, by_item, &mut part);
            }
        }
        part.shrink();
        part
    }

    /// Divides the groups by the codes of the lines.
    fn divide(&mut self, dimension: usize, part: &mut Part) {
        self.values.clear();
        for code in &mut self.codes {
            *code = self.values.number(u64::from(*code));
        }
        let each = self.values.values.len() as u64;
        self.pairs.clear();
        for (group, value) in self.lines.group.iter_mut().zip(&self.codes) {
            *group = self
                .pairs
                .number(u64::from(*group) * each + u64::from(*value));
        }
        let divided = self.pairs.values.iter().map(|pair| {
            let (group, value) = ((pair / each) as usize, (pair % each) as usize);
            let mut group = part.groups.get(group).copied().unwrap_or_default();
            let value = self.values.values.get(value).copied().unwrap_or(0);
            if let Some(code) = group.0.get_mut(dimension) {
                *code = value as u32;
            }
            group
        });
        part.groups = divided.collect();
    }

    /// Counts the cases of each group, and lists their incidents where they have others.
    fn cases(&self, of: &Counted, chunk: &Chunk, joined: &Mask, by_item: bool, part: &mut Part) {
        let (_, incident) = of.plan.incidents();
        let any_joined = !joined.is_empty();
        // A case with two items of a group is one case of it.
        let mut last = vec![u32::MAX; if by_item { part.groups.len() } else { 0 }];
        for (row, group) in self.lines.row.iter().zip(&self.lines.group) {
            if let Some(last) = last.get_mut(*group as usize)
                && mem::replace(last, u32::from(*row)) == u32::from(*row)
            {
                continue;
            }
            if let Some((_, _, cases)) = part.groups.get_mut(*group as usize) {
                *cases += 1;
            }
            let row = usize::from(*row);
            if any_joined && joined.has(row) {
                part.joined.push((*group, chunk.word(incident, row)));
            }
        }
    }

    fn goods(&mut self, of: &Counted, chunk: &Chunk, by_item: bool, part: &mut Part) {
        self.slots.clear();
        self.slots.resize(part.groups.len() * PLACES, 0);
        if by_item {
            for (group, item) in self.lines.group.iter().zip(&self.lines.item) {
                add(&mut self.slots, &mut part.goods, &Goods::of(*group, item));
            }
            return;
        }
        let test = of.plan.items();
        let all = test.is_all();
        for (row, group) in self.lines.row.iter().zip(&self.lines.group) {
            of.items.each(chunk, usize::from(*row), |item| {
                if all || test.selects(&item) {
                    add(&mut self.slots, &mut part.goods, &Goods::of(*group, &item));
                }
            });
        }
    }
}

/// The number of the sum of a group, a row and a place in a list of sums.
type Places = HashMap<(u32, u16, u16), usize>;

impl Columns {
    /// Lists the goods of cases that share their incident with others: a sum for each group, case and place.
    fn joined_goods(
        &self,
        of: &Counted,
        chunk: &Chunk,
        joined: &Mask,
        by_item: bool,
        part: &mut Part,
    ) {
        let (_, incident) = of.plan.incidents();
        let test = of.plan.items();
        let mut places = Places::new();
        let mut add = |row: u16, group: u32, item: &RowItem| {
            let (at, place) = (usize::from(row), place_of(item) as u16);
            let next = part.joined_goods.len();
            let index = *places.entry((group, row, place)).or_insert(next);
            if index == next {
                part.joined_goods.push(JoinedGoods {
                    group,
                    incident: chunk.word(incident, at),
                    place,
                    goods: ReportedGoods::begin(chunk, at),
                });
            }
            if let Some(sum) = part.joined_goods.get_mut(index) {
                sum.goods.add(item);
            }
        };
        for (line, (row, group)) in self.lines.row.iter().zip(&self.lines.group).enumerate() {
            if !joined.has(usize::from(*row)) {
                continue;
            }
            match (by_item, self.lines.item.get(line)) {
                (true, Some(item)) => add(*row, *group, item),
                (true, None) => {}
                (false, _) => of.items.each(chunk, usize::from(*row), |item| {
                    if test.selects(&item) {
                        add(*row, *group, &item);
                    }
                }),
            }
        }
    }
}

impl Goods {
    fn of(group: u32, item: &RowItem) -> Self {
        Self {
            group,
            place: place_of(item) as u16,
            items: 1,
            total: item.amount,
            confirmed: if item.confirmed { item.amount } else { 0 },
        }
    }
}

impl Lines {
    fn clear(&mut self) {
        self.row.clear();
        self.group.clear();
        self.transit.clear();
        self.item.clear();
    }

    /// Makes a line of each country of transit; one of none where there is none.
    fn spread_transits(&mut self, rows: &Rows, chunk: &Chunk) {
        let before = mem::take(self);
        for (row, group) in before.row.into_iter().zip(before.group) {
            let mut transits = rows.transits_of(chunk.word(Word::Transits, usize::from(row)));
            if transits.is_empty() {
                transits.push(0);
            }
            for transit in transits {
                self.row.push(row);
                self.group.push(group);
                self.transit.push(u32::from(transit));
            }
        }
    }

    /// Makes a line of each selected item; none where there is none.
    fn spread_items(&mut self, of: &Counted, chunk: &Chunk) {
        let before = mem::take(self);
        let test = of.plan.items();
        for (line, (row, group)) in before.row.into_iter().zip(before.group).enumerate() {
            of.items.each(chunk, usize::from(row), |item| {
                if test.selects(&item) {
                    self.row.push(row);
                    self.group.push(group);
                    self.transit.extend(before.transit.get(line));
                    self.item.push(item);
                }
            });
        }
    }

    /// The value of each line in a dimension.
    fn codes(&self, dimension: Dimension, chunk: &Chunk, codes: &mut Vec<u32>) {
        codes.clear();
        let mut word = |column, code: fn(u32) -> u32| {
            let rows = self.row.iter();
            codes.extend(rows.map(|row| code(chunk.word(column, usize::from(*row)))));
        };
        match dimension {
            Dimension::Agency => return word(Word::Owner, |owner| owner),
            Dimension::ReportingUnit => return word(Word::Unit, |unit| unit),
            Dimension::Year => return word(Word::Day, |day| Day(day).year()),
            Dimension::Quarter => return word(Word::Day, |day| quarter(Day(day))),
            Dimension::Month => return word(Word::Day, |day| month(Day(day))),
            _ => {}
        }
        let mut half = |column| {
            let rows = self.row.iter();
            codes.extend(rows.map(|row| u32::from(chunk.half(column, usize::from(*row)))));
        };
        match dimension {
            Dimension::Country => half(Half::Country),
            Dimension::Origin => half(Half::Origin),
            Dimension::Departure => half(Half::Departure),
            Dimension::Destination => half(Half::Destination),
            Dimension::Conveyance => half(Half::Conveyance),
            Dimension::Transit => codes.extend(&self.transit),
            Dimension::Substance => codes.extend(self.item.iter().map(|item| item.substance)),
            Dimension::SubstanceClass => {
                codes.extend(self.item.iter().map(|item| item.class as u32));
            }
            Dimension::ItemKind => codes.extend(self.item.iter().map(|item| item.kind as u32)),
            Dimension::Status => {
                let status = |row: &u16| super::count::status(chunk, usize::from(*row)) as u32;
                codes.extend(self.row.iter().map(status));
            }
            _ => codes.resize(self.row.len(), 0),
        }
    }
}

fn quarter(day: Day) -> u32 {
    match day.month() {
        0 => 0,
        month => day.year() << 3 | month.div_ceil(3),
    }
}

fn month(day: Day) -> u32 {
    match day.month() {
        0 => 0,
        month => day.year() << 4 | month,
    }
}

/// Values below this are found by their place in a list.
const DIRECT: u64 = 1 << 18;

/// Numbers from 0 on for values, in the order in which they come.
#[derive(Debug, Default)]
struct Numbering {
    values: Vec<u64>,
    /// By value: one more than its number; 0 for none.
    direct: Vec<u32>,
    others: HashMap<u64, u32>,
}

impl Numbering {
    fn clear(&mut self) {
        for value in self.values.drain(..) {
            if let Some(number) = self.direct.get_mut(value as usize) {
                *number = 0;
            }
        }
        self.others.clear();
    }

    fn number(&mut self, value: u64) -> u32 {
        let next = self.values.len() as u32;
        if let Some(number) = self.direct.get_mut(value as usize) {
            if *number == 0 {
                self.values.push(value);
                *number = next + 1;
            }
            return *number - 1;
        }
        if value < DIRECT {
            let length = (value as usize + 1).next_power_of_two();
            self.direct.resize(length, 0);
            return self.number(value);
        }
        *self.others.entry(value).or_insert_with(|| {
            self.values.push(value);
            next
        })
    }
}
