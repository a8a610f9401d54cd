//! The rows that a plan selects, a chunk at a time.

use std::collections::BTreeMap;

use casebroker_proto::filter::Day;

use super::{
    bits::Mask,
    chunk::{Chunk, Half, Set, Wide, Word},
    growing::List,
    plan::{AsOf, Conditions, GivenUp, Plan},
    rows::{ItemView, Rows, place},
};

/// A look at what a plan selects as of a position.
#[derive(Debug)]
pub struct Scan<'a> {
    rows: &'a Rows,
    plan: &'a Plan,
    as_of: AsOf,
    chunks: List<Chunk>,
    /// The items of all chunks.
    pub items: ItemView,
    keyed: Option<BTreeMap<usize, Mask>>,
}

impl Rows {
    /// Begins to look. What is written from now on is not looked at.
    pub fn scanning<'a>(&'a self, plan: &'a Plan, as_of: AsOf) -> Scan<'a> {
        let keyed = self.keyed(plan);
        Scan {
            rows: self,
            plan,
            as_of,
            chunks: self.chunks(),
            items: self.items(),
            keyed,
        }
    }

    /// Calls for each chunk with the rows that a plan selects, oldest chunk first. `given_up` is asked for each chunk.
    pub fn scan(
        &self,
        plan: &Plan,
        as_of: AsOf,
        given_up: &dyn Fn() -> bool,
        mut each: impl FnMut(&Chunk, &ItemView, &Mask) -> Result<(), GivenUp>,
    ) -> Result<(), GivenUp> {
        let scan = self.scanning(plan, as_of);
        for number in scan.numbers() {
            if given_up() {
                return Err(GivenUp);
            }
            let Some(chunk) = scan.chunk(number) else {
                continue;
            };
            let mask = scan.selected(number, chunk);
            if !mask.is_empty() {
                each(chunk, &scan.items, &mask)?;
            }
        }
        Ok(())
    }

    /// Whether an agency may see a case as of now.
    fn is_seen_now(&self, agency: u32, case: u32) -> bool {
        let chunks = self.chunks();
        let mut seen = false;
        self.for_current(&chunks, u64::from(case), |chunk, at| {
            seen |= chunk.is_seen(agency, at);
        });
        seen
    }

    /// Rows with the keys of a plan, by chunk; `None` if it names no keys.
    fn keyed(&self, plan: &Plan) -> Option<BTreeMap<usize, Mask>> {
        let mut found: Option<BTreeMap<usize, Mask>> = None;
        for keys in &plan.keyed {
            let mut rows: BTreeMap<usize, Mask> = BTreeMap::new();
            for row in keys.iter().flat_map(|key| self.keys.rows(key)) {
                let (chunk, at) = place(row);
                rows.entry(chunk).or_insert_with(Mask::none).set(at);
            }
            found = Some(match found {
                None => rows,
                Some(mut before) => {
                    before.retain(|chunk, mask| match rows.get(chunk) {
                        Some(rows) => {
                            mask.and_mask(rows);
                            true
                        }
                        None => false,
                    });
                    before
                }
            });
        }
        found
    }

    /// Countries of a set of transits.
    pub(super) fn transits_of(&self, number: u32) -> Vec<u16> {
        let set = self.names.transits.with(number, |set| {
            let (countries, _) = set.as_chunks::<2>();
            countries.iter().map(|c| u16::from_le_bytes(*c)).collect()
        });
        set.unwrap_or_default()
    }
}

