//! Many plans held against one case at once: for each field a set of the plans that take a value, so that a case costs a few
//! intersections of bits however many plans there are. What it cannot tell by sets, such as a mass, is held against the plan itself,
//! and only for the plans that are left.

use std::{collections::HashMap, sync::Arc};

use casebroker_proto::{filter::Day, subscription::Kinds};

use super::{
    bits::Numbers,
    chunk::{CLASSES, Chunk, Half, Set, Word},
    last_keys::LastKeys,
    news::{Change, Eyes, News, Place, Reading, Seen},
    plan::{Conditions, Plan},
    slots::{Field, Slots},
};

/// Standing filters, each with what it is for.
#[derive(Debug)]
pub struct Filters<T> {
    slots: Vec<Option<Standing<T>>>,
    free: Vec<usize>,
    /// Those whose viewer has a number, by that; and those whose viewer has none yet.
    viewers: HashMap<u32, Slots>,
    /// Those that see their own agency's cases alone.
    own_only: Slots,
    owner: Field,
    unit: Field,
    places: [Field; 4],
    transit: Field,
    basis: Field,
    conveyance: Field,
    status: Field,
    class: Field,
    kind: Field,
    substance: Field,
    year: Field,
    /// By what stands for a key of the first ones that are asked for.
    key: Field,
}

#[derive(Debug)]
struct Standing<T> {
    plan: Arc<Plan>,
    kinds: Kinds,
    /// Whether the sets tell all of it.
    is_told: bool,
    of: T,
}

/// The columns of places, in the order of [`Filters::places`].
const PLACES: [Half; 4] = [
    Half::Country,
    Half::Origin,
    Half::Departure,
    Half::Destination,
];
const STATUSES: [Set; 3] = [Set::Reported, Set::Confirmed, Set::Attributed];
const KINDS: [Set; 3] = [Set::Substance, Set::Precursor, Set::Equipment];
/// The first stands for every year up to it, too, the last for every year from it on.
const YEARS: (u32, u32) = (1900, 2100);
/// Substances that the catalogue does not know are numbered apart.
const FREE: u32 = 1 << 31;

impl<T> Default for Filters<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            viewers: HashMap::new(),
            own_only: Slots::default(),
            owner: Field::default(),
            unit: Field::default(),
            places: Default::default(),
            transit: Field::default(),
            basis: Field::default(),
            conveyance: Field::default(),
            status: Field::default(),
            class: Field::default(),
            kind: Field::default(),
            substance: Field::default(),
            year: Field::default(),
            key: Field::default(),
        }
    }
}

impl<T> Filters<T> {
    /// Adds a filter; answers the slot by which it is removed.
    pub fn add(&mut self, plan: Arc<Plan>, kinds: Kinds, of: T) -> usize {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        self.put(slot, &plan, true);
        let standing = Some(Standing {
            is_told: is_told(&plan),
            plan,
            kinds,
            of,
        });
        match self.slots.get_mut(slot) {
            Some(place) => *place = standing,
            None => self.slots.push(standing),
        }
        slot
    }

