//! All that the table holds, and the one way in which it grows.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use casebroker_proto::{
    catalogue::units::Dimension,
    filter::{GoodsClass, text_key},
    v1::{CaseStatus, ItemKind},
};

use super::{
    bits::ROWS,
    cells::{self, Cells},
    chunk::{CLASSES, Chunk, Half, OPEN, Row, Set, Wide, Word},
    facts::{Facts, ItemFacts},
    growing::{Blocks, List, Names},
    kept::Kept,
    keys::{Key, Keys},
    last_keys::LastKeys,
    part::Part,
    said::SaidAt,
    views::View,
};

/// Most rows; they are counted by 32 bits.
pub const MAX_ROWS: u32 = u32::MAX - 1;

/// The table's content. One thread writes; any number of threads read, and neither waits for the other.
#[derive(Debug, Default)]
pub struct Rows {
    /// The table is of every entry before this position.
    position: AtomicU64,
    chunks: Blocks<Chunk>,
    count: AtomicU32,
    /// Of each case, by its number: position of its first statement, ascending.
    pub(super) firsts: Cells,
    /// Of each case: its newest row, counted from 1; 0 for none.
    pub(super) heads: Cells,
    pub(super) items: Items,
    pub(super) names: Dictionaries,
    pub(super) keys: Keys,
    pub(super) last_keys: LastKeys,
    /// What was said at each position.
    pub(super) said: SaidAt,
    /// What counts found in chunks.
    pub(super) counts: Kept<[Part; 2]>,
    /// How many rows of each chunk lists selected.
    pub(super) totals: Kept<usize>,
}

/// Texts with their numbers.
#[derive(Debug, Default)]
pub(super) struct Dictionaries {
    /// Ids of agencies.
    pub(super) agencies: Names<String>,
    /// Reporting units as written.
    pub(super) units: Names<String>,
    /// From the normal form of a unit to its numbers.
    pub(super) unit_keys: Keys,
    /// Ids of substances, or their names as stated.
    pub(super) substances: Names<String>,
    /// From the normal form of a stated name to its numbers.
    pub(super) free_keys: Keys,
    /// Sets of countries, two bytes each.
    pub(super) transits: Names<Box<[u8]>>,
}

/// Items of all rows.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// Substance's number in the upper half; class, kind, what the amount is of and whether it is confirmed in the lower.
    pub(super) what: Cells,
    /// Amount.
    pub(super) amount: Cells,
}

/// Items for many reads.
#[derive(Debug)]
pub struct ItemView {
    what: cells::View,
    amount: cells::View,
}

/// An item of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowItem {
    /// Number of the substance; 0 for none.
    pub substance: u32,
    /// Class, by [`class_number`].
    pub class: usize,
    /// Its kind.
    pub kind: ItemKind,
    /// What the amount is of: 0 not known, 1 mass, 2 volume, 3 pieces.
    pub dimension: usize,
    /// Whether it is confirmed.
    pub confirmed: bool,
    /// Whether a laboratory weighed or counted it.
    pub laboratory: bool,
    /// Amount.
    pub amount: i64,
}

impl RowItem {
    fn from_numbers(what: u64, amount: u64) -> Self {
        Self {
            substance: (what >> 32) as u32,
            class: (what >> 16 & 0xff) as usize,
            kind: match what >> 8 & 0xff {
                2 => ItemKind::Precursor,
                3 => ItemKind::Equipment,
                _ => ItemKind::Substance,
            },
            dimension: (what >> 4 & 0xf) as usize,
            confirmed: what & 1 == 1,
            laboratory: what >> 1 & 1 == 1,
            amount: amount.cast_signed(),
        }
    }

    /// Whether it is of a substance of the catalogue.
    pub fn is_catalogued(&self) -> bool {
        // The two other classes come last.
        self.class < CLASSES - 2
    }
}

/// Number of a class of goods, in the order of answers.
pub fn class_number(class: GoodsClass) -> usize {
    GoodsClass::all().position(|c| c == class).unwrap_or(0)
}

impl Rows {
    /// The table is of every entry before this position.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// How many rows there are.
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> List<Chunk> {
        self.chunks.list()
    }

    /// How many names it has numbered so far.
    pub fn names(&self) -> u64 {
        let names = &self.names;
        let counts = [
            names.agencies.count(),
            names.units.count(),
            names.substances.count(),
        ];
        counts.into_iter().map(u64::from).sum()
    }

    /// The items.
    pub fn items(&self) -> ItemView {
        ItemView {
            what: self.items.what.view(),
            amount: self.items.amount.view(),
        }
    }

    /// Says that everything before a position is in.
    pub(super) fn publish(&self, position: u64) {
        self.position.store(position, Ordering::Release);
    }

