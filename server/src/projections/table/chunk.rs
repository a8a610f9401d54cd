//! Rows, a fixed number in a chunk, a column each field. One thread writes; readers take no lock.
//!
//! A row says how a case looks to some agencies from one position of the log up to another. What it says never changes; only where it
//! ends is written later, once. So a reader needs to know which rows hold at its position: those that begin before it and do not end
//! before it. For the newest position there is a bitset of the rows that have not ended; the writer says in `changed` how far a chunk
//! is before it touches it, so that a reader who finds the chunk beyond its own position looks at both ends instead.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence},
    },
};

use arc_swap::ArcSwap;

use super::bits::{Bits, Mask, ROWS};

/// Where a row ends that has not ended.
pub const OPEN: u64 = u64::MAX;

macro_rules! columns {
    ($(#[$doc:meta])* $name:ident: $count:ident { $($(#[$of:meta])* $column:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum $name { $($(#[$of])* $column),+ }
        /// How many of them there are.
        pub const $count: usize = [$($name::$column),+].len();
    };
}

columns! {
    /// Columns of 64 bits.
    Wide: WIDE {
        /// Position of the statement that the row begins with.
        From,
        /// Position of the statement that ended it.
        To,
        /// Position of the first statement of the case that these agencies may see.
        First,
        /// When that was recorded, nanoseconds since 1970.
        Recorded,
        /// Position of the report or amendment in force, which holds the texts.
        Report,
        /// Mass of all items, micrograms, as far as 64 bits hold.
        Mass,
    }
}
columns! {
    /// Columns of 32 bits.
    Word: WORD {
        /// Number of the case, from 0.
        Case,
        /// The case's row before this one, counted from 1.
        Before,
        /// Number of the case that stands for the incident.
        Incident,
        /// The same for the owner's systems, which see its own cases alone.
        OwnIncident,
        /// Incident date, as [`Day`](casebroker_proto::filter::Day).
        Day,
        /// Owner's number among the agencies.
        Owner,
        /// Number of the reporting unit; 0 for none.
        Unit,
        /// Number of the set of countries of transit; 0 for none.
        Transits,
        /// First item, in the list of all.
        Items,
    }
}
columns! {
    /// Columns of 16 bits.
    Half: HALF {
        /// Country of the incident, by [`country_code`](super::facts::country_code).
        Country,
        /// Country of origin.
        Origin,
        /// Country of departure.
        Departure,
        /// Country of destination.
        Destination,
        /// Bases of the origin, a bit each.
        Bases,
        /// Conveyance.
        Conveyance,
        /// Rule that hinders it, counted from 1; 0 for none.
        Rule,
        /// Number of items.
        ItemCount,
    }
}
columns! {
    /// Bitsets of a chunk.
    Set: SETS {
        /// Rows that have not ended.
        Current,
        /// Rows for everybody but the members named.
        Everyone,
        /// Not confirmed.
        Reported,
        /// Confirmed, and not attributed.
        Confirmed,
        /// Attributed.
        Attributed,
        /// Taken back.
        Retracted,
        /// With an open dispute; also if taken back.
        Disputed,
        /// With contested origin; also if disputed.
        Contested,
        /// One incident with another case.
        Joined,
        /// One incident with another case of the same owner, as far as its systems know.
        OwnJoined,
        /// Has a substance.
        Substance,
        /// Has a precursor.
        Precursor,
        /// Has equipment.
        Equipment,
        /// Its owner holds a record of the seizure.
        SeizureRecord,
    }
}

/// Classes of goods that have a bitset.
pub const CLASSES: usize = 10;

/// In a snapshot: no bitset follows.
const NO_MORE: u8 = 2;

/// Some rows.
#[derive(Debug)]
pub struct Chunk {
    /// No statement from this position on has changed it.
    changed: AtomicU64,
    /// Position that the first row begins with.
    begins: AtomicU64,
    /// The largest `First` of its rows.
    newest: AtomicU64,
    wide: [Box<[AtomicU64]>; WIDE],
    word: [Box<[AtomicU32]>; WORD],
    half: [Box<[AtomicU16]>; HALF],
    sets: [Bits; SETS],
    classes: [OnceLock<Bits>; CLASSES],
    /// By the number of an agency: rows for which it differs from everybody.
    members: ArcSwap<Vec<Option<Arc<Bits>>>>,
}

/// Values of one row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// By [`Wide`].
    pub wide: [u64; WIDE],
    /// By [`Word`].
    pub word: [u32; WORD],
    /// By [`Half`].
    pub half: [u16; HALF],
    /// By [`Set`], a bit each.
    pub sets: u32,
    /// By class of goods, a bit each.
    pub classes: u16,
    /// Numbers of the agencies for which it differs from everybody.
    pub members: Vec<u32>,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            changed: AtomicU64::new(0),
            begins: AtomicU64::new(u64::MAX),
            newest: AtomicU64::new(0),
            wide: std::array::from_fn(|_| (0..ROWS).map(|_| AtomicU64::new(OPEN)).collect()),
            word: std::array::from_fn(|_| (0..ROWS).map(|_| AtomicU32::new(0)).collect()),
            half: std::array::from_fn(|_| (0..ROWS).map(|_| AtomicU16::new(0)).collect()),
            sets: std::array::from_fn(|_| Bits::default()),
            classes: std::array::from_fn(|_| OnceLock::new()),
            members: ArcSwap::default(),
        }
    }
}

