//! A selection as rows can be held against it.

use std::{fmt, sync::Arc};

use casebroker_proto::{
    filter::{Day, Hindrance, Selection},
    v1::{CaseStatus, Conveyance, ItemKind},
};

use super::{
    bits::{Mask, Numbers},
    chunk::{Chunk, Half, Set, Wide, Word},
    facts::country_code,
    keys::{Key, Keys},
    rows::{ItemView, RowItem, Rows, class_number, kind_set},
};
use crate::policy::{Reach, Viewer};

/// Positions of reports whose texts have what was looked for.
pub type Texts = Arc<dyn Fn(u64) -> bool + Send + Sync>;

/// What a question is about.
pub struct Plan {
    pub(super) conditions: Conditions,
    /// Each of these: rows with one of the keys.
    pub(super) keyed: Vec<Vec<Key>>,
    pub(super) texts: Option<Texts>,
}

/// All that a row of the table alone is held against. Two questions with equal ones select the same rows of the same chunk, and for
/// the same eyes: who asks is one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Conditions {
    /// Number of the viewer's agency; 0 if no statement names it.
    pub(super) agency: u32,
    /// Whether it sees its own cases alone.
    pub(super) own_only: bool,
    /// Each of these: rows in one of the sets.
    pub(super) sets: Vec<Vec<Set>>,
    /// Rows with one of these classes; empty for all.
    pub(super) classes: Vec<usize>,
    pub(super) owners: Option<Numbers>,
    pub(super) units: Option<Numbers>,
    pub(super) places: Vec<(Half, Numbers)>,
    pub(super) transits: Option<Numbers>,
    pub(super) bases: u16,
    pub(super) conveyances: Option<u32>,
    pub(super) from_day: Option<Day>,
    pub(super) to_day: Option<Day>,
    pub(super) recorded_from: Option<u64>,
    pub(super) recorded_before: Option<u64>,
    pub(super) items: ItemTest,
    pub(super) min_mass: Option<u64>,
    pub(super) obstacles: Option<Obstacles>,
}

/// Which items are selected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ItemTest {
    /// Those of the catalogue, and those that it does not know: a stated name may be written like an id.
    pub(super) substances: Option<[Numbers; 2]>,
    /// A bit each; 0 for all.
    pub(super) classes: u32,
    /// A bit each; 0 for all.
    pub(super) kinds: u32,
}

/// Why cases do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Obstacles {
    retracted: bool,
    disputed: bool,
    contested: bool,
    /// A bit each, by the number in the column.
    rules: u64,
}

/// Where a case stands beside its status; each is in one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It counts.
    #[default]
    Counted,
    /// An objection is open.
    Disputed,
    /// Its origin is contested.
    Contested,
    /// Taken back.
    Retracted,
}

impl Standing {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Counted,
        Self::Disputed,
        Self::Contested,
        Self::Retracted,
    ];

    /// The rows of each standing.
    pub fn split(chunk: &Chunk, mask: &Mask) -> [(Self, Mask); 4] {
        let mut rest = mask.clone();
        let mut take = |set: Set| {
            let mut taken = rest.clone();
            taken.and(chunk.set(set));
            rest.and_not(chunk.set(set));
            taken
        };
        let retracted = take(Set::Retracted);
        let disputed = take(Set::Disputed);
        let contested = take(Set::Contested);
        [
            (Self::Counted, rest),
            (Self::Disputed, disputed),
            (Self::Contested, contested),
            (Self::Retracted, retracted),
        ]
    }

    /// Of a row.
    pub fn of(chunk: &Chunk, at: usize) -> Self {
        match () {
            () if chunk.set(Set::Retracted).get(at) => Self::Retracted,
            () if chunk.set(Set::Disputed).get(at) => Self::Disputed,
            () if chunk.set(Set::Contested).get(at) => Self::Contested,
            () => Self::Counted,
        }
    }
}