    /// Removes one.
    pub fn remove(&mut self, slot: usize) -> Option<T> {
        let Standing { plan, of, .. } = self.slots.get_mut(slot)?.take()?;
        self.put(slot, &plan, false);
        self.free.push(slot);
        Some(of)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Calls with each for which a statement is news.
    pub fn for_each(&self, reading: &Reading<'_>, change: &Change, mut each: impl FnMut(&T, News)) {
        let after = self.candidates(reading, &change.after);
        let stays = change.before == change.after;
        let before = (!stays).then(|| self.candidates(reading, &change.before));
        let mut found = after.clone();
        if let Some(before) = &before {
            found.or(before);
        }
        // Few viewers ask much.
        let mut viewers: Vec<(Eyes, Option<Seen<'_>>)> = Vec::new();
        for slot in found.iter() {
            let Some(Some(standing)) = self.slots.get(slot) else {
                continue;
            };
            let eyes = standing.plan.viewer();
            let seen = match viewers.iter().find(|(known, _)| *known == eyes) {
                Some((_, seen)) => *seen,
                None => {
                    let seen = reading.seen_by(eyes, change);
                    viewers.push((eyes, seen));
                    seen
                }
            };
            let Some(seen) = seen else { continue };
            let selects = |among: &Slots, rows: &[u32], (chunk, at): Place<'_>| {
                // Where others see another row the sets are of all of them.
                among.has(slot)
                    && (standing.is_told && rows.len() == 1
                        || standing
                            .plan
                            .selects(reading.rows, chunk, at, &reading.items))
            };
            let selected = selects(&after, &change.after, seen.after);
            let selected_before = match seen.before {
                None => false,
                Some(_) if seen.stays() => selected,
                Some(place) => selects(before.as_ref().unwrap_or(&after), &change.before, place),
            };
            let news = reading.told(change, &seen, selected, selected_before);
            if news.is_for(standing.kinds) {
                each(&standing.of, news);
            }
        }
    }

    /// Those that may select one of these rows, each as its viewer sees it.
    fn candidates(&self, reading: &Reading<'_>, rows: &[u32]) -> Slots {
        let mut all = Slots::default();
        for row in rows {
            if let Some((chunk, at)) = reading.place(*row) {
                all.or(&self.of_row(reading, *row, (chunk, at)));
            }
        }
        all
    }

    fn of_row(&self, reading: &Reading<'_>, row: u32, (chunk, at): Place<'_>) -> Slots {
        let mut left = self.viewers_of(chunk, at);
        if left.is_empty() {
            return left;
        }
        let owner = chunk.word(Word::Owner, at);
        left.keep_or(&self.own_only, self.viewers.get(&owner));
        self.owner.keep(&mut left, [owner]);
        self.unit.keep(&mut left, [chunk.word(Word::Unit, at)]);
        for (field, column) in self.places.iter().zip(PLACES) {
            field.keep(&mut left, [u32::from(chunk.half(column, at))]);
        }
        let year = Day(chunk.word(Word::Day, at)).year();
        self.year.keep(&mut left, [year.clamp(YEARS.0, YEARS.1)]);
        if self.key.is_asked() {
            let keep = |keys: &[u32]| self.key.keep(&mut left, keys.iter().copied());
            reading.rows.last_keys.with(row, keep);
        }
        if left.is_empty() {
            return left;
        }
        self.conveyance.keep(
            &mut left,
            [u32::from(chunk.half(Half::Conveyance, at) & 31)],
        );
        self.status.keep(&mut left, sets(chunk, at, &STATUSES));
        self.kind.keep(&mut left, sets(chunk, at, &KINDS));
        let has_class = |class: &usize| chunk.class(*class).is_some_and(|rows| rows.get(at));
        self.class.keep(
            &mut left,
            (0..CLASSES).filter(has_class).map(|class| class as u32),
        );
        if self.basis.is_asked() {
            let bases = chunk.half(Half::Bases, at);
            self.basis
                .keep(&mut left, (0..16).filter(|bit| bases >> bit & 1 == 1));
        }
        if self.transit.is_asked() {
            let transits = reading.rows.transits_of(chunk.word(Word::Transits, at));
            self.transit
                .keep(&mut left, transits.into_iter().map(u32::from));
        }
        if self.substance.is_asked() {
            let items = reading.items.of(chunk, at);
            let numbers = items.map(|item| match item.is_catalogued() {
                true => item.substance,
                false => item.substance | FREE,
            });
            self.substance.keep(&mut left, numbers);
        }
        left
    }

    /// Those whose viewers may see a row.
    fn viewers_of(&self, chunk: &Chunk, at: usize) -> Slots {
        let mut seen = Slots::default();
        for (agency, slots) in &self.viewers {
            if chunk.is_seen(*agency, at) {
                seen.or(slots);
            }
        }
        seen
    }

    fn put(&mut self, slot: usize, plan: &Plan, is_in: bool) {
        let items = plan.items();
        let keys = plan.keyed.first();
        let keys = keys.map(|keys| keys.iter().map(LastKeys::short).collect());
        self.key.put(slot, keys, is_in);
        let plan = &plan.conditions;
        self.viewers
            .entry(plan.agency)
            .or_default()
            .put(slot, is_in);
        if plan.own_only {
            self.own_only.put(slot, is_in);
        }
        let given = |numbers: Option<&Numbers>| numbers.map(|numbers| numbers.iter().collect());
        let bits =
            |bits: u32| (bits != 0).then(|| (0..32).filter(|b| bits >> b & 1 == 1).collect());
        self.owner.put(slot, given(plan.owners.as_ref()), is_in);
        self.unit.put(slot, given(plan.units.as_ref()), is_in);
        for (field, column) in self.places.iter_mut().zip(PLACES) {
            let asked = plan.places.iter().find(|(asked, _)| *asked == column);
            field.put(slot, given(asked.map(|(_, countries)| countries)), is_in);
        }
        self.transit.put(slot, given(plan.transits.as_ref()), is_in);
        self.basis.put(slot, bits(plan.bases.into()), is_in);
        self.conveyance
            .put(slot, plan.conveyances.and_then(bits), is_in);
        // Statuses and kinds are asked for by the sets of rows.
        for (field, all) in [(&mut self.status, STATUSES), (&mut self.kind, KINDS)] {
            let of_field = |sets: &&Vec<Set>| sets.iter().any(|set| all.contains(set));
            let asked = plan.sets.iter().find(of_field);
            let asked = asked.map(|sets| sets.iter().map(|set| *set as u32).collect());
            field.put(slot, asked, is_in);
        }
        let classes = plan.classes.iter().map(|class| *class as u32);
        let classes: Vec<u32> = classes.collect();
        self.class
            .put(slot, (!classes.is_empty()).then_some(classes), is_in);
        let substances = items.substances.as_ref().map(|[known, free]| {
            let free = free.iter().map(|number| number | FREE);
            known.iter().chain(free).collect()
        });
        self.substance.put(slot, substances, is_in);
        self.year.put(slot, years(plan), is_in);
    }
}

/// Years that a plan takes; `None` for all.
fn years(plan: &Conditions) -> Option<Vec<u32>> {
    let year = |day: Option<Day>, or| day.map_or(or, |day| day.year().clamp(YEARS.0, YEARS.1));
    let is_asked = plan.from_day.is_some() || plan.to_day.is_some();
    is_asked.then(|| (year(plan.from_day, YEARS.0)..=year(plan.to_day, YEARS.1)).collect())
}

/// Whether a row that only one plan's sets were held against is selected by it: it asks for nothing that is not a set.
fn is_told(plan: &Plan) -> bool {
    let of = &plan.conditions;
    let Conditions {
        from_day, to_day, ..
    } = of;
    let from_new_year =
        from_day.is_none_or(|day| day.year() > YEARS.0 && day <= Day::new(day.year() as i32, 1, 1));
    let to_its_end =
        to_day.is_none_or(|day| day.year() < YEARS.1 && day >= Day::new(day.year() as i32, 12, 31));
    let of_items = [
        of.items.substances.is_some(),
        of.items.classes != 0,
        of.items.kinds != 0,
    ];
    from_new_year
        && to_its_end
        // Two things that are asked of one item.
        && of_items.iter().filter(|asked| **asked).count() <= 1
        && of.recorded_from.is_none()
        && of.recorded_before.is_none()
        && of.min_mass.is_none()
        && of.obstacles.is_none()
        && !plan.is_keyed()
        && plan.texts.is_none()
}

fn sets<const N: usize>(chunk: &Chunk, at: usize, all: &[Set; N]) -> impl Iterator<Item = u32> {
    all.iter()
        .filter(move |set| chunk.set(**set).get(at))
        .map(|set| *set as u32)
}