impl Row {
    /// Sets a value.
    pub fn put_wide(&mut self, column: Wide, value: u64) {
        if let Some(cell) = self.wide.get_mut(column as usize) {
            *cell = value;
        }
    }

    /// Sets a value.
    pub fn put_word(&mut self, column: Word, value: u32) {
        if let Some(cell) = self.word.get_mut(column as usize) {
            *cell = value;
        }
    }

    /// Sets a value.
    pub fn put_half(&mut self, column: Half, value: u16) {
        if let Some(cell) = self.half.get_mut(column as usize) {
            *cell = value;
        }
    }

    /// Puts it into a set.
    pub fn put(&mut self, set: Set, is_in: bool) {
        self.sets |= u32::from(is_in) << set as usize;
    }
}

impl Chunk {
    /// Writes a row that nobody reads yet, as the statement at `position` makes it.
    pub fn write(&self, at: usize, row: &Row, position: u64) {
        self.touch(position);
        let store = |cell: Option<&AtomicU64>, value| {
            if let Some(cell) = cell {
                cell.store(value, Ordering::Relaxed);
            }
        };
        for (column, value) in self.wide.iter().zip(row.wide) {
            store(column.get(at), value);
        }
        for (column, value) in self.word.iter().zip(row.word) {
            if let Some(cell) = column.get(at) {
                cell.store(value, Ordering::Relaxed);
            }
        }
        for (column, value) in self.half.iter().zip(row.half) {
            if let Some(cell) = column.get(at) {
                cell.store(value, Ordering::Relaxed);
            }
        }
        let (from, first) = (row.wide(Wide::From), row.wide(Wide::First));
        self.begins.fetch_min(from, Ordering::Relaxed);
        self.newest.fetch_max(first, Ordering::Relaxed);
        for member in &row.members {
            self.member_for_writing(*member).set(at);
        }
        for (n, class) in self.classes.iter().enumerate() {
            if row.classes >> n & 1 == 1 {
                class.get_or_init(Bits::default).set(at);
            }
        }
        for (n, set) in self.sets.iter().enumerate() {
            if row.sets >> n & 1 == 1 {
                set.set(at);
            }
        }
    }

    /// Ends a row with the statement at `position`.
    pub fn end(&self, at: usize, position: u64) {
        self.touch(position);
        if let Some(to) = self.wide_column(Wide::To).get(at) {
            to.store(position, Ordering::Relaxed);
        }
        self.set(Set::Current).clear(at);
    }

    fn touch(&self, position: u64) {
        self.changed.store(position + 1, Ordering::Relaxed);
        // Whoever sees what follows sees that it is changed.
        fence(Ordering::Release);
    }

    /// Position that the last statement ends before which changed it. Whoever knows that the table is of every entry before a position
    /// finds those in the chunk; if the mark is no later, it finds no others as long as [`Self::is_unchanged_since`] says so.
    pub fn mark(&self) -> u64 {
        self.changed.load(Ordering::Acquire)
    }

    /// Whether all that was read of it since it had this mark was as of the mark.
    pub fn is_unchanged_since(&self, mark: u64) -> bool {
        // Whoever saw something of a later statement sees here that it is changed: see `touch`.
        fence(Ordering::Acquire);
        self.changed.load(Ordering::Relaxed) == mark
    }

    /// Rows that hold at a position: of the log that ends before it.
    pub fn valid(&self, as_of: u64) -> Mask {
        if self.begins.load(Ordering::Relaxed) >= as_of {
            return Mask::none();
        }
        let current = Mask::of(self.set(Set::Current));
        fence(Ordering::Acquire);
        if self.changed.load(Ordering::Relaxed) <= as_of {
            return current;
        }
        let mut ends = self
            .wide_column(Wide::From)
            .iter()
            .zip(self.wide_column(Wide::To));
        Mask::from_fn(|_| {
            ends.next().is_some_and(|(from, to)| {
                let (from, to) = (from.load(Ordering::Relaxed), to.load(Ordering::Relaxed));
                from < as_of && as_of <= to
            })
        })
    }