/// When the question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Every entry before this position.
    pub position: u64,
    /// Whether somebody asked for it: then what the viewer may not see any more is left out.
    pub asked: bool,
}

/// The caller went away, or its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the question was given up")]
pub struct GivenUp;

impl ItemTest {
    /// Whether every item is selected.
    pub fn is_all(&self) -> bool {
        self.substances.is_none() && self.classes == 0 && self.kinds == 0
    }

    /// Whether a row that is in the sets of its classes and kinds may yet have no item that is selected.
    pub(super) fn needs_items(&self) -> bool {
        self.substances.is_some() || (self.classes != 0 && self.kinds != 0)
    }

    /// Whether an item is selected.
    pub fn selects(&self, item: &RowItem) -> bool {
        let substances = self.substances.as_ref();
        substances.is_none_or(|[known, free]| match item.is_catalogued() {
            true => known.has(item.substance),
            false => free.has(item.substance),
        }) && (self.classes == 0 || self.classes >> item.class & 1 == 1)
            && (self.kinds == 0 || self.kinds >> item.kind as u32 & 1 == 1)
    }
}

impl Plan {
    /// Which items it selects.
    pub fn items(&self) -> &ItemTest {
        &self.conditions.items
    }

    /// Whether rows are found by a key, so that it takes next to no time.
    pub fn is_keyed(&self) -> bool {
        !self.keyed.is_empty()
    }

    /// Rows whose incident has other cases, as far as the viewer knows, and the column that names it.
    pub fn incidents(&self) -> (Set, Word) {
        match self.conditions.own_only {
            true => (Set::OwnJoined, Word::OwnIncident),
            false => (Set::Joined, Word::Incident),
        }
    }

    /// The number of the incident of a row, if the viewer knows that it has other cases.
    pub fn joined(&self, chunk: &Chunk, at: usize) -> Option<u32> {
        let (set, incident) = self.incidents();
        chunk.set(set).get(at).then(|| chunk.word(incident, at))
    }

    /// The mass of the selected items of a row, micrograms.
    pub fn mass(&self, chunk: &Chunk, at: usize, items: &ItemView) -> u64 {
        let test = self.items();
        if test.is_all() {
            return chunk.wide(Wide::Mass, at);
        }
        let selected = items.of(chunk, at).filter(|item| test.selects(item));
        let masses = selected.filter(|item| item.dimension == 1);
        masses.fold(0, |sum: u64, item| {
            sum.saturating_add(u64::try_from(item.amount).unwrap_or(0))
        })
    }