    /// The number of the case that begins at a position, if it is known.
    pub(super) fn case_number(&self, first: u64) -> Option<u64> {
        let firsts = self.firsts.view();
        let (mut low, mut high) = (0, self.firsts.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match firsts.get(middle).cmp(&first) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Ends what a case looked like and says how it looks from the statement at `position` on. False if there is no more room.
    pub(super) fn replace(&self, first: u64, position: u64, views: &[View]) -> bool {
        let case = match self.case_number(first) {
            Some(case) => case,
            None => {
                self.heads.push(0);
                self.firsts.push(first)
            }
        };
        let list = self.chunks();
        self.for_current(&list, case, |chunk, at| chunk.end(at, position));
        views.iter().all(|view| self.push(case, position, view))
    }

    /// Calls for each row of a case that has not ended.
    pub(super) fn for_current(
        &self,
        list: &List<Chunk>,
        case: u64,
        mut each: impl FnMut(&Chunk, usize),
    ) {
        // What has not ended was written last.
        let mut next = self.heads.get(case) as u32;
        while let Some(row) = next.checked_sub(1) {
            let (chunk, at) = place(row);
            let Some(chunk) = list.get(chunk) else { break };
            if chunk.wide(Wide::To, at) != OPEN {
                break;
            }
            next = chunk.word(Word::Before, at);
            each(chunk, at);
        }
    }

    fn push(&self, case: u64, position: u64, view: &View) -> bool {
        let number = self.count.load(Ordering::Relaxed);
        let items = self.items.what.count() + view.facts.items.len() as u64;
        let has_room = self.keys.has_room(&view.facts.keys);
        if number >= MAX_ROWS || items > u64::from(u32::MAX) || !has_room {
            return false;
        }
        let (chunk, at) = place(number);
        if at == 0 {
            self.chunks.push(Arc::new(Chunk::default()));
        }
        let mut row = self.row(&view.facts);
        row.put_wide(Wide::From, position);
        row.put_word(Word::Case, case as u32);
        row.put_word(Word::Before, self.heads.get(case) as u32);
        row.put(Set::Everyone, view.seen.everyone);
        let agencies = view.seen.agencies.iter();
        row.members = agencies.map(|id| self.agency(id)).collect();
        let list = self.chunks();
        if let Some(chunk) = list.get(chunk) {
            chunk.write(at, &row, position);
        }
        for key in &view.facts.keys {
            self.keys.add(key, number);
        }
        self.last_keys.put(number, &view.facts.keys);
        self.heads.set(case, u64::from(number) + 1);
        self.count.store(number + 1, Ordering::Release);
        true
    }

    /// Adds a chunk with so many rows that a snapshot holds, of cases that are known.
    pub(super) fn add_chunk(&self, chunk: Arc<Chunk>, rows: u32) {
        let before = self.count();
        for (at, row) in (before..before + rows).enumerate() {
            let case = u64::from(chunk.word(Word::Case, at));
            self.heads.set(case, u64::from(row) + 1);
        }
        self.chunks.push(chunk);
        self.count.store(before + rows, Ordering::Release);
    }

    fn row(&self, facts: &Facts) -> Row {
        let mut row = Row::default();
        row.put_wide(Wide::To, OPEN);
        row.put_wide(Wide::First, facts.first);
        row.put_wide(Wide::Recorded, facts.recorded);
        row.put_wide(Wide::Report, facts.report);
        let incident = self.case_number(facts.incident).unwrap_or(0);
        row.put_word(Word::Incident, incident as u32);
        let incident = self.case_number(facts.own_incident).unwrap_or(0);
        row.put_word(Word::OwnIncident, incident as u32);
        row.put_word(Word::Day, facts.day.0);
        row.put_word(Word::Owner, self.agency(&facts.owner));
        row.put_word(Word::Unit, self.unit(&facts.unit));
        row.put_word(Word::Transits, self.transits(&facts.transits));
        for (column, value) in [
            (Half::Country, facts.country),
            (Half::Origin, facts.origin),
            (Half::Departure, facts.departure),
            (Half::Destination, facts.destination),
            (Half::Bases, facts.bases),
            (Half::Conveyance, facts.conveyance as u16),
            (Half::Rule, facts.rule),
            (Half::ItemCount, facts.items.len() as u16),
        ] {
            row.put_half(column, value);
        }
        row.put(Set::Current, true);
        row.put(Set::Reported, facts.status == CaseStatus::Reported);
        row.put(Set::Confirmed, facts.status == CaseStatus::Confirmed);
        row.put(Set::Attributed, facts.status == CaseStatus::Attributed);
        row.put(Set::Retracted, facts.retracted);
        row.put(Set::Disputed, facts.disputed);
        row.put(Set::Contested, facts.contested);
        row.put(Set::SeizureRecord, facts.seizure_record);
        row.put(Set::Joined, facts.joined);
        row.put(Set::OwnJoined, facts.own_joined);
        let mut first_item = None;
        let mut mass = 0_u64;
        for item in &facts.items {
            let index = self.push_item(item);
            first_item.get_or_insert(index);
            row.classes |= 1 << class_number(item.class).min(CLASSES - 1);
            if let Some((Dimension::Mass, amount)) = item.amount {
                mass = mass.saturating_add(u64::try_from(amount).unwrap_or(0));
            }
            row.put(kind_set(item.kind), true);
        }
        row.put_wide(Wide::Mass, mass);
        row.put_word(Word::Items, first_item.unwrap_or(0) as u32);
        row
    }

    fn push_item(&self, item: &ItemFacts) -> u64 {
        let (dimension, amount) = match item.amount {
            None => (0, 0),
            Some((Dimension::Mass, amount)) => (1, amount),
            Some((Dimension::Volume, amount)) => (2, amount),
            Some((Dimension::Count, amount)) => (3, amount),
        };
        let substance = self.substance(item);
        let what = u64::from(substance) << 32
            | (class_number(item.class) as u64) << 16
            | (item.kind as u64) << 8
            | dimension << 4
            | u64::from(item.laboratory) << 1
            | u64::from(item.confirmed);
        self.items.amount.push(amount.cast_unsigned());
        self.items.what.push(what)
    }

    fn substance(&self, item: &ItemFacts) -> u32 {
        let name = item.substance.as_str();
        match item.class {
            GoodsClass::Equipment => 0,
            GoodsClass::Catalogued(_) => self
                .names
                .substances
                .number(name.as_bytes(), || name.into()),
            GoodsClass::Uncatalogued => self.names.free_substance(name),
        }
    }

    pub(super) fn agency(&self, id: &str) -> u32 {
        self.names.agencies.number(id.as_bytes(), || id.into())
    }

    fn unit(&self, unit: &str) -> u32 {
        if unit.is_empty() {
            return 0;
        }
        self.names.unit(unit)
    }

    fn transits(&self, countries: &[u16]) -> u32 {
        if countries.is_empty() {
            return 0;
        }
        let bytes: Vec<u8> = countries.iter().flat_map(|c| c.to_le_bytes()).collect();
        self.names
            .transits
            .number(&bytes, || bytes.as_slice().into())
    }
}

/// What a stated name begins with in a snapshot, to tell it from an id of the catalogue.
const FREE: char = '\u{1}';

impl Dictionaries {
    /// The number of a substance as stated. It may be that of an id, too, if it is written alike.
    pub(super) fn free_substance(&self, name: &str) -> u32 {
        let number = self.substances.number(name.as_bytes(), || name.into());
        if !self.is_free(name, number) {
            self.free_keys.add(&Key::text(&text_key(name)), number);
        }
        number
    }

    fn is_free(&self, name: &str, number: u32) -> bool {
        let key = Key::text(&text_key(name));
        self.free_keys.rows(&key).any(|known| known == number)
    }

    /// The number of a reporting unit.
    pub(super) fn unit(&self, unit: &str) -> u32 {
        let known = self.units.count();
        let number = self.units.number(unit.as_bytes(), || unit.into());
        if number > known {
            self.unit_keys.add(&Key::text(&text_key(unit)), number);
        }
        number
    }

    /// A substance as answers name it.
    pub(super) fn substance_text(&self, number: u32) -> String {
        let text = self.substances.with(number, String::clone);
        text.unwrap_or_default()
    }

    /// A substance as a snapshot holds it.
    pub(super) fn save_substance(&self, number: u32) -> String {
        let name = self.substance_text(number);
        match self.is_free(&name, number) {
            true => format!("{FREE}{name}"),
            false => name,
        }
    }

    /// Adds a substance that a snapshot holds.
    pub(super) fn load_substance(&self, saved: &str) {
        match saved.strip_prefix(FREE) {
            Some(name) => self.free_substance(name),
            None => self.substances.number(saved.as_bytes(), || saved.into()),
        };
    }
}

/// Chunk of a row and its place in it.
pub fn place(row: u32) -> (usize, usize) {
    let row = row as usize;
    (row / ROWS, row % ROWS)
}

/// The set of rows with such an item.
pub fn kind_set(kind: ItemKind) -> Set {
    match kind {
        ItemKind::Precursor => Set::Precursor,
        ItemKind::Equipment => Set::Equipment,
        ItemKind::Substance | ItemKind::Unspecified => Set::Substance,
    }
}

impl ItemView {
    /// The items of a row.
    pub fn of(&self, chunk: &Chunk, at: usize) -> impl Iterator<Item = RowItem> + '_ {
        let (first, count) = Self::place(chunk, at);
        (first..first + count)
            .map(|index| RowItem::from_numbers(self.what.get(index), self.amount.get(index)))
    }

    /// Calls for each of them. Faster than [`Self::of`] where all are looked at.
    pub fn each(&self, chunk: &Chunk, at: usize, mut each: impl FnMut(RowItem)) {
        let (first, count) = Self::place(chunk, at);
        match (
            self.what.slice(first, count),
            self.amount.slice(first, count),
        ) {
            (Some(what), Some(amount)) => {
                for (what, amount) in what.iter().zip(amount) {
                    let (what, amount) =
                        (what.load(Ordering::Acquire), amount.load(Ordering::Acquire));
                    each(RowItem::from_numbers(what, amount));
                }
            }
            _ => self.of(chunk, at).for_each(each),
        }
    }

    fn place(chunk: &Chunk, at: usize) -> (u64, u64) {
        let first = u64::from(chunk.word(Word::Items, at));
        (first, u64::from(chunk.half(Half::ItemCount, at)))
    }
}