    /// Whether a row holds at a position.
    pub fn holds(&self, at: usize, as_of: u64) -> bool {
        self.wide(Wide::From, at) < as_of && as_of <= self.wide(Wide::To, at)
    }

    /// Keeps the rows that an agency may see.
    pub fn keep_seen(&self, agency: u32, mask: &mut Mask) {
        let members = self.members.load();
        let member = members.get(agency as usize).and_then(Option::as_deref);
        mask.and_differing(self.set(Set::Everyone), member);
    }

    /// Whether an agency may see a row.
    pub fn is_seen(&self, agency: u32, at: usize) -> bool {
        let members = self.members.load();
        let member = members.get(agency as usize).and_then(Option::as_deref);
        self.set(Set::Everyone).get(at) ^ member.is_some_and(|bits| bits.get(at))
    }

    /// No row of it begins with a statement from this position on.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// A value of a row.
    pub fn wide(&self, column: Wide, at: usize) -> u64 {
        let cell = self.wide_column(column).get(at);
        cell.map_or(OPEN, |cell| cell.load(Ordering::Relaxed))
    }

    /// A value of a row.
    pub fn word(&self, column: Word, at: usize) -> u32 {
        let cell = self.word.get(column as usize).and_then(|c| c.get(at));
        cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// A value of a row.
    pub fn half(&self, column: Half, at: usize) -> u16 {
        let cell = self.half.get(column as usize).and_then(|c| c.get(at));
        cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// A bitset.
    pub fn set(&self, set: Set) -> &Bits {
        // There is one for each.
        let [first, ..] = &self.sets;
        self.sets.get(set as usize).unwrap_or(first)
    }

    /// Rows with goods of a class; `None` if there are none.
    pub fn class(&self, class: usize) -> Option<&Bits> {
        self.classes.get(class).and_then(OnceLock::get)
    }

    /// The values of a row.
    pub fn row(&self, at: usize) -> Row {
        let members = self.members.load();
        let differs = |bits: &Option<Arc<Bits>>| bits.as_ref().is_some_and(|bits| bits.get(at));
        Row {
            wide: std::array::from_fn(|n| {
                let cell = self.wide.get(n).and_then(|column| column.get(at));
                cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
            }),
            word: std::array::from_fn(|n| {
                let cell = self.word.get(n).and_then(|column| column.get(at));
                cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
            }),
            half: std::array::from_fn(|n| {
                let cell = self.half.get(n).and_then(|column| column.get(at));
                cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
            }),
            sets: bit_field(self.sets.iter().map(|set| set.get(at))),
            classes: bit_field(self.classes.iter().map(|class| {
                let class = class.get();
                class.is_some_and(|bits| bits.get(at))
            })) as u16,
            members: members
                .iter()
                .enumerate()
                .filter(|(_, bits)| differs(bits))
                .map(|(number, _)| number as u32)
                .collect(),
        }
    }

    /// Writes its first rows as they are at a position, in the form that [`Self::load`] reads.
    pub fn save(
        &self,
        rows: usize,
        position: u64,
        put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for (n, column) in self.wide.iter().enumerate() {
            let values = column.iter().take(rows).map(|c| c.load(Ordering::Relaxed));
            let ends = n == Wide::To as usize;
            // What ended later had not ended.
            let values = values.map(|v| if ends && v >= position { OPEN } else { v });
            put(&values.flat_map(u64::to_le_bytes).collect::<Vec<u8>>())?;
        }
        for column in &self.word {
            let values = column.iter().take(rows).map(|c| c.load(Ordering::Relaxed));
            put(&values.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())?;
        }
        for column in &self.half {
            let values = column.iter().take(rows).map(|c| c.load(Ordering::Relaxed));
            put(&values.flat_map(u16::to_le_bytes).collect::<Vec<u8>>())?;
        }
        let mut put_bits = |bits: Option<&Bits>| {
            let words = bits
                .into_iter()
                .flat_map(Bits::words)
                .take(rows.div_ceil(64));
            let mut words: Vec<u64> = words.collect();
            // Rows after these are not for this position.
            if let (Some(last), rest @ 1..) = (words.last_mut(), rows % 64) {
                *last &= (1 << rest) - 1;
            }
            put(&[u8::from(bits.is_some())])?;
            put(&words
                .into_iter()
                .flat_map(u64::to_le_bytes)
                .collect::<Vec<u8>>())
        };
        for set in &self.sets {
            put_bits(Some(set))?;
        }
        for class in &self.classes {
            put_bits(class.get())?;
        }
        let members = self.members.load_full();
        for member in members.iter() {
            put_bits(member.as_deref())?;
        }
        put(&[NO_MORE])
    }

    /// Reads what [`Self::save`] wrote; `take` gives so many bytes.
    pub fn load(rows: usize, take: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>) -> io::Result<Self> {
        let chunk = Self::default();
        for column in &chunk.wide {
            let bytes = take(rows as u64 * 8)?;
            for (cell, value) in column.iter().zip(bytes.as_chunks::<8>().0) {
                cell.store(u64::from_le_bytes(*value), Ordering::Relaxed);
            }
        }
        for column in &chunk.word {
            let bytes = take(rows as u64 * 4)?;
            for (cell, value) in column.iter().zip(bytes.as_chunks::<4>().0) {
                cell.store(u32::from_le_bytes(*value), Ordering::Relaxed);
            }
        }
        for column in &chunk.half {
            let bytes = take(rows as u64 * 2)?;
            for (cell, value) in column.iter().zip(bytes.as_chunks::<2>().0) {
                cell.store(u16::from_le_bytes(*value), Ordering::Relaxed);
            }
        }
        let mut bits = || -> io::Result<Option<Option<Bits>>> {
            match take(1)?.first() {
                Some(0) => Ok(Some(None)),
                Some(1) => {
                    let bytes = take(rows.div_ceil(64) as u64 * 8)?;
                    let words = bytes.as_chunks::<8>().0.iter();
                    let bits = Bits::default();
                    bits.fill(words.map(|word| u64::from_le_bytes(*word)));
                    Ok(Some(Some(bits)))
                }
                _ => Ok(None),
            }
        };
        let cut = || io::Error::new(io::ErrorKind::InvalidData, "a bitset is missing");
        let mut sets = Vec::new();
        for _ in 0..SETS {
            sets.push(bits()?.flatten().ok_or_else(cut)?);
        }
        for class in &chunk.classes {
            if let Some(bits) = bits()?.ok_or_else(cut)? {
                drop(class.set(bits));
            }
        }
        let mut members = Vec::new();
        while let Some(member) = bits()? {
            members.push(member.map(Arc::new));
        }
        let sets = sets.try_into().map_err(|_| cut())?;
        let chunk = Self { sets, ..chunk };
        chunk.members.store(Arc::new(members));
        for row in 0..rows {
            // Some rows of the snapshot's time may have ended while it was written.
            match chunk.wide(Wide::To, row) {
                OPEN => chunk.set(Set::Current).set(row),
                _ => chunk.set(Set::Current).clear(row),
            }
            let ends = [Wide::From, Wide::To].map(|column| chunk.wide(column, row));
            let last = ends.into_iter().filter(|end| *end != OPEN).max();
            let changed = last.map_or(0, |position| position + 1);
            chunk.changed.fetch_max(changed, Ordering::Relaxed);
            let (from, first) = (chunk.wide(Wide::From, row), chunk.wide(Wide::First, row));
            chunk.begins.fetch_min(from, Ordering::Relaxed);
            chunk.newest.fetch_max(first, Ordering::Relaxed);
        }
        Ok(chunk)
    }

    fn wide_column(&self, column: Wide) -> &[AtomicU64] {
        self.wide
            .get(column as usize)
            .map_or(&[], |cells| &cells[..])
    }

    fn member_for_writing(&self, agency: u32) -> Arc<Bits> {
        let index = agency as usize;
        let members = self.members.load();
        if let Some(Some(bits)) = members.get(index) {
            return Arc::clone(bits);
        }
        let mut longer = Vec::clone(&members);
        longer.resize(longer.len().max(index + 1), None);
        let bits = Arc::new(Bits::default());
        if let Some(place) = longer.get_mut(index) {
            *place = Some(Arc::clone(&bits));
        }
        self.members.store(Arc::new(longer));
        bits
    }
}

impl Row {
    /// A value.
    pub fn wide(&self, column: Wide) -> u64 {
        self.wide.get(column as usize).copied().unwrap_or(0)
    }

    /// A value.
    pub fn word(&self, column: Word) -> u32 {
        self.word.get(column as usize).copied().unwrap_or(0)
    }
}

fn bit_field(bits: impl Iterator<Item = bool>) -> u32 {
    bits.enumerate()
        .fold(0, |field, (n, bit)| field | u32::from(bit) << n)
}