    /// A plan for what a viewer asks. `texts` stands for `selection.text`.
    pub fn new(rows: &Rows, viewer: &Viewer, selection: &Selection, texts: Option<Texts>) -> Self {
        let names = &rows.names;
        let mut sets = Vec::new();
        if !selection.statuses.is_empty() {
            sets.push(selection.statuses.iter().map(|s| status_set(*s)).collect());
        }
        if !selection.item_kinds.is_empty() {
            sets.push(selection.item_kinds.iter().map(|k| kind_set(*k)).collect());
        }
        let numbers = |keys: &Keys, forms: &[String]| -> Numbers {
            let of_form = |form: &String| keys.rows(&Key::text(form)).collect::<Vec<_>>();
            forms.iter().flat_map(of_form).collect()
        };
        let given = |is_empty: bool| (!is_empty).then_some(());
        let substances =
            given(selection.substances.is_empty() && selection.free_substances.is_empty());
        let substances = substances.map(|()| {
            let known = selection.substances.iter();
            let known = known.map(|s| names.substances.find(s.id.as_bytes()));
            // Nothing is of a substance that has no number.
            let known = known.filter(|number| *number != 0).collect();
            [known, numbers(&names.free_keys, &selection.free_substances)]
        });
        let classes: Vec<usize> = selection.classes.iter().map(|c| class_number(*c)).collect();
        let countries = |codes: &[&'static str]| -> Numbers {
            let codes = codes.iter().map(|code| country_code(code));
            codes.map(u32::from).collect()
        };
        let places = [
            (Half::Country, &selection.countries),
            (Half::Origin, &selection.origins),
            (Half::Departure, &selection.departures),
            (Half::Destination, &selection.destinations),
        ];
        let places = places.into_iter().filter(|(_, codes)| !codes.is_empty());
        let keyed = [
            selection
                .identifiers
                .iter()
                .map(|form| Key::identifier(form))
                .collect::<Vec<_>>(),
            selection.digests.iter().map(Key::digest).collect(),
            selection
                .organizations
                .iter()
                .map(|form| Key::organization(form))
                .collect(),
        ];
        let time = |time: Option<i128>| time.map(|t| u64::try_from(t.max(0)).unwrap_or(u64::MAX));
        let conditions = Conditions {
            agency: names.agencies.find(viewer.agency.id().as_bytes()),
            own_only: viewer.reach == Reach::OwnCases,
            sets,
            owners: given(selection.agencies.is_empty()).map(|()| {
                let agencies = selection.agencies.iter();
                agencies
                    .map(|a| names.agencies.find(a.id().as_bytes()))
                    .filter(|n| *n != 0)
                    .collect()
            }),
            units: given(selection.reporting_units.is_empty())
                .map(|()| numbers(&names.unit_keys, &selection.reporting_units)),
            places: places
                .map(|(column, codes)| (column, countries(codes)))
                .collect(),
            transits: given(selection.transits.is_empty()).map(|()| countries(&selection.transits)),
            bases: selection
                .bases
                .iter()
                .fold(0, |bits, basis| bits | 1 << (*basis as u16 & 15)),
            conveyances: given(selection.conveyances.is_empty()).map(|()| {
                let conveyances = selection.conveyances.iter();
                conveyances.fold(0, |bits, c: &Conveyance| bits | 1 << (*c as u32 & 31))
            }),
            from_day: selection.from_day,
            to_day: selection.to_day,
            recorded_from: time(selection.recorded_from),
            recorded_before: time(selection.recorded_before),
            items: ItemTest {
                substances,
                classes: classes.iter().fold(0, |bits, class| bits | 1 << class),
                kinds: selection
                    .item_kinds
                    .iter()
                    .fold(0, |bits, kind: &ItemKind| bits | 1 << *kind as u32),
            },
            classes,
            min_mass: selection
                .min_mass
                .map(|mass| u64::try_from(mass).unwrap_or(0)),
            obstacles: given(selection.obstacles.is_empty()).map(|()| {
                selection
                    .obstacles
                    .iter()
                    .fold(Obstacles::default(), Obstacles::with)
            }),
        };
        Self {
            conditions,
            keyed: keyed.into_iter().filter(|keys| !keys.is_empty()).collect(),
            texts,
        }
    }
}

impl Obstacles {
    fn with(mut self, hindrance: &Hindrance) -> Self {
        match hindrance {
            Hindrance::Retracted => self.retracted = true,
            Hindrance::Disputed => self.disputed = true,
            Hindrance::Contested => self.contested = true,
            Hindrance::Rule(rule) => self.rules |= 1 << ((*rule + 1) & 63),
        }
        self
    }

    pub(super) fn select(self, chunk: &Chunk, at: usize) -> bool {
        match Standing::of(chunk, at) {
            Standing::Retracted => self.retracted,
            Standing::Disputed => self.disputed,
            Standing::Contested => self.contested,
            Standing::Counted => self.rules >> (chunk.half(Half::Rule, at) & 63) & 1 == 1,
        }
    }
}

fn status_set(status: CaseStatus) -> Set {
    match status {
        CaseStatus::Attributed => Set::Attributed,
        CaseStatus::Confirmed => Set::Confirmed,
        CaseStatus::Reported | CaseStatus::Unspecified => Set::Reported,
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}