impl Scan<'_> {
    /// The chunks that may have rows of it, oldest first.
    pub fn numbers(&self) -> Vec<usize> {
        match &self.keyed {
            Some(keyed) => keyed.keys().copied().collect(),
            None => (0..self.chunks.len()).collect(),
        }
    }

    /// A chunk.
    pub fn chunk(&self, number: usize) -> Option<&Chunk> {
        self.chunks.get(number).map(|chunk| &**chunk)
    }

    /// The rows of a chunk that the plan selects.
    pub fn selected(&self, number: usize, chunk: &Chunk) -> Mask {
        let mut mask = match &self.keyed {
            None => chunk.valid(self.as_of.position),
            Some(keyed) => {
                let mut rows = keyed.get(&number).cloned().unwrap_or_else(Mask::none);
                rows.retain(|at| chunk.holds(at, self.as_of.position));
                rows
            }
        };
        let conditions = &self.plan.conditions;
        if !mask.is_empty() {
            self.narrow(conditions, chunk, &mut mask);
        }
        if let Some(texts) = &self.plan.texts {
            mask.retain(|at| texts(chunk.wide(Wide::Report, at)));
        }
        if self.as_of.asked {
            // A row that has not ended is how it looks now.
            mask.retain(|at| {
                let case = || chunk.word(Word::Case, at);
                chunk.set(Set::Current).get(at) || self.rows.is_seen_now(conditions.agency, case())
            });
        }
        mask
    }

    /// Keeps the rows that meet the conditions. A column at a time: each is read through the cache once, by as few rows as are left.
    fn narrow(&self, conditions: &Conditions, chunk: &Chunk, mask: &mut Mask) {
        let items = &self.items;
        chunk.keep_seen(conditions.agency, mask);
        for sets in &conditions.sets {
            mask.and_any(sets.iter().map(|set| chunk.set(*set)));
        }
        if !conditions.classes.is_empty() {
            let classes = conditions.classes.iter();
            mask.and_any(classes.filter_map(|class| chunk.class(*class)));
        }
        if mask.is_empty() {
            return;
        }
        if conditions.own_only {
            mask.retain(|at| chunk.word(Word::Owner, at) == conditions.agency);
        }
        if let Some(owners) = &conditions.owners {
            mask.retain(|at| owners.has(chunk.word(Word::Owner, at)));
        }
        for (column, countries) in &conditions.places {
            mask.retain(|at| countries.has(u32::from(chunk.half(*column, at))));
        }
        if let Some(units) = &conditions.units {
            mask.retain(|at| units.has(chunk.word(Word::Unit, at)));
        }
        if conditions.bases != 0 {
            mask.retain(|at| chunk.half(Half::Bases, at) & conditions.bases != 0);
        }
        if let Some(conveyances) = conditions.conveyances {
            mask.retain(|at| conveyances >> (chunk.half(Half::Conveyance, at) & 31) & 1 == 1);
        }
        if conditions.from_day.is_some() || conditions.to_day.is_some() {
            let (from, to) = (conditions.from_day, conditions.to_day);
            mask.retain(|at| {
                let (first, last) = span(Day(chunk.word(Word::Day, at)));
                from.is_none_or(|from| from <= first) && to.is_none_or(|to| last <= to)
            });
        }
        if conditions.recorded_from.is_some() || conditions.recorded_before.is_some() {
            let (from, before) = (conditions.recorded_from, conditions.recorded_before);
            mask.retain(|at| {
                let recorded = chunk.wide(Wide::Recorded, at);
                from.is_none_or(|from| from <= recorded)
                    && before.is_none_or(|before| recorded < before)
            });
        }
        if let Some(transits) = &conditions.transits {
            mask.retain(|at| {
                let set = self.rows.transits_of(chunk.word(Word::Transits, at));
                set.iter().any(|country| transits.has(u32::from(*country)))
            });
        }
        if let Some(obstacles) = conditions.obstacles {
            mask.retain(|at| obstacles.select(chunk, at));
        }
        if conditions.items.needs_items() {
            let test = &conditions.items;
            mask.retain(|at| items.of(chunk, at).any(|item| test.selects(&item)));
        }
        if let Some(least) = conditions.min_mass {
            mask.retain(|at| self.plan.mass(chunk, at, items) >= least);
        }
    }
}

/// First and last day that a date may mean, each with month and day.
pub fn span(day: Day) -> (Day, Day) {
    if day.month() != 0 && day.day() != 0 {
        return (day, day);
    }
    let (year, month) = (day.year() as i32, day.month() as i32);
    let last_month = if month == 0 { 12 } else { month };
    let length = u8::try_from(last_month)
        .ok()
        .and_then(|month| time::Month::try_from(month).ok())
        .map_or(31, |month| i32::from(month.length(year)));
    let date = day.day() as i32;
    let last_day = if date == 0 { length } else { date };
    let first = Day::new(year, month.max(1), date.max(1));
    (first, Day::new(year, last_month, last_day))
}
